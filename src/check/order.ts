/**
 * Canonical order of what a renaming may exchange (mms, references): by what each looks like from within, and where
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

/** A key that is the least over all orders of tied mms. */
export abstract class LeastKey {
  /** The last key: the first `length` words. */
  words: Int32Array;
  length = 0;
  /** Living mms in the order at hand. */
  readonly mms: Signed;
  #other: Int32Array;

  /** `bound`: words that a key never exceeds. */
  constructor(mms: number, bound: number) {
    this.mms = new Signed(mms);
    this.words = new Int32Array(bound);
    this.#other = new Int32Array(bound);
  }

  /** Computes the key of the present state into `words`. Returns its length. */
  encode(): number {
    this.describe();
    this.length = this.encodeInOrder(this.words);
    while (this.mms.next()) {
      const length = this.encodeInOrder(this.#other);
      if (!less(this.#other, length, this.words, this.length)) continue;
      const held = this.words;
      this.words = this.#other;
      this.#other = held;
      this.length = length;
    }
    return this.length;
  }

  /** What does not depend on the order of mms; fills `mms`. */
  protected abstract describe(): void;
  /** The key with mms in the order at hand, into `out`. Returns its length. */
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
