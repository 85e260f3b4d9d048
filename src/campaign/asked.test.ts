import { describe, expect, it } from 'vitest';
import { alphabetFor, pagesOf } from '../check/scope.ts';
import { derive, otherwise, table, without } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { policyByName } from '../policies/index.ts';
import { notInterleaved, notInterleavedText, unasked } from './asked.ts';

const BASE = policyByName('v6.5-longterm-ban');
const b = expandPolicy(BASE);
const of = (changes: Parameters<typeof derive>[2]) =>
  expandPolicy(derive(BASE, { id: 'mine', title: 'mine', sources: ['a test'] }, changes));
/** GUP-fast hands out an R/O pin of a page that is shared with a child. */
const FAST = of({ gupFast: [without('R/O pin of an anon page, not exclusive')] });
const setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
const spec = (a: typeof b, fast: boolean) => ({
  setup,
  alphabet: alphabetFor(setup, [gupVariant('pin', false, false, fast)]),
  a,
  b,
});

describe('what only interleaved operations ask', () => {
  const ignored = [table<'writeProtectSeq'>(otherwise('ignore'))];
  it('is not tested where none are interleaved, and all of a change may be that', () => {
    const not = notInterleaved([setup], b, of({ writeProtectSeq: ignored }))!;
    expect(not).toEqual({ decisions: ['writeProtectSeq'], alone: true });
    expect(notInterleavedText(not)).toBe(
      'not tested: writeProtectSeq is asked only where operations are interleaved (--scope race, or --tasks 2)',
    );
    const more = of({ writeProtectSeq: ignored, wpFault: [table(otherwise('copy'))] });
    expect(notInterleaved([setup], b, more)).toEqual({ decisions: ['writeProtectSeq'], alone: false });
  });
  it('is tested in one setup of several; of what does not differ nothing is said', () => {
    expect(
      notInterleaved([setup, { ...setup, tasks: 2 }], b, of({ writeProtectSeq: ignored })),
    ).toBeUndefined();
    expect(notInterleaved([setup], b, FAST)).toBeUndefined();
  });
});

describe('whether anybody asks what two policies answer differently', () => {
  it('nobody, where no program takes the fast path', async () => {
    expect(await unasked(spec(FAST, false), Infinity)).toEqual({ decisions: ['gupFast'], steps: Infinity });
  });

  it('somebody, where one does; but it takes a store, a fork and a gup', async () => {
    expect(await unasked(spec(FAST, true), Infinity)).toBeUndefined();
    expect(await unasked(spec(FAST, true), 3)).toBeUndefined();
    expect(await unasked(spec(FAST, true), 2)).toEqual({ decisions: ['gupFast'], steps: 2 });
  });

  it('says nothing of policies that are alike', async () => {
    expect(await unasked(spec(of({}), false), 3)).toBeUndefined();
  });

  it('names all decision points that differ', async () => {
    const other = of({
      wbBegin: [table(otherwise('keep dirty'))],
      stripBuffers: [table(otherwise('strip'))],
    });
    const told = await unasked(spec(other, false), Infinity);
    expect(told).toEqual({ decisions: ['stripBuffers', 'wbBegin'], steps: Infinity });
  });
});
