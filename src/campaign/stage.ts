/**
 * One stage of making findings smaller, passes or proofs, on the workers of a pool. What comes of a finding depends on
 * the finding alone, and is told as soon as it is known, so that a stage may be stopped at any time.
 */
import pLimit from 'p-limit';
import { decodeClass, InvariantError } from '../executor/simulated.ts';
import type { RawFinding } from '../fuzz/chunk.ts';
import type { SearchProgress, Shrunk } from '../shrink/shrink.ts';
import type { ShrinkJob } from './jobs.ts';
import type { Pool } from './pool.ts';

export interface StageOptions {
  readonly stage: ShrinkJob['stage'];
  /** Per search of a proof. */
  readonly statesMax: number;
  /** Jobs at a time. */
  readonly atATime: number;
  readonly signal?: AbortSignal;
  readonly onSearch: (search: SearchProgress) => void;
  /** Of the finding with this index. Once each, or more often with the same. */
  readonly onShrunk: (at: number, shrunk: Shrunk) => void;
  /** A job failed, or what was called threw; the other jobs go on. */
  readonly onFailure: (error: unknown) => void;
}

/** A finding, by the index of its policy, with the scenario to start from. */
export interface Member {
  readonly policy: number;
  readonly raw: RawFinding;
}

/** Until all is done, or until the signal: nothing is told after that. */
export async function runStage(pool: Pool, members: readonly Member[], options: StageOptions): Promise<void> {
  const { stage, statesMax, signal, onSearch, onShrunk, onFailure } = options;
  const limit = pLimit(options.atATime);
  let over = false;
  const attempt = (work: () => void): void => {
    try {
      if (!over) work();
    } catch (error) {
      onFailure(error);
    }
  };
  const work = groupsOf(members).map((group) =>
    limit(async () => {
      if (over) return;
      const findings = group.map((at) => members[at]!.raw);
      const job: ShrinkJob = { stage, policy: members[group[0]!]!.policy, statesMax, findings };
      const told = new Set<number>();
      await pool.shrink(job, (event) => {
        if ('search' in event) return attempt(() => onSearch(event.search));
        told.add(event.at);
        attempt(() => onShrunk(group[event.at]!, event.shrunk));
      });
      if (told.size !== group.length) throw new InvariantError('a finding of which nothing came');
    }).catch((error: unknown) => attempt(() => onFailure(error))),
  );
  let onAbort = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    if (signal?.aborted === true) resolve();
  });
  signal?.addEventListener('abort', onAbort);
  await Promise.race([Promise.all(work), aborted]);
  signal?.removeEventListener('abort', onAbort);
  over = true;
}

/** One job per policy and page kind, as their searches have most in common; those with regressions first. */
function groupsOf(members: readonly Member[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const [at, { policy, raw }] of members.entries()) {
    const key = `${policy} ${decodeClass(raw.code).page}`;
    const group = groups.get(key) ?? [];
    groups.set(key, [...group, at]);
  }
  const isNew = (group: readonly number[]): boolean =>
    group.some((at) => members[at]!.raw.regression !== undefined);
  return [...groups.values()].sort((x, y) => Number(isNew(y)) - Number(isNew(x)));
}
