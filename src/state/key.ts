/**
 * The canonical key of states, made from declarations: what is said of each page, file, reference and folio is a list of
 * fields (state/fields.ts); here is what they have in common, whatever they say.
 *
 * A state is a graph whose names mean nothing. mms, references, and pages that the scope tells nothing apart of, are
 * ordered by what each looks like from within; ties are tried out, and the least key counts (LeastKey). Folios are
 * numbered in order of first encounter. Contents have no numbers: they enter as relations, which are fields.
 *
 * A poor order costs duplicates, never a wrong merge.
 */
import type { ColumnArray } from './arena.ts';
import type { Source } from './expression.ts';
import type { Asked, Backend, Writer } from './fields.ts';
import {
  FOLIO_BITS,
  FOLIO_FIRST,
  HEAD_AT,
  HEADER_AT,
  HELD_AT,
  type KeySpec,
  type Prepared,
  prepared,
  RARE_AT,
  SLOTS_AT,
  type Symmetry,
  TOKEN_AT,
  TOKEN_BITS,
} from './key-spec.ts';
import { LeastKey, Signed } from './order.ts';

const NO_PFN = 255;
const ZERO_PFN = 0;
/** Canonical numbers of folios: 0 none, 1 the zero page, from FOLIO_FIRST in order of first encounter. */
const FOLIO_ZERO = 1;

/** Folios of one world, numbered in order of encounter. */
class Folios {
  readonly numbers: Uint8Array;
  readonly order: Uint8Array;
  count = 0;
  constructor(folios: number) {
    // NO_PFN is none.
    this.numbers = new Uint8Array(NO_PFN + 1);
    this.order = new Uint8Array(folios);
    this.numbers[ZERO_PFN] = FOLIO_ZERO;
  }
  clear(): void {
    const { numbers, order, count } = this;
    for (let i = 0; i < count; i++) numbers[order[i]!] = 0;
    this.count = 0;
  }
  of(pfn: number): number {
    const known = this.numbers[pfn]!;
    if (known !== 0 || pfn === NO_PFN) return known;
    const fresh = FOLIO_FIRST + this.count;
    this.numbers[pfn] = fresh;
    this.order[this.count++] = pfn;
    return fresh;
  }
}

/** The columns of a world that the key itself goes by. */
interface Graph {
  readonly pfn: ColumnArray;
  readonly cache: ColumnArray;
  readonly refPfn: ColumnArray;
  readonly refcount: ColumnArray;
  readonly mapcount: ColumnArray;
  /** What is said of a folio. */
  readonly word: Asked;
  readonly folios: Folios;
}

const mix = (h: number, x: number): number => {
  const m = Math.imul(h ^ x, 0x9e3779b1);
  return m ^ (m >>> 15);
};

/** Encodes states; the buffers are reused from call to call. */
export class StateKey extends LeastKey {
  readonly #spec: KeySpec;
  readonly #symmetry: boolean;
  readonly #alive: ColumnArray;
  readonly #handleState: ColumnArray;
  readonly #handleCell: ColumnArray;
  readonly #handlePage: ColumnArray;
  readonly #graphs: readonly Graph[];
  readonly #counts: Uint8Array;

  readonly #is: Prepared;
  readonly #mmAt: number;
  readonly #cellShift: number;
  readonly #pageShift: number;
  readonly #header: Asked;
  readonly #mm: Asked;
  readonly #slot: Writer;
  readonly #file: Writer;
  readonly #ref: Writer;
  readonly #frames: readonly Asked[];
  readonly #fetchedWriter: Writer;
  readonly #fetched: readonly { readonly cell: Asked; readonly rare: Asked }[];
  readonly #rare:
    | undefined
    | {
        readonly when: Asked;
        readonly slots: readonly Asked[];
        readonly ref: Asked;
        readonly held: Asked;
        readonly member: Asked;
      };

  /** Words of the present state: of slots, files, references, fetched contents. */
  readonly #slots: Int32Array;
  readonly #files: Int32Array;
  readonly #refs: Int32Array;
  readonly #heads: Int32Array;
  readonly #mms: Int32Array;
  /** By mm, by page: its place in the order at hand. */
  readonly #place: Uint8Array;
  readonly #pagePlace: Uint8Array;
  readonly #pageOrder: Uint8Array;
  readonly #orphan: Uint8Array;
  #rareNow = false;

  /** The references in the order in which they are encoded. */
  readonly refs: Signed;

