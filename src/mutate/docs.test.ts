/** docs/mutants.md is what `npm run mutants` writes: held against the policies, and a sample of it against a fresh run. */
// @slow: mutants are judged anew
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DECISION_NAMES, DECISIONS, type DecisionName } from '../machine/decisions.ts';
import { hasOwnTable } from '../machine/policy.ts';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { mutantsOf, mutationText } from './mutants.ts';
import { applies, REASONS } from './reasons.ts';
import { mutantsMarkdown, mutantsPreface } from './report.ts';
import { mutate } from './run.ts';

const text = readFileSync(new URL('../../docs/mutants.md', import.meta.url), 'utf8');

/** The part of a policy's section that is about one decision point, heading included. */
function section(policy: string, table: DecisionName): string {
  const from = text.indexOf(`\n### ${policy}: ${table}\n`);
  if (from < 0) throw new Error(`docs/mutants.md has no section on ${table} of ${policy}`);
  const end = text.slice(from + 1).search(/\n\n?##/);
  return `${text.slice(from + 1, end < 0 ? undefined : from + 1 + end).trimEnd()}\n`;
}
const rowsOf = (policy: string, table: DecisionName): string[][] =>
  section(policy, table)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .map((line) => line.slice(2, -2).split(' | '));

describe('docs/mutants.md', () => {
  it('begins with what is generated', () => {
    expect(text.startsWith(mutantsPreface())).toBe(true);
  });

  it.each(BUILT_IN)('$id: has every rule, and every mutant of it', (policy) => {
    const expanded = withConditions(expandPolicy(policy), policy);
    for (const name of DECISION_NAMES.filter(
      (n) => hasOwnTable(policy, n) && DECISIONS[n].only === undefined,
    )) {
      const rows = rowsOf(policy.id, name).flatMap(([rule, mutants]) =>
        mutants!.split('; ').map((mutant) => `${rule}: ${mutant}`),
      );
      const expected = mutantsOf(expanded, { table: name }).map(
        ({ mutation }) => `${mutation.rule}: ${mutationText(mutation)}`,
      );
      expect(rows.sort(), name).toEqual(expected.sort());
    }
  });

  it('every survivor has a reason, and every reason a survivor', () => {
    expect(text).not.toContain('unexplained');
    for (const { reason } of REASONS) expect(text).toContain(`explained: ${reason.replaceAll('`', '\\`')}`);
    for (const policy of BUILT_IN) {
      const mutants = mutantsOf(withConditions(expandPolicy(policy), policy));
      for (const r of REASONS.filter((one) => one.policies?.includes(policy.id) === true))
        expect(
          mutants.some(({ mutation }) => applies(r, policy.id, mutation)),
          r.reason,
        ).toBe(true);
    }
  });

  it.each([
    ['v6.5-longterm-ban', 'wpFault'],
    ['v6.5-longterm-ban', 'wbBegin'],
    ['v5.11-page-count', 'forkPte'],
    ['v5.8-cow-break', 'zeroPagePin'],
    ['v6.5-longterm-ban', 'stripBuffers'],
  ] as const)('says of %s, %s what a fresh run says', (id, table) => {
    const policy = policyByName(id);
    const result = mutate(withConditions(expandPolicy(policy), policy), { table });
    const fresh = mutantsMarkdown(result);
    expect(section(id, table)).toBe(fresh.slice(fresh.indexOf('### ')));
  });
});
