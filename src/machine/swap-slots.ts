/**
 * Slots of the swap device: who names them, and the folio that is in the swap cache for each. A slot is in use while a
 * swap entry names it, or its folio is in the swap cache. mm/swapfile.c, mm/swap_state.c.
 *
 * A folio is dirty here (F_DIRTY) where its slot lacks what it holds. Outside the swap cache it has no slot, and
 * add_to_swap() writes it anew whatever its flag says: so it has none.
 */
import { F_DIRTY, NO_PFN } from './state.ts';
import type { Machine } from './machine.ts';

const isFree = (m: Machine, slot: number): boolean =>
  m.swapCount[slot] === 0 && m.folioOfSlot(slot) === NO_PFN;

/** The lowest free slot. */
function freeSlot(m: Machine): number {
  for (let slot = 0; slot < m.shape.swaps; slot++) if (isFree(m, slot)) return slot;
  throw new Error('out of swap slots: the shape has too few');
}

/** add_to_swap_cache(): the folio is that of the slot, of which the cache has a reference. */
export function enterCache(m: Machine, pfn: number, slot: number): void {
  m.swapSlot[pfn] = 1 + slot;
  m.refcount[pfn]!++;
}
/** add_to_swap(): a slot of its own, to which nothing was written yet. */
export function addToSwap(m: Machine, pfn: number): void {
  enterCache(m, pfn, freeSlot(m));
  m.flags[pfn]! |= F_DIRTY;
}
/** delete_from_swap_cache(). */
export function leaveCache(m: Machine, pfn: number): void {
  const slot = m.swapSlot[pfn]! - 1;
  m.swapSlot[pfn] = 0;
  m.flags[pfn]! &= ~F_DIRTY;
  forgetIfFree(m, slot);
  m.put(pfn);
}
/**
 * folio_free_swap() of a folio that no PTE maps and no entry names: free_swap_cache(), __try_to_reclaim_swap(). Nobody
 * finds it there again.
 */
export function leaveIfUnused(m: Machine, slot: number): void {
  const pfn = m.folioOfSlot(slot);
  if (pfn !== NO_PFN && m.swapCount[slot] === 0 && m.mapcount[pfn] === 0) leaveCache(m, pfn);
}
/** What is on the device of a slot that is free is nobody's. */
export function forgetIfFree(m: Machine, slot: number): void {
  if (isFree(m, slot)) m.swapContent[slot] = 0;
}

/** swap_duplicate(): a PTE gets an entry that names the slot. */
export function putEntry(m: Machine, pte: number, slot: number, exclusive: number): void {
  m.swapEntry[pte] = 1 + slot;
  m.swapExclusive[pte] = exclusive;
  m.swapCount[slot]!++;
}
/** swap_free(): the entry of a PTE goes. Returns its slot. */
export function takeEntry(m: Machine, pte: number): number {
  const slot = m.swapEntry[pte]! - 1;
  m.swapEntry[pte] = 0;
  m.swapExclusive[pte] = 0;
  m.swapCount[slot]!--;
  return slot;
}
/** free_swap_and_cache(): munmap, exit and MADV_DONTNEED of a swap entry. */
export function dropEntry(m: Machine, pte: number): void {
  const slot = takeEntry(m, pte);
  leaveIfUnused(m, slot);
  forgetIfFree(m, slot);
}

/** Takes the swap cache's references from `left` (Machine.recount()). Returns '' or what does not add up. */
export function recountSwap(m: Machine, left: Int32Array): string {
  for (let slot = 0; slot < m.shape.swaps; slot++) {
    let entries = 0;
    for (const entry of m.swapEntry) if (entry === 1 + slot) entries++;
    if (entries !== m.swapCount[slot])
      return `swap slot ${slot}: count ${m.swapCount[slot]}, and ${entries} entries name it`;
    const pfn = m.folioOfSlot(slot);
    if (pfn === NO_PFN) continue;
    left[pfn]!--;
    if (m.swapSlot.indexOf(1 + slot, pfn + 1) >= 0)
      return `swap slot ${slot}: two folios are in the swap cache`;
  }
  for (let pte = 0; pte < m.pte.length; pte++)
    if (m.swapEntry[pte] !== 0 && (m.pte[pte] !== 0 || m.pfn[pte] !== NO_PFN))
      return `pte ${pte}: is a swap entry, and maps pfn ${m.pfn[pte]}`;
  return '';
}
