/**
 * Two policies, one program: both worlds do the same step, and what can be seen of it is compared. The reference of
 * both is the same as long as nobody has told them apart: it is a function of the program and of the outcomes.
 *
 * **Who can tell.** An observer is whoever the properties ask (docs/model.md, section 6), and the program itself:
 *
 * - `errno`: a call is refused, waits or is done; and which errno. That a writeback or reclaim found nothing to do
 *   is nobody's to see: it comes to light by what is on disk or in memory.
 * - `process`: what a load or read(2) shows.
 * - `device`: what a load through a reference or an O_DIRECT write shows; where pages must be stable, whether the
 *   buffer of an O_DIRECT write has changed since it was submitted, as a checksum tells.
 * - `disk`: what is on the medium after each step; where pages must be stable, whether a page changed under writeback.
 * - `filesystem`: a folio became dirty behind its back: without page_mkwrite since it was cleaned, or without buffers.
 *   A notification that was not necessary is no difference.
 * - `kernel log`: a WARN or BUG; a folio freed under a reference.
 * - `policy error`: one of the policies gave an answer that cannot be carried out.
 *
 * No observers: counts and flags (`/proc/kpagecount`, `kpageflags`, pagemap), times, what mincore(2) says. What no
 * observer tells apart has the same findings, claims of a policy about itself apart (tested).
 *
 * **Costs** of a step (copies, faults and allocations by GUP, writebacks put off) are compared where nobody but
 * the filesystem could tell the policies apart up to and including that step. Refusals and waits are observable, and
 * costs as well: of the step at which they tell the policies apart. Needless copies are not compared: they are a
 * judgement of the reference on a copy.
 *
 * Once told apart, a branch ends: nothing that follows is due to one difference alone, and the references may part. A
 * difference in cost does not end it, nor one that the filesystem alone has seen: it changes no outcome and no content,
 * and it comes before whatever is lost on disk or warned of later.
 */
import { BLOCKED, DONE, NO_EFFECT, POLICY_ERROR, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { INVALID, World } from '../executor/simulated.ts';
import {
  type Costs,
  EV_DEVICE_LOAD,
  EV_DIO_WRITE,
  EV_DIRTIED,
  EV_FILE_READ,
  EV_FREED,
  EV_LOAD,
  EV_WRITEBACK_END,
  EV_WRITEBACK_LOST,
  type Machine,
} from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Alphabet } from '../ops/op.ts';
import { fingerprint } from './fingerprint.ts';
import { ENDED, GOES_ON, type Model, NOT_A_STEP, stepsMaxOf } from './model.ts';
import { PairKeyEncoder } from './pair-key.ts';

export const OBSERVERS = [
  'errno',
  'process',
  'device',
  'disk',
  'filesystem',
  'kernel log',
  'policy error',
] as const;
export type Observer = (typeof OBSERVERS)[number];

const FILESYSTEM = OBSERVERS.indexOf('filesystem');

/** Costs that are compared. `earlyCopies` are among the `copies`. */
export const COMPARED_COSTS = [
  'copies',
  'earlyCopies',
  'gupFaults',
  'gupAllocations',
  'deferred',
  'refused',
  'blocked',
] as const;
export type ComparedCost = (typeof COMPARED_COSTS)[number];
/** Costs that the program itself sees, as an errno or by waiting: they are compared at the step that tells them apart. */
export const SEEN_COSTS: readonly ComparedCost[] = ['refused', 'blocked'];

/** What tells two policies apart: an observer, or a cost of which one of them has more. */
export type Difference =
  | { readonly kind: 'observable'; readonly observer: Observer }
  | { readonly kind: 'cost'; readonly cost: ComparedCost; readonly more: 'a' | 'b' };

const FIRST_SEEN = COMPARED_COSTS.length - SEEN_COSTS.length;

/** Findings of a pair: index in OBSERVERS; from here on 2 x index in COMPARED_COSTS, plus 1 if B has more. */
const COST_FINDINGS = 16;

