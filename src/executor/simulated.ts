/**
 * The simulated executor: one reference and one machine with a policy over the same scenario, compared step by step.
 *
 * A step runs on the machine first; what observers saw is judged by the reference as it stands before the step takes
 * effect there; then the reference is told, unless the policy refused or blocked the step. This is the one place
 * where reference and machine meet.
 *
 * Where there are several tasks (Setup.tasks), an operation may be left in flight: `begin` reserves what it makes and
 * does its first atomic step, `advance` does one more, and with the last one it takes effect on the reference. A step
 * that needs a lock of another task in flight cannot be done yet.
 */

import { PROPERTIES } from '../../properties/index.ts';
import {
  BLOCKED,
  CALLERS,
  DONE,
  NO_EFFECT,
  PAGE_KINDS,
  POLICY_ERROR,
  REF_KINDS,
  REFUSED,
  type RefKind,
  SKIPPED,
  STORER_CPU,
  STORER_DEVICE_DIO,
  STORER_DEVICE_GET,
  STORER_DEVICE_PIN_LT,
  STORER_FILE,
  STORER_INITIAL,
} from '../domain/kinds.ts';
import { PLAIN_KIND } from '../domain/page-kinds.ts';
import { type Setup, type Shape, shapeOf } from '../domain/setup.ts';
import {
  EV_COPY,
  EV_DEVICE_LOAD,
  EV_DIO_WRITE,
  EV_DIRTIED,
  EV_DISK,
  EV_FILE_READ,
  EV_FREED,
  EV_LOAD,
  EV_WRITEBACK_END,
  EV_WRITEBACK_LOST,
  EVENTS,
  MACHINE_COLUMNS,
  Machine,
  NO_REF,
  TASK_COLUMNS,
} from '../machine/machine.ts';
import { hasLocks, runToEnd, stepName, stepOnce } from '../machine/procedures.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { isElsewhere } from '../ops/elsewhere.ts';
import { callerOf, longtermOf, writeOf } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { aOf, bOf, cOf, OP_KINDS, opOf } from '../ops/op.ts';
import { goesOnOf, goOnOf, isLater, pausedBefore, pauseOf, unpaused } from '../ops/pauses.ts';
import {
  DAMAGES,
  type Damage,
  type FindingClass,
  OBSERVED_BY,
  type Observation,
  type ObservationKind,
  type ObservedBy,
  type Property,
  type Provenance,
  STORED_BY,
  type StoredBy,
} from '../property/property.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import {
  EXCUSE_DIO_SOURCE,
  EXCUSES,
  HANDLE_VOID,
  LEAK,
  MATCH,
  REF_DETACHED,
  REF_EXACT,
  REF_LONGTERM,
  REF_STORED,
  REF_WRITE,
  REFERENCE_COLUMNS,
  Reference,
} from '../reference/reference.ts';
import { Columns } from '../state/arena.ts';
import {
  type Arrays,
  contentColumns,
  type Declarations,
  fillStart,
  layOut,
  sizesOf,
} from '../state/columns.ts';
import { FLIGHT_COLUMNS, NO_SLOT, WAS_ALLOWED, WAS_FORBIDDEN } from './flight.ts';

const FORK = OP_KINDS.indexOf('fork');
const GUP = OP_KINDS.indexOf('gup');

/** By event: it shows what the part of a page holds that the step is about. */
const SHOWS_CONTENT: readonly boolean[] = EVENTS.map((kind) =>
  ['load', 'device-load', 'file-read', 'dio-write'].includes(kind),
);

/** The step is not one that the program can do now (a candidate of the shrinker, or a hand-written file). */
export const INVALID = 6;
/** The operation has begun, and has not ended yet. */
export const IN_FLIGHT = 7;

const GO_ON = OP_KINDS.indexOf('go_on');
/** `K4` of `fork.K4`. */
const placeOf = (pc: number): string => stepName(pc).split('.')[1] ?? '';

/** Claims of a policy about itself come after the properties in class codes. */
export const CLAIM_PROPERTIES = [
  'claim: writable anon pte => exclusive',
  'claim: pinned anon folio => exclusive',
  // Judged only where it is asked for: ExpandedPolicy.errorsAreFindings.
  'claim: every answer can be carried out',
] as const;
/** Index in CLAIM_PROPERTIES. */
export const POLICY_ERROR_CLAIM = 2;

const REF_OF_STORER: readonly (RefKind | '')[] = ['', '', 'GET', 'PIN', 'PIN', 'DIO', ''];

