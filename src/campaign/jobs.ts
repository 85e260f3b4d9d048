/** The two kinds of work of a campaign, as a worker process (or this one) does them. Plain data in and out. */

import type { CampaignSpace } from '../fuzz/chunk.ts';
import { type ChunkResult, ChunkRunner } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { fastCheckShrink } from '../shrink/fast-check.ts';
import { runPasses, Shrinker, type Shrunk } from '../shrink/shrink.ts';

export interface ChunkJob {
  readonly chunk: number;
  readonly runs: number;
  /** Per policy: class keys met in earlier chunks. */
  readonly known: readonly (readonly number[])[];
}

export interface ShrinkJob {
  readonly policy: number;
  readonly mode: 'shortest' | 'passes';
  readonly findings: readonly {
    readonly code: number;
    readonly documented: boolean;
    readonly run: number;
    readonly scenario: Scenario;
  }[];
}

/** Does the jobs of one campaign; keeps worlds and searches between them. */
export class JobRunner {
  readonly #chunks: ChunkRunner;
  readonly #shrinkers = new Map<number, Shrinker>();
  readonly #policies: readonly ExpandedPolicy[];

  constructor(space: CampaignSpace, policies: readonly ExpandedPolicy[]) {
    this.#policies = policies;
    this.#chunks = new ChunkRunner(space, policies);
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
    const policy = this.#policies[job.policy]!;
    let shrinker = this.#shrinkers.get(job.policy);
    if (shrinker === undefined) {
      shrinker = new Shrinker(policy);
      this.#shrinkers.set(job.policy, shrinker);
    }
    return job.findings.map((finding) => {
      const first = fastCheckShrink(this.#chunks, finding.run, policy, finding) ?? finding.scenario;
      if (job.mode === 'shortest') return shrinker.shrink(first, finding);
      const scenario = runPasses(first, policy, finding);
      return {
        scenario,
        minimality: { kind: '1-minimal', scope: 'its own steps', depth: scenario.steps.length },
      };
    });
  }
}
