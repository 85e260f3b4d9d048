/**
 * Commands for people to copy. They work as they are printed, in the folder in which they are printed: `npx gupfuzz` in
 * a clone or a project that has it, `gupfuzz` where it is installed for all, else node and the file that runs now.
 */
import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { packageFile } from '../installed.ts';
import { plain } from '../scenario/file-error.ts';

const NAME = 'gupfuzz';

const found = new Map<string, string>();

/** What starts this program, ready for a shell. `cwd` and `path` ($PATH) are there for tests. */
export function program(cwd: string = process.cwd(), path: string = process.env.PATH ?? ''): string {
  const key = `${cwd}\n${path}`;
  let text = found.get(key);
  if (text === undefined) {
    text = isLocal(cwd) ? `npx ${NAME}` : isOnPath(path) ? NAME : ownFile();
    found.set(key, text);
  }
  return text;
}

/**
 * `npx` finds it: the package is developed here, or is a dependency. npm takes the first folder upwards with a
 * package.json or a node_modules for the project, and looks no further.
 */
function isLocal(cwd: string): boolean {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || existsSync(join(folder, 'node_modules')))
      return existsSync(join(folder, 'node_modules', '.bin', NAME)) || isPackage(folder);
    if (folder === dirname(folder)) return false;
  }
}

function isPackage(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return name === NAME;
  } catch {
    return false;
  }
}

/** npm and npx put folders of their own on PATH, which are gone when their command has ended. */
function isOnPath(path: string): boolean {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '' && !folder.endsWith(join('node_modules', '.bin')))
    .some((folder) => {
      try {
        accessSync(join(folder, NAME), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function ownFile(): string {
  const main = packageFile('dist/src/cli/main.js');
  // npx keeps what it has fetched, and finds it again.
  if (!existsSync(main) || realpathSync(main).split(sep).includes('_npx')) return `npx ${NAME}`;
  return `node ${shellWord(main)}`;
}

/** A command line of this program; each word is quoted as needed. */
export function command(...words: readonly string[]): string {
  return [program(), ...words.map(shellWord)].join(' ');
}

/** What a replay must be told to judge as the finding was judged; undefined: what it does by itself. */
export interface ReplayBy {
  /** For `--policy`: the module of a user's policy, or a name. */
  readonly policy?: string | undefined;
  /** For `--base`. */
  readonly base?: string | undefined;
}

/** As a policy was judged: beside the base that was asked for by this name, else beside its own. */
export const replayBy = (
  { id, module }: { readonly id: string; readonly module?: string },
  base: string | undefined,
): ReplayBy => ({ policy: module ?? (base === undefined ? undefined : id), base });

/** The command that shows a finding again. */
export function replayCommand(file: string, { policy, base }: ReplayBy = {}): string {
  return command(
    'replay',
    fileWord(file),
    ...(policy === undefined ? [] : ['--policy', policy]),
    ...(base === undefined ? [] : ['--base', base]),
  );
}

/** A file name that is taken for no flag. */
const fileWord = (file: string): string => (file.startsWith('-') && file !== '-' ? `./${file}` : file);

/** A file name as one word of a shell command, on one line: what cannot be shown is written as bytes. */
export function shellWord(text: string): string {
  if (plain(text) !== text) return `$'${[...text].map(byteWord).join('')}'`;
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** In `$'...'` of bash, zsh and ksh. */
function byteWord(c: string): string {
  if (c === "'" || c === '\\') return `\\${c}`;
  if (plain(c) === c) return c;
  return [...Buffer.from(c)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