class MutableObservation implements Observation {
  kind: ObservationKind = 'load';
  page: Observation['page'] = PLAIN_KIND;
  privatePage = true;
  observedBy: ObservedBy = 'cpu';
  provenance: Provenance = 'match';
  fromFile = false;
  storedBy: StoredBy = 'initial';
  ref: RefKind | '' = '';
  write = false;
  longterm = false;
  exact = false;
  excuse = '';
  changed = false;
  covered = false;
  buffers = false;
  stablePages = false;
  allowed = true;
  refused = false;
  bug = false;
  detached = false;
  storedSinceTake = false;
  token = 0;
  expected = -1;
  a = 0;
  b = 0;
  readonly reference: Reference;
  constructor(reference: Reference) {
    this.reference = reference;
  }
}

/** A broken promise, or a documented exception, met in the last step. */
export interface Violation {
  /** Class as one number; `decodeClass` gives the parts. */
  readonly code: number;
  readonly documented: boolean;
  readonly excuse: string;
  readonly token: number;
  readonly expected: number;
  readonly kind: ObservationKind | 'claim';
  readonly a: number;
  readonly b: number;
}

export class World {
  readonly shape: Shape;
  readonly columns: Columns = new Columns();
  readonly reference: Reference;
  readonly machine: Machine;
  /** Properties judged; the index is part of a class code. */
  readonly properties: readonly Property[];
  /** Per property: its `sometimes` goal was reached. */
  readonly goals: Uint8Array;
  /** Of the last step. */
  violations: Violation[] = [];
  /** Nothing more can be executed: the kernel stopped, or a folio was freed under a reference. */
  ended = false;
  /** Re-derive all counts after each step (on everywhere except in a benchmark that measures it). */
  checkInvariants = true;
  /** Notes every observation of the last step, for traces. */
  onObservation: ((o: Observation) => void) | undefined;
  /** Slot filled by the last fork or gup, or -1. */
  slot = -1;
  /** What is in flight, per task; no elements where there is one task. */
  readonly flight: Arrays<typeof FLIGHT_COLUMNS>;
  /** Several tasks: operations may be left in flight. */
  readonly fine: boolean;

  /** Pages have parts, of which one is followed. */
  readonly #parted: boolean;
  /** Columns of contents. */
  readonly #contents: ReturnType<typeof contentColumns>;
  readonly #observation: MutableObservation;
  /** By event number: indices of the properties that judge what it shows. */
  readonly #judges: readonly (readonly number[])[];
  /** Indices of the properties that judge whether an access was allowed. */
  readonly #accessJudges: readonly number[];

