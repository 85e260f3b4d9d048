/**
 * The canonical key of a pair of worlds that run the same program under two policies and that nobody has told apart
 * yet. It decides what may still differ, and nothing else: provenance is left out, for nothing is judged.
 *
 * In the key: what decides the steps of the program (living mms, mappings, references and what their callers may do,
 * writeback started); of each machine what its decisions read (PTEs, VMA flags, which folio is where, its flags,
 * has_pinned; counts follow from who holds what); and of contents which ones are the same in both machines.
 *
 * Why so few contents are compared. Two observers look at the same place in both: a page of an mm, a reference, a
 * file, the disk. Contents move between places alike in both machines: from a page to its copy, its child's page, a
 * reference. What one machine may do and the other not is to fetch a page anew: an anonymous one from the zero page,
 * one of a file from the page cache, and that from disk. Hence it takes, per page and reference: whether both show the
 * same; where one has a folio of its own and the other would fetch, whether that folio shows what is fetched; and
 * per file, which of cache, disk and bounce copy are the same, within and across. A fresh store is like nothing else.
 *
 * mms are renamed, references sorted, in both worlds alike. A poor order costs duplicates, never a wrong merge.
 *
 * Law (pair.test.ts): two pairs with one key have the same enabled steps, outcomes, differences and successor keys.
 */
import { ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE } from '../domain/setup.ts';
import { InvariantError, type World } from '../executor/simulated.ts';
import {
  F_ANON,
  F_BOUNCED,
  F_EXCLUSIVE,
  F_WRITEBACK,
  type Machine,
  NO_PFN,
  P_PRESENT,
  REF_NONE,
  ZERO_PFN,
} from '../machine/machine.ts';
import { HANDLE_LIVE, REF_WRITE } from '../reference/reference.ts';
import { ALIKE, checkFolios } from './key.ts';
import { LeastKey, Signed } from './order.ts';

/** Numbers of folios in a key, per world: 0 none, 1 the zero page, from 2 in order of first encounter. 5 bits. */
const FOLIO_FIRST = 2;

/** Numbers the folios of one world in order of encounter. */
class Folios {
  readonly numbers: Uint8Array;
  readonly order: Uint8Array;
  count = 0;
  constructor(folios: number) {
    this.numbers = new Uint8Array(folios);
    this.order = new Uint8Array(folios);
  }
  clear(): void {
    for (let i = 0; i < this.count; i++) this.numbers[this.order[i]!] = 0;
    this.count = 0;
  }
  of(pfn: number): number {
    if (pfn === NO_PFN) return 0;
    if (pfn === ZERO_PFN) return 1;
    const known = this.numbers[pfn]!;
    if (known !== 0) return known;
    const fresh = FOLIO_FIRST + this.count;
    this.numbers[pfn] = fresh;
    this.order[this.count++] = pfn;
    return fresh;
  }
  /** Its number if it has one, else 0. */
  known(pfn: number): number {
    return pfn === NO_PFN ? 0 : pfn === ZERO_PFN ? 1 : this.numbers[pfn]!;
  }
}

/** Flags of a folio that anything reads, and its file: 11 bits. */
function folioWord(m: Machine, pfn: number): number {
  let flags = m.flags[pfn]!;
  // What nothing maps is never mapped again.
  if ((flags & F_ANON) !== 0) flags = m.mapcount[pfn] === 0 ? F_ANON : flags & (F_ANON | F_EXCLUSIVE);
  return flags | (((m.mapping[pfn]! + 1) & 15) << 7);
}

/** Encodes the state of two worlds of one setup; the buffers are reused from call to call. */
export class PairKeyEncoder extends LeastKey {
  readonly #a: World;
  readonly #b: World;
  readonly #fa: Folios;
  readonly #fb: Folios;
  /** By mm * pages + page: how the contents of both compare. */
  readonly #same: Uint8Array;
  readonly #refs: Signed;
  readonly #refSame: Uint8Array;
  /** Contents that are compared with each other. */
  readonly #list: Int32Array = new Int32Array(8);

  constructor(a: World, b: World) {
    const { shape } = a;
    checkFolios(shape.setup);
    const places = shape.mms * shape.pages;
    super(shape.mms, 2 + places + 2 * shape.files + 2 * shape.refs + 2 * shape.folios);
    this.#a = a;
    this.#b = b;
    this.#fa = new Folios(shape.folios);
    this.#fb = new Folios(shape.folios);
    this.#same = new Uint8Array(places);
    this.#refs = new Signed(shape.refs);
    this.#refSame = new Uint8Array(shape.refs);
  }

