/**
 * The decision points at which the machine asks the policy: for each, the facts that the kernel could see there and
 * the closed list of answers. A policy is ordered named rules over these facts; first match wins, the last is total.
 *
 * A point is declared once, in DECLARED: types, domains, readers and documentation follow from it and from facts.ts.
 */
import { CALLERS, type Caller } from '../domain/kinds.ts';
import { bool, count, FACTS, type Fact, type FactReader, type FactValue, oneOf } from './facts.ts';
import type { Changed, NoteSort } from './notes.ts';
import { F_BOUNCED, REF_GET } from './state.ts';

/** Facts of one point alone. */
const CALLER: Fact<Caller> = oneOf(CALLERS, (m, t) => m.task.kind[t]!);
const BY: Fact<'reclaim' | 'drop-caches'> = oneOf(['reclaim', 'drop-caches'], (m, t) => m.task.kind[t]!);
const MODE: Fact<'NONE' | 'ALL'> = oneOf(['NONE', 'ALL'], (m, t) => m.task.kind[t]!);
const FOLIO_MAPCOUNT: Fact<number> = count(0, 3, (m, _t, _pte, pfn) => m.mapcount[pfn]!);
const DIRTY: Fact<boolean> = bool((m, _t, _pte, pfn) => m.isDirty(pfn));
const BOUNCED: Fact<boolean> = bool((m, _t, _pte, pfn) => (m.flags[pfn]! & F_BOUNCED) !== 0);
const REF_KIND: Fact<'GET' | 'PIN'> = oneOf(['GET', 'PIN'], (m, t) =>
  m.refKind[m.task.handle[t]!] === REF_GET ? 0 : 1,
);

/** Why an anonymous page may become exclusive, in the order of the numbers MARK_*. */
const MARKS = [
  'first touch',
  'write copy',
  'unshare copy',
  'fork copy',
  'reuse write',
  'reuse unshare',
  'swap-in',
] as const;
type Mark = (typeof MARKS)[number];
export const MARK_FIRST_TOUCH = 0;
export const MARK_WRITE_COPY = 1;
export const MARK_UNSHARE_COPY = 2;
export const MARK_FORK_COPY = 3;
export const MARK_REUSE_WRITE = 4;
export const MARK_REUSE_UNSHARE = 5;
export const MARK_SWAP_IN = 6;
const MARK: Fact<Mark> = oneOf(MARKS, (m) => m.mark);

/** Where a folio may leave the swap cache, in the order of the numbers FREE_AT_*. */
const FREEING = ['swap-in', 'write fault', 'unshare fault'] as const;
export const FREE_AT_SWAP_IN = 0;
export const FREE_AT_WRITE_FAULT = 1;
export const FREE_AT_UNSHARE_FAULT = 2;
const FREE_AT: Fact<(typeof FREEING)[number]> = oneOf(FREEING, (m) => m.freeingAt);
const SYNCHRONOUS: Fact<boolean> = bool((m) => m.shape.swapSynchronous);

/**
 * All decision points, in the order in which a policy is shown: the kernel function that decides, the facts of facts.ts
 * that it has, those of its own, and what each answer means. `usual` is what eras do that say nothing else: an answer, or rules;
 * a policy that says nothing has it.
 */
