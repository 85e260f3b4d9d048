/**
 * Eventual properties of one policy in one closed scope (docs/eventual.md): can a dirty page get clean again, is what
 * was refused ever granted, does writeback that keeps trying get anywhere. Not judged step by step: the graph of all
 * states is built on top of the search and its table, then asked.
 *
 * Two kinds of argument. `exhaustive`: from the state that is shown no good state can be reached; all states that can
 * be were visited. `lasso`: a way into a loop that may be gone round for ever, fair to whoever should make progress.
 * Either stands on the whole graph: a scope that is not closed gives no verdict at all.
 *
 * A state of the graph is a key, in which mms and references have no names (docs/model.md, "The key"). So nothing
 * here speaks of one reference: "held" means that nobody releases any, "released" that none stays held.
 */
import { BLOCKED, CALLERS, POLICY_ERROR, REFUSED, SHARED_FILE } from '../domain/kinds.ts';
import { isPrivate, type Setup } from '../domain/setup.ts';
import { F_DIRTY, F_WRITEBACK, type Machine, NO_PFN, P_DIRTY } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { callerOf, fastOf, longtermOf, writeOf } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { DONTNEED } from '../ops/madvise.ts';
import { type Alphabet, aOf, bOf, cOf, OP_KINDS, type OpKind, opOf, pack } from '../ops/op.ts';
import { HANDLE_FREE } from '../reference/reference.ts';
import type { Step } from '../scenario/scenario.ts';
import { type Allowed, Graph } from './graph.ts';
import type { Grain, Symmetry } from './key.ts';
import { PolicyModel } from './model.ts';
import { Exploration, trace } from './search.ts';

export type EventualId =
  | 'cleanable'
  | 'cleanable-held'
  | 'writeback-cleans'
  | 'fsync-cleans'
  | 'fsync-cleans-released'
  | 'flusher-cleans'
  | 'flusher-cleans-released'
  | 'reclaimable'
  | 'granted'
  | 'granted-held'
  | 'gup-returns';

export type ArgumentKind = 'exhaustive' | 'lasso';

export interface EventualProperty {
  readonly id: EventualId;
  /** In a maintainer's words. */
  readonly claim: string;
  /** Of what kind its violations are. */
  readonly argument: ArgumentKind;
}

/** Those about a page, then those about what was asked for. */
export const EVENTUAL: readonly EventualProperty[] = [
  {
    id: 'cleanable',
    claim: 'A dirty file page can get clean again.',
    argument: 'exhaustive',
  },
  {
    id: 'cleanable-held',
    claim: 'A dirty file page can get clean while references are held and none is released.',
    argument: 'exhaustive',
  },
  {
    id: 'writeback-cleans',
    claim: 'Writeback and fsync alone, while nobody else does anything, can get a dirty file page clean.',
    argument: 'exhaustive',
  },
  {
    id: 'fsync-cleans',
    claim: 'fsync, tried again and again, finds the page clean at some time, whatever others do.',
    argument: 'lasso',
  },
  {
    id: 'fsync-cleans-released',
    claim: 'The same where no reference is held for ever.',
    argument: 'lasso',
  },
  {
    id: 'flusher-cleans',
    claim: 'Background writeback that goes on finds the page clean at some time, whatever others do.',
    argument: 'lasso',
  },
  {
    id: 'flusher-cleans-released',
    claim: 'The same where no reference is held for ever.',
    argument: 'lasso',
  },
  {
    id: 'reclaimable',
    claim: 'A page in the page cache can leave it again.',
    argument: 'exhaustive',
  },
  {
    id: 'granted',
    claim: 'What was refused or had to wait, and is possible at all, is possible again.',
    argument: 'exhaustive',
  },
  {
    id: 'granted-held',
    claim: 'The same while references are held and none is released.',
    argument: 'exhaustive',
  },
  {
    id: 'gup-returns',
    claim: 'A GUP call ends, with a reference or an errno: its fault loop makes progress.',
    argument: 'lasso',
  },
];

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

