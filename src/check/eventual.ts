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
import { filesystem } from '../domain/filesystems.ts';
import { OP_KINDS, type OpKind, opOf } from '../ops/op.ts';
import { asked, askedText } from './eventual-asked.ts';
import { type EventualOptions, StateGraph } from './eventual-graph.ts';
import {
  EVENTUAL,
  type EventualId,
  type EventualReport,
  type EventualResult,
  type Trap,
} from './eventual-properties.ts';
import { type Asking, askingsOf, grantsOf } from './eventual-refusals.ts';
import { programInto, programTo } from './eventual-walk.ts';
import type { Allowed, Graph } from './graph.ts';

/** Builds the graph and judges all properties. Deterministic. Throws NotClosedError. */
export function judgeEventual(options: EventualOptions): EventualReport {
  return new Judge(new StateGraph(options)).report();
}

const at = (kind: OpKind): number => OP_KINDS.indexOf(kind);
const FSYNC = at('fsync');
const WB_START = at('wb_start');
const WB_END = at('wb_end');
const RECLAIM = at('reclaim');
const DROP_CACHES = at('drop_caches');
const GUP = at('gup');
const NONE = 0;

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
    const files = setup.files.flatMap((f, i) => (filesystem(f.filesystem).dirtyTracked ? [i] : []));
    const writesBack = on(FSYNC) || on(WB_START) ? files : [];
    const flushed = on(WB_START) && on(WB_END) ? files : [];
    const keeps: Allowed = (edge) => !s.isRelease(edge);
    const dirty = (node: number, f: number): boolean => bit(s.dirty, node, f);
    const clean = (node: number, f: number): boolean => !bit(s.unwritten, node, f);
    const askings = askingsOf(s);
    const possible = askings.filter((a) => a.everGranted);

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
          a.subject,
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
        .map(({ subject, answers, refusals }) => {
          const [node, step] = [...refusals][0]!;
          return { subject, answers, steps: programTo(s, node, step).steps };
        }),
      grants: grantsOf(s),
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
    const refusal = asking?.refusals.get(first);
    return {
      premises,
      trap: {
        subject,
        argument: 'exhaustive',
        ...programTo(this.#s, first, ...(refusal === undefined ? [] : [refusal])),
        trapStates: sum(this.#graph.reachableFrom(first, allowed)),
        badStates,
        answers: asking?.answers ?? [],
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
    return {
      premises,
      trap: {
        subject,
        argument: 'lasso',
        ...programInto(s, found),
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
        ...programTo(s, node, step),
        trapStates: 0,
        badStates: 0,
        answers: [policyError],
      });
    }
    return [tried.size, [...traps.values()]];
  }
}

const bit = (labels: Uint8Array, node: number, at: number): boolean => ((labels[node]! >> at) & 1) === 1;
const sum = (marks: Uint8Array): number => marks.reduce((total, mark) => total + mark, 0);
