import { describe, expect, it } from 'vitest';
import { ask, type Row, row, rulesOf } from './ask.ts';
import { anonExclusive } from './v6.2-anon-exclusive.ts';
import { longtermBan } from './v6.5-longterm-ban.ts';

const TRACKED = { vmaShared: true, dirtyTracked: true } as const;
const W_LONGTERM = { write: true, pin: true, longterm: true } as const;

const ROWS: readonly Row[] = [
  row('gupSlow', 'writable_file_mapping_allowed()', { ...TRACKED, ...W_LONGTERM, frame: 'none' }, 'EFAULT'),
  row(
    'gupSlow',
    'writable_file_mapping_allowed()',
    { ...TRACKED, ...W_LONGTERM, frame: 'file', pteWrite: true },
    'EFAULT',
  ),
  // Short pins, R pins and GETs are as before; so are private mappings and shmem.
  row(
    'gupSlow',
    'FOLL_WRITE on a R/O pte',
    { ...TRACKED, frame: 'file', write: true, pin: true },
    'write fault',
  ),
  row('gupSlow', 'otherwise', { ...TRACKED, frame: 'file', write: true, pteWrite: true }, 'return'),
  row('gupSlow', 'otherwise', { ...TRACKED, frame: 'file', pin: true, longterm: true }, 'return'),
  row('gupSlow', 'otherwise', { vmaShared: true, ...W_LONGTERM, frame: 'file', pteWrite: true }, 'return'),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { ...W_LONGTERM, frame: 'file' }, 'write fault'),

  row('gupFast', 'folio_fast_pin_allowed()', { ...W_LONGTERM, frame: 'file', pteWrite: true }, 'bail'),
  row('gupFast', 'otherwise', { ...W_LONGTERM, frame: 'file', pteWrite: true, shmem: true }, 'return'),
  row(
    'gupFast',
    'otherwise',
    { ...W_LONGTERM, frame: 'anon', pteWrite: true, anonExclusive: true },
    'return',
  ),
  row('gupFast', 'otherwise', { frame: 'file', write: true, pin: true, pteWrite: true }, 'return'),

  row('gupKind', 'O_DIRECT: iov_iter_extract_pages', { caller: 'o_direct_read' }, 'PIN'),
  row('gupKind', 'O_DIRECT: iov_iter_extract_pages', { caller: 'o_direct_write', vma: 'shared-file' }, 'PIN'),
  row('gupKind', 'io_uring: fixed buffer', { caller: 'fixed_buffer', vma: 'private-file' }, 'PIN'),
  row('gupKind', 'io_uring: fixed buffer', { caller: 'fixed_buffer', vma: 'shared-file' }, 'PIN'),
  row('gupKind', 'otherwise', { caller: 'vmsplice' }, 'GET'),
  row('gupKind', 'otherwise', { caller: 'get' }, 'GET'),

  row('zeroPagePin', 'otherwise', { longterm: true }, 'skip'),
  row(
    'stripBuffers',
    'reclaim, maybe pinned',
    { by: 'reclaim', maybeDmaPinned: true, extraRefs: true },
    'keep',
  ),
  row('stripBuffers', 'otherwise', { by: 'reclaim', extraRefs: true }, 'strip'),
  row('stripBuffers', 'invalidation, extra references', { by: 'drop-caches', extraRefs: true }, 'keep'),
];

describe('v6.5-longterm-ban', () => {
  it.each(ROWS)('$title', (r) => {
    expect(r.ask(longtermBan)).toEqual(r.expected);
  });

  it('has a row for every new rule', () => {
    expect(ROWS.map((r) => r.rule)).toEqual(expect.arrayContaining(rulesOf(longtermBan, anonExclusive)));
  });

  it('8ac268436e6d, a6e79df92e4a: a fixed buffer in a shared ext4 mapping is refused, fast or slow', () => {
    expect(ask(longtermBan, 'gupKind', { caller: 'fixed_buffer', vma: 'shared-file' }).answer).toBe('PIN');
    const page = { ...W_LONGTERM, frame: 'file', pteWrite: true } as const;
    expect(ask(longtermBan, 'gupFast', page).answer).toBe('bail');
    expect(ask(longtermBan, 'gupSlow', { ...page, ...TRACKED }).answer).toBe('EFAULT');
  });

  it('1ccf164ec866 (B07): an O_DIRECT read is a pin, so the child of a fork gets the copy', () => {
    expect(ask(longtermBan, 'gupKind', { caller: 'o_direct_read', vma: 'anon' }).answer).toBe('PIN');
    const facts = { frame: 'anon', anonExclusive: true, hasPinned: true, maybeDmaPinned: true } as const;
    expect(ask(longtermBan, 'forkPte', facts).answer).toBe('copy');
  });
});
