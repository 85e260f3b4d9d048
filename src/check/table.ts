/**
 * The states that a search has visited: their fingerprints in an open-addressed table, and for each the state it was
 * first reached from and by which step. Typed arrays over memory that threads may share; between two batches of a
 * search they only read it (search.ts).
 */

/** Words per slot: three of fingerprint, and 1 + the state's number (0: free). */
const SLOT = 4;
/** Least share of slots that is free after growing makes room for a batch. */
const LOAD_MAX = 0.7;
/** Slots of one partition, at least: chance alone must not fill one. */
const PARTITION_MIN = 4096;

const allocate = (words: number, shared: boolean): Int32Array =>
  new Int32Array(shared ? new SharedArrayBuffer(words * 4) : new ArrayBuffer(words * 4));

/** What a thread needs to see a table. Plain data. */
export interface TableMemory {
  readonly slots: Int32Array;
  readonly parents: Int32Array;
  readonly steps: Int32Array;
  readonly partitions: number;
}

export class StateTable {
  slots: Int32Array;
  /** By state number: the state before, and the packed step from there. State 0 is the start. */
  parents: Int32Array;
  steps: Int32Array;
  /** Regions of the table, each filled by one thread alone. A power of two. */
  readonly partitions: number;
  readonly #shared: boolean;

  /** `partitions`: a power of two; `shared`: in memory that threads can share. */
  constructor(partitions = 1, shared = false) {
    this.partitions = partitions;
    this.#shared = shared;
    this.slots = allocate(SLOT * (partitions === 1 ? 1024 : partitions * PARTITION_MIN), shared);
    this.parents = allocate(512, shared);
    this.steps = allocate(512, shared);
  }

  static over(memory: TableMemory): StateTable {
    const table = new StateTable(memory.partitions);
    table.use(memory);
    return table;
  }
  use(memory: TableMemory): void {
    this.slots = memory.slots;
    this.parents = memory.parents;
    this.steps = memory.steps;
  }
  get memory(): TableMemory {
    const { slots, parents, steps, partitions } = this;
    return { slots, parents, steps, partitions };
  }
  get bytes(): number {
    return 4 * (this.slots.length + this.parents.length + this.steps.length);
  }

  /** Bytes that it takes once it has room for `states` states. */
  static bytesFor(states: number): number {
    return 16 * 2 ** Math.ceil(Math.log2(states / LOAD_MAX)) + 8 * 2 ** Math.ceil(Math.log2(states));
  }

  /** Makes room for `more` states beside the `states` that are there. */
  reserve(states: number, more: number): void {
    let slots = this.slots.length / SLOT;
    while (states + more > slots * LOAD_MAX) slots *= 2;
    if (slots * SLOT !== this.slots.length) this.#rehash(slots);
  }
  /** Makes room for the parents and steps of `states` states. */
  reserveStates(states: number): void {
    let room = this.parents.length;
    while (states > room) room *= 2;
    if (room === this.parents.length) return;
    const grow = (list: Int32Array): Int32Array => {
      const larger = allocate(room, this.#shared);
      larger.set(list);
      return larger;
    };
    this.parents = grow(this.parents);
    this.steps = grow(this.steps);
  }

  /** Bytes that making room for `more` states would take on top, until the old arrays are given back. */
  growth(states: number, more: number): number {
    let slots = this.slots.length / SLOT;
    while (states + more > slots * LOAD_MAX) slots *= 2;
    let room = this.parents.length;
    while (states + more > room) room *= 2;
    return (
      (slots * SLOT === this.slots.length ? 0 : slots * 16) + (room === this.parents.length ? 0 : room * 8)
    );
  }

  /** Forgets all states; keeps its size. */
  clear(): void {
    this.slots.fill(0);
  }

  partitionOf(f0: number): number {
    return (f0 >>> 16) & (this.partitions - 1);
  }

  /** Index of the slot that holds this fingerprint, or `-1 - index` of the free slot where it belongs. */
  find(f0: number, f1: number, f2: number): number {
    const { slots, partitions } = this;
    const region = slots.length / SLOT / partitions;
    const base = this.partitionOf(f0) * region;
    let at = f1 & (region - 1);
    for (;;) {
      const slot = (base + at) * SLOT;
      if (slots[slot + 3] === 0) return -1 - slot;
      if (slots[slot] === f0 && slots[slot + 1] === f1 && slots[slot + 2] === f2) return slot;
      at = (at + 1) & (region - 1);
    }
  }
  /** Fills a free slot that `find` gave. */
  put(slot: number, f0: number, f1: number, f2: number, value: number): void {
    const { slots } = this;
    slots[slot] = f0;
    slots[slot + 1] = f1;
    slots[slot + 2] = f2;
    slots[slot + 3] = value;
  }

  #rehash(count: number): void {
    const old = this.slots;
    this.slots = allocate(count * SLOT, this.#shared);
    for (let slot = 0; slot < old.length; slot += SLOT) {
      if (old[slot + 3] === 0) continue;
      const f0 = old[slot]!;
      const f1 = old[slot + 1]!;
      const f2 = old[slot + 2]!;
      this.put(-1 - this.find(f0, f1, f2), f0, f1, f2, old[slot + 3]!);
    }
  }

  /** Packed steps from the start to a state. */
  path(state: number): number[] {
    const list: number[] = [];
    for (let at = state; at !== 0; at = this.parents[at]!) list.push(this.steps[at]!);
    return list.reverse();
  }
}
