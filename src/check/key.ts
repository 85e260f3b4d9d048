/**
 * The canonical key of a state (docs/model.md): states that differ only by a renaming of tokens, frames,
 * references or mms have one key. It is a projection; searches go on from stored concrete states, so traces replay.
 *
 * Contents enter only as relations: per content (each reachable folio, each disk copy, the zero page) and logical
 * page: never seen, past, or current; per since-take reference and per disk: allowed or not; and who stored it, which
 * finding classes name. Counts are left out as they follow from who holds what (Machine.recount checks that).
 *
 * Law (key.test.ts): two states with one key have the same enabled steps, outcomes, findings and successor keys.
 */
import { isPrivate, NO_FILE } from '../domain/setup.ts';
import type { World } from '../executor/simulated.ts';
import { F_BOUNCED, F_WRITEBACK, NO_PFN, P_PRESENT, REF_NONE, ZERO_PFN } from '../machine/machine.ts';
import { HANDLE_FREE, LOSSY, REF_DETACHED, REF_EXACT, REF_STORED } from '../reference/reference.ts';

/** Flags of a reference that only `sometimes` goals read. */
const GOAL_FLAGS = REF_DETACHED | REF_STORED;

/** Canonical number of a folio: 0 none, 1 the zero page, from 2 in order of first encounter. */
const FOLIO_NONE = 0;
const FOLIO_ZERO = 1;

/** Encodes the state of one world; the buffers are reused from call to call. */
export class KeyEncoder {
  readonly #world: World;
  readonly #symmetry: boolean;
  /** The last key, `length` bytes of it. */
  readonly bytes: Uint8Array;
  length = 0;

  readonly #other: Uint8Array;
  readonly #folio: Uint8Array;
  readonly #folioOrder: Uint8Array;
  #folios = 0;
  readonly #cell: Uint8Array;
  readonly #cellOrder: Uint8Array;
  #cells = 0;
  readonly #order: number[] = [];
  readonly #sig: Int32Array;
  readonly #refs: number[] = [];
  readonly #refSig: Int32Array;

  /** `symmetry: false`: mms and references keep their slots (to cross-check). */
  constructor(world: World, symmetry = true) {
    const { shape, reference } = world;
    this.#world = world;
    this.#symmetry = symmetry;
    const cells = reference.cells;
    const contents = shape.folios + 2 * shape.files;
    const bound =
      4 + shape.mms * (1 + 4 * shape.pages) + 6 * shape.files + 7 * shape.refs + contents * (5 + cells);
    this.bytes = new Uint8Array(bound);
    this.#other = new Uint8Array(bound);
    this.#folio = new Uint8Array(shape.folios);
    this.#folioOrder = new Uint8Array(shape.folios + 2);
    this.#cell = new Uint8Array(cells);
    this.#cellOrder = new Uint8Array(cells);
    this.#sig = new Int32Array(shape.mms);
    this.#refSig = new Int32Array(shape.refs);
  }

