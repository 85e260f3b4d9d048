/**
 * Swap-out of one anonymous page (mm/vmscan.c: shrink_folio_list()) and swap-in of a swap entry (mm/memory.c:
 * do_swap_page()). Both are the policy's: whether the page may go, what becomes of its exclusiveness, when it is written,
 * what leaves the swap cache, and how the page is mapped that comes back.
 *
 * Left out: writeback to swap takes no time; the lock of the folio is never busy; swap space is never short
 * (mem_cgroup_swap_full()), and never fails.
 */
import { MARK_SWAP_IN, FREE_AT_SWAP_IN } from './decisions.ts';
import { FRAME_ANON, NO_PTE } from './facts.ts';
import {
  F_DIRTY,
  F_EXCLUSIVE,
  type Machine,
  NO_PFN,
  P_DIRTY,
  P_WRITE,
  V_ANON_VMA,
  V_MAPPED,
  V_WRITE,
} from './machine.ts';
import { END_DONE, END_NO_EFFECT, procedure, refuse } from './procedures.ts';
import { addToSwap, enterCache, forgetIfFree, leaveCache, leaveIfUnused, putEntry } from './swap-slots.ts';

const pteOf = (m: Machine, t: number): number => m.task.mm[t]! * m.shape.pages + m.task.page[t]!;

/** May the folio, which is in the swap cache, leave it at this fault? Then it does. `at`: FREE_AT_*. */
export function freeSwap(m: Machine, t: number, pte: number, pfn: number, at: number): void {
  m.freeingAt = at;
  if (m.ask.freeSwap(t, pte, pfn) === 'free') leaveCache(m, pfn);
}

/** What a fault on a swap entry maps: a folio on which it has a reference. */
function readSwap(m: Machine, t: number, pte: number, alloc: Fill['alloc']): number {
  const slot = m.swapEntry[pte]! - 1;
  const cached = m.folioOfSlot(slot);
  if (cached !== NO_PFN) {
    m.refcount[cached]!++;
    return cached;
  }
  const beside = m.ask.swapinCache(t, pte, NO_PFN) === 'beside';
  const pfn = alloc(m.swapContent[slot]!);
  if (!beside) enterCache(m, pfn, slot);
  return pfn;
}

/** What a fault fills a PTE with. */
interface Fill {
  /** A fresh folio with this content. */
  alloc(token: number): number;
  /** Bits of a PTE that a store gets which faulted. */
  bits(): number;
}

/**
 * do_swap_page(): a folio is mapped in place of a swap entry. `write`: a store faulted. Returns whether that is done with.
 *
 * One step: what others might do between the read and the map, the lock of the folio and pte_same() exclude; but where
 * the swap cache is bypassed (13ddaf26be32, "mm/swap: fix race when skipping swapcache"), which is left out.
 */
export function swapIn(m: Machine, t: number, pte: number, write: boolean, fill: Fill): boolean {
  const pfn = readSwap(m, t, pte, fill.alloc);
  const slot = m.swapEntry[pte]! - 1;
  m.swapCount[slot]!--; // swap_free(); the entry itself is a fact still
  if (m.inSwapCache(pfn)) freeSwap(m, t, pte, pfn, FREE_AT_SWAP_IN);
  const answer = m.ask.swapinMap(t, pte, pfn);
  m.swapEntry[pte] = 0;
  m.swapExclusive[pte] = 0;
  const own = answer !== 'read-only';
  const atOnce = answer === 'own, writable' && (m.vma[pte]! & V_WRITE) !== 0 ? P_WRITE : 0;
  m.map(pte, pfn, own && write ? fill.bits() : atOnce);
  m.vma[pte]! |= V_ANON_VMA;
  if (own) m.markExclusive(t, pte, pfn, MARK_SWAP_IN);
  forgetIfFree(m, slot);
  return own;
}

