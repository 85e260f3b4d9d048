import { describe, expect, it } from 'vitest';
import {
  type Changes,
  derive,
  before as insert,
  otherwise,
  type Policy,
  replace,
  rule,
  table,
} from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { baseOf } from './base.ts';
import { BUILT_IN, policyByName } from './index.ts';
import { warningsOf } from './warnings.ts';

const warnings = (changes: Changes, base = 'longterm-ban'): string[] => {
  const policy: Policy = derive(policyByName(base), { id: 'mine', title: 'mine', sources: [] }, changes);
  return warningsOf('./mine.ts', policy, expandPolicy(policy));
};
/** As a module that nobody type checks may compare. */
const facts = (f: object): Readonly<Record<string, unknown>> => f as Readonly<Record<string, unknown>>;

describe('warningsOf', () => {
  it('a rule that earlier ones hide: which', () => {
    expect(
      warnings({
        wpFault: [
          insert(
            'otherwise',
            rule('pinned', (f) => f.anonExclusive && f.refcount > 2, 'copy'),
          ),
        ],
      }),
    ).toEqual([
      'policy ./mine.ts, table wpFault, rule "pinned": can never match: wherever its condition holds, "exclusive" matches first',
    ]);
  });

  it('a condition that never holds', () => {
    expect(
      warnings({
        wpFault: [
          insert(
            'otherwise',
            rule('many', (f) => f.refcount > 6, 'copy'),
          ),
        ],
      }),
    ).toEqual([
      'policy ./mine.ts, table wpFault, rule "many": can never match: its condition holds for no combination of facts',
    ]);
  });

  it.each([
    [
      rule<'forkPte'>('typo', (f) => facts(f).frame === 'annon', 'copy'),
      'compares frame with "annon", which it never is; did you mean anon? (it is: none, zero, anon, file)',
    ],
    // Half of it can match: from what the table does, nothing would be noticed.
    [
      rule<'forkPte'>('half', (f) => f.hasPinned || facts(f).frame === 'swap', 'copy'),
      'compares frame with "swap", which it never is (it is: none, zero, anon, file)',
    ],
  ])('a value that the fact never has: $name', (row, what) => {
    expect(warnings({ forkPte: [insert('otherwise', row)] })).toEqual([
      `policy ./mine.ts, table forkPte, rule ${JSON.stringify(row.name)}: ${what}`,
    ]);
  });

  it('a number beyond the last count', () => {
    expect(
      warnings({
        wpFault: [
          insert(
            'exclusive',
            rule('seven', (f) => f.refcount === 7, 'copy'),
          ),
        ],
      }),
    ).toEqual([
      'policy ./mine.ts, table wpFault, rule "seven": compares refcount with 7, which it never is (it is: 1, 2, 3, 4, 5, 6)',
    ]);
  });

  it('none for rules taken over as they are, for the last one, or for what makes sense', () => {
    expect(
      warnings({
        wpFault: [
          insert(
            'exclusive',
            rule('all', () => true, 'copy'),
          ),
        ],
      }),
    ).toEqual([]);
    expect(
      warnings({
        zeroPagePin: [
          table(
            rule('a', (f) => f.longterm, 'skip'),
            rule('b', (f) => !f.longterm, 'count'),
            otherwise('skip'),
          ),
        ],
      }),
    ).toEqual([]);
    // Its own, put after one that says the same.
    expect(
      warnings({
        wpFault: [
          replace(
            'exclusive',
            rule('exclusive', (f) => f.anonExclusive, 'reuse'),
            rule('again', (f) => f.anonExclusive, 'reuse'),
          ),
        ],
      }),
    ).toHaveLength(1);
    for (const policy of BUILT_IN) expect(warningsOf('x', policy, expandPolicy(policy))).toEqual([]);
  });
});

describe('a base that is claimed', () => {
  const claiming = (derivedFrom: readonly string[], of = 'longterm-ban'): string[] => {
    const policy: Policy = {
      ...derive(
        policyByName(of),
        { id: 'mine', title: 'mine', sources: [] },
        { forkPte: [table(otherwise('share'))] },
      ),
      derivedFrom,
    };
    return warningsOf('./mine.ts', policy, expandPolicy(policy));
  };

  it('is told where the rules are nearer to another era', () => {
    for (const weak of ['v5.7-mapcount', 'v5.8-cow-break'])
      expect(claiming([weak])).toEqual([
        `policy ./mine.ts: it is judged beside ${weak}, from which it says it derives, but its rules are nearer to v6.5-longterm-ban: --base longterm-ban judges it beside that`,
      ]);
    expect(claiming(['v6.5-longterm-ban'])).toEqual([]);
    expect(claiming([], 'v5.7-mapcount')).toHaveLength(1);
  });

  it('is never the canary, which excuses everything', () => {
    const id = 'mine';
    expect(baseOf({ id, derivedFrom: ['canary'] })?.id).toBe('v6.5-longterm-ban');
    expect(baseOf({ id, derivedFrom: ['v5.8-cow-break', 'canary'] })?.id).toBe('v5.8-cow-break');
    expect(baseOf({ id, derivedFrom: ['v5.8-cow-break', 'somebody-elses'] })?.id).toBe('v5.8-cow-break');
  });

  it('is right for all that derive() makes of the built-in ones', () => {
    for (const { id } of BUILT_IN) expect(warnings({}, id)).toEqual([]);
  });
});
