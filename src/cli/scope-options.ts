/**
 * The flags that say what an exhaustive search covers: pages, mms, references, kinds of gup and operations. In common
 * to all commands that search or draw. `withScope` declares them, `scopeFlagsOf` reads them (light, for a command's
 * `options`), `scopeOf` makes a setup and an alphabet of them (for its `run`).
 */
import type { Argv } from 'yargs';
import type { ScopeName } from '../check/scope.ts';
import { CHOSEN_FILESYSTEMS } from '../domain/filesystems.ts';
import { CALLERS } from '../domain/kinds.ts';
import { own } from '../domain/own.ts';
import { choosesFilesystem, PAGE_KINDS, type PageKind } from '../domain/page-kinds.ts';
import {
  FILES_MAX,
  MMS_MAX,
  PAGES_MAX,
  PARTS_MAX,
  REFS_MAX,
  type Setup,
  shapeOf,
  TASKS_MAX,
} from '../domain/setup.ts';
import { SWAP_DEVICES, type SwapDevice } from '../domain/swap.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import { hint } from '../policies/nearest.ts';
import type { Args } from './command.ts';
import { inputError, usageError } from './exit.ts';

/** Flags as given; undefined: not given, the named scope says. */
export interface ScopeFlags {
  readonly scope: string | undefined;
  readonly pages: readonly PageKind[] | undefined;
  readonly mms: number | undefined;
  readonly refs: number | undefined;
  readonly tasks: number | undefined;
  readonly parts: number | undefined;
  readonly pinBias: number | undefined;
  readonly filesystem: string | undefined;
  readonly filePages: number | undefined;
  readonly swap: SwapDevice | 'none' | undefined;
  /** `plain`, `all`, or gups such as `pin:R,get:W:fast`. */
  readonly gups: string | undefined;
  /** These operations alone. */
  readonly ops: readonly OpKind[] | undefined;
  readonly without: readonly OpKind[];
}

/** What is searched. */
export interface Scope {
  readonly setup: Setup;
  readonly alphabet: Alphabet;
  /** One line for people: `1 anon page, 2 mms, 2 references; gups pin R, pin W; all operations @1`. */
  readonly words: string;
  /** Flags that give the same scope again, and name a named scope only where its version is not the latest. */
  readonly flags: string;
}

export const SCOPE_FLAG_NAMES = [
  'scope',
  'pages',
  'mms',
  'refs',
  'tasks',
  'parts',
  'pin-bias',
  'filesystem',
  'file-pages',
  'swap',
  'gups',
  'ops',
  'without',
] as const;

const PIN_BIAS_MAX = 1024;
const SWAP_WORDS = [...SWAP_DEVICES, 'none'] as const;

/** The device that `--swap` names, or that of a named scope; as a field of a setup. */
export function swapOf(
  flag: ScopeFlags['swap'],
  named: SwapDevice | undefined,
): { readonly swap?: SwapDevice } {
  const swap = flag === 'none' ? undefined : (flag ?? named);
  return swap === undefined ? {} : { swap };
}

/** Declares the flags. `named`: the scope if none is given; `scopes`: what `--scope` takes, in words. */
export function withScope<T>(
  yargs: Argv<T>,
  named: string,
  scopes = 'small named scope that the other flags change: pin, anon, shared-file, ...; NAME@1: its operations are those of version 1',
): Argv<T> {
  const flags: readonly (readonly [
    name: (typeof SCOPE_FLAG_NAMES)[number],
    describe: string,
    byDefault?: string,
  ])[] = [
    ['scope', scopes, named],
    ['pages', `page kinds, comma between: ${PAGE_KINDS.join(', ')}`],
    ['mms', `processes at a time, 1 to ${MMS_MAX}`],
    ['refs', `references at a time, 0 to ${REFS_MAX}`],
    ['tasks', `operations in flight at a time: 1, or ${TASKS_MAX}: they are interleaved`],
    ['parts', `parts of a page that may be stored to alone: 1, or ${PARTS_MAX}: a low and a high half`],
    ['pin-bias', `what a pin adds to the refcount, 2 to ${PIN_BIAS_MAX}`],
    ['filesystem', CHOSEN_FILESYSTEMS.join(', ')],
    ['file-pages', `pages of each file, whose end truncate moves, 1 to ${FILES_MAX}`],
    ['swap', `where anonymous pages may be swapped out to: ${SWAP_WORDS.join(', ')}`],
    ['gups', 'plain, all, or such as pin:R,get:W,pin:R:lt,get:R:fast'],
    ['ops', 'these operations alone, comma between (listed by ops)'],
    ['without', 'all operations but these'],
  ];
  for (const [name, describe, byDefault] of flags)
    yargs.option(name, {
      type: 'string',
      requiresArg: true,
      describe,
      ...(byDefault === undefined ? {} : { defaultDescription: byDefault }),
    });
  return yargs;
}