  /** Computes the key of the world's present state into `bytes`. Returns its length. */
  encode(): number {
    const { reference, shape } = this.#world;
    const order = this.#order;
    let living = 0;
    for (let mm = 0; mm < shape.mms; mm++)
      if (reference.alive[mm] === 1 || !this.#symmetry) order[living++] = mm;
    if (order.length !== living) order.length = living;
    if (!this.#symmetry || living < 2) {
      this.length = this.#encodeIn(order, this.bytes);
      return this.length;
    }
    for (const mm of order) this.#sig[mm] = this.#signature(mm);
    order.sort((x, y) => this.#sig[x]! - this.#sig[y]!);
    this.length = this.#encodeIn(order, this.bytes);
    if (this.#tied()) this.#permuteTies(0);
    return this.length;
  }

  /** Tries every order of mms that look alike from within, and keeps the least key. */
  #permuteTies(from: number): void {
    const order = this.#order;
    if (from === order.length - 1) {
      const length = this.#encodeIn(order, this.#other);
      if (less(this.#other, length, this.bytes, this.length)) {
        this.bytes.set(this.#other.subarray(0, length));
        this.length = length;
      }
      return;
    }
    for (let i = from; i < order.length && this.#sig[order[i]!] === this.#sig[order[from]!]; i++) {
      swap(order, from, i);
      this.#permuteTies(from + 1);
      swap(order, from, i);
    }
  }
  #tied(): boolean {
    for (let i = 0; i + 1 < this.#order.length; i++)
      if (this.#sig[this.#order[i]!] === this.#sig[this.#order[i + 1]!]) return true;
    return false;
  }

  /** What an mm looks like without naming anything else; equal for mms that a renaming can exchange. */
  #signature(mm: number): number {
    const { machine, reference, shape } = this.#world;
    let h = machine.hasPinned[mm]!;
    for (let v = 0; v < shape.pages; v++) {
      const i = mm * shape.pages + v;
      h = Math.imul(h, 31) + (machine.vma[i]! | (machine.pte[i]! << 4));
      if ((machine.pte[i]! & P_PRESENT) !== 0) {
        const pfn = machine.pfn[i]!;
        if (pfn !== ZERO_PFN)
          h =
            Math.imul(h, 31) +
            (machine.flags[pfn]! | (machine.mapcount[pfn]! << 8) | (machine.refcount[pfn]! << 12));
      }
      if (isPrivate(shape.kind[v]!)) h = Math.imul(h, 31) + this.#cellByte(i);
    }
    for (let r = 0; r < shape.refs; r++)
      if (reference.handleState[r] !== HANDLE_FREE) {
        const cell = reference.handleCell[r]!;
        if (cell >= mm * shape.pages && cell < (mm + 1) * shape.pages) h += 7919 * (1 + this.#refByte(r));
      }
    return h | 0;
  }

  #cellByte(cell: number): number {
    const { reference: ref } = this.#world;
    return (
      ref.cellState[cell]! |
      (ref.written[cell]! << 2) |
      (ref.excused[cell]! << 3) |
      (ref.storer[ref.current[cell]!]! << 4)
    );
  }
  #refByte(r: number): number {
    return this.#world.reference.handleFlags[r]! & ~GOAL_FLAGS;
  }

  /** The last device store to its file page came through this reference, and was not dirtied yet. */
  #isUndirtied(r: number): boolean {
    const { reference: ref, shape } = this.#world;
    const file = ref.handleCell[r]! - ref.fileCell;
    return file >= 0 && file < shape.files && ref.undirtied[file] === 1 + r;
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
  #cellOf(cell: number): number {
    const known = this.#cell[cell]!;
    if (known !== 255) return known;
    this.#cell[cell] = this.#cells;
    this.#cellOrder[this.#cells] = cell;
    return this.#cells++;
  }

  #encodeIn(order: readonly number[], out: Uint8Array): number {
    const { machine: m, reference: ref, shape } = this.#world;
    const { pages, files } = shape;
    this.#folio.fill(0);
    this.#folios = 0;
    this.#cell.fill(255);
    this.#cells = 0;
    let n = 0;
    out[n++] = order.length;

    for (const mm of order) {
      out[n++] = m.hasPinned[mm]! | (m.alive[mm]! << 1);
      for (let v = 0; v < pages; v++) {
        const i = mm * pages + v;
        out[n++] = m.vma[i]! | (m.pte[i]! << 4);
        out[n++] = this.#folioOf(m.pfn[i]!);
        if (isPrivate(shape.kind[v]!)) {
          this.#cellOf(i);
          out[n++] = this.#cellByte(i);
        }
      }
    }
    for (let f = 0; f < files; f++) {
      const cell = ref.fileCell + f;
      this.#cellOf(cell);
      out[n++] = this.#folioOf(m.cache[f]!);
      const undirtied = ref.undirtied[f] === 0 ? 0 : ref.undirtied[f] === LOSSY ? 2 : 1; // whose store: with the reference
      out[n++] = ref.wbStarted[f]! | (undirtied << 1) | (ref.storer[ref.current[cell]!]! << 3);
      const pfn = m.cache[f]!;
      const inFlight = pfn !== NO_PFN && (m.flags[pfn]! & F_WRITEBACK) !== 0;
      out[n++] = inFlight ? (m.submitted[f] === m.content[pfn] ? 1 : 2) : 0;
    }

    n = this.#encodeRefs(out, n);
    const sorted = this.#refs;

    // Contents: the zero page, reachable folios, disk copies, bounce copies under way.
    n = this.#encodeContent(0, out, n, sorted);
    for (let i = 0; i < this.#folios; i++) {
      const pfn = this.#folioOrder[i]!;
      out[n++] = m.flags[pfn]!;
      out[n++] = m.mapping[pfn] === NO_FILE ? 0 : m.mapping[pfn]! + 1;
      n = this.#encodeContent(m.content[pfn]!, out, n, sorted);
    }
    for (let f = 0; f < files; f++) {
      if (shape.filesystem[f] === 'shmem') continue;
      n = this.#encodeContent(m.disk[f]!, out, n, sorted);
      const pfn = m.cache[f]!;
      if (pfn !== NO_PFN && (m.flags[pfn]! & F_BOUNCED) !== 0)
        n = this.#encodeContent(m.submitted[f]!, out, n, sorted);
    }
    return n;
  }

  /** References, in an order that does not depend on their slots. */
  #encodeRefs(out: Uint8Array, at: number): number {
    const { machine: m, reference: ref, shape } = this.#world;
    const sorted = this.#refs;
    let held = 0;
    for (let r = 0; r < shape.refs; r++) if (ref.handleState[r] !== HANDLE_FREE) sorted[held++] = r;
    if (sorted.length !== held) sorted.length = held;
    for (let i = 0; i < held; i++) {
      const r = sorted[i]!;
      const pfn = m.refPfn[r]!;
      const cell = ref.handleCell[r]!;
      let h =
        ref.handleState[r]! | (ref.handleCaller[r]! << 2) | (this.#refByte(r) << 5) | (m.refKind[r]! << 13);
      if (this.#isUndirtied(r)) h |= 1 << 20;
      h = Math.imul(h, 31) + (ref.handlePage[r]! % shape.pages);
      if (cell < this.#cell.length) {
        // An orphan has no number yet; what it looks like tells it apart.
        h = Math.imul(h, 31) + this.#cell[cell]!;
        if (this.#cell[cell] === 255) h = Math.imul(h, 31) + this.#cellByte(cell);
      }
      if (pfn !== NO_PFN) {
        h = Math.imul(h, 31) + (pfn === ZERO_PFN ? 1 : this.#folio[pfn]!);
        h = Math.imul(h, 31) + (m.content[pfn] === m.refSubmitted[r] ? 1 : 0);
        // Nor has a frame that nothing maps.
        if (pfn !== ZERO_PFN && this.#folio[pfn] === 0)
          h = Math.imul(h, 31) + (m.flags[pfn]! | (m.refcount[pfn]! << 8));
        h = Math.imul(h, 31) + this.#contentHash(m.content[pfn]!, r);
      }
      this.#refSig[r] = h | 0;
    }
    if (this.#symmetry && sorted.length > 1)
      sorted.sort((x, y) => this.#refSig[x]! - this.#refSig[y]! || x - y);
    let n = at;
    out[n++] = sorted.length;
    for (const r of sorted) {
      const cell = ref.handleCell[r]!;
      if (!this.#symmetry) out[n++] = r;
      const undirtied = this.#isUndirtied(r) ? 1 : 0;
      out[n++] = ref.handleState[r]! | (ref.handleCaller[r]! << 2) | (m.refWrite[r]! << 6) | (undirtied << 7);
      out[n++] = this.#refByte(r);
      out[n++] = m.refKind[r] === REF_NONE ? 0 : m.refKind[r]! | ((ref.handlePage[r]! % shape.pages) << 2);
      out[n++] = this.#folioOf(m.refPfn[r]!);
      if (cell < this.#cell.length) {
        const fresh = this.#cell[cell] === 255;
        out[n++] = this.#cellOf(cell);
        if (fresh) out[n++] = this.#cellByte(cell);
      }
      // Only the end of an O_DIRECT write asks whether its buffer changed.
      if (m.refPfn[r] !== NO_PFN) out[n++] = m.content[m.refPfn[r]!] === m.refSubmitted[r] ? 1 : 0;
    }
    return n;
  }

  /** How a content relates to the cells numbered so far and, with the others of its kind, to reference `r`. */
  #contentHash(token: number, r: number): number {
    const { machine: m, reference: ref } = this.#world;
    let h = ref.storer[token]!;
    for (let i = 0; i < this.#cells; i++) h = Math.imul(h, 5) + ref.relation(this.#cellOrder[i]!, token);
    const cell = ref.handleCell[r]!;
    if (cell < this.#cell.length) h = Math.imul(h, 5) + ref.relation(cell, token);
    if ((ref.handleFlags[r]! & REF_EXACT) !== 0) return h;
    h = Math.imul(h, 2) + ref.handleAllowed(r, token);
    h = Math.imul(h, 2) + ref.handleAllowed(r, 0);
    for (let i = 0; i < this.#folios; i++)
      h = Math.imul(h, 2) + ref.handleAllowed(r, m.content[this.#folioOrder[i]!]!);
    return h;
  }

  #encodeContent(token: number, out: Uint8Array, at: number, refs: readonly number[]): number {
    const { reference: ref, shape } = this.#world;
    let n = at;
    out[n++] = ref.storer[token]!;
    // Four relations a byte.
    let packed = 0;
    for (let i = 0; i < this.#cells; i++) {
      packed |= ref.relation(this.#cellOrder[i]!, token) << ((i & 3) << 1);
      if ((i & 3) !== 3) continue;
      out[n++] = packed;
      packed = 0;
    }
    if ((this.#cells & 3) !== 0) out[n++] = packed;
    let allowed = 0;
    for (let i = 0; i < refs.length; i++)
      if ((ref.handleFlags[refs[i]!]! & REF_EXACT) === 0) allowed |= ref.handleAllowed(refs[i]!, token) << i;
    for (let f = 0; f < shape.files; f++) allowed |= ref.onDiskAllowed(f, token) << (refs.length + f);
    out[n++] = allowed & 255; // one bit a reference and file: up to 10
    out[n++] = allowed >> 8;
    return n;
  }
}

function less(x: Uint8Array, xLength: number, y: Uint8Array, yLength: number): boolean {
  if (xLength !== yLength) return xLength < yLength;
  for (let i = 0; i < xLength; i++) if (x[i] !== y[i]) return x[i]! < y[i]!;
  return false;
}
function swap(list: number[], i: number, j: number): void {
  const held = list[i]!;
  list[i] = list[j]!;
  list[j] = held;
}

/**
 * A set of keys: open addressing over the key bytes themselves, so that membership is exact. Numbers keys from 0 in
 * order of insertion.
 */
export class KeySet {
  #slots = new Int32Array(1 << 12);
  #bytes = new Uint8Array(1 << 18);
  #starts = new Float64Array(1 << 11);
  size = 0;
  #used = 0;

  /** Number of the new key, or -1 if it was there. */
  add(key: Uint8Array, length: number): number {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    const mask = this.#slots.length - 1;
    let at = hash(key, 0, length) & mask;
    for (;;) {
      const entry = this.#slots[at]!;
      if (entry === 0) break;
      if (this.#equals(entry - 1, key, length)) return -1;
      at = (at + 1) & mask;
    }
    if (this.#used + length > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    if (this.size + 1 >= this.#starts.length) {
      const larger = new Float64Array(this.#starts.length * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    for (let i = 0; i < length; i++) this.#bytes[this.#used + i] = key[i]!;
    this.#used += length;
    this.#slots[at] = ++this.size;
    this.#starts[this.size] = this.#used;
    return this.size - 1;
  }

  #equals(entry: number, key: Uint8Array, length: number): boolean {
    const start = this.#starts[entry]!;
    if (this.#starts[entry + 1]! - start !== length) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let entry = 0; entry < this.size; entry++) {
      let at = hash(this.#bytes, this.#starts[entry]!, this.#starts[entry + 1]!) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = entry + 1;
    }
    this.#slots = slots;
  }
}

function hash(bytes: Uint8Array, from: number, to: number): number {
  let h = 0x811c9dc5;
  for (let i = from; i < to; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}
