/** What the comparer says of a policy and a mutant of it: which of the two is worse, and up to where that is known. */
import { describe, expect, it } from 'vitest';
import { PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { before, derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { policyByName } from '../policies/index.ts';
import { COMPARER } from './comparer.ts';
import type { Comparison } from './judge.ts';
import { stepsText } from './run.ts';
import type { MutationScope } from './scopes.ts';

const v65 = policyByName('longterm-ban');
const policyOf = (edits: Parameters<typeof derive>[2]): ExpandedPolicy =>
  expandPolicy(derive(v65, { id: 'mine', title: 'mine', sources: [] }, edits));
const scopeOf = (kind: PageKind, mms: number, filesystem = 'ext4-v5.18'): MutationScope => ({
  name: kind,
  setup: { ...pagesOf([kind], filesystem), mms, refs: 1, pinBias: 1024 },
  gups: PLAIN_GUPS,
  depth: 9,
  statesMax: 100_000,
});
const ANON = scopeOf('anon', 2);
const FILE = scopeOf('shared-file', 1);
const PLAIN = policyOf({});
const ALWAYS_COPY = policyOf({ wpFault: [table(otherwise('copy'))] });

const compared = (a: ExpandedPolicy, b: ExpandedPolicy, scope: MutationScope, depth: number): Comparison =>
  COMPARER!(a, b)(scope, depth);
const steps = ({ scenario }: Comparison): string => (scenario === undefined ? '' : stepsText(scenario));

describe('costs', () => {
  it('a mutant that always copies is worse, and one that copies less is not', () => {
    const more = compared(PLAIN, ALWAYS_COPY, ANON, 2);
    expect(more).toMatchObject({
      differs: 'cost',
      worse: ['copies'],
      what: 'copies: 1, by the policy copies: 0',
      depth: 2,
    });
    expect(steps(more)).toBe('h1 = P: gup A pin R LONGTERM; P: write A');
    expect(compared(ALWAYS_COPY, PLAIN, ANON, 2)).toMatchObject({
      differs: 'cost',
      worse: [],
      what: 'copies: 0, by the policy copies: 1',
    });
  });

  it('of several differences, the one that costs the mutant more is told, although another is shorter', () => {
    const readsFirst = policyOf({
      gupSlow: [
        before(
          'no page, FOLL_WRITE',
          rule('read first', (f) => f.frame === 'none', 'read fault'),
        ),
      ],
    });
    const keeps = policyOf({ protectUpgrade: [table(otherwise('keep'))] });
    const one = { ...ANON, setup: { ...ANON.setup, mms: 1 }, gups: [gupVariant('pin', true, false, false)] };
    const short = compared(readsFirst, keeps, one, 3);
    expect([short.differs, short.worse, short.scenario!.steps.length]).toEqual(['cost', [], 1]);
    const found = compared(readsFirst, keeps, one, 4);
    expect([found.differs, found.worse]).toEqual(['cost', ['gupFaults']]);
    expect(steps(found)).toBe('P: write A; P: mprotect A r; P: mprotect A rw; h1 = P: gup A pin W');
  });

  it('what an observer sees goes before costs, and ends the comparison', () => {
    const found = compared(PLAIN, ALWAYS_COPY, ANON, 5);
    expect(found).toMatchObject({
      differs: 'observable',
      worse: ['copies'],
      what: 'sees 0, by the policy sees P@2',
      depth: 3,
    });
    expect(found.scenario!.steps).toHaveLength(3);
    expect(compared(ALWAYS_COPY, PLAIN, ANON, 5)).toMatchObject({ worse: [], depth: 3 });
  });
});

describe('refusals', () => {
  const refuses = (errno: 'EFAULT' | 'EOPNOTSUPP'): ExpandedPolicy =>
    policyOf({ gupKind: [table(otherwise(errno))] });

  it('a mutant that refuses is worse, and one that refuses less or otherwise does not refuse more', () => {
    const more = compared(PLAIN, refuses('EFAULT'), FILE, 2);
    expect([more.differs, more.worse, more.what]).toEqual([
      'observable',
      ['refused'],
      'refused: EFAULT, by the policy done',
    ]);
    const less = compared(refuses('EOPNOTSUPP'), PLAIN, FILE, 2);
    expect([less.worse, less.what]).toEqual([[], 'done, by the policy refused: EOPNOTSUPP']);
    const other = compared(refuses('EOPNOTSUPP'), refuses('EFAULT'), FILE, 2);
    expect([other.worse, other.what]).toEqual([[], 'refused: EFAULT, by the policy refused: EOPNOTSUPP']);
  });
});

describe('how far', () => {
  it('where there is no difference, as far as was asked for, or as there are states', () => {
    expect(compared(PLAIN, PLAIN, ANON, 3)).toEqual({ differs: 'none', worse: [], what: '', depth: 3 });
    const tiny = { ...ANON, setup: { ...ANON.setup, mms: 1, refs: 0 } };
    expect(compared(PLAIN, PLAIN, tiny, 30)).toEqual({ differs: 'none', worse: [], what: '', depth: 30 });
  });

  it('never further than the search came before it gave up', () => {
    const { differs, depth } = compared(PLAIN, PLAIN, { ...ANON, statesMax: 200 }, 5);
    expect(differs).toBe('none');
    expect(depth).toBeLessThan(5);
    // Only what lies within that is known: the observer at the third step is not met.
    expect(compared(PLAIN, ALWAYS_COPY, { ...ANON, statesMax: 50 }, 5)).toMatchObject({
      differs: 'cost',
      depth: 2,
    });
  });
});