/** One way in which a property is broken. */
export interface Trap {
  /** The file page, or what was asked for: `f`, `gup A pin W`. */
  readonly subject: string;
  readonly argument: ArgumentKind;
  /**
   * A shortest program into the trap. If something was refused or never returns, that is its last step. A lasso enters
   * its loop after it.
   */
  readonly steps: readonly Step[];
  /** One round of the loop, of a lasso with steps; the names of mms and references may differ from round to round. */
  readonly loop: readonly Step[];
  /** Places in `steps` and `loop`, one after the other, of steps that are refused or blocked. */
  readonly refused: readonly number[];
  /** States that can be reached from there by what the property allows; all of them were visited. 0 for a lasso. */
  readonly trapStates: number;
  /** States of the scope that are in such a trap; 0 for a lasso. */
  readonly badStates: number;
  /** Why it is refused: errnos, `blocked`, or what the policy did. Sorted. */
  readonly answers: readonly string[];
}

export interface EventualResult {
  readonly property: EventualProperty;
  /** `not tested`: the question arises in no state of the scope. */
  readonly verdict: 'holds' | 'broken' | 'not tested';
  /** States in which the question arises. */
  readonly premises: number;
  /** At most one per subject. */
  readonly traps: readonly Trap[];
}

/** Something that is asked for in the scope, and refused in every state: a ban, which is a rule and not a trap. */
export interface Ban {
  readonly subject: string;
  readonly answers: readonly string[];
  /** Shortest program that ends with the refusal. */
  readonly steps: readonly Step[];
}

