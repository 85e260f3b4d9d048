import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { brokenPromises, compare, FREEDOMS, predict } from './compare.ts';
import { FULL, modelKernel } from './model-kernel.ts';
import type { LiveOutcome, LiveResult } from './protocol.ts';
import { bestFits, fitText, harm, reportText, runOnKernel } from './report.ts';
import { isUnsupported, type Translated, toLive } from './translate.ts';

const V65 = policyByName('v6.5-longterm-ban');
const live = (kinds: readonly PageKind[], text: string): Translated => {
  const t = toLive(
    { setup: { ...pagesOf(kinds, 'ext4-v5.18'), mms: 3, refs: 3, pinBias: 1024 }, steps: parseSteps(text) },
    FULL,
  );
  if (isUnsupported(t)) throw new Error(t.unsupported);
  return t;
};
/** `done`, a number seen, or `refused X`. */
const result = (...words: (number | string)[]): LiveResult => ({
  steps: words.map((w): LiveOutcome => {
    const refused = typeof w === 'string' && w.startsWith('refused');
    return {
      outcome: refused ? 'refused' : 'done',
      why: refused ? String(w).slice(8) : '',
      value: typeof w === 'number' ? w : undefined,
      log: [],
    };
  }),
  end: 'ok',
  why: '',
});
const LEAK = 'P: write A\n C = P: fork\n C: write A\n P: read A';

describe('compare', () => {
  it('knows what each policy allows', () => {
    expect(predict(live(['anon'], LEAK), V65)).toEqual([['done'], ['done'], ['done'], ['P@1']]);
    expect(predict(live(['anon'], LEAK), policyByName('canary')).at(-1)).toEqual(['C@3']);
  });

  it('says which observer saw what else', () => {
    const c = compare(result('done', 'done', 'done', 3), live(['anon'], LEAK), V65);
    expect(c.disagreements).toEqual([{ step: 3, observer: 'load', predicted: ['P@1'], seen: 'C@3' }]);
    expect(c.observed).toBe(1);
    expect(compare(result('done', 'done', 'done', 1), live(['anon'], LEAK), V65).disagreements).toEqual([]);
    const garbage = compare(result('done', 'done', 'done', 77), live(['anon'], LEAK), V65);
    expect(garbage.disagreements[0]!.seen).toMatch(/no token/);
  });

  it('compares refusals and their errno, and ends there', () => {
    const t = live(['shared-file'], 'h1 = P: gup F fixed_buffer W LONGTERM\n P: read F');
    expect(compare(result('refused EFAULT', 256), t, V65).disagreements).toEqual([]);
    const other = compare(result('refused EOPNOTSUPP', 1), t, V65);
    expect(other.disagreements).toEqual([
      { step: 0, observer: 'outcome', predicted: ['refused EFAULT'], seen: 'refused EOPNOTSUPP' },
    ]);
    expect(
      compare(result('refused EOPNOTSUPP', 256), t, policyByName('v6.2-anon-exclusive')).disagreements,
    ).toEqual([]);
  });

  it('lets writeback end when it likes, but not show what was never there', () => {
    // The device stores after mkclean; whether that is on the disk depends on when the I/O ended.
    const t = live(
      ['shared-file'],
      `P: write F
       h1 = P: gup F process_vm_writev W
       kernel: wb_start f NONE
       device: dma_write h1
       device: unpin h1 dirty
       other: fsync f
       other: buffered_read f`,
    );
    for (const seen of [4])
      expect(compare(result('done', 'done', 'done', 'done', seen, 4), t, V65).disagreements).toEqual([]);
    expect(compare(result('done', 'done', 'done', 'done', 256, 4), t, V65).disagreements).toHaveLength(1);
  });

  it('lets reclaim do nothing, and says that this was needed', () => {
    const t = live(
      ['shared-file'],
      `h1 = P: gup F vmsplice R
       kernel: reclaim f
       P: read F`,
    );
    expect(compare(result('done', 'done', 256), t, V65).disagreements).toEqual([]);
    expect(FREEDOMS.every((f) => f.source !== '' && f.reason !== '')).toBe(true);
  });

  it('counts a kernel warning that nothing explains', () => {
    const r = result('done', 'done', 'done', 1);
    const steps = r.steps.map((s, i) => (i === 2 ? { ...s, log: ['WARNING: mm/gup.c'] } : s));
    const c = compare({ ...r, steps }, live(['anon'], LEAK), V65);
    expect(c.disagreements[0]).toMatchObject({ step: 2, observer: 'log' });
  });

  it('is incomplete, not in agreement, where the program ended early', () => {
    const r = result('done', 'done');
    expect(compare({ ...r, end: 'timeout' }, live(['anon'], LEAK), V65).incomplete).toMatch(/timeout/);
  });
});

describe('brokenPromises', () => {
  it('are judged without a policy', () => {
    const t = live(['anon'], LEAK);
    expect(brokenPromises(result('done', 'done', 'done', 1), t)).toEqual([]);
    expect(brokenPromises(result('done', 'done', 'done', 3), t)).toEqual([
      { step: 3, observer: 'load', damage: 'leak', seen: 'C@3', expected: 'P@1', excuse: '' },
    ]);
  });

  it('are those of the device too', () => {
    const t = live(
      ['anon'],
      'P: write A\n C = P: fork\n h1 = P: gup A pin R\n P: write A\n device: dma_read h1',
    );
    expect(brokenPromises(result('done', 'done', 'done', 'done', 1), t)).toMatchObject([
      { observer: 'device-load', damage: 'stale', seen: 'P@1', expected: 'P@4' },
    ]);
  });
});

describe('reports', () => {
  const scenario = live(['anon'], LEAK).scenario;

  it('find the policy that fits', async () => {
    const policies = ['v5.7-mapcount', 'v5.11-page-count', 'v6.5-longterm-ban', 'canary'].map(policyByName);
    const { expandPolicy } = await import('../machine/tables.ts');
    const kernel = modelKernel({ policy: policyByName('v5.11-page-count') });
    const b17 = live(
      ['anon'],
      'P: write A\n C = P: fork\n h1 = P: gup A pin R\n P: write A\n device: dma_read h1',
    );
    const held = {
      setup: scenario.setup,
      steps: parseSteps('h1 = P: gup A get W'),
    };
    const reports = await runOnKernel(
      kernel,
      [
        { name: 'leak', scenario },
        { name: 'b17', scenario: b17.scenario },
        { name: 'held', scenario: held },
      ],
      policies.map(expandPolicy),
      3,
    );
    expect(bestFits(reports)).toEqual({
      policies: ['v5.7-mapcount', 'v5.11-page-count'],
      of: 2,
      agrees: 2,
    });
    expect(reportText(reports[1]!)).toContain('promise broken on this kernel: step 5 saw P@1 instead of P@4');
    expect(reportText(reports[2]!)).toContain('unsupported: h1 = P: gup A get W: no system call');
    expect(fitText('k', reports)).toContain('2 of 3 scenarios tested');
  });

  it('know what could make a kernel warn', () => {
    const risky = live(
      ['shared-file'],
      'h1 = P: gup F process_vm_writev W\n kernel: drop_caches f\n device: unpin h1 dirty',
    );
    expect(harm(risky.program)).toMatch(/B47/);
    expect(harm(live(['shared-file'], 'P: write F\n kernel: drop_caches f').program)).toBe('');
    expect(harm(live(['anon'], LEAK).program)).toBe('');
  });
});
