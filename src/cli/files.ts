/**
 * Counterexample files from the command line, JSON or text, or stdin as `-`: folders expanded, each file read and
 * parsed, problems collected.
 */
import { closeSync, existsSync, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { whatIs } from '../campaign/whole.ts';
import { own } from '../domain/own.ts';
import { packageFile } from '../installed.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { FILE_BYTES_MAX, FileError } from '../scenario/file.ts';
import { parseAny, type ScenarioText } from '../scenario/text.ts';
import { EXIT, type ExitCode, inputError } from './exit.ts';
import { talk } from './io.ts';

/** Of the files that are looked for in folders: those that tools write, those that people do. */
export const EXTENSION = '.gup.json';
export const TEXT_EXTENSION = '.gup';
const EXTENSIONS = [EXTENSION, TEXT_EXTENSION] as const;
/** As a file name: stdin. */
export const STDIN = '-';

export interface ReadFile {
  /** As given, or below the folder that was given. */
  readonly file: string;
  readonly counterexample: Counterexample;
  /** The text as written, where it is the text form. */
  readonly text?: ScenarioText;
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
  /** What was put right while reading, one line each. */
  readonly notes: readonly string[];
}

/** Files in the order given, those of a folder sorted by path. One bad file does not hide the others. */
export function loadFiles(paths: readonly string[]): Loaded {
  const files: ReadFile[] = [];
  const problems: Problem[] = [];
  const empty: string[] = [];
  const notes: string[] = [];
  const seen = new Set<string>();
  const load = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    try {
      const read = parseAny(readText(file), shownName(file));
      notes.push(...read.notes);
      const { counterexample, text } = read;
      files.push({ file, counterexample, ...(text === undefined ? {} : { text }) });
    } catch (error) {
      problems.push(problemOf(file, error));
    }
  };
  for (const given of paths) {
    if (given === STDIN) {
      load(given);
      continue;
    }
    try {
      if (!statOf(given).isDirectory()) {
        load(given);
        continue;
      }
      const found = filesBelow(given);
      if (found.length === 0) empty.push(given);
      found.forEach(load);
    } catch (error) {
      problems.push(problemOf(given, error));
    }
  }
  return { files, problems, empty, notes };
}

/** One file that must be good; tells on stderr what was put right. Throws UserError. */
export function loadOne(path: string): Counterexample {
  return readOne(path).counterexample;
}

/** As loadOne, with the text form where it is one. */
export function readOne(path: string): ReadFile {
  if (path !== STDIN && statSync(inCatalogue(path), { throwIfNoEntry: false })?.isDirectory() === true)
    throw inputError(`${path}: is a folder; give one file`);
  const { files, problems, notes } = loadFiles([path]);
  if (problems.length > 0) throw inputError(problems[0]!.message);
  for (const note of notes) talk(note);
  return files[0]!;
}

/** What the collected problems mean for the exit code. */
export function exitOf(loaded: Loaded): ExitCode {
  if (loaded.problems.length > 0) return EXIT.badInput;
  return loaded.files.length === 0 ? EXIT.nothingTested : EXIT.ok;
}

/** Tells about problems and empty folders on stderr. */
export function reportProblems(loaded: Loaded): void {
  for (const note of loaded.notes) talk(note);
  for (const { message } of loaded.problems) talk(message);
  for (const folder of loaded.empty)
    talk(`${folder}: there is no ${EXTENSIONS.join(' or ')} file in this folder`);
}

/** Counterexamples below a folder, sorted by code units. Links to folders are not followed. */
function filesBelow(folder: string): string[] {
  const found: string[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(inCatalogue(at), { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (EXTENSIONS.some((e) => entry.name.endsWith(e))) found.push(path);
    }
  };
  visit(folder);
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** For messages and data. */
export const shownName = (file: string): string => (file === STDIN ? 'stdin' : file);

/** The folder of the catalogue: the one here, or else that of the package. */
export const CATALOGUE = 'counterexamples';

/**
 * Where to open `counterexamples/...`: in the package where there is no such folder here. Files are shown by the name
 * without it, which every command takes.
 */
function inCatalogue(path: string): string {
  if (path.split('/')[0] !== CATALOGUE || existsSync(CATALOGUE)) return path;
  return existsSync(packageFile(CATALOGUE)) ? packageFile(path) : path;
}

/** At most what a counterexample may have, so that no file, however large or endless, takes long. */
function readText(file: string): string {
  const stat = file === STDIN ? undefined : statOf(file);
  if (stat !== undefined && !stat.isFile())
    throw new FileError(file, 'text', '', `is ${whatIs(stat)}, not a file (give - for standard input)`);
  if (stat?.isFile() === true && stat.size > FILE_BYTES_MAX)
    throw new FileError(
      file,
      'text',
      '',
      `the file has ${stat.size} bytes; allowed: at most ${FILE_BYTES_MAX}`,
    );
  const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
  const fd = file === STDIN ? 0 : openSync(inCatalogue(file), 'r');
  let length = 0;
  try {
    for (;;) {
      const n = readSome(fd, buffer, length);
      length += n;
      if (n === 0) break;
      if (length > FILE_BYTES_MAX)
        throw new FileError(shownName(file), 'text', '', `the file has more than ${FILE_BYTES_MAX} bytes`);
    }
  } finally {
    if (fd !== 0) closeSync(fd);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.subarray(0, length));
  } catch {
    throw new FileError(shownName(file), 'text', '', 'the file is not UTF-8');
  }
}

/** Bytes read; 0 at the end. A terminal or pipe without anything yet is waited for. */
function readSome(fd: number, buffer: Buffer, offset: number): number {
  for (;;)
    try {
      return readSync(fd, buffer, offset, buffer.length - offset, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
}

const statOf = (path: string): Stats => statSync(inCatalogue(path));

function problemOf(file: string, error: unknown): Problem {
  if (error instanceof FileError) return { file, message: error.message };
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  const reason = own(REASONS, code);
  return { file, message: `${shownName(file)}: ${reason ?? `cannot be read (${code})`}` };
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
