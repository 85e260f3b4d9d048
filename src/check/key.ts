/**
 * The canonical key of a state (docs/model.md, "The key"): states that differ only by a renaming of tokens, frames,
 * references or mms have one key. It is a projection; searches go on from stored concrete states, so traces replay.
 *
 * Contents enter only as relations, and only where content and observer meet: each PTE and each reference says how
 * the content of its folio relates to its logical page (never seen, past, current); each file says how the contents
 * that may yet be read from it relate to the file page and to the private pages that map it. Where a policy let
 * something be stored to the zero page, it says that of every page that may be faulted in. A content that no path leads
 * to is not described. Counts are left out as they follow from who holds what (Machine.recount checks that).
 *
 * Law (key.test.ts): two states with one key have the same enabled steps, outcomes, findings and successor keys.
 * With three or more references, those that tie keep the order of their slots: a successor may then have several keys,
 * which costs duplicates and merges nothing wrongly.
 */
import { CALLERS, STORER_DEVICE_DIO, STORER_DEVICE_GET, ZERO_TOKEN } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import type { World } from '../executor/simulated.ts';
import {
  F_ANON,
  F_BOUNCED,
  F_EXCLUSIVE,
  F_WRITEBACK,
  NO_PFN,
  P_PRESENT,
  REF_NONE,
  ZERO_PFN,
} from '../machine/machine.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import {
  HANDLE_FREE,
  HANDLE_VOID,
  LOSSY,
  REF_DETACHED,
  REF_EXACT,
  REF_LONGTERM,
  REF_STORED,
} from '../reference/reference.ts';
import { encodeExcuses, excuseWords, signExcuses } from './excuse-key.ts';
import { LeastKey, Signed } from './order.ts';

/**
 * What two states with one key agree on. `class`: findings to the last part of their class. `property`: which
 * property breaks, with what damage, on which page kind, and whether it is documented; not whose store or which kind
 * of reference was concerned. The latter has far fewer states, and is enough for a proof.
 */
export type Grain = 'class' | 'property';
export const GRAINS: readonly Grain[] = ['class', 'property'];

/** Which slots may be renamed: those of mms and references, or none (to cross-check). */
export type Symmetry = 'all' | 'none';

/** Canonical number of a folio: 0 none, 1 the zero page, from 2 in order of first encounter. At most 31 in 5 bits. */
const FOLIO_NONE = 0;
const FOLIO_ZERO = 1;
const FOLIOS_MAX = 30;

/** Throws RangeError if a search in this setup could meet more folios than a key can number. */
export function checkFolios({ mms, pages, refs, files }: Setup): void {
  const folios = mms * pages.length + refs + files.length;
  if (folios > FOLIOS_MAX)
    throw new RangeError(
      `a search has room for ${FOLIOS_MAX} folios; mms x pages + references + files is ${folios} (make the scope smaller in one of them)`,
    );
}

/** Cell of a reference, 4 bits: place of its mm in the canonical order (0 to 3), the file, or an orphan. */
const CELL_FILE = 4;
const CELL_ORPHAN = 5;

/** In the first word: the zero page holds something else. */
const HEADER_ZERO = 1 << 7;

/** In the first word: something is excused, or will be. */
const HEADER_EXCUSES = 1 << 13;

/** Bit positions in the word of a page (one per living mm and page). */
const PAGE_FOLIO = 8;
const PAGE_CELL = 13;
/** Bit positions in the word of a reference. */
const REF_FOLIO = 3;
const REF_CELL = 8;

/** The word of a reference that was refused: a name of no use. */
const REF_VOID = 8 << 12;

/** A cell that its reference follows still: of a file, of a living mm, or an orphan. */
const FIXED = 2;

