/** The kinds of work of a campaign, as a worker process (or this one) does them. Plain data in and out. */

import type { BasePolicy, CampaignSpace, RawFinding } from '../fuzz/chunk.ts';
import { type ChunkResult, ChunkRunner } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { fastCheckShrink } from '../shrink/fast-check.ts';
import { SEARCH_STATES_MAX } from '../shrink/limit.ts';
import { runPasses, type SearchProgress, Shrinker, type Shrunk, type Target } from '../shrink/shrink.ts';

export interface ChunkJob {
  readonly chunk: number;
  readonly runs: number;
  /** Per policy: class keys met in earlier chunks. */
  readonly known: readonly (readonly number[])[];
}

/** Findings of one policy that are made shorter by passes; or, once that is done, searched for shorter ones. */
export interface ShrinkJob {
  readonly stage: 'passes' | 'proofs';
  readonly policy: number;
  /** Per search of a proof. */
  readonly statesMax: number;
  readonly findings: readonly Omit<RawFinding, 'policy'>[];
}

/** How far a search has got, or what came of one finding: `at` is its index. Each finding has one such event. */
export type ShrinkEvent =
  | { readonly search: SearchProgress }
  | { readonly at: number; readonly shrunk: Shrunk };

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

  /** A little at a time. */
  *shrinking(job: ShrinkJob): Generator<ShrinkEvent, void> {
    const policy = this.#policies[job.policy]!;
    const base = this.#bases[job.policy]?.policy;
    for (const [at, { code, documented, regression, run, scenario }] of job.findings.entries()) {
      const target: Target =
        regression === undefined || base === undefined
          ? { code, documented }
          : { code, documented, base, way: regression.way };
      if (job.stage === 'passes') {
        const first = fastCheckShrink(this.#chunks, run, policy, target) ?? scenario;
        yield { at, shrunk: asPassed(runPasses(first, policy, target)) };
        continue;
      }
      const work = this.#shrinker(job).proving(scenario, target);
      let next = work.next();
      for (; next.done !== true; next = work.next()) yield { search: next.value };
      yield { at, shrunk: next.value };
    }
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

const asPassed = (scenario: Scenario): Shrunk => ({
  scenario,
  minimality: {
    kind: '1-minimal',
    scope: 'its own steps',
    depth: scenario.steps.length,
    reason: 'not proved: shrunk by passes, not searched',
  },
});
