import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import {
  pairsOf,
  TABLE_BEGIN,
  TABLE_END,
  TABLE_HEAD,
  TABLE_SCOPES,
  tableLine,
  tableRow,
} from './pair-table.ts';

const POLICIES = BUILT_IN.map(expandPolicy);
const text = readFileSync(new URL('../../docs/distinguish.md', import.meta.url), 'utf8');
const generated = text.slice(text.indexOf(TABLE_BEGIN), text.indexOf(TABLE_END));
/** Lines of the table of a scope. */
const linesOf = (title: string): string[] =>
  generated.split(`### ${title}\n`)[1]!.split('\n### ')[0]!.split('\n');

describe('docs/distinguish.md (npm run distinguish)', () => {
  it.each(
    TABLE_SCOPES.map((scope) => [scope.title, scope] as const),
  )('%s: has the flags, and one row for each pair of built-in policies', (title, { flags }) => {
    const lines = linesOf(title);
    expect(lines).toContain(`\`${flags}\``);
    expect(lines).toContain(tableLine(TABLE_HEAD));
    const rows = lines.filter((line) => line.startsWith('| ') && line !== tableLine(TABLE_HEAD)).slice(1);
    expect(rows.map((row) => row.split(' | ', 2))).toEqual(
      pairsOf(POLICIES).map(([a, b]) => [`| ${a.id}`, b.id]),
    );
  });

  it('the rows are those of today', () => {
    const pairs = pairsOf(POLICIES);
    // All that are closed at once, and a few of the others.
    for (const [at, scope] of TABLE_SCOPES.entries())
      for (const [n, [a, b]] of pairs.entries())
        if (scope.title === 'shmem page' || n % 5 === at)
          expect(linesOf(scope.title), scope.title).toContain(tableLine(tableRow(a, b, scope)));
  });
});
