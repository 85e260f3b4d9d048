/**
 * What a policy predicts for a scenario on a real kernel, and whether the kernel did that.
 *
 * The kernel is free where the model is not: writeback ends when the device is done, reclaim may do nothing. So the
 * model is run as a set of states. Before a step each state may take the freedoms; after it those states are kept
 * that did what the kernel was seen to do. If none is left, kernel and policy disagree.
 */

import { BLOCKED, DONE, NO_EFFECT, REFUSED, SKIPPED } from '../domain/kinds.ts';
import { isTrackedKind } from '../domain/page-kinds.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { doesNotApply, whyNot } from '../executor/why-not.ts';
import { advance } from '../fuzz/generate.ts';
import { F_WRITEBACK, NO_PFN } from '../machine/machine.ts';
import { type AnyPolicy, type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OPS, opOfStep } from '../ops/index.ts';
import { aOf, bOf, cOf, OP_KINDS, opOf, pack } from '../ops/op.ts';
import type { Observation } from '../property/property.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { EXCUSES, HANDLE_VOID, LEAK, MATCH, Reference } from '../reference/reference.ts';
import { Binding, type Scenario, type Step } from '../scenario/scenario.ts';
import { Columns } from '../state/arena.ts';
import { contentsAtStart, seenBy, showsContent, TOKENS } from './contents.ts';
import type { LiveOutcome, LiveResult } from './protocol.ts';
import { type Translated, tokenOf, tokenText, toldBy } from './translate.ts';

/** Something that a kernel may or may not do, whatever its policy. */
export interface Freedom {
  readonly id: 'writeback-ends' | 'nothing-reclaimed' | 'advice-writes' | 'slow-path';
  /**
   * `chance`: it happens now and then, so that a scenario which needs it in every run disagrees (freedom.ts). `timing`:
   * a fast device takes it every time, and no rule of a policy can be told from it.
   */
  readonly kind: 'chance' | 'timing';
  readonly reason: string;
  readonly source: string;
}

export const FREEDOMS: readonly Freedom[] = [
  {
    id: 'writeback-ends',
    kind: 'timing',
    reason: 'writeback that was started ends at any time, not only where the scenario says so',
    source: 'mm/filemap.c: folio_end_writeback(), called by the completion of the I/O',
  },
  {
    id: 'nothing-reclaimed',
    kind: 'chance',
    reason: 'reclaim and drop_caches are requests: a page that was just used, or sits in an LRU batch, stays',
    source:
      'mm/vmscan.c: folio_check_references(); mm/truncate.c: mapping_evict_folio(); mm/swap.c: folio_batch',
  },
  {
    id: 'advice-writes',
    kind: 'timing',
    reason:
      'fadvise(DONTNEED), which stands for drop_caches, first starts writeback of a dirty page, which may end in time',
    source: 'mm/fadvise.c: generic_fadvise(), __filemap_fdatawrite_range() before invalidate_mapping_pages()',
  },
  {
    id: 'slow-path',
    kind: 'chance',
    reason: 'which callers try GUP-fast first differs between releases, and GUP-fast may always give up',
    source: 'mm/gup.c: gup_fast_fallback()',
  },
];
export type FreedomId = Freedom['id'];
export const ALL_FREEDOMS: readonly FreedomId[] = FREEDOMS.map((f) => f.id);

/** Who observed; `outcome`: the step was refused or not; `log`: a warning of the kernel; `end`: it killed or hung. */
export type LiveObserver =
  | 'load'
  | 'device-load'
  | 'dio-write'
  | 'file-read'
  | 'disk'
  | 'outcome'
  | 'log'
  | 'end';

export interface Disagreement {
  /** Index of the step in the (substituted) scenario. */
  readonly step: number;
  readonly observer: LiveObserver;
  /** What the policy allows, in words, sorted: `P@3`, `done`, `refused EFAULT`. */
  readonly predicted: readonly string[];
  readonly seen: string;
}

