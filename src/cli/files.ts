/** Counterexample files from the command line: folders expanded, each file read and parsed, problems collected. */
import { closeSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Counterexample } from '../scenario/definition.ts';
import { FILE_BYTES_MAX, FileError, parseCounterexample } from '../scenario/file.ts';
import { EXIT, type ExitCode, inputError } from './exit.ts';

export const EXTENSION = '.gup.json';

export interface ReadFile {
  /** As given, or below the folder that was given. */
  readonly file: string;
  readonly counterexample: Counterexample;
}

/** A file that cannot be used, and why, in one line that begins with its name. */
export interface Problem {
  readonly file: string;
  readonly message: string;
}

export interface Loaded {
  readonly files: readonly ReadFile[];
  readonly problems: readonly Problem[];
  /** Folders without a counterexample in them. */
  readonly empty: readonly string[];
}

/** Files in the order given, those of a folder sorted by path. One bad file does not hide the others. */
export function loadFiles(paths: readonly string[]): Loaded {
  const files: ReadFile[] = [];
  const problems: Problem[] = [];
  const empty: string[] = [];
  const seen = new Set<string>();
  const load = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    try {
      files.push({ file, counterexample: parseCounterexample(readText(file), file) });
    } catch (error) {
      problems.push(problemOf(file, error));
    }
  };
  for (const path of paths) {
    try {
      if (!statOf(path).isDirectory()) {
        load(path);
        continue;
      }
      const found = filesBelow(path);
      if (found.length === 0) empty.push(path);
      found.forEach(load);
    } catch (error) {
      problems.push(problemOf(path, error));
    }
  }
  return { files, problems, empty };
}

/** One file that must be good. Throws UserError. */
export function loadOne(path: string): Counterexample {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    throw inputError(`${path}: is a folder; give one file`);
  const { files, problems } = loadFiles([path]);
  if (problems.length > 0) throw inputError(problems[0]!.message);
  return files[0]!.counterexample;
}

/** What the collected problems mean for the exit code. */
export function exitOf(loaded: Loaded): ExitCode {
  if (loaded.problems.length > 0) return EXIT.badInput;
  return loaded.files.length === 0 ? EXIT.nothingTested : EXIT.ok;
}

/** Tells about problems and empty folders on stderr. */
export function reportProblems(loaded: Loaded): void {
  for (const { message } of loaded.problems) process.stderr.write(`gupfuzz: ${message}\n`);
  for (const folder of loaded.empty)
    process.stderr.write(`gupfuzz: ${folder}: there is no ${EXTENSION} file in this folder\n`);
}

/** Counterexamples below a folder, sorted by code units. Links to folders are not followed. */
function filesBelow(folder: string): string[] {
  const found: string[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.name.endsWith(EXTENSION)) found.push(path);
    }
  };
  visit(folder);
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** At most what a counterexample may have, so that no file, however large or endless, takes long. */
function readText(file: string): string {
  const stat = statOf(file);
  if (stat.isFile() && stat.size > FILE_BYTES_MAX)
    throw new FileError(
      file,
      'text',
      '',
      `the file has ${stat.size} bytes; allowed: at most ${FILE_BYTES_MAX}`,
    );
  const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
  const fd = openSync(file, 'r');
  let length = 0;
  try {
    for (;;) {
      const n = readSync(fd, buffer, length, buffer.length - length, null);
      length += n;
      if (n === 0) break;
      if (length > FILE_BYTES_MAX)
        throw new FileError(file, 'text', '', `the file has more than ${FILE_BYTES_MAX} bytes`);
    }
  } finally {
    closeSync(fd);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.subarray(0, length));
  } catch {
    throw new FileError(file, 'text', '', 'the file is not UTF-8');
  }
}

const statOf = (path: string): Stats => statSync(path);

function problemOf(file: string, error: unknown): Problem {
  if (error instanceof FileError) return { file, message: error.message };
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  return { file, message: `${file}: ${REASONS[code] ?? `cannot be read (${code})`}` };
}

const REASONS: { readonly [code: string]: string } = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: not permitted',
  ENOTDIR: 'there is no such file: a part of its path is not a folder',
  EISDIR: 'is a folder',
  ELOOP: 'is a link that leads to itself',
  ENAMETOOLONG: 'is too long for a file name',
};
