/** The two kinds of work of a campaign, as a worker process (or this one) does them. Plain data in and out. */

import type { BasePolicy, CampaignSpace, RawFinding } from '../fuzz/chunk.ts';
import { type ChunkResult, ChunkRunner } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { fastCheckShrink } from '../shrink/fast-check.ts';
import {
  drain,
  runPasses,
  SEARCH_STATES_MAX,
  type SearchProgress,
  Shrinker,
  type Shrunk,
  type Target,
} from '../shrink/shrink.ts';

export interface ChunkJob {
  readonly chunk: number;
  readonly runs: number;
  /** Per policy: class keys met in earlier chunks. */
  readonly known: readonly (readonly number[])[];
}

export interface ShrinkJob {
  readonly policy: number;
  readonly mode: 'shortest' | 'passes';
  /** Per search. */
  readonly statesMax: number;
  readonly findings: readonly Omit<RawFinding, 'policy'>[];
}

/** How far a shrink job has got. */
export interface ShrinkEvent {
  /** Findings done. */
  readonly done: number;
  readonly search?: SearchProgress;
}

/** Does the jobs of one campaign; keeps worlds and searches between them. */
export class JobRunner {
  readonly #chunks: ChunkRunner;
  readonly #shrinkers = new Map<number, Shrinker>();
  readonly #policies: readonly ExpandedPolicy[];
  readonly #bases: readonly (BasePolicy | undefined)[];

  /** `bases`: per policy, in order; JSON makes null of undefined. */
  constructor(
    space: CampaignSpace,
    policies: readonly ExpandedPolicy[],
    bases: readonly (BasePolicy | undefined | null)[],
  ) {
    this.#policies = policies;
    this.#bases = bases.map((base) => base ?? undefined);
    this.#chunks = new ChunkRunner(space, policies, this.#bases);
  }

  chunk(job: ChunkJob): ChunkResult {
    return this.#chunks.run(
      job.chunk,
      job.known.map((keys) => new Set(keys)),
      job.runs,
    );
  }

  /** One result per finding, in order. */
  shrink(job: ShrinkJob): Shrunk[] {
    return drain(this.shrinking(job));
  }
  /** The same a little at a time. */
  *shrinking(job: ShrinkJob): Generator<ShrinkEvent, Shrunk[]> {
    const policy = this.#policies[job.policy]!;
    const results: Shrunk[] = [];
    const base = this.#bases[job.policy]?.policy;
    for (const { code, documented, regression, ...finding } of job.findings) {
      const target: Target =
        regression === undefined || base === undefined
          ? { code, documented }
          : { code, documented, base, way: regression.way };
      const first = fastCheckShrink(this.#chunks, finding.run, policy, target) ?? finding.scenario;
      if (job.mode === 'shortest') {
        const work = this.#shrinker(job).shrinking(first, target);
        let at = work.next();
        for (; at.done !== true; at = work.next()) yield { done: results.length, search: at.value };
        results.push(at.value);
      } else {
        const scenario = runPasses(first, policy, target);
        const reason = 'not proved: shrunk by passes, not searched';
        results.push({
          scenario,
          minimality: { kind: '1-minimal', scope: 'its own steps', depth: scenario.steps.length, reason },
        });
      }
      yield { done: results.length };
    }
    return results;
  }

  #shrinker({ policy, statesMax }: ShrinkJob): Shrinker {
    const known = this.#shrinkers.get(policy);
    if (known?.statesMax === statesMax) return known;
    // Large searches of several policies would not fit side by side.
    if (statesMax > SEARCH_STATES_MAX) this.#shrinkers.clear();
    const shrinker = new Shrinker(this.#policies[policy]!, statesMax);
    this.#shrinkers.set(policy, shrinker);
    return shrinker;
  }
}
