/**
 * Columns of a state, declared once: what each is of, what its values are, the kernel's name for it, and what the key
 * (docs/model.md, "The key") makes of it. Layout, start and renaming of contents follow from it.
 *
 * A *sort* is an index space whose size follows from the shape of the scenario; a column of a sort of which there is
 * none has no bytes.
 */
import type { Shape } from '../domain/setup.ts';
import type { ColumnArray, Columns } from './arena.ts';
import type { Source } from './expression.ts';

/** What there is one of per element. `vma` and `pte` go by mm * pages + page. */
export type Sort =
  | 'world'
  | 'mm'
  | 'vma'
  | 'pte'
  | 'folio'
  | 'file'
  | 'ref'
  /** A slot of the swap device. */
  | 'swap'
  | 'task'
  /** A part of a page. */
  | 'part'
  /** A logical page: private ones by mm * pages + page, then file pages, then orphans. */
  | 'cell'
  | 'content'
  /** An observer's row of contents (reference/rows.ts). */
  | 'row';

/** How many elements of each sort there are. */
export type Sizes = { readonly [S in Sort]: number };

/** What a value is. */
export type Value =
  /** Flags by name, each its bit. */
  | { readonly flags: { readonly [name: string]: number } }
  /** Index of one of these. */
  | { readonly oneOf: readonly string[] }
  /** A number from 0 to this. */
  | { readonly count: number }
  /** Number of an element; `from`: what the first is; `none`: this number stands for no element. */
  | { readonly id: Sort; readonly from?: number; readonly none?: number }
  /** A content: renamed when they are renumbered. */
  | { readonly content: true }
  /** A set of elements, a bit each. */
  | { readonly set: string };

/** Why a column is not in the key. */
export type NotInKey = { readonly derived: string } | { readonly unread: string };

/** One column. */
export interface Column {
  readonly of: Sort;
  readonly is: Value;
  /** Element type; bytes if absent. */
  readonly in?: 'i16' | 'i32';
  /** Value of all elements at the start; 0 if absent. */
  readonly start?: number;
  /**
   * It is laid out where there are several tasks, swap, or parts of pages (domain/setup.ts: Shape); else it has no
   * bytes, and reads as undefined.
   */
  readonly only?: 'fine' | 'swap' | 'parts';
  /**
   * `read`, if absent: the key is made of it, by itself or through a relation. `derived`: it follows from other columns,
   * which tell how (state/columns.test.ts). `unread`: nothing between two operations depends on it.
   */
  readonly key?: NotInKey;
  /** What it is in the kernel, or in the promises. */
  readonly source: string;
}

/** Columns by name. */
export interface Declarations {
  readonly [name: string]: Column;
}

/** The arrays of declared columns. */
export type Arrays<D> = {
  readonly [C in keyof D]: D[C] extends { readonly in: 'i16' }
    ? Int16Array
    : D[C] extends { readonly in: 'i32' }
      ? Int32Array
      : Uint8Array;
};

/** Most that an element of this type holds. */
const ROOM = { u8: 255, i16: 32767, i32: 2 ** 31 - 1 } as const;

const IS_THERE: { readonly [F in Exclude<Column['only'], undefined>]: (sizes: Sizes) => boolean } = {
  fine: ({ task }) => task > 1,
  swap: ({ swap }) => swap > 0,
  parts: ({ part }) => part > 1,
};

/** Greatest value of a column in a shape of these sizes. */
export function mostOf({ is }: Column, sizes: Sizes): number {
  if ('flags' in is) {
    let all = 0;
    for (const name in is.flags) all |= is.flags[name]!;
    return all;
  }
  if ('oneOf' in is) return is.oneOf.length - 1;
  if ('count' in is) return is.count;
  if ('id' in is) return Math.max(is.none ?? 0, sizes[is.id] - 1 + (is.from ?? 0));
  if ('content' in is) return sizes.content - 1;
  return 0; // sets have a width of their own
}