  constructor(setup: Setup, policy: ExpandedPolicy, tokens?: number) {
    this.shape = shapeOf(setup, tokens);
    this.reference = new Reference(this.shape, this.columns);
    this.machine = new Machine(this.shape, policy, this.columns);
    this.fine = this.shape.tasks > 1;
    this.#parted = this.shape.parts > 1;
    this.flight = layOut(FLIGHT_COLUMNS, sizesOf(this.shape), this.columns);
    this.#contents = [
      ...contentColumns(MACHINE_COLUMNS, this.machine),
      ...contentColumns(REFERENCE_COLUMNS, this.reference),
      ...(this.fine
        ? [...contentColumns(TASK_COLUMNS, this.machine.task), ...contentColumns(FLIGHT_COLUMNS, this.flight)]
        : []),
    ];
    this.properties = PROPERTIES;
    this.goals = new Uint8Array(PROPERTIES.length);
    this.#observation = new MutableObservation(this.reference);
    const judgesOf = (kind: ObservationKind): number[] =>
      PROPERTIES.flatMap((p, i) => (p.observes.includes(kind) ? [i] : []));
    this.#judges = EVENTS.map((kind) => (kind === 'copy' ? [] : judgesOf(kind)));
    this.#accessJudges = judgesOf('access');
    this.reference.reset();
    this.machine.reset();
    fillStart(FLIGHT_COLUMNS, this.flight);
    this.columns.keepStart();
  }

  /** Back to the start of the scenario. Goals, costs and rule counters go on. */
  reset(): void {
    this.columns.restart();
    this.ended = false;
    this.violations = [];
  }

  /** May the program do this step now, as far as the reference is concerned? */
  enabled(step: number): boolean {
    return OPS[opOf(step)]!.enabled(this.reference, step);
  }

  /**
   * Executes one step and judges what was observed. Returns its outcome (domain/kinds.ts), or INVALID if the program cannot
   * do it now. Where there are several tasks: IN_FLIGHT if it pauses, or needs a lock that another has. What it has to wait
   * for before it can begin, as a task or a name that is made, goes on first.
   */
  step(step: number): number {
    if (this.fine) return this.#stepUntil(step);
    const { machine } = this;
    const entry = this.#open(0, step);
    if (entry < 0) return -1 - entry;
    const outcome = runToEnd(machine, 0, entry);
    if (machine.events > 0) this.#judge();
    return this.#close(step, this.#token, this.slot, outcome, this.#allows(step));
  }

  /**
   * Begins an operation, or lets one in flight go on, until it is about to do the atomic step that the packed step names,
   * or to its end. IN_FLIGHT if it pauses there, or before that at a lock that another task has.
   */
  #stepUntil(step: number): number {
    const { machine, flight } = this;
    const goesOn = opOf(step) === GO_ON;
    const violations: Violation[] = [];
    if (!goesOn && this.#makeWay(step, violations) === POLICY_ERROR) {
      this.violations = violations;
      this.slot = -1;
      return POLICY_ERROR;
    }
    if (goesOn ? !OPS[GO_ON]!.enabled(this.reference, step) : this.ended) return this.#nothing(violations);
    const task = goesOn ? this.#inFlightOf(aOf(step), goesOnOf(step), isLater(step)) : this.idleTask();
    if (task < 0) return this.#nothing(violations, goesOn);
    const until = pauseOf(step);
    let outcome = IN_FLIGHT;
    if (goesOn) this.slot = flight.slot[task] === NO_SLOT ? -1 : flight.slot[task]!;
    else {
      outcome = this.begin(task, step);
      violations.push(...this.violations);
    }
    const { slot } = this;
    let moved = !goesOn;
    while (
      outcome === IN_FLIGHT &&
      !(moved && placeOf(machine.task.pc[task]!) === until) &&
      this.canAdvance(task)
    ) {
      outcome = this.advance(task);
      moved = true;
      violations.push(...this.violations);
    }
    this.violations = violations;
    this.slot = slot;
    return outcome;
  }

  /** The step is none, or has no effect: of those that waited for something one has ended the run, or none is there. */
  #nothing(violations: Violation[], noEffect: boolean = violations.length > 0): number {
    this.violations = violations;
    this.slot = -1;
    return noEffect ? NO_EFFECT : INVALID;
  }

  /** What is in flight goes on, the one that began first before the other, until the step can begin. Its last outcome. */
  #makeWay(step: number, violations: Violation[]): number {
    let outcome = IN_FLIGHT;
    while (outcome !== POLICY_ERROR && this.inFlight() && !this.#canStart(step)) {
      const task = this.#nextInFlight();
      if (task < 0) break;
      outcome = this.advance(task);
      violations.push(...this.violations);
    }
    return outcome;
  }

  /** Is there a task for the step, what it names, and the locks that it takes first? */
  #canStart(step: number): boolean {
    const op = OPS[opOf(step)]!;
    const task = this.idleTask();
    if (task < 0) return false;
    if (op.usesRef === true && this.reference.handleState[aOf(step)] === HANDLE_VOID) return true;
    return op.enabled(this.reference, step) && this.#canBegin(task, step);
  }

  /** Of the tasks that can go on the one whose operation began first, or -1. */
  #nextInFlight(): number {
    let first = -1;
    for (let t = 0; t < this.flight.step.length; t++)
      if (this.canAdvance(t) && (first < 0 || this.flight.order[t]! < this.flight.order[first]!)) first = t;
    return first;
  }

  /** The task that has an operation of this kind and mm in flight, the first or the last one that began; or -1. */
  #inFlightOf(mm: number, op: number, later: boolean): number {
    const { pc, mm: of } = this.machine.task;
    const { step, order } = this.flight;
    let found = -1;
    for (let t = 0; t < pc.length; t++)
      if (pc[t] !== 0 && of[t] === mm && opOf(step[t]!) === op)
        if (found < 0 || (later ? order[t]! > order[found]! : order[t]! < order[found]!)) found = t;
    return found;
  }

  /** A task without an operation in flight, or -1. */
  idleTask(): number {
    return this.machine.task.pc.indexOf(0);
  }

  /** Is an operation in flight? */
  inFlight(): boolean {
    return this.fine && this.machine.task.pc.some((pc) => pc !== 0);
  }

  /** May the task do its next atomic step: is an operation in flight, and are the locks free that it takes? */
  canAdvance(task: number): boolean {
    const pc = this.machine.task.pc[task]!;
    return !this.ended && pc > 0 && hasLocks(this.machine, task, pc);
  }

  /**
   * A task that has nothing in flight begins an operation and does its first atomic step; one that is not interleaved
   * (Op.fine) runs to its end. INVALID if the program cannot do it now, or it would have to wait for a lock.
   */
  begin(task: number, step: number): number {
    const { machine, flight } = this;
    const op = OPS[opOf(step)]!;
    if (!this.ended && !this.#canBegin(task, step)) {
      this.violations = [];
      this.slot = -1;
      return INVALID;
    }
    const entry = this.#open(task, step);
    if (entry < 0) return -1 - entry;
    if (this.inFlight()) flight.overlapped[0] = 1;
    flight.order[task] = this.inFlight() ? 1 : 0;
    op.begins?.(this.reference, step, this.slot);
    flight.step[task] = unpaused(step); // where it is left says pc
    flight.token[task] = this.#token;
    flight.slot[task] = this.slot < 0 ? NO_SLOT : this.slot;
    flight.allowed[task] = this.#allows(step) ? WAS_ALLOWED : WAS_FORBIDDEN;
    machine.task.pc[task] = entry;
    let outcome = this.#advance(task);
    while (outcome === IN_FLIGHT && op.fine !== true) outcome = this.#advance(task);
    return outcome;
  }

  /** The next atomic step of the operation that the task has in flight, which it can do. */
  advance(task: number): number {
    this.violations = [];
    this.machine.events = 0;
    this.slot = this.flight.slot[task] === NO_SLOT ? -1 : this.flight.slot[task]!;
    if (!this.canAdvance(task)) return INVALID;
    return this.#advance(task);
  }

  #advance(task: number): number {
    const { machine, flight, reference } = this;
    const step = flight.step[task]!;
    const token = flight.token[task]!;
    const slot = this.slot;
    this.#elsewhere = this.#parted && isElsewhere(step);
    machine.events = 0;
    const pc = stepOnce(machine, task, machine.task.pc[task]!);
    if (machine.events > 0) this.#judge();
    if (pc >= 0) {
      machine.task.pc[task] = pc;
      this.#check(opOf(step));
      return IN_FLIGHT;
    }
    const outcome = -1 - pc;
    const now = this.#allows(step);
    const was = flight.allowed[task]! | (now ? WAS_ALLOWED : WAS_FORBIDDEN);
    // What a gup returns was the page's at some time since it began; loads and stores happen now. An error is right if it
    // was at some time.
    const refused = outcome === REFUSED;
    const allowed = refused
      ? (was & WAS_FORBIDDEN) === 0
      : opOf(step) === GUP
        ? (was & WAS_ALLOWED) !== 0
        : now;
    fillTask(TASK_COLUMNS, machine.task, task);
    fillTask(FLIGHT_COLUMNS, flight, task);
    if (!this.inFlight()) flight.overlapped[0] = 0;
    flight.order.fill(0); // of two, the other is the first now
    const became = this.#close(step, token, slot, outcome, allowed);
    for (let other = 0; other < flight.step.length; other++)
      if (machine.task.pc[other] !== 0)
        flight.allowed[other]! |= this.#allows(flight.step[other]!) ? WAS_ALLOWED : WAS_FORBIDDEN;
    if (reference.tokens[0]! === token + 1 && token !== 0 && outcome !== DONE) reference.tokens[0]!--;
    return became;
  }

  /** Has another task an operation of this mm in flight? */
  #isBusy(task: number, mm: number): boolean {
    const { pc, mm: of } = this.machine.task;
    for (let other = 0; other < pc.length; other++)
      if (other !== task && pc[other] !== 0 && of[other] === mm) return true;
    return false;
  }

  #token = 0;
  /** The step at hand moves the part of a page that is not followed (ops/parts.ts). */
  #elsewhere = false;

  /** The first atomic step of an operation that the program can begin; else how it ends at once, as -1 - outcome. */
  #open(task: number, step: number): number {
    const { reference, machine } = this;
    const at = opOf(step);
    const op = OPS[at]!;
    if (this.violations.length > 0) this.violations = [];
    this.slot = -1;
    if (this.ended) return -1 - INVALID;
    if (op.usesRef === true && reference.handleState[aOf(step)] === HANDLE_VOID) {
      if (op.releases === true) reference.release(aOf(step), false);
      return -1 - SKIPPED;
    }
    if (!op.enabled(reference, step)) return -1 - INVALID;
    const slot = at === FORK ? reference.freeMm() : at === GUP ? reference.freeHandle() : -1;
    this.slot = slot;
    this.#elsewhere = this.#parted && isElsewhere(step);
    this.#token = op.stores === true && !this.#elsewhere ? this.#freshToken() : 0;
    machine.events = 0;
    return op.start(machine, task, step, this.#token, slot);
  }

  /** Do the mappings allow the operation, as the reference sees them? */
  #allows(step: number): boolean {
    const op = OPS[opOf(step)]!;
    return op.allowed === undefined || op.allowed(this.reference, step);
  }

  /** What the reference is told of an operation that has ended. Returns its outcome. */
  #close(step: number, token: number, slot: number, outcome: number, allowed: boolean): number {
    const { reference, machine } = this;
    const at = opOf(step);
    const op = OPS[at]!;
    if (!allowed || (outcome === REFUSED && at !== GUP)) this.#judgeAccess(step, outcome, allowed);
    if (outcome === DONE || outcome === NO_EFFECT) {
      if (allowed) op.apply(reference, step, token, slot);
      else this.ended = true; // what nobody may do has no effect that could be relied on
    } else if (outcome === REFUSED) {
      if (allowed) machine.costs.refused++;
      op.refused?.(reference, slot);
    } else if (outcome === BLOCKED) {
      machine.costs.blocked++;
      op.refused?.(reference, slot); // a gup that would wait has no reference to show for it
    } else if (outcome === POLICY_ERROR) {
      this.ended = true;
      if (machine.policy.errorsAreFindings === true) this.#foundClaim(POLICY_ERROR_CLAIM);
    }
    if (token !== 0 && outcome !== DONE && !this.fine) reference.tokens[0]!--;
    this.#check(at);
    return outcome;
  }

  #check(at: number): void {
    const { machine } = this;
    if (machine.policy.claims.length > 0) this.#judgeClaims();
    if (!this.checkInvariants || this.ended) return;
    const wrong = machine.recount();
    if (wrong !== '') throw new InvariantError(`${wrong} after ${OPS[at]!.kind}`);
  }

  /** The program without this step: nothing runs, and a gup leaves a name of no use, as if it had been refused. */
  leaveOut(step: number): void {
    const { reference } = this;
    const op = OPS[opOf(step)]!;
    this.violations = [];
    this.slot = opOf(step) === GUP ? reference.freeHandle() : -1;
    if (this.slot >= 0) op.refused?.(reference, this.slot);
  }

  /** Gives up the names that stand for refused references, as a program that goes on without them. */
  dropVoid(): void {
    const { handleState } = this.reference;
    for (let h = 0; h < handleState.length; h++)
      if (handleState[h] === HANDLE_VOID) this.reference.release(h, false);
  }

  /** All steps that the program can do now within the alphabet, in a fixed order. Returns the count. */
  enumerate(
    alphabet: { readonly ops: readonly boolean[]; readonly gups: readonly number[] },
    out: Int32Array,
  ): number {
    let n = 0;
    for (let at = 0; at < OPS.length; at++)
      if (alphabet.ops[at] === true) n = OPS[at]!.enumerate(this.reference, alphabet, out, n);
    return this.fine ? this.#enumerateFine(out, n) : n;
  }

  /**
   * Of `n` steps that the reference allows those that can begin now; and what is in flight goes on. Each to its end, and to
   * every place where it can be paused.
   */
  #enumerateFine(out: Int32Array, n: number): number {
    // A pair at a time: what three operations do to each other is not searched.
    const idle = this.flight.overlapped[0] === 1 ? -1 : this.idleTask();
    const offered = out.slice(0, idle < 0 ? 0 : n);
    const before = this.columns.bytes.slice();
    let kept = 0;
    for (const step of offered)
      if (this.#canBegin(idle, step)) kept = this.#withPauses(idle, step, before, out, kept);
    const { pc, mm } = this.machine.task;
    for (let task = 0; task < pc.length; task++) {
      if (!this.canAdvance(task)) continue;
      const begun = this.flight.step[task]!;
      const later = this.#inFlightOf(mm[task]!, opOf(begun), false) !== task;
      kept = this.#withPauses(task, goOnOf(begun, later), before, out, kept);
    }
    return kept;
  }

  /** Appends the step, and what pauses at the places that it comes to. `before`: the state, which is left as it was. */
  #withPauses(task: number, step: number, before: Uint8Array, out: Int32Array, at: number): number {
    let n = at;
    out[n++] = step;
    const goesOn = opOf(step) === GO_ON;
    if (!goesOn && OPS[opOf(step)]!.fine !== true) return n;
    const { pc } = this.machine.task;
    let outcome = goesOn ? this.advance(task) : this.begin(task, step);
    while (outcome === IN_FLIGHT && this.canAdvance(task)) {
      const paused = pausedBefore(step, placeOf(pc[task]!));
      if (out.indexOf(paused, at) < 0 || out.indexOf(paused, at) >= n) out[n++] = paused;
      outcome = this.advance(task);
    }
    this.columns.bytes.set(before);
    this.ended = false;
    this.violations = [];
    return n;
  }

  /** Are the locks free that the first atomic step takes? Leaves the task idle. */
  #canBegin(task: number, step: number): boolean {
    const op = OPS[opOf(step)]!;
    if (op.replaces === true && (op.task === 'mm' ? this.#isBusy(task, aOf(step)) : this.inFlight()))
      return false;
    const { machine } = this;
    const can = hasLocks(machine, task, op.start(machine, task, step, 0, NO_SLOT));
    fillTask(TASK_COLUMNS, machine.task, task);
    return can;
  }

  // ---- Tokens --------------------------------------------------------------------------------------------------

  #freshToken(): number {
    const { reference } = this;
    if (reference.tokens[0]! >= this.shape.tokens) this.compactTokens();
    return reference.freshToken();
  }

  /** Per token: 1 if anything holds it. `used`: adds to these, of another world that hands out the same tokens. */
  heldTokens(used: Uint8Array = new Uint8Array(this.shape.tokens)): Uint8Array {
    used[0] = 1;
    for (const column of this.#contents) for (const token of column) used[token] = 1;
    return used;
  }

  /** Renames the tokens that anything still holds to the lowest numbers, in order. */
  compactTokens(used: Uint8Array = this.heldTokens()): void {
    const { reference, shape } = this;
    const to = new Uint8Array(shape.tokens);
    let next = 0;
    for (let t = 0; t < reference.tokens[0]!; t++) {
      if (used[t] === 0) continue;
      to[t] = next;
      next++;
    }
    if (next >= shape.tokens) throw new RangeError('more live tokens than the shape has room for');
    for (const column of this.#contents) for (let i = 0; i < column.length; i++) column[i] = to[column[i]!]!;
    reference.renameTokens(used, to, next);
  }

  // ---- Judging -------------------------------------------------------------------------------------------------

  #judge(): void {
    const { machine, reference } = this;
    for (let e = 0; e < machine.events && !this.ended; e++) {
      if (machine.eventKind[e] === EV_COPY) {
        if (reference.ownersOf(machine.eventToken[e]!) <= 1) machine.costs.needlessCopies++;
        continue;
      }
      if (this.#elsewhere && SHOWS_CONTENT[machine.eventKind[e]!]) continue;
      this.#observe(e);
      const o = this.#observation;
      this.#ask(this.#judges[machine.eventKind[e]!]!, o);
      if (o.kind === 'freed' || (o.kind === 'writeback-lost' && o.bug)) this.ended = true;
    }
  }

  #ask(judges: readonly number[], o: Observation): void {
    this.onObservation?.(o);
    for (let j = 0; j < judges.length; j++) {
      const i = judges[j]!;
      const property = this.properties[i]!;
      if (this.goals[i] === 0 && property.sometimes.reached(o)) this.goals[i] = 1;
      const damage = property.violated(o);
      if (damage !== '') this.#found(i, damage, o);
    }
  }

  /**
   * An access whose right was in question: an error came back, or none did though the mapping forbids it. A gup that is
   * refused where the mapping allows it is the policy's to answer for (Costs.refused).
   */
  #judgeAccess(step: number, outcome: number, allowed: boolean): void {
    if (outcome !== DONE && outcome !== NO_EFFECT && outcome !== REFUSED) return;
    const o = this.#observation;
    this.#blank(o, aOf(step), bOf(step), 0);
    o.kind = 'access';
    o.observedBy = 'cpu';
    this.#page(o, bOf(step));
    if (opOf(step) === GUP) {
      o.ref = CALLER_CONTRACTS[CALLERS[callerOf(cOf(step))]!].ref;
      o.write = writeOf(cOf(step));
      o.longterm = longtermOf(cOf(step));
    }
    o.allowed = allowed;
    o.refused = outcome === REFUSED;
    this.#ask(this.#accessJudges, o);
  }

  #found(property: number, damage: Damage, o: Observation): void {
    const code = encodeClass(property, damage, o);
    this.violations.push({
      code,
      documented: o.excuse !== '',
      excuse: o.excuse,
      token: o.token,
      expected: o.expected,
      kind: o.kind,
      a: o.a,
      b: o.b,
    });
  }

  #judgeClaims(): void {
    const claim = this.machine.breachedClaim();
    if (claim >= 0) this.#foundClaim(claim);
  }

  #foundClaim(claim: number): void {
    const o = this.#observation;
    o.page = PLAIN_KIND;
    o.ref = '';
    o.longterm = false;
    o.observedBy = 'filesystem';
    this.violations.push({
      code: encodeClass(this.properties.length + claim, 'stale', { ...o, storedBy: 'initial' }),
      documented: false,
      excuse: '',
      token: 0,
      expected: -1,
      kind: 'claim',
      a: 0,
      b: 0,
    });
  }

  #observe(e: number): void {
    const { machine, reference: ref } = this;
    const o = this.#observation;
    const a = machine.eventA[e]!;
    const b = machine.eventB[e]!;
    const token = machine.eventToken[e]!;
    this.#blank(o, a, b, token);
    switch (machine.eventKind[e]) {
      case EV_LOAD: {
        o.kind = 'load';
        o.observedBy = 'cpu';
        this.#page(o, b);
        o.expected = ref.expectedLoad(a, b);
        const said = ref.judgeLoad(a, b, token);
        this.#content(o, said, token, this.fine ? ref.missed(ref.cellOfLoad(a, b)) : o.expected);
        if (said !== MATCH) o.excuse = EXCUSES[ref.excuseLoad(a, b, token)]!;
        else if (this.fine) ref.settle(ref.cellOfLoad(a, b), token);
        return;
      }
      case EV_DEVICE_LOAD:
      case EV_DIO_WRITE: {
        const dio = machine.eventKind[e] === EV_DIO_WRITE;
        o.kind = dio ? 'dio-write' : 'device-load';
        o.observedBy = 'device';
        o.expected = ref.expectedDevice(a);
        const said = ref.judgeDevice(a, token);
        const exact = this.fine && (ref.handleFlags[a]! & REF_EXACT) !== 0;
        this.#content(o, said, token, exact ? ref.missed(ref.handleCell[a]!) : o.expected);
        this.#reference(o, a);
        if (said !== MATCH) o.excuse = EXCUSES[ref.excuseDevice(a, token)]!;
        else if (this.fine && (ref.handleFlags[a]! & REF_EXACT) !== 0) ref.settle(ref.handleCell[a]!, token);
        if (!dio) return;
        o.stablePages = machine.targetStable(b);
        o.changed = token !== machine.eventOther[e];
        if (o.changed && said === MATCH) o.excuse = EXCUSES[EXCUSE_DIO_SOURCE];
        return;
      }
      case EV_FILE_READ: {
        o.kind = 'file-read';
        o.observedBy = 'file';
        this.#file(o, a);
        o.expected = ref.current[ref.fileCell + a]!;
        const said = ref.judgeFile(a, token);
        this.#content(o, said, token, o.expected);
        if (said !== MATCH) o.excuse = EXCUSES[ref.excuseFile(a, token)]!;
        return;
      }
      case EV_DISK: {
        o.kind = 'disk';
        o.observedBy = 'disk';
        this.#file(o, a);
        o.expected = ref.current[ref.fileCell + a]!;
        this.#content(o, ref.judgeDisk(a, token), token, o.expected);
        return;
      }
      case EV_WRITEBACK_END: {
        o.kind = 'writeback-end';
        o.observedBy = 'disk';
        this.#file(o, a);
        this.#content(o, MATCH, token, -1);
        o.changed = token !== machine.eventOther[e];
        return;
      }
      case EV_DIRTIED: {
        o.kind = 'dirtied';
        o.observedBy = 'filesystem';
        if (b !== NO_REF) this.#reference(o, b);
        this.#file(o, a);
        o.covered = (machine.eventOther[e]! & 1) !== 0;
        o.buffers = (machine.eventOther[e]! & 2) !== 0;
        return;
      }
      case EV_WRITEBACK_LOST: {
        o.kind = 'writeback-lost';
        o.observedBy = 'filesystem';
        this.#file(o, a);
        o.bug = machine.filesystems[a]!.withoutBuffers === 'BUG';
        return;
      }
      case EV_FREED: {
        o.kind = 'freed';
        o.observedBy = 'device';
        this.#reference(o, a);
        return;
      }
    }
    throw new Error(`event ${machine.eventKind[e]} has no observer`);
  }

  #blank(o: MutableObservation, a: number, b: number, token: number): void {
    o.a = a;
    o.b = b;
    o.token = token;
    o.expected = -1;
    o.allowed = true;
    o.refused = false;
    o.ref = '';
    o.write = false;
    o.longterm = false;
    o.exact = false;
    o.excuse = '';
    o.changed = false;
    o.detached = false;
    o.storedSinceTake = false;
    o.provenance = 'match';
  }
  #page(o: MutableObservation, page: number): void {
    const kind = this.shape.kind[page]!;
    o.page = PAGE_KINDS[kind]!;
    o.privatePage = this.shape.isPrivate[page] === 1;
    const file = this.shape.file[page]!;
    o.stablePages = file < this.shape.files && this.machine.filesystems[file]!.stablePages;
  }
  #file(o: MutableObservation, file: number): void {
    o.page = this.shape.fileKind[file]!;
    o.privatePage = false;
    o.stablePages = this.machine.filesystems[file]!.stablePages;
  }
  #reference(o: MutableObservation, handle: number): void {
    const ref = this.reference;
    const flags = ref.handleFlags[handle]!;
    this.#page(o, ref.handlePage[handle]! % this.shape.pages);
    o.ref = CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].ref;
    o.write = (flags & REF_WRITE) !== 0;
    o.longterm = (flags & REF_LONGTERM) !== 0;
    o.exact = (flags & REF_EXACT) !== 0;
    o.detached = (flags & REF_DETACHED) !== 0;
    o.storedSinceTake = (flags & REF_STORED) !== 0;
  }
  /** Provenance, and whose store is concerned: of what was seen (match, leak) or of what was missed (stale). */
  #content(o: MutableObservation, said: number, token: number, expected: number): void {
    o.provenance = said === MATCH ? 'match' : said === LEAK ? 'leak' : 'stale';
    o.fromFile = said !== MATCH && this.reference.wasInFile(token);
    const concerned = said === MATCH || said === LEAK || expected < 0 ? token : expected;
    const storer = this.reference.storer[concerned]!;
    o.storedBy =
      storer === STORER_INITIAL
        ? 'initial'
        : storer === STORER_CPU
          ? 'cpu'
          : storer === STORER_FILE
            ? 'file'
            : 'device';
    if (
      (said !== MATCH || o.kind === 'writeback-end') &&
      storer >= STORER_DEVICE_GET &&
      storer <= STORER_DEVICE_DIO
    ) {
      o.ref = REF_OF_STORER[storer]!;
      o.write = true;
      o.longterm = storer === STORER_DEVICE_PIN_LT;
    }
  }
}

