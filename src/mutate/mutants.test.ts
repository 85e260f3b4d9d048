import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DECISION_NAMES, DECISIONS } from '../machine/decisions.ts';
import {
  derive,
  hasOwnTable,
  type Edit,
  otherwise,
  type Policy,
  rule,
  table,
  tableAt,
} from '../machine/policy.ts';
import {
  combinationCount,
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  expandPolicy,
  factDomains,
  withConditions,
} from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { compiled } from '../testing/compiled.ts';
import {
  countingCombinations,
  type Mutant,
  mutantsOf,
  mutationId,
  mutationText,
  tableOf,
} from './mutants.ts';

const { loadPolicy } = await compiled<typeof import('../policies/load.ts')>('policies/load');

const withAll = (policy: Policy): ExpandedPolicy => withConditions(expandPolicy(policy), policy);

/** v6.5 with this table of wpFault. */
const tiny = (...edits: Edit<'wpFault'>[]): ExpandedPolicy =>
  withAll(
    derive(policyByName('longterm-ban'), { id: 'tiny', title: 'tiny', sources: [] }, { wpFault: edits }),
  );
const THREE = tiny(
  table(
    rule('exclusive', (f) => f.anonExclusive, 'reuse'),
    rule('many', (f) => f.refcount === 6, 'copy'),
    rule('alone', (f) => f.refcount === 1, 'reuse'),
    otherwise('copy'),
  ),
);
const texts = (mutants: readonly Mutant[]): string[] => mutants.map((m) => mutationId(m.mutation));
const find = (mutants: readonly Mutant[], id: string): Mutant =>
  mutants.find((m) => mutationId(m.mutation) === id)!;

/** Answers of wpFault as a list of `refcount mapcount exclusive` that are reused. */
function reused(policy: ExpandedPolicy): string[] {
  const found = policy.tables[0]!;
  return Array.from(combinationsOf(factDomains(found), [0, 2]), (chosen) =>
    found.answer[entryOf(found, chosen)] === 0 ? `${chosen[0]! + 1}${chosen[2] === 1 ? 'e' : ''}` : '',
  ).filter((text, i, all) => text !== '' && all.indexOf(text) === i);
}
const EXCLUSIVE = ['1e', '2e', '3e', '4e', '5e', '6e'];

describe('mutants of a table', () => {
  const mutants = mutantsOf(THREE, { table: 'wpFault' });

  it('are each rule dropped, negated, with each other answer, and exchanged with the next', () => {
    expect(texts(mutants)).toEqual([
      'wpFault/exclusive: dropped',
      'wpFault/exclusive: negated',
      'wpFault/exclusive: answer copy',
      'wpFault/exclusive: after many',
      'wpFault/many: dropped',
      'wpFault/many: negated',
      'wpFault/many: answer reuse',
      'wpFault/many: after alone',
      'wpFault/alone: dropped',
      'wpFault/alone: negated',
      'wpFault/alone: answer copy',
      'wpFault/otherwise: answer reuse',
    ]);
  });

  it.each([
    ['exclusive: dropped', ['1', '1e']],
    ['exclusive: negated', ['1', '2', '3', '4', '5', '6', '1e']],
    ['exclusive: answer copy', ['1']],
    ['exclusive: after many', ['1', ...EXCLUSIVE.slice(0, 5)]],
    ['many: dropped', ['1', ...EXCLUSIVE]],
    ['many: negated', EXCLUSIVE],
    ['many: answer reuse', ['1', '6', ...EXCLUSIVE]],
    ['many: after alone', ['1', ...EXCLUSIVE]],
    ['alone: negated', ['2', '3', '4', '5', ...EXCLUSIVE]],
    ['otherwise: answer reuse', ['1', '2', '3', '4', '5', ...EXCLUSIVE]],
  ])('%s', (id, expected) => {
    expect(reused(find(mutants, `wpFault/${id}`).policy!).sort()).toEqual([...expected].sort());
  });

  it('are the same table if the rule is dead or exchanged with one that excludes it', () => {
    const same = mutants.filter((m) => m.changed.length === 0);
    expect(texts(same)).toEqual(['wpFault/many: dropped', 'wpFault/many: after alone']);
    for (const { policy } of same) expect(reused(policy!)).toEqual(reused(THREE));
  });

  it('name the combinations of facts whose answer changes', () => {
    // refcount 1, not exclusive.
    expect(find(mutants, 'wpFault/alone: dropped').changed).toEqual([0]);
  });

  it('are of usual tables where those are asked for by name', () => {
    expect(texts(mutantsOf(THREE, { table: 'forkWrprotect' }))).toEqual([
      'forkWrprotect/otherwise: answer child only',
      'forkWrprotect/otherwise: answer parent only',
      'forkWrprotect/otherwise: answer neither',
    ]);
    expect(mutantsOf(THREE).some((m) => m.mutation.table === 'forkWrprotect')).toBe(false);
  });

  it('can be chosen by rule', () => {
    expect(texts(mutantsOf(THREE, { rule: 'many' }))).toHaveLength(4);
    expect(mutantsOf(THREE, { table: 'forkPte', rule: 'many' })).toEqual([]);
  });

  it('need the conditions', () => {
    const plain = expandPolicy(policyByName('canary'));
    expect(() => mutantsOf(plain)).toThrow(new RangeError('the policy was expanded without conditions'));
  });
});

