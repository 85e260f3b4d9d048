/**
 * A campaign: chunks of runs in order, the first run per policy and class kept, findings on disk at once, then shrunk by
 * passes, told, and searched for shorter ones: a proof costs ten times what the passes do, and seldom brings one. The main process owns clock, signals, files and screen; what is found depends on (seed, run range) alone.
 */
import pLimit from 'p-limit';
import { PROPERTIES } from '../../properties/index.ts';
import { scopeName, versionedScope } from '../check/scope.ts';
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
import { alphabetOf, PROFILES, setupsOf } from '../fuzz/generate.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { classId } from '../property/property.ts';
import { NEWNESS, type Newness, newnessOf } from '../regression/order.ts';
import { wayOf } from '../regression/way.ts';
import { campaignData } from '../report/campaign.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { formatCounterexample } from '../scenario/file.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { SEARCH_STATES_MAX } from '../shrink/limit.ts';
import type { Shrunk } from '../shrink/shrink.ts';
import { unreachable } from './coverage.ts';
import { openPool, WorkersDied } from './pool.ts';
import { runStage, type StageOptions } from './stage.ts';
import { FindingStore, findingName } from './store.ts';
import { isOutOfFiles, TOO_MANY_FILES } from './too-many-files.ts';
import type { CampaignOptions, CampaignResult, Finding, Progress } from './types.ts';

/** At most so many progress calls a second. */
const PROGRESS_INTERVAL_MS = 200;
/** Chunks in flight per worker: one runs, one waits. */
const IN_FLIGHT = 2;

interface Merged {
  readonly raw: RawFinding;
  readonly classId: string;
}

