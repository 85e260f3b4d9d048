/**
 * Commands as tests run them: compiled and in a process of their own, for exit codes, signals and pipes (`npm test`
 * builds first), or in the process of the test, which is faster.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, vi } from 'vitest';
import { Args, type Command } from '../cli/command.ts';
import { UserError } from '../cli/exit.ts';
import type { Folder } from './folder.ts';

export const MAIN: string = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface Result {
  /** null if a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Where {
  readonly cwd: string;
  /** Added to the environment, which says nothing of colours, CI or debugging by itself. */
  readonly env?: NodeJS.ProcessEnv;
  /** For stdin, which is empty otherwise. */
  readonly input?: string;
}

/** `gupfuzz` as if it were installed for all, so that commands are printed by that name. */
const INSTALLED = mkdtempSync(join(tmpdir(), 'gupfuzz-bin-'));
symlinkSync(MAIN, join(INSTALLED, 'gupfuzz'));
process.once('exit', () => rmSync(INSTALLED, { recursive: true, force: true }));

/** That a pipe gets no colours must come from gupfuzz, not from the NO_COLOR that plain.ts sets. */
export function environment(added: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { CI: _, FORCE_COLOR: __, GUPFUZZ_DEBUG: ___, NO_COLOR: ____, ...env } = process.env;
  return { ...env, PATH: `${INSTALLED}${delimiter}${env.PATH ?? ''}`, ...added };
}

/** Runs the command line without a terminal, in this folder unless told otherwise, and waits for its end. */
export function gupfuzzIn(folder: Folder): (args: readonly string[], where?: Partial<Where>) => Result {
  return (args, { cwd = folder.path, env, input = '' } = {}) => {
    const { status, stdout, stderr, error } = spawnSync(process.execPath, [MAIN, ...args], {
      cwd,
      input,
      encoding: 'utf8',
      env: environment(env),
      maxBuffer: 2 ** 26,
      // vitest cannot stop a test that waits here.
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    if (error !== undefined) throw error;
    return { code: status, out: stdout, err: stderr };
  };
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Once it has ended and all it wrote is read. */
  readonly ended: Promise<Result>;
}

/** Starts it, to do something to it while it runs. `onError` gets all of stderr so far, whenever there is more. */
export function start(args: readonly string[], where: Where, onError?: (err: string) => void): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: where.cwd,
    env: environment(where.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
    onError?.(err);
  });
  const ended = new Promise<Result>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return { child, ended };
}

/** Ctrl-C as soon as stderr shows this, so that no test has to guess how long to wait. */
export function interrupted(args: readonly string[], where: Where, shown: RegExp): Promise<Result> {
  const { child, ended } = start(args, where, (err) => {
    if (!child.killed && shown.test(err)) child.kill('SIGINT');
  });
  return ended;
}

/** Runs a command in this process, with arguments as yargs would leave them. Rejects with what it throws. */
export async function run(command: Command, args: Readonly<Record<string, unknown>>): Promise<Result> {
  const written = { out: '', err: '' };
  const spies = (['out', 'err'] as const).map((name) =>
    vi.spyOn(process[`std${name}`], 'write').mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  try {
    const code = await command.execute(new Args(args));
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** `EXIT CODE: MESSAGE` of the UserError in which this ends. Any other error is a bug and is thrown on. */
export async function refusal(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof UserError) return `${error.exitCode}: ${error.message}`;
    throw error;
  }
  return 'nothing was thrown';
}

/** Expects that all there is is one line on stderr, so no stack either; returns it without its end. */
export function oneLine({ code, out, err }: Result, expected: number): string {
  expect(out).toBe('');
  expect(code, err).toBe(expected);
  expect(err).toMatch(/^[^\n]+\n$/);
  return err.trimEnd();
}

/** Lines with something in them. */
export const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