/** Callers that end, load, store and count alike, as a property-grained key sees them. */
export const ALIKE: readonly number[] = CALLERS.map((caller) => {
  const { ref: _, write: _w, longterm: _l, ...uses } = CALLER_CONTRACTS[caller];
  return CALLERS.findIndex((other) => {
    const { ref: _r, write: _w2, longterm: _l2, ...others } = CALLER_CONTRACTS[other];
    return JSON.stringify(others) === JSON.stringify(uses);
  });
});

/** Encodes the state of one world; the buffers are reused from call to call. */
export class KeyEncoder extends LeastKey {
  readonly #world: World;
  readonly #symmetry: boolean;
  /** Class grain: who stored a content, and what the reference was taken for. */
  readonly #classes: boolean;
  /**
   * Whose store a folio holds matters to classes. To properties it does not: they ask who stored what was missed, and
   * that is what the cell or the file expects, or zero. It stays where a page shows one of several contents, to be safe.
   */
  readonly #folioStores: boolean;
  readonly #folio: Uint8Array;
  readonly #folioOrder: Uint8Array;
  #folios = 0;
  /** By mm * pages + page, and by reference: the words but for folio numbers and cells. */
  readonly #page: Int32Array;
  readonly #ref: Int32Array;
  /** By mm: its place in `mms`. */
  readonly #place: Uint8Array;
  /** The references in the order in which they are encoded. */
  readonly refs: Signed;
  readonly #orphan: Uint8Array;

  constructor(world: World, symmetry: Symmetry = 'all', grain: Grain = 'class') {
    const { shape } = world;
    checkFolios(shape.setup);
    super(
      shape.mms,
      2 +
        shape.mms * shape.pages +
        2 * shape.refs +
        shape.folios +
        (1 + shape.mms * shape.pages) +
        shape.files * (3 + shape.mms * shape.pages + shape.refs) +
        excuseWords(world),
    );
    this.#world = world;
    this.#symmetry = symmetry !== 'none';
    this.#classes = grain === 'class';
    this.#folioStores = this.#classes || shape.copiesFile.includes(1);
    this.#folio = new Uint8Array(shape.folios);
    this.#folioOrder = new Uint8Array(shape.folios + 2);
    this.#page = new Int32Array(shape.mms * shape.pages);
    this.#ref = new Int32Array(shape.refs);
    this.#place = new Uint8Array(shape.mms);
    this.refs = new Signed(shape.refs);
    this.#orphan = new Uint8Array(shape.refs);
  }

  /** First look: the words of pages and references without numbers, and the order of the living mms by them. */
  override describe(): void {
    const { reference, shape } = this.#world;
    for (let r = 0; r < shape.refs; r++) if (reference.handleState[r] !== HANDLE_FREE) this.#describeRef(r);
    this.mms.count = 0;
    for (let mm = 0; mm < shape.mms; mm++)
      if (reference.alive[mm] === 1)
        this.mms.add(mm, this.#symmetry ? this.#describeMm(mm) : this.#inPlace(mm));
  }
  /** Where nothing is renamed the slot is the order. */
  #inPlace(mm: number): number {
    this.#describeMm(mm);
    return mm;
  }

