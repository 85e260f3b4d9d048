/**
 * A scenario as plain data: a setup and a list of steps with names. Names are never reused; slots and frames are
 * invisible. `Binding` turns named steps into packed ones for a world, `nameSteps` goes the other way.
 */
import type { Setup } from '../domain/setup.ts';
import { type AnyStep, type Names, type Numbers, opOf, packStep, textOf, unpackStep } from '../ops/args.ts';
import { gupVariant } from '../ops/gup.ts';
import { OPS, opOfStep, type Step } from '../ops/index.ts';

export type { Step } from '../ops/index.ts';

/** Name of the one mm that exists at the start. */
export const FIRST_MM = 'P';

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

/** Index of a page or a file of the setup by name, or undefined. */
function placeOf({ pages, files }: Setup, sort: 'page' | 'file', name: string): number | undefined {
  const at = (sort === 'page' ? pages : files).findIndex((named) => named.name === name);
  return at < 0 ? undefined : at;
}

/** Names of one run: which slot a name stands for at the moment. */
export class Binding implements Numbers {
  readonly #setup: Setup;
  readonly #mms = new Map<string, number>();
  readonly #refs = new Map<string, number>();

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#mms.set(FIRST_MM, 0);
  }

  number(sort: 'mm' | 'ref' | 'page' | 'file', name: string): number | undefined {
    if (sort === 'mm') return this.#mms.get(name);
    return sort === 'ref' ? this.#refs.get(name) : placeOf(this.#setup, sort, name);
  }

  /** The packed step, or -1 if a name in it does not stand for anything now. */
  pack(step: Step): number {
    return packStep(opOfStep(step).packing, step as AnyStep, this);
  }

  /** Notes what the step made and ended. Call it after a step that the world executed (also if refused). */
  executed(step: Step, world: HasSlot): void {
    const { makes, ends } = opOfStep(step);
    if ('result' in step) (makes === 'mm' ? this.#mms : this.#refs).set(step.result, world.slot);
    if (ends === 'mm') this.#mms.delete(step.task);
    else if (ends === 'ref' && 'ref' in step) this.#refs.delete(step.ref);
  }
}

const MM_NAMES = ['P', 'C', 'D', 'E', 'G', 'H', 'I', 'J', 'K', 'L'];

/** Name of the n-th mm of a scenario: P, C, D, ... then P10, P11, ... */
export const mmName = (n: number): string => MM_NAMES[n] ?? `P${n}`;
/** Name of the n-th reference (from 0): h1, h2, ... */
export const refName = (n: number): string => `h${n + 1}`;

/** Gives names to packed steps, in order of creation. The steps must be executable one after the other. */
export class Naming implements Names {
  readonly #setup: Setup;
  readonly #mms: string[] = [FIRST_MM];
  readonly #refs: string[] = [];
  #mmCount = 1;
  #refCount = 0;

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  nameOf(sort: 'mm' | 'ref' | 'page' | 'file', number: number): string {
    if (sort === 'mm') return this.#mms[number]!;
    if (sort === 'ref') return this.#refs[number]!;
    return this.#setup[sort === 'page' ? 'pages' : 'files'][number]!.name;
  }

  /** The step with names. `slot`: what a fork or gup filled. */
  name(packed: number, slot: number): Step {
    const { packing, makes } = OPS[opOf(packed)]!;
    const result =
      makes === undefined ? undefined : makes === 'mm' ? mmName(this.#mmCount++) : refName(this.#refCount++);
    const step = unpackStep(packing, packed, this, result) as Step;
    // The task is named before what it makes, which may take its slot.
    if (result !== undefined) (makes === 'mm' ? this.#mms : this.#refs)[slot] = result;
    return step;
  }
}

/** One step as text: `h1 = P: gup A pin R`. From the step alone. */
export const stepText = (step: Step): string => textOf(opOfStep(step), step as AnyStep);
