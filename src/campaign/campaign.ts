/**
 * A campaign: chunks of runs in order, the first run per policy and class kept, findings on disk at once, then
 * shrunk. The main process owns clock, signals, files and screen; what is found depends on (seed, run range) alone.
 */
import pLimit from 'p-limit';
import { PROPERTIES } from '../../properties/index.ts';
import { decodeClass } from '../executor/simulated.ts';
import {
  addCounts,
  CHUNK_RUNS,
  type ChunkResult,
  classKey,
  noCounts,
  type PolicyCounts,
  type RawFinding,
} from '../fuzz/chunk.ts';
import { classId } from '../property/property.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { formatCounterexample } from '../scenario/file.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { reachable } from './coverage.ts';
import type { ShrinkJob } from './jobs.ts';
import { openPool } from './pool.ts';
import { FindingStore, slugOf } from './store.ts';
import type { CampaignOptions, CampaignResult, Finding, Progress } from './types.ts';

/** At most so many progress calls a second. */
const PROGRESS_INTERVAL_MS = 200;
/** Chunks in flight per worker: one runs, one waits. */
const IN_FLIGHT = 2;

interface Merged {
  readonly raw: RawFinding;
  readonly classId: string;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { policies, seed, scope, profile, runs, timeMs, workers, signal } = options;
  if (runs === undefined && timeMs === undefined) throw new RangeError('a campaign needs runs or a time');
  const space = { seed, scope, profile };
  const shard = options.shard ?? { index: 0, count: 1 };
  const notice = options.onNotice ?? (() => {});
  const pool = openPool(space, policies, workers, notice);
  const store = new FindingStore(options.out, notice, (text) => process.stdout.write(text));
  const counts = policies.map(noCounts);
  const at = new Map(policies.map((p, i) => [p.id, i]));
  const merged = policies.map(() => new Map<number, Merged>());
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  const interrupted = aborted(signal);
  let done = 0;
  let lastProgress = Number.NEGATIVE_INFINITY;
  let shrunk = 0;
  let toShrink = 0;

  const progress = (phase: Progress['phase'], force: boolean): void => {
    const now = elapsed();
    if (options.onProgress === undefined || (!force && now - lastProgress < PROGRESS_INTERVAL_MS)) return;
    lastProgress = now;
    options.onProgress({
      phase,
      runs: done,
      runsWanted: runs,
      steps: counts.reduce((sum, c) => sum + c.steps, 0),
      elapsedMs: now,
      classes: merged.map((classes) => [...classes.values()].filter((m) => !m.raw.documented).length),
      goalsReached: goalsReached(counts).filter(Boolean).length,
      goals: PROPERTIES.length,
      shrunk,
      toShrink,
    });
  };

  const fileOf = (raw: RawFinding, id: string): string =>
    `${raw.policy}/${raw.documented ? 'documented-' : ''}${slugOf(id)}`;
  const textOf = (raw: RawFinding, scenario: Scenario, minimality: Finding['minimality']): string =>
    formatCounterexample(
      buildCounterexample({
        scenario,
        policy: policies[at.get(raw.policy)!]!,
        code: raw.code,
        documented: raw.documented,
        minimality,
        provenance: { tool: 'gupfuzz', seed, run: raw.run, found: 'campaign' },
        policies,
      }),
    );

  const merge = (result: ChunkResult): void => {
    done += result.runs;
    result.counts.forEach((c, i) => {
      addCounts(counts[i]!, c);
    });
    for (const raw of result.findings) {
      const classes = merged[at.get(raw.policy)!]!;
      const key = classKey(raw.code, raw.documented);
      const before = classes.get(key);
      if (before !== undefined && before.raw.run <= raw.run) continue;
      const id = classId(decodeClass(raw.code));
      classes.set(key, { raw, classId: id });
      if (!raw.documented || options.documented)
        store.write(`${fileOf(raw, id)}.raw.gup.json`, textOf(raw, raw.scenario, NOT_SHRUNK));
    }
  };

  try {
    const ended = await fuzz();
    const findings = ended.reason === 'interrupted' ? list() : await shrinkAll();
    progress('done', true);
    const goals = goalsReached(counts);
    return {
      space,
      runs: done,
      endRun: ended.endRun,
      ended: ended.reason,
      elapsedMs: elapsed(),
      policies,
      counts,
      ...(store.dir === undefined ? {} : { out: store.dir }),
      findings,
      goalsMissed: PROPERTIES.filter((p, i) => !goals[i] && reachable(p, space)).map((p) => p.id),
      canariesMissed: policies.filter((p, i) => p.canary && !hasBroken(merged[i]!)).map((p) => p.id),
    };
  } finally {
    await pool.close();
  }

