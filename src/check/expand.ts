/**
 * One batch of a search: some states of the present layer are expanded, each by all steps that a program can do
 * there; what is not in the table yet becomes a candidate, with its state. Merging candidates into the table is
 * search.ts's. Threads expand different states of a batch at the same time: here the table is only read.
 */
import { InvariantError } from '../executor/simulated.ts';
import { ENDED, type Model, NOT_A_STEP } from './model.ts';
import type { StateTable } from './table.ts';

/** Words of a candidate: fingerprint, number of the parent, step, and what merging made of it (campaign/parallel.ts). */
export const CANDIDATE = 6;

/** Candidates of one thread in one batch, in the order of parents and steps. */
export class Candidates {
  count = 0;
  words: Int32Array;
  states: Int32Array;
  readonly #size: number;
  readonly #shared: boolean;

  /** `size`: words of a saved state. */
  constructor(size: number, shared: boolean) {
    this.#size = size;
    this.#shared = shared;
    this.words = this.#allocate(0);
    this.states = this.#allocate(0);
  }
  /** Makes room; what is there is lost. */
  reserve(count: number): void {
    if (this.words.length >= count * CANDIDATE) return;
    this.words = this.#allocate(count * CANDIDATE);
    this.states = this.#allocate(count * this.#size);
  }
  /** Makes room; what is there is kept. */
  grow(): void {
    const { words, states } = this;
    this.reserve(Math.max(256, (words.length / CANDIDATE) * 2));
    this.words.set(words);
    this.states.set(states);
  }
  get bytes(): number {
    return 4 * (this.words.length + this.states.length);
  }
  #allocate(words: number): Int32Array {
    return new Int32Array(this.#shared ? new SharedArrayBuffer(words * 4) : new ArrayBuffer(words * 4));
  }
}

/** Where a finding was met first: state number of the parent, place of the step among the enabled ones. */
export interface Note {
  readonly finding: number;
  readonly parent: number;
  readonly place: number;
  readonly step: number;
}

export class Expander {
  readonly model: Model;
  readonly candidates: Candidates;
  /** Findings that were not known before this batch, first ones only. */
  readonly notes: Map<number, Note> = new Map<number, Note>();
  transitions = 0;
  readonly #out: Int32Array;
  readonly #print = new Int32Array(3);

  constructor(model: Model, shared: boolean) {
    this.model = model;
    this.candidates = new Candidates(model.size, shared);
    // Room to see that the bound is wrong.
    this.#out = new Int32Array(2 * model.stepsMax + 64);
  }

  /** Expands state `parent`, saved in `layer` at word `offset`. `known`: findings that need no note. */
  expand(
    table: StateTable,
    layer: Int32Array,
    offset: number,
    parent: number,
    known: { has(finding: number): boolean },
  ): void {
    const { model, candidates } = this;
    const out = this.#out;
    const print = this.#print;
    model.load(layer, offset);
    const enabled = model.enumerate(out);
    if (enabled > model.stepsMax)
      throw new InvariantError(`${enabled} steps are enabled in one state, of at most ${model.stepsMax}`);
    let moved = false;
    for (let e = 0; e < enabled; e++) {
      if (moved) model.load(layer, offset);
      const step = out[e]!;
      const became = model.step(step);
      if (became === NOT_A_STEP) throw new InvariantError(`step ${step} was enumerated and cannot be done`);
      this.transitions++;
      for (let i = 0; i < model.findings; i++) {
        const finding = model.finding[i]!;
        if (known.has(finding) || this.notes.has(finding)) continue;
        this.notes.set(finding, { finding, parent, place: e, step });
      }
      moved = true;
      if (became === ENDED) continue;
      if (model.isAt?.(layer, offset) === true) {
        moved = false;
        continue;
      }
      model.fingerprint(print);
      const slot = table.find(print[0]!, print[1]!, print[2]!);
      if (slot >= 0) continue;
      const at = candidates.count * CANDIDATE;
      if (at >= candidates.words.length) candidates.grow();
      const words = candidates.words;
      words[at] = print[0]!;
      words[at + 1] = print[1]!;
      words[at + 2] = print[2]!;
      words[at + 3] = parent;
      words[at + 4] = step;
      model.save(candidates.states, candidates.count * model.size);
      candidates.count++;
    }
  }
}