export interface Comparison {
  readonly disagreements: readonly Disagreement[];
  /** Freedoms without which they would disagree. */
  readonly freedoms: readonly FreedomId[];
  /** Contents, outcomes of gups, and refusals that were compared. Zero says nothing. */
  readonly observed: number;
  /** '' or why the comparison ended early. */
  readonly incomplete: string;
  /** What ended it: all was run, the kernel lacks something, the scenario makes no sense, or something went wrong. */
  readonly ended: 'whole' | 'unsupported' | 'does not apply' | 'trouble';
  /** '' or what is wrong with the policy: it gave an answer that cannot be carried out. */
  readonly failed: string;
}

/** Predicted or seen for a step: by what name it goes. */
interface Row {
  /** In words, as `Disagreement.predicted`. */
  readonly allowed: readonly string[];
}

const WB_START = OP_KINDS.indexOf('wb_start');
const WB_END = OP_KINDS.indexOf('wb_end');
const GUP = OP_KINDS.indexOf('gup');

/** Labels of contents are numbers of the protocol; the byte tokens of a world are not. */
interface State {
  readonly columns: Uint8Array;
  readonly labels: Int16Array;
  /** The model warned: writeback of a folio without buffers. */
  readonly warned: boolean;
}

interface Successor {
  readonly state: State;
  readonly outcome: 'done' | 'refused' | 'skipped' | 'blocked' | 'policy error';
  /** Of a refusal. */
  readonly errno: string;
  /** Of a policy error, in words. */
  readonly error: string;
  readonly observer: LiveObserver | undefined;
  readonly value: number;
}

/** States after which we give up on telling them apart; a few freedoms give a handful. */
const STATES_MAX = 512;

/** The set of states in which a policy may be, given what was seen so far. */
class Possible {
  states: readonly State[];
  /** Why the last step had no successors. */
  whyNot = '';
  readonly #world: World;
  readonly #binding: Binding;
  readonly #freedoms: ReadonlySet<FreedomId>;
  readonly #setup: Setup;
  #observer: LiveObserver | undefined;
  #token = 0;
  #warned = false;

