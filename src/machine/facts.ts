/**
 * What the kernel can see at a decision point, each fact once: its name and meaning, its domain, and how the machine
 * reads it. decisions.ts says which point has which.
 *
 * Facts are booleans, small enumerations and small saturating counts, so that a table can be expanded over those that
 * its rules read (machine/tables.ts). A count saturates: the last value of its domain means "or more". A fact that no
 * rule reads is never read from the machine either.
 */
import { PAGE_KINDS, type PageKind } from '../domain/page-kinds.ts';
import {
  F_ANON,
  F_BUFFERS,
  F_DIRTY,
  F_EXCLUSIVE,
  F_WRITEBACK,
  NO_PFN,
  P_DIRTY,
  P_WRITE,
  REF_GET,
  ZERO_PFN,
} from './state.ts';
import type { Machine } from './machine.ts';
import { T_BY_GUP, T_FAST, T_FAULT_WRITE, T_FOLL_COW, T_LONGTERM, T_WRITE } from './procedures.ts';

/** What a PTE maps, as vm_normal_page() and the folio's flags tell it. */
export const FRAMES = ['none', 'zero', 'anon', 'file'] as const;
/** One of FRAMES. */
export type Frame = (typeof FRAMES)[number];
export const FRAME_NONE = 0;
export const FRAME_ZERO = 1;
export const FRAME_ANON = 2;
export const FRAME_FILE = 3;

/** A value of a fact, as a rule sees it. */
export type FactValue = boolean | number | string;

/**
 * Where a decision is made: the task, the PTE (mm * pages + page, or NO_PTE where only a folio is at hand) and the
 * frame (ZERO_PFN; NO_PFN where none is mapped).
 */
type At<T> = (m: Machine, task: number, pte: number, pfn: number) => T;
/** The index in the fact's domain, as things stand; of a boolean that itself. */
export type FactReader = At<number | boolean>;
/** In place of a PTE: a decision about a folio. */
export const NO_PTE = -1;

/** A fact: what it may be, and how the machine knows. */
export interface Fact<V extends FactValue> {
  readonly domain: readonly V[];
  readonly read: FactReader;
  /** Without swap it has the first value of its domain. */
  readonly only?: 'swap';
}
const ofSwap = <V extends FactValue>(fact: Fact<V>): Fact<V> => ({ ...fact, only: 'swap' });

const BOOLEAN = [false, true] as const;
export const bool = (read: At<boolean>): Fact<boolean> => ({ domain: BOOLEAN, read });
/** `read`: the index. */
export const oneOf = <V extends string>(domain: readonly V[], read: FactReader): Fact<V> => ({
  domain,
  read,
});
/** Saturates at both ends of from..to. */
export const count = (from: number, to: number, read: At<number>): Fact<number> => ({
  domain: Array.from({ length: to - from + 1 }, (_, i) => from + i),
  read: (m, t, pte, pfn) => Math.min(Math.max(read(m, t, pte, pfn), from), to) - from,
});

/** Is there a folio whose counters and flags say something? Of the zero page, which all share, they do not. */
const normal = (pfn: number): boolean => pfn !== NO_PFN && pfn !== ZERO_PFN;
const flag =
  (bit: number): At<boolean> =>
  (m, _t, _pte, pfn) =>
    normal(pfn) && (m.flags[pfn]! & bit) !== 0;
const ofTask =
  (bit: number): At<boolean> =>
  (m, t) =>
    (m.task.flags[t]! & bit) !== 0;
const ofPte =
  (bit: number): At<boolean> =>
  (m, _t, pte) =>
    (m.pte[pte]! & bit) !== 0;
const pageOf = (m: Machine, pte: number): number => pte % m.shape.pages;