export function differenceOf(finding: number): Difference {
  if (finding < COST_FINDINGS) return { kind: 'observable', observer: OBSERVERS[finding]! };
  const at = finding - COST_FINDINGS;
  return { kind: 'cost', cost: COMPARED_COSTS[at >> 1]!, more: (at & 1) === 0 ? 'a' : 'b' };
}

/** Two policies in one setup. Plain data, as it is sent to threads. */
export interface PairSpec {
  readonly setup: Setup;
  readonly a: ExpandedPolicy;
  readonly b: ExpandedPolicy;
  readonly alphabet: Alphabet;
}

/** Room for the contents that two worlds can hold at a time, and some to spend before they are renamed. */
function pairTokensFor(setup: Setup): number {
  const { mms, pages, files, refs } = setup;
  const cells = mms * pages.length + files.length + refs;
  const machine = 2 + mms * pages.length + refs + files.length + 2 * files.length + refs;
  return Math.min(250, cells + 2 * machine + 4);
}

export class PairModel implements Model {
  readonly size: number;
  readonly stepsMax: number;
  readonly finding: Int32Array = new Int32Array(OBSERVERS.length + 2 * COMPARED_COSTS.length);
  findings = 0;
  readonly a: World;
  readonly b: World;
  readonly key: PairKeyEncoder;
  readonly #alphabet: Alphabet;
  readonly #wordsA: Int32Array;
  readonly #wordsB: Int32Array;
  /** Words of B before this one are of the reference alone, and those of A. */
  readonly #ownB: number;

  constructor({ setup, a, b, alphabet }: PairSpec) {
    const tokens = pairTokensFor(setup);
    this.a = new World(setup, a, tokens);
    this.b = new World(setup, b, tokens);
    for (const world of [this.a, this.b]) world.checkInvariants = false; // campaigns check counts at each step
    this.key = new PairKeyEncoder(this.a, this.b);
    this.#alphabet = alphabet;
    this.#wordsA = this.a.columns.words;
    this.#wordsB = this.b.columns.words;
    this.#ownB = this.b.machine.refcount.byteOffset >> 2;
    this.size = this.#wordsA.length + this.#wordsB.length - this.#ownB;
    this.stepsMax = stepsMaxOf(setup, alphabet);
  }

  save(target: Int32Array, offset: number): void {
    const a = this.#wordsA;
    const b = this.#wordsB;
    let to = offset;
    for (let i = 0; i < a.length; i++) target[to++] = a[i]!;
    for (let i = this.#ownB; i < b.length; i++) target[to++] = b[i]!;
  }
  load(source: Int32Array, offset: number): void {
    const a = this.#wordsA;
    const b = this.#wordsB;
    const own = this.#ownB;
    let from = offset;
    for (let i = 0; i < a.length; i++) a[i] = source[from++]!;
    for (let i = 0; i < own; i++) b[i] = a[i]!;
    for (let i = own; i < b.length; i++) b[i] = source[from++]!;
    this.a.ended = false;
    this.b.ended = false;
  }
  enumerate(out: Int32Array): number {
    return this.a.enumerate(this.#alphabet, out);
  }

  step(step: number): number {
    const { a, b } = this;
    this.findings = 0;
    if (a.reference.tokens[0]! >= a.shape.tokens) this.#compactTokens();
    clearCosts(a.machine.costs);
    clearCosts(b.machine.costs);
    const outcome = a.step(step);
    if (outcome === INVALID) return NOT_A_STEP;
    this.#compare(outcome, b.step(step));
    for (let i = 0; i < this.findings; i++)
      if (this.finding[i] !== FILESYSTEM) {
        this.#compareCosts(FIRST_SEEN);
        return ENDED;
      }
    this.#compareCosts(0);
    if (a.ended) return ENDED;
    // A refused gup leaves a name of no use: the program goes on without it.
    if (outcome === REFUSED || outcome === BLOCKED) {
      a.dropVoid();
      b.dropVoid();
    }
    return GOES_ON;
  }

  fingerprint(out: Int32Array): void {
    const length = this.key.encode();
    fingerprint(this.key.words, length, out);
  }

  /** Fresh contents get the same number in both worlds, as what either holds is kept in both. */
  #compactTokens(): void {
    const used = this.b.heldTokens(this.a.heldTokens());
    this.a.compactTokens(used);
    this.b.compactTokens(used);
  }

  #compare(outcomeA: number, outcomeB: number): void {
    const a = this.a.machine;
    const b = this.b.machine;
    if (outcomeA === POLICY_ERROR || outcomeB === POLICY_ERROR) {
      if (outcomeA !== outcomeB) this.#tell('policy error');
      return;
    }
    if (seenOutcome(outcomeA) !== seenOutcome(outcomeB)) {
      this.#tell('errno');
      return;
    }
    if (outcomeA === REFUSED && a.errno !== b.errno) this.#tell('errno');
    if (a.events > 0 || b.events > 0) {
      if (
        tokenOf(a, EV_LOAD) !== tokenOf(b, EV_LOAD) ||
        tokenOf(a, EV_FILE_READ) !== tokenOf(b, EV_FILE_READ)
      )
        this.#tell('process');
      if (
        tokenOf(a, EV_DEVICE_LOAD) !== tokenOf(b, EV_DEVICE_LOAD) ||
        tokenOf(a, EV_DIO_WRITE) !== tokenOf(b, EV_DIO_WRITE) ||
        changedDuring(a, EV_DIO_WRITE) !== changedDuring(b, EV_DIO_WRITE)
      )
        this.#tell('device');
      if (!sameDisks(a, b) || changedDuring(a, EV_WRITEBACK_END) !== changedDuring(b, EV_WRITEBACK_END))
        this.#tell('disk');
      if (behindItsBack(a) !== behindItsBack(b)) this.#tell('filesystem');
      if (
        countOf(a, EV_WRITEBACK_LOST) !== countOf(b, EV_WRITEBACK_LOST) ||
        countOf(a, EV_FREED) !== countOf(b, EV_FREED)
      )
        this.#tell('kernel log');
    }
  }