/** Sets the locals of a task to what they are when it has nothing in hand. */
function fillTask<D extends Declarations>(declarations: D, arrays: Arrays<D>, task: number): void {
  for (const [name, { of, start = 0 }] of Object.entries(declarations))
    if (of === 'task') arrays[name as keyof D][task] = start;
}

/** Counts that do not add up, or another promise to ourselves that is broken: a bug of gupfuzz (exit code 70). */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message.startsWith('invariant broken: ') ? message : `invariant broken: ${message}`);
    this.name = 'InvariantError';
  }
}

/**
 * Class codes: property, then damage, page kind, kind of reference, access, LONGTERM, whose store, observer; each so
 * many bits wide, from the lowest. A kind more than its field holds is an error when this file is loaded.
 */
const FIELDS = {
  observer: [OBSERVED_BY.length, 3],
  store: [STORED_BY.length, 3],
  longterm: [2, 1],
  access: [3, 2],
  ref: [REF_KINDS.length + 1, 2],
  page: [PAGE_KINDS.length, 3],
  damage: [DAMAGES.length, 4],
  property: [PROPERTIES.length + CLAIM_PROPERTIES.length, 5],
} as const satisfies { readonly [field: string]: readonly [values: number, bits: number] };
type Field = keyof typeof FIELDS;