/** try_to_unmap(): the page is taken from the page tables, until one keeps it. */
function unmap(m: Machine, t: number, pfn: number): void {
  const slot = m.swapSlot[pfn]! - 1;
  for (let pte = 0; pte < m.pte.length; pte++) {
    if (m.pfn[pte] !== pfn) continue;
    if (m.ask.swapUnmap(t, pte, pfn) === 'keep') return;
    let exclusive = 0;
    if ((m.flags[pfn]! & F_EXCLUSIVE) !== 0) {
      const becomes = m.ask.swapOutExclusive(t, pte, pfn);
      if (becomes !== 'leave') m.flags[pfn]! &= ~F_EXCLUSIVE;
      if (becomes === 'to entry') exclusive = 1;
    }
    if ((m.pte[pte]! & P_DIRTY) !== 0 && m.ask.swapOutDirty(t, pte, pfn) === 'fold') m.flags[pfn]! |= F_DIRTY;
    m.pte[pte] = 0;
    m.pfn[pte] = NO_PFN;
    putEntry(m, pte, slot, exclusive);
    m.mapcount[pfn]!--;
    m.put(pfn);
  }
}

/** What swapout starts at: M1 for madvise(MADV_PAGEOUT), O1 for memory pressure; with BY_PRESSURE in the task's `kind`. */
export const swapOutSteps: { readonly [K in 'M1' | 'O1' | 'O2' | 'O3' | 'O4']: number } = procedure(
  'swapout',
  {
    // madvise_cold_or_pageout_pte_range(): present pages that one process maps. Those of the page cache go as in reclaim.
    M1: (m, t) => {
      const pte = pteOf(m, t);
      if ((m.vma[pte]! & V_MAPPED) === 0) return refuse(m, 'ENOMEM');
      if (m.frameOf(pte) !== FRAME_ANON) return END_NO_EFFECT;
      if (m.ask.pageout(t, pte, m.pfn[pte]!) === 'skip') return END_NO_EFFECT;
      return swapOutSteps.O1;
    },
    // shrink_folio_list() finds the folio on the LRU: also one that is in the swap cache alone.
    O1: (m, t) => {
      const pte = pteOf(m, t);
      const entry = m.swapEntry[pte]!;
      const pfn =
        m.frameOf(pte) === FRAME_ANON ? m.pfn[pte]! : entry === 0 ? NO_PFN : m.folioOfSlot(entry - 1);
      if (pfn === NO_PFN) return END_NO_EFFECT;
      if (!m.inSwapCache(pfn)) {
        if (m.ask.addToSwap(t, NO_PTE, pfn) === 'keep') return END_NO_EFFECT;
        addToSwap(m, pfn);
      }
      m.task.other[t] = pfn;
      return swapOutSteps.O2;
    },
    O2: (m, t) => {
      const pfn = m.task.other[t]!;
      unmap(m, t, pfn);
      return m.mapcount[pfn] === 0 ? swapOutSteps.O3 : finish(m, t);
    },
    // pageout(): the write of zram is over when it returns; of a disk it is not, and the page is looked at another time.
    O3: (m, t) => {
      const pfn = m.task.other[t]!;
      if ((m.flags[pfn]! & F_DIRTY) === 0) return swapOutSteps.O4;
      if (m.ask.swapWrite(t, NO_PTE, pfn) === 'keep') return finish(m, t);
      m.swapContent[m.swapSlot[pfn]! - 1] = m.content[pfn]!;
      m.flags[pfn]! &= ~F_DIRTY;
      return m.shape.swapSynchronous ? swapOutSteps.O4 : finish(m, t);
    },
    // __remove_mapping().
    O4: (m, t) => {
      const pfn = m.task.other[t]!;
      if (m.ask.removeMapping(t, NO_PTE, pfn) === 'remove') leaveCache(m, pfn);
      return finish(m, t);
    },
  },
);

/** What nobody names is found by nobody: a policy may have kept it for no one. */
function finish(m: Machine, t: number): number {
  const pfn = m.task.other[t]!;
  if (m.inSwapCache(pfn)) leaveIfUnused(m, m.swapSlot[pfn]! - 1);
  return END_DONE;
}
