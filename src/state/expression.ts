/**
 * Small expressions over columns, declared once and read twice: `evaluate` does what they say, an `Emitter` writes the same
 * as JavaScript. Keys are made of them (state/fields.ts), so that a key can be read as a list, and still is as fast
 * as code written by hand.
 *
 * All values are 32-bit integers; truth is 1 or 0. A column is read at an index of its sort; a function belongs to a
 * world (a relation of the reference, say) and is called with expressions.
 *
 * @example
 * // whether the PTE is present, and if so the content of the folio it maps
 * cond(bits(col('pte'), P_PRESENT), col('content', col('pfn')), 0)
 */
import type { ColumnArray } from './arena.ts';

/** What the expressions of one world are about: its columns and its functions, by name. */
export interface Source {
  readonly columns: { readonly [name: string]: ColumnArray };
  readonly functions: { readonly [name: string]: (...args: number[]) => number };
}

/** Variables: the index of the element, and what it is asked about: a content, or another element. */
export type Variable = 'i' | 'j';

type Binary = '&' | '|' | '+' | '%' | '===' | '<';

export type Ex =
  | number
  | { readonly is: 'variable'; readonly name: Variable }
  | { readonly is: 'column'; readonly world: number; readonly name: string; readonly at: Ex }
  | { readonly is: 'call'; readonly world: number; readonly name: string; readonly args: readonly Ex[] }
  | { readonly is: 'table'; readonly values: readonly number[]; readonly at: Ex }
  | { readonly is: 'binary'; readonly op: Binary; readonly a: Ex; readonly b: Ex }
  | { readonly is: 'cond'; readonly test: Ex; readonly yes: Ex; readonly no: Ex };

// ---- Words -------------------------------------------------------------------------------------------------------

/** Index of the element in its sort. */
export const I: Ex = { is: 'variable', name: 'i' };
/** What the element is asked about: a content, unless it says otherwise. */
export const TOKEN: Ex = { is: 'variable', name: 'j' };
/** The same, where it is a cell. */
export const CELL: Ex = TOKEN;

/** A column at an index, of the element if none is given. */
export const col = (name: string, at: Ex = I, world = 0): Ex => ({ is: 'column', world, name, at });
/** A function of the world. */
export const call = (name: string, args: readonly Ex[], world = 0): Ex => ({ is: 'call', world, name, args });
/** One of these constants. */
export const table = (values: readonly number[], at: Ex): Ex => ({ is: 'table', values, at });
const binary =
  (op: Binary) =>
  (a: Ex, b: Ex): Ex => ({ is: 'binary', op, a, b });
export const bits: (a: Ex, mask: Ex) => Ex = binary('&');
export const or: (a: Ex, b: Ex) => Ex = binary('|');
export const plus: (a: Ex, b: Ex) => Ex = binary('+');
export const modulo: (a: Ex, b: Ex) => Ex = binary('%');
export const same: (a: Ex, b: Ex) => Ex = binary('===');
export const less: (a: Ex, b: Ex) => Ex = binary('<');
export const cond = (test: Ex, yes: Ex, no: Ex = 0): Ex => ({ is: 'cond', test, yes, no });
export const not = (a: Ex): Ex => cond(a, 0, 1);
/** 1 if it is not 0. */
export const some = (a: Ex): Ex => cond(a, 1, 0);
/** True if both are. */
export const both = (a: Ex, b: Ex): Ex => cond(a, some(b), 0);

// ---- Done --------------------------------------------------------------------------------------------------------

/** The value of an expression; `i` and `j` are the variables. */
export function evaluate(ex: Ex, sources: readonly Source[], i: number, j: number): number {
  const of = (e: Ex): number => evaluate(e, sources, i, j);
  if (typeof ex === 'number') return ex;
  switch (ex.is) {
    case 'variable':
      return ex.name === 'i' ? i : j;
    case 'column': {
      const at = of(ex.at);
      const value = columnOf(sources, ex)[at];
      if (value === undefined) throw new RangeError(`${ex.name}[${at}]: there is no such element`);
      return value;
    }
    case 'call':
      return Number(functionOf(sources, ex)(...ex.args.map(of)));
    case 'table': {
      const at = of(ex.at);
      const value = ex.values[at];
      if (value === undefined) throw new RangeError(`a table of ${ex.values.length} values, at ${at}`);
      return value;
    }
    case 'cond':
      return of(of(ex.test) !== 0 ? ex.yes : ex.no);
    case 'binary':
      return operate(ex.op, of(ex.a), of(ex.b));
  }
}

function operate(op: Binary, a: number, b: number): number {
  switch (op) {
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '+':
      return (a + b) | 0;
    case '%':
      return (a % b) | 0;
    case '===':
      return a === b ? 1 : 0;
    case '<':
      return a < b ? 1 : 0;
  }
}

// ---- Written -----------------------------------------------------------------------------------------------------