const DECLARED = {
  /**
   * A write fault on a present R/O PTE of a private mapping that maps an anonymous folio; zero page and file folio are
   * copied without asking.
   */
  wpFault: {
    kernel: 'mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()',
    facts: [
      'refcount',
      'mapcount',
      'anonExclusive',
      'maybeDmaPinned',
      'hasPinned',
      'vma',
      'pteDirty',
      'byGup',
      'pin',
      'longterm',
      'swapCache',
      'swapCount',
    ],
    own: {},
    answers: {
      reuse: 'the PTE becomes writable',
      copy: 'the page is copied, and the copy mapped',
    },
  },
  /** FAULT_FLAG_UNSHARE on a present R/O PTE of a private mapping: gupSlow asked for it. */
  unshareFault: {
    kernel: 'mm/memory.c: do_wp_page() with FAULT_FLAG_UNSHARE',
    facts: [
      'refcount',
      'mapcount',
      'anonExclusive',
      'frame',
      'maybeDmaPinned',
      'hasPinned',
      'vma',
      'pteDirty',
      'pin',
      'longterm',
      'swapCache',
      'swapCount',
    ],
    own: {},
    answers: {
      reuse: 'the page becomes exclusive and stays read-only; anonymous pages only',
      copy: 'a copy is mapped read-only',
      none: 'nothing is done',
    },
  },
  /** Fork meets a present PTE of a private mapping with an anon_vma; the zero page is shared without asking. */
  forkPte: {
    kernel: 'mm/memory.c: copy_present_pte(), folio_needs_cow_for_dma()',
    facts: [
      'frame',
      'anonExclusive',
      'hasPinned',
      'maybeDmaPinned',
      'pteWrite',
      'pteDirty',
      'refcount',
      'mapcount',
      'vma',
      'writeback',
    ],
    own: {},
    answers: {
      share: 'both map the page; forkExclusive and forkWrprotect say how',
      copy: 'the child gets a copy at once',
      'copy to parent':
        'the child gets the page with its pins, as the parent had it mapped, the parent a copy',
    },
  },
  /** Which reference a caller takes in this release, or the error it returns before it looks at the page (B58). */
  gupKind: {
    kernel: 'the caller: get_user_pages*(), pin_user_pages*(), iov_iter_extract_pages()',
    lacks: ['folio'],
    facts: ['vma', 'write', 'longterm', 'fast'],
    own: {
      /** Who asks. */
      caller: CALLER as Fact<Caller>,
    },
    answers: {
      GET: 'get_user_pages*()',
      PIN: 'pin_user_pages*()',
      EOPNOTSUPP: 'pinned, looked at and let go again (io_uring up to v6.4)',
      EFAULT: 'refused at once',
    },
  },
  /** Each look at the PTE by GUP. W without VM_WRITE is EFAULT before it is asked. */
  gupSlow: {
    kernel: 'mm/gup.c: check_vma_flags(), follow_page_pte(), gup_must_unshare()',
    facts: [
      'write',
      'pin',
      'longterm',
      'frame',
      'pteWrite',
      'pteDirty',
      'anonExclusive',
      'vmaShared',
      'dirtyTracked',
      'follCow',
      'writeback',
      'vma',
      'refcount',
      'mapcount',
      'maybeDmaPinned',
      'hasPinned',
      'fast',
      'swapEntry',
    ],
    own: {},
    answers: {
      return: 'the page is taken',
      'read fault': 'faultin_page() for reading, then another look',
      'write fault': 'faultin_page() with FAULT_FLAG_WRITE, then another look',
      'unshare fault': 'faultin_page() with FAULT_FLAG_UNSHARE, then another look',
      EFAULT: 'refused',
      EOPNOTSUPP: 'refused',
    },
  },
  /** A lockless look at a present PTE that maps a normal page; there is no VMA at hand. */
  gupFast: {
    kernel: 'mm/gup.c: gup_fast_pte_range(), gup_fast_folio_allowed()',
    facts: [
      'write',
      'pin',
      'longterm',
      'frame',
      'pteWrite',
      'anonExclusive',
      'shmem',
      'writeback',
      'pteDirty',
      'refcount',
      'mapcount',
      'maybeDmaPinned',
      'hasPinned',
    ],
    own: {},
    answers: {
      return: 'the page is taken',
      bail: 'the slow path looks again',
    },
  },
  /** Does FOLL_PIN move the counters of the zero page? (FOLL_GET always does.) */
  zeroPagePin: {
    kernel: 'mm/gup.c: try_grab_folio() on the zero page',
    lacks: ['folio'],
    facts: ['longterm'],
    own: {},
    answers: {
      count: 'as of any page',
      skip: 'no counter moves',
    },
  },
  /** mprotect gives PROT_WRITE back, the PTE is present: may it become writable without a fault? */
  protectUpgrade: {
    kernel: 'mm/mprotect.c: can_change_pte_writable()',
    facts: ['vmaShared', 'dirtyTracked', 'pteDirty', 'frame', 'anonExclusive'],
    own: {},
    answers: {
      upgrade: 'the PTE becomes writable',
      keep: 'the next store faults',
    },
  },
  /** Is the filesystem's private state taken off a clean, unmapped file folio before its references are looked at? */
  stripBuffers: {
    kernel: 'mm/vmscan.c: shrink_folio_list(); mm/truncate.c: mapping_evict_folio()',
    lacks: ['mm'],
    facts: ['maybeDmaPinned', 'extraRefs'],
    own: {
      /** shrink_folio_list(), or drop_caches and fadvise(DONTNEED). */
      by: BY as Fact<'reclaim' | 'drop-caches'>,
    },
    answers: {
      strip: 'the private state is freed',
      keep: 'the folio is left as it is',
    },
  },
  /** The folio is dirty, and its PTEs were looked at (wbClean). */
  wbBegin: {
    kernel: 'mm/page-writeback.c: folio_clear_dirty_for_io(), __folio_start_writeback()',
    lacks: ['mm'],
    facts: ['maybeDmaPinned', 'extraRefs'],
    own: {
      /** WB_SYNC_NONE or WB_SYNC_ALL. */
      mode: MODE as Fact<'NONE' | 'ALL'>,
    },
    answers: {
      write: 'the folio is clean and under writeback',
      'keep dirty': 'not written now, stays dirty',
      bounce: 'written from a copy taken at the start',
    },
  },
  /** The holder of a reference says at its end that it wrote. */
  unpinDirty: {
    kernel: 'mm/gup.c: unpin_user_pages_dirty_lock()',
    lacks: ['mm'],
    facts: ['frame', 'folioDirty', 'writeback', 'buffers', 'maybeDmaPinned', 'refcount'],
    own: {},
    answers: {
      dirty: 'the folio is dirtied',
      'mkwrite then dirty': 'page_mkwrite is called before the folio is dirtied',
      ignore: 'nothing is done',
    },
  },
  /** The page that fork shares is exclusive to the parent: page_try_dup_anon_rmap(). */
  forkExclusive: {
    kernel: 'include/linux/rmap.h: __folio_try_dup_anon_rmap()',
    facts: ['hasPinned', 'maybeDmaPinned', 'pteWrite', 'pteDirty', 'refcount', 'mapcount', 'vma'],
    own: {},
    answers: {
      clear: 'ClearPageAnonExclusive()',
      keep: 'both map an exclusive page',
    },
    usual: 'clear',
  },
  /** Fork shares a page whose PTE is writable: ptep_set_wrprotect() in the parent, pte_wrprotect() in the child. */
  forkWrprotect: {
    kernel: 'mm/memory.c: __copy_present_ptes()',
    facts: [
      'frame',
      'anonExclusive',
      'hasPinned',
      'maybeDmaPinned',
      'pteDirty',
      'refcount',
      'mapcount',
      'vma',
    ],
    own: {},
    answers: {
      both: 'neither may write without a fault',
      'child only': 'the parent keeps a writable PTE',
      'parent only': 'the child gets a writable PTE',
      neither: 'both have a writable PTE',
    },
    usual: 'both',
  },
  /** Does the child of an mm that has pinned begin with the same flag? Only where the era keeps it. */
  forkHasPinned: {
    kernel: 'kernel/fork.c: mm_init()',
    lacks: ['folio'],
    facts: [],
    own: {},
    answers: {
      clear: 'the child begins as an mm that never pinned',
      inherit: 'the child has it, too',
    },
    usual: 'clear',
  },
  /** An anonymous page belongs to one mm: RMAP_EXCLUSIVE, SetPageAnonExclusive(). Only where the era keeps it. */
  markExclusive: {
    kernel: 'mm/rmap.c: folio_add_new_anon_rmap(), folio_move_anon_rmap()',
    facts: ['refcount', 'mapcount', 'maybeDmaPinned', 'hasPinned', 'vma', 'byGup', 'pin', 'longterm'],
    own: {
      /** How it came to that: a fresh page by a first touch or as a copy, or a page that is reused. */
      by: MARK as Fact<Mark>,
    },
    answers: {
      set: 'PG_anon_exclusive is set',
      leave: 'it stays as it is',
    },
    usual: 'set',
  },
  /** FOLL_PIN is about to walk: mm_set_has_pinned_flag(). Only where the era keeps it. */
  markHasPinned: {
    kernel: 'mm/gup.c: mm_set_has_pinned_flag()',
    lacks: ['folio'],
    facts: ['vma', 'write', 'longterm', 'fast', 'hasPinned'],
    own: {
      /** Who asks. */
      caller: CALLER as Fact<Caller>,
    },
    answers: {
      set: 'MMF_HAS_PINNED is set',
      leave: 'it stays as it is',
    },
    usual: 'set',
  },
  /** A read fault of an anonymous page that was never touched: my_zero_pfn(), or a page of its own. */
  anonRead: {
    kernel: 'mm/memory.c: do_anonymous_page()',
    lacks: ['folio'],
    facts: ['byGup', 'pin', 'longterm', 'hasPinned'],
    own: {},
    answers: {
      'zero page': 'the PTE maps the zero page',
      'fresh page': 'a page of its own, writable where the VMA is',
    },
    usual: 'zero page',
  },
  /** A write fault of a shared page of a filesystem that tracks dirty pages: is it told? */
  mkwrite: {
    kernel: 'mm/memory.c: do_page_mkwrite()',
    facts: [
      'folioDirty',
      'writeback',
      'buffers',
      'maybeDmaPinned',
      'refcount',
      'mapcount',
      'byGup',
      'pin',
      'longterm',
    ],
    own: {},
    answers: {
      call: 'page_mkwrite; on stable pages it waits for writeback',
      skip: 'the folio becomes dirty behind the back of the filesystem',
    },
    usual: 'call',
  },
  /** mprotect takes PROT_WRITE from a writable PTE: pte_modify(). */
  protectDowngrade: {
    kernel: 'mm/mprotect.c: change_pte_range()',
    facts: ['vma', 'frame', 'pteDirty', 'anonExclusive', 'maybeDmaPinned', 'hasPinned', 'refcount'],
    own: {},
    answers: {
      wrprotect: 'the PTE becomes read-only',
      keep: 'it stays writable in a VMA that is not',
    },
    usual: 'wrprotect',
  },
  /** A dirty PTE of a file page goes: folio_mark_dirty() in zap_present_ptes(), try_to_unmap_one(). */
  zapDirty: {
    kernel: 'mm/memory.c: zap_pte_range()',
    facts: ['vma', 'folioDirty', 'writeback', 'buffers', 'maybeDmaPinned', 'refcount', 'mapcount'],
    own: {},
    answers: {
      fold: 'the folio becomes dirty',
      drop: 'the dirtiness is forgotten',
    },
    usual: 'fold',
  },
  /** Writeback looks at the PTEs of the folio, before anything is written. */
  wbClean: {
    kernel: 'mm/rmap.c: folio_mkclean()',
    lacks: ['mm'],
    facts: ['folioDirty', 'maybeDmaPinned', 'extraRefs', 'buffers'],
    own: {
      /** WB_SYNC_NONE or WB_SYNC_ALL. */
      mode: MODE as Fact<'NONE' | 'ALL'>,
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      clean: "every PTE becomes clean and read-only, their dirtiness the folio's",
      leave: 'the PTEs stay dirty and writable; the folio is dirty if one of them is',
      'put off': 'nothing is done, the folio is not written now',
    },
    usual: 'clean',
  },
  /** The data is on the disk; the folio is not under writeback any more. */
  wbEnd: {
    kernel: 'mm/filemap.c: folio_end_writeback()',
    lacks: ['mm'],
    facts: ['folioDirty', 'maybeDmaPinned', 'extraRefs', 'buffers'],
    own: {
      /** What was written was a copy taken at the start. */
      bounced: BOUNCED as Fact<boolean>,
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      clean: 'the folio is as dirty as it has become meanwhile',
      redirty: 'the folio is dirty again, to be written once more',
    },
    usual: 'clean',
  },
  /** Who wants the page gone takes it from the page tables, or leaves it. Not asked under writeback. */
  reclaimUnmap: {
    kernel: 'mm/vmscan.c: try_to_unmap(); mm/truncate.c: mapping_evict_folio()',
    lacks: ['mm'],
    facts: ['maybeDmaPinned', 'extraRefs', 'buffers', 'folioDirty'],
    own: {
      /** shrink_folio_list(), or drop_caches and fadvise(DONTNEED). */
      by: BY as Fact<'reclaim' | 'drop-caches'>,
      /** The folio, or a PTE that maps it. */
      dirty: DIRTY as Fact<boolean>,
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      unmap: 'no PTE maps it any more, and it is looked at further',
      keep: 'it stays where it is',
    },
    usual: [
      {
        name: 'left to the flusher',
        when: (f: { readonly dirty: boolean }): boolean => f.dirty,
        answer: 'keep',
      },
      {
        name: 'invalidation never unmaps',
        when: (f: { readonly by: string; readonly mapcount: number }): boolean =>
          f.by === 'drop-caches' && f.mapcount > 0,
        answer: 'keep',
      },
      { name: 'otherwise', answer: 'unmap' },
    ],
  },
  /** The clean, unmapped folio leaves the page cache: folio_ref_freeze() of the references expected. */
  removeMapping: {
    kernel: 'mm/vmscan.c: __remove_mapping()',
    lacks: ['mm'],
    facts: ['extraRefs', 'maybeDmaPinned'],
    own: {
      /** shrink_folio_list(), or drop_caches and fadvise(DONTNEED). */
      by: BY as Fact<'reclaim' | 'drop-caches'>,
    },
    answers: {
      remove: 'the next access reads the page from the disk',
      keep: 'it stays in the page cache',
    },
    usual: [
      {
        name: 'references beyond those expected',
        when: (f: { readonly extraRefs: boolean }): boolean => f.extraRefs,
        answer: 'keep',
      },
      { name: 'otherwise', answer: 'remove' },
    ],
  },
  /**
   * truncate is about to cut off a page that is in the page cache and not under writeback, which it waits for. Filesystems
   * on DAX break the layout: they wait until nobody has a reference to the page.
   */
  breakLayout: {
    kernel: 'fs/ext4/inode.c: ext4_setattr(), ext4_break_layouts()',
    lacks: ['mm'],
    facts: ['refcount', 'extraRefs', 'maybeDmaPinned', 'folioDirty'],
    own: {
      /** page_mapcount(). */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      'go on': 'the page is cut off, whoever has a reference to it',
      wait: 'truncate waits and has no effect yet',
    },
    usual: 'go on',
  },
  /** truncate meets a PTE of a page that is cut off, of any mm: with even_cows, copies of private mappings too. */
  truncateUnmap: {
    kernel: 'mm/memory.c: unmap_mapping_range(), should_zap_cows()',
    facts: ['frame', 'vma', 'anonExclusive', 'maybeDmaPinned', 'pteDirty', 'refcount', 'mapcount'],
    own: {},
    answers: {
      zap: 'it is unmapped',
      leave: 'it stays mapped',
    },
    usual: 'zap',
  },
  /** The page that is cut off, unmapped, leaves the page cache; references beyond those expected do not matter. */
  truncateFolio: {
    kernel: 'mm/truncate.c: truncate_inode_folio(), truncate_cleanup_folio()',
    lacks: ['mm'],
    facts: ['refcount', 'extraRefs', 'maybeDmaPinned', 'folioDirty', 'buffers'],
    own: {},
    answers: {
      remove:
        'it is clean, without private state and of no file: an orphan, as long as somebody has a reference',
      keep: 'it stays in the page cache as it is, beyond the end of the file',
    },
    usual: 'remove',
  },
  /** A reference is given up, not of the zero page; asked so that a policy may take note of it. */
  putRef: {
    kernel: 'mm/gup.c: gup_put_folio(); mm/swap.c: folio_put()',
    lacks: ['mm'],
    facts: ['frame', 'refcount', 'maybeDmaPinned', 'folioDirty'],
    own: {
      /** What kind of reference it is. */
      ref: REF_KIND as Fact<'GET' | 'PIN'>,
    },
    answers: {
      put: 'its share of the counters goes',
    },
    usual: 'put',
  },
  /**
   * GUP-fast with FOLL_PIN finds that fork copies the page table: write_protect_seq is odd before it looks, or has moved
   * when it has grabbed. Asked where operations are interleaved only.
   */
  writeProtectSeq: {
    kernel: 'mm/gup.c: gup_fast(), raw_read_seqcount(), read_seqcount_retry()',
    lacks: ['folio'],
    facts: ['write', 'longterm', 'vma', 'hasPinned'],
    own: {},
    answers: {
      'go slow': 'what was grabbed is let go, and the slow path looks, which waits for fork',
      ignore: 'it goes on as if nobody forked',
    },
    usual: 'ignore',
    only: 'fine',
  },
  /** MADV_PAGEOUT looks at an anonymous page. */
  pageout: {
    kernel: 'mm/madvise.c: madvise_cold_or_pageout_pte_range()',
    only: 'swap',
    facts: ['anonExclusive', 'maybeDmaPinned', 'hasPinned', 'pteDirty', 'refcount', 'swapCache'],
    own: {
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      reclaim: 'reclaim_pages() takes it, if it can',
      skip: 'it is left alone',
    },
    usual: [
      {
        name: 'mapped more than once',
        when: (f: { readonly mapcount: number }): boolean => f.mapcount > 1,
        answer: 'skip',
      },
      { name: 'otherwise', answer: 'reclaim' },
    ],
  },
  /** Reclaim meets an anonymous page that is not in the swap cache. */
  addToSwap: {
    kernel: 'mm/vmscan.c: shrink_folio_list(); mm/swap_state.c: add_to_swap()',
    only: 'swap',
    lacks: ['mm'],
    facts: ['maybeDmaPinned', 'extraRefs', 'refcount', 'anonExclusive'],
    own: {
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      add: 'it gets a slot, and is in the swap cache',
      keep: 'it stays where it is',
    },
    usual: 'add',
  },
  /** Reclaim takes an anonymous page in the swap cache from one page table after the other. */
  swapUnmap: {
    kernel: 'mm/rmap.c: try_to_unmap_one()',
    only: 'swap',
    facts: [
      'anonExclusive',
      'maybeDmaPinned',
      'extraRefs',
      'refcount',
      'mapcount',
      'swapCount',
      'pteWrite',
      'pteDirty',
    ],
    own: {},
    answers: {
      unmap: 'the PTE becomes a swap entry',
      keep: 'the PTE stays, and the walk ends',
    },
    usual: 'unmap',
  },
  /** The page that becomes a swap entry is exclusive: page_try_share_anon_rmap(), pte_swp_mkexclusive(). */
  swapOutExclusive: {
    kernel: 'mm/rmap.c: try_to_unmap_one()',
    only: 'swap',
    facts: ['maybeDmaPinned', 'extraRefs', 'refcount', 'mapcount', 'swapCount'],
    own: {},
    answers: {
      'to entry': 'the entry is exclusive, the page no more',
      forget: 'neither is',
      leave: 'the page stays exclusive, the entry is not',
    },
    usual: 'to entry',
  },
  /** A dirty PTE becomes a swap entry: folio_mark_dirty(). */
  swapOutDirty: {
    kernel: 'mm/rmap.c: try_to_unmap_one()',
    only: 'swap',
    facts: ['folioDirty', 'maybeDmaPinned', 'refcount', 'mapcount'],
    own: {},
    answers: {
      fold: 'the folio becomes dirty',
      drop: 'the dirtiness is forgotten',
    },
    usual: 'fold',
  },
  /** No PTE maps the dirty folio in the swap cache any more: is it written to its slot? */
  swapWrite: {
    kernel: 'mm/vmscan.c: pageout(), is_page_cache_freeable()',
    only: 'swap',
    lacks: ['mm'],
    facts: ['extraRefs', 'maybeDmaPinned', 'refcount', 'swapCount'],
    own: {},
    answers: {
      write: 'the slot has what the folio holds, which is clean',
      keep: 'it stays dirty in the swap cache',
    },
    usual: [
      {
        name: 'references beyond those expected',
        when: (f: { readonly extraRefs: boolean }): boolean => f.extraRefs,
        answer: 'keep',
      },
      { name: 'otherwise', answer: 'write' },
    ],
  },
  /** A fault on a swap entry whose folio is not in the swap cache: it is read from the device. */
  swapinCache: {
    kernel: 'mm/memory.c: do_swap_page()',
    only: 'swap',
    lacks: ['folio'],
    facts: ['swapCount', 'swapExclusive', 'faultWrite', 'byGup', 'pin', 'longterm', 'hasPinned'],
    own: {
      /** SWP_SYNCHRONOUS_IO: the device is zram, or alike. */
      synchronous: SYNCHRONOUS as Fact<boolean>,
    },
    answers: {
      'swap cache': 'the folio is in the swap cache, where others find it',
      beside: 'the folio is this fault’s alone, and its slot is free once no entry names it',
    },
    usual: [
      {
        name: 'synchronous, only entry',
        when: (f: { readonly synchronous: boolean; readonly swapCount: number }): boolean =>
          f.synchronous && f.swapCount === 1,
        answer: 'beside',
      },
      { name: 'otherwise', answer: 'swap cache' },
    ],
  },
  /** A fault meets a folio in the swap cache. At a swap-in its own entry is gone, and it has a reference of its own. */
  freeSwap: {
    kernel: 'mm/swapfile.c: folio_free_swap(), reuse_swap_page(); mm/memory.c: should_try_to_free_swap()',
    only: 'swap',
    facts: [
      'refcount',
      'swapCount',
      'faultWrite',
      'anonExclusive',
      'maybeDmaPinned',
      'hasPinned',
      'byGup',
      'pin',
      'longterm',
    ],
    own: {
      /** Before do_swap_page() maps it, or before do_wp_page() decides. */
      at: FREE_AT as Fact<(typeof FREEING)[number]>,
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      free: 'it leaves the swap cache',
      keep: 'it stays there, which is a reference',
    },
    usual: [
      {
        name: 'no reference but this and the swap cache',
        when: (f: {
          readonly refcount: number;
          readonly swapCount: number;
          readonly anonExclusive: boolean;
          readonly faultWrite: boolean;
          readonly at: string;
        }): boolean =>
          f.refcount === 2 && f.swapCount === 0 && !f.anonExclusive && (f.at !== 'swap-in' || f.faultWrite),
        answer: 'free',
      },
      { name: 'otherwise', answer: 'keep' },
    ],
  },
  /** do_swap_page() maps the folio. Its own entry is gone from `swapCount`, and `refcount` has a reference of the fault. */
  swapinMap: {
    kernel: 'mm/memory.c: do_swap_page()',
    only: 'swap',
    facts: [
      'refcount',
      'swapCount',
      'swapCache',
      'swapExclusive',
      'faultWrite',
      'maybeDmaPinned',
      'hasPinned',
      'vma',
      'byGup',
      'pin',
      'longterm',
    ],
    own: {
      /** PTEs that map the folio. */
      mapcount: FOLIO_MAPCOUNT as Fact<number>,
    },
    answers: {
      own: 'the page is this mm’s alone: markExclusive is asked, and a store that faulted goes on',
      'own, writable': 'likewise, and the PTE is writable for a load, too, where the VMA is',
      'read-only': 'the PTE is read-only; a store goes on with wpFault',
    },
    usual: [
      {
        name: 'exclusive entry',
        when: (f: { readonly swapExclusive: boolean }): boolean => f.swapExclusive,
        answer: 'own',
      },
      {
        name: 'only reference',
        when: (f: { readonly refcount: number }): boolean => f.refcount === 1,
        answer: 'own',
      },
      { name: 'otherwise', answer: 'read-only' },
    ],
  },
  /** Fork duplicates a swap entry that is exclusive. */
  forkSwapExclusive: {
    kernel: 'mm/memory.c: copy_nonpresent_pte()',
    only: 'swap',
    lacks: ['folio'],
    facts: ['hasPinned', 'swapCount', 'vma'],
    own: {},
    answers: {
      clear: 'neither entry is exclusive',
      'parent only': 'that of the parent stays exclusive',
      both: 'both are exclusive',
    },
    usual: 'clear',
  },
  /** Slow GUP for writing takes a page in the swap cache whose PTE is clean. */
  gupTouch: {
    kernel: 'mm/gup.c: follow_page_pte() with FOLL_TOUCH',
    only: 'swap',
    facts: ['pin', 'longterm', 'fast', 'maybeDmaPinned'],
    own: {},
    answers: {
      dirty: 'the folio is dirtied at once',
      leave: 'its holder has to say that it wrote',
    },
    usual: [
      {
        name: 'FOLL_TOUCH',
        when: (f: { readonly pin: boolean; readonly fast: boolean }): boolean => !f.pin || f.fast,
        answer: 'dirty',
      },
      { name: 'otherwise', answer: 'leave' },
    ],
  },
} as const;

