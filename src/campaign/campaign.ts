/**
 * A campaign: chunks of runs in order, the first run per policy and class kept, findings on disk at once, then shrunk by
 * passes, told, and searched for shorter ones: a proof costs ten times what the passes do, and seldom brings one. The main process owns clock, signals, files and screen; what is found depends on (seed, run range) alone.
 */
import pLimit from 'p-limit';
import { PROPERTIES } from '../../properties/index.ts';
import { versionedScope } from '../check/scope.ts';
import { CHUNK_RUNS } from '../fuzz/chunk.ts';
import { campaignData } from '../report/campaign.ts';
import { SEARCH_STATES_MAX } from '../shrink/limit.ts';
import { unreachable } from './coverage.ts';
import { Ledger, type Met } from './ledger.ts';
import { checkOptions } from './options.ts';
import { openPool, WorkersDied } from './pool.ts';
import { runStage, type StageOptions } from './stage.ts';
import { FindingStore } from './store.ts';
import { isOutOfFiles, TOO_MANY_FILES } from './too-many-files.ts';
import type { CampaignOptions, CampaignResult, Finding, Progress } from './types.ts';

/** At most so many progress calls a second. */
const PROGRESS_INTERVAL_MS = 200;
/** Chunks in flight per worker: one runs, one waits. */
const IN_FLIGHT = 2;

/** How the drawing of runs ended, and before which run. */
interface Ended {
  readonly reason: CampaignResult['ended'];
  readonly endRun: number;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  checkOptions(options);
  return new Campaign(options).run();
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #space: CampaignResult['space'];
  readonly #bases: CampaignResult['bases'];
  readonly #pool: ReturnType<typeof openPool>;
  readonly #store: FindingStore;
  readonly #ledger: Ledger;
  readonly #started: number;
  #lastProgress = Number.NEGATIVE_INFINITY;
  #shrunk = 0;
  #searched = 0;
  #toShrink = 0;
  #search: Progress['search'];
  #failure: CampaignResult['failure'];
  /** For whoever waits for the next thing to happen: a job that ends, or the signal. */
  #wake = (): void => {};

