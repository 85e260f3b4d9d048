/**
 * The part of a key that says which contents are excused (reference.ts, EXCUSES): nothing where nothing ever was.
 *
 * As elsewhere, a content enters only where an observer may meet it: of each private page what it must show and what
 * its folio holds; of each reference what its folio holds and what its page held when it was taken; what may yet be
 * faulted in from a file or the zero page. And what decides of stores to come: the references that were held over
 * fork, each with the pages that parted from its own.
 */
import { ZERO_TOKEN } from '../domain/kinds.ts';
import { MMS_MAX, NO_FILE } from '../domain/setup.ts';
import type { World } from '../executor/simulated.ts';
import { F_BOUNCED, NO_PFN, P_PRESENT, REF_NONE, ZERO_PFN } from '../machine/machine.ts';
import { HANDLE_LIVE, REF_HELD_OVER_FORK } from '../reference/reference.ts';
import type { Signed } from './order.ts';

/** Bits of an EXCUSES index as it occurs here: none, O_DIRECT, GET. */
const EXCUSE_BITS = 2;

/** Most words of this part. */
export const excuseWords = (world: World): number => {
  const { mms, pages, refs, files } = world.shape;
  const places = mms * pages;
  return Math.ceil((EXCUSE_BITS * (2 * places + 2 * refs + (3 * files + 1) * places) + refs) / 30) + 1 + refs;
};

/**
 * Appends to `out` at `at`; returns the new length: `at`, if nothing is excused and nothing will be for what was held
 * over fork. `place`: of each living mm in the order `mms`.
 */
export function encodeExcuses(
  world: World,
  mms: Signed,
  place: Uint8Array,
  refs: Signed,
  out: Int32Array,
  at: number,
): number {
  const { machine: m, reference: ref, shape } = world;
  let n = at;
  let word = 0;
  let used = 0;
  let any = 0;
  const put = (value: number, bits: number): void => {
    any |= value;
    word |= value << used;
    used += bits;
    if (used + EXCUSE_BITS <= 30) return;
    out[n++] = word;
    word = 0;
    used = 0;
  };
  /** `file`: NO_FILE for the zero page. */
  const everyPage = (token: number, file: number): void => {
    for (let k = 0; k < mms.count; k++)
      for (let v = 0; v < shape.pages; v++) {
        const maps =
          file === NO_FILE ? shape.isPrivate[v] : shape.copiesFile[v]! & (shape.file[v] === file ? 1 : 0);
        if (maps === 1) put(ref.excuseOf(mms.slots[k]! * shape.pages + v, token), EXCUSE_BITS);
      }
  };
  for (let k = 0; k < mms.count; k++)
    for (let v = 0, i = mms.slots[k]! * shape.pages; v < shape.pages; v++, i++) {
      if (shape.isPrivate[v] === 0) continue;
      put(ref.expectedLoad(mms.slots[k]!, v) < 0 ? 0 : ref.excuseOf(i, ref.current[i]!), EXCUSE_BITS);
      put((m.pte[i]! & P_PRESENT) === 0 ? 0 : ref.excuseOf(i, m.content[m.pfn[i]!]!), EXCUSE_BITS);
    }
  for (let i = 0; i < refs.count; i++) {
    const bits = refBits(world, refs.slots[i]!);
    put(bits & 3, EXCUSE_BITS);
    put((bits >> 2) & 3, EXCUSE_BITS);
    put(bits >> 4, 1);
  }
  for (let f = 0; f < shape.files; f++) {
    const pfn = m.cache[f]!;
    everyPage(pfn === NO_PFN ? ZERO_TOKEN : m.content[pfn]!, f);
    everyPage(m.disk[f]!, f);
    everyPage(pfn !== NO_PFN && (m.flags[pfn]! & F_BOUNCED) !== 0 ? m.submitted[f]! : ZERO_TOKEN, f);
  }
  if (m.content[ZERO_PFN] !== ZERO_TOKEN) everyPage(m.content[ZERO_PFN]!, NO_FILE);
  out[n++] = word;
  if (any === 0) return at;
  for (let i = 0; i < refs.count; i++) {
    const r = refs.slots[i]!;
    if (!isHeld(world, r)) continue;
    let parted = partedInOrder(world, r, place);
    for (let k = 0; k < refs.count; k++)
      if (isPartedOrphan(world, r, ref.handleCell[refs.slots[k]!]!)) parted |= 1 << (MMS_MAX + k);
    out[n++] = parted;
  }
  return n;
}

/** What tells two references apart by what is excused, once the mms have an order: part of their signatures. */
export const signExcuses = (world: World, r: number, place: Uint8Array): number =>
  refBits(world, r) +
  (isHeld(world, r) ? Math.imul(partedInOrder(world, r, place) + 1, 0x9e3779b1) : 0) +
  (isPartedFromAny(world, r) ? 0x5bd1e995 : 0);

const isHeld = ({ reference: ref }: World, r: number): boolean =>
  ref.handleState[r] === HANDLE_LIVE && (ref.handleFlags[r]! & REF_HELD_OVER_FORK) !== 0;

/** Excuse of what its folio holds, of what its page held when it was taken, and whether it was held over fork. */
function refBits(world: World, r: number): number {
  const { machine: m, reference: ref } = world;
  if (ref.handleState[r] !== HANDLE_LIVE) return 0;
  const cell = ref.handleCell[r]!;
  const ofPage = cell < ref.fileCell || (cell >= ref.orphanCell && cell < ref.cells);
  const holds = ofPage && m.refKind[r] !== REF_NONE ? ref.excuseOf(cell, m.content[m.refPfn[r]!]!) : 0;
  return holds | (ref.takenExcused[r]! << 2) | (isHeld(world, r) ? 16 : 0);
}

/** The pages that parted from that of a reference, by the places of their mms. */
function partedInOrder({ reference: ref, shape }: World, r: number, place: Uint8Array): number {
  let mask = 0;
  for (let mm = 0; mm < shape.mms; mm++) if ((ref.parted[r]! & (1 << mm)) !== 0) mask |= 1 << place[mm]!;
  return mask;
}

/** Is this cell an orphan that parted from the page of a reference? */
function isPartedOrphan({ reference: ref }: World, r: number, cell: number): boolean {
  if (cell < ref.orphanCell || cell >= ref.cells) return false;
  return (ref.parted[r]! & (1 << (MMS_MAX + cell - ref.orphanCell))) !== 0;
}

/** Is the page of this reference an orphan that parted from that of another? */
function isPartedFromAny(world: World, r: number): boolean {
  const { reference: ref, shape } = world;
  for (let h = 0; h < shape.refs; h++) if (isPartedOrphan(world, h, ref.handleCell[r]!)) return true;
  return false;
}
