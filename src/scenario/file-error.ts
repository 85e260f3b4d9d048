/** What is wrong with a file, in one line that is safe to print whatever the file holds. */

/** Controls, line separators, marks and overrides of direction, lone surrogates, U+FFFD: nothing of that belongs in a file. */
export const UNPRINTABLE: string =
  '\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ufffd\\ufffe\\uffff\\ud800-\\udfff';

export type FileCheck = 'text' | 'schema' | 'meaning' | 'id';

/** A file that is not a counterexample. The message is one line of at most 400 characters, for users. */
export class FileError extends Error {
  readonly file: string;
  /** The layer that refused it. */
  readonly check: FileCheck;
  /** `steps[3].page`, or '' for the file as a whole. */
  readonly path: string;
  /** The message behind file and path. */
  readonly what: string;
  constructor(file: string, check: FileCheck, path: string, what: string) {
    const place = path === '' ? '' : `${shorten(path, 120)} `;
    super(shorten(`${shorten(plain(file), 120)}: ${place}${what}`, 400));
    this.name = 'FileError';
    this.file = file;
    this.check = check;
    this.path = path;
    this.what = what;
  }
}

/** Where in a file: keys and indices from the top. */
export type Path = readonly PropertyKey[];

/** `steps[3].page`, `expect["v5.7-mapcount"].verdict`. */
export function pathText(path: Path): string {
  return path
    .map((key, i) => {
      if (typeof key === 'number') return `[${key}]`;
      const word = String(key);
      return /^[A-Za-z]\w{0,39}$/.test(word) ? `${i === 0 ? '' : '.'}${word}` : `[${shown(word)}]`;
    })
    .join('');
}

/** A value as JSON on one line, at most 60 characters. */
export function shown(value: unknown): string {
  return shorten(plain(JSON.stringify(value) ?? 'undefined'), 60);
}

const UNPRINTABLES = new RegExp(`[${UNPRINTABLE}]`, 'gu');

/** Escapes what could break the line or hide text. */
export function plain(text: string): string {
  return text.replace(UNPRINTABLES, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** At most `max` characters. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  // Not in the middle of a surrogate pair.
  return `${text.slice(0, max - 3).replace(/[\ud800-\udbff]$/, '')}...`;
}
