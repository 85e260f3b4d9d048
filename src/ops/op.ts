/**
 * What an operation is. One file per operation in this folder, and its test; a new one has a line in all.ts and a place
 * in OP_KINDS.
 *
 * A step is packed into one integer: operation, then three small arguments whose meaning is the operation's
 * (`a`: mm, file page or reference; `b`: page; `c`: variant). The slot that a fork or gup fills is not part of it: it
 * is the lowest free one of the reference, the same under every policy.
 */
import type { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import type { Machine } from '../machine/machine.ts';
import type { ObservationKind } from '../property/property.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, bOf, cOf, type Grammar, pack, type StepOf } from './args.ts';
import type { Live } from './live.ts';
import { PART } from './parts.ts';

export { aOf, bOf, cOf, opOf, pack, type TaskKind } from './args.ts';

/**
 * All operations, by the version of the scopes that they come with (check/scope.ts). Their order is that of operation
 * numbers. What was published stays as it is: a new operation comes at the end, in the next version.
 */
export const OP_VERSIONS = [
  [
    'fork',
    'exit',
    'munmap',
    'mprotect',
    'madvise',
    'read',
    'write',
    'gup',
    'unpin',
    'dio_end',
    'dma_read',
    'dma_write',
    'wb_start',
    'wb_end',
    'fsync',
    'reclaim',
    'drop_caches',
    'buffered_read',
    'buffered_write',
  ],
  ['mremap'],
  ['go_on', 'wb_io'],
  ['truncate'],
  ['swapout'],
] as const;
export type OpKind = (typeof OP_VERSIONS)[number][number];
export const OP_KINDS: readonly OpKind[] = OP_VERSIONS.flat();

/** Which operations, and which variants of gup and madvise, a search may use. */
export interface Alphabet {
  /** By index in OP_KINDS, as many as the version of the scope has. */
  readonly ops: readonly boolean[];
  /** Variants of gup (ops/gup.ts: gupVariant). */
  readonly gups: readonly number[];
}

/** An operation: what its steps say, and what is said of it. */
export type Op<G extends Grammar = Grammar> = G & { readonly kind: OpKind } & Declaration<G>;

interface Declaration<G extends Grammar> {
  /** One line for people. */
  readonly title: string;
  /** A step in words, without full stop. */
  words(step: StepOf<G>): string;
  /** Kernel functions this stands for. */
  readonly kernel: string;
  readonly live: Live<G>;
  /** Who stores, where that is neither the task nor a device. */
  readonly storer?: string;
  /** In words, whose doing it is where a step copies a page for its task. */
  copies?(step: StepOf<G>): string;
  /** Names of pages: what its task has at the one place is at the other once it is done. */
  moves?(step: StepOf<G>): readonly [from: string, to: string];
  /** What observers it shows something, or may (property/property.ts). */
  readonly shows: readonly ObservationKind[];
  /** Does it mean something in the setup? If absent: where there is a file for it, or room for what it makes. */
  means?(setup: Setup): boolean;
  /** How many of its steps may be offered per mm, page, reference or file that it names; 1 if absent. */
  ways?(alphabet: Alphabet): number;
  /** A call on a mapping: a program sees its result, and that is no access. */
  readonly mapping?: boolean;
  /** In the order of simplicity: what it costs more than another operation in its place. 0 if absent. */
  readonly cost?: number;
  /** Plainer steps that may do in its place, plainest first; if absent, those with plainer words. */
  plainer?(step: StepOf<G>): readonly object[];
  /** Why the step, which is not enabled, does not apply; in words that go behind "does not apply: ". */
  whyNot?(ref: Reference, step: StepOf<G>): string;
  /** How likely among those that are on; the swarm multiplies it. Ends of things are rare. */
  readonly weight: number;
  /** On in every swarm: without these a program has nothing to say. */
  readonly always?: boolean;
  /** Stores content: needs a fresh token. */
  readonly stores?: boolean;

  /**
   * Does the step name what exists, within the bounds of the setup? Then it has an outcome, an error or no effect
   * among them. On the reference alone, so that every policy is offered the same program.
   */
  enabled(ref: Reference, step: number): boolean;
  /**
   * Is it a step that drawing and searches take? Enabled, and it has an effect or can show something: what changes
   * nothing under any policy and shows nothing is left to programs that people write.
   */
  offered(ref: Reference, step: number): boolean;
  /**
   * Of an operation on a page: do its mappings allow it? As the reference sees them; where they do not, the outcome is
   * an error. The machine decides by VMA and PTE bits of its own, and a difference breaks *protection*.
   */
  allowed?(ref: Reference, step: number): boolean;
  /** Appends all offered steps in a fixed order to `out` at `n`; returns the new count. */
  enumerate(ref: Reference, alphabet: Alphabet, out: Int32Array, n: number): number;
  /** A random step that may or may not be offered, or -1 if there is none of this kind. */
  draw(ref: Reference, alphabet: Alphabet, rng: Rng): number;
  /**
   * Its atomic steps may be interleaved with those of other tasks (executor/simulated.ts: World.begin); it takes effect on
   * the reference with its last step. If absent it is one step, and takes the locks of its first one.
   */
  readonly fine?: boolean;
  /** It unmaps or replaces pages, and does not begin while an operation of its mm, if it is of one, is in flight. */
  readonly replaces?: boolean;
  /** Effect on the reference when it begins, where other tasks may do something before it ends. */
  begins?(ref: Reference, step: number, slot: number): void;
  /** Sets the task's locals and returns the entry of the operation's step table. `slot`: what fork or gup fills. */
  start(m: Machine, task: number, step: number, token: number, slot: number): number;
  /** Effect on the reference once the step is done (or had no effect). */
  apply(ref: Reference, step: number, token: number, slot: number): void;
  /** The policy refused. */
  refused?(ref: Reference, slot: number): void;
}

// ---- Shapes of argument lists that several operations have in common ------------------------------------------

type PerPage = (ref: Reference, mm: number, page: number) => boolean;

/**
 * In place of a number of variants: of a step that moves data. Where pages have parts (parts.ts), of all of the page or of
 * the part that worlds do not follow; what they follow is as well moved with all of it.
 */
export const BY_PART = 0;
const HIGH = 1 + PART.maybe.indexOf('high');
/** Variants go up to this, exclusive, by so much. */
const endOf = (ref: Reference, variants: number): number =>
  variants !== BY_PART ? variants : ref.shape.parts > 1 ? 1 + HIGH : 1;
const strideOf = (variants: number): number => (variants === BY_PART ? HIGH : 1);
function drawVariant(ref: Reference, variants: number, rng: Rng): number {
  if (variants === BY_PART) return ref.shape.parts > 1 ? HIGH * rng.below(2) : 0;
  return variants === 1 ? 0 : rng.below(variants);
}

/** Enumerates mm x page x variant. */
export function enumeratePages(
  op: number,
  ref: Reference,
  variants: number,
  test: (ref: Reference, step: number) => boolean,
  out: Int32Array,
  n: number,
): number {
  const end = endOf(ref, variants);
  const stride = strideOf(variants);
  for (let mm = 0; mm < ref.shape.mms; mm++) {
    if (ref.alive[mm] === 0) continue;
    for (let page = 0; page < ref.shape.pages; page++)
      for (let c = 0; c < end; c += stride) {
        const step = pack(op, mm, page, c);
        if (test(ref, step)) out[n++] = step;
      }
  }
  return n;
}
export function drawPage(op: number, ref: Reference, variants: number, rng: Rng): number {
  const c = drawVariant(ref, variants, rng);
  return pack(op, drawMm(ref, rng), rng.below(ref.shape.pages), c);
}
/** A living mm. */
export function drawMm(ref: Reference, rng: Rng): number {
  let skip = rng.below(ref.aliveCount());
  for (let mm = 0; mm < ref.shape.mms; mm++) if (ref.alive[mm] === 1 && skip-- === 0) return mm;
  throw new Error('no living mm');
}
/** Enumerates `a` from 0 to count - 1 with variants. */
export function enumerateEach(
  op: number,
  ref: Reference,
  count: number,
  variants: number,
  test: (ref: Reference, step: number) => boolean,
  out: Int32Array,
  n: number,
): number {
  const end = endOf(ref, variants);
  const stride = strideOf(variants);
  for (let a = 0; a < count; a++)
    for (let c = 0; c < end; c += stride) {
      const step = pack(op, a, 0, c);
      if (test(ref, step)) out[n++] = step;
    }
  return n;
}
export function drawEach(op: number, ref: Reference, count: number, variants: number, rng: Rng): number {
  if (count === 0) return -1;
  return pack(op, count === 1 ? 0 : rng.below(count), 0, drawVariant(ref, variants, rng));
}

/** The step names a living mm and a page, mapped or not. */
export const namesPage = (ref: Reference, step: number): boolean =>
  ref.alive[aOf(step)] === 1 && bOf(step) < ref.shape.pages;

/** An operation on one page of one mm, or of nothing where the mm has no mapping of it. */
export function onPage(
  op: number,
  variants: number,
  offered: PerPage,
): Pick<Op, 'enabled' | 'offered' | 'enumerate' | 'draw'> {
  const isOffered = (ref: Reference, step: number): boolean => offered(ref, aOf(step), bOf(step));
  return {
    enabled: namesPage,
    offered: isOffered,
    enumerate: (ref, _alphabet, out, n) => enumeratePages(op, ref, variants, isOffered, out, n),
    draw: (ref, _alphabet, rng) => drawPage(op, ref, variants, rng),
  };
}
/** An operation on one file page; the tests see the file page. `offered`: as enabled if not given. */
export function onFile(
  op: number,
  variants: number,
  test: (ref: Reference, file: number) => boolean,
  offered: (ref: Reference, file: number) => boolean = test,
): Pick<Op, 'enabled' | 'offered' | 'enumerate' | 'draw'> {
  const isOffered = (ref: Reference, step: number): boolean =>
    aOf(step) < ref.shape.files && offered(ref, aOf(step));
  return {
    enabled: (ref, step) => aOf(step) < ref.shape.files && test(ref, aOf(step)),
    offered: isOffered,
    enumerate: (ref, _alphabet, out, n) =>
      enumerateEach(op, ref, ref.shape.files, variants, isOffered, out, n),
    draw: (ref, _alphabet, rng) => drawEach(op, ref, ref.shape.files, variants, rng),
  };
}
/** An operation on one reference; `test` is asked only for references that are held. */
export function onRef(
  op: number,
  variants: number,
  test: (ref: Reference, handle: number, variant: number) => boolean,
): Pick<Op, 'enabled' | 'offered' | 'enumerate' | 'draw'> {
  const enabled = (ref: Reference, step: number): boolean =>
    ref.handleState[aOf(step)] === 1 && test(ref, aOf(step), cOf(step));
  return {
    enabled,
    offered: enabled,
    enumerate: (ref, _alphabet, out, n) => enumerateEach(op, ref, ref.shape.refs, variants, enabled, out, n),
    draw: (ref, _alphabet, rng) => drawEach(op, ref, ref.shape.refs, variants, rng),
  };
}
/** Is the file on a filesystem that tracks dirty pages? */
export const isTracked = (ref: Reference, file: number): boolean => ref.shape.fileTracked[file] === 1;
