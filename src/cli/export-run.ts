/** `export`: a counterexample as a C program for a kernel. */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { exportC } from '../live/export-c.ts';
import { EXIT, inputError } from './exit.ts';
import { loadOne } from './files.ts';
import { print, talk } from './io.ts';

export interface ExportOptions {
  readonly file: string;
  /** Absent: stdout. */
  readonly out: string | undefined;
}

export async function runExport({ file, out }: ExportOptions): Promise<number> {
  const exported = exportC(loadOne(file), basename(file));
  if ('unsupported' in exported) {
    talk(`${file}: cannot be a C program: ${exported.unsupported}`);
    return EXIT.nothingTested;
  }
  if (out === undefined) print(exported.text);
  else
    try {
      writeFileSync(out, exported.text);
    } catch (error) {
      throw inputError(
        `${out}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      );
    }
  return EXIT.ok;
}