/** How many elements of each sort a machine or a reference of this shape has. */
export function sizesOf(shape: Shape, more: Partial<Sizes> = {}): Sizes {
  const { mms, pages, refs, files, folios, swaps, tokens, tasks, parts } = shape;
  const places = mms * pages;
  return {
    world: 1,
    mm: mms,
    vma: places,
    pte: places,
    folio: folios,
    file: files,
    ref: refs,
    swap: swaps,
    task: tasks,
    part: parts,
    cell: places + files + refs,
    content: tokens,
    row: 0,
    ...more,
  };
}

/** What follows from declarations alone: worlds are made by the thousand. */
interface Plan {
  /** Those with large elements first. */
  readonly columns: readonly {
    readonly name: string;
    readonly column: Column;
    readonly type: keyof typeof ROOM;
  }[];
  readonly starts: readonly { readonly name: string; readonly start: number }[];
  /** Names of those that hold contents. */
  readonly contents: readonly string[];
}

const PLANS: WeakMap<Declarations, Plan> = new WeakMap<Declarations, Plan>();

function planOf(declarations: Declarations): Plan {
  let plan = PLANS.get(declarations);
  if (plan === undefined) {
    const all = Object.entries(declarations);
    plan = {
      columns: (['i32', 'i16', 'u8'] as const).flatMap((type) =>
        all
          .filter(([, column]) => (column.in ?? 'u8') === type)
          .map(([name, column]) => ({ name, column, type })),
      ),
      starts: all.flatMap(([name, { start }]) => (start === undefined ? [] : { name, start })),
      contents: all.filter(([, column]) => 'content' in column.is).map(([name]) => name),
    };
    PLANS.set(declarations, plan);
  }
  return plan;
}

/**
 * Lays out columns, those with large elements first. `per`: elements of the array per element of the sort, where that
 * is not 1. Throws RangeError if a value may be larger than an element holds.
 */
export function layOut<D extends Declarations>(
  declarations: D,
  sizes: Sizes,
  columns: Columns,
  per: { readonly [name: string]: number } = {},
): Arrays<D> {
  const arrays: { [name: string]: ColumnArray } = {};
  for (const { name, column, type } of planOf(declarations).columns) {
    const most = mostOf(column, sizes);
    if (most > ROOM[type]) throw new RangeError(`column ${name}: ${most} is more than ${type} holds`);
    const there = column.only === undefined || IS_THERE[column.only](sizes);
    arrays[name] = columns[type](there ? sizes[column.of] * (per[name] ?? 1) : 0);
  }
  return arrays as unknown as Arrays<D>;
}

/** A class whose instances have an array per declared column. */
export function classOf<D extends Declarations>(
  declarations: D,
): new (
  sizes: Sizes,
  columns: Columns,
  per?: { readonly [name: string]: number },
) => Arrays<D> {
  // Its fields are those that layOut() makes, which no class body could list.
  return class {
    constructor(sizes: Sizes, columns: Columns, per: { readonly [name: string]: number } = {}) {
      Object.assign(this, layOut(declarations, sizes, columns, per));
    }
  } as never;
}

/** Sets what is not 0 at the start. */
export function fillStart<D extends Declarations>(declarations: D, arrays: Arrays<D>): void {
  for (const { name, start } of planOf(declarations).starts) arrays[name as keyof D].fill(start);
}

/** The columns that hold contents, one each. */
export const contentColumns = <D extends Declarations>(
  declarations: D,
  arrays: Arrays<D>,
): readonly ColumnArray[] => planOf(declarations).contents.map((name) => arrays[name as keyof D]);

/** The columns for expressions, by `prefix.name`. */
export function sourceColumns<D extends Declarations>(
  prefix: string,
  declarations: D,
  arrays: Arrays<D>,
): Source['columns'] {
  return Object.fromEntries(
    Object.keys(declarations).map((name) => [`${prefix}.${name}`, arrays[name as keyof D]]),
  );
}
