/**
 * What keys say of swap. What a PTE leads to is a folio, be it in the swap cache alone, or a slot that has none; a slot
 * without a folio has a number like a folio, behind theirs. With that, counts follow from who leads where.
 */
import type { Shape } from '../domain/setup.ts';
import { F_ANON, F_DIRTY, F_EXCLUSIVE, NO_PFN, P_PRESENT } from '../machine/machine.ts';
import {
  bits,
  both,
  call,
  col,
  cond,
  type Ex,
  I,
  less,
  not,
  or,
  plus,
  same,
  some,
} from '../state/expression.ts';
import { type Field, widthOf } from '../state/fields.ts';

/** Contents at a PTE, each with whether there is one. */
export interface Seen {
  readonly there: Ex;
  readonly content: Ex;
}

/** Is the PTE present? */
const present = (w: number, at: Ex): Ex => some(bits(col('machine.pte', at, w), P_PRESENT));
const entry = (w: number, at: Ex): Ex => col('machine.swapEntry', at, w);
/** The folio that is in the swap cache for the slot, or NO_PFN. */
const cacheOf = (w: number, slot: Ex): Ex => call('folioOfSlot', [slot], w);

/** What a load would show, without a fault or after swap-in: the folio, or what the swap entry leads to. */
export function shown({ swaps }: Shape, w = 0, at: Ex = I): Seen {
  const mapped = col('machine.content', col('machine.pfn', at, w), w);
  if (swaps === 0) return { there: present(w, at), content: mapped };
  const slot = plus(entry(w, at), -1);
  const cache = cacheOf(w, slot);
  return {
    there: or(present(w, at), some(entry(w, at))),
    content: cond(
      entry(w, at),
      cond(same(cache, NO_PFN), col('machine.swapContent', slot, w), col('machine.content', cache, w)),
      mapped,
    ),
  };
}

/** 1 + the slot of the folio that a PTE leads to, be it present or not; 0 for none, or if the slot has no folio. */
function slotOfFolio(w: number, at: Ex): Ex {
  const named = entry(w, at);
  return cond(
    present(w, at),
    col('machine.swapSlot', col('machine.pfn', at, w), w),
    cond(named, cond(same(cacheOf(w, plus(named, -1)), NO_PFN), 0, named)),
  );
}
/** What the device has for a folio in the swap cache: it is shown once that is dropped. */
export const behind = (w = 0, at: Ex = I): Seen => ({
  there: some(slotOfFolio(w, at)),
  content: col('machine.swapContent', plus(slotOfFolio(w, at), -1), w),
});

/** KeySpec.frames: by world. */
export const framesOf = ({ folios, swaps }: Shape, worlds: number): readonly Field[] =>
  Array.from({ length: worlds }, (_, w) => {
    const cache = cacheOf(w, plus(entry(w, I), -1));
    const value = cond(
      entry(w, I),
      cond(same(cache, NO_PFN), plus(entry(w, I), folios - 1), cache),
      col('machine.pfn', I, w),
    );
    return { name: 'frame', bits: Math.max(8, widthOf(folios + swaps)), value };
  });

/** Of a folio, or a slot that has none: 1 + its slot, or 0. */
const slotOf = (folios: number, w: number): Ex =>
  cond(less(I, folios), col('machine.swapSlot', I, w), plus(I, 1 - folios));
/** What is said of a folio, of a slot that has none: `yes` of the first, `no` of the second. */
export const ifFolio = ({ folios, swaps }: Shape, yes: Ex, no: Ex = 0): Ex =>
  swaps === 0 ? yes : cond(less(I, folios), yes, no);
/** Fields of folios, of a slot that has none 0. */
export const ofFolios = (shape: Shape, fields: readonly Field[]): Field[] =>
  fields.map((field) => ({ ...field, value: ifFolio(shape, field.value) }));
/** Flags of an anonymous folio that is in the swap cache: found again though nothing maps it. */
export const CACHED_FLAGS: number = F_ANON | F_EXCLUSIVE | F_DIRTY;
export const inSwapCache = (w: number): Ex => some(col('machine.swapSlot', I, w));
/** Fields of a folio, or a slot. `store`: says whose a content is, `bits` wide; absent: not asked. */
export function slotFields(
  { folios }: Shape,
  w: number,
  store?: { readonly bits: number; readonly of: (content: Ex) => Ex },
): Field[] {
  const slot = slotOf(folios, w);
  const fields: Field[] = [
    { name: 'in swap cache', bits: 1, value: both(less(I, folios), some(slot)) },
    { name: 'slot alone', bits: 1, value: not(less(I, folios)) },
  ];
  if (store !== undefined)
    fields.push({
      name: 'store on swap',
      bits: store.bits,
      value: cond(slot, store.of(col('machine.swapContent', plus(slot, -1), w))),
    });
  return fields;
}
