/**
 * Breadth-first search over canonical states: every state once, so that the first scenario found for a finding class
 * is a shortest one within the alphabet and the bounds of the setup. Deterministic: same input, same result, for any
 * number of threads (campaign/parallel.ts drives the same search).
 *
 * States are numbered in the order in which one thread would find them. A batch of states is expanded, then what is
 * new is merged into the table in that order; so a layer is a range of numbers, and of all ways to reach a state the
 * first one is kept.
 */
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { INVALID, World } from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Alphabet } from '../ops/op.ts';
import { Naming, type Scenario, type Step } from '../scenario/scenario.ts';
import { CANDIDATE, Expander, type Note } from './expand.ts';
import type { Grain, Symmetry } from './key.ts';
import { codeOf, findingOf, isDocumented, type Model, PolicyModel } from './model.ts';
import { StateTable } from './table.ts';

/** What a search explores, and when it gives up. */
export interface SearchOptions {
  readonly setup: Setup;
  readonly policy: ExpandedPolicy;
  readonly alphabet: Alphabet;
  /** States after which the search gives up. */
  readonly statesMax: number;
  /** `false`: mms and references keep their slots (to cross-check). */
  readonly symmetry?: boolean;
  /** What the findings of two merged states agree on (key.ts). Default `class`. */
  readonly grain?: Grain;
}

/** A shortest program of one class. `code`: the class as a number; `steps`: packed (Search.scenarioOf names them). */
export interface Found {
  readonly code: number;
  readonly documented: boolean;
  /** Number of steps; no shorter scenario of this class exists in the scope. */
  readonly length: number;
  readonly steps: readonly number[];
}

/** `open`: there are states left; `closed`: all were visited; `states`: gave up, nothing deeper is known. */
export type SearchState = 'open' | 'closed' | 'states';

/** Why a search ended: all states visited, depth reached, or stopped early by a limit or by the user. */
export type Stopped = 'closed' | 'depth' | 'enough' | 'states' | 'memory' | 'interrupted';

/**
 * Candidates of one batch, at most. The states of a batch are fewer by the steps that one state may have. Any number
 * gives the same result; but where a search gives up depends on it, so it is the same for any number of threads.
 */
const BATCH_CANDIDATES = 1 << 16;
const BATCH_MAX = 2048;

