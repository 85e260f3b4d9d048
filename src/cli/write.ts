/** Files that commands write. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { inputError } from './exit.ts';

/** The whole file or none of it. Throws UserError. */
export function write(out: string, text: string): void {
  const partial = `${out}.partial`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, out);
  } catch (error) {
    rmSync(partial, { force: true });
    throw inputError(`${out}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}
