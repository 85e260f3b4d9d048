/**
 * Canonical order of what a renaming may exchange (mms, references, pages): by what each looks like from within, and where
 * that leaves a tie, the order that gives the least key. In common to the keys of one world and of two.
 */

/** Slots sorted by a signature; slots of one signature are tied. */
export class Signed {
  /** The first `count` slots, in order. */
  readonly slots: Uint8Array;
  count = 0;
  readonly #signature: Int32Array;

  /** `max`: number of slots; each is added at most once. */
  constructor(max: number) {
    this.slots = new Uint8Array(max);
    this.#signature = new Int32Array(max);
  }

  /** Puts a slot to its place; among equals the one added first stays first. */
  add(slot: number, signature: number): void {
    const { slots } = this;
    this.#signature[slot] = signature;
    const own = this.#signature[slot]!;
    let at = this.count++;
    while (at > 0 && this.#signature[slots[at - 1]!]! > own) {
      slots[at] = slots[at - 1]!;
      at--;
    }
    slots[at] = slot;
  }

  /** The signature with which a slot was added. */
  signatureOf(slot: number): number {
    return this.#signature[slot]!;
  }

  /** Takes over the slots of another one in its present order. */
  take(other: Signed): void {
    this.slots.set(other.slots);
    this.count = other.count;
  }

  /**
   * The next order of tied slots after those tried: lexicographic permutations within each run of equal signatures.
   * Returns false, and is back at the first order, when all were tried. Ties must have been added in ascending order.
   */
  next(): boolean {
    const { slots, count } = this;
    let from = 0;
    while (from < count) {
      let to = from + 1;
      while (to < count && this.#signature[slots[to]!] === this.#signature[slots[from]!]) to++;
      if (to - from > 1 && nextPermutation(slots, from, to)) return true;
      from = to; // this run is back at its first order: carry to the next
    }
    return false;
  }
}

/** A key that is the least over all orders of what is tied: mms, and pages that are exchangeable. */
export abstract class LeastKey {
  /** The last key: the first `length` words. */
  words: Int32Array;
  length = 0;
  /** Living mms in the order at hand. */
  readonly mms: Signed;
  /** By group: its pages in the order at hand; undefined for a page that is alone. */
  readonly pageGroups: readonly (Signed | undefined)[];
  /** Those of `pageGroups` that there are. */
  readonly pages: readonly Signed[];
  readonly #groups: readonly number[];
  #other: Int32Array;

  /** `bound`: words that a key never exceeds. `groups`: by page, the number of its group, from 0 on. */
  constructor(mms: number, bound: number, groups: readonly number[]) {
    this.mms = new Signed(mms);
    this.words = new Int32Array(bound);
    this.#other = new Int32Array(bound);
    this.#groups = groups;
    this.pageGroups = groups.map((_, group) => {
      const size = groups.filter((g) => g === group).length;
      return size > 1 ? new Signed(groups.length) : undefined;
    });
    this.pages = this.pageGroups.filter((signed) => signed !== undefined);
  }

  /** Computes the key of the present state into `words`. Returns its length. */
  encode(): number {
    this.describe();
    this.length = this.encodeInOrder(this.words);
    while (this.#next()) {
      const length = this.encodeInOrder(this.#other);
      if (!less(this.#other, length, this.words, this.length)) continue;
      const held = this.words;
      this.words = this.#other;
      this.#other = held;
      this.length = length;
    }
    return this.length;
  }

  /** The next order of all that is tied; false, and back at the first, after the last. */
  #next(): boolean {
    if (this.mms.next()) return true;
    for (const signed of this.pages) if (signed.next()) return true;
    return false;
  }

  /** Takes over the order of mms and pages of another key of the same scope. */
  takeOrder(other: LeastKey): void {
    this.mms.take(other.mms);
    for (const [group, signed] of this.pageGroups.entries()) signed?.take(other.pageGroups[group]!);
  }

  /** All pages in the order at hand, to `out`: a group has the places of its members. */
  pageOrder(out: Uint8Array): void {
    const groups = this.#groups;
    for (let v = 0; v < groups.length; v++) {
      const signed = this.pageGroups[groups[v]!];
      if (signed === undefined) {
        out[v] = v;
        continue;
      }
      let before = 0;
      for (let u = 0; u < v; u++) if (groups[u] === groups[v]) before++;
      out[v] = signed.slots[before]!;
    }
  }

  /** What does not depend on any order; fills `mms` and `pageGroups`. */
  protected abstract describe(): void;
  /** The key with mms and pages in the order at hand, into `out`. Returns its length. */
  protected abstract encodeInOrder(out: Int32Array): number;
}

/** The next permutation of `list[from, to)` in lexicographic order; false, and sorted again, after the last. */
function nextPermutation(list: Uint8Array, from: number, to: number): boolean {
  let i = to - 2;
  while (i >= from && list[i]! > list[i + 1]!) i--;
  if (i >= from) {
    let j = to - 1;
    while (list[j]! < list[i]!) j--;
    swap(list, i, j);
  }
  for (let a = i + 1, b = to - 1; a < b; a++, b--) swap(list, a, b);
  return i >= from;
}

function less(x: Int32Array, xLength: number, y: Int32Array, yLength: number): boolean {
  if (xLength !== yLength) return xLength < yLength;
  for (let i = 0; i < xLength; i++) if (x[i] !== y[i]) return x[i]! < y[i]!;
  return false;
}
function swap(list: Uint8Array, i: number, j: number): void {
  const held = list[i]!;
  list[i] = list[j]!;
  list[j] = held;
}