/** The states of one layer, saved one after the other. */
export class Layer {
  count = 0;
  words: Int32Array;
  readonly #size: number;
  readonly #shared: boolean;
  constructor(size: number, shared: boolean) {
    this.#size = size;
    this.#shared = shared;
    this.words = this.#allocate(size * 16);
  }
  reserve(count: number): void {
    if (count * this.#size <= this.words.length) return;
    let room = this.words.length;
    while (room < count * this.#size) room *= 2;
    const words = this.#allocate(room);
    words.set(this.words.subarray(0, this.count * this.#size));
    this.words = words;
  }
  get bytes(): number {
    return this.words.length * 4;
  }
  /** Bytes that `reserve(count)` would take on top, until the old ones are given back. */
  growth(count: number): number {
    let room = this.words.length;
    while (room < count * this.#size) room *= 2;
    return room === this.words.length ? 0 : room * 4;
  }
  #allocate(words: number): Int32Array {
    return new Int32Array(this.#shared ? new SharedArrayBuffer(words * 4) : new ArrayBuffer(words * 4));
  }
}

export interface FoundNote extends Note {
  readonly length: number;
}

/** A breadth-first search of any model, layer by layer. */
export class Exploration {
  readonly table: StateTable;
  /** By finding number: the first note, hence of a shortest scenario. */
  readonly found: Map<number, FoundNote> = new Map<number, FoundNote>();
  /** All scenarios of up to this many steps are covered. */
  depth = 0;
  state: SearchState = 'open';
  states = 1;
  /** Steps executed. */
  transitions = 0;
  /** States and transitions when layer `depth` was complete. */
  complete: { states: number; transitions: number } = { states: 1, transitions: 0 };
  /** The present layer: states `first` and up; those before `at` are expanded. */
  layer: Layer;
  next: Layer;
  first = 0;
  at = 0;
  statesMax: number;
  readonly expander: Expander;
  readonly size: number;
  /** States expanded between two merges. */
  readonly batch: number;

  constructor(model: Model, statesMax: number, partitions = 1, shared = false) {
    this.statesMax = statesMax;
    this.expander = new Expander(model, shared);
    this.size = model.size;
    this.batch = Math.max(32, Math.min(BATCH_MAX, Math.floor(BATCH_CANDIDATES / model.stepsMax)));
    this.table = new StateTable(partitions, shared);
    this.layer = new Layer(model.size, shared);
    this.next = new Layer(model.size, shared);
    const print = new Int32Array(3);
    model.fingerprint(print);
    this.table.put(-1 - this.table.find(print[0]!, print[1]!, print[2]!), print[0]!, print[1]!, print[2]!, 1);
    model.save(this.layer.words, 0);
    this.layer.count = 1;
  }

  /** Bytes held, but for what threads need for a batch. */
  get bytes(): number {
    return this.table.bytes + this.layer.bytes + this.next.bytes;
  }

  /** Bytes held after the next batch at most, while arrays grow. Threads' own memory apart. */
  get bytesAfterNext(): number {
    const more = Math.min(this.batch, this.layer.count - this.at) * this.expander.model.stepsMax;
    return this.bytes + this.table.growth(this.states, more) + this.next.growth(this.next.count + more);
  }

  /** Expands one batch and merges it. */
  advance(): void {
    if (this.gaveUp()) return;
    const { expander, layer } = this;
    const to = Math.min(this.at + this.batch, layer.count);
    expander.candidates.count = 0;
    expander.transitions = 0;
    for (; this.at < to; this.at++)
      expander.expand(this.table, layer.words, this.at * this.size, this.first + this.at, this.found);
    this.transitions += expander.transitions;
    if (expander.notes.size > 0) {
      this.take(expander.notes.values());
      expander.notes.clear();
    }
    this.#merge();
    this.endLayer();
  }

  /** Keeps the first of the notes of a batch per finding. */
  take(notes: Iterable<Note>): void {
    for (const note of notes) {
      const had = this.found.get(note.finding);
      if (
        had !== undefined &&
        (had.parent < note.parent || (had.parent === note.parent && had.place <= note.place))
      )
        continue;
      this.found.set(note.finding, { ...note, length: this.depth + 1 });
    }
  }

  /** Makes room for all candidates of a batch. */
  reserve(candidates: number): void {
    this.table.reserve(this.states, candidates);
    this.table.reserveStates(this.states + candidates);
    this.next.reserve(this.next.count + candidates);
  }

  #merge(): void {
    const { table, next, size } = this;
    const { words, states, count } = this.expander.candidates;
    this.reserve(count);
    for (let c = 0; c < count; c++) {
      const at = c * CANDIDATE;
      const slot = table.find(words[at]!, words[at + 1]!, words[at + 2]!);
      if (slot >= 0) continue;
      const id = this.states++;
      table.put(-1 - slot, words[at]!, words[at + 1]!, words[at + 2]!, id + 1);
      table.parents[id] = words[at + 3]!;
      table.steps[id] = words[at + 4]!;
      const from = c * size;
      const to = next.count++ * size;
      for (let i = 0; i < size; i++) next.words[to + i] = states[from + i]!;
    }
  }

  /** True if there is nothing to go on with, or no leave to. */
  gaveUp(): boolean {
    if (this.state === 'open' && this.states >= this.statesMax) this.state = 'states';
    return this.state !== 'open';
  }

  /** Goes to the next layer if this one is done. */
  endLayer(): void {
    if (this.state !== 'open' || this.at < this.layer.count) return;
    this.depth++;
    this.complete = { states: this.states, transitions: this.transitions };
    this.first += this.layer.count;
    const done = this.layer;
    this.layer = this.next;
    this.next = done;
    this.next.count = 0;
    this.at = 0;
    if (this.layer.count === 0) this.state = 'closed';
  }

  /** Packed steps of the scenario of a note. */
  stepsOf(note: Note): number[] {
    return [...this.table.path(note.parent), note.step];
  }
}

/** The search of one policy in one setup, for findings; goes on layer by layer, so that several questions share it. */
export class Search {
  readonly options: SearchOptions;
  readonly exploration: Exploration;

  constructor(options: SearchOptions) {
    this.options = options;
    this.exploration = new Exploration(new PolicyModel(specOf(options)), options.statesMax);
  }

  /** By class key: the first scenario found, hence a shortest one. In the order in which they were found. */
  get found(): ReadonlyMap<string, Found> {
    const found = new Map<string, Found>();
    for (const finding of this.exploration.found.keys()) {
      const f = this.#found(finding)!;
      found.set(foundKey(f.code, f.documented), f);
    }
    return found;
  }
  /** All scenarios of up to this many steps are covered. */
  get depth(): number {
    return this.exploration.depth;
  }
  get state(): SearchState {
    return this.exploration.state;
  }
  get states(): number {
    return this.exploration.states;
  }
  get transitions(): number {
    return this.exploration.transitions;
  }

  /** Goes on until all scenarios of `depth` steps are covered, or no further. */
  runTo(depth: number): void {
    const { exploration } = this;
    while (exploration.depth < depth && exploration.state === 'open') exploration.advance();
  }

  /** The shortest scenario of a class within `depth` steps, if the search got that far. */
  find(code: number, documented: boolean, depth: number): Found | undefined {
    const { exploration } = this;
    const finding = findingOf(code, documented);
    while (exploration.depth < depth && exploration.state === 'open' && !exploration.found.has(finding))
      this.runTo(exploration.depth + 1);
    const found = this.#found(finding);
    return found !== undefined && found.length <= depth ? found : undefined;
  }

  #found(finding: number): Found | undefined {
    const note = this.exploration.found.get(finding);
    if (note === undefined) return undefined;
    return {
      code: codeOf(finding),
      documented: isDocumented(finding),
      length: note.length,
      steps: this.exploration.stepsOf(note),
    };
  }

  /** The steps of a found scenario, named. */
  scenarioOf(found: Found): Scenario {
    const { setup, policy } = this.options;
    return { setup, steps: trace(setup, policy, found.steps) };
  }
}

export function specOf(options: Omit<SearchOptions, 'statesMax'>): {
  readonly setup: Setup;
  readonly policy: ExpandedPolicy;
  readonly alphabet: Alphabet;
  readonly symmetry: Symmetry;
  readonly grain: Grain;
} {
  const { setup, policy, alphabet, symmetry, grain } = options;
  return { setup, policy, alphabet, symmetry: symmetry === false ? 'none' : 'all', grain: grain ?? 'class' };
}

const foundKey = (code: number, documented: boolean): string => `${code}${documented ? ' documented' : ''}`;

/** Names packed steps by running them; a refused gup's slot is released as the search did. */
export function trace(setup: Setup, policy: ExpandedPolicy, packed: readonly number[]): Step[] {
  const world = new World(setup, policy);
  const naming = new Naming(setup);
  return packed.map((step) => {
    const outcome = world.step(step);
    if (outcome === INVALID) throw new Error('a trace of the search does not replay');
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    return naming.name(step, world.slot);
  });
}