type Declared = typeof DECLARED;
type SharedFacts = { readonly [N in keyof typeof FACTS]: (typeof FACTS)[N]['domain'][number] };
type OwnFacts<O> = { readonly [N in keyof O]: O[N] extends Fact<infer V> ? V : never };

/** `wpFault`, `forkPte`, ... */
export type DecisionName = keyof Declared;
type FactsOf = {
  readonly [D in DecisionName]: Pick<SharedFacts, Declared[D]['facts'][number]> &
    OwnFacts<Declared[D]['own']>;
};
type AnswerOf = { readonly [D in DecisionName]: keyof Declared[D]['answers'] & string };
/** The facts of one decision point, as a rule sees them. */
export type Facts<D extends DecisionName> = FactsOf[D] & {
  /** Notes of the policy (notes.ts) of the mm and the folio that are at hand. */
  readonly notes: { readonly [note: string]: number };
};
/** What a rule of one decision point may answer. */
export type Answer<D extends DecisionName> = AnswerOf[D];

/** Name and domain of each fact of a point; a table names a fact by its place in this list. */
export type FactDomains = readonly (readonly [name: string, domain: readonly FactValue[]])[];

/** Where the machine asks: who decides in the kernel, by what facts, with which answers. */
export interface DecisionPoint<D extends DecisionName> {
  readonly name: D;
  /** The kernel function that decides, and when it is asked. */
  readonly kernel: string;
  readonly facts: FactDomains;
  readonly answers: readonly Answer<D>[];
  /** What every modelled era does, and a policy that has no table of its own here; undefined: each must have one. */
  readonly usual: Table<D> | undefined;
  /** What each answer means, in the order of `answers`. */
  readonly meanings: readonly string[];
  /** Of what no note is at hand. */
  readonly lacks: readonly NoteSort[];
  /** Asked only where operations are interleaved, or where there is swap. */
  readonly only: 'fine' | 'swap' | undefined;
}

