// @slow: mutants are judged
import { describe, expect, it } from 'vitest';
import { PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { runScenario } from '../executor/run.ts';
import { DECISION_NAMES, type DecisionName } from '../machine/decisions.ts';
import { derive, type Policy } from '../machine/policy.ts';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { COMPARER } from './comparer.ts';
import { type Comparison, Judge, type Judged, type JudgeOptions } from './judge.ts';
import { mutantsOf, mutationId } from './mutants.ts';
import { type Explained, mutate, mutating, stepsText, summaryOf, summaryText } from './run.ts';
import type { MutationScope } from './scopes.ts';

const SMALL: MutationScope = {
  name: 'small',
  setup: { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 },
  gups: PLAIN_GUPS,
  depth: 5,
  statesMax: 100_000,
};
const FILE: MutationScope = {
  name: 'file',
  setup: { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 },
  gups: PLAIN_GUPS,
  depth: 5,
  statesMax: 100_000,
};
const ladderOf = (...scopes: MutationScope[]): NonNullable<JudgeOptions['ladder']> =>
  Object.fromEntries(DECISION_NAMES.map((name) => [name, scopes])) as unknown as {
    readonly [D in DecisionName]: readonly MutationScope[];
  };

/** The verdict on one mutant, as `mutationId` has it. */
function judged(policy: Policy, id: string, options: JudgeOptions = {}): Judged {
  const expanded = withConditions(expandPolicy(policy), policy);
  const table = id.slice(0, id.indexOf('/')) as DecisionName;
  const mutant = mutantsOf(expanded, { table }).find((m) => mutationId(m.mutation) === id);
  if (mutant === undefined) throw new Error(`${policy.id} has no mutant ${id}`);
  return new Judge(expanded, { ladder: ladderOf(SMALL), ...options }).judge(mutant);
}

const longtermBan = policyByName('longterm-ban');
const canary = policyByName('canary');

describe('killed', () => {
  it('with a shortest scenario that violates under the mutant and not under the policy', () => {
    const {
      verdict,
      class: id,
      scenario,
      scope,
      covered,
    } = judged(longtermBan, 'wpFault/exclusive: dropped');
    expect([verdict, id, scope]).toEqual([
      'killed',
      'pin-coherence/stale/anon/PIN-R-LT/cpu->device',
      'small',
    ]);
    expect(scenario!.steps).toHaveLength(3);
    expect(covered).toEqual([{ scope: 'small', depth: 3, how: 'searched' }]);
    expect(runScenario(scenario!, expandPolicy(longtermBan)).verdict).toBe('not violated');
  });

  it('not by a class that the policy breaks itself', () => {
    const id = 'gupSlow/R/O pin of an anon page, not exclusive: dropped';
    expect(judged(longtermBan, id)).toMatchObject({
      verdict: 'killed',
      class: 'pin-coherence/stale/anon/PIN-R/cpu->device',
    });
    expect(judged(canary, id).verdict).toBe('not killed');
  });

  it('by a claim of the policy, if nothing better is found', () => {
    const id = 'gupSlow/R/O pin of an anon page, not exclusive: dropped';
    const early = judged(longtermBan, id, { ladder: ladderOf({ ...SMALL, depth: 3 }) });
    expect(early.class).toBe('claim: pinned anon folio => exclusive/stale/anon/-/initial->filesystem');
    expect([early.verdict, early.scenario!.steps.length]).toEqual(['killed', 3]);
    const later = judged(longtermBan, id);
    expect([later.class, later.scenario!.steps.length]).toEqual([
      'pin-coherence/stale/anon/PIN-R/cpu->device',
      5,
    ]);
  });

  it('by the next scope of the ladder, where the first cannot tell', () => {
    const id = 'stripBuffers/reclaim, maybe pinned: dropped';
    const { verdict, scope, covered } = judged(longtermBan, id, { ladder: ladderOf(SMALL, FILE) });
    expect([verdict, scope]).toEqual(['killed', 'file']);
    expect(covered).toEqual([
      { scope: 'small', depth: 5, how: 'never asked' },
      { scope: 'file', depth: 4, how: 'searched' },
    ]);
  });
});

describe('policy error', () => {
  it.each([
    ['no page: dropped', 'gupSlow returned a page where none is mapped', 1],
    ['otherwise: answer read fault', 'gupSlow does not converge: read fault again after 8 rounds', 1],
    [
      'R/O pin of an anon page, not exclusive: answer read fault',
      'gupSlow does not converge: read fault again after 8 rounds',
      3,
    ],
  ])('gupSlow/%s', (id, detail, length) => {
    const found = judged(longtermBan, `gupSlow/${id}`);
    expect(found).toMatchObject({ verdict: 'policy error', class: '' });
    expect(found.detail.startsWith(detail)).toBe(true);
    expect(found.scenario!.steps).toHaveLength(length);
    expect(runScenario(found.scenario!, expandPolicy(longtermBan)).policyError).toBe('');
  });
});

describe('survivors', () => {
  it('same table: nothing is searched', () => {
    expect(judged(longtermBan, 'gupKind/pin_user_pages: after process_vm_access')).toMatchObject({
      verdict: 'same table',
      covered: [],
    });
  });

  it('equivalent, if the facts with another answer never occur', () => {
    expect(judged(longtermBan, 'unshareFault/exclusive: dropped')).toMatchObject({
      verdict: 'equivalent',
      covered: [{ scope: 'small', depth: 5, how: 'never asked' }],
    });
  });

  const ONLY = 'wpFault/only reference: dropped';
  it('not killed up to a depth, if nothing compares them', () => {
    expect(judged(longtermBan, ONLY)).toMatchObject({
      verdict: 'not killed',
      scope: '',
      covered: [{ scope: 'small', depth: 5, how: 'searched' }],
    });
  });

  it('not killed, and how far it was searched, where the search gives up', () => {
    const ladder = ladderOf({ ...SMALL, statesMax: 200 });
    const { verdict, covered } = judged(longtermBan, 'gupSlow/no page: answer write fault', { ladder });
    expect([verdict, covered[0]!.how]).toEqual(['not killed', 'states']);
    expect(covered[0]!.depth).toBeLessThan(5);
  });

  const none: Comparison = { differs: 'none', worse: [], what: '', depth: 5 };
  it.each([
    ['equivalent', none, ''],
    ['cost', { ...none, differs: 'cost', worse: ['copies'], what: 'copies 1 more' }, 'copies 1 more'],
    ['differs', { ...none, differs: 'observable', what: 'another errno' }, 'another errno'],
  ] as const)('%s, if the comparison says so', (verdict, comparison, detail) => {
    const asked: string[] = [];
    const found = judged(longtermBan, ONLY, {
      ladder: ladderOf(SMALL, FILE),
      compare: (policy, mutant) => (scope, depth) => {
        asked.push(`${policy.id} ${policy === mutant} ${scope.name} ${depth}`);
        return comparison;
      },
    });
    expect([found.verdict, found.detail]).toEqual([verdict, detail]);
    expect(found.covered).toEqual([
      { scope: 'small', depth: 5, how: 'searched', compared: 5 },
      { scope: 'file', depth: 5, how: 'never asked' },
    ]);
    // The file scope has no anonymous page: the question is never asked there, so there is nothing to compare.
    expect(asked).toEqual(['v6.5-longterm-ban false small 5']);
  });
});

describe('a search that gives up', () => {
  const poor = ladderOf({ ...SMALL, statesMax: 200 });
  const NEVER = 'unshareFault/exclusive: dropped';
  /** How far the policy itself came. */
  const ofPolicy = judged(longtermBan, NEVER, { ladder: poor }).covered[0]!.depth;

  it('of the policy: nothing is said of what is deeper, not even that a question never comes up', () => {
    expect(ofPolicy).toBeGreaterThan(0);
    expect(ofPolicy).toBeLessThan(5);
    expect(judged(longtermBan, NEVER, { ladder: poor }).covered).toEqual([
      { scope: 'small', depth: ofPolicy, how: 'never asked' },
    ]);
  });

  it('of the policy: a mutant that has fewer states is not searched any deeper', () => {
    const refuses = 'gupKind/otherwise: answer EFAULT';
    const deep = judged(longtermBan, refuses, { ladder: ladderOf({ ...SMALL, statesMax: 60 }) });
    expect(deep.covered).toEqual([{ scope: 'small', depth: expect.any(Number), how: 'states' }]);
    expect(deep.covered[0]!.depth).toBe(
      judged(longtermBan, NEVER, { ladder: ladderOf({ ...SMALL, statesMax: 60 }) }).covered[0]!.depth,
    );
  });

  it('is compared within the steps that it covered, and says how far that came', () => {
    const expanded = withConditions(expandPolicy(longtermBan), longtermBan);
    const asked: number[] = [];
    const judge = new Judge(expanded, {
      ladder: poor,
      compare: () => (_, depth) => {
        asked.push(depth);
        return { differs: 'none', worse: [], what: '', depth: depth - 1 };
      },
    });
    for (const mutant of mutantsOf(expanded, { table: 'gupSlow' })) {
      asked.length = 0;
      const { verdict, covered } = judge.judge(mutant);
      if (verdict !== 'equivalent' || asked.length === 0) continue;
      const { depth, how, compared } = covered[0]!;
      expect([how, asked, compared], mutationId(mutant.mutation)).toEqual(['states', [depth], depth - 1]);
      expect(depth).toBeLessThanOrEqual(ofPolicy);
    }
  });

  it('a scope of which every state was visited is covered to any depth', () => {
    const tiny = { ...SMALL, setup: { ...SMALL.setup, mms: 1, refs: 0 }, depth: 40 };
    const { covered } = judged(longtermBan, NEVER, { ladder: ladderOf(tiny) });
    expect(covered).toEqual([{ scope: 'small', depth: 40, how: 'never asked' }]);
  });
});

describe('scopes and mutants one after the other', () => {
  it('what is said of a mutant does not depend on those judged before, of other decision points too', () => {
    const mapcount = policyByName('mapcount');
    const expanded = withConditions(expandPolicy(mapcount), mapcount);
    const ladder = ladderOf({ ...SMALL, depth: 3 }, { ...FILE, depth: 2 });
    const one = new Judge(expanded, { ladder });
    for (const mutant of mutantsOf(expanded).filter(
      (m) => m.mutation.rule === 'otherwise' || m.mutation.table === 'wpFault',
    ))
      expect(one.judge(mutant), mutationId(mutant.mutation)).toEqual(
        new Judge(expanded, { ladder }).judge(mutant),
      );
  });

  it('two scopes of the same pages that differ in depth, in states or in gups are searched each', () => {
    const id = 'gupSlow/R/O pin of an anon page, not exclusive: dropped';
    const shallow = { ...SMALL, name: 'shallow', depth: 1 };
    const poor = { ...SMALL, name: 'poor', statesMax: 20 };
    const gets = { ...SMALL, name: 'gets', gups: PLAIN_GUPS.slice(0, 1), depth: 5 };
    for (const first of [shallow, poor, gets]) {
      const { verdict, scope, covered } = judged(longtermBan, id, { ladder: ladderOf(first, SMALL) });
      expect([verdict, scope, covered[0]!.how], first.name).toEqual(['killed', 'small', 'never asked']);
    }
  });
});

describe('what compares', () => {
  it('notes how far it came at the scope that it was asked for, and keeps the first difference', () => {
    const none: Comparison = { differs: 'none', worse: [], what: '', depth: 4 };
    const found = judged(longtermBan, 'wpFault/only reference: dropped', {
      ladder: ladderOf(FILE, SMALL, { ...SMALL, name: 'again' }, { ...SMALL, name: 'last' }),
      compare: () => (scope) =>
        scope.name === 'last' ? none : { ...none, differs: 'observable', what: `seen in ${scope.name}` },
    });
    expect([found.verdict, found.scope, found.detail]).toEqual(['differs', 'small', 'seen in small']);
    expect(found.covered.map((c) => [c.scope, c.compared])).toEqual([
      ['file', undefined],
      ['small', 4],
      ['again', 4],
      ['last', 4],
    ]);
  });

  it('goes on to the next scope until one costs more', () => {
    const none: Comparison = { differs: 'none', worse: [], what: '', depth: 5 };
    const said: Record<string, Comparison> = {
      small: { ...none, differs: 'observable', what: 'another errno' },
      again: { ...none, differs: 'cost', worse: ['copies'], what: 'a copy more' },
    };
    const found = judged(longtermBan, 'wpFault/only reference: dropped', {
      ladder: ladderOf(SMALL, { ...SMALL, name: 'again' }, { ...SMALL, name: 'never' }),
      compare: () => (scope) => said[scope.name]!,
    });
    expect([found.verdict, found.scope, found.detail]).toEqual(['cost', 'again', 'a copy more']);
  });

  it('a refusal costs more, and what costs less only differs', () => {
    const id = 'gupSlow/no page: answer EFAULT';
    expect(judged(longtermBan, id, { compare: COMPARER })).toMatchObject({
      verdict: 'cost',
      detail: 'refused: EFAULT, by the policy done',
    });
  });
});

describe('a run', () => {
  const expanded = withConditions(expandPolicy(longtermBan), longtermBan);
  const run = () => mutate(expanded, { table: 'wpFault', ladder: ladderOf(SMALL), compare: undefined });

  it('is the same each time, and counts its verdicts', () => {
    const result = run();
    expect(run()).toEqual(result);
    expect(result.mutants.map((m) => m.verdict)).toEqual([
      'killed',
      'killed',
      'killed',
      'same table',
      'not killed',
      'killed',
      'not killed',
      'killed',
    ]);
    expect(summaryOf(result.mutants)).toEqual({
      mutants: 8,
      killed: 5,
      'policy error': 0,
      'same table': 1,
      equivalent: 0,
      cost: 0,
      differs: 0,
      'not killed': 2,
      unexplained: 0,
    });
    expect(summaryText(result.mutants)).toBe(
      '8 mutants: 5 killed, 1 same table, 0 equivalent, 0 worse only in cost, 2 not killed',
    );
    expect(stepsText(result.mutants[0]!.scenario!)).toBe(
      'h1 = P: gup A pin R LONGTERM; P: write A; device: dma_read h1',
    );
  });

  it('judges when it is asked, so that it can be stopped', () => {
    const { total, mutants, ...rest } = mutating(expanded, { ladder: ladderOf(SMALL), table: 'forkPte' });
    const whole = mutate(expanded, { ladder: ladderOf(SMALL), table: 'forkPte' });
    expect(total).toBe(whole.mutants.length);
    expect(rest).toEqual({ policy: whole.policy, module: whole.module, ladder: whole.ladder });
    const first: Explained[] = [];
    for (const mutant of mutants) if (first.push(mutant) === 2) break;
    expect(first).toEqual(whole.mutants.slice(0, 2));
  });

  it('has no reason for a user policy whose rule has the name of a built-in one', () => {
    const mine = derive(longtermBan, { id: 'mine', title: 'mine', sources: [] }, {});
    const { mutants } = mutate(withConditions(expandPolicy(mine), mine), {
      table: 'zeroPagePin',
      ladder: ladderOf(SMALL),
      compare: undefined,
    });
    expect(mutants.map((m) => [m.verdict, m.reason])).toEqual([['not killed', '']]);
    expect(summaryOf(mutants).unexplained).toBe(1);
  });
});
