/** Entries of the catalogue, as they are or with changes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample, newCounterexample, parseCounterexample } from '../scenario/file.ts';

export const CATALOGUE: string = fileURLToPath(new URL('../../counterexamples', import.meta.url));

/** The absolute path of an entry, such as `b06`: names of files follow their titles. */
export function entry(id: string): string {
  const found = readdirSync(CATALOGUE).filter((name) => name.startsWith(`${id}-`));
  if (found.length !== 1) throw new Error(`the catalogue has ${found.length} files for ${id}`);
  return join(CATALOGUE, found[0]!);
}

export const load = (path: string): Counterexample => parseCounterexample(readFileSync(path, 'utf8'), path);

/** The text of a file with changes, and with the content id that belongs to it. */
export function changed(path: string, change: Partial<Counterexample>): string {
  const { format: _format, version: _version, id: _id, ...parts } = { ...load(path), ...change };
  return formatCounterexample(newCounterexample(parts));
}
