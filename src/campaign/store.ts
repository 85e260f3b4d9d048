/**
 * Where findings go: one file per policy and class. A finding is on disk before anything else is done with it; if
 * the folder cannot be written, a temporary one takes its place, and if that fails too the text goes to a last
 * resort of the caller's, so that nothing found is lost.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Way } from '../regression/way.ts';
import { makeFolder } from './folder.ts';
import { writeText } from './whole.ts';

export class FindingStore {
  #dir: string | undefined;
  readonly #onNotice: (line: string) => void;
  readonly #lastResort: (text: string) => void;
  #moved = false;

  constructor(dir: string | undefined, onNotice: (line: string) => void, lastResort: (text: string) => void) {
    this.#dir = dir;
    this.#onNotice = onNotice;
    this.#lastResort = lastResort;
  }

  /** Writes a file below the folder, whole or not at all. Returns its path, or undefined if it is nowhere. */
  write(name: string, text: string): string | undefined {
    if (this.#dir === undefined) return undefined;
    try {
      return this.#put(join(this.#dir, name), text);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#moved) {
        this.#moved = true;
        try {
          const other = mkdtempSync(join(tmpdir(), 'gupfuzz-findings-'));
          this.#onNotice(`cannot write to ${this.#dir} (${why}); findings go to ${other} instead`);
          this.#dir = other;
          return this.#put(join(other, name), text);
        } catch {
          // The last resort below.
        }
      }
      this.#onNotice(`cannot write ${name} (${why}); the finding is printed instead`);
      this.#lastResort(text);
      return undefined;
    }
  }

  /** The folder in use by now. */
  get dir(): string | undefined {
    return this.#dir;
  }

  remove(name: string): void {
    if (this.#dir === undefined) return;
    try {
      rmSync(join(this.#dir, name), { force: true });
    } catch (error) {
      this.#onNotice(
        `${name} stays, though it is told elsewhere: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #put(path: string, text: string): string {
    makeFolder(dirname(path));
    writeText(path, text);
    return path;
  }
}

/** File name of a finding: of its class, and of all that tells the way of a regression from another. */
export const findingName = (classId: string, way: Way | undefined): string =>
  way === undefined
    ? slugOf(classId)
    : `${slugOf(classId)}-by-${slugOf(`${way.decision} ${way.candidate} for ${way.base}`)}`;

/** File name of a class: `isolation--leak-anon-get-r-cpu-to-device`. */
export function slugOf(classId: string): string {
  return classId
    .toLowerCase()
    .replace(/->/g, '-to-')
    .replace(/^([^/]+)\//, '$1--')
    .replace(/[^a-z0-9]+/g, (m) => (m.includes('--') ? '--' : '-'))
    .replace(/-+$/, '');
}
