import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DOCS_TABLES, withTables } from './docs-tables.ts';

const text = readFileSync(new URL('../../docs/model.md', import.meta.url), 'utf8');

it('a table that is out of date, or has lost its marks, is told', () => {
  for (const name of Object.keys(DOCS_TABLES)) {
    const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const from = text.indexOf(start) + start.length;
    const stale = `${text.slice(0, from)}\n| stale |${text.slice(text.indexOf('\n', from))}`;
    expect(withTables(stale)).toBe(text);
    expect(() => withTables(text.replace(end, ''))).toThrow(`no table between ${start} and ${end}`);
  }
});
