/**
 * The counterexample file `*.gup.json`, format version 1: content id, loader and writer.
 *
 * Reading goes through four layers, and an error names its layer: `text` (size, JSON, doubled fields), `schema` (what
 * the JSON Schema says too), `meaning` (what a schema cannot say), `id` (the content id). Every error is one line; a
 * hostile file costs no more than that.
 */

import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type Counterexample, definable, defined, FILE_FORMAT, versionFor } from './definition.ts';
import { FileError, type Path, pathText, plain, shown } from './file-error.ts';
import { readJson } from './json.ts';
import { checkMeaning } from './meaning.ts';

export { type FileCheck, FileError } from './file-error.ts';

/** Bytes of UTF-8. */
export const FILE_BYTES_MAX: number = 256 * 1024;

/** What the content id is computed from. */
export type CounterexampleContent = Pick<Counterexample, 'setup' | 'steps' | 'policy' | 'class'>;

// ---- Content id ------------------------------------------------------------------------------------------------

/** First 16 hexadecimal digits of the SHA-256 of setup, steps, policy and class as canonical JSON. */
export function counterexampleId(c: CounterexampleContent): string {
  const content = { setup: c.setup, steps: c.steps, policy: c.policy, class: c.class };
  return createHash('sha256').update(canonical(content)).digest('hex').slice(0, 16);
}

/** JSON without spaces, the fields of each object in code unit order. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`;
}

/** Completes a counterexample with format, version and content id (anew if `parts` has one already). */
export function newCounterexample(parts: Omit<Counterexample, 'format' | 'version' | 'id'>): Counterexample {
  return { ...parts, format: FILE_FORMAT, version: versionFor(parts.setup), id: counterexampleId(parts) };
}

// ---- Reading ---------------------------------------------------------------------------------------------------

/**
 * Throws FileError. `name`: the file's name for messages. An id that is missing or that does not fit is computed, and
 * `note` told so in a line that begins with the name; but a file that claims to be proved stands or falls with its id.
 */
export function parseCounterexample(
  text: string,
  name: string,
  note: (line: string) => void = () => {},
): Counterexample {
  checkBytes(text, name);
  return checkCounterexample(readJson(text, name), name, note);
}

/** Throws FileError of layer `text` if the text has more than a file may have. */
export function checkBytes(text: string, name: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > FILE_BYTES_MAX)
    throw new FileError(name, 'text', '', `the file has ${bytes} bytes; allowed: at most ${FILE_BYTES_MAX}`);
}

/** What the text of a file stands for, checked but for the form of the text. As parseCounterexample. */
export function checkCounterexample(
  value: unknown,
  name: string,
  note: (line: string) => void = () => {},
): Counterexample {
  const loaded = defined(value);
  if ('issues' in loaded) throw explain(loaded.issues, value, name);
  const id = counterexampleId(loaded.data);
  const c: Counterexample = { ...loaded.data, id };
  checkMeaning(c, name);
  const given = loaded.data.id;
  if (given === undefined || given === id) return c;
  if (c.minimality.kind === 'shortest')
    throw new FileError(
      name,
      'id',
      'id',
      `is ${shown(given)}; allowed: the content id of setup, steps, policy and class, ${shown(id)}, ` +
        'where minimality.kind claims a proof',
    );
  note(`${plain(name)}: id is ${shown(given)}, which is of another program; its steps make it ${shown(id)}`);
  return c;
}

function explain(issues: readonly z.core.$ZodIssue[], root: unknown, file: string): FileError {
  // A misspelt field is both missing and unknown: the unknown one says more.
  const issue = issues.find((i) => i.code === 'unrecognized_keys') ?? issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  const place = pathText(path);
  const value = valueAt(root, path);
  let what = value === undefined ? 'is missing' : `is ${shown(value)}`;
  if (issue.code === 'unrecognized_keys' || issue.code === 'invalid_key')
    what = `is an unknown field (value ${shown(value)})`;
  else if (place === '') what = `the file ${what}`;
  return new FileError(file, 'schema', place, `${what}; allowed: ${issue.message}`);
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

// ---- Writing ---------------------------------------------------------------------------------------------------

/**
 * The file's text: fields in the order of the definition; one page, file, step or policy per line; a newline at the
 * end. Throws FileError if the loader would refuse it: what we write can be read.
 */
export function formatCounterexample(c: Counterexample): string {
  const name = 'counterexample to be written';
  // Objects come back in the field order of the definition.
  const { setup, steps, expect, references, ...rest } = checkCounterexample(definable(c), name, () => {
    throw new FileError(name, 'id', 'id', `is ${shown(c.id)}; allowed: ${shown(counterexampleId(c))}`);
  });
  const policies = Object.keys(expect).sort(byNumbers);
  const field = (key: string, value: string): string => `  ${JSON.stringify(key)}: ${value}`;
  const inlined = (key: keyof typeof rest): string => field(key, inline(rest[key]));
  const text = `{\n${[
    inlined('format'),
    inlined('version'),
    inlined('id'),
    inlined('title'),
    field(
      'setup',
      `{\n${[
        `    "pages": ${block('[]', setup.pages.map(inline), '    ')}`,
        `    "files": ${block('[]', setup.files.map(inline), '    ')}`,
        ...(setup.aside === undefined ? [] : [`    "aside": ${JSON.stringify(setup.aside)}`]),
        ...(setup.swap === undefined ? [] : [`    "swap": ${JSON.stringify(setup.swap)}`]),
        ...(['mms', 'refs', 'tasks', 'parts', 'pinBias'] as const)
          .filter((key) => setup[key] !== undefined)
          .map((key) => `    "${key}": ${setup[key]}`),
      ].join(',\n')}\n  }`,
    ),
    field('steps', block('[]', steps.map(inline), '  ')),
    inlined('policy'),
    inlined('class'),
    inlined('seen'),
    field(
      'expect',
      block(
        '{}',
        policies.map((id) => `${JSON.stringify(id)}: ${inline(expect[id])}`),
        '  ',
      ),
    ),
    inlined('minimality'),
    inlined('provenance'),
    field('references', inline(references)),
    inlined('explanation'),
  ].join(',\n')}\n}\n`;
  if (Buffer.byteLength(text) > FILE_BYTES_MAX)
    throw new FileError(name, 'text', '', `the file would have more than ${FILE_BYTES_MAX} bytes`);
  return text;
}

function block(brackets: '[]' | '{}', lines: readonly string[], indent: string): string {
  if (lines.length === 0) return brackets;
  return `${brackets[0]}\n${lines.map((line) => `${indent}  ${line}`).join(',\n')}\n${indent}${brackets[1]}`;
}

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}: ${inline(field)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** Orders ids with numbers in them as people do: v5.8 before v5.11. */
export function byNumbers(a: string, b: string): number {
  const x = a.split(/(\d+)/);
  const y = b.split(/(\d+)/);
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    // Odd parts are numbers.
    const order = i % 2 === 1 ? Number(x[i]) - Number(y[i]) : 0;
    if (order !== 0) return order;
    if (x[i] !== y[i]) return x[i]! < y[i]! ? -1 : 1;
  }
  return x.length - y.length;
}
