import { describe, expect, it } from 'vitest';
import { alphabetFor, pagesOf, setupOf } from '../check/scope.ts';
import type { Setup } from '../domain/setup.ts';
import { Rng } from '../domain/rng.ts';
import { World } from '../executor/simulated.ts';
import { MACHINE_COLUMNS, TASK_COLUMNS, V_DONTFORK, V_MAPPED, V_WRITE } from '../machine/machine.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { HANDLE_LIVE, REF_WRITE, REFERENCE_COLUMNS } from '../reference/reference.ts';
import { Columns } from './arena.ts';
import { type Column, contentColumns, layOut, mostOf, sizesOf } from './columns.ts';

/** Worlds of all eras in the default scope, or another, after each of so many random steps. */
function* walked(steps: number, setup: Setup = setupOf('default')): Generator<World> {
  const alphabet = alphabetFor(setup);
  const out = new Int32Array(4096);
  const rng = new Rng();
  for (const policy of BUILT_IN) {
    const world = new World(setup, expandPolicy(policy));
    rng.seed(7, 7, 7, 7);
    for (let i = 0; i < steps; i++) {
      if (i % 20 === 0 || world.ended) world.reset();
      world.step(out[rng.below(world.enumerate(alphabet, out))]!);
      yield world;
    }
  }
}

/** What each derived column follows from; the counts of folios are Machine.recount()'s. */
const FOLLOWS: { readonly [name: string]: (world: World, i: number) => number } = {
  'machine.alive': ({ reference }, mm) => reference.alive[mm]!,
  'machine.refWrite': ({ machine, reference }, r) =>
    machine.refKind[r] !== 0 && reference.handleState[r] === HANDLE_LIVE
      ? (reference.handleFlags[r]! & REF_WRITE) !== 0
        ? 1
        : 0
      : machine.refWrite[r]!,
  'machine.beyond': ({ reference }, f) => (reference.isWithin(f) ? 0 : 1),
  'reference.mapped': ({ machine }, i) => ((machine.vma[i]! & V_MAPPED) !== 0 ? 1 : 0),
  'reference.writable': ({ machine }, i) => ((machine.vma[i]! & V_WRITE) !== 0 ? 1 : 0),
  'reference.dontfork': ({ machine }, i) => ((machine.vma[i]! & V_DONTFORK) !== 0 ? 1 : 0),
};
const ELSEWHERE = [
  'machine.refcount',
  'machine.mapcount',
  'machine.pincount',
  'machine.swapCount',
  'reference.tokens',
];

const GROUPS = [
  ['machine', MACHINE_COLUMNS, (world: World) => world.machine],
  ['task', TASK_COLUMNS, (world: World) => world.machine.task],
  ['reference', REFERENCE_COLUMNS, (world: World) => world.reference],
] as const;

describe('what columns say of themselves', () => {
  it.each([
    ['default', undefined],
    ['with swap', { ...setupOf('base'), ...pagesOf(['anon', 'private-file'], 'ext4-v5.18'), swap: 'disk' }],
  ] as const)('holds after random steps, %s: no value is larger, and the derived ones follow', (_, setup) => {
    const wrong = new Set<string>();
    for (const world of walked(400, setup)) {
      const sizes = sizesOf(world.shape);
      for (const [group, declarations, of] of GROUPS)
        for (const [name, column] of Object.entries<Column>(declarations)) {
          if ('set' in column.is) continue;
          const array = (of(world) as unknown as Record<string, Uint8Array>)[name]!;
          const most = mostOf(column, sizes);
          array.forEach((value, i) => {
            if (value > most || value < 0) wrong.add(`${group}.${name}[${i}]: ${value} of ${most}`);
            const follows = FOLLOWS[`${group}.${name}`];
            if (follows !== undefined && follows(world, i) !== value)
              wrong.add(`${group}.${name}[${i}]: ${value} does not follow`);
          });
        }
    }
    expect([...wrong]).toEqual([]);
  });

  it('is told of each derived column', () => {
    const derived = GROUPS.flatMap(([group, declarations]) =>
      Object.entries<Column>(declarations).flatMap(([name, { key }]) =>
        key !== undefined && 'derived' in key ? [`${group}.${name}`] : [],
      ),
    );
    expect(derived.sort()).toEqual([...Object.keys(FOLLOWS), ...ELSEWHERE].sort());
  });
});

describe('layout', () => {
  const sizes = sizesOf(new World(setupOf('base'), expandPolicy(BUILT_IN[0]!)).shape);
  it('puts large elements first and takes no bytes for what there is none of', () => {
    const columns = new Columns();
    const arrays = layOut(
      {
        a: { of: 'mm', is: { count: 1 }, source: '' },
        b: { of: 'row', is: { count: 1 }, source: '' },
        c: { of: 'mm', is: { count: 300 }, in: 'i16', source: '' },
      } as const,
      sizes,
      columns,
    );
    expect(Object.keys(arrays).sort()).toEqual(['a', 'b', 'c']);
    expect([arrays.a.byteOffset, arrays.b.length, arrays.c.byteOffset]).toEqual([2 * sizes.mm, 0, 0]);
    expect(columns.size).toBe(3 * sizes.mm);
  });
  it('refuses a value that an element cannot hold', () => {
    const of = (is: Column['is'], type?: 'i16'): (() => unknown) => {
      const column: Column = { of: 'mm', is, source: '', ...(type === undefined ? {} : { in: type }) };
      return () => layOut({ c: column }, sizes, new Columns());
    };
    expect(of({ count: 256 })).toThrow('column c: 256 is more than u8 holds');
    expect(of({ flags: { high: 256 } })).toThrow('column c: 256 is more than u8 holds');
    expect(of({ count: 32768 }, 'i16')).toThrow('column c: 32768 is more than i16 holds');
    expect(of({ oneOf: Array.from({ length: 257 }, String) })).toThrow('column c: 256 is more than u8 holds');
    expect(of({ flags: { high: 256 } }, 'i16')).not.toThrow();
  });
  it('knows which columns hold contents', () => {
    const world = new World(setupOf('base'), expandPolicy(BUILT_IN[0]!));
    expect(contentColumns(MACHINE_COLUMNS, world.machine)).toEqual([
      world.machine.content,
      world.machine.swapContent,
      world.machine.disk,
      world.machine.submitted,
      world.machine.sentContent,
      world.machine.refSubmitted,
    ]);
  });
});
