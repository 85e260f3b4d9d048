/**
 * The executor as a program: compiled from executor.c and what the operations say on first use, then kept in the cache folder under the hash of
 * its source and of the compiler's arguments.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageFile } from '../installed.ts';

/** No executor: there is no compiler, or it failed. One line. */
export class CompileError extends Error {
  override readonly name = 'CompileError';
}

export interface CompileOptions {
  /** `$CC`, cc, gcc, clang by default: the first that is there. */
  readonly compilers?: readonly string[];
  /** `$XDG_CACHE_HOME/gupfuzz` or ~/.cache/gupfuzz by default. */
  readonly cache?: string;
  /** For a machine of its own: a binary that needs shared libraries is of no use. */
  readonly mustBeStatic?: boolean;
}

/** Where executor.c is. Throws CompileError. */
export function executorSource(): string {
  const file = packageFile('src/live/executor.c');
  if (existsSync(file)) return file;
  throw new CompileError('executor.c is missing from the installation');
}

/** The cache folder of gupfuzz. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  // The specification has relative paths ignored.
  const base = env.XDG_CACHE_HOME ?? '';
  return join(base.startsWith('/') ? base : join(homedir(), '.cache'), 'gupfuzz');
}

const FLAGS = ['-O2', '-Wall', '-Wextra'] as const;
const run = promisify(execFile);

/** What a source includes that is written when it is compiled, by file name. */
type Written = Readonly<Record<string, string>>;

/** What follows from the operations; a source that does not ask for it needs none of them. */
async function writtenFor(source: string): Promise<Written> {
  if (!source.includes('#include "operations.h"')) return {};
  const { operationsCode, operationsHeader } = await import('./operations.ts');
  return { 'operations.h': operationsHeader(), 'operations.c': operationsCode() };
}

/** Path of the compiled executor. Throws CompileError. */
export async function compileExecutor(options: CompileOptions = {}): Promise<string> {
  const source = await readFile(executorSource(), 'utf8');
  const texts = { 'executor.c': source, ...(await writtenFor(source)) };
  const cache = options.cache ?? cacheFolder();
  const compilers = options.compilers ?? [process.env.CC, 'cc', 'gcc', 'clang'].filter((c) => c);
  // Without a static libc an executor for this machine can still be had.
  const links = options.mustBeStatic ? [['-static']] : [['-static'], []];
  const targets = links.map((link) => {
    const flags = [...FLAGS, ...link];
    const hash = createHash('sha256')
      .update(Object.values(texts).join(''))
      .update(flags.join(' '))
      .update(process.arch);
    return { flags, file: join(cache, `executor-${hash.digest('hex').slice(0, 16)}`) };
  });
  const there = targets.find(({ file }) => existsSync(file));
  if (there !== undefined) return there.file;

  let failure = '';
  for (const compiler of compilers as string[]) {
    for (const { flags, file } of targets) {
      const error = await compile(compiler, flags, texts, file, cache);
      if (error === undefined) return file;
      if (error === 'missing') break;
      failure ||= `${compiler} ${flags.join(' ')}: ${error}`;
    }
  }
  throw new CompileError(
    failure === ''
      ? `running programs needs a C compiler, and none of ${compilers.join(', ')} is there`
      : `the executor does not compile: ${failure}`,
  );
}

/** undefined if it worked, `missing` if there is no such compiler, else what it said first. */
async function compile(
  compiler: string,
  flags: readonly string[],
  texts: Written,
  file: string,
  cache: string,
): Promise<string | undefined> {
  let folder: string;
  try {
    await mkdir(cache, { recursive: true });
    folder = await mkdtemp(join(cache, 'compile-'));
  } catch (error) {
    throw new CompileError(`the cache folder cannot be written: ${(error as Error).message}`);
  }
  try {
    // $CC may carry arguments: `ccache gcc`.
    const [command, ...before] = compiler.split(' ').filter((w) => w !== '');
    const out = join(folder, 'executor');
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
    const source = join(folder, 'executor.c');
    await run(command!, [...before, ...flags, '-o', out, source], { timeout: 120_000 });
    await chmod(out, 0o755);
    // Atomic: another process may be compiling the same.
    await rename(out, file);
    return undefined;
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') return 'missing';
    const lines = (stderr ?? '').split('\n').filter((line) => line.trim() !== '');
    return lines.find((line) => /error|cannot find/.test(line)) ?? lines[0] ?? message.split('\n')[0]!;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