  #describeMm(mm: number): number {
    const { machine: m, reference: ref, shape } = this.#world;
    let h = m.hasPinned[mm]!;
    for (let v = 0; v < shape.pages; v++) {
      const i = mm * shape.pages + v;
      const bits = m.pte[i]!;
      const pfn = m.pfn[i]!;
      let word = m.vma[i]! | (bits << 4) | (v === 0 ? m.hasPinned[mm]! << 26 : 0);
      if (shape.isPrivate[v] === 1) {
        let seen = 0;
        let cell = ref.cellState[i]!;
        if (ref.cellState[i] === FIXED)
          cell |= (this.#store(ref.current[i]!) | (ref.current[i] === ZERO_TOKEN ? 8 : 0)) << 2;
        if ((bits & P_PRESENT) !== 0) {
          const token = m.content[pfn]!;
          seen = ref.relation(i, token);
          if (shape.copiesFile[v] === 1)
            seen |= (ref.relation(ref.fileCell + shape.file[v]!, token) === 0 ? 0 : 1) << 2;
        }
        word |= (cell | (seen << 8)) << PAGE_CELL;
      } // a shared page shows the page cache, whose content is with the file
      this.#page[i] = word;
      h = Math.imul(h, 31) + word;
      if ((bits & P_PRESENT) !== 0 && pfn !== ZERO_PFN)
        h = Math.imul(h, 31) + (this.#folioWord(pfn) | (m.mapcount[pfn]! << 16) | (m.refcount[pfn]! << 20));
    }
    for (let r = 0; r < shape.refs; r++) {
      if (ref.handleState[r] === HANDLE_FREE) continue;
      const cell = ref.handleCell[r]!;
      if (cell >= mm * shape.pages && cell < (mm + 1) * shape.pages)
        h += Math.imul(this.#ref[r]!, 7919) ^ (this.#ref[r]! >>> 15);
    }
    return h | 0;
  }

  /** Whose store a content is; where classes do not matter, a device's (1) or not: properties ask no more. 3 bits. */
  #store(token: number): number {
    const storer = this.#world.reference.storer[token]!;
    if (this.#classes) return storer;
    return storer >= STORER_DEVICE_GET && storer <= STORER_DEVICE_DIO ? 1 : 0;
  }

  #describeRef(r: number): void {
    const { machine: m, reference: ref, shape } = this.#world;
    if (ref.handleState[r] === HANDLE_VOID) {
      this.#ref[r] = REF_VOID; // what its slot was before is nothing to it
      return;
    }
    const cell = ref.handleCell[r]!;
    const page = ref.handlePage[r]! % shape.pages;
    const file = shape.file[page]!;
    let flags = ref.handleFlags[r]! & ~(REF_DETACHED | REF_STORED);
    if (!this.#classes) flags &= ~REF_LONGTERM;
    const caller = ref.handleCaller[r]!;
    // Bits 0 to 2 page, 3 to 7 folio, 8 to 11 cell, and 12 up what follows.
    let word = this.#classes ? caller : ALIKE[caller]!;
    word |= ((flags & 15) << 4) | (((flags >> 6) & 1) << 8) | (m.refKind[r]! << 9);
    if (m.refKind[r] !== REF_NONE) {
      const pfn = m.refPfn[r]!;
      const token = m.content[pfn]!;
      let seen = 0;
      if (cell < ref.cells) {
        seen = ref.relation(cell, token);
        if (cell >= ref.orphanCell) seen = seen === 0 ? 0 : 1;
      }
      word |= seen << 11;
      if ((flags & REF_EXACT) === 0) word |= ref.handleAllowed(r, token) << 13;
      if (shape.copiesFile[page] === 1)
        word |= (ref.relation(ref.fileCell + file, token) === 0 ? 0 : 1) << 14;
      else if (file < shape.files) {
        word |= ref.onDiskAllowed(file, token) << 15;
        if (ref.undirtied[file] === 1 + r) word |= 1 << 16;
      }
      // Only the end of an O_DIRECT write asks whether its buffer changed, and whether that matters.
      if (CALLERS[caller] === 'o_direct_write') {
        if (token === m.refSubmitted[r]) word |= 1 << 17;
        if (m.targetStable(m.refTarget[r]!)) word |= 1 << 18;
      }
    }
    this.#ref[r] = (word << 12) | page;
  }

  /** Flags of a folio that anything reads, its file, and its content's store: 14 bits. */
  #folioWord(pfn: number): number {
    const { machine: m } = this.#world;
    let flags = m.flags[pfn]!;
    // What nothing maps is never mapped again.
    if ((flags & F_ANON) !== 0) flags = m.mapcount[pfn] === 0 ? F_ANON : flags & (F_ANON | F_EXCLUSIVE);
    const store = this.#folioStores ? this.#store(m.content[pfn]!) : 0;
    return flags | (store << 7) | (((m.mapping[pfn]! + 1) & 15) << 10);
  }

  #folioOf(pfn: number): number {
    if (pfn === NO_PFN) return FOLIO_NONE;
    if (pfn === ZERO_PFN) return FOLIO_ZERO;
    const known = this.#folio[pfn]!;
    if (known !== 0) return known;
    const fresh = 2 + this.#folios;
    this.#folio[pfn] = fresh;
    this.#folioOrder[this.#folios++] = pfn;
    return fresh;
  }

