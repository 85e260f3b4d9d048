/**
 * The same search on several threads (thread.ts). Each batch has three phases with a barrier between them: *expand*
 * (threads take items, a few states each, in any order; the table is only read), *merge* (each thread fills its
 * partitions of the table with the candidates of all threads, in the order of the items, so that of equal candidates
 * the first one stays), and *copy* (what is new gets its number, in the order of the items, and its state is put into
 * the next layer). Hence the numbers, and all else, are those of one thread.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Candidates, Note } from '../check/expand.ts';
import { Candidates as CandidateMemory } from '../check/expand.ts';
import type { Exploration } from '../check/search.ts';
import type { Spec } from '../check/spec.ts';
import type { TableMemory } from '../check/table.ts';
import { entryFile } from '../installed.ts';

/** States per item. */
export const ITEM = 16;

/** Words of the control block: what the threads wait on, what they are to do, and how many are done. */
export const C_GENERATION = 0;
export const C_PHASE = 1;
export const C_NEXT = 2;
export const C_DONE = 3;
export const C_FROM = 4;
export const C_TO = 5;
export const C_FIRST = 6;
export const C_ITEMS = 7;
export const C_STATES = 8;
export const C_NEXT_COUNT = 9;
/** Per thread, its transitions of the batch. */
export const C_TRANSITIONS = 16;

export const PHASE_EXPAND = 1;
export const PHASE_MERGE = 2;
export const PHASE_COPY = 3;

/** Words per item: thread, first candidate, candidates, new states, number of the first new state. */
export const I_WORDS = 5;

/** What a thread is given once. */
export interface ThreadStart {
  readonly spec: Spec;
  readonly thread: number;
  readonly threads: number;
  readonly control: Int32Array;
  readonly items: Int32Array;
  /** New states by item and thread. */
  readonly fresh: Int32Array;
  readonly candidates: readonly { readonly words: Int32Array; readonly states: Int32Array }[];
  readonly port: MessagePort;
}
/** What a thread is told when memory moved, before the phase that needs it. */
export interface Moved {
  readonly table: TableMemory;
  readonly layer: Int32Array;
  readonly next: Int32Array;
  /** Findings known, which need no note. */
  readonly known: readonly number[];
}
/** What a thread says: findings that it met first, or what went wrong. */
export type Said = { readonly notes: readonly Note[] } | { readonly error: Error };

const shared = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(words * 4));

/** Runs batches of one exploration on threads. The exploration must be in shared memory. */
export class Threads {
  readonly #exploration: Exploration;
  readonly #threads: number;
  readonly #workers: Worker[] = [];
  readonly #ports: MessagePort[] = [];
  readonly #control = shared(C_TRANSITIONS + 64);
  readonly #items: Int32Array;
  readonly #fresh: Int32Array;
  readonly #candidates: Candidates[] = [];
  #notes: Note[] = [];
  #sent:
    | { table: Int32Array; parents: Int32Array; layer: Int32Array; next: Int32Array; known: number }
    | undefined;
  readonly #failed: Promise<never>;

  /** `spec`: what the exploration explores, for the threads to build their own. */
  constructor(exploration: Exploration, spec: Spec, threads: number) {
    this.#exploration = exploration;
    this.#threads = threads;
    const items = Math.ceil(exploration.batch / ITEM);
    this.#items = shared(items * I_WORDS);
    this.#fresh = shared(items * threads);
    for (let t = 0; t < threads; t++) {
      const candidates = new CandidateMemory(exploration.size, true);
      // All of the batch may fall to one thread. Pages that are never touched cost nothing.
      candidates.reserve(exploration.batch * exploration.expander.model.stepsMax);
      this.#candidates.push(candidates);
    }
    let fail: (error: Error) => void = () => {};
    this.#failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    this.#failed.catch(() => {});
    for (let t = 0; t < threads; t++) {
      const { port1, port2 } = new MessageChannel();
      const start: ThreadStart = {
        spec,
        thread: t,
        threads,
        control: this.#control,
        items: this.#items,
        fresh: this.#fresh,
        candidates: this.#candidates.map(({ words, states }) => ({ words, states })),
        port: port2,
      };
      const worker = new Worker(entryFile('campaign/thread'), {
        workerData: start,
        transferList: [port2],
        execArgv: [],
      });
      worker.on('error', fail);
      worker.on('exit', (code) => fail(new Error(`a search thread ended (exit code ${code})`)));
      this.#workers.push(worker);
      this.#ports.push(port1);
    }
  }

  /** Expands one batch and merges it. */
  async advance(): Promise<void> {
    const x = this.#exploration;
    if (x.gaveUp()) return;
    const control = this.#control;
    const to = Math.min(x.at + x.batch, x.layer.count);
    const items = Math.ceil((to - x.at) / ITEM);
    control[C_FROM] = x.at;
    control[C_TO] = to;
    control[C_FIRST] = x.first;
    control[C_ITEMS] = items;
    this.#tell();
    await this.#phase(PHASE_EXPAND);

    let candidates = 0;
    for (let i = 0; i < items; i++) candidates += this.#items[i * I_WORDS + 2]!;
    let transitions = 0;
    for (let t = 0; t < this.#threads; t++) transitions += control[C_TRANSITIONS + t]!;
    x.transitions += transitions;
    x.reserve(candidates);
    this.#tell();
    await this.#phase(PHASE_MERGE);

    let states = x.states;
    for (let i = 0; i < items; i++) {
      this.#items[i * I_WORDS + 4] = states;
      for (let t = 0; t < this.#threads; t++) states += this.#fresh[i * this.#threads + t]!;
    }
    control[C_STATES] = x.states;
    control[C_NEXT_COUNT] = x.next.count;
    await this.#phase(PHASE_COPY);

    if (this.#notes.length > 0) {
      x.take(this.#notes.sort((a, b) => a.parent - b.parent || a.place - b.place));
      this.#notes = [];
    }
    x.next.count += states - x.states;
    x.states = states;
    x.at = to;
    x.endLayer();
  }

  /** Sends what moved since the last time. */
  #tell(): void {
    const { table, layer, next, found } = this.#exploration;
    const sent = this.#sent;
    if (
      sent !== undefined &&
      sent.table === table.slots &&
      sent.parents === table.parents &&
      sent.layer === layer.words &&
      sent.next === next.words &&
      sent.known === found.size
    )
      return;
    this.#sent = {
      table: table.slots,
      parents: table.parents,
      layer: layer.words,
      next: next.words,
      known: found.size,
    };
    const moved: Moved = {
      table: table.memory,
      layer: layer.words,
      next: next.words,
      known: [...found.keys()],
    };
    for (const port of this.#ports) port.postMessage(moved);
  }

  async #phase(phase: number): Promise<void> {
    const control = this.#control;
    control[C_PHASE] = phase;
    Atomics.store(control, C_NEXT, 0);
    Atomics.store(control, C_DONE, 0);
    Atomics.add(control, C_GENERATION, 1);
    Atomics.notify(control, C_GENERATION);
    for (;;) {
      const done = Atomics.load(control, C_DONE);
      if (done >= this.#threads) break;
      const wait = Atomics.waitAsync(control, C_DONE, done);
      if (wait.async) await Promise.race([wait.value, this.#failed]);
    }
    // What a thread had to say it said before it was done.
    for (const port of this.#ports)
      for (;;) {
        const said = receiveMessageOnPort(port)?.message as Said | undefined;
        if (said === undefined) break;
        if ('error' in said) throw said.error;
        this.#notes.push(...said.notes);
      }
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.removeAllListeners('exit');
    for (const port of this.#ports) port.close();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
