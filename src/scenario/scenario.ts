/**
 * A scenario as plain data: a setup and a list of steps with names. Names are never reused; slots and frames are
 * invisible. `Binding` turns named steps into packed ones for a world, `nameSteps` goes the other way.
 */
import { CALLERS, type Caller, type Prot } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { callerOf, fastOf, gupVariant, longtermOf, targetOf, writeOf } from '../ops/gup.ts';
import { ADVICE, DONTNEED } from '../ops/madvise.ts';
import { PROTECT_RO, PROTECT_RW } from '../ops/mprotect.ts';
import { aOf, bOf, cOf, OP_KINDS, type OpKind, opOf, pack } from '../ops/op.ts';
import { WB_MODES } from '../ops/writeback.ts';

/** Name of the one mm that exists at the start. */
export const FIRST_MM = 'P';

/** One step: who, what, on what. Its text form is that of stepText and parseSteps. */
export type Step =
  | { readonly task: string; readonly op: 'fork'; readonly result: string }
  | { readonly task: string; readonly op: 'exit' }
  | { readonly task: string; readonly op: 'munmap' | 'read' | 'write'; readonly page: string }
  | { readonly task: string; readonly op: 'mprotect'; readonly page: string; readonly prot: Prot }
  | {
      readonly task: string;
      readonly op: 'madvise';
      readonly page: string;
      readonly advice: (typeof ADVICE)[number];
    }
  | {
      readonly task: string;
      readonly op: 'gup';
      readonly page: string;
      readonly caller: Caller;
      /** FOLL_WRITE, FOLL_LONGTERM; `fast`: GUP-fast is tried first. */
      readonly write: boolean;
      readonly longterm: boolean;
      readonly fast: boolean;
      /** File of the setup that an O_DIRECT write goes to; absent: the one aside (Setup.aside). */
      readonly target?: string;
      readonly result: string;
    }
  | { readonly task: 'device'; readonly op: 'unpin'; readonly ref: string; readonly dirty: boolean }
  | { readonly task: 'device'; readonly op: 'dio_end' | 'dma_read' | 'dma_write'; readonly ref: string }
  | {
      readonly task: 'kernel';
      readonly op: 'wb_start';
      readonly file: string;
      readonly mode: (typeof WB_MODES)[number];
    }
  | { readonly task: 'kernel'; readonly op: 'wb_end' | 'reclaim' | 'drop_caches'; readonly file: string }
  | {
      readonly task: 'other';
      readonly op: 'fsync' | 'buffered_read' | 'buffered_write';
      readonly file: string;
    };

/** A step in which a caller takes a reference. */
export type GupStep = Extract<Step, { readonly op: 'gup' }>;

/** An O_DIRECT write to the file aside (Setup.aside). */
export const goesAside = (step: Step): boolean =>
  step.op === 'gup' && step.caller === 'o_direct_write' && step.target === undefined;

/** What there is at the start, and the program. */
export interface Scenario {
  readonly setup: Setup;
  readonly steps: readonly Step[];
}

const at = (kind: OpKind): number => OP_KINDS.indexOf(kind);

/** Variant of the step (ops/gup.ts). Throws RangeError if its target is no file of the setup. */
export function variantOf({ files }: Setup, { caller, write, longterm, fast, target }: GupStep): number {
  const file = target === undefined ? -1 : files.findIndex((f) => f.name === target);
  if (target !== undefined && file < 0) throw new RangeError(`${target} is no file of the setup`);
  return gupVariant(caller, write, longterm, fast, 1 + file);
}

/** What a world tells a binding after a step: the slot that fork or gup filled. */
interface HasSlot {
  readonly slot: number;
}