  constructor(options: CampaignOptions) {
    const { policies, seed, profile, change, workers } = options;
    const notice = options.onNotice ?? (() => {});
    this.#options = options;
    this.#space = {
      seed,
      scope: versionedScope(options.scope),
      profile,
      ...(change === undefined ? {} : { change }),
    };
    this.#bases = policies.map((_, i) => options.bases?.[i]);
    this.#pool = openPool(this.#space, policies, this.#bases, workers, notice);
    this.#store = new FindingStore(
      options.out,
      notice,
      options.onLost ?? ((text) => process.stderr.write(text)),
    );
    this.#ledger = new Ledger(options, this.#bases, this.#store);
    this.#started = performance.now();
  }

  async run(): Promise<CampaignResult> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#wake();
    signal?.addEventListener('abort', onAbort);
    try {
      const result = this.#listed(await this.#work());
      this.#progress('done', true);
      return result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#pool.close();
    }
  }

  async #work(): Promise<CampaignResult> {
    const { shrink, signal, onPassed } = this.#options;
    const ledger = this.#ledger;
    const ended = await this.#fuzz();
    if (this.#stopped() || shrink === 'none')
      return this.#resultOf(
        ended,
        ledger.sorted().map((m) => ledger.asMet(m)),
      );
    const { members, findings } = await this.#passAll();
    const passed = this.#resultOf(ended, findings);
    if (this.#stopped() || shrink === 'passes' || members.length === 0) return passed;
    onPassed?.(this.#listed(passed));
    await this.#proveAll(members, findings);
    return {
      ...this.#resultOf(ended, findings),
      ended: ended.reason,
      proofsStopped: signal?.aborted === true && this.#searched < this.#toShrink,
    };
  }

  async #fuzz(): Promise<Ended> {
    const { runs, timeMs, workers, signal } = this.#options;
    const shard = this.#options.shard ?? { index: 0, count: 1 };
    const limit = pLimit(Math.max(1, workers) * IN_FLIGHT);
    const chunks = runs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(runs / CHUNK_RUNS);
    const timeIsUp = (): boolean => timeMs !== undefined && this.#elapsed() >= timeMs;
    // At once: the first chunk may take seconds.
    this.#progress('fuzz', true);
    // Chunks below `end` are done, and those in `finished`.
    const finished = new Set<number>();
    let end = shard.index;
    let pending = 0;
    let chunk = shard.index;
    for (; chunk < chunks && !timeIsUp() && !this.#stopped(); chunk += shard.count) {
      const number = chunk;
      pending++;
      void limit(async () => {
        if (this.#stopped() || !(await this.#chunk(number))) return;
        finished.add(number);
        while (finished.delete(end)) end += shard.count;
        this.#progress('fuzz', false);
      })
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          pending--;
          this.#wake();
        });
      while (limit.pendingCount > 0 && !this.#stopped()) await this.#next();
    }
    while (pending > 0 && !this.#stopped()) await this.#next();
    this.#progress('fuzz', true);
    const endRun = Math.min(end * CHUNK_RUNS, runs ?? Number.POSITIVE_INFINITY);
    if (signal?.aborted === true) return { reason: 'interrupted', endRun };
    if (this.#failure !== undefined) return { reason: 'failed', endRun };
    return { reason: chunk >= chunks ? 'runs' : 'time', endRun };
  }

  /** Runs one chunk; false if the campaign was stopped meanwhile: then it does not count. */
  async #chunk(chunk: number): Promise<boolean> {
    const { runs, signal } = this.#options;
    const size = runs === undefined ? CHUNK_RUNS : Math.min(CHUNK_RUNS, runs - chunk * CHUNK_RUNS);
    const known = this.#ledger.known(chunk * CHUNK_RUNS);
    const result = await this.#pool.chunk({ chunk, runs: size, known });
    if (signal?.aborted === true) return false;
    this.#ledger.add(result);
    return true;
  }

  /** The findings are of each member, in order, as far as it is shrunk. */
  async #passAll(): Promise<{ readonly members: readonly Met[]; readonly findings: Finding[] }> {
    const { regressionsOnly, workers } = this.#options;
    const members = this.#ledger
      .sorted()
      .filter(({ raw }) => regressionsOnly !== true || raw.regression !== undefined);
    const findings = members.map((m) => this.#ledger.asMet(m));
    this.#toShrink = members.length;
    const passed = new Set<number>();
    await runStage(
      this.#pool,
      members.map(({ policy, raw }) => ({ policy, raw })),
      {
        stage: 'passes',
        ...this.#stageOptions(workers),
        onShrunk: (at, shrunk) => {
          findings[at] = this.#ledger.shrunkTo(members[at]!, shrunk);
          this.#shrunk = passed.add(at).size;
          this.#progress('shrink', false);
        },
      },
    );
    return { members, findings };
  }

  /** Replaces findings by what their proofs say, one by one. */
  async #proveAll(members: readonly Met[], findings: Finding[]): Promise<void> {
    const { workers, shrinkJobs } = this.#options;
    this.#progress('prove', true);
    const proved = new Set<number>();
    await runStage(
      this.#pool,
      members.map(({ policy, raw }, at) => ({
        policy,
        raw: { ...raw, scenario: findings[at]!.scenario },
      })),
      {
        stage: 'proofs',
        ...this.#stageOptions(Math.min(workers, shrinkJobs ?? workers)),
        onShrunk: (at, shrunk) => {
          findings[at] = this.#ledger.shrunkTo(members[at]!, shrunk);
          this.#searched = proved.add(at).size;
          this.#progress('prove', false);
        },
      },
    );
  }

  #stageOptions(jobs: number): Omit<StageOptions, 'stage' | 'onShrunk'> {
    const { shrinkStates, signal } = this.#options;
    return {
      statesMax: shrinkStates ?? SEARCH_STATES_MAX,
      atATime: Math.max(1, jobs),
      ...(signal === undefined ? {} : { signal }),
      onSearch: (heard) => {
        this.#search = heard;
        this.#progress('prove', false);
      },
      onFailure: (error) => this.#fail(error),
    };
  }

  #resultOf({ reason, endRun }: Ended, findings: readonly Finding[]): CampaignResult {
    const { policies, signal } = this.#options;
    const goals = this.#goalsReached();
    const failure = this.#failure;
    return {
      space: this.#space,
      runs: this.#ledger.runs,
      endRun,
      ended: signal?.aborted === true ? 'interrupted' : reason,
      proofsStopped: false,
      elapsedMs: this.#elapsed(),
      policies,
      bases: this.#bases,
      counts: this.#ledger.counts,
      findings: [...findings],
      // A campaign that failed says nothing of goals: it may have failed by what a policy is.
      goalsMissed: PROPERTIES.filter(
        (p, i) => !goals[i] && (failure !== undefined || unreachable(p, this.#space, policies) === undefined),
      ).map((p) => p.id),
      canariesMissed: this.#ledger.canariesMissed(),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** The same with its list, which is written. */
  #listed(result: CampaignResult): CampaignResult {
    const store = this.#store;
    if (this.#options.out === undefined) return result;
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

  #progress(phase: Progress['phase'], force: boolean): void {
    const { onProgress, runs } = this.#options;
    const elapsedMs = this.#elapsed();
    if (onProgress === undefined || (!force && elapsedMs - this.#lastProgress < PROGRESS_INTERVAL_MS)) return;
    this.#lastProgress = elapsedMs;
    onProgress({
      phase,
      runs: this.#ledger.runs,
      runsWanted: runs,
      steps: this.#ledger.counts.reduce((sum, c) => sum + c.steps, 0),
      elapsedMs,
      classes: this.#ledger.classCounts(),
      goalsReached: this.#goalsReached().filter(Boolean).length,
      goals: PROPERTIES.length,
      shrunk: this.#shrunk,
      searched: this.#searched,
      toShrink: this.#toShrink,
      ...(this.#search === undefined ? {} : { search: this.#search }),
    });
  }

  #goalsReached(): boolean[] {
    return PROPERTIES.map((_, i) => this.#ledger.counts.some((c) => c.goals[i]! > 0));
  }
  #elapsed(): number {
    return performance.now() - this.#started;
  }
  #stopped(): boolean {
    return this.#options.signal?.aborted === true || this.#failure !== undefined;
  }
  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
  #fail(error: unknown): void {
    this.#failure ??= failureOf(error);
  }
}

const failureOf = (error: unknown): NonNullable<CampaignResult['failure']> => ({
  kind: error instanceof WorkersDied || isOutOfFiles(error) ? 'system' : 'bug',
  message: isOutOfFiles(error) ? TOO_MANY_FILES : error instanceof Error ? error.message : String(error),
});