  /** What needs no order of mms; then the order, by what the mms look like from within. */
  protected override describe(): void {
    const { shape } = this.#a;
    const { alive, handleState, handlePage } = this.#a.reference;
    const a = this.#a.machine;
    const b = this.#b.machine;
    this.mms.count = 0;
    for (let mm = 0; mm < shape.mms; mm++) {
      if (alive[mm] === 0) continue;
      let h = a.hasPinned[mm]! | (b.hasPinned[mm]! << 1);
      for (let v = 0; v < shape.pages; v++) {
        const i = mm * shape.pages + v;
        this.#same[i] = a.vma[i] === 0 ? 0 : this.#compare(v, a.pfn[i]!, b.pfn[i]!);
        h = Math.imul(h, 31) + this.#pteWord(a, i) + (this.#pteWord(b, i) << 8) + (this.#same[i]! << 16);
        h = Math.imul(h, 31) + this.#folioSig(a, i);
        h = Math.imul(h, 31) + this.#folioSig(b, i);
      }
      this.mms.add(mm, h);
    }
    for (let r = 0; r < shape.refs; r++)
      if (handleState[r] === HANDLE_LIVE)
        this.#refSame[r] = this.#compare(handlePage[r]! % shape.pages, a.refPfn[r]!, b.refPfn[r]!);
  }