describe('a rule that an earlier one protects', () => {
  const names: { readonly [refcount: number]: string } = { 1: 'one' };
  const policy = tiny(
    table(
      rule('several', (f) => f.refcount > 1, 'copy'),
      rule('named', (f) => names[f.refcount]!.length === 3, 'reuse'),
      otherwise('copy'),
    ),
  );
  const mutants = mutantsOf(policy, { table: 'wpFault' });

  it('has no answer where it throws', () => {
    expect(policy.tables[0]!.conditions!.rules[1]!.holds).toBe('1-----');
  });
  it('makes a mutant that asks it anyway an error, and no other', () => {
    const errors = mutants.filter((m) => m.policy === undefined);
    expect(errors.map((m) => `${mutationText(m.mutation)} ${m.mutation.rule}`)).toEqual([
      'dropped several',
      'negated several',
      'after named several',
    ]);
    expect(errors[0]!.error).toBe('the condition of "named" cannot be asked for refcount 2');
  });
});

describe('built-in policies', () => {
  it.each(BUILT_IN)('$id: as many mutants as its rules and their answers make', (policy) => {
    const mutants = mutantsOf(withAll(policy));
    const expected = DECISION_NAMES.map((name) => {
      if (!hasOwnTable(policy, name) || DECISIONS[name].only !== undefined) return 0;
      const [rules, answers] = [tableAt(policy, name).length, DECISIONS[name].answers.length];
      return 2 * (rules - 1) + rules * (answers - 1) + Math.max(0, rules - 2);
    });
    expect(DECISION_NAMES.map((name) => mutants.filter((m) => m.mutation.table === name).length)).toEqual(
      expected,
    );
    expect(new Set(texts(mutants)).size).toBe(mutants.length);
    expect(mutants.every((m) => m.error === '')).toBe(true);
  });

  it('a table made from all answers answers the same, from no more facts than needed', () => {
    for (const policy of BUILT_IN)
      for (const t of expandPolicy(policy).tables) {
        const over = withConditions(expandPolicy(policy), policy).tables.find(
          ({ decision }) => decision === t.decision,
        )!.conditions!.over;
        const combinations = (): Iterable<Int32Array> => combinationsOf(factDomains(t), over);
        const all = Array.from(combinations(), (chosen) => t.answer[entryOf(t, chosen)]!);
        const made = tableOf(t, over, all);
        const again = Array.from(combinations(), (c) => made.answer[entryOf(made, c)]);
        expect(again.join()).toBe(all.join());
        expect(made.reads.every((fact) => t.reads.includes(fact))).toBe(true);
      }
    expect(tableOf({ decision: 'zeroPagePin' }, [0], [1, 1])).toMatchObject({
      reads: [],
      answer: [1],
      dead: [0],
    });
  });

  it('a policy that counts combinations answers the same', () => {
    const policy = expandPolicy(policyByName('pae'));
    const every = (table: ExpandedTable): number[] =>
      factDomains(table)
        .map((_, fact) => fact)
        .slice(0, 8);
    const over = (table: ExpandedTable): number[] =>
      [...new Set([...every(table), ...table.reads])].sort((a, b) => a - b);
    countingCombinations(policy, over).tables.forEach((counting, i) => {
      const own = policy.tables[i]!;
      expect(counting.ruleOf).toHaveLength(combinationCount(factDomains(own), over(own)));
      const [rules, answers, expected]: number[][] = [[], [], []];
      for (const chosen of combinationsOf(factDomains(own), over(own))) {
        rules!.push(counting.ruleOf[entryOf(counting, chosen)]!);
        answers!.push(counting.answer[entryOf(counting, chosen)]!);
        expected!.push(own.answer[entryOf(own, chosen)]!);
      }
      expect(rules!.every((rule, n) => rule === n)).toBe(true);
      expect(answers!.join()).toBe(expected!.join());
    });
  });
});

describe('a module', () => {
  const dir = mkdtempSync(join(tmpdir(), 'gupfuzz-mutants-'));
  const tables = DECISION_NAMES.map((name) =>
    name === 'wpFault'
      ? `wpFault: [{ name: 'alone', when: (f) => f.refcount === 1, answer: 'reuse' }, { name: 'last', answer: 'copy' }]`
      : `${name}: [{ name: 'all', answer: '${DECISIONS[name].answers[0]}' }]`,
  );
  writeFileSync(
    join(dir, 'mine.mjs'),
    `export default { id: 'mine', title: 'mine', sources: [], claims: [],
  keeps: { anonExclusive: false, hasPinned: false }, tables: { ${tables.join(', ')} } };`,
  );

  it('has the same mutants as a built-in policy with its rules', { timeout: 60_000 }, async () => {
    const loaded = await loadPolicy('mine.mjs', { cwd: dir, conditions: true });
    const plain = await loadPolicy('mine.mjs', { cwd: dir });
    rmSync(dir, { recursive: true });
    expect(plain.tables[0]).not.toHaveProperty('conditions');
    const same = tiny(
      table(
        rule('alone', (f) => f.refcount === 1, 'reuse'),
        otherwise('copy', 'last'),
      ),
    );
    expect(loaded.tables[0]).toEqual(same.tables[0]);
    expect(texts(mutantsOf(loaded, { table: 'wpFault' }))).toEqual([
      'wpFault/alone: dropped',
      'wpFault/alone: negated',
      'wpFault/alone: answer copy',
      'wpFault/last: answer reuse',
    ]);
  });
});