  constructor(spec: KeySpec, sources: readonly Source[], backend: Backend, symmetry: Symmetry = 'all') {
    const { mms, pages, refs, files, folios } = spec.sizes;
    const is = prepared(spec);
    super(mms, is.bound, spec.groups);
    this.#spec = spec;
    this.#is = is;
    this.#symmetry = symmetry !== 'none';
    const column = (name: string, world = 0): ColumnArray => sources[world]!.columns[name]!;
    this.#alive = column('reference.alive');
    this.#handleState = column('reference.handleState');
    this.#handleCell = column('reference.handleCell');
    this.#handlePage = column('reference.handlePage');
    this.#graphs = Array.from({ length: spec.worlds }, (_, w) => ({
      pfn: spec.frames === undefined ? column('machine.pfn', w) : new Uint8Array(mms * pages),
      cache: column('machine.cache', w),
      refPfn: column('machine.refPfn', w),
      refcount: column('machine.refcount', w),
      mapcount: column('machine.mapcount', w),
      word: backend.word(spec.folio[w]!),
      folios: new Folios(folios),
    }));
    this.#counts = Uint8Array.from([0, 1, 2], (state) => (spec.refStates.includes(state) ? 1 : 0));
    this.#mmAt = HEADER_AT + is.headerBits;
    this.#cellShift = spec.worlds * FOLIO_BITS;
    this.#pageShift = this.#cellShift + is.cellBits;
    this.#header = backend.word(spec.header);
    this.#mm = backend.word(spec.mm);
    this.#slot = backend.writer(spec.slots, is.slot.stride);
    this.#file = backend.writer(spec.files, is.file.stride);
    this.#ref = backend.writer(is.refLots, is.ref.stride);
    this.#frames = (spec.frames ?? []).map((field) => backend.word([field]));
    this.#fetchedWriter = backend.writer(is.fetchedLots, 1);
    this.#fetched = spec.fetched.map((f) => ({ cell: backend.word(f.cell), rare: backend.word(f.rare) }));
    const { rare } = spec;
    this.#rare =
      rare === undefined
        ? undefined
        : {
            when: backend.word(rare.when),
            slots: rare.slots.map((fields) => backend.word(fields)),
            ref: backend.word(rare.ref),
            held: backend.word(rare.held),
            member: backend.word(rare.member),
          };
    this.#heads = new Int32Array(spec.fetched.length);
    this.#slots = new Int32Array(mms * pages * is.slot.stride);
    this.#files = new Int32Array(files * is.file.stride);
    this.#refs = new Int32Array(refs * is.ref.stride);
    this.#mms = new Int32Array(mms);
    this.#place = new Uint8Array(mms);
    this.#pagePlace = new Uint8Array(pages);
    this.#pageOrder = new Uint8Array(pages);
    this.#orphan = new Uint8Array(refs);
    this.refs = new Signed(refs);
  }

  /** First look: the words of all but folios, without numbers, and the order of what may be renamed. */
  override describe(): void {
    const { mms, pages, refs, files } = this.#spec.sizes;
    for (let w = 0; w < this.#frames.length; w++) {
      const { pfn } = this.#graphs[w]!;
      for (let i = 0; i < pfn.length; i++) pfn[i] = this.#frames[w]!(i, 0);
    }
    for (let r = 0; r < refs; r++)
      if (this.#counts[this.#handleState[r]!] === 1) this.#ref(r, this.#refs, r * this.#is.ref.stride);
    if (files > 0) this.#file(0, this.#files, 0);
    if (this.#fetched.length > 0) this.#fetchedWriter(0, this.#heads, 0);
    this.#rareNow = this.#rare !== undefined && this.#rare.when(0, 0) !== 0;
    let living = 0;
    for (let mm = 0; mm < mms; mm++) {
      if (this.#alive[mm] === 0) continue;
      living++;
      this.#slot(mm * pages, this.#slots, mm * pages * this.#is.slot.stride);
      this.#mms[mm] = this.#mm(mm, 0);
    }
    this.mms.count = 0;
    for (let mm = 0; mm < mms; mm++)
      if (this.#alive[mm] === 1) this.mms.add(mm, !this.#symmetry ? mm : living > 1 ? this.#signMm(mm) : 0);
    if (this.pages.length > 0) this.#orderPages();
  }

  /** What a slot looks like from within, with the folio that it maps. */
  #signSlot(i: number): number {
    const slots = this.#slots;
    const graphs = this.#graphs;
    const { stride, words } = this.#is.slot;
    let h = 0;
    for (let at = i * stride, end = at + words; at < end; at++) h = mix(h, slots[at]!);
    for (let w = 0; w < graphs.length; w++) {
      const { pfn, refcount, mapcount, word } = graphs[w]!;
      const frame = pfn[i]!;
      if (frame === NO_PFN || frame === ZERO_PFN) h = mix(h, w);
      else h = mix(h, word(frame, 0) ^ (mapcount[frame]! << 16) ^ (refcount[frame]! << 20));
    }
    return h;
  }

  #signMm(mm: number): number {
    const { groups, sizes } = this.#spec;
    const { pages, refs } = sizes;
    let h = mix(1, this.#mms[mm]!);
    // A sum, so that the order of pages does not matter; those that are told apart count differently.
    for (let v = 0; v < pages; v++) h += Math.imul(this.#signSlot(mm * pages + v), 2 * groups[v]! + 1);
    if (this.#spec.cells)
      for (let r = 0; r < refs; r++) {
        if (this.#counts[this.#handleState[r]!] === 0) continue;
        const cell = this.#handleCell[r]!;
        if (cell >= mm * pages && cell < (mm + 1) * pages) h += this.#signWords(r);
      }
    return h | 0;
  }
  #signWords(r: number): number {
    const { stride, words } = this.#is.ref;
    let h = 0x5bd1e995;
    for (let w = 0; w < words; w++) h = mix(h, this.#refs[r * stride + w]!);
    return h;
  }

  #orderPages(): void {
    const { groups, sizes } = this.#spec;
    const { pages, refs } = sizes;
    for (const signed of this.pages) signed.count = 0;
    for (let v = 0; v < pages; v++) {
      const signed = this.pageGroups[groups[v]!];
      if (signed === undefined) continue;
      let h = 0;
      for (let k = 0; k < this.mms.count; k++) h += this.#signSlot(this.mms.slots[k]! * pages + v);
      for (let r = 0; r < refs; r++)
        if (this.#counts[this.#handleState[r]!] === 1 && this.#handlePage[r]! % pages === v)
          h += this.#signWords(r);
      signed.add(v, h);
    }
  }

  /** Living mms and pages, in the order at hand, get their places. */
  #takePlaces(): void {
    const { pages } = this.#spec.sizes;
    for (let k = 0; k < this.mms.count; k++)
      this.#place[this.mms.slots[k]!] = this.#symmetry ? k : this.mms.slots[k]!;
    this.pageOrder(this.#pageOrder);
    for (let p = 0; p < pages; p++) this.#pagePlace[this.#pageOrder[p]!] = p;
  }

  /** The key with mms and pages in the order at hand, into `out`. Returns its length. Needs `describe` before. */
  protected override encodeInOrder(out: Int32Array): number {
    const n = this.encodePages(out);
    this.refs.count = 0;
    const { refs } = this.#spec.sizes;
    let held = 0;
    for (let r = 0; r < refs; r++) held += this.#counts[this.#handleState[r]!]!;
    for (let r = 0; r < refs; r++)
      if (this.#counts[this.#handleState[r]!] === 1) this.refs.add(r, held > 1 ? this.signRef(r) : 0);
    return this.encodeRest(out, n);
  }

  /** The first part of a key: pages and files. Returns its length; word 0 is left for `encodeRest`. */
  encodePages(out: Int32Array): number {
    const { pages, files } = this.#spec.sizes;
    const graphs = this.#graphs;
    this.#takePlaces();
    for (let w = 0; w < graphs.length; w++) graphs[w]!.folios.clear();
    let n = 1;
    const { mms } = this;
    const slots = this.#slots;
    const order = this.#pageOrder;
    const { stride, idWord, idShift } = this.#is.slot;
    for (let k = 0; k < mms.count; k++)
      for (let p = 0; p < pages; p++) {
        const i = mms.slots[k]! * pages + order[p]!;
        for (let w = 0; w < stride; w++) out[n + w] = slots[i * stride + w]!;
        let ids = 0;
        for (let w = 0; w < graphs.length; w++) {
          const { folios, pfn } = graphs[w]!;
          ids |= folios.of(pfn[i]!) << (idShift + w * FOLIO_BITS);
        }
        out[n + idWord]! |= ids;
        n += stride;
      }
    const file = this.#is.file;
    for (let f = 0; f < files; f++) {
      for (let w = 0; w < file.stride; w++) out[n + w] = this.#files[f * file.stride + w]!;
      for (let w = 0; w < graphs.length; w++) {
        const { folios, cache } = graphs[w]!;
        out[n + file.idWord]! |= folios.of(cache[f]!) << (file.idShift + w * FOLIO_BITS);
      }
      n += file.stride;
    }
    return n;
  }

  /** The rest of a key, from word `at` on, with references in the order of `refs`. Returns the length of the whole. */
  encodeRest(out: Int32Array, at: number): number {
    let n = this.#encodeRefs(out, at);
    for (let f = 0; f < this.#fetched.length; f++)
      if (this.#heads[f] !== 0) n = this.#encodeFetched(f, out, n);
    for (let w = 0; w < this.#graphs.length; w++) n = this.#encodeFolios(w, out, n);
    let header = this.mms.count | (this.refs.count << HELD_AT) | (this.#header(0, 0) << HEADER_AT);
    for (let k = 0; k < this.mms.count; k++) {
      if (this.#is.mmInHeader) header |= this.#mms[this.mms.slots[k]!]! << (this.#mmAt + k * this.#is.mmBits);
      else out[n++] = this.#mms[this.mms.slots[k]!]!;
      if (!this.#symmetry) header |= 1 << (SLOTS_AT + this.mms.slots[k]!);
    }
    if (this.#rareNow) {
      const end = this.#encodeRare(out, n);
      if (end > n) header |= 1 << RARE_AT;
      n = end;
    }
    out[0] = header;
    return n;
  }

  #encodeRefs(out: Int32Array, at: number): number {
    const { words, stride, idWord, idShift } = this.#is.ref;
    const { refs } = this;
    const orphanAt = this.#fileAt() + 1;
    let orphans = 0;
    let n = at;
    for (let i = 0; i < refs.count; i++) {
      const r = refs.slots[i]!;
      if (!this.#symmetry) out[n++] = r;
      for (let w = 0; w < words; w++) out[n + w] = this.#refs[r * stride + w]!;
      if (stride > words) out[n + words] = 0;
      let ids = this.#pagePlace[this.#handlePage[r]! % this.#pagePlace.length]! << this.#pageShift;
      for (let w = 0; w < this.#graphs.length; w++)
        ids |= this.#graphs[w]!.folios.of(this.#graphs[w]!.refPfn[r]!) << (w * FOLIO_BITS);
      if (this.#spec.cells) {
        const cell = this.#handleCell[r]!;
        let place = this.#cellOf(r);
        if (place === orphanAt) {
          let known = 0;
          while (known < orphans && this.#orphan[known] !== cell) known++;
          if (known === orphans) this.#orphan[orphans++] = cell;
          place += known;
        }
        ids |= place << this.#cellShift;
      }
      out[n + idWord]! |= ids << idShift;
      n += stride;
    }
    return n;
  }

  /** What stands for a cell of a file: after those that stand for private ones. */
  #fileAt(): number {
    const { mms, pages } = this.#spec.sizes;
    return this.#spec.moves ? mms * pages : mms;
  }

  /** Place of the mm of a reference's cell, with that of the page if it may move; then a file, and one more each orphan. */
  #cellOf(r: number): number {
    const { mms, pages, files, refs } = this.#spec.sizes;
    const cell = this.#handleCell[r]!;
    if (cell < mms * pages) {
      const place = this.#place[Math.floor(cell / pages)]!;
      return this.#spec.moves ? place * pages + this.#pagePlace[cell % pages]! : place;
    }
    if (cell < mms * pages + files) return this.#fileAt();
    return cell < mms * pages + files + refs ? this.#fileAt() + 1 : 0;
  }

  /**
   * What a reference looks like once pages and files are encoded: where it is among what has a number already; what has
   * none is told apart by who else holds it. Does not depend on its slot.
   */
  signRef(r: number): number {
    if (!this.#symmetry) return r;
    let h = mix(this.#signWords(r), this.#pagePlace[this.#handlePage[r]! % this.#pagePlace.length]!);
    if (this.#spec.cells) h = mix(h, this.#cellOf(r));
    for (let w = 0; w < this.#graphs.length; w++) {
      const { refPfn, refcount, folios, word } = this.#graphs[w]!;
      const pfn = refPfn[r]!;
      const number = folios.numbers[pfn]!;
      h = mix(h, number !== 0 || pfn === NO_PFN ? number : 32 + (refcount[pfn]! << 6) + (word(pfn, 0) << 12));
    }
    // Nothing rare is as if there were no such part.
    const rare = this.#rareNow ? this.#signRare(r) : 0;
    return rare === 0 ? h : mix(h, rare);
  }

  #encodeFolios(world: number, out: Int32Array, at: number): number {
    const { folios, word } = this.#graphs[world]!;
    const bits = this.#is.folioBits[world]!;
    let n = at;
    // How many there are is known from the numbers in use.
    let acc = 0;
    let used = 0;
    for (let i = 0; i < folios.count; i++) {
      if (used + bits > 32) {
        out[n++] = acc;
        acc = 0;
        used = 0;
      }
      acc |= word(folios.order[i]!, 0) << used;
      used += bits;
    }
    if (used > 0) out[n++] = acc;
    return n;
  }

  #encodeFetched(f: number, out: Int32Array, at: number): number {
    const head = this.#heads[f]!;
    const token = (head >>> TOKEN_AT) & ((1 << TOKEN_BITS) - 1);
    const { cell } = this.#fetched[f]!;
    const { pages, cellBits, headBits } = this.#is.fetched[f]!;
    let n = at;
    let acc = head >>> HEAD_AT;
    let used = headBits;
    if (pages.length > 0)
      for (let p = 0; p < this.#pageOrder.length; p++) {
        const v = this.#pageOrder[p]!;
        if (!pages.includes(v)) continue;
        for (let k = 0; k < this.mms.count; k++) {
          if (used + cellBits > 32) {
            out[n++] = acc;
            acc = 0;
            used = 0;
          }
          acc |= cell(this.mms.slots[k]! * this.#pageOrder.length + v, token) << used;
          used += cellBits;
        }
      }
    if (used > 0) out[n++] = acc;
    return n;
  }

  /** Appends the rare part, and returns the new length; `at`, if nothing in it is anything but 0. */
  #encodeRare(out: Int32Array, at: number): number {
    const rare = this.#rare!;
    const { refs } = this;
    const pages = this.#pageOrder.length;
    let n = at;
    let acc = 0;
    let used = 0;
    let any = 0;
    const put = (value: number, bits: number): void => {
      if (used + bits > 32) {
        out[n++] = acc;
        acc = 0;
        used = 0;
      }
      any |= value;
      acc |= value << used;
      used += bits;
    };
    for (let k = 0; k < this.mms.count; k++)
      for (let p = 0; p < pages; p++) {
        const v = this.#pageOrder[p]!;
        put(rare.slots[v]!(this.mms.slots[k]! * pages + v, 0), this.#is.rareSlotBits[v]!);
      }
    for (let i = 0; i < refs.count; i++) put(rare.ref(refs.slots[i]!, 0), this.#is.rareRefBits);
    for (let f = 0; f < this.#fetched.length; f++) {
      const fetched = this.#fetched[f]!;
      const fetchedIs = this.#is.fetched[f]!;
      const token = (this.#heads[f]! >>> TOKEN_AT) & ((1 << TOKEN_BITS) - 1);
      for (let p = 0; p < pages; p++) {
        const v = this.#pageOrder[p]!;
        if (this.#heads[f] === 0 || !fetchedIs.pages.includes(v)) continue;
        for (let k = 0; k < this.mms.count; k++)
          put(fetched.rare(this.mms.slots[k]! * pages + v, token), fetchedIs.rareBits);
      }
    }
    if (any === 0) return at;
    for (let i = 0; i < refs.count; i++) {
      const r = refs.slots[i]!;
      if (rare.held(r, 0) === 0) continue;
      for (let k = 0; k < this.mms.count; k++)
        for (let p = 0; p < pages; p++)
          put(rare.member(r, this.mms.slots[k]! * pages + this.#pageOrder[p]!), 1);
      for (let k = 0; k < refs.count; k++) put(this.#hasOrphan(r, refs.slots[k]!) ? 1 : 0, 1);
    }
    out[n++] = acc;
    return n;
  }

  /** Is the cell of the other reference an orphan in the set of this one? */
  #hasOrphan(r: number, other: number): boolean {
    const { mms, pages, files, refs } = this.#spec.sizes;
    const cell = this.#handleCell[other]!;
    const orphans = mms * pages + files;
    return cell >= orphans && cell < orphans + refs && this.#rare!.member(r, cell) !== 0;
  }

  /** What tells two references apart by the rare part, once mms and pages have an order. */
  #signRare(r: number): number {
    const rare = this.#rare!;
    const pages = this.#pageOrder.length;
    let h = rare.ref(r, 0);
    if (rare.held(r, 0) !== 0)
      for (let k = 0; k < this.mms.count; k++)
        for (let p = 0; p < pages; p++)
          h = mix(h, rare.member(r, this.mms.slots[k]! * pages + this.#pageOrder[p]!));
    for (let other = 0; other < this.#spec.sizes.refs; other++)
      if (
        this.#counts[this.#handleState[other]!] === 1 &&
        rare.held(other, 0) !== 0 &&
        this.#hasOrphan(other, r)
      )
        return h + 0x5bd1e995;
    return h;
  }
}