  #pteWord(m: Machine, pte: number): number {
    return m.vma[pte]! | (m.pte[pte]! << 4);
  }
  #folioSig(m: Machine, pte: number): number {
    const pfn = m.pfn[pte]!;
    if ((m.pte[pte]! & P_PRESENT) === 0 || pfn === ZERO_PFN) return 0;
    return folioWord(m, pfn) | (m.mapcount[pfn]! << 12) | (m.refcount[pfn]! << 16);
  }

  /**
   * How the contents of one page, or of one reference to it, compare in both worlds: below 64. Says nothing that
   * follows from where the folios are.
   */
  #compare(page: number, pfnA: number, pfnB: number): number {
    const { shape } = this.#a;
    const a = this.#a.machine;
    const b = this.#b.machine;
    const file = shape.file[page]!;
    if (file === NO_FILE) {
      const fetchesA = pfnA === NO_PFN || pfnA === ZERO_PFN;
      const fetchesB = pfnB === NO_PFN || pfnB === ZERO_PFN;
      if (fetchesA && fetchesB) return 0; // both from the zero page: with the header
      if (!fetchesA && !fetchesB) return a.content[pfnA] === b.content[pfnB] ? 1 : 0;
      const own = fetchesA ? b.content[pfnB]! : a.content[pfnA]!;
      const zero = (fetchesA ? a : b).content[ZERO_PFN]!;
      return (own === ZERO_TOKEN ? 1 : 0) | (own === zero ? 2 : 0);
    }
    const ownA = this.#isOwn(a, pfnA, file);
    const ownB = this.#isOwn(b, pfnB, file);
    if (!ownA && !ownB) return 0; // both show the file
    if (ownA && ownB) return a.content[pfnA] === b.content[pfnB] ? 1 : 0;
    const own = ownA ? a.content[pfnA]! : b.content[pfnB]!;
    const other = ownA ? b : a;
    const cached = other.cache[file]!;
    return (
      (cached !== NO_PFN && own === other.content[cached] ? 1 : 0) |
      (own === other.disk[file] ? 2 : 0) |
      (cached !== NO_PFN && (other.flags[cached]! & F_BOUNCED) !== 0 && own === other.submitted[file] ? 4 : 0)
    );
  }

  /** A folio of the page's own, a copy; else it shows the file, or will when it is faulted in. */
  #isOwn(m: Machine, pfn: number, file: number): boolean {
    if (pfn === NO_PFN || pfn === m.cache[file]) return false;
    if ((m.flags[pfn]! & F_ANON) === 0)
      throw new InvariantError('a page of a file shows neither the page cache nor a copy');
    return true;
  }

  protected override encodeInOrder(out: Int32Array): number {
    const { shape } = this.#a;
    const { pages, files } = shape;
    const ref = this.#a.reference;
    const a = this.#a.machine;
    const b = this.#b.machine;
    const fa = this.#fa;
    const fb = this.#fb;
    fa.clear();
    fb.clear();
    const zeroA = a.content[ZERO_PFN]!;
    const zeroB = b.content[ZERO_PFN]!;
    let header = this.mms.count | (zeroA === ZERO_TOKEN ? 0 : 8) | (zeroB === ZERO_TOKEN ? 0 : 16);
    header |= zeroA === zeroB ? 0 : 32;
    let n = 1;
    for (let k = 0; k < this.mms.count; k++) {
      const mm = this.mms.slots[k]!;
      header |= (a.hasPinned[mm]! | (b.hasPinned[mm]! << 1)) << (8 + 2 * k);
      for (let v = 0, i = mm * pages; v < pages; v++, i++)
        out[n++] =
          this.#pteWord(a, i) |
          (this.#pteWord(b, i) << 8) |
          (fa.of(a.pfn[i]!) << 16) |
          (fb.of(b.pfn[i]!) << 21) |
          (this.#same[i]! << 26);
    }
    for (let f = 0; f < files; f++) {
      out[n++] =
        fa.of(a.cache[f]!) |
        (fb.of(b.cache[f]!) << 5) |
        (ref.wbStarted[f]! << 10) |
        (this.#changed(this.#a, f) << 11) |
        (this.#changed(this.#b, f) << 12);
      out[n++] = this.#fileContents(f);
    }
    const held = this.#encodeRefs(out, n);
    n += held;
    out[0] = header | (held << 16);
    n = this.#encodeFolios(a, fa, out, n);
    return this.#encodeFolios(b, fb, out, n);
  }

  /** Where pages must be stable: whether a page under writeback has changed since it began. */
  #changed(world: World, file: number): number {
    const { machine: m } = world;
    const pfn = m.cache[file]!;
    if (pfn === NO_PFN || (m.flags[pfn]! & F_WRITEBACK) === 0 || !m.filesystems[file]!.stablePages) return 0;
    return m.content[pfn] === m.submitted[file] ? 0 : 1;
  }

  /** Which of a file's contents are the same: disk (one, or somebody had seen it), cache and bounce copy of both. */
  #fileContents(file: number): number {
    const a = this.#a.machine;
    const b = this.#b.machine;
    const list = this.#list;
    if (a.disk[file] !== b.disk[file]) throw new InvariantError('a difference on disk went unnoticed');
    list[0] = a.disk[file]!;
    let at = 1;
    for (const m of [a, b]) {
      const pfn = m.cache[file]!;
      list[at++] = pfn === NO_PFN ? -1 : m.content[pfn]!;
      list[at++] = pfn !== NO_PFN && (m.flags[pfn]! & F_BOUNCED) !== 0 ? m.submitted[file]! : -1;
    }
    let word = 0;
    for (let i = 1; i < at; i++) {
      let first = 0;
      if (list[i] === -1) first = 7;
      else while (list[first] !== list[i]) first++;
      word |= first << (3 * i);
    }
    return word;
  }

  /** References, in an order that does not depend on their slots. Returns how many. */
  #encodeRefs(out: Int32Array, at: number): number {
    const { shape } = this.#a;
    const ref = this.#a.reference;
    const a = this.#a.machine;
    const b = this.#b.machine;
    const refs = this.#refs;
    refs.count = 0;
    for (let r = 0; r < shape.refs; r++) {
      if (ref.handleState[r] !== HANDLE_LIVE) continue;
      refs.add(
        r,
        Math.imul(this.#refWord(r), 31) +
          this.#refFolioSig(a, this.#fa, r) +
          Math.imul(this.#refFolioSig(b, this.#fb, r), 7919),
      );
    }
    for (let i = 0; i < refs.count; i++) {
      const r = refs.slots[i]!;
      out[at + i] = this.#refWord(r) | (this.#fa.of(a.refPfn[r]!) << 16) | (this.#fb.of(b.refPfn[r]!) << 21);
    }
    return refs.count;
  }

  /** What it may do and how it is held, 11 bits, and from bit 26 how its contents compare. */
  #refWord(r: number): number {
    const { shape } = this.#a;
    const ref = this.#a.reference;
    const a = this.#a.machine;
    const b = this.#b.machine;
    const write = (ref.handleFlags[r]! & REF_WRITE) !== 0;
    let word = ALIKE[ref.handleCaller[r]!]! | (write ? 8 : 0) | ((ref.handlePage[r]! % shape.pages) << 4);
    word |= (a.refKind[r]! << 7) | (b.refKind[r]! << 9);
    // Whether the buffer of an O_DIRECT write has changed since it was submitted is left out: where both worlds show the
    // same content it was stored after the submission in both, or in neither; where they do not, the contents tell.
    return word | (this.#refSame[r]! << 26);
  }

  /** Where it is among what has a number already; what has none is told apart by who else holds it. */
  #refFolioSig(m: Machine, folios: Folios, r: number): number {
    if (m.refKind[r] === REF_NONE) return 0;
    const pfn = m.refPfn[r]!;
    const number = folios.known(pfn);
    return number !== 0 ? number : 32 + Math.imul(m.refcount[pfn]!, 0x01000193) + folioWord(m, pfn);
  }

  #encodeFolios(m: Machine, folios: Folios, out: Int32Array, at: number): number {
    let n = at;
    out[n++] = folios.count;
    for (let i = 0; i < folios.count; i++) {
      const word = folioWord(m, folios.order[i]!);
      if ((i & 1) === 0) out[n++] = word;
      else out[n - 1]! |= word << 16;
    }
    return n;
  }
}