  constructor(setup: Setup, policy: ExpandedPolicy, freedoms: readonly FreedomId[]) {
    this.#setup = setup;
    this.#world = new World(setup, policy, TOKENS);
    this.#world.checkInvariants = false;
    this.#binding = new Binding(setup);
    this.#freedoms = new Set(freedoms);
    this.#world.onObservation = (o: Observation): void => {
      if (o.kind === 'writeback-lost') this.#warned = true;
      if (!showsContent(o.kind)) return;
      this.#observer = o.kind as LiveObserver;
      this.#token = o.token;
    };
    const labels = new Int16Array(TOKENS);
    labels.set(contentsAtStart(setup));
    this.states = [{ columns: this.#world.columns.snapshot(), labels, warned: false }];
  }

  /** All that may come of the step. Call `keep` with those that did. */
  successors(step: Step, at: number): Successor[] {
    const packed = this.#binding.pack(step);
    const found = new Map<string, Successor>();
    if (packed < 0) {
      this.whyNot = whyNot(this.#world, step, packed);
      return [];
    }
    let slot = -1;
    const { live } = opOfStep(step);
    for (const before of live.writesFirst === true ? this.#written(packed) : this.#free()) {
      for (const variant of this.#variants(packed)) {
        const after = this.#run(before, variant, at);
        if (after === undefined) continue;
        if (this.#world.slot >= 0) slot = this.#world.slot;
        found.set(keyOf(after), after);
      }
      // A request that nobody follows.
      if (this.#freedoms.has('nothing-reclaimed') && live.request === true) {
        const idle = doneNothing(before);
        found.set(keyOf(idle), idle);
      }
    }
    if (found.size > 0) this.#binding.executed(step, { slot });
    else this.whyNot = whyNot(this.#world, step, packed);
    const all = [...found.values()];
    // Who is blocked waits for writeback to end, and then does what another state does.
    const moved = all.filter((s) => s.outcome !== 'blocked');
    return (moved.length > 0 ? moved : all).slice(0, STATES_MAX);
  }

  keep(successors: readonly Successor[]): void {
    const states = new Map(successors.map((s) => [stateKey(s.state), s.state]));
    this.states = [...states.values()];
  }

  /** The states, and what becomes of them if writeback in flight ends now. */
  #free(): readonly State[] {
    if (!this.#freedoms.has('writeback-ends')) return this.states;
    const found = new Map(this.states.map((s) => [stateKey(s), s]));
    for (let file = 0; file < this.#setup.files.length; file++)
      for (const state of [...found.values()]) {
        this.#restore(state);
        const { machine } = this.#world;
        const pfn = machine.cache[file]!;
        if (pfn === NO_PFN || (machine.flags[pfn]! & F_WRITEBACK) === 0) continue;
        if (this.#world.step(pack(WB_END, file)) === INVALID) continue;
        const ended = { ...state, columns: this.#world.columns.snapshot() };
        found.set(stateKey(ended), ended);
      }
    return [...found.values()].slice(0, STATES_MAX);
  }

  /** The states, and what becomes of them if a dirty page is written first. */
  #written(packed: number): readonly State[] {
    const free = this.#free();
    if (!this.#freedoms.has('advice-writes')) return free;
    const found = new Map(free.map((s) => [stateKey(s), s]));
    const world = this.#world;
    for (const state of free) {
      this.#restore(state);
      this.#warned = false;
      for (const step of [pack(WB_START, aOf(packed)), pack(WB_END, aOf(packed))]) {
        if (world.ended || world.step(step) === INVALID) break;
        const after = {
          columns: world.columns.snapshot(),
          labels: state.labels,
          warned: state.warned || this.#warned,
        };
        found.set(stateKey(after), after);
      }
    }
    return [...found.values()].slice(0, STATES_MAX);
  }

  /** Slow and fast. */
  #variants(packed: number): readonly number[] {
    if (opOf(packed) !== GUP || !this.#freedoms.has('slow-path')) return [packed];
    const c = cOf(packed);
    return [c & ~FAST, c | FAST].map((v) => pack(GUP, aOf(packed), bOf(packed), v));
  }

  #run(before: State, packed: number, at: number): Successor | undefined {
    const world = this.#world;
    this.#restore(before);
    this.#observer = undefined;
    this.#warned = false;
    const next = world.reference.tokens[0]!;
    const outcome = world.step(packed);
    if (outcome === INVALID) {
      // It has come by itself: there is nothing left to wait for.
      if (OPS[opOf(packed)]!.live.mayBeOver !== true) return undefined;
      return doneNothing(before);
    }
    const labels = before.labels.slice();
    if (world.reference.tokens[0]! > next) labels[next] = tokenOf(at);
    const observer = this.#observer as LiveObserver | undefined;
    return {
      state: { columns: world.columns.snapshot(), labels, warned: before.warned || this.#warned },
      outcome: OUTCOME[outcome] ?? 'policy error',
      errno: outcome === REFUSED ? world.machine.errno : '',
      error: OUTCOME[outcome] === undefined ? world.machine.policyError : '',
      observer,
      value: observer === undefined ? 0 : labels[this.#token]!,
    };
  }

  #restore(state: State): void {
    this.#world.columns.restore(state.columns);
    this.#world.ended = false;
  }
}

const FAST = gupVariant('get', false, false, true);
const OUTCOME: { readonly [outcome: number]: Successor['outcome'] } = {
  [DONE]: 'done',
  [NO_EFFECT]: 'done',
  [REFUSED]: 'refused',
  [BLOCKED]: 'blocked',
  [SKIPPED]: 'skipped',
};

const doneNothing = (state: State): Successor => ({
  state,
  outcome: 'done',
  errno: '',
  error: '',
  observer: undefined,
  value: 0,
});

const stateKey = (s: State): string =>
  `${Buffer.from(s.columns.buffer, s.columns.byteOffset, s.columns.byteLength).toString('latin1')}${s.labels.join()}${s.warned}`;
const keyOf = (s: Successor): string =>
  `${s.outcome} ${s.errno} ${s.observer} ${s.value} ${stateKey(s.state)}`;

const allowedText = (scenario: Scenario, s: Successor): string =>
  s.outcome === 'refused'
    ? `refused ${s.errno}`
    : s.outcome === 'done' && s.observer !== undefined
      ? tokenText(scenario, s.value)
      : s.outcome;

const sortedSet = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

/** What the policy allows per step of the translated scenario, before anything was seen. For tables. */
export function predict(translated: Translated, policy: AnyPolicy): readonly (readonly string[])[] {
  const { scenario } = translated;
  const possible = new Possible(scenario.setup, expanded(policy), ALL_FREEDOMS);
  const rows: Row[] = scenario.steps.map((step, at) => {
    const successors = possible.successors(step, at);
    possible.keep(successors);
    return { allowed: sortedSet(successors.map((s) => allowedText(scenario, s))) };
  });
  return rows.map((r) => r.allowed);
}

/** What was seen at a step of the scenario, in words. */
function seenText(scenario: Scenario, o: LiveOutcome): string {
  if (o.outcome === 'done') return o.value === undefined ? 'done' : tokenText(scenario, o.value);
  return `${o.outcome} ${o.why}`.trim();
}

/**
 * What was seen at each step of the scenario, in words; '' where there was nothing to tell. As in the model, what names a
 * reference that was refused is skipped, whatever the executor, which never had it, says.
 */
export function stepsSeen(result: LiveResult, translated: Translated): string[] {
  const { scenario, from } = translated;
  const told = toldBy(translated);
  const last = result.end === 'ok' ? scenario.steps.length - 1 : (from[result.steps.length - 1] ?? -1);
  const refused = new Set<string>();
  return scenario.steps.map((step, at) => {
    if (at > last) return '';
    if ('ref' in step && refused.has(step.ref)) return 'skipped';
    const live = told[at];
    const outcome = live === undefined ? undefined : result.steps[live];
    if (outcome === undefined) return '';
    if (step.op === 'gup') {
      if (outcome.outcome === 'refused') refused.add(step.result);
      else refused.delete(step.result);
      if (outcome.outcome === 'done') return 'done';
    }
    return seenText(scenario, outcome);
  });
}

/** Does the kernel do what the policy says? Freedoms are used only if they are needed. */
export function compare(result: LiveResult, translated: Translated, policy: AnyPolicy): Comparison {
  const full = expanded(policy);
  const strict = compareWith(result, translated, full, []);
  // That a kernel may go another way does not help a policy that fails on this one.
  if (strict.disagreements.length === 0 || strict.failed !== '') return strict;
  const free = compareWith(result, translated, full, ALL_FREEDOMS);
  if (free.disagreements.length > 0) return free;
  for (const id of ALL_FREEDOMS) {
    const one = compareWith(result, translated, full, [id]);
    if (one.disagreements.length === 0) return one;
  }
  return free;
}

/** As compare, with these freedoms whether needed or not. */
export function compareWith(
  result: LiveResult,
  translated: Translated,
  policy: ExpandedPolicy,
  freedoms: readonly FreedomId[],
): Comparison {
  const { scenario } = translated;
  const told = toldBy(translated);
  const possible = new Possible(scenario.setup, policy, freedoms);
  const disagreements: Disagreement[] = [];
  let observed = 0;
  let incomplete = '';
  let ended: Comparison['ended'] = 'whole';
  let failed = '';
  /** No policy kills a process or hangs; trouble of the executor's own says nothing. */
  const fell = (step: number): void => {
    if (result.end !== 'killed' && result.end !== 'timeout') return;
    const seen = `${result.end} ${result.why}`.trim();
    disagreements.push({ step, observer: 'end', predicted: ['goes on'], seen });
  };
  for (const [at, step] of scenario.steps.entries()) {
    // Of an O_DIRECT call, its gup: what became of it is told at its end, but whether it was refused is known.
    const live = told[at];
    const dio = live !== undefined && live === told[at + 1];
    const seen = live === undefined ? undefined : result.steps[live];
    const successors = possible.successors(step, at);
    if (live !== undefined && seen === undefined) {
      incomplete = `ended before step ${at + 1}: ${result.end} ${result.why}`.trim();
      ended = 'trouble';
      // Where this model's ext4 warns, that of an older kernel stops.
      if (!successors.some((s) => s.state.warned)) fell(at);
      break;
    }
    if (successors.length === 0) {
      incomplete = doesNotApply(at, possible.whyNot);
      ended = 'does not apply';
      break;
    }
    // It names a reference that was refused: the executor has none of that number.
    if (seen === undefined || successors.every((s) => s.outcome === 'skipped')) {
      possible.keep(successors);
      continue;
    }
    if (seen.outcome === 'unsupported') {
      incomplete = `step ${at + 1} is unsupported here: ${seen.why}`;
      ended = 'unsupported';
      break;
    }
    const done = successors.filter((s) => s.outcome !== 'policy error');
    const outcomes = done.filter(
      (s) =>
        s.outcome === 'skipped' ||
        (s.outcome === seen.outcome && (s.outcome === 'done' || s.errno === seen.why.split(' ')[0])),
    );
    const differs = (observer: LiveObserver): void => {
      const predicted = sortedSet(successors.map((s) => allowedText(scenario, s)));
      disagreements.push({ step: at, observer, predicted, seen: seenText(scenario, seen) });
    };
    // A refusal is seen whatever was refused: a store, an madvise.
    if (step.op === 'gup' || [seen, ...done].some((s) => s.outcome === 'refused')) observed++;
    if (outcomes.length === 0) {
      if (done.length === 0) failed = `step ${at + 1}: ${successors[0]!.error}`;
      differs('outcome');
      break; // what follows is another program on either side
    }
    if (dio) {
      possible.keep(outcomes);
      continue;
    }
    const observer = outcomes.find((s) => s.observer !== undefined)?.observer;
    let kept = outcomes;
    if (observer !== undefined && seen.value !== undefined) {
      observed++;
      const same = outcomes.filter((s) => s.value === seen.value);
      if (same.length === 0) differs(observer);
      else kept = same;
    }
    // A kernel warns when a page is dirtied, or when it is written, be that after the last step; the model at
    // writeback only. So a warning is compared as "could there be one".
    const news = couldWarn(scenario) ? seen.log.filter((line) => !OF_EXT4.test(line)) : seen.log;
    if (news.length > 0)
      disagreements.push({ step: at, observer: 'log', predicted: ['no warning'], seen: news.join('; ') });
    possible.keep(kept);
  }
  if (incomplete === '' && result.end !== 'ok') {
    incomplete = `${result.end} ${result.why}`.trim();
    ended = 'trouble';
    if (disagreements.length === 0 && !possible.states.some((s) => s.warned)) fell(scenario.steps.length - 1);
  }
  const used = disagreements.length === 0 ? freedoms : [];
  return { disagreements, freedoms: used, observed, incomplete, ended, failed };
}

/** Lines of its warning, its registers included. */
const OF_EXT4 = /ext4/i;

/** ext4 warns of a page without buffers that is dirty: one of its files, dirtied by who held it for writing. */
const couldWarn = ({ setup, steps }: Scenario): boolean =>
  steps.some(
    (s) => s.op === 'gup' && s.write && setup.pages.some((p) => p.name === s.page && isTrackedKind(p.kind)),
  );

/** A promise that was not kept, by what was seen. */
export interface BrokenPromise {
  readonly step: number;
  readonly observer: LiveObserver;
  readonly damage: 'leak' | 'stale';
  readonly seen: string;
  /** '' where several contents are allowed. */
  readonly expected: string;
  /** '' or why it is documented and no promise is broken. */
  readonly excuse: string;
}

/** What the kernel was seen to break, judged by the reference alone: no policy takes part. */
export function brokenPromises(result: LiveResult, translated: Translated): BrokenPromise[] {
  const { scenario, promised } = translated;
  const { setup } = scenario;
  const told = toldBy(translated);
  const columns = new Columns();
  const ref = new Reference(shapeOf(setup, TOKENS), columns);
  columns.bytes.fill(0);
  ref.reset();
  const binding = new Binding(setup);
  const names = new Map(contentsAtStart(setup).entries());
  const labels = new Map([...names].map(([token, label]) => [label, token]));
  const broken: BrokenPromise[] = [];
  for (const [at, executed] of scenario.steps.entries()) {
    const caller = executed.op === 'gup' ? promised.get(executed.result) : undefined;
    const step = executed.op === 'gup' && caller !== undefined ? { ...executed, caller } : executed;
    const packed = binding.pack(step);
    if (packed < 0) break;
    const live = told[at];
    const dio = live !== undefined && live === told[at + 1];
    const seen = live === undefined ? undefined : result.steps[live];
    if (live !== undefined && seen === undefined) break;
    const op = OPS[opOf(packed)]!;
    if (op.usesRef === true && ref.handleState[aOf(packed)] === HANDLE_VOID) {
      if (op.releases === true) ref.release(aOf(packed), false);
      binding.executed(step, { slot: -1 });
      continue;
    }
    if (seen?.outcome === 'unsupported') break;
    if (!op.enabled(ref, packed)) break;
    if (seen?.value !== undefined && !dio) {
      const judged = judge(ref, step, packed, labels.get(seen.value));
      if (judged !== undefined) {
        const { observer, damage, expected, excuse } = judged;
        broken.push({
          step: at,
          observer,
          damage,
          seen: tokenText(scenario, seen.value),
          expected: expected < 0 ? '' : tokenText(scenario, names.get(expected) ?? 0),
          excuse,
        });
      }
    }
    if (step.op === 'gup' && seen?.outcome === 'refused') {
      const slot = ref.freeHandle();
      op.refused?.(ref, slot);
      binding.executed(step, { slot });
      continue;
    }
    const token = ref.tokens[0]!;
    binding.executed(step, { slot: advance(ref, packed) });
    if (ref.tokens[0]! > token) {
      labels.set(tokenOf(at), token);
      names.set(token, tokenOf(at));
    }
  }
  return broken;
}

function judge(
  ref: Reference,
  step: Step,
  packed: number,
  token: number | undefined,
): { observer: LiveObserver; damage: 'leak' | 'stale'; expected: number; excuse: string } | undefined {
  const [a, b] = [aOf(packed), bOf(packed)];
  const said = (
    observer: LiveObserver,
    judgement: (t: number) => number,
    excuse: (t: number) => number,
    expected: number,
  ): ReturnType<typeof judge> => {
    // Content that no step stored belongs to nobody here.
    if (token === undefined) return { observer, damage: 'leak', expected, excuse: '' };
    const result = judgement(token);
    if (result === MATCH) return undefined;
    return {
      observer,
      damage: result === LEAK ? 'leak' : 'stale',
      expected,
      excuse: EXCUSES[excuse(token)]!,
    };
  };
  const observer = seenBy(opOfStep(step)) as LiveObserver | undefined;
  switch (observer) {
    case 'load':
      return said(
        observer,
        (t) => ref.judgeLoad(a, b, t),
        (t) => ref.excuseLoad(a, b, t),
        ref.expectedLoad(a, b),
      );
    case 'device-load':
    case 'dio-write':
      return said(
        observer,
        (t) => ref.judgeDevice(a, t),
        (t) => ref.excuseDevice(a, t),
        ref.expectedDevice(a),
      );
    case 'file-read':
      return said(
        observer,
        (t) => ref.judgeFile(a, t),
        (t) => ref.excuseFile(a, t),
        ref.current[ref.fileCell + a]!,
      );
    case 'disk':
      return said(
        observer,
        (t) => ref.judgeDisk(a, t),
        () => 0,
        ref.current[ref.fileCell + a]!,
      );
    default:
      return undefined;
  }
}

/** The observer of a step's content, if it has one. */
export function observes(step: Step, steps: readonly Step[]): boolean {
  const observer = seenBy(opOfStep(step));
  if (observer === 'dio-write' && 'ref' in step) {
    const gup = steps.find((s) => s.op === 'gup' && s.result === step.ref);
    return gup?.op === 'gup' && !gup.write && CALLER_CONTRACTS[gup.caller].release === 'dio_end';
  }
  return observer !== undefined;
}