interface Declaration {
  readonly kernel: string;
  readonly facts: readonly (keyof typeof FACTS)[];
  readonly own: { readonly [fact: string]: Fact<FactValue> };
  readonly answers: { readonly [answer: string]: string };
  readonly lacks?: readonly NoteSort[];
  readonly usual?: string | readonly UsualRule[];
  readonly only?: 'fine' | 'swap';
}
interface UsualRule {
  readonly name: string;
  readonly when?: (facts: never) => boolean;
  readonly answer: string;
}

/** In the order in which a policy is shown. */
export const DECISION_NAMES = Object.keys(DECLARED) as readonly DecisionName[];

const factsOf = ({ facts, own }: Declaration): (readonly [string, Fact<FactValue>])[] => [
  ...Object.entries(own),
  ...facts.map((name) => [name, FACTS[name]] as const),
];
const everyPoint = <T>(make: (declared: Declaration, name: DecisionName) => T): { [D in DecisionName]: T } =>
  Object.fromEntries(DECISION_NAMES.map((name) => [name, make(DECLARED[name], name)])) as {
    [D in DecisionName]: T;
  };

/** All decision points, in the order in which a policy is shown. */
export const DECISIONS: { readonly [D in DecisionName]: DecisionPoint<D> } = everyPoint((declared, name) => ({
  name,
  kernel: declared.kernel,
  facts: factsOf(declared).map(([fact, { domain }]) => [fact, domain] as const),
  answers: Object.keys(declared.answers),
  usual:
    typeof declared.usual === 'string' ? [{ name: 'otherwise', answer: declared.usual }] : declared.usual,
  meanings: Object.values(declared.answers),
  lacks: declared.lacks ?? [],
  only: declared.only,
})) as unknown as { readonly [D in DecisionName]: DecisionPoint<D> };

/** By decision point: how the machine reads each fact, in the order of DECISIONS. */
export const READERS: { readonly [D in DecisionName]: readonly FactReader[] } = everyPoint((declared) =>
  factsOf(declared).map(([, { read }]) => read),
);

/** One row of a table. A rule without `when` is total. */
export interface Rule<D extends DecisionName> {
  readonly name: string;
  readonly when?: (facts: Facts<D>) => boolean;
  readonly answer: Answer<D>;
  /** What it changes in the policy's notes, before the machine acts on the answer. */
  readonly notes?: Changed;
}
/** Rules in order: the first that matches answers. */
export type Table<D extends DecisionName> = readonly Rule<D>[];
type UsualName = {
  [D in DecisionName]: Declared[D] extends { readonly usual: unknown } ? D : never;
}[DecisionName];
/** One table per decision point; where all eras do the same (DecisionPoint.usual) it may be left out. */
export type Tables = { readonly [D in Exclude<DecisionName, UsualName>]: Table<D> } & {
  readonly [D in UsualName]?: Table<D>;
};
