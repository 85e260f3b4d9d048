/**
 * A write fault reuses an anonymous page only if nobody else holds any reference; fork copies pinned pages at
 * once.
 *
 * Source: 09854ba94c6a ("mm: do_wp_page() simplification"), a308c71bf1e6 ("mm/gup: Remove enfornced COW
 *   mechanism"), 008cfe4418b3 ("mm: Introduce mm_struct.has_pinned"), 70e806e4e645 ("mm: Do early cow for
 *   pinned pages during fork() for ptes"), v5.9; 57efa1fe5957 ("mm/gup: prevent gup_fast from racing with COW
 *   during fork"), v5.11, in 5.10.y. Stands for v5.11 to v5.17.
 * Right: no leak through a reference in either direction (B01, B02), without a fault in readers (B12). A pin
 *   held over fork stays with the parent (B06).
 * Price: whatever makes the PTE of a page with a reference R/O (fork with a GET, mprotect, clear_refs) has
 *   the next write copy it, and the reference is left behind: B07, B08, B09. R/O pins are stale again as in
 *   v5.7 (B17, B18, B19). Any stray reference costs a copy. Early copy takes 1024 references for a pin (B22)
 *   and does not spare page-cache pages (B15).
 * Not modelled: the page lock (a failed trylock copies); swap,
 *   where the swap cache counts as a reference and swap-in still used map counts (B03, B10); THP, map counts
 *   until v5.18 (B04); hugetlb; KSM; clear_refs skipping pinned pages (9348b73c2e1b); the crash that an early
 *   copy of a page-cache page could end in (B15).
 */
import { before, derive, otherwise, type Policy, replace, rule, table, without } from '../machine/policy.ts';
import { cowBreak } from './v5.8-cow-break.ts';

export const pageCount: Policy = derive(
  cowBreak,
  {
    id: 'v5.11-page-count',
    alias: 'page-count',
    title: 'reuse on a write fault by reference count; fork copies pages that may be pinned',
    sources: [
      '09854ba94c6a ("mm: do_wp_page() simplification"), v5.9',
      'a308c71bf1e6 ("mm/gup: Remove enfornced COW mechanism"), v5.9',
      '008cfe4418b3 ("mm: Introduce mm_struct.has_pinned"), v5.9',
      '70e806e4e645 ("mm: Do early cow for pinned pages during fork() for ptes"), v5.9',
      '57efa1fe5957 ("mm/gup: prevent gup_fast from racing with COW during fork"), v5.11',
      'feb889fb40fa ("mm: don\'t put pinned pages into the swap cache"), v5.11',
      'releases v5.11 to v5.17, and 5.10.y',
    ],
    keeps: { anonExclusive: false, hasPinned: true },
  },
  {
    // 09854ba94c6a
    wpFault: [
      replace(
        'only mapping',
        rule('only reference', (f) => f.refcount === 1, 'reuse'),
      ),
    ],
    // a308c71bf1e6
    gupSlow: [
      without('should_force_cow_break(), no page'),
      without('FOLL_COW and a dirty pte'),
      without('should_force_cow_break()'),
    ],
    gupFast: [without('walk as if FOLL_WRITE')],
    // 57efa1fe5957: whoever pins while fork copies goes slow, and waits for it.
    writeProtectSeq: [table(otherwise('go slow', 'read_seqcount_retry()'))],
    // 09854ba94c6a: do_wp_page() leaves the swap cache alone, which is a reference; do_swap_page() is as before.
    freeSwap: [
      replace(
        'reuse_swap_page()',
        rule(
          'reuse_swap_page() at swap-in',
          (f) => f.at === 'swap-in' && f.faultWrite && f.swapCount === 0 && f.mapcount === 0,
          'free',
        ),
      ),
    ],
    // feb889fb40fa ("mm: don't put pinned pages into the swap cache"), v5.11.
    addToSwap: [
      before(
        'otherwise',
        rule('maybe pinned', (f) => f.maybeDmaPinned, 'keep'),
      ),
    ],
    // 70e806e4e645: page_needs_cow_for_dma(), of file frames as well.
    forkPte: [
      before(
        'otherwise',
        rule('maybe pinned', (f) => f.hasPinned && f.maybeDmaPinned, 'copy'),
      ),
    ],
  },
);
