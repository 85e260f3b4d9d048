import { FileError, pathText, shorten, shown } from './file-error.ts';

/** Deeper than any valid file, shallow enough to recurse. */
const DEPTH_MAX = 16;

/**
 * JSON as in RFC 8259, but: a field given twice is an error (JSON.parse keeps the last), so are `__proto__`, numbers
 * beyond a double and nesting deeper than 16. Numbers lose a minus sign on zero, which JSON cannot give back.
 */
class JsonReader {
  readonly #text: string;
  readonly #file: string;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  document(): unknown {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) throw this.#syntax('nothing after the last }');
    return value;
  }

  #value(): unknown {
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
    }
    for (const [word, value] of WORDS)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    NUMBER.lastIndex = this.#at;
    const digits = NUMBER.exec(this.#text)?.[0];
    if (digits === undefined) throw this.#syntax('a JSON value');
    this.#at += digits.length;
    const value = Number(digits);
    if (!Number.isFinite(value))
      throw this.#refused(`is ${shorten(digits, 60)}; allowed: a number that fits a double`);
    return value === 0 ? 0 : value;
  }

  #object(): unknown {
    const fields: Record<string, unknown> = {};
    this.#open();
    for (let count = 0; !this.#closes('}', count > 0); count++) {
      if (this.#text[this.#at] !== '"') throw this.#syntax('a field name in double quotes');
      const key = this.#string();
      this.#path.push(key);
      if (key === '__proto__') throw this.#refused('is an unknown field; allowed: the fields of the format');
      if (Object.hasOwn(fields, key)) throw this.#refused('is given twice; allowed: each field once');
      this.#space();
      if (this.#text[this.#at] !== ':') throw this.#syntax('":"');
      this.#at++;
      fields[key] = this.#value();
      this.#path.pop();
    }
    return fields;
  }

  #array(): unknown {
    const items: unknown[] = [];
    this.#open();
    while (!this.#closes(']', items.length > 0)) {
      this.#path.push(items.length);
      items.push(this.#value());
      this.#path.pop();
    }
    return items;
  }

  #open(): void {
    this.#at++;
    if (this.#path.length >= DEPTH_MAX)
      throw this.#refused(`is nested too deep; allowed: at most ${DEPTH_MAX} levels`);
  }

  /** Steps over the bracket or, between elements, over the comma. */
  #closes(bracket: string, comma: boolean): boolean {
    this.#space();
    if (this.#text[this.#at] === bracket) {
      this.#at++;
      return true;
    }
    if (!comma) return false;
    if (this.#text[this.#at] !== ',') throw this.#syntax(`"," or "${bracket}"`);
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === bracket) throw this.#syntax('another element after ","');
    return false;
  }

  #string(): string {
    const start = this.#at++;
    for (; ; this.#at++) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        ESCAPE.lastIndex = this.#at;
        const escaped = ESCAPE.exec(this.#text)?.[0];
        if (escaped === undefined)
          throw this.#syntax('an escape of JSON (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000)');
        this.#at += escaped.length - 1;
      } else if (!(unit >= SPACE)) throw this.#syntax('a string on one line that ends in a double quote');
    }
    return JSON.parse(this.#text.slice(start, ++this.#at)) as string;
  }

  #space(): void {
    for (; ; this.#at++) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== SPACE && unit !== 10 && unit !== 13 && unit !== 9) return;
    }
  }

  #refused(what: string): FileError {
    return new FileError(this.#file, 'text', pathText(this.#path), what);
  }

  #syntax(allowed: string): FileError {
    const before = this.#text.slice(0, this.#at);
    if (this.#text.trim() === '')
      return new FileError(this.#file, 'text', '', 'the file is empty; allowed: a counterexample');
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    if (CUT.test(this.#text.slice(this.#at)))
      return new FileError(
        this.#file,
        'text',
        '',
        `the file ends early, at line ${line}, column ${column}` +
          `${this.#path.length === 0 ? '' : `, in ${pathText(this.#path)}`}; allowed: a whole file`,
      );
    const found = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    const what = found === '\ufeff' ? 'a byte order mark' : shown(found);
    return new FileError(
      this.#file,
      'text',
      pathText(this.#path),
      `is not JSON: line ${line}, column ${column} has ${what}; allowed: ${allowed}`,
    );
  }
}

const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const WORDS: readonly (readonly [string, boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
/** Of a word, a number or an escape, the part that a file may end with that is cut off; or nothing. */
const CUT = /^(?:|-|(?:\.|[eE][+-]?)|t|tr|tru|f|fa|fal|fals|n|nu|nul|\\|\\u[0-9a-fA-F]{0,3})$/;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Throws FileError naming line and column, or the field. */
export function readJson(text: string, file: string): unknown {
  return new JsonReader(text, file).document();
}
