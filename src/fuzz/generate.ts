/**
 * Drawing a random program: a setup, a swarm (which operations are on, and how likely), and steps that are enabled on
 * the reference. The program depends on the generator's seed alone, never on a policy: every policy is offered the
 * same one, drawn as if nothing were refused.
 */

import { alphabetFor, LATEST, namedScope, pagesOf, SCOPES, scopeName } from '../check/scope.ts';
import { DRAWN_FILESYSTEMS } from '../domain/filesystems.ts';
import { CALLERS } from '../domain/kinds.ts';
import { choosesFilesystem, type PageKind } from '../domain/page-kinds.ts';
import { DRAWN_SETS, type PageSet, PROFILE_TAKES } from '../domain/page-sets.ts';
import type { Rng } from '../domain/rng.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import type { SwapDevice } from '../domain/swap.ts';
import { callerOf } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, aOf, cOf, OP_KINDS, type OpKind, opOf, pack } from '../ops/op.ts';
import { goOnOf, pausedBefore, placesOf } from '../ops/pauses.ts';
import { UNPIN_CLEAN, UNPIN_DIRTYING } from '../ops/unpin.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { HANDLE_LIVE, HANDLE_VOID, Reference } from '../reference/reference.ts';
import { Columns } from '../state/arena.ts';

/** Steps drawn per program, before the sweep of observations. */
export const STEPS_MIN = 6;
export const STEPS_MAX = 36;
/** Longest program, sweep included. */
export const PROGRAM_MAX = 128;
/** Draws that may fail in a row before the program ends early. */
const TRIES_MAX = 24;

export type Profile = keyof typeof PROFILE_TAKES;
export const PROFILES: readonly Profile[] = Object.keys(PROFILE_TAKES) as Profile[];

/** Page kinds of the setups that runs are drawn from, per scope and profile. */
function kindsOf(scope: string, profile: Profile): readonly PageSet[] {
  if (scopeName(scope).name === 'base') {
    if (profile === 'file')
      throw new RangeError('scope base has anonymous pages only; profile file needs scope default');
    return [SCOPES.base!.kinds];
  }
  return [...DRAWN_SETS, SCOPES.default!.kinds].filter(PROFILE_TAKES[profile]);
}

/** What a campaign changes in its named scope. Plain data; what is not there stays as the scope and profile say. */
export interface ScopeChange {
  /** These pages together, and no smaller setups. */
  readonly pages?: readonly PageKind[];
  readonly mms?: number;
  readonly refs?: number;
  readonly tasks?: number;
  readonly parts?: number;
  readonly pinBias?: number;
  /** This one alone. */
  readonly filesystem?: string;
  /** Files have so many pages, and truncate moves their end. */
  readonly filePages?: number;
  /** Anonymous pages may be swapped out to this device. */
  readonly swap?: SwapDevice;
  /** These operations alone, the sweep of observations at the end included. */
  readonly ops?: readonly OpKind[];
  /** Gup variants (ops/gup.ts) to draw from. */
  readonly gups?: readonly number[];
  /** Flags that give the same change again. */
  readonly flags: string;
}

/**
 * All setups that the runs of a campaign are drawn from, in a fixed order. Throws RangeError for a scope that does not
 * exist, or a change that no setup can have.
 */
export function setupsOf(scope: string, profile: Profile, change?: ScopeChange): Setup[] {
  const found = namedScope(scope);
  const mms = change?.mms ?? found.mms;
  const refs = change?.refs ?? found.refs;
  const tasks = change?.tasks ?? found.tasks;
  const parts = change?.parts ?? found.parts;
  const pinBias = change?.pinBias ?? found.pinBias;
  const filesystems = change?.filesystem === undefined ? DRAWN_FILESYSTEMS : [change.filesystem];
  const kinds = change?.pages === undefined ? kindsOf(scope, profile) : [change.pages];
  return kinds.flatMap((pages) => {
    const onFile = pages.some(choosesFilesystem);
    const setups = (onFile ? filesystems : [change?.filesystem ?? '']).map((f) => ({
      ...pagesOf(pages, f, change?.filePages),
      mms,
      refs,
      ...(tasks === undefined ? {} : { tasks }),
      ...(parts === undefined ? {} : { parts }),
      pinBias,
      ...(change?.swap === undefined ? {} : { swap: change.swap }),
    }));
    if (change !== undefined) for (const setup of setups) shapeOf(setup);
    return setups;
  });
}

/** Which operations mean something in a setup, and are wanted. */
export function alphabetOf(setup: Setup, change?: ScopeChange, version: number = LATEST): Alphabet {
  const { ops, gups } = alphabetFor(setup, change?.gups, version);
  const wanted = change?.ops;
  return {
    ops: wanted === undefined ? ops : ops.map((on, at) => on && wanted.includes(OP_KINDS[at]!)),
    gups: setup.refs === 0 ? [] : gups,
  };
}