export interface EventualReport {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Steps that end everything, as the kernel stops: nothing is expected of what comes after (`no-crash` judges). */
  readonly stops: number;
  /** In EVENTUAL order. */
  readonly results: readonly EventualResult[];
  readonly bans: readonly Ban[];
  /** What was asked for and granted in some state. Sorted. */
  readonly grants: readonly string[];
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

/** Builds the graph and judges all properties. Deterministic. Throws NotClosedError. */
export function judgeEventual(options: EventualOptions): EventualReport {
  return new Judge(new StateGraph(options)).report();
}

/** Bans that `before`, of an earlier policy in the same scope, does not have: there the same was granted in some state. */
export function newBans(report: EventualReport, before: EventualReport): Ban[] {
  return report.bans.filter(({ subject }) => before.grants.includes(subject));
}

const at = (kind: OpKind): number => OP_KINDS.indexOf(kind);
const FSYNC = at('fsync');
const WB_START = at('wb_start');
const WB_END = at('wb_end');
const RECLAIM = at('reclaim');
const DROP_CACHES = at('drop_caches');
const MUNMAP = at('munmap');
const MADVISE = at('madvise');
const GUP = at('gup');
const DMA_READ = at('dma_read');
const DMA_WRITE = at('dma_write');
const NONE = 0;

/** A step less who does it: one packed step with mm or reference 0, so that it means the same in merged states. */
function asked(step: number): number {
  const op = OPS[opOf(step)]!;
  const named = op.task === 'mm' || op.usesRef === true;
  return pack(opOf(step), named ? 0 : aOf(step), bOf(step), cOf(step));
}

/** A step that ended the world: there is no state after it. */
interface Ending {
  readonly node: number;
  readonly step: number;
  /** What the policy did wrong; '' if the kernel stopped. */
  readonly policyError: string;
}

/** All states of a closed scope with all steps between them, and what the questions need to know of each state. */
class StateGraph {
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
    const { setup, policy, statesMax, symmetry = 'all', grain = 'property' } = options;
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
      const outcome = world.step(step);
      if (outcome === REFUSED) this.#answered(step, world.machine.errno);
      else if (outcome === BLOCKED) this.#answered(step, 'blocked');
      else if (outcome === POLICY_ERROR) this.#answered(step, world.machine.policyError);
      if (world.ended) {
        const policyError = outcome === POLICY_ERROR ? world.machine.policyError : '';
        this.endings.push({ node, step, policyError });
        continue;
      }
      if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
      const edge = graph.addEdge(this.#number());
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

  /** Number of the model's present state. */
  #number(): number {
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
    return isPrivate(this.model.world.shape.kind[bOf(step)]!);
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

  pathTo(node: number): number[] {
    return this.exploration.table.path(node);
  }
  name(steps: readonly number[]): Step[] {
    return trace(this.options.setup, this.options.policy, steps);
  }
  /** Named, as a trap has them. */
  program(stem: readonly number[], loop: readonly number[] = []): Pick<Trap, 'steps' | 'loop' | 'refused'> {
    const all = [...stem, ...loop];
    const named = this.name(all);
    const { world } = this.model;
    const refused: number[] = [];
    this.model.load(this.#start, 0);
    all.forEach((step, i) => {
      const outcome = world.step(step);
      if (!isRefusal(outcome)) return;
      world.dropVoid();
      refused.push(i);
    });
    return { steps: named.slice(0, stem.length), loop: named.slice(stem.length), refused };
  }

  /**
   * Steps along a walk from where `stem` leads, as one concrete run does them: where merged states differ in who is
   * which mm or reference, so do its steps from those of the graph.
   */
  along(stem: readonly number[], edges: readonly number[]): number[] {
    const { model } = this;
    const { world } = model;
    const state = new Int32Array(model.size);
    const out = new Int32Array(model.stepsMax);
    const run = (step: number): number => {
      const outcome = world.step(step);
      if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
      return outcome;
    };
    model.load(this.#start, 0);
    for (const step of stem) run(step);
    return edges.map((edge) => {
      const wanted = this.steps[edge]!;
      model.save(state, 0);
      const enabled = model.enumerate(out);
      for (let e = -1; e < enabled; e++) {
        const step = e < 0 ? wanted : out[e]!;
        if (asked(step) !== asked(wanted) || !world.enabled(step)) continue;
        const outcome = run(step);
        if (!world.ended && outcome === this.outcomes[edge] && this.#number() === this.graph.targets[edge])
          return step;
        model.load(state, 0);
      }
      throw new Error('a loop of the graph does not replay');
    });
  }
}

function isDirty(m: Machine, pfn: number): boolean {
  if ((m.flags[pfn]! & F_DIRTY) !== 0) return true;
  const { kind, pages } = m.shape;
  for (let i = 0; i < m.pte.length; i++)
    if (m.pfn[i] === pfn && (m.pte[i]! & P_DIRTY) !== 0 && kind[i % pages] === SHARED_FILE) return true;
  return false;
}

/** What was asked for in words, without who asked: `gup A pin W`, `fsync f`. */
function askedText(setup: Setup, what: number): string {
  const op = OPS[opOf(what)]!;
  const c = cOf(what);
  if (op.usesRef === true) return op.kind;
  if (op.task !== 'mm') return `${op.kind} ${setup.files[aOf(what)]!.name}`;
  if (op.kind === 'fork' || op.kind === 'exit') return op.kind;
  const page = setup.pages[bOf(what)]!.name;
  if (opOf(what) !== GUP) return `${op.kind} ${page}`;
  const flags = [
    writeOf(c) ? 'W' : 'R',
    ...(longtermOf(c) ? ['LONGTERM'] : []),
    ...(fastOf(c) ? ['fast'] : []),
  ];
  return `gup ${page} ${CALLERS[callerOf(c)]} ${flags.join(' ')}`;
}

/** Where something was asked for, by node. */
interface Asking {
  readonly what: number;
  readonly granted: Uint8Array;
  readonly refused: Uint8Array;
  /** A refusal, by node: the packed step. */
  readonly refusal: Map<number, number>;
  everGranted: boolean;
}

class Judge {
  readonly #s: StateGraph;
  readonly #graph: Graph;
  readonly #nodes: number;

  constructor(states: StateGraph) {
    this.#s = states;
    this.#graph = states.graph;
    this.#nodes = states.graph.nodes;
  }

  report(): EventualReport {
    const s = this.#s;
    const { setup, alphabet } = s.options;
    const on = (op: number): boolean => alphabet.ops[op] === true;
    const files = setup.files.flatMap((f, i) => (f.filesystem === 'shmem' ? [] : [i]));
    const writesBack = on(FSYNC) || on(WB_START) ? files : [];
    const flushed = on(WB_START) && on(WB_END) ? files : [];
    const keeps: Allowed = (edge) => !s.isRelease(edge);
    const dirty = (node: number, f: number): boolean => bit(s.dirty, node, f);
    const clean = (node: number, f: number): boolean => !bit(s.unwritten, node, f);
    const askings = this.#askings();
    const possible = askings.filter((a) => a.everGranted);
    const subject = (a: Asking): string => askedText(setup, a.what);

    const cleanable = (held: boolean, allowed: Allowed): readonly [number, Trap[]] =>
      this.#each(writesBack, (f) =>
        this.#exhaustive(
          setup.files[f]!.name,
          (node) => dirty(node, f) && (!held || s.held[node]! > 0),
          (node) => clean(node, f),
          allowed,
        ),
      );
    const granted = (held: boolean): readonly [number, Trap[]] =>
      this.#each(possible, (a) =>
        this.#exhaustive(
          subject(a),
          (node) => a.refused[node] === 1 && (!held || s.held[node]! > 0),
          (node) => a.granted[node] === 1,
          (edge) => !s.givesUp(edge) && (!held || keeps(edge)),
          a,
        ),
      );
    const lasso = (on_: readonly number[], flusher: boolean, released: boolean): readonly [number, Trap[]] =>
      this.#each(on_, (f) => {
        const within: Allowed = (edge) =>
          dirty(this.#graph.source(edge), f) && dirty(this.#graph.targets[edge]!, f);
        const needs: Allowed[] = flusher
          ? [(edge) => s.isOn(edge, WB_START, f, NONE), (edge) => s.isOn(edge, WB_END, f)]
          : [(edge) => s.isOn(edge, FSYNC, f)];
        return this.#lasso(setup.files[f]!.name, (node) => dirty(node, f), needs, within, released);
      });

