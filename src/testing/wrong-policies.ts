/**
 * Policies that are wrong, or odd, in one decision: each gives an answer, or goes by a fact, that no era does. What tells
 * each from its base is found by search (policies/wrong.test.ts); the keys must hold over them, too (check/key.test.ts,
 * check/pair.test.ts).
 */
import type { PageKind } from '../domain/page-kinds.ts';
import type { Notes } from '../machine/notes.ts';
import type { SwapDevice } from '../domain/swap.ts';
import {
  before,
  type Changes,
  derive,
  otherwise,
  type Policy,
  replace,
  rule,
  table,
} from '../machine/policy.ts';
import { policyByName } from '../policies/index.ts';

export interface WrongPolicy {
  readonly policy: Policy;
  /** What it derives from, and is told from. */
  readonly base: Policy;
  /** Where it is searched for. */
  readonly kinds: readonly PageKind[];
  readonly mms: number;
  readonly pinBias: number;
  /** Pages of each file, which may be truncated; 0: of one page, and it may not. */
  readonly filePages: number;
}

const wrong = (
  id: string,
  base: Policy,
  kinds: readonly PageKind[],
  changes: Changes,
  {
    mms = 2,
    pinBias = 1024,
    filePages = 0,
    notes,
  }: {
    readonly mms?: number;
    readonly pinBias?: number;
    readonly filePages?: number;
    readonly notes?: Notes;
  } = {},
): WrongPolicy => ({
  policy: derive(
    base,
    { id, title: id, sources: ['a test'], ...(notes === undefined ? {} : { notes }) },
    changes,
  ),
  base,
  kinds,
  mms,
  pinBias,
  filePages,
});

const PAGE_COUNT = policyByName('v5.11-page-count');
const LAST = policyByName('v6.5-longterm-ban');
/** Writeback leaves PTEs dirty and writable: only so is a dirty PTE ever found whose folio is clean. */
const LEAVES: Policy = derive(
  LAST,
  { id: 'leaves-ptes', title: 'leaves-ptes', sources: ['a test'] },
  { wbClean: [table(otherwise('leave'))] },
);

export const WRONG: readonly WrongPolicy[] = [
  wrong('shares-exclusive', LAST, ['anon'], { forkExclusive: [table(otherwise('keep'))] }),
  wrong('parent-writable', LAST, ['anon'], { forkWrprotect: [table(otherwise('child only'))] }),
  wrong('copy-to-parent', LAST, ['anon'], {
    forkPte: [
      replace(
        'exclusive and maybe pinned',
        rule(
          'pinned: the parent moves',
          (f) => f.frame === 'anon' && f.anonExclusive && f.hasPinned && f.maybeDmaPinned,
          'copy to parent',
        ),
      ),
    ],
  }),
  wrong('unshared-not-exclusive', LAST, ['anon'], {
    markExclusive: [
      before(
        'otherwise',
        rule('unshared', (f) => f.by === 'unshare copy', 'leave'),
      ),
    ],
  }),
  wrong('pinned-stays-writable', LAST, ['shared-file'], {
    wbClean: [
      before(
        'otherwise',
        rule('pinned', (f) => f.maybeDmaPinned, 'leave'),
      ),
    ],
  }),
  wrong('pinned-put-off', LAST, ['shared-file'], {
    wbClean: [
      before(
        'otherwise',
        rule('pinned', (f) => f.maybeDmaPinned, 'put off'),
      ),
    ],
  }),
  wrong('pinned-redirty', LAST, ['shared-file'], {
    wbEnd: [
      before(
        'otherwise',
        rule('pinned', (f) => f.maybeDmaPinned, 'redirty'),
      ),
    ],
  }),
  wrong('fork-counts', PAGE_COUNT, ['anon'], {
    forkPte: [
      before(
        'otherwise',
        rule('any reference', (f) => f.frame === 'anon' && f.refcount > f.mapcount, 'copy'),
      ),
    ],
  }),
  wrong('pinned-is-mine', PAGE_COUNT, ['anon'], {
    wpFault: [
      before(
        'otherwise',
        rule('pinned', (f) => f.maybeDmaPinned, 'reuse'),
      ),
    ],
  }),
  wrong('no-get-of-files', LAST, ['private-file'], {
    gupSlow: [
      before(
        'otherwise',
        rule('GET of a private file page', (f) => f.vma === 'private-file' && !f.pin, 'EFAULT'),
      ),
    ],
  }),
  wrong(
    'inherits-has-pinned',
    LAST,
    ['anon'],
    { forkHasPinned: [table(otherwise('inherit'))] },
    { mms: 3, pinBias: 2 },
  ),
  wrong('never-has-pinned', LAST, ['anon'], { markHasPinned: [table(otherwise('leave'))] }),
  wrong('no-zero-page', LAST, ['anon'], { anonRead: [table(otherwise('fresh page'))] }),
  wrong('no-mkwrite', LAST, ['shared-file'], { mkwrite: [table(otherwise('skip'))] }),
  wrong('mprotect-keeps', LAST, ['anon'], { protectDowngrade: [table(otherwise('keep'))] }),
  wrong('unmaps-dirty', LAST, ['shared-file'], { reclaimUnmap: [table(otherwise('unmap'))] }),
  wrong('removes-held', LAST, ['shared-file'], { removeMapping: [table(otherwise('remove'))] }),
  wrong('zap-forgets', LEAVES, ['shared-file'], { zapDirty: [table(otherwise('drop'))] }),
  // MMF_HAS_PINNED of the policy's own, which GUP-slow for reading forgets to set.
  wrong(
    'own-has-pinned',
    LAST,
    ['anon'],
    {
      gupSlow: [
        before(
          'otherwise',
          rule(
            'pinned to write',
            (f) => f.pin && f.write && f.frame === 'anon' && f.anonExclusive,
            'return',
            {
              sticky: 1,
            },
          ),
        ),
      ],
      forkPte: [
        replace(
          'exclusive and maybe pinned',
          rule(
            'exclusive, maybe pinned, and somebody has',
            (f) => f.frame === 'anon' && f.anonExclusive && f.maybeDmaPinned && f.notes.sticky === 1,
            'copy',
          ),
        ),
      ],
    },
    { notes: { sticky: { of: 'mm', most: 1 } } },
  ),
  // Pins are counted in the folio, but a fork that copies it starts the count anew.
  wrong(
    'forgets-pins-at-fork',
    LAST,
    ['anon'],
    {
      gupSlow: [
        before(
          'otherwise',
          rule('pin', (f) => f.pin && f.frame === 'anon' && f.anonExclusive, 'return', { pins: '+1' }),
        ),
      ],
      putRef: [
        table(
          rule('pin', (f) => f.ref === 'PIN', 'put', { pins: '-1' }),
          otherwise('put'),
        ),
      ],
      forkPte: [
        replace(
          'exclusive and maybe pinned',
          rule(
            'exclusive and pinned',
            (f) => f.frame === 'anon' && f.anonExclusive && f.notes.pins! > 0,
            'copy',
            { pins: 0 },
          ),
        ),
      ],
    },
    { mms: 3, notes: { pins: { of: 'folio', most: 3 } } },
  ),
  // even_cows is forgotten: copies of private mappings outlive the page that they were made of.
  wrong(
    'truncate-leaves-copies',
    LAST,
    ['private-file'],
    {
      truncateUnmap: [
        table(
          rule('a copy', (f) => f.frame === 'anon', 'leave'),
          otherwise('zap'),
        ),
      ],
    },
    { mms: 1, filePages: 1 },
  ),
  wrong(
    'truncate-leaves-ptes',
    LAST,
    ['shared-file'],
    { truncateUnmap: [table(otherwise('leave'))] },
    { mms: 1, filePages: 1 },
  ),
  wrong(
    'truncate-keeps-pinned',
    LAST,
    ['shmem'],
    {
      truncateFolio: [
        table(
          rule('pinned', (f) => f.maybeDmaPinned, 'keep'),
          otherwise('remove'),
        ),
      ],
    },
    { mms: 1, filePages: 1 },
  ),
  // What is dirty is written where it is no more.
  wrong(
    'truncate-keeps-dirty',
    LAST,
    ['shared-file'],
    {
      truncateFolio: [
        table(
          rule('dirty', (f) => f.folioDirty, 'keep'),
          otherwise('remove'),
        ),
      ],
    },
    { mms: 1, filePages: 1 },
  ),
  // As if all were DAX: nobody is harmed but who waits.
  wrong(
    'truncate-waits',
    LAST,
    ['shared-file'],
    {
      breakLayout: [
        table(
          rule('pinned', (f) => f.maybeDmaPinned, 'wait'),
          otherwise('go on'),
        ),
      ],
    },
    { mms: 1, filePages: 1 },
  ),
];

