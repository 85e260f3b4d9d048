import { describe, expect, it } from 'vitest';
import { ask, type Row, row, rulesOf } from './ask.ts';
import { pageCount } from './v5.11-page-count.ts';
import { anonExclusive } from './v6.2-anon-exclusive.ts';

const PINNED = { frame: 'anon', anonExclusive: true, hasPinned: true, maybeDmaPinned: true } as const;

const ROWS: readonly Row[] = [
  row('wpFault', 'exclusive', { anonExclusive: true, refcount: 6 }, 'reuse'),
  row('wpFault', 'only reference', { refcount: 1 }, 'reuse'),
  row('wpFault', 'otherwise', { refcount: 2, mapcount: 1 }, 'copy'),

  row('unshareFault', 'exclusive', { frame: 'anon', anonExclusive: true, refcount: 6 }, 'none'),
  row('unshareFault', 'only reference', { frame: 'anon', refcount: 1 }, 'reuse'),
  row('unshareFault', 'otherwise', { frame: 'anon', refcount: 2 }, 'copy'),
  row('unshareFault', 'otherwise', { frame: 'zero' }, 'copy'),
  row('unshareFault', 'otherwise', { frame: 'file', refcount: 1 }, 'copy'),

  row('forkPte', 'exclusive and maybe pinned', { ...PINNED, pteWrite: true }, 'copy'),
  row('forkPte', 'exclusive and maybe pinned', PINNED, 'copy'),
  row('forkPte', 'otherwise', { ...PINNED, hasPinned: false }, 'share'),
  row('forkPte', 'otherwise', { ...PINNED, maybeDmaPinned: false }, 'share'),
  // Not exclusive: it cannot be a pin, only many references.
  row('forkPte', 'otherwise', { ...PINNED, anonExclusive: false }, 'share'),
  // fb3d824d1a46: no early copy of page-cache pages any more (B15).
  row('forkPte', 'otherwise', { frame: 'file', hasPinned: true, maybeDmaPinned: true }, 'share'),

  row('gupSlow', 'R/O pin of an anon page, not exclusive', { frame: 'anon', pin: true }, 'unshare fault'),
  row(
    'gupSlow',
    'R/O pin of an anon page, not exclusive',
    { frame: 'anon', pin: true, longterm: true },
    'unshare fault',
  ),
  row(
    'gupSlow',
    'R/O long-term pin in a COW mapping',
    { frame: 'zero', pin: true, longterm: true },
    'unshare fault',
  ),
  row(
    'gupSlow',
    'R/O long-term pin in a COW mapping',
    { frame: 'file', pin: true, longterm: true },
    'unshare fault',
  ),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { frame: 'anon', write: true, pin: true }, 'write fault'),
  row('gupSlow', 'otherwise', { frame: 'anon', pin: true, anonExclusive: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'anon' }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'zero', pin: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'file', pin: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'file', pin: true, longterm: true, vmaShared: true }, 'return'),

  row('gupFast', 'R/O pin of an anon page, not exclusive', { frame: 'anon', pin: true }, 'bail'),
  row('gupFast', 'R/O long-term pin of a file page', { frame: 'file', pin: true, longterm: true }, 'bail'),
  row(
    'gupFast',
    'R/O long-term pin of a file page',
    { frame: 'file', shmem: true, pin: true, longterm: true },
    'bail',
  ),
  row('gupFast', 'otherwise', { frame: 'file', pin: true }, 'return'),
  row('gupFast', 'otherwise', { frame: 'anon', pin: true, anonExclusive: true }, 'return'),
  row('gupFast', 'otherwise', { frame: 'anon' }, 'return'),

  row('protectUpgrade', 'private, exclusive', { frame: 'anon', anonExclusive: true }, 'upgrade'),
  row('protectUpgrade', 'otherwise', { frame: 'anon', pteDirty: true }, 'keep'),
  row('protectUpgrade', 'otherwise', { frame: 'zero', pteDirty: true }, 'keep'),
  row('protectUpgrade', 'otherwise', { frame: 'file', pteDirty: true }, 'keep'),

  row('stripBuffers', 'invalidation, extra references', { by: 'drop-caches', extraRefs: true }, 'keep'),
  row('stripBuffers', 'otherwise', { by: 'drop-caches' }, 'strip'),
  row('stripBuffers', 'otherwise', { by: 'reclaim', maybeDmaPinned: true, extraRefs: true }, 'strip'),

  row('swapUnmap', 'exclusive and maybe pinned', { anonExclusive: true, maybeDmaPinned: true }, 'keep'),
  row('swapUnmap', 'otherwise', { anonExclusive: true, extraRefs: true }, 'unmap'),
  row('swapUnmap', 'otherwise', { maybeDmaPinned: true }, 'unmap'),
  row(
    'freeSwap',
    'no reference but this and the swap cache',
    { at: 'swap-in', faultWrite: true, refcount: 2 },
    'free',
  ),
  row(
    'freeSwap',
    'no reference but this and the swap cache',
    { at: 'write fault', faultWrite: true, refcount: 2, mapcount: 1 },
    'free',
  ),
  row('freeSwap', 'otherwise', { at: 'swap-in', faultWrite: true, refcount: 3 }, 'keep'),
  row('freeSwap', 'otherwise', { at: 'swap-in', refcount: 2 }, 'keep'),
  row('freeSwap', 'otherwise', { at: 'write fault', faultWrite: true, refcount: 2, swapCount: 1 }, 'keep'),
  row('swapinMap', 'exclusive entry', { swapExclusive: true, swapCache: true, refcount: 6 }, 'own'),
  row('swapinMap', 'only reference', { refcount: 1 }, 'own'),
  row('swapinMap', 'otherwise', { swapCache: true, refcount: 2, faultWrite: true }, 'read-only'),
];

