/**
 * Notes: small columns of a policy's own, per mm or per folio. A rule that answers may change them, and any rule may read
 * them where the mm or the folio is at hand. All begin at 0: those of an mm with the mm, those of a folio when it is
 * allocated. The machine keeps them and does nothing with them.
 *
 * Example: `notes: { pins: { of: 'folio', most: 3 } }`, `rule('pinned', (f) => f.pin, 'return', { pins: '+1' })` and
 * `rule('pinned', (f) => f.notes.pins > 0, 'copy')`.
 */
import { NO_PFN, NOTE_MOST, ZERO_PFN } from './state.ts';

/** What a note is about. */
export const NOTE_SORTS = ['mm', 'folio'] as const;
export type NoteSort = (typeof NOTE_SORTS)[number];

/** Most notes of one sort. */
export const NOTES_MAX = 4;

/** One note, as a policy declares it. */
export interface Note {
  readonly of: NoteSort;
  /** Its greatest value, 1 to 3; the least is 0. */
  readonly most: number;
  /** Of an mm: fork hands the value on to the child, which else begins at 0. */
  readonly inherited?: boolean;
}
/** Notes by name. */
export interface Notes {
  readonly [name: string]: Note;
}

/** What a rule changes in notes, by name: a value, one more or one less. Neither goes beyond 0 and the greatest. */
export interface Changed {
  readonly [note: string]: number | '+1' | '-1';
}

/** A note as plain data: its place is that among the notes of its sort. */
export interface NoteColumn extends Note {
  readonly name: string;
  readonly place: number;
}

/** An answer that changes notes as well, as plain data. */
export interface NotingAnswer {
  /** Index in DECISIONS[decision].answers. */
  readonly answer: number;
  readonly changes: Changed;
}

/** `pins +1, sticky 1`. */
export const changesText = (changes: Changed): string =>
  Object.entries(changes)
    .map(([name, to]) => `${name} ${to}`)
    .join(', ');

/** Places are given in the order of the declarations. */
export function noteColumns(notes: Notes = {}): NoteColumn[] {
  const next = { mm: 0, folio: 0 };
  return Object.entries(notes).map(([name, note]) => ({ ...note, name, place: next[note.of]++ }));
}

const NAME = /^[a-z][A-Za-z0-9]{0,31}$/;
const FIELDS: readonly string[] = ['of', 'most', 'inherited'];

/** What is wrong with declarations of notes, in one line; undefined if nothing is. */
export function notesProblem(notes: unknown): string | undefined {
  if (typeof notes !== 'object' || notes === null || Array.isArray(notes))
    return "notes must be like { pins: { of: 'folio', most: 3 } }";
  for (const [name, note] of Object.entries(notes as Record<string, unknown>)) {
    const at = `notes.${name}`;
    if (!NAME.test(name))
      return `${at}: a name is 1 to 32 letters and digits, and begins with a small letter`;
    if (typeof note !== 'object' || note === null) return `${at} must be like { of: 'folio', most: 3 }`;
    const { of, most, inherited } = note as Partial<Note>;
    const strange = Object.keys(note).find((field) => !FIELDS.includes(field));
    if (strange !== undefined)
      return `${at}: there is no field ${JSON.stringify(strange)}; there is: ${FIELDS.join(', ')}`;
    if (!NOTE_SORTS.includes(of as NoteSort))
      return `${at}.of: ${JSON.stringify(of)} is not one of: ${NOTE_SORTS.join(', ')}`;
    if (!Number.isInteger(most) || most! < 1 || most! > NOTE_MOST)
      return `${at}.most: ${JSON.stringify(most)} is not a whole number from 1 to ${NOTE_MOST}`;
    if (inherited !== undefined && (typeof inherited !== 'boolean' || of !== 'mm'))
      return `${at}.inherited: must be true or false, and of a note of an mm`;
  }
  for (const sort of NOTE_SORTS) {
    const count = Object.values(notes as Notes).filter((note) => note.of === sort).length;
    if (count > NOTES_MAX) return `notes: ${count} are of ${sort}; at most ${NOTES_MAX}`;
  }
  return undefined;
}

/** What is wrong with what a rule changes, in one line; undefined if nothing is. `columns`: those at hand. */
export function changesProblem(changes: unknown, columns: readonly NoteColumn[]): string | undefined {
  if (typeof changes !== 'object' || changes === null || Array.isArray(changes))
    return "what it changes must be like { pins: '+1' }";
  for (const [name, to] of Object.entries(changes as Record<string, unknown>)) {
    const column = columns.find((c) => c.name === name);
    if (column === undefined) return `it changes the note ${JSON.stringify(name)}; ${atHand(columns)}`;
    const isValue = Number.isInteger(to) && (to as number) >= 0 && (to as number) <= column.most;
    if (!isValue && to !== '+1' && to !== '-1')
      return `it changes ${name} to ${JSON.stringify(to)}, which is not one of: 0 to ${column.most}, '+1', '-1'`;
  }
  return undefined;
}

/** Which notes a rule may read or change here, to be said in an error. */
export const atHand = (columns: readonly NoteColumn[]): string =>
  columns.length === 0
    ? 'here no note of the policy is at hand'
    : `here there is: ${columns.map((c) => c.name).join(', ')}`;

/** The state that notes are: elements by place, then by mm or pfn. */
export interface NoteState {
  readonly shape: { readonly mms: number; readonly pages: number; readonly folios: number };
  readonly task: { readonly mm: ArrayLike<number> };
  readonly mmNotes: Uint8Array;
  readonly folioNotes: Uint8Array;
}

/** Where the note of this place is that a decision is about: the mm of the PTE or task, the folio; -1: there is none. */
function elementOf({ of, place }: NoteColumn, m: NoteState, task: number, pte: number, pfn: number): number {
  if (of === 'mm')
    return place * m.shape.mms + (pte < 0 ? m.task.mm[task]! : Math.floor(pte / m.shape.pages));
  return pfn === NO_PFN || pfn === ZERO_PFN ? -1 : place * m.shape.folios + pfn;
}

/** The value, as things stand; without a folio, or of the zero page, which all share, 0. */
export function readNote(column: NoteColumn, m: NoteState, task: number, pte: number, pfn: number): number {
  const at = elementOf(column, m, task, pte, pfn);
  return at < 0 ? 0 : (column.of === 'mm' ? m.mmNotes : m.folioNotes)[at]!;
}

/** Does what a rule changes. Where there is no folio nothing is changed. */
export function changeNotes(
  columns: readonly NoteColumn[],
  changes: Changed,
  m: NoteState,
  task: number,
  pte: number,
  pfn: number,
): void {
  for (const column of columns) {
    const to = changes[column.name];
    if (to === undefined) continue;
    const at = elementOf(column, m, task, pte, pfn);
    if (at < 0) continue;
    const array = column.of === 'mm' ? m.mmNotes : m.folioNotes;
    const value = typeof to === 'number' ? to : array[at]! + (to === '+1' ? 1 : -1);
    array[at] = Math.min(Math.max(value, 0), column.most);
  }
}