    const judged: { readonly [K in EventualId]: () => readonly [number, Trap[]] } = {
      cleanable: () => cleanable(false, () => true),
      'cleanable-held': () => cleanable(true, keeps),
      'writeback-cleans': () => cleanable(false, (edge) => s.writesBack(edge)),
      'fsync-cleans': () => lasso(on(FSYNC) ? files : [], false, false),
      'fsync-cleans-released': () => lasso(on(FSYNC) ? files : [], false, true),
      'flusher-cleans': () => lasso(flushed, true, false),
      'flusher-cleans-released': () => lasso(flushed, true, true),
      reclaimable: () =>
        this.#each(on(RECLAIM) || on(DROP_CACHES) ? files : [], (f) =>
          this.#exhaustive(
            setup.files[f]!.name,
            (node) => bit(s.cached, node, f),
            (node) => !bit(s.cached, node, f),
            () => true,
          ),
        ),
      granted: () => granted(false),
      'granted-held': () => granted(true),
      'gup-returns': () => this.#returns(),
    };
    const results = EVENTUAL.map((property): EventualResult => {
      const [premises, traps] = judged[property.id]();
      return {
        property,
        verdict: traps.length > 0 ? 'broken' : premises > 0 ? 'holds' : 'not tested',
        premises,
        traps,
      };
    });
    return {
      states: this.#nodes,
      transitions: s.exploration.transitions,
      depth: s.exploration.depth,
      stops: s.endings.filter((e) => e.policyError === '').length,
      results,
      bans: askings
        .filter((a) => !a.everGranted)
        .map((a) => {
          const [node, step] = [...a.refusal][0]!;
          return {
            subject: subject(a),
            answers: this.#answers(a),
            steps: s.name([...s.pathTo(node), step]),
          };
        }),
      grants: [...this.#grants()].map((what) => askedText(setup, what)).sort(),
    };
  }

  /** Premises of all subjects together, and the traps. */
  #each<T>(
    subjects: readonly T[],
    judge: (subject: T) => { readonly premises: number; readonly trap: Trap | undefined },
  ): readonly [number, Trap[]] {
    const judged = subjects.map(judge);
    return [
      judged.reduce((sum, { premises }) => sum + premises, 0),
      judged.flatMap(({ trap }) => (trap === undefined ? [] : [trap])),
    ];
  }

  /** From every state of the premise, can a good state be reached by allowed steps? */
  #exhaustive(
    subject: string,
    premise: (node: number) => boolean,
    good: (node: number) => boolean,
    allowed: Allowed,
    asking?: Asking,
  ): { readonly premises: number; readonly trap: Trap | undefined } {
    const goal = Uint8Array.from({ length: this.#nodes }, (_, node) => (good(node) ? 1 : 0));
    const able = this.#graph.reaching(goal, allowed);
    let premises = 0;
    let badStates = 0;
    let first = -1;
    for (let node = 0; node < this.#nodes; node++) {
      if (!premise(node)) continue;
      premises++;
      if (able[node] !== 0) continue;
      badStates++;
      if (first < 0) first = node; // states are numbered by their distance from the start
    }
    if (first < 0) return { premises, trap: undefined };
    const refusal = asking?.refusal.get(first);
    const steps = [...this.#s.pathTo(first), ...(refusal === undefined ? [] : [refusal])];
    return {
      premises,
      trap: {
        subject,
        argument: 'exhaustive',
        ...this.#s.program(steps),
        trapStates: sum(this.#graph.reachableFrom(first, allowed)),
        badStates,
        answers: asking === undefined ? [] : this.#answers(asking),
      },
    };
  }

  /**
   * Is there a loop within allowed steps that takes a step of each kind needed? `released`: it begins and ends with
   * nothing held, so that whoever takes a reference in it lets go again. Else one in which nobody releases is
   * preferred, as it is easier to read.
   */
  #lasso(
    subject: string,
    premise: (node: number) => boolean,
    needs: readonly Allowed[],
    within: Allowed,
    released: boolean,
  ): { readonly premises: number; readonly trap: Trap | undefined } {
    const s = this.#s;
    let premises = 0;
    for (let node = 0; node < this.#nodes; node++) if (premise(node)) premises++;
    const found = released
      ? this.#graph.cycle(needs, (node) => s.held[node] === 0, within)
      : (this.#graph.cycle(
          needs,
          () => true,
          (edge) => within(edge) && !s.isRelease(edge),
        ) ?? this.#graph.cycle(needs, () => true, within));
    if (found === undefined) return { premises, trap: undefined };
    const stem = s.pathTo(found.entry);
    return {
      premises,
      trap: {
        subject,
        argument: 'lasso',
        ...s.program(stem, s.along(stem, found.edges)),
        trapStates: 0,
        badStates: 0,
        answers: [],
      },
    };
  }

  /** A gup whose policy sends it round the fault loop for ever, or out of it with nothing. */
  #returns(): readonly [number, Trap[]] {
    const s = this.#s;
    const tried = new Set<number>();
    for (let edge = 0; edge < this.#graph.edges; edge++)
      if (opOf(s.steps[edge]!) === GUP) tried.add(this.#graph.source(edge));
    const traps = new Map<number, Trap>();
    for (const { node, step, policyError } of s.endings) {
      if (opOf(step) !== GUP || policyError === '') continue;
      tried.add(node);
      const what = asked(step);
      if (traps.has(what)) continue;
      traps.set(what, {
        subject: askedText(s.options.setup, what),
        argument: 'lasso',
        ...s.program([...s.pathTo(node), step]),
        trapStates: 0,
        badStates: 0,
        answers: [policyError],
      });
    }
    return [tried.size, [...traps.values()]];
  }

  /** Everything that is refused, blocked or without end in some state. By first occurrence. */
  #askings(): Asking[] {
    const s = this.#s;
    const { graph } = s;
    const list = new Map<number, Asking>();
    for (const what of [...s.answers.keys()].sort((x, y) => x - y))
      list.set(what, {
        what,
        granted: new Uint8Array(this.#nodes),
        refused: new Uint8Array(this.#nodes),
        refusal: new Map(),
        everGranted: false,
      });
    const refuse = (node: number, step: number): void => {
      const asking = list.get(asked(step))!;
      asking.refused[node] = 1;
      if (!asking.refusal.has(node)) asking.refusal.set(node, step);
    };
    // Endings are in order of their states as edges are; the refusal that is shown is the first of each state.
    for (const { node, step, policyError } of s.endings) if (policyError !== '') refuse(node, step);
    for (let edge = 0; edge < graph.edges; edge++) {
      const step = s.steps[edge]!;
      const asking = list.get(asked(step));
      if (asking === undefined) continue;
      const node = graph.source(edge);
      if (isRefusal(s.outcomes[edge]!)) refuse(node, step);
      else {
        asking.granted[node] = 1;
        asking.everGranted = true;
      }
    }
    return [...list.values()].map((asking) => {
      // Some mm got it there: the state is no refusal.
      for (let node = 0; node < this.#nodes; node++) if (asking.granted[node] === 1) asking.refused[node] = 0;
      const refusal = new Map([...asking.refusal].sort(([x], [y]) => x - y));
      return { ...asking, refusal };
    });
  }

  #grants(): Set<number> {
    const s = this.#s;
    const granted = new Set<number>();
    for (let edge = 0; edge < this.#graph.edges; edge++)
      if (!isRefusal(s.outcomes[edge]!)) granted.add(asked(s.steps[edge]!));
    return granted;
  }

  #answers(asking: Asking): string[] {
    return [...this.#s.answers.get(asking.what)!].sort();
  }
}

const isOpen = (exploration: Exploration): boolean => exploration.state === 'open';
const isRefusal = (outcome: number): boolean => outcome === REFUSED || outcome === BLOCKED;
const bit = (labels: Uint8Array, node: number, at: number): boolean => ((labels[node]! >> at) & 1) === 1;
const sum = (marks: Uint8Array): number => marks.reduce((total, mark) => total + mark, 0);
