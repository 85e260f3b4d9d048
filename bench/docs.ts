/** Writes the tables of docs/model.md that follow from declarations: `node dist/bench/docs.js [docs/model.md]`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withTables } from '../src/report/docs-tables.ts';

const path = process.argv[2] ?? 'docs/model.md';
writeFileSync(path, withTables(readFileSync(path, 'utf8')));
