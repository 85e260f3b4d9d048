import { describe, expect, it } from 'vitest';
import { ask, type Row, row, rulesOf } from './ask.ts';
import { cowBreak } from './v5.8-cow-break.ts';
import { pageCount } from './v5.11-page-count.ts';

const ROWS: readonly Row[] = [
  row('wpFault', 'only reference', { refcount: 1 }, 'reuse'),
  row('wpFault', 'otherwise', { refcount: 2, mapcount: 1 }, 'copy'),
  row(
    'forkPte',
    'maybe pinned',
    { frame: 'anon', hasPinned: true, maybeDmaPinned: true, pteWrite: true },
    'copy',
  ),
  row('forkPte', 'maybe pinned', { frame: 'anon', hasPinned: true, maybeDmaPinned: true }, 'copy'),
  // B15: the frame is not asked whether it is anonymous.
  row('forkPte', 'maybe pinned', { frame: 'file', hasPinned: true, maybeDmaPinned: true }, 'copy'),
  row('forkPte', 'otherwise', { frame: 'anon', maybeDmaPinned: true }, 'share'),
  row('forkPte', 'otherwise', { frame: 'anon', hasPinned: true }, 'share'),
  row('gupSlow', 'no page', { frame: 'none' }, 'read fault'),
  row('gupSlow', 'otherwise', { frame: 'anon', pin: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'zero', pin: true, longterm: true }, 'return'),
  row('gupFast', 'otherwise', { frame: 'anon', pin: true }, 'return'),
  row('writeProtectSeq', 'read_seqcount_retry()', { write: true }, 'go slow'),
  row('addToSwap', 'maybe pinned', { maybeDmaPinned: true, mapcount: 1 }, 'keep'),
  row('addToSwap', 'otherwise', { extraRefs: true, refcount: 6 }, 'add'),
  row(
    'freeSwap',
    'reuse_swap_page() at swap-in',
    { at: 'swap-in', faultWrite: true, refcount: 6, mapcount: 0 },
    'free',
  ),
  // 09854ba94c6a: do_wp_page() copies what is in the swap cache.
  row('freeSwap', 'otherwise', { at: 'write fault', faultWrite: true, mapcount: 1, refcount: 2 }, 'keep'),
  row('wpFault', 'otherwise', { refcount: 2, mapcount: 1, swapCache: true }, 'copy'),
];

describe('v5.11-page-count', () => {
  it.each(ROWS)('$title', (r) => {
    expect(r.ask(pageCount)).toEqual(r.expected);
  });

  it('has a row for every new rule', () => {
    expect(ROWS.map((r) => r.rule)).toEqual(expect.arrayContaining(rulesOf(pageCount, cowBreak)));
  });

  it('09854ba94c6a (B01, B02): whoever still holds a reference, the writer copies', () => {
    expect(ask(pageCount, 'wpFault', { mapcount: 1, refcount: 2 }).answer).toBe('copy');
  });

  it('70e806e4e645 (B06): the child of a fork gets the copy of a pinned page', () => {
    const facts = { frame: 'anon', hasPinned: true, maybeDmaPinned: true, pteWrite: true } as const;
    expect(ask(pageCount, 'forkPte', facts).answer).toBe('copy');
  });

  it('B10: a page with a GET may be swapped out, comes back read-only, and the next store leaves the GET behind', () => {
    expect(ask(pageCount, 'addToSwap', { extraRefs: true }).answer).toBe('add');
    expect(ask(pageCount, 'swapinMap', { swapCache: true, refcount: 3 }).answer).toBe('read-only');
    expect(ask(pageCount, 'wpFault', { swapCache: true, refcount: 3, mapcount: 1 }).answer).toBe('copy');
  });

  it('B09: mprotect to R/O and back under a pin, and the next store leaves the pin behind', () => {
    expect(ask(pageCount, 'protectUpgrade', { frame: 'anon', pteDirty: true }).answer).toBe('keep');
    expect(ask(pageCount, 'wpFault', { mapcount: 1, refcount: 6 }).answer).toBe('copy');
  });
});
