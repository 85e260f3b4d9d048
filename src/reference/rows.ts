/**
 * Which contents each observer may legitimately have met: a row of bits per observer, one bit per token. Token 0 is the
 * zero token.
 */
import { ZERO_TOKEN } from '../domain/kinds.ts';

/** Words of a row of so many tokens. */
export const wordsOf = (tokens: number): number => (tokens + 31) >> 5;

export class Rows {
  /** All rows, one after the other, of so many words each. */
  readonly bits: Int32Array;
  readonly #words: number;

  /** `bits`: as many rows of `tokens` bits each as there is room for. */
  constructor(bits: Int32Array, tokens: number) {
    this.#words = wordsOf(tokens);
    this.bits = bits;
  }

  has(row: number, token: number): boolean {
    return (this.bits[row * this.#words + (token >> 5)]! & (1 << (token & 31))) !== 0;
  }
  /** The one token of the row, or -1 where there are none or several. */
  only(row: number): number {
    let at = -1;
    for (let w = 0; w < this.#words; w++) {
      const word = this.bits[row * this.#words + w]!;
      if (word === 0) continue;
      if (at >= 0 || (word & (word - 1)) !== 0) return -1;
      at = w * 32 + (31 - Math.clz32(word));
    }
    return at;
  }
  add(row: number, token: number): void {
    this.bits[row * this.#words + (token >> 5)]! |= 1 << (token & 31);
  }
  remove(row: number, token: number): void {
    this.bits[row * this.#words + (token >> 5)]! &= ~(1 << (token & 31));
  }
  copy(from: number, to: number): void {
    const words = this.#words;
    for (let w = 0; w < words; w++) this.bits[to * words + w] = this.bits[from * words + w]!;
  }
  /** Adds what `from` has to `to`. */
  unite(from: number, to: number): void {
    const words = this.#words;
    for (let w = 0; w < words; w++) this.bits[to * words + w]! |= this.bits[from * words + w]!;
  }
  /** Leaves the zero token: every page has seen it. */
  clear(row: number): void {
    const words = this.#words;
    const zero = this.bits[row * words]! & (1 << ZERO_TOKEN);
    this.bits.fill(0, row * words, (row + 1) * words);
    this.bits[row * words] = zero;
  }

  /** Takes a token out of all rows. */
  forget(token: number): void {
    const clear = ~(1 << (token & 31));
    for (let at = token >> 5; at < this.bits.length; at += this.#words) this.bits[at]! &= clear;
  }

  /** Renames tokens: what was `t`, below `had`, is `to[t]`; those that are not `used` are gone. */
  rename(used: Uint8Array, to: Uint8Array, had: number): void {
    const words = this.#words;
    const before = new Int32Array(words);
    for (let row = 0; row < this.bits.length; row += words) {
      for (let w = 0; w < words; w++) {
        before[w] = this.bits[row + w]!;
        this.bits[row + w] = 0;
      }
      for (let t = 0; t < had; t++)
        if (used[t] === 1 && (before[t >> 5]! & (1 << (t & 31))) !== 0)
          this.bits[row + (to[t]! >> 5)]! |= 1 << (to[t]! & 31);
    }
  }
}
