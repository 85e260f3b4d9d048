/**
 * PG_anon_exclusive remembers that an anonymous page belongs to one mm: such a page is always reused, only
 * such a page may be pinned, and a R/O pin of any other page unshares it first.
 *
 * Source: 6c287605fd56 ("mm: remember exclusively mapped anonymous pages with PG_anon_exclusive"),
 *   c89357e27f20 ("mm: support GUP-triggered unsharing of anonymous pages"), a7f226604170 ("mm/gup: trigger
 *   FAULT_FLAG_UNSHARE when R/O-pinning a possibly shared anonymous page"), fb3d824d1a46 (try_dup at fork),
 *   v5.19; 64fe24a3e05e (mprotect upgrade), v6.0; 8d6a0ac09a16 ("mm: extend FAULT_FLAG_UNSHARE support to
 *   anything in a COW mapping"), 84209e87c696 ("mm/gup: reliable R/O long-term pinning in COW mappings"),
 *   d84887739d5c (upgrade of clean pages too), v6.2. Stands for v6.2 and v6.3.
 * Right: a pin and the page tables of its owner stay together through fork, mprotect and clear_refs, and R/O
 *   pins see later writes (B08, B09, B17); long-term also on the zero page and on private file pages (B18,
 *   B19).
 * Price: a GET is left behind at fork, O_DIRECT included (B07, documented; B21); a short R/O pin of the zero
 *   page or of an unwritten private file page follows nobody's writes. W pins of shared file pages dirty them
 *   behind the filesystem's back (B46), and reclaim takes the filesystem's state off a clean pinned folio
 *   (B47, B48; until v6.4).
 * Not modelled: swap and its exclusive bit, KSM, migration, THP and hugetlb; soft-dirty and uffd-wp reasons
 *   to keep a PTE R/O; LRU-batch references, which the fault drains; FOLL_FORCE (5535be309971). v5.18's
 *   change of invalidation comes with this era.
 */
import {
  before,
  CLAIMS,
  derive,
  otherwise,
  type Policy,
  replace,
  rule,
  table,
  usually,
} from '../machine/policy.ts';
import { pageCount } from './v5.11-page-count.ts';

export const anonExclusive: Policy = derive(
  pageCount,
  {
    id: 'v6.2-anon-exclusive',
    alias: 'pae',
    title: 'exclusive anonymous pages are reused; R/O pins unshare',
    sources: [
      '6c287605fd56 ("mm: remember exclusively mapped anonymous pages with PG_anon_exclusive"), v5.19',
      'c89357e27f20 ("mm: support GUP-triggered unsharing of anonymous pages"), v5.19',
      'a7f226604170 ("mm/gup: trigger FAULT_FLAG_UNSHARE when R/O-pinning a possibly shared anonymous page"), v5.19',
      'fb3d824d1a46 ("mm/rmap: split page_dup_rmap() into page_dup_file_rmap() and page_try_dup_anon_rmap()"), v5.19',
      '64fe24a3e05e ("mm/mprotect: try avoiding write faults for exclusive anonymous pages when changing protection"), v6.0',
      '8d6a0ac09a16 ("mm: extend FAULT_FLAG_UNSHARE support to anything in a COW mapping"), v6.2',
      '84209e87c696 ("mm/gup: reliable R/O long-term pinning in COW mappings"), v6.2',
      'd84887739d5c ("mm/mprotect: allow clean exclusive anon pages to be writable"), v6.2',
      'c145e0b47c77 ("mm: streamline COW logic in do_swap_page()"), v5.18',
      '1493a1913e34 ("mm/swap: remember PG_anon_exclusive via a swp pte bit"), v5.19',
      'e41c81d0d30e ("mm/truncate: Replace page_mapped() call in invalidate_inode_page()"), v5.18',
      'releases v6.2 and v6.3',
    ],
    keeps: { anonExclusive: true, hasPinned: true },
    claims: CLAIMS,
  },
  {
    wpFault: [
      before(
        'only reference',
        rule('exclusive', (f) => f.anonExclusive, 'reuse'),
      ),
    ],
    unshareFault: [
      table(
        rule('exclusive', (f) => f.frame === 'anon' && f.anonExclusive, 'none'),
        rule('only reference', (f) => f.frame === 'anon' && f.refcount === 1, 'reuse'),
        // Shared anon, the zero page, the page cache.
        otherwise('copy'),
      ),
    ],
    forkPte: [
      // page_try_dup_anon_rmap(). Only exclusive pages can be pinned; file pages are shared, pinned or not.
      replace(
        'maybe pinned',
        rule(
          'exclusive and maybe pinned',
          (f) => f.frame === 'anon' && f.anonExclusive && f.hasPinned && f.maybeDmaPinned,
          'copy',
        ),
      ),
    ],
    gupSlow: [
      // gup_must_unshare(). FOLL_WRITE on a R/O PTE has been sent to a fault above.
      before(
        'otherwise',
        rule(
          'R/O pin of an anon page, not exclusive',
          (f) => f.pin && !f.pteWrite && f.frame === 'anon' && !f.anonExclusive,
          'unshare fault',
        ),
        rule(
          'R/O long-term pin in a COW mapping',
          (f) => f.pin && f.longterm && !f.pteWrite && f.frame !== 'anon' && !f.vmaShared,
          'unshare fault',
        ),
      ),
    ],
    gupFast: [
      before(
        'otherwise',
        rule(
          'R/O pin of an anon page, not exclusive',
          (f) => f.pin && !f.pteWrite && f.frame === 'anon' && !f.anonExclusive,
          'bail',
        ),
        // Without a VMA it is not known whether this is a COW mapping.
        rule(
          'R/O long-term pin of a file page',
          (f) => f.pin && f.longterm && !f.pteWrite && f.frame !== 'anon',
          'bail',
        ),
      ),
    ],
    protectUpgrade: [
      before(
        'otherwise',
        rule('private, exclusive', (f) => !f.vmaShared && f.frame === 'anon' && f.anonExclusive, 'upgrade'),
      ),
    ],
    // c145e0b47c77: references count at swap-in, too, once the swap cache is dropped; 1493a1913e34: the entry remembers.
    freeSwap: [usually('freeSwap')],
    swapinMap: [usually('swapinMap')],
    swapUnmap: [
      // 6c287605fd56: page_try_share_anon_rmap().
      before(
        'otherwise',
        rule('exclusive and maybe pinned', (f) => f.anonExclusive && f.maybeDmaPinned, 'keep'),
      ),
    ],
    stripBuffers: [
      // e41c81d0d30e: mapping_evict_folio() gives up on extra references first.
      before(
        'otherwise',
        rule('invalidation, extra references', (f) => f.by === 'drop-caches' && f.extraRefs, 'keep'),
      ),
    ],
  },
);