/** How the drawing of runs ended, and before which run. */
interface Ended {
  readonly reason: CampaignResult['ended'];
  readonly endRun: number;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { policies, seed, profile, change, runs, timeMs, workers, signal } = options;
  checkOptions(options);
  const scope = versionedScope(options.scope);
  const space = { seed, scope, profile, ...(change === undefined ? {} : { change }) };
  const shard = options.shard ?? { index: 0, count: 1 };
  const notice = options.onNotice ?? (() => {});
  const bases = policies.map((_, i) => options.bases?.[i]);
  const pool = openPool(space, policies, bases, workers, notice);
  const store = new FindingStore(
    options.out,
    notice,
    options.onLost ?? ((text) => process.stderr.write(text)),
  );
  const counts = policies.map(noCounts);
  const at = new Map(policies.map((p, i) => [p.id, i]));
  const merged = policies.map(() => new Map<number, Merged>());
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  // Whoever waits for the next thing to happen: a job that ends, or the signal.
  let wake = (): void => {};
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const onAbort = (): void => wake();
  signal?.addEventListener('abort', onAbort);
  /** Where the raw file of a finding went. */
  const written = new Map<RawFinding, string | undefined>();
  let failure: CampaignResult['failure'];
  let done = 0;
  let lastProgress = Number.NEGATIVE_INFINITY;
  let shrunk = 0;
  let searched = 0;
  let toShrink = 0;
  let search: Progress['search'];

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
      searched,
      toShrink,
      ...(search === undefined ? {} : { search }),
    });
  };

  const fileOf = (raw: RawFinding, id: string): string => {
    const kind = raw.documented ? 'documented-' : raw.regression === undefined ? '' : 'regression-';
    const way = raw.regression === undefined ? undefined : wayOf(raw.regression.way);
    return `${raw.policy}/${kind}${findingName(id, way)}`;
  };
  const textOf = (raw: RawFinding, scenario: Scenario, minimality: Finding['minimality']): string =>
    formatCounterexample(
      buildCounterexample({
        scenario,
        policy: policies[at.get(raw.policy)!]!,
        code: raw.code,
        documented: raw.documented,
        minimality,
        provenance: { tool: 'gupfuzz', seed, run: raw.run, found: 'campaign' },
        policies: withBase(policies, bases[at.get(raw.policy)!]?.policy),
      }),
    );

  const merge = (result: ChunkResult): void => {
    done += result.runs;
    result.counts.forEach((c, i) => {
      addCounts(counts[i]!, c);
    });
    for (const raw of result.findings) {
      const classes = merged[at.get(raw.policy)!]!;
      const key = classKey(raw.code, raw.documented, raw.regression?.way);
      const before = classes.get(key);
      if (before !== undefined && before.raw.run <= raw.run) continue;
      const id = classId(decodeClass(raw.code));
      classes.set(key, { raw, classId: id });
      if (!raw.documented || options.documented)
        written.set(
          raw,
          store.write(`${fileOf(raw, id)}.raw.gup.json`, textOf(raw, raw.scenario, NOT_SHRUNK)),
        );
    }
  };

  try {
    const result = listed(await work());
    progress('done', true);
    return result;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await pool.close();
  }

  async function work(): Promise<CampaignResult> {
    const ended = await fuzz();
    const over = (): boolean => signal?.aborted === true || failure !== undefined;
    if (over() || options.shrink === 'none') return resultOf(ended, list());
    const { members, findings } = await passAll();
    const passed = resultOf(ended, findings);
    if (over() || options.shrink === 'passes' || members.length === 0) return passed;
    options.onPassed?.(listed(passed));
    await proveAll(members, findings);
    return {
      ...resultOf(ended, findings),
      ended: ended.reason,
      proofsStopped: signal?.aborted === true && searched < toShrink,
    };
  }

  async function fuzz(): Promise<Ended> {
    const limit = pLimit(Math.max(1, workers) * IN_FLIGHT);
    const chunks = runs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(runs / CHUNK_RUNS);
    const timeIsUp = (): boolean => timeMs !== undefined && elapsed() >= timeMs;
    const stopped = (): boolean => signal?.aborted === true || failure !== undefined;
    // At once: the first chunk may take seconds.
    progress('fuzz', true);
    // Chunks below `end` are done, and those in `finished`.
    const finished = new Set<number>();
    let end = shard.index;
    let pending = 0;
    let chunk = shard.index;
    for (; chunk < chunks && !timeIsUp() && !stopped(); chunk += shard.count) {
      const number = chunk;
      pending++;
      void limit(async () => {
        if (stopped()) return;
        const size = runs === undefined ? CHUNK_RUNS : Math.min(CHUNK_RUNS, runs - number * CHUNK_RUNS);
        const known = merged.map((classes) =>
          [...classes].filter(([, m]) => m.raw.run < number * CHUNK_RUNS).map(([key]) => key),
        );
        const result = await pool.chunk({ chunk: number, runs: size, known });
        if (signal?.aborted === true) return;
        merge(result);
        finished.add(number);
        while (finished.delete(end)) end += shard.count;
        progress('fuzz', false);
      })
        .catch((error: unknown) => {
          failure ??= failureOf(error);
        })
        .finally(() => {
          pending--;
          wake();
        });
      while (limit.pendingCount > 0 && !stopped()) await next();
    }
    while (pending > 0 && !stopped()) await next();
    progress('fuzz', true);
    const endRun = Math.min(end * CHUNK_RUNS, runs ?? Number.POSITIVE_INFINITY);
    if (signal?.aborted === true) return { reason: 'interrupted', endRun };
    if (failure !== undefined) return { reason: 'failed', endRun };
    return { reason: chunk >= chunks ? 'runs' : 'time', endRun };
  }

  /** Findings as they were met, in order. A class that is told as a regression is not told once more. */
  function sorted(): { policy: number; m: Merged }[] {
    return merged.flatMap((classes, policy) => {
      const all = [...classes.values()];
      const told = new Set(all.filter((m) => m.raw.regression !== undefined).map((m) => m.raw.code));
      const again = (m: Merged): boolean =>
        m.raw.regression === undefined && !m.raw.documented && told.has(m.raw.code);
      for (const m of all) if (again(m)) store.remove(`${fileOf(m.raw, m.classId)}.raw.gup.json`);
      return all
        .filter((m) => !again(m) && (!m.raw.documented || options.documented))
        .sort(
          (x, y) =>
            rank(x.raw, policy) - rank(y.raw, policy) ||
            compare(x.classId, y.classId) ||
            Number(x.raw.documented) - Number(y.raw.documented) ||
            (x.raw.regression?.way ?? -1) - (y.raw.regression?.way ?? -1),
        )
        .map((m) => ({ policy, m }));
    });
  }

  /** Regressions before all else. */
  function rank(raw: RawFinding, policy: number): number {
    return raw.regression === undefined ? NEWNESS.length : newness(raw, policy);
  }
  function newness({ code, regression }: RawFinding, policy: number): Newness {
    // Where the base is in the campaign itself, what it breaks on any program counts.
    const own = merged[at.get(bases[policy]!.policy.id) ?? -1]?.values() ?? [];
    const broken = [...own].filter((m) => !m.raw.documented).map((m) => m.raw.code);
    return newnessOf(code, regression?.follows === true, [...counts[policy]!.baseCodes, ...broken]);
  }

  function finding(
    m: Merged,
    scenario: Scenario,
    minimality: Finding['minimality'],
    file: string | undefined,
  ): Finding {
    const parts = decodeClass(m.raw.code);
    const policy = at.get(m.raw.policy)!;
    const { regression } = m.raw;
    return {
      policy: m.raw.policy,
      class: m.classId,
      parts,
      code: m.raw.code,
      documented: m.raw.documented,
      run: m.raw.run,
      scenario,
      minimality,
      ...(regression === undefined
        ? {}
        : {
            regression: {
              base: bases[policy]!.policy.id,
              way: wayOf(regression.way),
              newness: newness(m.raw, policy),
            },
          }),
      ...(file === undefined ? {} : { file }),
    };
  }

  function asMet(m: Merged): Finding {
    return finding(m, m.raw.scenario, NOT_SHRUNK, written.get(m.raw));
  }
  function list(): Finding[] {
    return sorted().map(({ m }) => asMet(m));
  }

  interface Members {
    readonly members: readonly { readonly policy: number; readonly m: Merged }[];
    /** Of each member, in order, as far as it is shrunk. */
    readonly findings: Finding[];
  }

  async function passAll(): Promise<Members> {
    const members = sorted().filter(
      ({ m }) => options.regressionsOnly !== true || m.raw.regression !== undefined,
    );
    const findings = members.map(({ m }) => asMet(m));
    toShrink = members.length;
    const shrunkOnes = new Set<number>();
    await runStage(
      pool,
      members.map(({ policy, m }) => ({ policy, raw: m.raw })),
      {
        stage: 'passes',
        ...stageOptions(workers),
        onShrunk: (at, shrunkOne) => {
          findings[at] = shrunkTo(members[at]!.m, shrunkOne);
          shrunk = shrunkOnes.add(at).size;
          progress('shrink', false);
        },
      },
    );
    return { members, findings };
  }

  /** Replaces findings by what their proofs say, one by one. */
  async function proveAll(members: Members['members'], findings: Finding[]): Promise<void> {
    progress('prove', true);
    const proved = new Set<number>();
    await runStage(
      pool,
      members.map(({ policy, m }, at) => ({ policy, raw: { ...m.raw, scenario: findings[at]!.scenario } })),
      {
        stage: 'proofs',
        ...stageOptions(Math.min(workers, options.shrinkJobs ?? workers)),
        onShrunk: (at, shrunkOne) => {
          findings[at] = shrunkTo(members[at]!.m, shrunkOne);
          searched = proved.add(at).size;
          progress('prove', false);
        },
      },
    );
  }

  function stageOptions(jobs: number): Omit<StageOptions, 'stage' | 'onShrunk'> {
    return {
      statesMax: options.shrinkStates ?? SEARCH_STATES_MAX,
      atATime: Math.max(1, jobs),
      ...(signal === undefined ? {} : { signal }),
      onSearch: (heard) => {
        search = heard;
        progress('prove', false);
      },
      onFailure: (error) => {
        failure ??= failureOf(error);
      },
    };
  }

  /** The file of a smaller one takes the place of that before. */
  function shrunkTo(m: Merged, { scenario, minimality }: Shrunk): Finding {
    const name = fileOf(m.raw, m.classId);
    const file = store.write(`${name}.gup.json`, textOf(m.raw, scenario, minimality));
    if (file !== undefined) store.remove(`${name}.raw.gup.json`);
    return finding(m, scenario, minimality, file);
  }

  function resultOf(ended: Ended, findings: readonly Finding[]): CampaignResult {
    const goals = goalsReached(counts);
    return {
      space,
      runs: done,
      endRun: ended.endRun,
      ended: signal?.aborted === true ? 'interrupted' : ended.reason,
      proofsStopped: false,
      elapsedMs: elapsed(),
      policies,
      bases,
      counts,
      findings: [...findings],
      // A campaign that failed says nothing of goals: it may have failed by what a policy is.
      goalsMissed: PROPERTIES.filter(
        (p, i) => !goals[i] && (failure !== undefined || unreachable(p, space, policies) === undefined),
      ).map((p) => p.id),
      // A shard without any of the canary's chunks has nothing to say about it.
      canariesMissed: policies
        .filter((p, i) => p.canary && counts[i]!.steps > 0 && !hasBroken(merged[i]!))
        .map((p) => p.id),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** The same with its list, which is written. */
  function listed(result: CampaignResult): CampaignResult {
    if (options.out === undefined) return result;
    const listFile = store.write(
      'campaign.json',
      `${JSON.stringify(campaignData(result, store.dir), null, 2)}\n`,
    );
    return {
      ...result,
      ...(store.dir === undefined ? {} : { out: store.dir }),
      ...(listFile === undefined ? {} : { listFile }),
    };
  }
}

/** Expectations of a file are those of all policies of the campaign, the base among them. */
function withBase(
  policies: readonly ExpandedPolicy[],
  base: ExpandedPolicy | undefined,
): readonly ExpandedPolicy[] {
  return base === undefined || policies.some((p) => p.id === base.id) ? policies : [...policies, base];
}

const failureOf = (error: unknown): NonNullable<CampaignResult['failure']> => ({
  kind: error instanceof WorkersDied || isOutOfFiles(error) ? 'system' : 'bug',
  message: isOutOfFiles(error) ? TOO_MANY_FILES : error instanceof Error ? error.message : String(error),
});

const NOT_SHRUNK = { kind: 'none', scope: 'as drawn', depth: 0 } as const;

function goalsReached(counts: readonly PolicyCounts[]): boolean[] {
  return PROPERTIES.map((_, i) => counts.some((c) => c.goals[i]! > 0));
}

function hasBroken(classes: ReadonlyMap<number, Merged>): boolean {
  return [...classes.values()].some((m) => !m.raw.documented);
}

const compare = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);

