/** The columns of the state as a table of docs/model.md. */
import { MACHINE_COLUMNS } from '../machine/machine.ts';
import { REFERENCE_COLUMNS } from '../reference/reference.ts';
import type { Column, Declarations } from '../state/columns.ts';

const valuesOf = ({ is }: Column): string => {
  if ('flags' in is) return Object.keys(is.flags).join(', ');
  if ('oneOf' in is) {
    const words = is.oneOf.filter(Boolean).join(', ');
    return words.length > 40 ? `one of ${is.oneOf.length}` : words;
  }
  if ('count' in is) return is.count === 1 ? 'yes or no' : 'a count';
  if ('id' in is) return is.none === undefined && is.from === undefined ? `a ${is.id}` : `a ${is.id} or none`;
  return 'content' in is ? 'a content' : `a set of ${is.set}s`;
};

const inKey = ({ key }: Column): string =>
  key === undefined ? 'yes' : 'derived' in key ? `follows from ${key.derived}` : `no: ${key.unread}`;

/** Column, element, values, what it is, and what the key makes of it: of the machine, then of the reference. */
export const columnRows = (): string[][] =>
  [MACHINE_COLUMNS, REFERENCE_COLUMNS].flatMap((declarations: Declarations, i) =>
    Object.entries(declarations).map(([name, column]) => [
      `\`${i === 0 ? 'machine' : 'reference'}.${name}\``,
      column.of,
      valuesOf(column),
      column.source,
      inKey(column),
    ]),
  );
