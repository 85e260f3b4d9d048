/** One thread of a parallel search (parallel.ts): waits for a phase, does its share, says that it is done. */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { CANDIDATE, Expander } from '../check/expand.ts';
import { modelOf } from '../check/spec.ts';
import { StateTable } from '../check/table.ts';
import {
  C_DONE,
  C_FIRST,
  C_FROM,
  C_GENERATION,
  C_ITEMS,
  C_NEXT,
  C_NEXT_COUNT,
  C_PHASE,
  C_STATES,
  C_TO,
  C_TRANSITIONS,
  I_WORDS,
  ITEM,
  type Moved,
  PHASE_EXPAND,
  PHASE_MERGE,
  type Said,
  type ThreadStart,
} from './parallel.ts';

const start = workerData as ThreadStart;
const { control, items, fresh, candidates, threads, thread, port } = start;
const expander = new Expander(modelOf(start.spec), true);
const { size } = expander.model;
expander.candidates.words = candidates[thread]!.words;
expander.candidates.states = candidates[thread]!.states;
let table: StateTable | undefined;
let layer: Int32Array = new Int32Array();
let next: Int32Array = new Int32Array();
let known: ReadonlySet<number> = new Set();

function expand(): void {
  const from = control[C_FROM]!;
  const to = control[C_TO]!;
  const first = control[C_FIRST]!;
  const count = control[C_ITEMS]!;
  expander.candidates.count = 0;
  expander.transitions = 0;
  for (;;) {
    const item = Atomics.add(control, C_NEXT, 1);
    if (item >= count) break;
    const before = expander.candidates.count;
    const end = Math.min(from + (item + 1) * ITEM, to);
    for (let at = from + item * ITEM; at < end; at++)
      expander.expand(table!, layer, at * size, first + at, known);
    items[item * I_WORDS] = thread;
    items[item * I_WORDS + 1] = before;
    items[item * I_WORDS + 2] = expander.candidates.count - before;
  }
  control[C_TRANSITIONS + thread] = expander.transitions;
  if (expander.notes.size === 0) return;
  port.postMessage({ notes: [...expander.notes.values()] } satisfies Said);
  expander.notes.clear();
}

/** Fills the partitions of this thread. Word 5 of a candidate becomes 1 + its slot if it is new, else 0. */
function merge(): void {
  const count = control[C_ITEMS]!;
  for (let item = 0; item < count; item++) {
    const { words } = candidates[items[item * I_WORDS]!]!;
    const from = items[item * I_WORDS + 1]! * CANDIDATE;
    const to = from + items[item * I_WORDS + 2]! * CANDIDATE;
    let news = 0;
    for (let at = from; at < to; at += CANDIDATE) {
      const f0 = words[at]!;
      if (table!.partitionOf(f0) % threads !== thread) continue;
      const slot = table!.find(f0, words[at + 1]!, words[at + 2]!);
      if (slot >= 0) words[at + 5] = 0;
      else {
        table!.put(-1 - slot, f0, words[at + 1]!, words[at + 2]!, -1);
        words[at + 5] = 1 + (-1 - slot) / 4;
        news++;
      }
    }
    fresh[item * threads + thread] = news;
  }
}

function copy(): void {
  const count = control[C_ITEMS]!;
  const base = control[C_STATES]!;
  const nextCount = control[C_NEXT_COUNT]!;
  for (;;) {
    const item = Atomics.add(control, C_NEXT, 1);
    if (item >= count) break;
    const { words, states } = candidates[items[item * I_WORDS]!]!;
    const from = items[item * I_WORDS + 1]!;
    const to = from + items[item * I_WORDS + 2]!;
    let id = items[item * I_WORDS + 4]!;
    for (let c = from; c < to; c++) {
      const at = c * CANDIDATE;
      const slot = words[at + 5]! - 1;
      if (slot < 0) continue;
      table!.slots[slot * 4 + 3] = id + 1;
      table!.parents[id] = words[at + 3]!;
      table!.steps[id] = words[at + 4]!;
      const target = (nextCount + id - base) * size;
      for (let i = 0; i < size; i++) next[target + i] = states[c * size + i]!;
      id++;
    }
  }
}

for (let generation = 0; ; ) {
  Atomics.wait(control, C_GENERATION, generation);
  generation = Atomics.load(control, C_GENERATION);
  try {
    for (;;) {
      const moved = receiveMessageOnPort(port)?.message as Moved | undefined;
      if (moved === undefined) break;
      if (table === undefined) table = StateTable.over(moved.table);
      else table.use(moved.table);
      layer = moved.layer;
      next = moved.next;
      known = new Set(moved.known);
    }
    const phase = control[C_PHASE]!;
    if (phase === PHASE_EXPAND) expand();
    else if (phase === PHASE_MERGE) merge();
    else copy();
  } catch (error) {
    port.postMessage({ error } as Said);
  }
  Atomics.add(control, C_DONE, 1);
  Atomics.notify(control, C_DONE);
}