  async function fuzz(): Promise<{ reason: CampaignResult['ended']; endRun: number }> {
    const limit = pLimit(Math.max(1, workers) * IN_FLIGHT);
    const chunks = runs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(runs / CHUNK_RUNS);
    const timeIsUp = (): boolean => timeMs !== undefined && elapsed() >= timeMs;
    const finished = new Set<number>();
    const pending = new Set<Promise<void>>();
    let failure: unknown;
    let chunk = shard.index;
    for (
      ;
      chunk < chunks && !timeIsUp() && signal?.aborted !== true && failure === undefined;
      chunk += shard.count
    ) {
      const number = chunk;
      const job = limit(async () => {
        if (signal?.aborted === true || failure !== undefined) return;
        const size = runs === undefined ? CHUNK_RUNS : Math.min(CHUNK_RUNS, runs - number * CHUNK_RUNS);
        const known = merged.map((classes) =>
          [...classes].filter(([, m]) => m.raw.run < number * CHUNK_RUNS).map(([key]) => key),
        );
        merge(await pool.chunk({ chunk: number, runs: size, known }));
        finished.add(number);
        progress('fuzz', false);
      }).catch((error: unknown) => {
        failure ??= error;
      });
      const tracked = job.finally(() => pending.delete(tracked));
      pending.add(tracked);
      if (limit.pendingCount > 0) await Promise.race([...pending, interrupted]);
    }
    await Promise.race([Promise.all(pending), interrupted]);
    if (failure !== undefined && signal?.aborted !== true) throw failure;
    progress('fuzz', true);
    let end = shard.index;
    while (finished.has(end)) end += shard.count;
    const endRun = Math.min(end * CHUNK_RUNS, runs ?? Number.POSITIVE_INFINITY);
    if (signal?.aborted === true) return { reason: 'interrupted', endRun };
    return { reason: chunk >= chunks ? 'runs' : 'time', endRun };
  }

  /** Findings as they were met, in order of policy, then class. */
  function sorted(): { policy: number; m: Merged }[] {
    return merged.flatMap((classes, policy) =>
      [...classes.values()]
        .filter((m) => !m.raw.documented || options.documented)
        .sort((x, y) => compare(x.classId, y.classId) || Number(x.raw.documented) - Number(y.raw.documented))
        .map((m) => ({ policy, m })),
    );
  }

  function finding(
    m: Merged,
    scenario: Scenario,
    minimality: Finding['minimality'],
    file: string | undefined,
  ): Finding {
    const parts = decodeClass(m.raw.code);
    return {
      policy: m.raw.policy,
      class: m.classId,
      parts,
      code: m.raw.code,
      documented: m.raw.documented,
      run: m.raw.run,
      scenario,
      minimality,
      ...(file === undefined ? {} : { file }),
    };
  }

  function list(): Finding[] {
    return sorted().map(({ m }) => {
      const file = options.out === undefined ? undefined : `${fileOf(m.raw, m.classId)}.raw.gup.json`;
      return finding(m, m.raw.scenario, NOT_SHRUNK, file);
    });
  }

  async function shrinkAll(): Promise<Finding[]> {
    if (options.shrink === 'none') return list();
    const mode = options.shrink;
    const all = sorted();
    toShrink = all.length;
    // One job per policy and page kind, as their searches have most in common.
    const groups = new Map<string, { policy: number; members: Merged[] }>();
    for (const { policy, m } of all) {
      const key = `${policy} ${decodeClass(m.raw.code).page}`;
      const group = groups.get(key) ?? { policy, members: [] };
      group.members.push(m);
      groups.set(key, group);
    }
    const results = new Map<Merged, Finding>();
    const limit = pLimit(Math.max(1, workers));
    await Promise.race([
      Promise.all(
        [...groups.values()].map(({ policy, members }) =>
          limit(async () => {
            if (signal?.aborted === true) return;
            const job: ShrinkJob = { policy, mode, findings: members.map((m) => m.raw) };
            const smaller = await pool.shrink(job);
            members.forEach((m, i) => {
              const { scenario, minimality } = smaller[i]!;
              const name = fileOf(m.raw, m.classId);
              const file = store.write(`${name}.gup.json`, textOf(m.raw, scenario, minimality));
              if (file !== undefined) store.remove(`${name}.raw.gup.json`);
              results.set(
                m,
                finding(m, scenario, minimality, file === undefined ? undefined : `${name}.gup.json`),
              );
              shrunk++;
            });
            progress('shrink', false);
          }),
        ),
      ),
      interrupted,
    ]);
    const left = new Map(list().map((f) => [`${f.policy} ${f.code} ${f.documented}`, f]));
    return all.map(
      ({ m }) => results.get(m) ?? left.get(`${m.raw.policy} ${m.raw.code} ${m.raw.documented}`)!,
    );
  }
}

const NOT_SHRUNK = { kind: 'none', scope: 'as drawn', depth: 0 } as const;

function goalsReached(counts: readonly PolicyCounts[]): boolean[] {
  return PROPERTIES.map((_, i) => counts.some((c) => c.goals[i]! > 0));
}

function hasBroken(classes: ReadonlyMap<number, Merged>): boolean {
  return [...classes.values()].some((m) => !m.raw.documented);
}

const compare = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);

/** Resolves when the signal fires; never, without one. */
function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal === undefined) return;
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
