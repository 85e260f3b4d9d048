/** A small deterministic generator (xorshift128) seeded from fast-check's; fast enough to draw every step. */
export class Rng {
  #a = 1;
  #b = 2;
  #c = 3;
  #d = 4;

  /** Starts the sequence of these four 32-bit words. */
  seed(a: number, b: number, c: number, d: number): void {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#d = d | 1; // never all zero
  }
  /** A whole number from 0 to n - 1; n up to 2^16. */
  below(n: number): number {
    let t = this.#d;
    const s = this.#a;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#a = t ^ s ^ (s >>> 19);
    return ((this.#a >>> 16) * n) >>> 16;
  }
}
