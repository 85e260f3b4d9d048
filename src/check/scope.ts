/** Scopes: which pages, how many mms and references, and which operations a search or a campaign uses. */

import { FILESYSTEMS } from '../domain/filesystems.ts';
import { own } from '../domain/own.ts';
import { BACKINGS, backingOf, KIND_TRAITS, PAGE_KINDS, type PageKind } from '../domain/page-kinds.ts';
import type { FileSetup, PageSetup, Setup } from '../domain/setup.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, OP_VERSIONS, type Op, type OpKind } from '../ops/op.ts';

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

export { OP_VERSIONS } from '../ops/op.ts';

/** The last version of the scopes. Version v has the operations of the first v lists of OP_VERSIONS. */
export const LATEST: number = OP_VERSIONS.length;

/** The operations of a version. */
export const operationsOf = (version: number): readonly OpKind[] => OP_VERSIONS.slice(0, version).flat();
const countOf = (version: number): number => operationsOf(version).length;

/**
 * All operations of the version that mean something for the setup, with the given gup variants. What a version does not
 * add to in this setup is the one before it: it draws, enumerates and proves as that does.
 */
export function alphabetFor(
  setup: Setup,
  gups: readonly number[] = GUP_VARIANTS,
  version: number = LATEST,
): Alphabet {
  const ops = OPS.slice(0, countOf(version)).map((op) => meansSomething(op, setup));
  let least = version;
  while (least > 1 && !ops.includes(true, countOf(least - 1))) least--;
  return { ops: ops.slice(0, countOf(least)), gups };
}

function meansSomething({ args, makes, means }: Op, setup: Setup): boolean {
  const onFile = Object.values(args).some(
    (arg) => 'is' in arg && arg.is === 'file' && arg.after === undefined,
  );
  if ((onFile && setup.files.length === 0) || (makes === 'mm' && setup.mms < 2)) return false;
  return (makes !== 'ref' || setup.refs > 0) && (means?.(setup) ?? true);
}

/** The version that an alphabet is of. */
export const versionOf = ({ ops }: Alphabet): number =>
  1 + OP_VERSIONS.findIndex((_, i) => countOf(i + 1) >= ops.length);

/** The first version that has the operations of these steps. */
export const versionWith = (steps: readonly { readonly op: OpKind }[]): number =>
  steps.reduce((least, { op }) => {
    const version = 1 + OP_VERSIONS.findIndex((kinds) => (kinds as readonly OpKind[]).includes(op));
    return Math.max(least, version);
  }, 1);

/** A named scope of one version: `default@1`. */
export interface ScopeName {
  readonly name: string;
  readonly version: number;
}

/** `NAME`, of the latest version, or `NAME@VERSION`. Throws RangeError for a version that there is not. */
export function scopeName(text: string): ScopeName {
  const [, name, said] = /^([^@]*)(?:@(.*))?$/.exec(text) ?? [text, text];
  const version = said === undefined ? LATEST : Number(said);
  if (said !== undefined && !(/^[1-9]\d*$/.test(said) && version <= LATEST))
    throw new RangeError(
      `scope ${JSON.stringify(text)} is of no version; versions: ${OP_VERSIONS.map((_, i) => i + 1).join(', ')}`,
    );
  return { name: name!, version };
}

/** With its version, whatever is the latest: `default@1`. */
export function versionedScope(text: string): string {
  const { name, version } = scopeName(text);
  return `${name}@${version}`;
}

/**
 * Pages of the given kinds with their usual names, those of one backing on the same file page; or, where files are said to
 * have so many pages and may be truncated, the pages of each kind on one after the other. The profile is that of the
 * files which have a choice; where it needs stable pages, so does what O_DIRECT writes go to. `''`: no such file.
 */
export function pagesOf(
  kinds: readonly PageKind[],
  filesystem: string,
  filePages = 0,
): Pick<Setup, 'pages' | 'files' | 'aside'> {
  const fileName = (file: string, index: number): string => (index === 0 ? file : `${file}${index + 1}`);
  const used = new Map<PageKind, number>();
  const pages: PageSetup[] = kinds.map((kind) => {
    const n = used.get(kind) ?? 0;
    used.set(kind, n + 1);
    const { names } = KIND_TRAITS[kind];
    const name = names[n] ?? `${names[0]}${n + 1}`;
    const { file } = backingOf(kind);
    const at = filePages === 0 ? 0 : n % filePages;
    return { name, kind, prot: 'rw', ...(file === '' ? {} : { file: fileName(file, at) }) };
  });
  const files: FileSetup[] = Object.values(BACKINGS).flatMap(({ file, profile }): FileSetup[] => {
    if (file === '' || !kinds.some((kind) => backingOf(kind).file === file)) return [];
    const one = { name: file, filesystem: profile || filesystem };
    if (filePages === 0) return [one];
    return Array.from({ length: filePages }, (_, index) => ({ ...one, name: fileName(file, index), index }));
  });
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
    /** As `--ops` takes them; absent: all of the version. */
    readonly ops?: readonly OpKind[];
    /** Files have so many pages, and truncate moves their end; absent: one each, and none. */
    readonly filePages?: number;
  };
} = {
  pin: { mms: 2, refs: 2, pinBias: 1024, kinds: ['anon'], gups: 'pin:R,pin:W' },
  // Two operations in flight at a time: fork and faults against GUP-fast.
  race: {
    mms: 2,
    refs: 1,
    tasks: 2,
    pinBias: 1024,
    kinds: ['anon'],
    gups: 'pin:R:fast,pin:W:fast',
    ops: ['fork', 'exit', 'read', 'write', 'gup', 'unpin', 'dma_read', 'dma_write'],
  },
  // Transfers and stores of half a page.
  parts: {
    mms: 2,
    refs: 2,
    parts: 2,
    pinBias: 1024,
    kinds: ['anon'],
    gups: 'o_direct_read',
    ops: ['fork', 'exit', 'read', 'write', 'gup', 'dio_end'],
  },
  swap: { mms: 2, refs: 1, pinBias: 1024, kinds: ['anon'], swap: 'disk', gups: 'plain' },
  // One page of each kind; of a private one, with what fork can do to it.
  ...Object.fromEntries(
    PAGE_KINDS.map((kind) => [
      kind,
      { mms: KIND_TRAITS[kind].private ? 2 : 1, refs: 1, pinBias: 1024, kinds: [kind], gups: 'plain' },
    ]),
  ),
  // Both pages of a file, one mapped.
  truncate: {
    mms: 1,
    refs: 1,
    pinBias: 1024,
    kinds: ['shared-file'],
    gups: 'get:W,pin:R,pin:W',
    filePages: 2,
  },
  ...Object.fromEntries(Object.entries(SCOPES).map(([name, scope]) => [name, { ...scope, gups: 'plain' }])),
};

export const DEFAULT_FILESYSTEM = 'ext4-v5.18';

/** What SCOPES has by this name, of whatever version. Throws RangeError for a name or version that there is not. */
export function namedScope(scope: string): (typeof SCOPES)[string] {
  const { name } = scopeName(scope);
  const found = own(SCOPES, name);
  if (found === undefined)
    throw new RangeError(`scope ${JSON.stringify(name)} is not one of: ${Object.keys(SCOPES).join(', ')}`);
  return found;
}

/** The setup of a named scope, its files on this filesystem. Throws RangeError for a name that nothing has. */
export function setupOf(scope: string, filesystem: string = DEFAULT_FILESYSTEM): Setup {
  const { kinds, ...bounds } = namedScope(scope);
  return { ...pagesOf(kinds, filesystem), ...bounds };
}
