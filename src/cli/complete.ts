/** Values that a shell completes: what a flag or the argument of a command may be. */

import type { Argv } from 'yargs';
import { PROPERTIES } from '../../properties/index.ts';
import { CHECK_SCOPES } from '../check/scope.ts';
import { DECISION_NAMES } from '../machine/decisions.ts';
import { FILESYSTEMS } from '../domain/filesystems.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { OP_KINDS } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';

const POLICIES: readonly string[] = BUILT_IN.flatMap((p) =>
  p.alias === undefined ? [p.id] : [p.alias, p.id],
);

/** Arguments that are no flags, by command. */
const ARGUMENTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['policies', POLICIES],
  ['mutate', POLICIES],
  ['distinguish', POLICIES],
  ['properties', PROPERTIES.map((p) => p.id)],
  ['ops', OP_KINDS],
  ['decisions', DECISION_NAMES],
  ['init', ['policy']],
  ['live', ['probe', 'run', 'fuzz', 'vm']],
]);

/** Values of flags, the same for all commands. */
const FLAGS: ReadonlyMap<string, readonly string[]> = new Map([
  ['--policy', ['all', ...POLICIES]],
  ['-p', ['all', ...POLICIES]],
  ['--base', POLICIES],
  ['--cand', POLICIES],
  ['--filesystem', FILESYSTEMS.map((f) => f.id)],
  ['--swap', [...SWAP_DEVICES, 'none']],
  ['--ops', OP_KINDS],
  ['--without', OP_KINDS],
]);

/** Flags that mean one thing in each command and another in `fuzz`, which lists what it takes. */
const SCOPES: ReadonlyMap<string, readonly string[]> = new Map([['scope', Object.keys(CHECK_SCOPES)]]);

/**
 * What the last of `words` may become; `words` begin with the command. `flags`: those of the command (flagsOf). Empty:
 * names of files, which the shell completes by itself. Undefined: the command itself is typed.
 */
export function completions(
  words: readonly string[],
  flags: ReadonlyMap<string, readonly string[]>,
): readonly string[] | undefined {
  const current = words.at(-1) ?? '';
  if (words.length < 2) return undefined;
  if (current.startsWith('-'))
    return [...flags.keys(), 'help'].map((name) => `--${name}`).filter((flag) => flag.startsWith(current));
  const before = words.at(-2)!;
  const values = before.startsWith('-')
    ? (FLAGS.get(before) ?? flags.get(before.replace(/^-+/, '')))
    : ARGUMENTS.get(words[0]!);
  return (values ?? []).filter((value) => value.startsWith(current));
}

/**
 * The flags of a command, each with the values that its description lists: `text, json or junit`, `page kinds: anon,
 * file, all`; none if it lists no values.
 */
export function flagsOf(builder: (yargs: Argv) => Argv): Map<string, readonly string[]> {
  const flags = new Map<string, readonly string[]>();
  const recorder: Argv = new Proxy({} as Argv, {
    get:
      (_, method) =>
      (name: unknown, options?: { readonly describe?: string }): Argv => {
        const list = (options?.describe ?? '').replace(/^[\w ]+: /, '').replace(/ \([^)]*\)/g, '');
        const words = list.split(/, | or /);
        const isList = words.length > 1 && words.every((word) => /^[a-z][\w.-]*$/i.test(word));
        if (method === 'option') flags.set(String(name), isList ? words : (SCOPES.get(String(name)) ?? []));
        return recorder;
      },
  });
  builder(recorder);
  return flags;
}
