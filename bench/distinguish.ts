/**
 * Writes the tables of docs/distinguish.md: for all pairs of built-in policies and a few small scopes, the shortest
 * program that tells them apart. What stands around the tables is left as it is.
 *
 * Usage: npm run distinguish (half a minute)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pairTables, TABLE_BEGIN, TABLE_END } from '../src/check/pair-table.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { BUILT_IN } from '../src/policies/index.ts';

const file = process.argv[2] ?? 'docs/distinguish.md';
const text = readFileSync(file, 'utf8');
const [before, after] = [text.split(TABLE_BEGIN)[0]!, text.split(TABLE_END)[1]];
if (after === undefined) throw new Error(`${file}: ${TABLE_BEGIN} and ${TABLE_END} are not there`);
writeFileSync(
  file,
  `${before}${TABLE_BEGIN}\n\n${pairTables(BUILT_IN.map(expandPolicy))}\n${TABLE_END}${after}`,
);
