/** The static binaries of a VM. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inputError } from '../../cli/exit.ts';
import { packageFile } from '../../installed.ts';
import { CompileError, cacheFolder, compileExecutor } from '../compile.ts';

const FLAGS = ['-O2', '-static'] as const;

function initSource(): string {
  const file = packageFile('src/live/vm/init.c');
  if (existsSync(file)) return file;
  throw inputError('src/live/vm/init.c is missing from the installation');
}

/** Compiles one C file into a static binary in the cache folder, unless it is there; its path. */
export function staticBinary(name: string, source: string): string {
  const hash = createHash('sha256').update(readFileSync(source)).update(FLAGS.join(' ')).digest('hex');
  const folder = cacheFolder();
  const file = join(folder, `${name}-${hash.slice(0, 16)}`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const work = `${file}.${process.pid}`;
  let failure = '';
  for (const compiler of [process.env.CC, 'cc', 'gcc', 'clang'])
    if (compiler !== undefined && compiler !== '')
      try {
        // $CC may carry arguments: `ccache gcc`.
        const [command, ...before] = compiler.split(' ').filter((w) => w !== '');
        execFileSync(command, [...before, ...FLAGS, '-o', work, source], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        // Atomic: another process may be compiling the same.
        renameSync(work, file);
        return file;
      } catch (error) {
        rmSync(work, { force: true });
        const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: Buffer };
        if (code !== 'ENOENT')
          failure ||= `${compiler}: ${
            String(stderr ?? '')
              .trim()
              .split('\n')[0] || error
          }`;
      }
  throw inputError(
    failure === ''
      ? 'a VM needs a C compiler with a static libc, and there is no compiler'
      : `${name} does not compile: ${failure}`,
  );
}

/** Path of the VM's init. */
export const initBinary = (): string => staticBinary('init', initSource());

/** Path of the executor; a VM has no shared libraries. */
export async function executorBinary(): Promise<string> {
  try {
    return await compileExecutor({ mustBeStatic: true });
  } catch (error) {
    throw error instanceof CompileError ? inputError(error.message) : error;
  }
}