/** Reads the flags. Throws UserError (usage) for a value that no scope has. */
export function scopeFlagsOf(args: Args): ScopeFlags {
  const ops = listOf(args, 'ops', OP_KINDS);
  const without = listOf(args, 'without', OP_KINDS);
  if (ops !== undefined && without !== undefined)
    throw usageError('--ops makes no sense with --without; allowed: one of them');
  const pages = pagesFlag(args);
  return {
    scope: args.text('scope'),
    pages,
    mms: args.whole('mms', 1, MMS_MAX),
    refs: args.whole('refs', 0, REFS_MAX),
    tasks: args.whole('tasks', 1, TASKS_MAX),
    parts: args.whole('parts', 1, PARTS_MAX),
    pinBias: args.whole('pin-bias', 2, PIN_BIAS_MAX),
    filesystem: args.oneOf('filesystem', CHOSEN_FILESYSTEMS),
    filePages: args.whole('file-pages', 1, FILES_MAX),
    swap: args.oneOf('swap', SWAP_WORDS),
    gups: args.text('gups'),
    ops,
    without: without ?? [],
  };
}

/** `--pages`. Throws UserError (usage) for what is no kind of page, or too many. */
export function pagesFlag(args: Args): PageKind[] | undefined {
  const pages = listOf(args, 'pages', PAGE_KINDS);
  if (pages !== undefined && pages.length > PAGES_MAX)
    throw usageError(`--pages has ${pages.length} pages; allowed: at most ${PAGES_MAX}`);
  return pages;
}

function listOf<T extends string>(args: Args, flag: string, allowed: readonly T[]): T[] | undefined {
  return args
    .text(flag)
    ?.split(',')
    .map((word) => {
      const found = allowed.find((a) => a === word.trim());
      if (found === undefined) throw notOne(flag, word.trim(), allowed);
      return found;
    });
}

export const notOne = (flag: string, word: string, allowed: readonly string[]): Error =>
  usageError(
    `--${flag} has ${JSON.stringify(word)}; allowed: ${allowed.join(', ')}${hint(word, allowed).replace(/^\.$/, '')}`,
  );

/** Is a file of this profile mapped, or what O_DIRECT writes go to? */
export const usesFilesystem = ({ files, aside }: Setup, filesystem: string): boolean =>
  aside === filesystem || files.some((f) => f.filesystem === filesystem);

/** Setup.tasks of that many; none where each operation runs to its end. */
export const interleaved = (tasks: number | undefined): Pick<Setup, 'tasks'> =>
  tasks === undefined || tasks === 1 ? {} : { tasks };

/** Throws UserError where operations are interleaved. `does`: what the command does with programs. */
export function refuseInterleaved({ setup }: Scope, does: string): void {
  if (setup.tasks !== undefined)
    throw inputError(
      `programs of interleaved operations (--tasks ${setup.tasks}) are not ${does}; allowed: --tasks 1. check and fuzz take them`,
    );
}

/** Setup.parts of that many; none where pages have no parts. */
export const inParts = (parts: number | undefined): Pick<Setup, 'parts'> =>
  parts === undefined || parts === 1 ? {} : { parts };

