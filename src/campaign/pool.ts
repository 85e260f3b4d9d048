/** Who does the jobs: worker processes, or this process. A worker that dies is replaced and its job done again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import workerpool from 'workerpool';
import type { BasePolicy, CampaignSpace, ChunkResult } from '../fuzz/chunk.ts';
import { entryFile } from '../installed.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { type ChunkJob, JobRunner, type ShrinkEvent, type ShrinkJob } from './jobs.ts';

export interface Pool {
  chunk(job: ChunkJob): Promise<ChunkResult>;
  /** All that comes of it comes as events. Where a worker died, some come again. */
  shrink(job: ShrinkJob, onEvent: (event: ShrinkEvent) => void): Promise<void>;
  /** Stops at once; what is in flight is lost. */
  close(): Promise<void>;
}

/** What workerpool says when a worker is gone, also one that was idle, or when it wrote to one that just went. */
const WORKER_DIED =
  /^(Workerpool )?Worker (is )?(terminated|error)|^Pool terminated|EPIPE|ERR_IPC_CHANNEL_CLOSED|channel closed/i;
/** Of a worker that was gone before the job came to it: the job was not tried, and no other gets that worker. */
const WORKER_GONE = /^Worker is terminated/;
/** Times a job is tried before the campaign gives up: its workers keep dying. */
const TRIES_MAX = 3;
/** Milliseconds between two looks for work that was lost with its worker. */
const LOST_INTERVAL_MS = 250;
/** So many in a row must find nobody busy. */
const LOST_LOOKS = 4;

/** Workers were killed again and again: by the system, by a person, or since the work needs more than there is. */
export class WorkersDied extends Error {
  constructor(work: string) {
    super(
      `worker processes keep dying (killed, or out of memory): ${work} was tried ${TRIES_MAX} times; ` +
        'fewer workers (--workers 1), or none (--workers 0), need less memory',
    );
    this.name = 'WorkersDied';
  }
}

export function openPool(
  space: CampaignSpace,
  policies: readonly ExpandedPolicy[],
  bases: readonly (BasePolicy | undefined)[],
  workers: number,
  onNotice: (line: string) => void,
): Pool {
  if (workers === 0) {
    const jobs = new JobRunner(space, policies, bases);
    let closed = false;
    // A turn of the event loop between jobs, so that timers, signals and the screen get theirs.
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    return {
      chunk: async (job) => {
        await turn();
        return jobs.chunk(job);
      },
      shrink: async (job, onEvent) => {
        await turn();
        for (const event of jobs.shrinking(job)) {
          onEvent(event);
          await turn();
          if (closed) throw new Error('the pool is closed');
        }
      },
      close: async () => {
        closed = true;
      },
    };
  }

  let dir: string | undefined;
  let brief: string;
  const clean = (): void => {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  };
  try {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-'));
    brief = join(dir, 'campaign.json');
    writeFileSync(
      brief,
      JSON.stringify({ space, policies, bases: policies.map((_, i) => bases[i] ?? null) }),
    );
  } catch (error) {
    clean();
    onNotice(
      `no workers, as ${tmpdir()} cannot be written (${error instanceof Error ? error.message : String(error)})`,
    );
    return openPool(space, policies, bases, 0, onNotice);
  }
  process.on('exit', clean); // also when the program ends in a hurry
  const start = (): ReturnType<typeof workerpool.pool> =>
    workerpool.pool(fileURLToPath(entryFile('campaign/worker')), {
      workerType: 'process',
      maxWorkers: workers,
      forkArgs: [brief],
      forkOpts: { execArgv: [] },
    });
  let pool = start();
  let closed = false;

  /**
   * A worker that dies before it has said that it is ready may take its work with it, and nobody is told: there is work
   * and nobody is busy. Then new workers take over.
   */
  async function unlessLost(work: PromiseLike<unknown>, its: typeof pool): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    let idle = 0;
    const lost = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        idle = its.stats().busyWorkers === 0 ? idle + 1 : 0;
        if (idle < LOST_LOOKS) return;
        if (pool === its) pool = start();
        its.terminate(true).then(
          () => {},
          () => {},
        );
        reject(new Error('Workerpool Worker terminated, and its work is lost'));
      }, LOST_INTERVAL_MS);
    });
    try {
      return await Promise.race([work, lost]);
    } finally {
      clearInterval(timer);
    }
  }

  async function perform<T>(
    method: 'chunk' | 'shrink',
    job: ChunkJob | ShrinkJob,
    onEvent?: (event: ShrinkEvent) => void,
  ): Promise<T> {
    let gone = 0;
    for (let tries = 1; ; tries++) {
      try {
        return (await unlessLost(
          pool.exec(method, [job], onEvent === undefined ? {} : { on: onEvent }),
          pool,
        )) as T;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (closed || !WORKER_DIED.test(message)) throw error;
        if (WORKER_GONE.test(message) && gone < workers) {
          gone++;
          tries--;
          continue;
        }
        if (tries >= TRIES_MAX) throw new WorkersDied(describe(job));
        onNotice(`a worker process died; its work (${describe(job)}) is done again by another`);
      }
    }
  }

  return {
    chunk: (job) => perform<ChunkResult>('chunk', job),
    shrink: (job, onEvent) => perform<void>('shrink', job, onEvent),
    close: async () => {
      closed = true;
      await pool.terminate(true);
      process.off('exit', clean);
      clean();
    },
  };
}

function describe(job: ChunkJob | ShrinkJob): string {
  return 'chunk' in job
    ? `chunk ${job.chunk}`
    : `${job.findings.length} findings to ${job.stage === 'passes' ? 'shrink' : 'prove'}`;
}