/** Facts that several decision points have. The comment of each is its line in the documentation. */
export const FACTS = {
  /** page_count(); of the zero page, or without a page, 1. */
  refcount: count(1, 6, (m, _t, _pte, pfn) => (normal(pfn) ? m.refcount[pfn]! : 1)) as Fact<number>,
  /** page_mapcount() of a mapped page; of the zero page, or without a page, 1. */
  mapcount: count(1, 3, (m, _t, _pte, pfn) => (normal(pfn) ? m.mapcount[pfn]! : 1)) as Fact<number>,
  /** PG_anon_exclusive; false in eras that do not keep it. */
  anonExclusive: bool(flag(F_EXCLUSIVE)) as Fact<boolean>,
  /** What the PTE maps: vm_normal_page(), is_zero_pfn(), PageAnon(). */
  frame: oneOf(FRAMES, (m, _t, pte, pfn) => {
    if (pte !== NO_PTE) return m.frameOf(pte);
    return (m.flags[pfn]! & F_ANON) !== 0 ? FRAME_ANON : FRAME_FILE;
  }) as Fact<Frame>,
  /** mm->has_pinned or MMF_HAS_PINNED of the mm (at fork: of the parent); false in eras that do not keep it. */
  hasPinned: bool((m, t) => m.hasPinned[m.task.mm[t]!] === 1) as Fact<boolean>,
  /** page_maybe_dma_pinned(). */
  maybeDmaPinned: bool((m, _t, _pte, pfn) => normal(pfn) && m.maybeDmaPinned(pfn)) as Fact<boolean>,
  /** pte_write(). */
  pteWrite: bool(ofPte(P_WRITE)) as Fact<boolean>,
  /** pte_dirty(). */
  pteDirty: bool(ofPte(P_DIRTY)) as Fact<boolean>,
  /** What the VMA maps: vma_is_anonymous(), vma_is_shmem(), is_cow_mapping(). */
  vma: oneOf(PAGE_KINDS, (m, _t, pte) => m.shape.kind[pageOf(m, pte)]!) as Fact<PageKind>,
  /** VM_SHARED. */
  vmaShared: bool((m, _t, pte) => m.shape.isPrivate[pageOf(m, pte)] === 0) as Fact<boolean>,
  /** vma_needs_dirty_tracking(): shared, writable and on a filesystem that tracks dirty pages. */
  dirtyTracked: bool((m, _t, pte) => m.dirtyTracked(pte)) as Fact<boolean>,
  /** FOLL_WRITE. */
  write: bool(ofTask(T_WRITE)) as Fact<boolean>,
  /** The fault is GUP's, not a CPU's: faultin_page(). */
  byGup: bool(ofTask(T_BY_GUP)) as Fact<boolean>,
  /** FOLL_PIN; false in a fault by a CPU. */
  pin: bool((m, t) => (m.task.flags[t]! & T_BY_GUP) !== 0 && m.task.kind[t] !== REF_GET) as Fact<boolean>,
  /** GUP-fast is, or was, tried first: get_user_pages_fast(). */
  fast: bool(ofTask(T_FAST)) as Fact<boolean>,
  /** FOLL_LONGTERM; false in a fault by a CPU. */
  longterm: bool(ofTask(T_LONGTERM)) as Fact<boolean>,
  /** A write fault of this call left a R/O PTE behind because the VMA lacks VM_WRITE (FOLL_COW until v5.19). */
  follCow: bool(ofTask(T_FOLL_COW)) as Fact<boolean>,
  /** The folio belongs to shmem: swap-backed, with a mapping. */
  shmem: bool((m, _t, pte) => m.mapsShmem(pte)) as Fact<boolean>,
  /** folio_test_writeback(). */
  writeback: bool(flag(F_WRITEBACK)) as Fact<boolean>,
  /** folio_test_dirty(). */
  folioDirty: bool(flag(F_DIRTY)) as Fact<boolean>,
  /** The filesystem's private state is attached: folio_test_private(). */
  buffers: bool(flag(F_BUFFERS)) as Fact<boolean>,
  /** FAULT_FLAG_WRITE. */
  faultWrite: bool(ofTask(T_FAULT_WRITE)) as Fact<boolean>,
  /** folio_test_swapcache(). */
  swapCache: ofSwap(bool((m, _t, _pte, pfn) => normal(pfn) && m.inSwapCache(pfn))) as Fact<boolean>,
  /** page_swapcount(): swap entries that name the slot of the folio; without a folio, that of the entry at the PTE. */
  swapCount: ofSwap(count(0, 3, (m, _t, pte, pfn) => m.swapEntries(pte, pfn))) as Fact<number>,
  /** is_swap_pte(): a swap entry is in place of the page. */
  swapEntry: ofSwap(bool((m, _t, pte) => m.hasEntry(pte))) as Fact<boolean>,
  /** pte_swp_exclusive(); false in eras that do not keep it. */
  swapExclusive: ofSwap(bool((m, _t, pte) => m.swapExclusive[pte] === 1)) as Fact<boolean>,
  /** References beyond those of the page tables, the page cache, the swap cache and private state. */
  extraRefs: bool((m, _t, _pte, pfn) => normal(pfn) && m.extraRefs(pfn)) as Fact<boolean>,
};

/** Does a fact of this name say something only where there is swap? */
export const needsSwap = (fact: string): boolean =>
  Object.hasOwn(FACTS, fact) && FACTS[fact as keyof typeof FACTS].only === 'swap';
