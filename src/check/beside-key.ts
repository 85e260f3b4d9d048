/**
 * The canonical key of several worlds that run one program, each with its own reference: their keys (key.ts), one after
 * the other, under one renaming of mms, of references and of pages. Nothing else is in common to them: every world is judged by
 * its own reference, so contents of two worlds are never compared.
 *
 * A poor order costs duplicates, never a wrong merge: whatever the order, the key says of each world what its own key
 * says, and which mm and which reference of one is which of the other.
 *
 * Law (beside-model.test.ts): two states with one key have the same enabled steps, outcomes, findings, successor keys.
 */
import { InvariantError, type World } from '../executor/simulated.ts';
import { HANDLE_FREE } from '../reference/reference.ts';
import type { KeyEncoder } from './key.ts';
import { LeastKey, Signed } from '../state/order.ts';

/** Bits of a length in the first word. */
const LENGTH_BITS = 10;

export class BesideKeyEncoder extends LeastKey {
  readonly #world: World;
  readonly #keys: readonly KeyEncoder[];
  readonly #refs: Signed;
  readonly #groups: readonly number[];
  /** How many of the worlds count now, from the first on. */
  worlds = 1;

  /** `world`: the first one, of whose program it is. `keys`: at most three. */
  constructor(world: World, keys: readonly KeyEncoder[]) {
    super(
      world.shape.mms,
      keys.reduce((sum, key) => sum + key.words.length, 1),
      keys[0]!.groups,
    );
    if (keys.length * LENGTH_BITS > 31 || keys.some((key) => key.words.length >= 1 << LENGTH_BITS))
      throw new InvariantError('keys that are too long to be joined');
    this.#world = world;
    this.#keys = keys;
    this.#groups = keys[0]!.groups;
    this.#refs = new Signed(world.shape.refs);
  }

  protected override describe(): void {
    const { reference, shape } = this.#world;
    for (let k = 0; k < this.worlds; k++) this.#keys[k]!.describe();
    this.mms.count = 0;
    for (let mm = 0; mm < shape.mms; mm++) {
      if (reference.alive[mm] === 0) continue;
      let h = 0;
      for (let k = 0; k < this.worlds; k++) h = mixed(h, this.#keys[k]!.mms.signatureOf(mm));
      this.mms.add(mm, h);
    }
    this.pageGroups.forEach((pages, group) => {
      if (pages === undefined) return;
      pages.count = 0;
      for (let v = 0; v < shape.pages; v++) {
        if (this.#groups[v] !== group) continue;
        let h = 0;
        for (let k = 0; k < this.worlds; k++) h = mixed(h, this.#keys[k]!.pageGroups[group]!.signatureOf(v));
        pages.add(v, h);
      }
    });
  }

  protected override encodeInOrder(out: Int32Array): number {
    const { reference, shape } = this.#world;
    const refs = this.#refs;
    const { worlds } = this;
    let pages0 = 0;
    let pages1 = 0;
    let pages2 = 0;
    for (let k = 0; k < worlds; k++) {
      const key = this.#keys[k]!;
      key.takeOrder(this);
      const pages = key.encodePages(key.words);
      if (k === 0) pages0 = pages;
      else if (k === 1) pages1 = pages;
      else pages2 = pages;
    }
    refs.count = 0;
    for (let r = 0; r < shape.refs; r++) {
      if (reference.handleState[r] === HANDLE_FREE) continue;
      let h = 0;
      for (let k = 0; k < worlds; k++) h = mixed(h, this.#keys[k]!.signRef(r));
      refs.add(r, h);
    }
    let n = 1;
    let lengths = 0;
    for (let k = 0; k < worlds; k++) {
      const key = this.#keys[k]!;
      key.refs.take(refs);
      const { words } = key;
      const length = key.encodeRest(words, k === 0 ? pages0 : k === 1 ? pages1 : pages2);
      lengths |= length << (k * LENGTH_BITS);
      for (let i = 0; i < length; i++) out[n++] = words[i]!;
    }
    out[0] = lengths;
    return n;
  }
}

const mixed = (h: number, signature: number): number => (Math.imul(h, 0x01000193) ^ signature) | 0;