/** A name as `--scope` takes it. Throws UserError (usage) for a version that there is not. */
export async function scopeNameOf(text: string): Promise<ScopeName> {
  const { OP_VERSIONS, scopeName } = await import('../check/scope.ts');
  try {
    return scopeName(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const allowed = OP_VERSIONS.map((_, i) => `@${i + 1}`).join(', ');
    throw usageError(
      `--scope has ${JSON.stringify(text)}; allowed: a name, or a name with the version of its operations behind it (${allowed})`,
    );
  }
}

/** The scope of these flags; `named` if they name none. Throws UserError (usage) if there is no such scope. */
export async function scopeOf(given: ScopeFlags, named: string): Promise<Scope> {
  const { checkFolios } = await import('../check/key.ts');
  const { alphabetFor, CHECK_SCOPES, DEFAULT_FILESYSTEM, pagesOf, versionOf } = await import(
    '../check/scope.ts'
  );
  const { name, version } = await scopeNameOf(given.scope ?? named);
  const base = own(CHECK_SCOPES, name);
  if (base === undefined) throw notOne('scope', name, Object.keys(CHECK_SCOPES));
  const ops = given.ops ?? (given.without.length === 0 ? base.ops : undefined);
  const flags = { ...given, ops };
  const kinds = flags.pages ?? base.kinds;
  const filesystem = flags.filesystem ?? DEFAULT_FILESYSTEM;
  const filePages = flags.filePages ?? base.filePages ?? 0;
  const setup: Setup = {
    ...pagesOf(kinds, filesystem, filePages),
    ...swapOf(flags.swap, base.swap),
    mms: flags.mms ?? base.mms,
    refs: flags.refs ?? base.refs,
    ...interleaved(flags.tasks ?? base.tasks),
    ...inParts(flags.parts ?? base.parts),
    pinBias: flags.pinBias ?? base.pinBias,
  };
  try {
    shapeOf(setup);
    checkFolios(setup);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--scope, --pages, --mms and --refs: ${error.message}`);
    throw error;
  }
  const gups = setup.refs === 0 ? { list: [], text: 'none' } : await gupsOf(flags.gups ?? base.gups);
  const whole = alphabetFor(setup, gups.list, version);
  const isLatest = versionOf(alphabetFor(setup, gups.list)) === versionOf(whole);
  const chosen = (kind: OpKind): boolean =>
    flags.ops === undefined ? !flags.without.includes(kind) : flags.ops.includes(kind);
  const alphabet = { ...whole, ops: whole.ops.map((on, at) => on && chosen(OP_KINDS[at]!)) };
  const listed = flags.ops ?? flags.without;
  const nothing = listed.find((kind) => !whole.ops[OP_KINDS.indexOf(kind)]);
  if (nothing !== undefined)
    throw usageError(
      `--${flags.ops === undefined ? 'without' : 'ops'} has ${JSON.stringify(nothing)}, which means nothing in this scope; ` +
        `allowed: ${OP_KINDS.filter((_, at) => whole.ops[at]).join(', ')}`,
    );
  if (!alphabet.ops.includes(true))
    throw usageError('--without leaves no operation; allowed: a scope with at least one');
  return {
    setup,
    alphabet,
    words: wordsOf(setup, kinds, filesystem, alphabet, gups.text, flags, versionOf(whole)),
    flags: [
      ...(isLatest ? [] : [`--scope ${name}@${version}`]),
      `--pages ${kinds.join(',')} --mms ${setup.mms} --refs ${setup.refs}`,
      ...(setup.tasks === undefined ? [] : [`--tasks ${setup.tasks}`]),
      ...(setup.parts === undefined ? [] : [`--parts ${setup.parts}`]),
      ...(setup.pinBias === PIN_BIAS_MAX ? [] : [`--pin-bias ${setup.pinBias}`]),
      ...(usesFilesystem(setup, filesystem) ? [`--filesystem ${filesystem}`] : []),
      ...(filePages === 0 ? [] : [`--file-pages ${filePages}`]),
      ...(setup.swap === undefined ? [] : [`--swap ${setup.swap}`]),
      ...(setup.refs === 0 ? [] : [`--gups ${gups.text}`]),
      ...(flags.ops === undefined ? [] : [`--ops ${flags.ops.join(',')}`]),
      ...(flags.without.length === 0 ? [] : [`--without ${flags.without.join(',')}`]),
    ].join(' '),
  };
}

function wordsOf(
  setup: Setup,
  kinds: readonly PageKind[],
  filesystem: string,
  alphabet: Alphabet,
  gups: string,
  { ops, without }: ScopeFlags,
  version: number,
): string {
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const pages = PAGE_KINDS.filter((kind) => kinds.includes(kind)).map((kind) => {
    const on = choosesFilesystem(kind) ? ` (${filesystem})` : '';
    return count(kinds.filter((k) => k === kind).length, `${kind} page`) + on;
  });
  const aside = setup.aside === undefined || gups === 'none' ? '' : `, O_DIRECT writes to ${setup.aside}`;
  const swap = setup.swap === undefined ? '' : `, swap on ${setup.swap}`;
  const bias = setup.pinBias === PIN_BIAS_MAX ? '' : `, a pin counts ${setup.pinBias}`;
  const tasks = setup.tasks === undefined ? '' : `, ${setup.tasks} operations in flight`;
  const cut = setup.files.filter(({ index }) => index === 0).length;
  const files = cut === 0 ? '' : `, files of ${count(setup.files.length / cut, 'page')}`;
  const parts = setup.parts === undefined ? '' : `, of ${setup.parts} parts each`;
  const first = `${pages.join(' and ')}${parts}${files}, ${count(setup.mms, 'mm')}, ${count(setup.refs, 'reference')}${tasks}${aside}${swap}${bias}`;
  const operations =
    ops !== undefined
      ? `only ${ops.join(', ')}`
      : without.length > 0
        ? `all operations @${version} but ${without.join(', ')}`
        : `all operations @${version}`;
  const gupped = alphabet.ops[OP_KINDS.indexOf('gup')] === true;
  return [first, ...(gupped ? [`gups ${gups}`] : []), operations].join('; ');
}

/**
 * `plain`, `all`, or a list of `caller[:R|:W][:lt][:fast]`. Without R or W both; without lt or fast not LONGTERM, where
 * the caller is free to choose, and not GUP-fast.
 */
export async function gupsOf(
  text: string,
): Promise<{ readonly list: readonly number[]; readonly text: string }> {
  const { PLAIN_GUPS } = await import('../check/scope.ts');
  const { callerOf, fastOf, GUP_VARIANTS, longtermOf, writeOf } = await import('../ops/gup.ts');
  if (text === 'plain') return { list: PLAIN_GUPS, text };
  if (text === 'all') return { list: GUP_VARIANTS, text };
  const chosen = new Set<number>();
  for (const word of text.split(',')) {
    const [name, ...marks] = word.trim().split(':');
    const caller = (CALLERS as readonly string[]).indexOf(name ?? '');
    const allowed = 'plain, all, or CALLER[:R|:W][:lt][:fast], comma between';
    if (caller < 0)
      throw usageError(
        `--gups has ${JSON.stringify(word.trim())}; allowed: ${allowed}, CALLER one of ${CALLERS.join(', ')}` +
          hint(name ?? '', CALLERS).replace(/^\.$/, ''),
      );
    const wrong = marks.find((mark) => !['R', 'W', 'lt', 'fast'].includes(mark));
    if (wrong !== undefined)
      throw usageError(`--gups has ${JSON.stringify(word.trim())}; allowed: ${allowed}`);
    const of = GUP_VARIANTS.filter((v) => callerOf(v) === caller);
    const free = of.some((v) => !longtermOf(v));
    const matching = of.filter(
      (v) =>
        fastOf(v) === marks.includes('fast') &&
        (marks.includes('lt') ? longtermOf(v) : !(free && longtermOf(v))) &&
        (writeOf(v) ? !marks.includes('R') : !marks.includes('W')),
    );
    if (matching.length === 0)
      throw usageError(
        `--gups has ${JSON.stringify(word.trim())}, which ${name} never asks for; allowed: ${allowed}`,
      );
    for (const variant of matching) chosen.add(variant);
  }
  return { list: [...chosen], text };
}