/** A program as drawn: packed steps, and how many of them are not the sweep. */
export interface Packed {
  readonly setup: number;
  readonly steps: Int32Array;
  readonly length: number;
  readonly drawn: number;
}

const setupTasks = ({ tasks }: Setup): number => tasks ?? 1;

/**
 * Of so many operations one is left in flight; of so many steps meanwhile one lets it go on; and of so many that would have
 * to wait for it one is drawn.
 */
const PAUSED = 2;
const GOES_ON = 3;
const WAITS = 8;

/**
 * Pauses of a program: what it leaves in flight, as far as it can be known before a policy runs it. Where that has ended
 * by then, to go on has no effect.
 */
class InFlight {
  /** Packed steps that began, in order. */
  #begun: number[] = [];
  /** What each of them makes. */
  #made: number[] = [];
  readonly #tasks: number;
  constructor(tasks: number) {
    this.#tasks = tasks;
  }

  /** The step, paused at a place or not. The end of an mm waits for what it has in flight. */
  begin(step: number, rng: Rng): number {
    if (OPS[opOf(step)]!.ends === 'mm') {
      this.#made = this.#made.filter((_, i) => aOf(this.#begun[i]!) !== aOf(step));
      this.#begun = this.#begun.filter((begun) => aOf(begun) !== aOf(step));
    }
    const places = placesOf(step);
    if (places.length === 0 || this.#begun.length === this.#tasks || rng.below(PAUSED) !== 0) return step;
    this.#begun.push(step);
    return pausedBefore(step, places[rng.below(places.length)]!);
  }

  /** What the step that was left in flight makes. */
  made(slot: number): void {
    if (this.#begun.length > this.#made.length) this.#made.push(slot);
  }

  /** The step has to wait for what is in flight, and ends the interleaving; of so many one is drawn all the same. */
  spares(step: number, rng: Rng): boolean {
    const { usesRef, task } = OPS[opOf(step)]!;
    if (this.#begun.length === 0 || (task !== 'mm' && usesRef !== true)) return false;
    const kind = usesRef === true ? 'ref' : 'mm';
    const waits = this.#begun.some(
      (begun, i) => OPS[opOf(begun)]!.makes === kind && this.#made[i] === aOf(step),
    );
    return waits && rng.below(WAITS) !== 0;
  }

  /** A step that lets something go on, to its end or to another place; undefined: none is drawn. */
  goOn(rng: Rng): number | undefined {
    const count = this.#begun.length;
    if (count === 0 || (count < this.#tasks && rng.below(GOES_ON) !== 0)) return undefined;
    const at = rng.below(count);
    const begun = this.#begun[at]!;
    const step = this.#goOnAt(at);
    if (rng.below(PAUSED) === 0) {
      const places = placesOf(begun);
      return pausedBefore(step, places[rng.below(places.length)]!);
    }
    this.#begun.splice(at, 1);
    this.#made.splice(at, 1);
    return step;
  }

  /** All go on to their ends. Returns the new length of the program. */
  end(steps: Int32Array, length: number): number {
    let n = length;
    while (this.#begun.length > 0) {
      steps[n++] = this.#goOnAt(0);
      this.#begun.shift();
      this.#made.shift();
    }
    return n;
  }

  #goOnAt(at: number): number {
    const begun = this.#begun[at]!;
    const alike = this.#begun.findIndex((other) => opOf(other) === opOf(begun) && aOf(other) === aOf(begun));
    return goOnOf(begun, alike < at);
  }
}

/** Draws programs for a fixed list of setups. The result's `steps` are overwritten by the next call. */
export class Generator {
  readonly setups: readonly Setup[];
  readonly #references: readonly { readonly columns: Columns; readonly reference: Reference }[];
  readonly #steps = new Int32Array(PROGRAM_MAX);
  readonly #alphabets: readonly Alphabet[];
  readonly #cumulative = new Int32Array(OP_KINDS.length);

  /** `version`: of the operations (check/scope.ts). */
  constructor(setups: readonly Setup[], change?: ScopeChange, version: number = LATEST) {
    this.setups = setups;
    this.#alphabets = setups.map((setup) => alphabetOf(setup, change, version));
    this.#references = setups.map((setup) => {
      const columns = new Columns();
      const reference = new Reference(shapeOf(setup), columns);
      reference.reset();
      columns.keepStart();
      return { columns, reference };
    });
  }

  draw(rng: Rng): Packed {
    const at = rng.below(this.setups.length);
    const { columns, reference } = this.#references[at]!;
    columns.restart();

    // Swarm: each operation is on or off for the whole program, with a weight of its own.
    const { ops: possible, gups: variants } = this.#alphabets[at]!;
    let total = 0;
    for (let i = 0; i < possible.length; i++) {
      const { weight, always } = OPS[i]!;
      const on = always === true || rng.below(4) !== 0;
      const times = 1 + rng.below(3);
      if (possible[i] === true && on) total += weight * times;
      this.#cumulative[i] = total;
    }
    // Of few operations, all may be off.
    if (total === 0)
      for (let i = 0; i < possible.length; i++) {
        if (possible[i] === true) total += OPS[i]!.weight;
        this.#cumulative[i] = total;
      }
    // And a handful of the ways to take a reference.
    const gups: number[] = [];
    const count = 1 + rng.below(4);
    for (let i = 0; i < count && variants.length > 0; i++) gups.push(variants[rng.below(variants.length)]!);
    const alphabet = { ops: possible, gups };

    const flight = setupTasks(this.setups[at]!) > 1 ? new InFlight(setupTasks(this.setups[at]!)) : undefined;
    const want = STEPS_MIN + rng.below(STEPS_MAX - STEPS_MIN + 1);
    let n = 0;
    let failed = 0;
    while (n < want && failed < TRIES_MAX) {
      const goesOn = flight?.goOn(rng);
      if (goesOn !== undefined) {
        this.#steps[n++] = goesOn;
        continue;
      }
      const pick = rng.below(total);
      let op = 0;
      while (this.#cumulative[op]! <= pick) op++;
      const step = OPS[op]!.draw(reference, alphabet, rng);
      if (step < 0 || !OPS[op]!.offered(reference, step) || flight?.spares(step, rng) === true) {
        failed++;
        continue;
      }
      failed = 0;
      this.#steps[n++] = flight?.begin(step, rng) ?? step;
      const slot = advance(reference, step);
      flight?.made(slot);
      // A program has few names: that of a reference that nobody may have is given up at once.
      if (slot >= 0 && reference.handleState[slot] === HANDLE_VOID && OPS[op]!.kind === 'gup') {
        this.#steps[n++] = releaseOf(step, slot);
        advance(reference, this.#steps[n - 1]!);
      }
    }
    if (flight !== undefined) n = flight.end(this.#steps, n);
    const drawn = n;
    n = sweep(reference, possible, this.#steps, n);
    return { setup: at, steps: this.#steps, length: n, drawn };
  }
}

/** The step's effect on a reference to whom no policy refuses anything. Returns the slot that fork or gup filled, or -1. */
export function advance(reference: Reference, step: number): number {
  const kind = OP_KINDS[opOf(step)]!;
  const op = OPS[opOf(step)]!;
  if (op.usesRef === true && reference.handleState[aOf(step)] === HANDLE_VOID) {
    if (op.releases === true) reference.release(aOf(step), false);
    return -1;
  }
  const slot = kind === 'fork' ? reference.freeMm() : kind === 'gup' ? reference.freeHandle() : -1;
  if (op.allowed?.(reference, step) === false) {
    op.refused?.(reference, slot);
    return slot;
  }
  // Nobody judges contents here, so that a program with more stores than there is room for may use the last token again.
  const last = reference.shape.tokens - 1;
  const token = op.stores !== true ? 0 : reference.tokens[0]! <= last ? reference.freshToken() : last;
  op.apply(reference, step, token, slot);
  return slot;
}

/** How the program ends the reference that this gup was to take. */
export function releaseOf(gup: number, slot: number): number {
  const { release } = CALLER_CONTRACTS[CALLERS[callerOf(cOf(gup))]!];
  if (release === 'dio_end') return pack(OP_KINDS.indexOf('dio_end'), slot);
  return pack(OP_KINDS.indexOf('unpin'), slot, 0, release === 'unpin dirty' ? UNPIN_DIRTYING : UNPIN_CLEAN);
}

const READ = OP_KINDS.indexOf('read');
const DMA_READ = OP_KINDS.indexOf('dma_read');
const DIO_END = OP_KINDS.indexOf('dio_end');
const BUFFERED_READ = OP_KINDS.indexOf('buffered_read');
const FSYNC = OP_KINDS.indexOf('fsync');

/** Everybody looks once more: devices, processes, readers of the file, and the disk. */
function sweep(reference: Reference, possible: readonly boolean[], steps: Int32Array, from: number): number {
  const { shape } = reference;
  let n = from;
  for (let h = 0; h < shape.refs; h++) {
    if (reference.handleState[h] !== HANDLE_LIVE) continue;
    const { load, release } = CALLER_CONTRACTS[CALLERS[reference.handleCaller[h]!]!];
    if (load) {
      if (possible[DMA_READ] === true) steps[n++] = pack(DMA_READ, h);
    } else if (release === 'dio_end' && possible[DIO_END] === true) {
      steps[n++] = pack(DIO_END, h);
      advance(reference, steps[n - 1]!);
    }
  }
  if (possible[READ] === true)
    for (let mm = 0; mm < shape.mms; mm++)
      for (let page = 0; page < shape.pages; page++)
        if (reference.isMapped(mm, page)) steps[n++] = pack(READ, mm, page);
  for (let f = 0; f < shape.files; f++) {
    if (possible[BUFFERED_READ] === true) steps[n++] = pack(BUFFERED_READ, f);
    if (possible[FSYNC] === true && shape.onDisk[f] === 1) steps[n++] = pack(FSYNC, f);
  }
  return n;
}
