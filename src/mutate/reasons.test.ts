/** To which mutants a reason is given, and which one. docs.test.ts holds all of them against the survivors. */
import { describe, expect, it } from 'vitest';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { type Judged, VERDICTS, type Verdict } from './judge.ts';
import type { Mutation } from './mutants.ts';
import { applies, type Reason, reasonFor } from './reasons.ts';

const policyOf = (id: string): ExpandedPolicy => expandPolicy(policyByName(id));
const judged = (mutation: Mutation, verdict: Verdict): Judged => ({
  mutation,
  verdict,
  class: '',
  detail: '',
  scenario: undefined,
  scope: '',
  covered: [],
});
const answer = (table: Mutation['table'], rule: string, other: string): Mutation => ({
  table,
  rule,
  kind: 'answer',
  with: other,
});
const reason = (policy: string, mutation: Mutation, verdict: Verdict = 'cost'): string =>
  reasonFor(policyOf(policy), judged(mutation, verdict));

describe('a reason', () => {
  const mutation = answer('forkPte', 'otherwise', 'copy');

  it('is given to survivors only', () => {
    const explained = VERDICTS.filter((verdict) => reason('canary', mutation, verdict) !== '');
    expect(explained).toEqual(['equivalent', 'cost', 'differs', 'not killed']);
  });

  it('is of the answer that it names, and of no other', () => {
    expect(reason('canary', mutation)).toMatch(/^a child with a copy of every page/);
    expect(reason('canary', { ...mutation, with: 'share' })).toBe('');
    expect(reason('v6.5-longterm-ban', answer('wbBegin', 'otherwise', 'bounce'))).toMatch(/^a proposal/);
    expect(reason('v6.5-longterm-ban', answer('wbBegin', 'otherwise', 'keep dirty'))).toBe('');
  });

  it('is of its decision point, rule, kind and policy: all that it names has to be so', () => {
    const all: Reason = {
      table: 'forkPte',
      rule: 'otherwise',
      kind: 'answer',
      with: ['copy'],
      policies: ['canary'],
      reason: 'why',
    };
    expect(applies(all, 'canary', mutation)).toBe(true);
    expect(applies(all, 'v5.7-mapcount', mutation)).toBe(false);
    for (const other of [
      { table: 'wpFault' },
      { rule: 'pinned' },
      { kind: 'swap' },
      { with: 'share' },
    ] as const)
      expect(applies(all, 'canary', { ...mutation, ...other }), JSON.stringify(other)).toBe(false);
    expect(applies({ table: 'forkPte', reason: 'why' }, 'v5.7-mapcount', { ...mutation, rule: 'any' })).toBe(
      true,
    );
  });

  it('is not that of another decision point whose rule has the same name', () => {
    expect(reason('v6.5-longterm-ban', answer('gupSlow', 'otherwise', 'copy'))).toBe('');
    expect(reason('v6.5-longterm-ban', answer('unpinDirty', 'otherwise', 'PIN'))).toBe('');
  });

  it('is the first that applies: one for a policy goes before one for all', () => {
    const swap: Mutation = {
      table: 'gupSlow',
      rule: 'FOLL_WRITE on a R/O pte',
      kind: 'swap',
      with: 'R/O pin of an anon page, not exclusive',
    };
    expect(reason('canary', swap)).toMatch(/it breaks less$/);
    expect(reason('v6.5-longterm-ban', swap)).toMatch(/One fault more$/);
    const rule = 'reclaim, maybe pinned';
    expect(reason('canary', { table: 'stripBuffers', rule, kind: 'negate', with: '' })).toMatch(/^negated,/);
    expect(reason('canary', { table: 'stripBuffers', rule, kind: 'drop', with: '' })).toMatch(
      /^buffers taken/,
    );
  });
});
