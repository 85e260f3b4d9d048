import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CALLERS } from '../domain/kinds.ts';
import { FILES_MAX, MMS_MAX, PAGES_MAX, REFS_MAX } from '../domain/setup.ts';
import { parseStep } from '../scenario/parse.ts';
import {
  type AnyStep,
  type Arg,
  type Grammar,
  type Names,
  type Numbers,
  namesIn,
  packingOf,
  packStep,
  renamed,
  sizeOf,
  textOf,
  unpackStep,
} from './args.ts';
import { OPS } from './index.ts';

const MOST = { mm: MMS_MAX, ref: REFS_MAX, page: PAGES_MAX, file: FILES_MAX } as const;
/** `mm3`, `page7`. */
const NAMES: Names & Numbers = {
  nameOf: (sort, number) => `${sort}${number}`,
  number: (sort, name) => {
    const number = Number(name.replace(sort, ''));
    return name === `${sort}${number}` && number < MOST[sort] ? number : undefined;
  },
};

const anyValue = (arg: Arg): fc.Arbitrary<string | boolean | undefined> => {
  if ('oneOf' in arg) return fc.constantFrom(...arg.oneOf);
  if ('pause' in arg) return fc.option(fc.constantFrom(...arg.pause), { nil: undefined });
  if ('maybe' in arg) return fc.option(fc.constantFrom(...arg.maybe), { nil: undefined });
  if (!('is' in arg)) return fc.boolean();
  if (arg.is === 'caller') return fc.constantFrom(...CALLERS);
  const { is } = arg;
  const name = fc.nat({ max: MOST[is] - 1 }).map((n) => `${is}${n}`);
  return arg.after === undefined ? name : fc.option(name, { nil: undefined });
};
const stepOf = ({ kind, task, args, makes }: Grammar): fc.Arbitrary<AnyStep> =>
  fc
    .tuple(
      fc.nat({ max: MMS_MAX - 1 }),
      fc.record(Object.fromEntries(Object.entries(args).map(([field, arg]) => [field, anyValue(arg)]))),
    )
    .map(([mm, fields]) => {
      const said = Object.entries(fields).filter(([, value]) => value !== undefined);
      return {
        task: task === 'mm' ? `mm${mm}` : task,
        op: kind,
        ...Object.fromEntries(said),
        ...(makes === undefined ? {} : { result: 'made' }),
      };
    });

describe.each(OPS.map((op) => [op.kind, op] as const))('a step of %s', (_, op) => {
  it('is what its bits say, and what its text says', () => {
    fc.assert(
      fc.property(stepOf(op), (step) => {
        const packed = packStep(op.packing, step, NAMES);
        expect(packed).toBeGreaterThanOrEqual(0);
        expect(unpackStep(op.packing, packed, NAMES, step.result as string | undefined)).toEqual(step);
        expect(parseStep(textOf(op, step))).toEqual(step);
      }),
    );
  });

  it('has bits of its own for each argument', () => {
    const places = op.packing.fields.flatMap(({ shift, bits }) =>
      Array.from({ length: bits }, (_b, i) => shift + i),
    );
    expect(new Set(places).size).toBe(places.length);
    for (const { arg, bits } of op.packing.fields) expect(2 ** bits).toBeGreaterThanOrEqual(sizeOf(arg));
    expect(Math.max(0, ...places)).toBeLessThan(31);
  });

  it('is none where a name stands for nothing', () => {
    fc.assert(
      fc.property(stepOf(op), (step) => {
        for (const { field } of namesIn(op, step))
          expect(packStep(op.packing, { ...step, [field]: 'nobody' }, NAMES)).toBe(-1);
      }),
    );
  });

  it('has other names when all are renamed, and nothing else', () => {
    fc.assert(
      fc.property(stepOf(op), (step) => {
        const other = renamed(op, step, (sort, name) => `${sort}_of_${name}`);
        for (const { field, sort } of namesIn(op, step))
          expect(other[field]).toBe(`${sort}_of_${step[field]}`);
        const back = renamed(op, other, (sort, name) => name.replace(`${sort}_of_`, ''));
        expect(back).toEqual(step);
      }),
    );
  });
});

describe('what does not fit', () => {
  const many = (n: number): Grammar => ({
    kind: 'wide',
    task: 'mm',
    args: Object.fromEntries(Array.from({ length: n }, (_, i) => [`page${i}`, { is: 'page' } as const])),
  });

  it('is an error when the operation is registered', () => {
    // The first page has a place of its own, the others three bits each.
    expect(packingOf(many(6), 0).fields).toHaveLength(6);
    expect(() => packingOf(many(8), 0)).toThrow(/wide: its arguments have 21 bits; a step has room for 17/);
    expect(() => packingOf(many(1), 64)).toThrow(/room for 64 operations/);
  });
});