/** Lowest bit of each field. */
const SHIFT: { readonly [F in Field]: number } = (() => {
  let at = 0;
  const shifts: Record<string, number> = {};
  for (const [field, [values, bits]] of Object.entries(FIELDS)) {
    if (values > 1 << bits) throw new RangeError(`class codes: ${values} kinds of ${field}, in ${bits} bits`);
    shifts[field] = at;
    at += bits;
  }
  if (at > 31) throw new RangeError(`class codes: ${at} bits, of 31`);
  return shifts as { readonly [F in Field]: number };
})();
const maskOf = (field: Field): number => ((1 << FIELDS[field][1]) - 1) << SHIFT[field];
const fieldOf = (code: number, field: Field): number => (code & maskOf(field)) >>> SHIFT[field];

/** In the field of the kind of reference: none. */
const NO_REFERENCE = REF_KINDS.length;

function encodeClass(property: number, damage: Damage, o: Observation): number {
  const content = damage === 'leak' || damage === 'stale';
  return (
    (property << SHIFT.property) |
    (DAMAGES.indexOf(damage) << SHIFT.damage) |
    (PAGE_KINDS.indexOf(o.page) << SHIFT.page) |
    ((o.ref === '' ? NO_REFERENCE : REF_KINDS.indexOf(o.ref)) << SHIFT.ref) |
    ((o.ref === '' ? 0 : o.write ? 2 : 1) << SHIFT.access) |
    ((o.longterm ? 1 : 0) << SHIFT.longterm) |
    ((content ? STORED_BY.indexOf(o.storedBy) : 0) << SHIFT.store) |
    (OBSERVED_BY.indexOf(o.observedBy) << SHIFT.observer)
  );
}