  #tell(observer: Observer): void {
    this.finding[this.findings++] = OBSERVERS.indexOf(observer);
  }

  #compareCosts(from: number): void {
    const a = this.a.machine.costs;
    const b = this.b.machine.costs;
    for (let c = from; c < COMPARED_COSTS.length; c++) {
      const name = COMPARED_COSTS[c]!;
      if (a[name] !== b[name])
        this.finding[this.findings++] = COST_FINDINGS + 2 * c + (a[name] > b[name] ? 0 : 1);
    }
  }
}

function clearCosts(costs: Costs): void {
  costs.copies = 0;
  costs.earlyCopies = 0;
  costs.gupFaults = 0;
  costs.gupAllocations = 0;
  costs.deferred = 0;
  costs.refused = 0;
  costs.blocked = 0;
}

/** Outcomes that are one to the program. */
const seenOutcome = (outcome: number): number => (outcome === NO_EFFECT ? DONE : outcome);

/** The content that the event shows, or -1: a step has one load at most. */
function tokenOf(m: Machine, kind: number): number {
  for (let e = 0; e < m.events; e++) if (m.eventKind[e] === kind) return m.eventToken[e]!;
  return -1;
}

function countOf(m: Machine, kind: number): number {
  let n = 0;
  for (let e = 0; e < m.events; e++) if (m.eventKind[e] === kind) n++;
  return n;
}

/** On a device that needs stable pages: what went out is not what there was at the start. */
function changedDuring(m: Machine, kind: number): boolean {
  for (let e = 0; e < m.events; e++) {
    if (m.eventKind[e] !== kind || m.eventToken[e] === m.eventOther[e]) continue;
    if (kind === EV_DIO_WRITE ? m.targetStable(m.eventB[e]!) : m.filesystems[m.eventA[e]!]!.stablePages)
      return true;
  }
  return false;
}

function sameDisks(a: Machine, b: Machine): boolean {
  for (let f = 0; f < a.disk.length; f++) if (a.disk[f] !== b.disk[f]) return false;
  return true;
}

/** A folio became dirty without notification (1), without buffers (2). A step dirties one folio at most. */
function behindItsBack(m: Machine): number {
  let told = 0;
  for (let e = 0; e < m.events; e++) if (m.eventKind[e] === EV_DIRTIED) told |= ~m.eventOther[e]! & 3;
  return told;
}