/** What a name in written code stands for. */
type Wanted =
  | { readonly is: 'column' | 'call'; readonly world: number; readonly name: string }
  | { readonly is: 'table'; readonly values: Int32Array };

/** Code, and what it is about: it belongs to no world, so that all worlds of one shape share it. */
export interface Written<F> {
  /** Its first parameter are the values of what is wanted. */
  readonly code: F;
  readonly wanted: readonly Wanted[];
}

/** The values that written code wants. */
export const valuesFor = (wanted: readonly Wanted[], sources: readonly Source[]): readonly unknown[] =>
  wanted.map((w) =>
    w.is === 'table' ? w.values : w.is === 'column' ? columnOf(sources, w) : functionOf(sources, w),
  );

export class Emitter {
  readonly #wanted: Wanted[] = [];
  readonly #names: string[] = [];

  /** The name of a value from outside. */
  #name(key: string, wanted: Wanted): string {
    const name = key.replace(/\W/g, '_');
    if (!this.#names.includes(name)) {
      this.#names.push(name);
      this.#wanted.push(wanted);
    }
    return name;
  }

  /** The expression as JavaScript; `i` and `j` are its variables. */
  value(ex: Ex): string {
    if (typeof ex === 'number') return ex < 0 ? `(${ex})` : String(ex);
    switch (ex.is) {
      case 'variable':
        return ex.name;
      case 'column':
        return `${this.#outside(ex)}[${this.value(ex.at)}]`;
      case 'call':
        return `${this.#outside(ex)}(${ex.args.map((a) => this.value(a)).join(', ')})`;
      case 'table':
        return ex.values.every((v) => v === ex.values[0])
          ? this.value(ex.values[0] ?? 0)
          : `${this.#name(`table ${ex.values.join(' ')}`, { is: 'table', values: Int32Array.from(ex.values) })}[${this.value(ex.at)}]`;
      case 'cond':
        return this.#cond(ex.test, ex.yes, ex.no);
      case 'binary':
        return this.#binary(ex.op, ex.a, ex.b);
    }
  }

  #outside({ is, world, name }: { is: 'column' | 'call'; world: number; name: string }): string {
    return this.#name(`${name} of ${world}`, { is, world, name });
  }

  #cond(test: Ex, yes: Ex, no: Ex): string {
    if (typeof test === 'number') return this.value(test !== 0 ? yes : no);
    return `(${this.test(test)} ? ${this.value(yes)} : ${this.value(no)})`;
  }

  #binary(op: Binary, a: Ex, b: Ex): string {
    if (typeof a === 'number' && typeof b === 'number') return this.value(operate(op, a, b));
    if (op === '===' || op === '<') return `(${this.value(a)} ${op} ${this.value(b)} ? 1 : 0)`;
    const text = `${this.value(a)} ${op} ${this.value(b)}`;
    return op === '&' || op === '|' ? `(${text})` : `(${text} | 0)`;
  }

  /** The expression as a condition. */
  test(ex: Ex): string {
    if (typeof ex !== 'number' && ex.is === 'binary' && (ex.op === '===' || ex.op === '<'))
      return `${this.value(ex.a)} ${ex.op} ${this.value(ex.b)}`;
    if (typeof ex !== 'number' && ex.is === 'cond') {
      if (ex.yes === 1 && ex.no === 0) return this.test(ex.test);
      if (ex.yes === 0 && ex.no === 1) return `!(${this.test(ex.test)})`;
      if (ex.no === 0) return `(${this.test(ex.test)} && ${this.test(ex.yes)})`;
    }
    return `${this.value(ex)} !== 0`;
  }

  /**
   * The function whose body this is; before these parameters there is `values`. The same text is one function, whatever
   * it is written for: it is warm sooner.
   */
  written<F>(parameters: readonly string[], body: string): Written<F> {
    const names = this.#names.map((name, at) => `${name} = values[${at}]`).join(', ');
    const text = `"use strict";\n${names === '' ? '' : `const ${names};\n`}${body}`;
    const key = `${parameters.join()}\n${text}`;
    let code = CODE.get(key);
    if (code === undefined) {
      code = new Function('values', ...parameters, text);
      CODE.set(key, code);
    }
    return { code: code as F, wanted: this.#wanted };
  }
}

const CODE: Map<string, unknown> = new Map<string, unknown>();

function columnOf(
  sources: readonly Source[],
  { world, name }: { readonly world: number; readonly name: string },
): ColumnArray {
  const column = sources[world]?.columns[name];
  if (column === undefined) throw new RangeError(`no column ${name} in world ${world}`);
  return column;
}

function functionOf(
  sources: readonly Source[],
  { world, name }: { readonly world: number; readonly name: string },
): (...args: number[]) => number {
  const found = sources[world]?.functions[name];
  if (found === undefined) throw new RangeError(`no function ${name} in world ${world}`);
  return found;
}