const COARSE_MASK = ~(maskOf('store') | maskOf('longterm') | maskOf('access') | maskOf('ref'));

/**
 * A class code without kind of reference, access, LONGTERM and whose store: property, damage, page kind and observer
 * are left.
 */
export function coarseClass(code: number): number {
  return (code & COARSE_MASK) | (NO_REFERENCE << SHIFT.ref);
}

/** Number of a promise that is a claim of a policy about itself. */
export const PROMISE_CLAIM = -1;

/** A property towards an observer, as one number; PROMISE_CLAIM for a claim. */
export function promiseOf(code: number): number {
  const property = fieldOf(code, 'property');
  return property < PROPERTIES.length
    ? (property << FIELDS.observer[1]) | fieldOf(code, 'observer')
    : PROMISE_CLAIM;
}

/** The parts of a class code. */
export function decodeClass(code: number): FindingClass {
  const property = fieldOf(code, 'property');
  return {
    property:
      property < PROPERTIES.length
        ? PROPERTIES[property]!.id
        : CLAIM_PROPERTIES[property - PROPERTIES.length]!,
    damage: DAMAGES[fieldOf(code, 'damage')]!,
    page: PAGE_KINDS[fieldOf(code, 'page')]!,
    ref: ([...REF_KINDS, '-'] as const)[fieldOf(code, 'ref')]!,
    access: (['-', 'R', 'W'] as const)[fieldOf(code, 'access')]!,
    longterm: fieldOf(code, 'longterm') === 1,
    storedBy: STORED_BY[fieldOf(code, 'store')]!,
    observedBy: OBSERVED_BY[fieldOf(code, 'observer')]!,
  };
}
