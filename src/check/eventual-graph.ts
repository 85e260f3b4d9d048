/** The graph that eventual properties are judged on: a search's states and all steps between them, built again. */
import { BLOCKED, POLICY_ERROR, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { F_DIRTY, F_WRITEBACK, type Machine, NO_PFN, P_DIRTY } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import { DONTNEED } from '../ops/madvise.ts';
import { type Alphabet, aOf, bOf, cOf, OP_KINDS, type OpKind, opOf } from '../ops/op.ts';
import { HANDLE_FREE } from '../reference/reference.ts';
import { asked } from './eventual-asked.ts';
import { Graph } from './graph.ts';
import type { Grain, Symmetry } from './key.ts';
import { PolicyModel } from './model.ts';
import { Exploration } from './search.ts';

export interface EventualOptions {
  readonly setup: Setup;
  readonly policy: ExpandedPolicy;
  readonly alphabet: Alphabet;
  /** States after which it is given up. */
  readonly statesMax: number;
  /** To cross-check. Defaults: `all` and `property`, the fewest states. */
  readonly symmetry?: Symmetry;
  readonly grain?: Grain;
}

/** The scope has more states than were allowed: there is no verdict. One line. */
export class NotClosedError extends Error {
  readonly states: number;
  readonly depth: number;
  constructor(states: number, depth: number) {
    super(
      `inconclusive: the scope is not closed after ${states} states (${depth} steps deep); ` +
        'an eventual property needs all of them: make the scope smaller or the limit larger',
    );
    this.name = 'NotClosedError';
    this.states = states;
    this.depth = depth;
  }
}

const at = (kind: OpKind): number => OP_KINDS.indexOf(kind);
const FSYNC = at('fsync');
const WB_START = at('wb_start');
const WB_END = at('wb_end');
const MUNMAP = at('munmap');
const MADVISE = at('madvise');
const DMA_READ = at('dma_read');
const DMA_WRITE = at('dma_write');

export const isRefusal = (outcome: number): boolean => outcome === REFUSED || outcome === BLOCKED;

/** A step that ended the world: there is no state after it. */
interface Ending {
  readonly node: number;
  readonly step: number;
  /** What the policy did wrong; '' if the kernel stopped. */
  readonly policyError: string;
}

/** All states of a closed scope with all steps between them, and what the questions need to know of each state. */
export class StateGraph {
  readonly options: EventualOptions;
  readonly graph: Graph = new Graph();
  readonly exploration: Exploration;
  readonly model: PolicyModel;
  /** By edge: the packed step, and what became of it (domain/kinds.ts). */
  steps: Int32Array = new Int32Array(1024);
  outcomes: Uint8Array = new Uint8Array(1024);
  /** By node, one bit per file page: dirty; dirty or under writeback; in the page cache. */
  readonly dirty: Uint8Array;
  readonly unwritten: Uint8Array;
  readonly cached: Uint8Array;
  /** By node: references held. */
  readonly held: Uint8Array;
  readonly endings: Ending[] = [];
  /** By what was asked: the errnos and the like that came back. */
  readonly answers: Map<number, Set<string>> = new Map<number, Set<string>>();
  readonly #start: Int32Array;
  readonly #out: Int32Array;
  readonly #print = new Int32Array(3);

  constructor(options: EventualOptions) {
    const { setup, policy, statesMax, symmetry = 'but pages', grain = 'property' } = options;
    this.options = options;
    // Loads and stores by a device move contents alone, and no decision and no flag depends on contents.
    const alphabet: Alphabet = {
      ops: options.alphabet.ops.map((on, op) => on && op !== DMA_READ && op !== DMA_WRITE),
      gups: options.alphabet.gups,
    };
    const model = new PolicyModel({ setup, policy, alphabet, symmetry, grain });
    this.model = model;
    this.#out = new Int32Array(model.stepsMax);
    this.#start = new Int32Array(model.size);
    model.save(this.#start, 0);
    const exploration = new Exploration(model, statesMax);
    this.exploration = exploration;
    const labels: number[][] = [];
    while (isOpen(exploration)) {
      const { depth, layer } = exploration;
      const { count } = layer;
      // The search reuses the memory of a layer. Once it is done with this one, all successors have their numbers.
      const words = layer.words.slice(0, count * model.size);
      while (isOpen(exploration) && exploration.depth === depth) exploration.advance();
      if (exploration.state === 'states') throw new NotClosedError(exploration.states, exploration.depth);
      for (let i = 0; i < count; i++) labels.push(this.#expand(words, i * model.size));
    }
    [this.dirty, this.unwritten, this.cached, this.held] = [0, 1, 2, 3].map((which) =>
      Uint8Array.from(labels, (label) => label[which]!),
    ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  }

  #expand(words: Int32Array, offset: number): number[] {
    const { model, graph } = this;
    const { world } = model;
    const out = this.#out;
    const node = graph.addNode();
    model.load(words, offset);
    const label = this.#label();
    const enabled = model.enumerate(out);
    for (let e = 0; e < enabled; e++) {
      if (e > 0) model.load(words, offset);
      const step = out[e]!;
      // What its mapping forbids nobody waits for.
      if (OPS[opOf(step)]!.allowed?.(world.reference, step) === false) continue;
      const outcome = world.step(step);
      if (outcome === REFUSED) this.#answered(step, world.machine.errno);
      else if (outcome === BLOCKED) this.#answered(step, 'blocked');
      else if (outcome === POLICY_ERROR) this.#answered(step, world.machine.policyError);
      if (world.ended) {
        const policyError = outcome === POLICY_ERROR ? world.machine.policyError : '';
        this.endings.push({ node, step, policyError });
        continue;
      }
      if (isRefusal(outcome)) world.dropVoid();
      const edge = graph.addEdge(this.number());
      if (edge >= this.steps.length) this.#grow();
      this.steps[edge] = step;
      this.outcomes[edge] = outcome;
    }
    return label;
  }

  #answered(step: number, answer: string): void {
    const what = asked(step);
    const known = this.answers.get(what) ?? new Set<string>();
    this.answers.set(what, known.add(answer));
  }

  #label(): number[] {
    const { machine, reference, shape } = this.model.world;
    let dirty = 0;
    let unwritten = 0;
    let cached = 0;
    for (let f = 0; f < shape.files; f++) {
      const pfn = machine.cache[f]!;
      if (pfn === NO_PFN || !machine.filesystems[f]!.dirtyTracked) continue;
      cached |= 1 << f;
      if (isDirty(machine, pfn)) dirty |= 1 << f;
      if ((machine.flags[pfn]! & F_WRITEBACK) !== 0) unwritten |= 1 << f;
    }
    let held = 0;
    for (let h = 0; h < shape.refs; h++) if (reference.handleState[h] !== HANDLE_FREE) held++;
    return [dirty, dirty | unwritten, cached, held];
  }

  /** Brings the model to the first state. */
  toStart(): void {
    this.model.load(this.#start, 0);
  }
  /** Node of the model's present state. */
  number(): number {
    const print = this.#print;
    this.model.fingerprint(print);
    const { table } = this.exploration;
    const slot = table.find(print[0]!, print[1]!, print[2]!);
    if (slot < 0) throw new Error('a successor is not in the table of the search');
    return table.slots[slot + 3]! - 1;
  }

  #grow(): void {
    const steps = new Int32Array(this.steps.length * 2);
    steps.set(this.steps);
    this.steps = steps;
    const outcomes = new Uint8Array(this.outcomes.length * 2);
    outcomes.set(this.outcomes);
    this.outcomes = outcomes;
  }

  isRelease(edge: number): boolean {
    return OPS[opOf(this.steps[edge]!)]!.releases === true;
  }
  /** munmap or MADV_DONTNEED of a private page: it is had for the price of the page. */
  givesUp(edge: number): boolean {
    const step = this.steps[edge]!;
    const op = opOf(step);
    if (op !== MUNMAP && !(op === MADVISE && cOf(step) === DONTNEED)) return false;
    return this.model.world.shape.isPrivate[bOf(step)] === 1;
  }
  writesBack(edge: number): boolean {
    const op = opOf(this.steps[edge]!);
    return op === WB_START || op === WB_END || op === FSYNC;
  }
  /** Is the edge this operation on this file page? */
  isOn(edge: number, op: number, file: number, variant?: number): boolean {
    const step = this.steps[edge]!;
    return opOf(step) === op && aOf(step) === file && (variant === undefined || cOf(step) === variant);
  }
}

function isDirty(m: Machine, pfn: number): boolean {
  if ((m.flags[pfn]! & F_DIRTY) !== 0) return true;
  const { tracked, pages } = m.shape;
  for (let i = 0; i < m.pte.length; i++)
    if (m.pfn[i] === pfn && (m.pte[i]! & P_DIRTY) !== 0 && tracked[i % pages] === 1) return true;
  return false;
}

const isOpen = (exploration: Exploration): boolean => exploration.state === 'open';
