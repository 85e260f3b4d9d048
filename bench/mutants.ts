/**
 * Writes docs/mutants.md: what becomes of each built-in policy when one of its rules is changed (`gupfuzz mutate`).
 *
 * Usage: npm run mutants (some minutes); file and policy ids may be given
 */
import { writeFileSync } from 'node:fs';
import { expandPolicy, withConditions } from '../src/machine/tables.ts';
import { mutantsMarkdown, mutantsPreface } from '../src/mutate/report.ts';
import { mutate, summaryText } from '../src/mutate/run.ts';
import { BUILT_IN, policyByName } from '../src/policies/index.ts';

const [file = 'docs/mutants.md', ...names] = process.argv.slice(2);
const policies = names.length === 0 ? BUILT_IN : names.map(policyByName);
const parts = [mutantsPreface()];
for (const policy of policies) {
  const result = mutate(withConditions(expandPolicy(policy), policy));
  parts.push(mutantsMarkdown(result));
  process.stdout.write(`${policy.id}: ${summaryText(result.mutants)}\n`);
}
writeFileSync(file, parts.join('\n'));