  /** The key with mms in the present order, into `out`. Returns its length. Needs `describe` before. */
  protected override encodeInOrder(out: Int32Array): number {
    const n = this.encodePages(out);
    this.refs.count = 0;
    for (let r = 0; r < this.#world.shape.refs; r++)
      if (this.#world.reference.handleState[r] !== HANDLE_FREE) this.refs.add(r, this.signRef(r));
    return this.encodeRest(out, n);
  }

  /** The first part of a key: pages and files. Returns its length; word 0 is left for `encodeRest`. */
  encodePages(out: Int32Array): number {
    const { machine: m, reference: ref, shape } = this.#world;
    const { pages, files } = shape;
    this.#folio.fill(0);
    this.#folios = 0;
    let n = 1;
    for (let k = 0; k < this.mms.count; k++)
      this.#place[this.mms.slots[k]!] = this.#symmetry ? k : this.mms.slots[k]!;
    for (let k = 0; k < this.mms.count; k++)
      for (let v = 0, i = this.mms.slots[k]! * pages; v < pages; v++, i++)
        out[n++] = this.#page[i]! | (this.#folioOf(m.pfn[i]!) << PAGE_FOLIO);
    for (let f = 0; f < files; f++) {
      const pfn = m.cache[f]!;
      const cell = ref.fileCell + f;
      const cached = this.#folioOf(pfn);
      const undirtied = ref.undirtied[f] === 0 ? 0 : ref.undirtied[f] === LOSSY ? 2 : 1; // whose: with the reference
      const inFlight = pfn !== NO_PFN && (m.flags[pfn]! & F_WRITEBACK) !== 0;
      const changed = inFlight ? (m.submitted[f] === m.content[pfn] ? 1 : 2) : 0;
      const store = this.#store(ref.current[cell]!);
      out[n++] = cached | (ref.wbStarted[f]! << 5) | (undirtied << 6) | (changed << 8) | (store << 10);
    }
    return n;
  }

  /** The rest of a key, from word `at` on, with references in the order of `refs`. Returns the length of the whole. */
  encodeRest(out: Int32Array, at: number): number {
    const { machine: m, shape } = this.#world;
    const { files } = shape;
    let first = this.mms.count;
    if (!this.#symmetry) for (let k = 0; k < this.mms.count; k++) first |= 1 << (8 + this.mms.slots[k]!);
    let n = at;
    this.#encodeRefs(out, n);
    const held = this.refs.count;
    n += this.#symmetry ? held : 2 * held;
    const zero = m.content[ZERO_PFN]!;
    out[0] = first | (held << 4) | (zero === ZERO_TOKEN ? 0 : HEADER_ZERO);

    // What may yet be read from a file, as the file and the private pages that map it see it.
    for (let f = 0; f < files; f++) {
      const pfn = m.cache[f]!;
      if (pfn !== NO_PFN) n = this.#encodeFileContent(f, m.content[pfn]!, out, n);
      if (shape.onDisk[f] === 0) continue;
      n = this.#encodeFileContent(f, m.disk[f]!, out, n);
      if (pfn !== NO_PFN && (m.flags[pfn]! & F_BOUNCED) !== 0)
        n = this.#encodeFileContent(f, m.submitted[f]!, out, n);
    }
    for (let i = 0; i < this.#folios; i++) {
      const word = this.#folioWord(this.#folioOrder[i]!);
      if ((i & 1) === 0) out[n++] = word;
      else out[n - 1]! |= word << 16;
    }
    if (zero !== ZERO_TOKEN) n = this.#encodeZeroPage(zero, out, n);
    if (this.#world.reference.excusing[0] === 0) return n;
    const end = encodeExcuses(this.#world, this.mms, this.#place, this.refs, out, n);
    if (end > n) out[0]! |= HEADER_EXCUSES;
    return end;
  }

  /** What was stored to the zero page, as every anonymous page sees it that may yet be faulted in. */
  #encodeZeroPage(token: number, out: Int32Array, at: number): number {
    const { reference: ref, shape } = this.#world;
    let n = at;
    let word = this.#store(token);
    let used = 3;
    for (let k = 0; k < this.mms.count; k++)
      for (let v = 0, i = this.mms.slots[k]! * shape.pages; v < shape.pages; v++, i++) {
        if (shape.isPrivate[v] === 0) continue;
        word |= ref.relation(i, token) << used;
        used += 2;
        if (used < 30) continue;
        out[n++] = word;
        word = 0;
        used = 0;
      }
    out[n++] = word;
    return n;
  }

  #encodeFileContent(file: number, token: number, out: Int32Array, at: number): number {
    const { reference: ref, shape } = this.#world;
    let n = at;
    let word = ref.relation(ref.fileCell + file, token) | (ref.onDiskAllowed(file, token) << 2);
    word |= this.#store(token) << 3;
    let used = 6;
    for (let v = 0; v < shape.pages; v++) {
      if (shape.copiesFile[v] === 0 || shape.file[v] !== file) continue;
      for (let k = 0; k < this.mms.count; k++) {
        word |= ref.relation(this.mms.slots[k]! * shape.pages + v, token) << used;
        used += 2;
        if (used < 30) continue;
        out[n++] = word;
        word = 0;
        used = 0;
      }
    }
    out[n++] = word;
    return n;
  }

  /**
   * What a reference looks like once pages and files are encoded: where it is among what has a number already; what has
   * none is told apart by who else holds it. Does not depend on its slot.
   */
  signRef(r: number): number {
    if (!this.#symmetry) return r;
    const { machine: m } = this.#world;
    let h = this.#ref[r]! | (this.#cellOf(r) << REF_CELL);
    if (m.refKind[r] !== REF_NONE) {
      const pfn = m.refPfn[r]!;
      const number = pfn === ZERO_PFN ? FOLIO_ZERO : this.#folio[pfn]!;
      h |= number << REF_FOLIO;
      if (number === 0) h = Math.imul(h ^ m.refcount[pfn]!, 0x01000193) ^ this.#folioWord(pfn);
    }
    if (this.#world.reference.excusing[0] === 1)
      h += Math.imul(signExcuses(this.#world, r, this.#place), 65537);
    return h;
  }

  #encodeRefs(out: Int32Array, at: number): void {
    const { machine: m, reference: ref } = this.#world;
    const { refs } = this;
    let orphans = 0;
    let n = at;
    for (let i = 0; i < refs.count; i++) {
      const r = refs.slots[i]!;
      const cell = ref.handleCell[r]!;
      let at = this.#cellOf(r);
      if (at === CELL_ORPHAN) {
        let known = 0;
        while (known < orphans && this.#orphan[known] !== cell) known++;
        if (known === orphans) this.#orphan[orphans++] = cell;
        at += known;
      }
      if (!this.#symmetry) out[n++] = r;
      out[n++] = this.#ref[r]! | (this.#folioOf(m.refPfn[r]!) << REF_FOLIO) | (at << REF_CELL);
    }
  }

  /** CELL_ORPHAN for every orphan: those are numbered when the references have an order. */
  #cellOf(r: number): number {
    const { reference: ref, shape } = this.#world;
    const cell = ref.handleCell[r]!;
    if (cell < ref.fileCell) return this.#place[Math.floor(cell / shape.pages)]!;
    return cell < ref.orphanCell ? CELL_FILE : cell < ref.cells ? CELL_ORPHAN : 0;
  }
}
