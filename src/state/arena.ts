/**
 * Flat state: typed columns with the kernel's names over one buffer, so that a snapshot is one copy and stepping
 * allocates nothing (docs/model.md).
 */

/** Largest state we ever lay out, in bytes; a scope that needs more is refused when it is laid out. */
const BYTES_MAX = 8192;

/** The elements of a column. */
export type ColumnArray = Uint8Array | Int16Array | Int32Array;

/** One arena of columns. Declare all columns first, then use `snapshot` and `restore`. */
export class Columns {
  readonly #buffer = new ArrayBuffer(BYTES_MAX);
  #used = 0;
  #bytes: Uint8Array | undefined;
  #start: Uint8Array | undefined;

  /** `length` unsigned bytes. */
  u8(length: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#reserve(length, 1), length);
  }
  /** `length` signed 16-bit integers. */
  i16(length: number): Int16Array {
    return new Int16Array(this.#buffer, this.#reserve(length * 2, 2), length);
  }
  /** `length` 32-bit masks, signed as JavaScript's bit operators give them. */
  i32(length: number): Int32Array {
    return new Int32Array(this.#buffer, this.#reserve(length * 4, 4), length);
  }

  /** Size of a snapshot in bytes. */
  get size(): number {
    return this.#used;
  }
  /** All columns as one view; valid after the last column was declared. */
  get bytes(): Uint8Array {
    this.#bytes ??= new Uint8Array(this.#buffer, 0, this.#used);
    return this.#bytes;
  }
  /** The same as 32-bit words, up to 3 bytes of padding included. */
  get words(): Int32Array {
    return new Int32Array(this.#buffer, 0, Math.ceil(this.#used / 4));
  }
  snapshot(): Uint8Array {
    return this.bytes.slice();
  }
  /** Copies the columns to `target` at byte `offset`. */
  save(target: Uint8Array, offset: number): void {
    target.set(this.bytes, offset);
  }
  /** Sets all columns from a snapshot. */
  restore(snapshot: Uint8Array): void {
    this.bytes.set(snapshot);
  }

  /** What the columns hold now is their start: `restart` sets it again. */
  keepStart(): void {
    this.#start = this.snapshot();
  }
  restart(): void {
    this.restore(this.#start!);
  }

  #reserve(bytes: number, align: number): number {
    const start = Math.ceil(this.#used / align) * align;
    if (bytes === 0) return start; // what there is none of is not aligned either
    if (start + bytes > BYTES_MAX) throw new RangeError(`state larger than ${BYTES_MAX} bytes`);
    this.#used = start + bytes;
    this.#bytes = undefined;
    return start;
  }
}
