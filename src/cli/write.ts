/** Files that commands write. */
import { statSync } from 'node:fs';
import { whatIs, writeText } from '../campaign/whole.ts';
import { inputError } from './exit.ts';

/** The whole file or none of it. Throws UserError. */
export function write(out: string, text: string): void {
  try {
    writeText(out, text);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw inputError(`${out}: cannot be written (${code ?? message})`);
  }
}

export const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Refuses two files that would be written to one, before anything is written. `to`: by file. Throws UserError. */
export function checkTargets(to: ReadonlyMap<string, string>): void {
  const from = new Map<string, string>();
  for (const [file, target] of to) {
    const other = from.get(target);
    if (other !== undefined)
      throw inputError(
        `${file} and ${other} would both be written to ${target}; allowed: files of different names`,
      );
    from.set(target, file);
  }
}

/** Refuses what cannot be a folder for findings before anything is found. Throws UserError. */
export function checkFolder(out: string): void {
  let there: ReturnType<typeof statSync>;
  try {
    there = statSync(out, { throwIfNoEntry: false });
  } catch (error) {
    throw inputError(
      `--out is ${JSON.stringify(out.slice(0, 80))}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
  if (there !== undefined && !there.isDirectory())
    throw inputError(
      `--out is ${JSON.stringify(out)}, which is ${there.isFile() ? 'a file' : whatIs(there)}; allowed: a folder, or a name for a new one`,
    );
}
