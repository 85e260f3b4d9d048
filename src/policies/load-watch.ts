/**
 * The second thread of the process in which a module is loaded: ends it when it takes too long or too much
 * memory, and says where it was. The first thread cannot do that while it loops; the parent cannot once it is
 * gone.
 */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { DECISION_NAMES } from '../machine/decisions.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';

export interface LoadJob {
  /** As the user wrote it, for messages. */
  readonly module: string;
  /** Absolute path. */
  readonly file: string;
  /** URL of what `gupfuzz` stands for. */
  readonly library: string;
  /** Processor time, and time in all. */
  readonly deadlineMs: number;
  readonly waitMs: number;
  /** Each rule's condition as well. */
  readonly conditions: boolean;
  /** Resident memory of the process, bytes. */
  readonly rssMax: number;
  /** Process id of who asked: without it nobody waits for the answer. */
  readonly parent: number;
}

/** What the process says, once. */
export type LoadAnswer =
  | {
      readonly policy: ExpandedPolicy;
      /** Rules that make no sense (warnings.ts), one line each. */
      readonly warnings: readonly string[];
    }
  | { readonly table?: string; readonly rule?: string; readonly what: string };

/** Indices into `at`, kept by the first thread: the table (in DECISION_NAMES) and the rule it is in, or -1. */
export const AT_TABLE = 0;
export const AT_RULE = 1;

export interface Watch {
  readonly job: LoadJob;
  readonly at: Int32Array;
}

const ANSWER_FD = 3;
/** How often the watching thread looks. */
const WATCH_MS = 20;

/** One line of JSON to the parent. */
export function say(answer: LoadAnswer): void {
  writeSync(ANSWER_FD, `${JSON.stringify(answer)}\n`);
}

function watch({ job, at }: Watch): void {
  let names: readonly (readonly string[])[] = [];
  parentPort?.once('message', (message: typeof names) => {
    names = message;
  });
  // A rule that loops can only be told from a slow one by a clock; it decides on refusing a module, on no verdict. By the
  // time of this process, so that a busy machine refuses nothing; and by that of the world where a module only waits.
  const started = process.cpuUsage();
  const end = performance.now() + job.waitMs;
  const usedMs = (): number => {
    const { user, system } = process.cpuUsage(started);
    return (user + system) / 1000;
  };
  const stop = (what: string): void => {
    const table = DECISION_NAMES[at[AT_TABLE]!];
    const rule = names[at[AT_TABLE]!]?.[at[AT_RULE]!];
    try {
      say({
        ...(table === undefined ? {} : { table }),
        ...(rule === undefined ? {} : { rule }),
        what: `${table === undefined ? 'loading it' : 'its condition'} ${what}`,
      });
    } finally {
      // Whoever asked may be gone (EPIPE).
      process.kill(process.pid, 'SIGKILL');
    }
  };
  setInterval(() => {
    if (process.ppid !== job.parent) process.kill(process.pid, 'SIGKILL');
    else if (usedMs() > job.deadlineMs) stop(`took more than ${job.deadlineMs / 1000} s of processor time`);
    else if (performance.now() > end) stop(`did not end within ${job.waitMs / 1000} s`);
    else if (process.memoryUsage.rss() > job.rssMax) stop(`took more than ${job.rssMax >> 20} MiB of memory`);
  }, WATCH_MS);
  parentPort?.postMessage('watching');
}

// The first thread imports this file for its names only.
if (parentPort !== null) watch(workerData as Watch);
