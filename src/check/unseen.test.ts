// @slow: changes every column of many states
import { describe, expect, it } from 'vitest';
import { BLOCKED, type PageKind, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import { World } from '../executor/simulated.ts';
import { F_BUFFERS, MACHINE_COLUMNS, TASK_COLUMNS } from '../machine/machine.ts';
import { NO_FILE } from '../domain/setup.ts';
import { SWAP_DEVICES, type SwapDevice } from '../domain/swap.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { HANDLE_LIVE, REF_HELD_OVER_FORK, REFERENCE_COLUMNS } from '../reference/reference.ts';
import { type Column, mostOf, type Sizes, type Sort, sizesOf } from '../state/columns.ts';
import { behaviour, keyText, type MakeBackend, Without } from '../testing/key-law.ts';
import { type Grain, KeyEncoder } from './key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

/**
 * The judge of what the key leaves out. After random steps one element of one column is given another value. Where the
 * key does not change, the declarations say that nothing depends on it; then what the state can do must not change.
 */

/** A column with its array, what its values are, and whether its elements exist. */
interface Attacked {
  readonly name: string;
  readonly array: Uint8Array | Int16Array | Int32Array;
  /** What an element may be. */
  readonly values: readonly number[];
  /** It is a set: one bit is turned over. */
  readonly bits: number;
  /** Elements that there are of its sort: of notes, there is an array of these after the other. */
  readonly size: number;
  readonly exists: (i: number) => boolean;
}

/** Elements that are not there hold what resetting left: that is relied on. */
function existsIn({ machine, reference, shape }: World): { readonly [S in Sort]?: (i: number) => boolean } {
  const place = (i: number): boolean => reference.alive[Math.floor(i / shape.pages)] === 1;
  return {
    mm: (mm) => reference.alive[mm] === 1,
    vma: place,
    pte: place,
    ref: (r) => reference.handleState[r] === HANDLE_LIVE,
    cell: (cell) =>
      cell < reference.fileCell
        ? place(cell)
        : cell < reference.orphanCell || reference.handleCell.includes(cell),
    // A free folio has no flags; the zero page is no page of a file.
    folio: (pfn) => machine.refcount[pfn]! > 0,
    // Zero is nobody's store.
    content: (token) => token > 0 && token < reference.tokens[0]!,
  };
}

function valuesOf(column: Column, sizes: Sizes): number[] {
  const { is } = column;
  // A page of a file never holds zeroes.
  if ('content' in is) return Array.from({ length: sizes.content - 1 }, (_, i) => 1 + i);
  if (!('id' in is)) return Array.from({ length: mostOf(column, sizes) + 1 }, (_, i) => i);
  const ids = Array.from({ length: sizes[is.id] }, (_, i) => i + (is.from ?? 0));
  return is.none === undefined || ids.includes(is.none) ? ids : [...ids, is.none];
}

/** States that no run reaches, of elements that exist: a file page is always fixed, a reference always has a cell. */
const IMPOSSIBLE: { readonly [name: string]: (world: World, at: number, value: number) => boolean } = {
  // Anonymous pages have no private state of a filesystem.
  'machine.flags': ({ machine }, pfn, flags) =>
    machine.hasSwap && (flags & F_BUFFERS) !== 0 && machine.mapping[pfn] === NO_FILE,
  // A PTE maps something or is a swap entry (Machine.recount()).
  'machine.pte': ({ machine }, pte) => machine.hasSwap && machine.swapEntry[pte] !== 0,
  'machine.pfn': ({ machine }, pte) => machine.hasSwap && machine.swapEntry[pte] !== 0,
  'machine.swapEntry': ({ machine }, pte, entry) =>
    entry !== 0 && (machine.pte[pte] !== 0 || machine.swapCount[entry - 1] === 0),
  // A folio has one slot, an anonymous one; a slot has one folio, and nothing but its entries and PTEs lead to it.
  'machine.swapSlot': () => true,
  'reference.cellState': ({ reference }, cell) => cell >= reference.fileCell && cell < reference.orphanCell,
  'reference.handleCell': ({ reference, shape }, ref, cell) =>
    cell >= reference.cells ||
    (cell < reference.fileCell && reference.alive[Math.floor(cell / shape.pages)] === 0) ||
    (cell >= reference.fileCell &&
      cell < reference.orphanCell &&
      cell !== reference.fileCell + shape.file[reference.handlePage[ref]! % shape.pages]!),
  // Nothing parts from the page of a reference that was not held over fork.
  'reference.parted': (world, ref) => {
    const { reference } = world;
    const { cell } = existsIn(world);
    const gone = (at: number): boolean => reference.hasParted(ref, at) && !cell!(at);
    return (
      (reference.handleFlags[ref]! & REF_HELD_OVER_FORK) === 0 ||
      Array.from({ length: reference.cells }, (_, at) => at).some(gone)
    );
  },
  // Until something may be excused, nothing is, and nothing was held over fork.
  'reference.handleFlags': ({ reference }, _, flags) =>
    reference.excusing[0] === 0 && (flags & REF_HELD_OVER_FORK) !== 0,
  // A folio that somebody refers to is not free.
  'machine.refPfn': ({ machine }, _, pfn) => machine.refcount[pfn] === 0,
  'reference.takenExcused': ({ reference }) => reference.excusing[0] === 0,
};

function attackedIn(world: World): Attacked[] {
  const { machine, reference } = world;
  const laid = sizesOf(world.shape);
  const sizes: Sizes = { ...laid, content: reference.tokens[0]! };
  const exists = existsIn(world);
  const groups = [
    ['machine', MACHINE_COLUMNS, machine],
    ['task', TASK_COLUMNS, machine.task],
    ['reference', REFERENCE_COLUMNS, reference],
  ] as const;
  return groups.flatMap(([group, declarations, arrays]) =>
    Object.entries<Column>(declarations).flatMap(([name, column]) => {
      if (column.key !== undefined && 'derived' in column.key) return [];
      return {
        name: `${group}.${name}`,
        array: (arrays as unknown as Record<string, Uint8Array>)[name]!,
        values: 'set' in column.is ? [] : valuesOf(column, sizes),
        bits: 'set' in column.is ? (column.in === 'i32' ? sizes.content : 10) : 0,
        size: Math.max(1, laid[column.of]),
        exists: exists[column.of] ?? (() => true),
      };
    }),
  );
}

const STEPS = 200;

/**
 * By column, how many values were changed that the key did not see; throws at one that makes a difference. `lacking`: a
 * key that lacks a field, of which only what it hides and the whole key shows is tried.
 */
function attack(
  kinds: readonly PageKind[],
  policy: (typeof BUILT_IN)[number],
  grain: Grain,
  lacking?: MakeBackend,
  steps = STEPS,
  filesystem = 'ext4-v5.17-stable',
  seed = 1,
  filePages = 0,
  swap?: SwapDevice,
): Map<string, number> {
  const setup = {
    ...pagesOf(kinds, filesystem, filePages),
    mms: 2,
    refs: 2,
    pinBias: 4,
    ...(swap === undefined ? {} : { swap }),
  };
  const world = new World(setup, expandPolicy(policy));
  world.checkInvariants = false;
  const whole = new KeyEncoder(world, 'all', grain);
  const key = lacking === undefined ? whole : new KeyEncoder(world, 'all', grain, lacking);
  const alphabet = alphabetFor(setup, PLAIN_GUPS);
  const out = new Int32Array(1024);
  const rng = new Rng();
  rng.seed(kinds.length, 2, 7, seed);
  const unseen = new Map<string, number>();
  for (let i = 0; i < steps; i++) {
    if (i % 15 === 0 || world.ended) world.reset();
    const outcome = world.step(out[rng.below(world.enumerate(alphabet, out))]!);
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    if (world.ended) continue;
    key.encode();
    const was = keyText(key);
    whole.encode();
    const wholly = keyText(whole);
    let does: string | undefined;
    const held = world.heldTokens();
    const gone = Array.from(held.keys()).filter((token) => held[token] === 0);
    const rowWords = Math.ceil(world.shape.tokens / 32);
    for (const { name, array, values, bits, size, exists } of attackedIn(world))
      for (let at = 0; at < array.length; at++) {
        const before = array[at]!;
        if (values.length + bits < 2 || !exists(at % size) || (bits === 0 && !values.includes(before)))
          continue;
        const other = values[rng.below(Math.max(1, values.length))];
        // Of contents, one that is gone: whoever had met it.
        const bit =
          name === 'reference.rows' ? gone[rng.below(gone.length)]! - (at % rowWords) * 32 : rng.below(bits);
        if (other === undefined && (bit < 0 || bit > 31)) continue;
        array[at] = other ?? before ^ (1 << bit);
        if (array[at] === before || IMPOSSIBLE[name]?.(world, at, array[at]!) === true) {
          array[at] = before;
          continue;
        }
        const is = array[at]!;
        const sees = (): boolean => {
          whole.encode();
          return keyText(whole) !== wholly;
        };
        key.encode();
        if (keyText(key) === was && (lacking === undefined || sees())) {
          unseen.set(name, 1 + (unseen.get(name) ?? 0));
          const changed = behaviour(world, key, grain, alphabet);
          array[at] = before;
          does ??= behaviour(world, key, grain, alphabet);
          if (changed !== does) expect(changed, `${name}[${at}]: ${before} to ${is}`).toBe(does);
        }
        array[at] = before;
      }
  }
  return unseen;
}

describe('what the key does not see makes no difference', () => {
  const kinds: readonly (readonly PageKind[])[] = [['anon'], ['private-file'], ['shared-file'], ['shmem']];
  for (const grain of ['class', 'property'] as const)
    it.each(kinds)(`${grain}, %s`, (kind) => {
      const unseen = new Map<string, number>();
      // Where the disk reads at a time of its own there are two columns more.
      const apart = kind === 'shared-file' ? ['ext4-v5.18-stable-apart'] : [];
      for (const filesystem of apart) attack([kind], BUILT_IN[4]!, grain, undefined, STEPS, filesystem);
      // Of a file that may be truncated, two more.
      if (kind !== 'anon') attack([kind], BUILT_IN[4]!, grain, undefined, STEPS, undefined, 1, 2);
      for (const policy of [BUILT_IN[0]!, BUILT_IN[4]!])
        for (const [name, n] of attack([kind], policy, grain)) unseen.set(name, n + (unseen.get(name) ?? 0));
      expect(unseen.size, 'columns of which something was unseen').toBeGreaterThan(8);
    });
});

describe('what the key does not see of swap makes no difference', () => {
  for (const swap of SWAP_DEVICES)
    it.each(['anon', 'private-file'] as const)(`${swap}, %s`, (kind) => {
      let unseen = 0;
      for (const policy of [BUILT_IN[0]!, BUILT_IN[4]!])
        unseen += attack([kind], policy, 'class', undefined, STEPS, undefined, 1, 0, swap).size;
      expect(unseen, 'columns of which something was unseen').toBeGreaterThan(8);
    });
});

/**
 * Fields that say what several columns have together, or that something is there at all: no single element shows that
 * they are needed. A search of small scopes shows it of `current`, `allowed`, `target stable` and `excuse`; of the others
 * pairs of programs do (key.test.ts), or nothing yet.
 */
const NOT_SHOWN: readonly string[] = [
  'excusing',
  'zero page stored to',
  'current',
  'current is zero',
  'live',
  'exact',
  'allowed',
  'target stable',
  'there',
  'excuse',
  'excuse of current',
  'excuse of content',
  'excuse when taken',
  'content of file',
  'undirtied',
  'on disk',
];

describe('a key that lacks a field is told of', () => {
  const kinds = ['private-file', 'shared-file', 'anon'] as const;
  const had = kinds.map((kind) => {
    const names = new Set<string>();
    attack([kind], BUILT_IN[4]!, 'class', (sources) => new Without(sources, '', names), 1);
    return names;
  });
  const names = [...new Set(had.flatMap((list) => [...list]))];
  it('all others can be shown', () => {
    expect(NOT_SHOWN.filter((name) => !names.includes(name))).toEqual([]);
    expect(names.length - NOT_SHOWN.length).toBeGreaterThanOrEqual(20);
  });
  it.each(names.filter((name) => !NOT_SHOWN.includes(name)))('%s', (name) => {
    const isTold = (kind: PageKind, policy: (typeof BUILT_IN)[number], seed: number): boolean => {
      try {
        attack([kind], policy, 'class', (sources) => new Without(sources, name), STEPS, undefined, seed);
        return false;
      } catch {
        return true;
      }
    };
    // The walks are random: what one does not meet another does.
    const told = [1, 2, 3, 4].some((seed) =>
      [BUILT_IN[4]!, BUILT_IN[0]!].some((policy) =>
        kinds.some((kind, i) => had[i]!.has(name) && isTold(kind, policy, seed)),
      ),
    );
    expect(told).toBe(true);
  });
});
