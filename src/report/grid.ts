/** A table with a name per row and short cells, in the form that fits. */
import Table from 'cli-table3';
import { BORDERLESS } from './borderless.ts';
import { widthOf, wrapText } from './columns.ts';

export interface Grid {
  /** Over the names of the rows. */
  readonly corner: string;
  /** `head`: over the column, on several lines if need be; `name`: in full. */
  readonly columns: readonly { readonly name: string; readonly head: string }[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[] }[];
}

/**
 * At most `width` characters per line: with heads; else with numbers that a key explains; else a list per row. Ends in a
 * newline.
 */
export function renderGrid(
  { corner, columns, rows }: Grid,
  width: number = Number.POSITIVE_INFINITY,
): string {
  const table = (heads: readonly string[]): string[] => {
    const made = new Table({
      ...BORDERLESS,
      head: [corner, ...heads],
      colAligns: ['left', ...columns.map(() => 'right' as const)],
    });
    for (const { name, cells } of rows) made.push([name, ...cells]);
    return made.toString().split('\n');
  };
  const fits = (lines: readonly string[]): boolean => lines.every((line) => widthOf(line.trimEnd()) <= width);
  const named = table(columns.map(({ head }) => head));
  if (fits(named)) return `${named.join('\n')}\n`;
  const key = columns.map(({ name }, i) => `${i + 1}=${name}`).join(', ');
  const numbered = [
    ...wrapText(key, width, '  '),
    ...table(columns.map((_, i) => String(i + 1))).map((line) => line.trimEnd()),
  ];
  if (fits(numbered)) return `${numbered.join('\n')}\n`;
  const room = Math.max(...rows.flatMap(({ cells }) => cells.map(widthOf)));
  const list = rows.flatMap(({ name, cells }) => [
    ...wrapText(name, width),
    ...columns.flatMap((column, i) => {
      const cell = cells[i]!;
      const lead = `  ${' '.repeat(room - widthOf(cell))}${cell}  `;
      return wrapText(`${lead}${column.name}`, width, ' '.repeat(room + 4));
    }),
  ]);
  return `${list.join('\n')}\n`;
}
