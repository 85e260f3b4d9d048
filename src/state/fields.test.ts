import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyEncoder } from '../check/key.ts';
import { PairModel } from '../check/pair.ts';
import { PairKeyEncoder } from '../check/pair-key.ts';
import { ENDED } from '../check/model.ts';
import { alphabetFor, pagesOf, setupOf } from '../check/scope.ts';
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import {
  bits,
  call,
  col,
  cond,
  type Ex,
  I,
  less,
  modulo,
  or,
  plus,
  type Source,
  same,
  TOKEN,
  table,
} from './expression.ts';
import { Compiled, Interpreted, planOf, widthOf } from './fields.ts';

const SOURCE: Source = {
  columns: { 'a.byte': Uint8Array.of(0, 1, 7, 255), 'a.word': Int32Array.of(-5, 0, 1 << 30, 12) },
  functions: { twice: (x) => (2 * x!) | 0 },
};

const BINARY = [bits, or, plus, same, less] as const;
/** Any expression that is about four elements. */
const expressions: fc.Arbitrary<Ex> = fc.letrec<{ ex: Ex }>((tie) => ({
  ex: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(fc.integer(), fc.constantFrom(I, TOKEN, col('a.byte'), col('a.word'))),
    fc.tuple(fc.constantFrom(...BINARY), tie('ex'), tie('ex')).map(([make, a, b]) => make(a, b)),
    fc.tuple(tie('ex'), tie('ex'), tie('ex')).map(([test, yes, no]) => cond(test, yes, no)),
    tie('ex').map((ex) => modulo(ex, 7)),
    tie('ex').map((ex) => call('twice', [ex])),
    tie('ex').map((ex) => table([3, 1, 4, 1], bits(ex, 3))),
    tie('ex').map((ex) => col('a.word', bits(ex, 3))),
  ),
})).ex;

describe('expressions', () => {
  it('mean the same when they are evaluated and when they are written as code', () => {
    fc.assert(
      fc.property(expressions, fc.nat(3), fc.nat(255), (value, i, j) => {
        const fields = [{ name: 'value', bits: 32, value }];
        const lots = [{ token: col('a.byte'), when: bits(I, 1), fields }];
        const said = [new Interpreted([SOURCE]), new Compiled([SOURCE])].map((backend) => {
          const out = new Int32Array(1);
          backend.writer(lots, 1)(i, out, 0);
          return [backend.word(fields)(i, j) | 0, out[0]];
        });
        expect(said[1]).toEqual(said[0]);
      }),
      { seed: 9, numRuns: 3000 },
    );
  });

  it('name what is not there', () => {
    for (const backend of [new Interpreted([SOURCE]), new Compiled([SOURCE])]) {
      const ask = (value: Ex) => (): unknown => backend.word([{ name: 'x', bits: 32, value }])(0, 0);
      expect(ask(col('a.bit'))).toThrow('no column a.bit in world 0');
      expect(ask(col('a.byte', I, 1))).toThrow('no column a.byte in world 1');
      expect(ask(call('thrice', []))).toThrow('no function thrice in world 0');
    }
  });
});

describe('fields', () => {
  it('are placed one after the other, in the next word where they do not fit', () => {
    const of = (...widths: number[]): string =>
      planOf(widths.map((bits, i) => ({ name: String(i), bits, value: 0 })))
        .fields.map((f) => `${f.word}:${f.shift}`)
        .join(' ');
    expect(of(3, 0, 5, 24, 8)).toBe('0:0 0:3 0:8 1:0');
    expect(of(31, 2, 30, 1)).toBe('0:0 1:0 1:2 2:0');
  });
  it('are refused where one is wider than a word, and where a value is wider than it', () => {
    expect(() => planOf([{ name: 'wide', bits: 33, value: 0 }])).toThrow(
      'wide: 33 bits are more than a word has',
    );
    const two = [17, 16].map((bits) => ({ name: `of ${bits}`, bits, value: 0 }));
    for (const backend of [new Interpreted([SOURCE]), new Compiled([SOURCE])])
      expect(() => backend.word(two)).toThrow('of 17, of 16: more bits than one word has');
    const narrow = new Interpreted([SOURCE]).word([{ name: 'narrow', bits: 2, value: I }]);
    expect(narrow(3, 0)).toBe(3);
    expect(() => narrow(4, 0)).toThrow('narrow: 4 does not fit into 2 bits');
  });
  it('are as wide as their values need', () => {
    expect([0, 1, 2, 3, 4, 255, 256].map(widthOf)).toEqual([0, 1, 2, 2, 3, 8, 9]);
  });
});

const text = (key: { readonly words: Int32Array; readonly length: number }): string =>
  key.words.subarray(0, key.length).join(' ');
const SETUPS: readonly Setup[] = [
  { ...setupOf('default', 'ext4-v5.17-stable'), pinBias: 4 },
  { ...pagesOf(['anon', 'private-file'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 4 },
];

describe('keys: the code says what the declarations say, whose values fit', () => {
  it.each(BUILT_IN.map((p) => [p.id, p] as const))('of one world, %s', (_, policy) => {
    for (const setup of SETUPS) {
      const world = new World(setup, expandPolicy(policy));
      const keys = (['class', 'property'] as const).map((grain) => [
        new KeyEncoder(world, 'all', grain),
        new KeyEncoder(world, 'all', grain, (sources) => new Interpreted(sources)),
      ]);
      const alphabet = alphabetFor(setup);
      const out = new Int32Array(4096);
      const rng = new Rng();
      rng.seed(3, 1, 4, 1);
      for (let i = 0; i < 300; i++) {
        if (i % 30 === 0 || world.ended) world.reset();
        const outcome = world.step(out[rng.below(world.enumerate(alphabet, out))]!);
        if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
        for (const [written, said] of keys) {
          written!.encode();
          said!.encode();
          expect(text(written!)).toBe(text(said!));
        }
      }
    }
  });
  it('of two worlds', () => {
    for (const setup of SETUPS) {
      const [a, b] = [BUILT_IN[1]!, BUILT_IN[4]!].map(expandPolicy);
      const model = new PairModel({ setup, a: a!, b: b!, alphabet: alphabetFor(setup) });
      const said = new PairKeyEncoder(model.a, model.b, (sources) => new Interpreted(sources));
      const start = new Int32Array(model.size);
      model.save(start, 0);
      const out = new Int32Array(4096);
      const rng = new Rng();
      rng.seed(3, 1, 4, 1);
      let ended = true;
      for (let i = 0; i < 600; i++) {
        if (i % 30 === 0 || ended) model.load(start, 0);
        ended = model.step(out[rng.below(model.enumerate(out))]!) === ENDED;
        if (ended) continue;
        model.key.encode();
        said.encode();
        expect(text(model.key)).toBe(text(said));
      }
    }
  });
});
