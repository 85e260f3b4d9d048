/**
 * The fixed ladder of small scopes in which mutants of each decision point are searched: the pages, mms, references and
 * kinds of gup that matter to it, smallest first. Fixed, so that the same policy gets the same answer every time.
 */
import { PLAIN_GUPS, pagesOf, versionWith } from '../check/scope.ts';
import { CALLERS, type PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import type { SwapDevice } from '../domain/swap.ts';
import type { DecisionName } from '../machine/decisions.ts';
import { callerOf, fastOf, GUP_VARIANTS } from '../ops/gup.ts';

export interface MutationScope {
  /** What it has in a line: `anon, 2 mms, 1 reference`. */
  readonly name: string;
  readonly setup: Setup;
  /** Variants of gup (ops/gup.ts). */
  readonly gups: readonly number[];
  /** Of its operations (check/scope.ts); absent: MUTATION_VERSION. */
  readonly version?: number;
  /** All scenarios of up to so many steps are tried. */
  readonly depth: number;
  /** States after which a search gives up. */
  readonly statesMax: number;
}

const STATES_MAX = 400_000;

/** Of the operations (check/scope.ts), but for points that a later one asks. */
export const MUTATION_VERSION = 1;

/** Which kinds of gup: the plain ones, `get` and `pin` with GUP-fast first, or every caller without it. */
type Gups = 'plain' | 'fast' | 'callers';

const GUPS: { readonly [G in Gups]: readonly number[] } = {
  plain: PLAIN_GUPS,
  fast: GUP_VARIANTS.filter((v) => fastOf(v) && ['get', 'pin'].includes(CALLERS[callerOf(v)]!)),
  callers: GUP_VARIANTS.filter((v) => !fastOf(v)),
};
const SAID: { readonly [G in Gups]: string } = { plain: '', fast: ', GUP-fast', callers: ', all callers' };

function scope(
  kinds: readonly PageKind[],
  mms: number,
  refs: number,
  gups: Gups,
  depth: number,
  filesystem = 'ext4-v5.18',
  swap?: SwapDevice,
): MutationScope {
  const on = filesystem.endsWith('-stable') ? ' (stable pages)' : '';
  const swapped = swap === undefined ? '' : `, swap on ${swap}`;
  return {
    name:
      `${kinds.join(' and ')}${on}, ${mms} ${mms === 1 ? 'mm' : 'mms'}, ` +
      `${refs} ${refs === 1 ? 'reference' : 'references'}${SAID[gups]}${swapped}`,
    setup: {
      ...pagesOf(kinds, filesystem),
      mms,
      refs,
      pinBias: 1024,
      ...(swap === undefined ? {} : { swap }),
    },
    gups: GUPS[gups],
    ...(swap === undefined ? {} : { version: versionWith([{ op: 'swapout' }]) }),
    depth,
    statesMax: STATES_MAX,
  };
}

const STABLE = 'ext4-v5.18-stable';

/** More steps than any search of a scope this small needs to visit everything. */
const ALL = 40;

const privatePages = (gups: Gups): MutationScope[] => [
  scope(['anon'], 2, 1, gups, 7),
  scope(['private-file'], 2, 1, gups, 5),
  scope(['anon'], 2, 2, gups, 5),
];
/** Where pages are swapped out: as many steps as the ladder of private pages, which have no swap. */
const swapped: readonly MutationScope[] = [
  scope(['anon'], 1, 1, 'plain', 8, undefined, 'zram'),
  scope(['anon'], 1, 1, 'plain', 8, undefined, 'disk'),
  scope(['anon'], 2, 1, 'plain', 6, undefined, 'disk'),
];
const filePages = (gups: Gups): MutationScope[] => [
  scope(['shared-file'], 1, 1, gups, ALL),
  scope(['shared-file'], 1, 1, gups, ALL, STABLE),
  scope(['shmem'], 1, 1, gups, ALL),
];
const writeback = (gups: Gups): MutationScope[] => [
  ...filePages(gups),
  scope(['shared-file'], 1, 2, gups, 6),
  scope(['private-file', 'shared-file'], 1, 1, gups, 5),
];

const truncated = (kinds: readonly PageKind[], depth: number): MutationScope => {
  const small = scope(kinds, 1, 1, 'plain', depth);
  const { name, setup } = small;
  return {
    ...small,
    name: `${name}, a file that is truncated`,
    setup: { ...setup, ...pagesOf(kinds, 'ext4-v5.18', 1) },
    version: versionWith([{ op: 'truncate' }]),
  };
};
const truncatedPages: readonly MutationScope[] = [
  truncated(['shared-file'], ALL),
  truncated(['private-file'], 6),
  truncated(['shmem'], ALL),
];

export const LADDER: { readonly [D in DecisionName]: readonly MutationScope[] } = {
  wpFault: [...privatePages('plain'), scope(['anon'], 3, 1, 'plain', 5)],
  unshareFault: [...privatePages('plain'), scope(['private-file', 'shared-file'], 1, 1, 'plain', 5)],
  forkPte: [...privatePages('plain'), scope(['anon'], 3, 1, 'plain', 5)],
  gupKind: [
    scope(['anon'], 2, 1, 'callers', 6),
    scope(['private-file'], 2, 1, 'callers', 4),
    ...filePages('callers'),
  ],
  gupSlow: [
    ...privatePages('plain'),
    ...filePages('plain'),
    scope(['private-file', 'shared-file'], 1, 1, 'plain', 5),
  ],
  gupFast: [...privatePages('fast'), ...filePages('fast')],
  zeroPagePin: [...privatePages('plain')],
  protectUpgrade: [...privatePages('plain'), ...filePages('plain')],
  stripBuffers: writeback('plain'),
  wbBegin: writeback('plain'),
  unpinDirty: [...writeback('plain'), scope(['anon'], 2, 1, 'plain', 7)],
  forkExclusive: privatePages('plain'),
  forkWrprotect: privatePages('plain'),
  forkHasPinned: [...privatePages('plain'), scope(['anon'], 3, 1, 'plain', 5)],
  markExclusive: privatePages('plain'),
  markHasPinned: privatePages('plain'),
  anonRead: privatePages('plain'),
  mkwrite: writeback('plain'),
  protectDowngrade: [...privatePages('plain'), ...filePages('plain')],
  zapDirty: writeback('plain'),
  wbClean: writeback('plain'),
  wbEnd: writeback('plain'),
  reclaimUnmap: writeback('plain'),
  writeProtectSeq: privatePages('fast'),
  removeMapping: writeback('plain'),
  breakLayout: truncatedPages,
  truncateUnmap: truncatedPages,
  truncateFolio: truncatedPages,
  putRef: [...privatePages('plain'), ...filePages('plain')],
  pageout: swapped,
  addToSwap: swapped,
  swapUnmap: swapped,
  swapOutExclusive: swapped,
  swapOutDirty: swapped,
  swapWrite: swapped,
  swapinCache: swapped,
  freeSwap: swapped,
  swapinMap: swapped,
  forkSwapExclusive: swapped,
  gupTouch: swapped,
};
