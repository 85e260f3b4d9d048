/**
 * Runs a search to its end or to a limit, on one thread or several, so that the program stays awake meanwhile: progress,
 * Ctrl-C, memory, checkpoints. What is found does not depend on the number of threads, nor on stopping and resuming. The
 * clock says when to report, to save and to let the event loop have its turn, and nothing else.
 */

import { Exploration, type Stopped } from '../check/search.ts';
import { modelOf, type Spec } from '../check/spec.ts';
import { CheckpointError, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { Threads } from './parallel.ts';

/** Limits of a search, and whom it tells. */
export interface DriveOptions {
  /** Steps; Infinity: until every state was visited. */
  readonly depthMax: number;
  readonly statesMax: number;
  /** Bytes, of the table and of two layers of states. */
  readonly memoryMax: number;
  readonly threads: number;
  /** States of a layer from which on threads are worth their start. */
  readonly threadsFrom?: number;
  /** Asked after each layer: is what was found by now all that was wanted? */
  readonly enough?: (exploration: Exploration) => boolean;
  /** Stops at the next batch. */
  readonly signal?: AbortSignal;
  /** A few times a second, and at the end of each layer. */
  readonly onProgress?: (progress: Progress) => void;
  /** Written every so many milliseconds, and when the search stops before its end. */
  readonly checkpoint?: { readonly path: string; readonly everyMs: number };
  /** Path of a checkpoint to go on from. Throws CheckpointError if it is not one of this search. */
  readonly resume?: string;
}

/** How far a search has got. */
export interface Progress {
  /** Complete to this depth; `layerDone` of `layerStates` states of the next one are expanded. */
  readonly depth: number;
  readonly layerStates: number;
  readonly layerDone: number;
  readonly states: number;
  readonly transitions: number;
  readonly bytes: number;
}

/** A search that ended, and why. */
export interface Driven {
  readonly exploration: Exploration;
  readonly stopped: Stopped;
  /** Why the last checkpoint could not be written, or ''. The one before it is still there. */
  readonly notWritten: string;
}

const THREADS_FROM = 4096;
/** Milliseconds of work between two turns of the event loop. */
const TURN_MS = 40;
const PROGRESS_MS = 200;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The number of table partitions for so many threads: a power of two, and some for each. */
const partitionsFor = (threads: number): number =>
  threads === 1 ? 1 : 2 ** Math.ceil(Math.log2(threads * 4));

/**
 * Throws CheckpointError for a checkpoint to resume from, and InvariantError. One that cannot be written (a full disk)
 * ends nothing: what was found is worth more.
 */
export async function drive(spec: Spec, options: DriveOptions): Promise<Driven> {
  const { depthMax, statesMax, memoryMax, signal, checkpoint, onProgress } = options;
  const threads = Math.max(1, options.threads);
  const x = new Exploration(modelOf(spec), statesMax, partitionsFor(threads), threads > 1);
  if (options.resume !== undefined) readCheckpoint(options.resume, spec, x);
  let pool: Threads | undefined;
  let stopped: Stopped | undefined;
  let turned = performance.now();
  let told = turned;
  let written = turned;
  let depth = x.depth;
  let asked = x.depth;
  let notWritten = '';
  const save = (path: string): void => {
    try {
      writeCheckpoint(path, spec, x);
      notWritten = '';
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      notWritten = error.message;
    }
  };
  const tell = (): void =>
    onProgress?.({
      depth: x.depth,
      layerStates: x.layer.count,
      layerDone: x.at,
      states: x.states,
      transitions: x.transitions,
      bytes: x.bytes,
    });
  try {
    for (;;) {
      const over = x.gaveUp();
      if (over && x.state === 'closed') stopped = 'closed';
      else if (x.depth >= depthMax) stopped = 'depth';
      else if (x.depth > asked && options.enough?.(x) === true) stopped = 'enough';
      else if (over) stopped = 'states';
      else if (signal?.aborted === true) stopped = 'interrupted';
      else if (x.bytesAfterNext > memoryMax) stopped = 'memory';
      if (stopped !== undefined) break;
      asked = x.depth;
      if (pool === undefined && threads > 1 && x.layer.count >= (options.threadsFrom ?? THREADS_FROM))
        pool = new Threads(x, spec, threads);
      if (pool !== undefined) await pool.advance();
      else x.advance();
      const now = performance.now();
      if (now - turned >= TURN_MS) {
        await turn();
        turned = performance.now();
      }
      if (now - told >= PROGRESS_MS || x.depth > depth) {
        depth = x.depth;
        told = now;
        tell();
      }
      if (checkpoint !== undefined && now - written >= checkpoint.everyMs) {
        save(checkpoint.path);
        written = performance.now();
      }
    }
  } finally {
    await pool?.close();
  }
  if (checkpoint !== undefined && stopped !== 'closed') save(checkpoint.path);
  return { exploration: x, stopped, notWritten };
}