/** Throws RangeError for an option that is not allowed; types alone do not stop a program in JavaScript. */
function checkOptions(options: CampaignOptions): void {
  const { policies, runs, timeMs, workers, shard, seed, scope, profile, change } = options;
  const { shrinkStates, shrinkJobs } = options;
  const whole = (name: string, value: number, min: number): void => {
    if (!Number.isSafeInteger(value) || value < min)
      throw new RangeError(`${name} is ${value}; allowed: a whole number from ${min} on`);
  };
  if (runs === undefined && timeMs === undefined) throw new RangeError('a campaign needs runs or timeMs');
  if (runs !== undefined) whole('runs', runs, 1);
  if (timeMs !== undefined && !(timeMs > 0))
    throw new RangeError(`timeMs is ${timeMs}; allowed: more than 0`);
  whole('workers', workers, 0);
  whole('seed', seed, 0);
  if (shrinkStates !== undefined) whole('shrinkStates', shrinkStates, 1);
  if (shrinkJobs !== undefined) whole('shrinkJobs', shrinkJobs, 1);
  if (shard !== undefined) {
    whole('shard.count', shard.count, 1);
    whole('shard.index', shard.index, 0);
    if (shard.index >= shard.count) throw new RangeError(`shard.index is ${shard.index} of ${shard.count}`);
  }
  if (!PROFILES.includes(profile))
    throw new RangeError(`profile is ${profile}; allowed: ${PROFILES.join(', ')}`);
  const { version } = scopeName(scope);
  // Names an unknown scope, or a change that no setup can have.
  if (
    !setupsOf(scope, profile, change).some((setup) => alphabetOf(setup, change, version).ops.includes(true))
  )
    throw new RangeError(`${change?.flags ?? scope} leaves no operation`);
  if (policies.length === 0) throw new RangeError('a campaign needs a policy');
  const ids = policies.map((p) => p.id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw new RangeError(`two policies have the id ${twice}`);
}