describe('v6.2-anon-exclusive', () => {
  it.each(ROWS)('$title', (r) => {
    expect(r.ask(anonExclusive)).toEqual(r.expected);
  });

  it('has a row for every new rule', () => {
    expect(ROWS.map((r) => r.rule)).toEqual(expect.arrayContaining(rulesOf(anonExclusive, pageCount)));
  });

  it('6c287605fd56 (B09): a pinned page that mprotect made R/O is written in place, or upgraded at once', () => {
    expect(ask(anonExclusive, 'protectUpgrade', { frame: 'anon', anonExclusive: true }).answer).toBe(
      'upgrade',
    );
    expect(ask(anonExclusive, 'wpFault', { anonExclusive: true, refcount: 6 }).answer).toBe('reuse');
  });

  it('a7f226604170 (B17): a R/O pin of a page shared by fork converges on an exclusive one', () => {
    expect(ask(anonExclusive, 'gupFast', { frame: 'anon', pin: true }).answer).toBe('bail');
    expect(ask(anonExclusive, 'gupSlow', { frame: 'anon', pin: true }).answer).toBe('unshare fault');
    expect(ask(anonExclusive, 'unshareFault', { frame: 'anon', refcount: 2, mapcount: 2 }).answer).toBe(
      'copy',
    );
    expect(ask(anonExclusive, 'gupSlow', { frame: 'anon', pin: true, anonExclusive: true }).answer).toBe(
      'return',
    );
  });

  it('1493a1913e34 (B10, B29): a page with a GET that is swapped out comes back as exclusive as it was', () => {
    expect(ask(anonExclusive, 'swapUnmap', { anonExclusive: true, extraRefs: true }).answer).toBe('unmap');
    expect(ask(anonExclusive, 'swapOutExclusive', { extraRefs: true }).answer).toBe('to entry');
    const back = { swapExclusive: true, swapCache: true, refcount: 3 };
    expect(ask(anonExclusive, 'swapinMap', back).answer).toBe('own');
    expect(ask(anonExclusive, 'forkSwapExclusive', {}).answer).toBe('clear');
  });

  it('84209e87c696 (B18): a R/O long-term pin never stays on the zero page', () => {
    expect(ask(anonExclusive, 'gupSlow', { frame: 'zero', pin: true, longterm: true }).answer).toBe(
      'unshare fault',
    );
    expect(ask(anonExclusive, 'unshareFault', { frame: 'zero', refcount: 6 }).answer).toBe('copy');
  });
});
