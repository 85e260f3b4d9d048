/** Tables of docs/model.md that follow from declarations, by the name between whose marks they stand. */
import { FILESYSTEMS } from '../domain/filesystems.ts';
import { backingOf, isTrackedKind, KIND_TRAITS, PAGE_KINDS } from '../domain/page-kinds.ts';
import { OPS } from '../ops/index.ts';
import { columnRows } from './docs-columns.ts';
import { decisionsText, factRows } from './docs-decisions.ts';

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells, i) =>
      i === 1
        ? `|${cells.join('|')}|`
        : `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
    )
    .join('\n');

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

export const DOCS_TABLES: { readonly [name: string]: () => string } = {
  'page kinds': () =>
    table(
      ['kind', 'mapping', 'of', 'untouched it is', 'stores tracked'],
      PAGE_KINDS.map((kind) => {
        const { title, startsZero, file } = backingOf(kind);
        const untouched = startsZero
          ? file === ''
            ? 'zero'
            : 'the page cache, zero at the start'
          : 'the page cache, never zero';
        return [
          `\`${kind}\``,
          KIND_TRAITS[kind].private ? 'private' : 'shared',
          title,
          untouched,
          yesNo(isTrackedKind(kind)),
        ];
      }),
    ),
  'filesystem profiles': () =>
    table(
      ['profile', 'stable pages', 'writeback of a dirty folio without buffers', 'the disk reads'],
      FILESYSTEMS.map((f) => [
        `\`${f.id}\``,
        yesNo(f.stablePages),
        f.withoutBuffers,
        f.readsApart ? 'at `wb_io`, or at the end' : 'at the end of writeback',
      ]),
    ),
  columns: () => table(['column', 'of a', 'values', 'what it is', 'in the key'], columnRows()),
  decisions: decisionsText,
  facts: () => table(['fact', 'values', 'what it is'], factRows()),
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
