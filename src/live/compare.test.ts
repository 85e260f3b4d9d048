import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { derive, otherwise, type Policy, table, without } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import {
  brokenPromises,
  compare,
  compareWith,
  FREEDOMS,
  type LiveObserver,
  predict,
  stepsSeen,
} from './compare.ts';
import { FULL } from './full.ts';
import { modelKernel } from './model-kernel.ts';
import type { Kernel, LiveOutcome, LiveProgram, LiveResult } from './protocol.ts';
import { fitText, harm, matrixOf, reportText, runOnKernel } from './report.ts';
import { isUnsupported, type Translated, toLive } from './translate.ts';
import { bestFits } from './verdict.ts';

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
const mine = (edits: Parameters<typeof derive>[2], base: Policy = V65): Policy =>
  derive(base, { id: 'mine', title: 'mine', sources: [] }, edits);
/** io_uring pins file pages: what it stores dirties nothing, so that what is written or dropped when can be seen. */
const OPEN = mine(
  { gupKind: [without('io_uring: no file-backed buffers')] },
  policyByName('v6.2-anon-exclusive'),
);

/** A step of each observer that sees step 1, after it. */
const OBSERVERS: readonly (readonly [LiveObserver, PageKind, string])[] = [
  ['load', 'anon', 'P: write A\n P: read A'],
  ['device-load', 'anon', 'P: write A\n h1 = P: gup A vmsplice R\n device: dma_read h1'],
  ['dio-write', 'anon', 'P: write A\n h1 = P: gup A o_direct_write R\n device: dio_end h1'],
  ['file-read', 'shared-file', 'P: write F\n other: buffered_read f'],
  ['disk', 'shared-file', 'P: write F\n other: fsync f'],
];
/** All done, and the last step sees this. */
const endsWith = (t: Translated, seen: number): LiveResult =>
  result(...t.program.steps.slice(1).map(() => 'done'), seen);

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

  it.each(OBSERVERS)('compares what is seen by %s', (observer, kind, text) => {
    const t = live([kind], text);
    expect(compare(endsWith(t, 1), t, V65).disagreements).toEqual([]);
    expect(compare(endsWith(t, 77), t, V65).disagreements).toMatchObject([
      { step: t.scenario.steps.length - 1, observer, predicted: ['P@1'] },
    ]);
  });

  it('a policy that cannot answer agrees with nothing', () => {
    const t = live(['anon'], 'h1 = P: gup A vmsplice R');
    const c = compare(result('done'), t, mine({ gupSlow: [table(otherwise('read fault'))] }));
    expect(c.disagreements).toMatchObject([{ step: 0, observer: 'outcome', predicted: ['policy error'] }]);
    expect(c.failed).toMatch(/^step 1: gupSlow does not converge/);
  });

  it('compares whether an O_DIRECT call was refused', () => {
    const t = live(['anon'], 'P: write A\n h1 = P: gup A o_direct_read W\n device: dio_end h1\n P: read A');
    const refusing = mine({ gupKind: [table(otherwise('EFAULT'))] });
    expect(compare(result('done', 'refused EFAULT', 1), t, refusing)).toMatchObject({
      disagreements: [],
      incomplete: '',
    });
    expect(compare(result('done', 'done', 3), t, refusing).disagreements).toMatchObject([
      { step: 1, observer: 'outcome', predicted: ['refused EFAULT'], seen: 'done' },
    ]);
    expect(compare(result('done', 'refused EFAULT', 1), t, V65).disagreements).toMatchObject([
      { step: 1, observer: 'outcome', predicted: ['done'], seen: 'refused EFAULT' },
    ]);
  });

  it('compares refusals and their errno, and ends there', () => {
    const t = live(['shared-file'], 'h1 = P: gup F fixed_buffer W LONGTERM\n P: read F');
    expect(compare(result('refused EFAULT', 4096), t, V65).disagreements).toEqual([]);
    const other = compare(result('refused EOPNOTSUPP', 1), t, V65);
    expect(other.disagreements).toEqual([
      { step: 0, observer: 'outcome', predicted: ['refused EFAULT'], seen: 'refused EOPNOTSUPP' },
    ]);
    expect(
      compare(result('refused EOPNOTSUPP', 4096), t, policyByName('v6.2-anon-exclusive')).disagreements,
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
    expect(compare(result('done', 'done', 'done', 'done', 4096, 4), t, V65).disagreements).toHaveLength(1);
  });

  it('lets reclaim do nothing, and says that this was needed', () => {
    const t = live(
      ['shared-file'],
      `h1 = P: gup F vmsplice R
       kernel: reclaim f
       P: read F`,
    );
    expect(compare(result('done', 'done', 4096), t, V65).disagreements).toEqual([]);
    expect(FREEDOMS.every((f) => f.source !== '' && f.reason !== '')).toBe(true);
  });

  it('reports a freedom if and only if it was needed', () => {
    const t = live(
      ['shared-file'],
      `P: write F
       h1 = P: gup F fixed_buffer W LONGTERM
       kernel: wb_start f NONE
       device: dma_write h1
       device: unpin h1
       other: fsync f`,
    );
    const seen = (token: number) => compare(result('done', 'done', 'done', 'done', 'done', token), t, OPEN);
    // The I/O takes what the device stores, unless it is over before.
    expect(seen(4)).toMatchObject({ disagreements: [], freedoms: [] });
    expect(seen(1)).toMatchObject({ disagreements: [], freedoms: ['writeback-ends'] });
    expect(seen(4096).disagreements).toHaveLength(1);
  });

  it('gives no freedom to what is no request', () => {
    const t = live(
      ['shared-file'],
      `P: write F
       h1 = P: gup F fixed_buffer W LONGTERM
       kernel: wb_start f NONE
       kernel: wb_end f
       device: dma_write h1
       device: unpin h1
       other: fsync f`,
    );
    // Had writeback not been started, the page would be dirty, and fsync would write what the device stored.
    const seen = (token: number) => compare(result(...Array(6).fill('done'), token), t, OPEN).disagreements;
    expect(seen(1)).toEqual([]);
    expect(seen(5)).toMatchObject([{ step: 6, observer: 'disk', predicted: ['P@1'] }]);
  });

  it('a kernel that took a freedom has taken it for good', () => {
    const t = live(
      ['shared-file'],
      `h1 = P: gup F fixed_buffer W LONGTERM
       other: fsync f
       device: dma_write h1
       device: unpin h1
       kernel: reclaim f
       other: buffered_read f
       other: buffered_read f`,
    );
    const seen = (a: number, b: number) =>
      compareWith(
        result('done', 4096, 'done', 'done', 'done', a, b),
        t,
        expandPolicy(OPEN),
        FREEDOMS.map((f) => f.id),
      ).disagreements;
    expect([seen(3, 3), seen(4096, 4096)]).toEqual([[], []]);
    // Not reclaimed when it is looked at first, and never asked again.
    expect(seen(3, 4096)).toMatchObject([{ step: 6, observer: 'file-read', predicted: ['h1@3'] }]);
    expect(seen(4096, 3)).toHaveLength(1);
  });

  it('excuses a kernel warning only where ext4 may give one', () => {
    let log = ['WARNING: fs/ext4/inode.c', 'RIP: 0010:ext4_set_page_dirty+0x48/0x50'];
    const warned = (t: Translated, at: number, ...words: (number | string)[]): number[] => {
      const r = result(...words);
      const steps = r.steps.map((s, i) => (i === at ? { ...s, log } : s));
      return compare({ ...r, steps }, t, V65).disagreements.map((d) => d.step);
    };
    const seen = [0, 1, 2, 3];
    const plain = live(['shared-file'], 'P: write F\n h1 = P: gup F vmsplice R\n P: read F\n other: fsync f');
    expect(seen.map((at) => warned(plain, at, 'done', 'done', 1, 1))).toEqual([[0], [1], [2], [3]]);
    const held = live(
      ['shared-file'],
      'P: write F\n h1 = P: gup F process_vm_writev W\n P: read F\n other: fsync f',
    );
    expect(seen.map((at) => warned(held, at, 'done', 'done', 1, 1))).toEqual([[], [], [], []]);
    const shmem = live(['shmem'], 'P: write S\n h1 = P: gup S process_vm_writev W\n other: buffered_read s');
    expect(warned(shmem, 2, 'done', 'done', 1)).toEqual([2]);
    log = ['EXT4-fs warning (device vda)', 'WARNING: mm/gup.c']; // of somebody else as well
    expect(warned(held, 3, 'done', 'done', 1, 1)).toEqual([3]);
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
    const whole = result('done', 'done', 'done', 1);
    expect(compare(whole, live(['anon'], LEAK), V65).incomplete).toBe('');
    const stuck = compare(
      { ...whole, end: 'failed', why: 'a process cannot be killed' },
      live(['anon'], LEAK),
      V65,
    );
    expect(stuck.incomplete).toBe('failed a process cannot be killed');
  });

  it('observes contents, outcomes of gups and refusals, and nothing else', () => {
    const t = live(['anon'], 'P: write A\n h1 = P: gup A vmsplice R\n P: write A\n C = P: fork\n C: read A');
    expect(compare(result('done', 'done', 'done', 'done', 3), t, V65).observed).toBe(2);
    const forbidden = live(['anon'], 'P: mprotect A r\n P: write A');
    expect(compare(result('done', 'refused SIGSEGV'), forbidden, V65)).toMatchObject({
      disagreements: [],
      observed: 1,
    });
    // That it was done is seen too.
    expect(compare(result('done', 'done'), forbidden, V65)).toMatchObject({
      disagreements: [{ step: 1, observer: 'outcome', predicted: ['refused SIGSEGV'], seen: 'done' }],
      observed: 1,
    });
    const allowed = live(['anon'], 'P: write A\n P: mprotect A rw');
    expect(compare(result('done', 'done'), allowed, V65).observed).toBe(0);
  });

  it('skips what names a reference that was refused, as the model does', () => {
    const t = live(
      ['anon'],
      `P: munmap A
       h1 = P: gup A vmsplice R
       device: dma_read h1
       device: unpin h1
       h2 = P: gup A o_direct_read W
       device: dio_end h2`,
    );
    const none: LiveOutcome = { outcome: 'unsupported', why: 'no such reference', value: undefined, log: [] };
    const r = result('done', 'refused EFAULT', 'done', 'done', 'refused EFAULT');
    const seen = { ...r, steps: r.steps.map((s, i) => (i === 2 || i === 3 ? none : s)) };
    expect(compare(seen, t, V65)).toMatchObject({ disagreements: [], incomplete: '', observed: 2 });
    const words = ['done', 'refused EFAULT', 'skipped', 'skipped', 'refused EFAULT', 'skipped'];
    expect(stepsSeen(seen, t)).toEqual(words);
    expect(predict(t, V65)).toEqual(words.map((w) => [w]));
    const ended = { ...seen, steps: seen.steps.slice(0, 2), end: 'timeout' as const };
    expect(stepsSeen(ended, t)).toEqual(['done', 'refused EFAULT', '', '', '', '']);
  });

  it('says why a step does not apply', () => {
    const t = live(['anon'], 'P: write A\n P: exit');
    expect(compare(result('done', 'done'), t, V65)).toMatchObject({
      incomplete: 'step 2 does not apply: P is the last process, and one must be left',
      ended: 'does not apply',
    });
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

  it.each(OBSERVERS)('are those that %s sees', (observer, kind, text) => {
    const t = live([kind], text);
    const step = t.scenario.steps.length - 1;
    expect(brokenPromises(endsWith(t, 1), t)).toEqual([]);
    for (const [seen, name] of [
      [kind === 'anon' ? 0 : 4096, kind === 'anon' ? '0' : 'f@0'],
      [77, 'no token of this program (77)'],
    ] as const)
      expect(brokenPromises(endsWith(t, seen), t)).toMatchObject([
        { step, observer, seen: name, excuse: '' },
      ]);
  });

  it('are not those of a reference that was refused, whose program goes on', () => {
    const t = live(
      ['anon'],
      'P: write A\n h1 = P: gup A fixed_buffer W LONGTERM\n device: dma_write h1\n P: read A',
    );
    const r = result('done', 'refused EFAULT', 'done', 0);
    const none: LiveOutcome = { outcome: 'unsupported', why: 'no such reference', value: undefined, log: [] };
    const seen = { ...r, steps: r.steps.map((s, i) => (i === 2 ? none : s)) };
    expect(brokenPromises(seen, t)).toMatchObject([{ step: 3, expected: 'P@1', seen: '0' }]);
  });

  it('are excused where documentation says so', () => {
    const t = live(
      ['shared-file'],
      `h1 = P: gup F fixed_buffer W LONGTERM
       device: dma_write h1
       device: unpin h1
       other: buffered_read f`,
    );
    expect(brokenPromises(result('done', 'done', 'done', 4096), t)).toMatchObject([
      { step: 3, observer: 'file-read', seen: 'f@0', excuse: expect.stringContaining('pin_user_pages.rst') },
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
    const b17 = {
      setup: scenario.setup,
      steps: parseSteps('P: write A\n C = P: fork\n h1 = P: gup A pin R\n P: write A\n device: dma_read h1'),
    };
    const held = {
      setup: scenario.setup,
      steps: parseSteps('h1 = P: gup A get W'),
    };
    const reports = await runOnKernel(
      kernel,
      [
        { name: 'leak', scenario },
        { name: 'b17', scenario: b17 },
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

  /** Run n of a program as the nth of these, round and round. */
  const inTurn = (...results: LiveResult[]): Kernel => ({
    ...modelKernel({ policy: V65 }),
    run: async (programs) => programs.map((_, i) => results[i % results.length]!),
  });
  const [V57, CANARY, V65X] = ['v5.7-mapcount', 'canary', 'v6.5-longterm-ban'].map((id) =>
    expandPolicy(policyByName(id)),
  ) as [ExpandedPolicy, ExpandedPolicy, ExpandedPolicy];
  const [KEPT, LEAKED] = [result('done', 'done', 'done', 1), result('done', 'done', 'done', 3)];

  it('a policy fits if it explains every run', async () => {
    const [report] = await runOnKernel(inTurn(KEPT, LEAKED), [{ name: 'leak', scenario }], [CANARY, V65X], 4);
    expect(report!.fits.map((f) => f.agrees)).toEqual([2, 2]);
    expect([...report!.seen[3]!]).toEqual([
      ['P@1', 2],
      ['C@3', 2],
    ]);
    expect(report!.broken).toMatchObject([{ step: 3, seen: 'C@3', runs: 2 }]);
    expect(bestFits([report!])).toMatchObject({ of: 1, agrees: 0 });
    expect(matrixOf([[report!]])).toMatch(/broken; as no policy$/m);
    const text = reportText(report!);
    expect(text).toContain('canary agrees in 2 of 4 runs\n  v6.5-longterm-ban agrees in 2 of 4 runs\n');
    expect(text).toMatch(/P: read A +P@1 \(2\), C@3 \(2\) +C@3 ! +P@1 !$/m);
  });

  it('the canary is never the best fit', async () => {
    const reports = await runOnKernel(inTurn(LEAKED), [{ name: 'leak', scenario }], [CANARY, V65X], 2);
    expect(reports[0]!.fits.map((f) => f.agrees)).toEqual([2, 0]);
    expect(bestFits(reports)).toEqual({ policies: ['v6.5-longterm-ban'], of: 1, agrees: 0 });
    expect(matrixOf([reports])).toMatch(/broken; as no policy$/m);
  });

  it('what shows nothing, or is not run to its end, fits no policy', async () => {
    const blind = { ...scenario, steps: scenario.steps.slice(0, 1) };
    const [nothing] = await runOnKernel(inTurn(result('done')), [{ name: 'x', scenario: blind }], [V65X], 1);
    expect([nothing!.verdict.kind, nothing!.fits[0]!.agrees]).toEqual(['nothing observed', 0]);
    const stuck = inTurn(KEPT, { ...KEPT, end: 'timeout' });
    const reports = await runOnKernel(stuck, [{ name: 'leak', scenario }], [V65X], 2);
    expect([reports[0]!.verdict, reports[0]!.fits[0]!.agrees]).toEqual([
      { kind: 'incomplete', by: [], why: 'timeout' },
      1,
    ]);
    expect(bestFits(reports).of).toBe(0);
    expect(reportText(reports[0]!)).toContain(': incomplete, not a pass: timeout\n');
    expect(matrixOf([reports])).toMatch(/^leak +incomplete$/m);
    expect(fitText('k', reports)).toBe('k: nothing could be tested: 1 incomplete\n');
  });

  it('an accident in one run is none of the kernel; in two it is', async () => {
    const ends = async (...results: LiveResult[]) => {
      const [r] = await runOnKernel(inTurn(...results), [{ name: 'x', scenario }], [V65X], results.length);
      return r!.verdict.kind;
    };
    for (const end of [
      { end: 'timeout', why: '' },
      { end: 'killed', why: 'SIGKILL' },
    ] as const) {
      const early = { ...KEPT, steps: KEPT.steps.slice(0, 2), ...end };
      expect([await ends(KEPT, early, KEPT), await ends(early, KEPT, early)]).toEqual([
        'incomplete',
        'not explained',
      ]);
    }
    // Of that which the kernel speaks it is no accident, nor of another signal.
    for (const why of ['SIGKILL; kernel BUG at mm/x.c', 'SIGBUS'])
      expect(await ends(KEPT, { ...KEPT, steps: [], end: 'killed', why })).toBe('not explained');
  });

  it('each scenario has its own runs, and what is refused has none', async () => {
    const ran: LiveProgram[] = [];
    const model = modelKernel({ policy: V57 });
    const kernel: Kernel = {
      ...model,
      run: (programs) => {
        ran.push(...programs);
        return model.run(programs);
      },
    };
    const short = (n: number) => ({ ...scenario, steps: scenario.steps.slice(0, n) });
    const reports = await runOnKernel(
      kernel,
      [2, 4, 1].map((n) => ({ name: `${n}`, scenario: short(n) })),
      [V57],
      2,
      ({ steps }) => (steps.length === 2 ? 'may do harm' : ''),
    );
    expect(reports.map((r) => [r.verdict.why, r.runs])).toEqual([
      ['may do harm', 0],
      ['', 2],
      ['', 2],
    ]);
    expect(ran.map(({ steps }) => steps.length)).toEqual([4, 4, 1, 1]);
    expect(reports[1]!.seen.map((map) => [...map.keys()].join())).toEqual(['done', 'done', 'done', 'P@1']);
  });

  it('say what was excused, and by which freedom a policy agrees', async () => {
    const lost = live(
      ['shared-file'],
      `h1 = P: gup F fixed_buffer W LONGTERM
       other: fsync f
       device: dma_write h1
       device: unpin h1
       kernel: reclaim f
       other: buffered_read f`,
    );
    const open = expandPolicy(OPEN);
    const named = [{ name: 'lost', scenario: lost.scenario }];
    const [gone, stays] = [4096, 3].map((seen) => result('done', 4096, 'done', 'done', 'done', seen));
    const dropped = await runOnKernel(inTurn(gone!), named, [open], 1);
    expect(reportText(dropped[0]!)).toMatch(/^ {2}documented \(.*\): step 6 saw f@0/m);
    expect(matrixOf([dropped])).toMatch(/ documented; as mine$/m);
    const kept = await runOnKernel(inTurn(stays!, gone!), named, [open], 2);
    expect(kept[0]!.broken).toMatchObject([{ runs: 1 }]);
    expect([dropped, kept].map(([r]) => r!.fits[0]!.agrees)).toEqual([1, 2]);
    expect([...dropped, ...kept].map((r) => r.fits[0]!.freedoms)).toContainEqual(['nothing-reclaimed']);
    expect(reportText(kept[0]!)).toContain('mine agrees as reclaim and drop_caches are requests');
  });

  it.each([
    ['h1 = P: gup F process_vm_writev W\n kernel: drop_caches f\n device: unpin h1 dirty', true],
    ['h1 = P: gup F process_vm_writev W\n device: unpin h1 dirty\n kernel: reclaim f', true],
    ['kernel: reclaim f\n h1 = P: gup F o_direct_read W\n device: dio_end h1', true],
    ['h1 = P: gup F o_direct_write R\n device: dio_end h1\n kernel: reclaim f', false],
    ['h1 = P: gup F process_vm_readv R\n device: unpin h1\n kernel: drop_caches f', false],
    ['h1 = P: gup F process_vm_writev W\n device: unpin h1 dirty\n other: fsync f', false],
    ['h1 = P: gup M process_vm_writev W\n device: unpin h1 dirty\n kernel: reclaim f', false],
    ['P: write F\n kernel: drop_caches f', false],
  ])('know what could make a kernel warn: %s', (text, risky) => {
    expect(harm(live(['shared-file', 'private-file'], text).program)).toMatch(risky ? /B47/ : /^$/);
  });

  it('know of which file', () => {
    const { program } = live(
      ['shared-file'],
      'h1 = P: gup F process_vm_writev W\n kernel: reclaim f\n device: unpin h1 dirty',
    );
    const second: LiveProgram = {
      ...program,
      files: ['dir', 'dir'],
      pages: [{ ...program.pages[0]!, file: 1 }],
    };
    expect(harm(second)).toBe('');
    const steps = second.steps.map((s) => (s.op === 'reclaim' ? { ...s, file: 1 } : s));
    expect(harm({ ...second, steps })).toMatch(/B47/);
  });
});