/** Names of one run: which slot a name stands for at the moment. */
export class Binding {
  readonly #setup: Setup;
  readonly #mms = new Map<string, number>();
  readonly #refs = new Map<string, number>();

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#mms.set(FIRST_MM, 0);
  }

  /** The packed step, or -1 if a name in it does not stand for anything now. */
  pack(step: Step): number {
    const op = at(step.op);
    switch (step.op) {
      case 'unpin':
      case 'dio_end':
      case 'dma_read':
      case 'dma_write': {
        const ref = this.#refs.get(step.ref);
        if (ref === undefined) return -1;
        return pack(op, ref, 0, step.op === 'unpin' && step.dirty ? 1 : 0);
      }
      case 'wb_start':
      case 'wb_end':
      case 'reclaim':
      case 'drop_caches':
      case 'fsync':
      case 'buffered_read':
      case 'buffered_write': {
        const file = this.#setup.files.findIndex((f) => f.name === step.file);
        if (file < 0) return -1;
        return pack(op, file, 0, step.op === 'wb_start' ? WB_MODES.indexOf(step.mode) : 0);
      }
    }
    const mm = this.#mms.get(step.task);
    if (mm === undefined) return -1;
    if (step.op === 'fork' || step.op === 'exit') return pack(op, mm);
    const page = this.#setup.pages.findIndex((p) => p.name === step.page);
    if (page < 0) return -1;
    switch (step.op) {
      case 'mprotect':
        return pack(op, mm, page, step.prot === 'r' ? PROTECT_RO : PROTECT_RW);
      case 'madvise':
        return pack(op, mm, page, ADVICE.indexOf(step.advice));
      case 'gup':
        return pack(op, mm, page, variantOf(this.#setup, step));
      default:
        return pack(op, mm, page);
    }
  }

  /** Notes what the step made and ended. Call it after a step that the world executed (also if refused). */
  executed(step: Step, world: HasSlot): void {
    if (step.op === 'fork') this.#mms.set(step.result, world.slot);
    else if (step.op === 'exit') this.#mms.delete(step.task);
    else if (step.op === 'gup') this.#refs.set(step.result, world.slot);
    else if (step.op === 'unpin' || step.op === 'dio_end') this.#refs.delete(step.ref);
  }
}

const MM_NAMES = ['P', 'C', 'D', 'E', 'G', 'H', 'I', 'J', 'K', 'L'];

/** Name of the n-th mm of a scenario: P, C, D, ... then P10, P11, ... */
export const mmName = (n: number): string => MM_NAMES[n] ?? `P${n}`;
/** Name of the n-th reference (from 0): h1, h2, ... */
export const refName = (n: number): string => `h${n + 1}`;

/** Gives names to packed steps, in order of creation. The steps must be executable one after the other. */
export class Naming {
  readonly #setup: Setup;
  readonly #mms: string[] = [FIRST_MM];
  readonly #refs: string[] = [];
  #mmCount = 1;
  #refCount = 0;

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  /** `slot`: what a fork or gup filled. */
  name(step: number, slot: number): Step {
    const a = aOf(step);
    const c = cOf(step);
    const op = OP_KINDS[opOf(step)]!;
    const page = (): string => this.#setup.pages[bOf(step)]!.name;
    const task = (): string => this.#mms[a]!;
    switch (op) {
      case 'fork': {
        const parent = task();
        const result = mmName(this.#mmCount++);
        this.#mms[slot] = result;
        return { task: parent, op, result };
      }
      case 'exit':
        return { task: task(), op };
      case 'munmap':
      case 'read':
      case 'write':
        return { task: task(), op, page: page() };
      case 'mprotect':
        return { task: task(), op, page: page(), prot: c === PROTECT_RO ? 'r' : 'rw' };
      case 'madvise':
        return { task: task(), op, page: page(), advice: ADVICE[c] ?? ADVICE[DONTNEED] };
      case 'gup': {
        const result = refName(this.#refCount++);
        this.#refs[slot] = result;
        return {
          task: task(),
          op,
          page: page(),
          caller: CALLERS[callerOf(c)]!,
          write: writeOf(c),
          longterm: longtermOf(c),
          fast: fastOf(c),
          ...(targetOf(c) === 0 ? {} : { target: this.#setup.files[targetOf(c) - 1]!.name }),
          result,
        };
      }
      case 'unpin':
        return { task: 'device', op, ref: this.#refs[a]!, dirty: c === 1 };
      case 'dio_end':
      case 'dma_read':
      case 'dma_write':
        return { task: 'device', op, ref: this.#refs[a]! };
      case 'wb_start':
        return { task: 'kernel', op, file: this.#setup.files[a]!.name, mode: WB_MODES[c]! };
      case 'wb_end':
      case 'reclaim':
      case 'drop_caches':
        return { task: 'kernel', op, file: this.#setup.files[a]!.name };
      case 'fsync':
      case 'buffered_read':
      case 'buffered_write':
        return { task: 'other', op, file: this.#setup.files[a]!.name };
    }
  }
}

/** One step as text: `h1 = P: gup A R PIN`. From the step alone. */
export function stepText(step: Step): string {
  switch (step.op) {
    case 'fork':
      return `${step.result} = ${step.task}: fork`;
    case 'exit':
      return `${step.task}: exit`;
    case 'munmap':
    case 'read':
    case 'write':
      return `${step.task}: ${step.op} ${step.page}`;
    case 'mprotect':
      return `${step.task}: mprotect ${step.page} ${step.prot}`;
    case 'madvise':
      return `${step.task}: madvise ${step.page} ${step.advice}`;
    case 'gup': {
      const flags = [
        step.write ? 'W' : 'R',
        ...(step.longterm ? ['LONGTERM'] : []),
        ...(step.fast ? ['fast'] : []),
        ...(step.target === undefined ? [] : [`to ${step.target}`]),
      ];
      return `${step.result} = ${step.task}: gup ${step.page} ${step.caller} ${flags.join(' ')}`;
    }
    case 'unpin':
      return `device: unpin ${step.ref}${step.dirty ? ' dirty' : ''}`;
    case 'dio_end':
    case 'dma_read':
    case 'dma_write':
      return `device: ${step.op} ${step.ref}`;
    case 'wb_start':
      return `kernel: wb_start ${step.file} ${step.mode}`;
    default:
      return `${step.task}: ${step.op} ${step.file}`;
  }
}
