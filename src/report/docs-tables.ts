/** Tables of docs/model.md that follow from declarations, by the name between whose marks they stand. */
import { OPS } from '../ops/index.ts';

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells, i) => (i === 1 ? `|${cells.join('|')}|` : `| ${cells.join(' | ')} |`))
    .join('\n');

export const DOCS_TABLES: { readonly [name: string]: () => string } = {
  operations: () =>
    table(
      ['operation', 'kernel functions it stands for'],
      OPS.map((op) => [`\`${op.kind}\``, `\`${op.kernel}\``]),
    ),
};

/** The text with its tables as they are declared. Throws RangeError where the marks of one are missing. */
export function withTables(text: string): string {
  return Object.entries(DOCS_TABLES).reduce((whole, [name, write]) => {
    const [start, end] = [`<!-- ${name} -->\n`, `\n<!-- end of ${name} -->`];
    const from = whole.indexOf(start);
    const to = whole.indexOf(end, from);
    if (from < 0 || to < 0) throw new RangeError(`no table between ${start.trim()} and ${end.trim()}`);
    return whole.slice(0, from + start.length) + write() + whole.slice(to);
  }, text);
}
