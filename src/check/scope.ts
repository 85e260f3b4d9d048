/** Scopes: which pages, how many mms and references, and which operations a search or a campaign uses. */

import { FILESYSTEMS } from '../domain/filesystems.ts';
import { own } from '../domain/own.ts';
import { BACKINGS, backingOf, KIND_TRAITS, PAGE_KINDS, type PageKind } from '../domain/page-kinds.ts';
import type { FileSetup, PageSetup, Setup } from '../domain/setup.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';

const FILE_OPS: readonly OpKind[] = [
  'wb_start',
  'wb_end',
  'fsync',
  'reclaim',
  'drop_caches',
  'buffered_read',
  'buffered_write',
];

/**
 * Gup variants that stand for all others in a small scope: plain GET and PIN and O_DIRECT, slow path. A policy may tell
 * callers apart (gupKind): of those that it does, only a scope with `--gups all` says something.
 */
export const PLAIN_GUPS: readonly number[] = [
  gupVariant('get', false, false, false),
  gupVariant('get', true, false, false),
  gupVariant('pin', false, false, false),
  gupVariant('pin', true, false, false),
  gupVariant('pin', false, true, false),
  gupVariant('pin', true, true, false),
  gupVariant('o_direct_read', true, false, false),
  gupVariant('o_direct_write', false, false, false),
];

/** All operations that mean something for the setup, with the given gup variants. */
export function alphabetFor(setup: Setup, gups: readonly number[] = GUP_VARIANTS): Alphabet {
  const files = setup.files.length > 0;
  return {
    ops: OP_KINDS.map(
      (kind) =>
        (files || !FILE_OPS.includes(kind)) &&
        (setup.mms > 1 || kind !== 'fork') &&
        (setup.refs > 0 || kind !== 'gup'),
    ),
    gups,
  };
}

/**
 * Pages of the given kinds with their usual names, those of one backing on the same file page. The profile is that of the
 * files which have a choice; where it needs stable pages, so does what O_DIRECT writes go to. `''`: no such file.
 */
export function pagesOf(
  kinds: readonly PageKind[],
  filesystem: string,
): Pick<Setup, 'pages' | 'files' | 'aside'> {
  const used = new Map<PageKind, number>();
  const pages: PageSetup[] = kinds.map((kind) => {
    const n = used.get(kind) ?? 0;
    used.set(kind, n + 1);
    const { names } = KIND_TRAITS[kind];
    const name = names[n] ?? `${names[0]}${n + 1}`;
    const { file } = backingOf(kind);
    return { name, kind, prot: 'rw', ...(file === '' ? {} : { file }) };
  });
  const files: FileSetup[] = Object.values(BACKINGS).flatMap(({ file, profile }) =>
    pages.some((p) => file !== '' && p.file === file)
      ? [{ name: file, filesystem: profile || filesystem }]
      : [],
  );
  const stable = FILESYSTEMS.some((f) => f.id === filesystem && f.stablePages);
  return { pages, files, ...(stable ? { aside: filesystem } : {}) };
}

/** Named scopes of campaigns. `default`: 3 mms, 2 anon, private file, shared tracked file, shmem, 3 references. */
export const SCOPES: {
  readonly [name: string]: Omit<Setup, 'pages' | 'files'> & { readonly kinds: readonly PageKind[] };
} = {
  base: { mms: 2, refs: 2, pinBias: 1024, kinds: ['anon'] },
  default: {
    mms: 3,
    refs: 3,
    pinBias: 1024,
    kinds: ['anon', 'anon', 'private-file', 'shared-file', 'shmem'],
  },
};

/** Small named scopes of exhaustive searches. `gups`: as `--gups` takes them (cli/scope-options.ts). */
export const CHECK_SCOPES: {
  readonly [name: string]: Omit<Setup, 'pages' | 'files'> & {
    readonly kinds: readonly PageKind[];
    readonly gups: string;
  };
} = {
  pin: { mms: 2, refs: 2, pinBias: 1024, kinds: ['anon'], gups: 'pin:R,pin:W' },
  // One page of each kind; of a private one, with what fork can do to it.
  ...Object.fromEntries(
    PAGE_KINDS.map((kind) => [
      kind,
      { mms: KIND_TRAITS[kind].private ? 2 : 1, refs: 1, pinBias: 1024, kinds: [kind], gups: 'plain' },
    ]),
  ),
  ...Object.fromEntries(Object.entries(SCOPES).map(([name, scope]) => [name, { ...scope, gups: 'plain' }])),
};

export const DEFAULT_FILESYSTEM = 'ext4-v5.18';

/** The setup of a named scope (SCOPES), its files on this filesystem. Throws RangeError for a name that nothing has. */
export function setupOf(scope: string, filesystem: string = DEFAULT_FILESYSTEM): Setup {
  const found = own(SCOPES, scope);
  if (found === undefined)
    throw new RangeError(`scope ${JSON.stringify(scope)} is not one of: ${Object.keys(SCOPES).join(', ')}`);
  const { kinds, ...bounds } = found;
  return { ...pagesOf(kinds, filesystem), ...bounds };
}
