import { describe, expect, it } from 'vitest';
import { ask, type Row, row, rulesOf } from './ask.ts';
import { mapcount } from './v5.7-mapcount.ts';

const ROWS: readonly Row[] = [
  row('wpFault', 'only mapping', { mapcount: 1, refcount: 1 }, 'reuse'),
  row('wpFault', 'only mapping', { mapcount: 1, refcount: 6 }, 'reuse'),
  row('wpFault', 'otherwise', { mapcount: 2, refcount: 2 }, 'copy'),
  row('wpFault', 'otherwise', { mapcount: 1, swapCount: 1 }, 'copy'),
  row('unshareFault', 'no unshare fault', { frame: 'anon', mapcount: 2, refcount: 2 }, 'none'),
  row('forkPte', 'otherwise', { frame: 'anon', pteWrite: true, maybeDmaPinned: true }, 'share'),

  row('gupKind', 'pin_user_pages', { caller: 'pin', vma: 'shared-file' }, 'PIN'),
  row('gupKind', 'process_vm_access', { caller: 'process_vm_readv' }, 'PIN'),
  row('gupKind', 'process_vm_access', { caller: 'process_vm_writev', vma: 'shared-file' }, 'PIN'),
  row(
    'gupKind',
    'io_uring: no file-backed buffers',
    { caller: 'fixed_buffer', vma: 'shared-file' },
    'EOPNOTSUPP',
  ),
  row(
    'gupKind',
    'io_uring: no file-backed buffers',
    { caller: 'fixed_buffer', vma: 'private-file' },
    'EOPNOTSUPP',
  ),
  row('gupKind', 'io_uring: fixed buffer', { caller: 'fixed_buffer', vma: 'anon' }, 'PIN'),
  row('gupKind', 'io_uring: fixed buffer', { caller: 'fixed_buffer', vma: 'shmem' }, 'PIN'),
  row('gupKind', 'otherwise', { caller: 'get' }, 'GET'),
  row('gupKind', 'otherwise', { caller: 'vmsplice', vma: 'private-file' }, 'GET'),
  row('gupKind', 'otherwise', { caller: 'o_direct_read' }, 'GET'),
  row('gupKind', 'otherwise', { caller: 'o_direct_write', vma: 'shared-file' }, 'GET'),

  row('gupSlow', 'no page, FOLL_WRITE', { frame: 'none', write: true }, 'write fault'),
  row('gupSlow', 'no page', { frame: 'none', pin: true, longterm: true }, 'read fault'),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { frame: 'anon', write: true }, 'write fault'),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { frame: 'zero', write: true, pin: true }, 'write fault'),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { frame: 'file', write: true, vmaShared: true }, 'write fault'),
  // FOLL_COW counts for FOLL_FORCE only.
  row(
    'gupSlow',
    'FOLL_WRITE on a R/O pte',
    { frame: 'anon', write: true, follCow: true, pteDirty: true },
    'write fault',
  ),
  row('gupSlow', 'otherwise', { frame: 'anon', write: true, pteWrite: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'anon', pin: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'zero', pin: true, longterm: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'file', pin: true, longterm: true }, 'return'),

  row('gupFast', 'FOLL_WRITE on a R/O pte', { frame: 'file', write: true }, 'bail'),
  row('gupFast', 'otherwise', { frame: 'anon' }, 'return'),
  row(
    'gupFast',
    'otherwise',
    { frame: 'file', write: true, pteWrite: true, pin: true, longterm: true },
    'return',
  ),
  row('zeroPagePin', 'otherwise', {}, 'count'),

  row('protectUpgrade', 'shared, no writenotify', { vmaShared: true, frame: 'file' }, 'upgrade'),
  row(
    'protectUpgrade',
    'shared, already dirty',
    { vmaShared: true, dirtyTracked: true, pteDirty: true, frame: 'file' },
    'upgrade',
  ),
  row('protectUpgrade', 'otherwise', { vmaShared: true, dirtyTracked: true, frame: 'file' }, 'keep'),
  row('protectUpgrade', 'otherwise', { frame: 'anon', pteDirty: true }, 'keep'),
  row('protectUpgrade', 'otherwise', { frame: 'zero' }, 'keep'),

  row('stripBuffers', 'otherwise', { by: 'reclaim', maybeDmaPinned: true, extraRefs: true }, 'strip'),
  row('stripBuffers', 'otherwise', { by: 'drop-caches', maybeDmaPinned: true, extraRefs: true }, 'strip'),
  row('wbBegin', 'otherwise', { mode: 'ALL', maybeDmaPinned: true, extraRefs: true }, 'write'),
  row('unpinDirty', 'otherwise', { frame: 'file' }, 'dirty'),

  // Map count plus swap count, whoever else has a reference.
  row(
    'freeSwap',
    'reuse_swap_page()',
    { at: 'write fault', faultWrite: true, mapcount: 1, refcount: 6 },
    'free',
  ),
  row('freeSwap', 'reuse_swap_page()', { at: 'swap-in', faultWrite: true, refcount: 6 }, 'free'),
  row('freeSwap', 'otherwise', { at: 'swap-in', refcount: 2 }, 'keep'),
  row('freeSwap', 'otherwise', { at: 'write fault', faultWrite: true, mapcount: 1, swapCount: 1 }, 'keep'),
  row('freeSwap', 'otherwise', { at: 'swap-in', faultWrite: true, mapcount: 1 }, 'keep'),
  row('swapinMap', 'reuse_swap_page()', { faultWrite: true, refcount: 6 }, 'own'),
  row('swapinMap', 'otherwise', { faultWrite: true, swapCount: 1 }, 'read-only'),
  row('swapinMap', 'otherwise', { faultWrite: true, mapcount: 1 }, 'read-only'),
  row('swapinMap', 'otherwise', { refcount: 1 }, 'read-only'),
];

describe('v5.7-mapcount', () => {
  it.each(ROWS)('$title', (r) => {
    expect(r.ask(mapcount)).toEqual(r.expected);
  });

  it('has a row for every rule', () => {
    expect([...new Set(ROWS.map((r) => r.rule))].sort()).toEqual(rulesOf(mapcount).sort());
  });

  it('CVE-2020-29374 (B01): the parent reuses a page that the child has spliced and unmapped', () => {
    expect(ask(mapcount, 'gupSlow', { frame: 'anon' }).answer).toBe('return');
    expect(ask(mapcount, 'wpFault', { mapcount: 1, refcount: 2 }).answer).toBe('reuse');
  });

  it('B06: a page pinned for writing is shared at fork, and the parent copies at its next store', () => {
    expect(ask(mapcount, 'forkPte', { frame: 'anon', maybeDmaPinned: true, pteWrite: true }).answer).toBe(
      'share',
    );
    expect(ask(mapcount, 'wpFault', { mapcount: 2, refcount: 6 }).answer).toBe('copy');
  });

  it('B09 is no problem here: mprotect under a pin costs no copy', () => {
    expect(ask(mapcount, 'protectUpgrade', { frame: 'anon', pteDirty: true }).answer).toBe('keep');
    expect(ask(mapcount, 'wpFault', { mapcount: 1, refcount: 6 }).answer).toBe('reuse');
  });
});