/** Likewise, of what is swapped out. `swap`: the device on which it is told from its base. */
export const WRONG_SWAP: readonly (WrongPolicy & { readonly swap: SwapDevice })[] = [
  {
    ...wrong('swap-forgets', LAST, ['anon'], { swapOutExclusive: [table(otherwise('forget'))] }, { mms: 1 }),
    swap: 'disk',
  },
  {
    ...wrong('swap-leaves-page-exclusive', LAST, ['anon'], { swapOutExclusive: [table(otherwise('leave'))] }),
    swap: 'disk',
  },
  {
    ...wrong('swap-fork-keeps', LAST, ['anon'], { forkSwapExclusive: [table(otherwise('both'))] }),
    swap: 'disk',
  },
  {
    ...wrong('swap-fork-parent-keeps', LAST, ['anon'], {
      forkSwapExclusive: [table(otherwise('parent only'))],
    }),
    swap: 'disk',
  },
  {
    ...wrong('swap-pinned', LAST, ['anon'], {
      addToSwap: [table(otherwise('add'))],
      swapUnmap: [table(otherwise('unmap'))],
    }),
    swap: 'zram',
  },
  {
    ...wrong('swap-drops-dirty', LAST, ['anon'], { swapOutDirty: [table(otherwise('drop'))] }, { mms: 1 }),
    swap: 'disk',
  },
  {
    ...wrong('swap-writes-under-references', LAST, ['anon'], {
      swapWrite: [table(otherwise('write'))],
      removeMapping: [table(otherwise('remove'))],
    }),
    swap: 'zram',
  },
  {
    ...wrong('swap-cache-dropped-under-entries', LAST, ['anon'], { freeSwap: [table(otherwise('free'))] }),
    swap: 'disk',
  },
  {
    ...wrong('swap-in-always-own', LAST, ['anon'], { swapinMap: [table(otherwise('own, writable'))] }),
    swap: 'zram',
  },
  {
    ...wrong('swap-in-by-map-count', LAST, ['anon'], {
      swapinMap: [
        before(
          'otherwise',
          rule('map count', (f) => f.mapcount === 0 && f.swapCount === 0, 'own'),
        ),
      ],
    }),
    swap: 'disk',
  },
];
