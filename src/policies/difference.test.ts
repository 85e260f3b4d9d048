import { expect, it } from 'vitest';
import {
  derive,
  before as insert,
  otherwise,
  type Policy,
  replace,
  rule,
  table,
  without,
} from '../machine/policy.ts';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { differenceOf, type TableDifference } from './difference.ts';
import { policyByName } from './index.ts';

const base = policyByName('longterm-ban');
const whole = (policy: Policy) => withConditions(expandPolicy(policy), policy);
const difference = (changes: Parameters<typeof derive>[2]): TableDifference[] =>
  differenceOf(whole(base), whole(derive(base, { id: 'mine', title: 'mine', sources: [] }, changes)));

it('a policy equal to its base has none', () => {
  expect(difference({})).toEqual([]);
});

it('rules by name, and what is answered otherwise of all combinations of facts', () => {
  const [wpFault, zeroPagePin, ...more] = difference({
    wpFault: [
      insert(
        'otherwise',
        rule('two', (f) => f.refcount === 2, 'reuse'),
      ),
      without('only reference'),
      replace(
        'exclusive',
        rule('exclusive', (f) => f.anonExclusive && f.mapcount < 3, 'reuse'),
      ),
    ],
    zeroPagePin: [table(otherwise('count'))],
  });
  expect(more).toEqual([]);
  expect(wpFault).toMatchObject({
    decision: 'wpFault',
    added: ['two'],
    removed: ['only reference'],
    replaced: ['exclusive'],
    combinations: 36,
  });
  // Counted by hand. Reused before: 18 exclusive, and 3 with one reference; now: 12 exclusive, and 4 others with two.
  const counts = wpFault!.changes.map(({ from, to, count }) => [from, to, count]);
  expect(counts.toSorted()).toEqual([
    ['copy', 'reuse', 3],
    ['reuse', 'copy', 8],
  ]);
  expect(zeroPagePin).toMatchObject({
    replaced: ['otherwise'],
    changes: [{ from: 'skip', to: 'count', count: 1 }],
  });
});

it('rules that are written otherwise and answer alike', () => {
  const [one, ...more] = difference({
    wpFault: [
      replace(
        'exclusive',
        rule('mine', (f) => f.anonExclusive, 'reuse'),
      ),
    ],
  });
  expect(more).toEqual([]);
  expect(one).toMatchObject({ added: ['mine'], removed: ['exclusive'], changes: [] });
});
