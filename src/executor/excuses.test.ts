/**
 * Which contents are excused, written a second time: over objects and sets, where the reference has rows of bits and
 * slots. Both must say the same of every page, reference and content after every step.
 */
import { describe, expect, it } from 'vitest';
import { CALLERS, DONE, NO_EFFECT, SKIPPED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { expandPolicy } from '../machine/tables.ts';
import { callerOf, writeOf } from '../ops/gup.ts';
import { aOf, bOf, cOf, OP_KINDS, opOf } from '../ops/op.ts';
import { policyByName } from '../policies/index.ts';
import { EXCUSE_FORK_DIO, EXCUSE_FORK_GET, HANDLE_LIVE } from '../reference/reference.ts';
import { World } from './simulated.ts';

const PROGRAMS = 4000;

/** A private page of one mm, or what references hold of one that was replaced. By content: its excuse. */
interface Copy {
  readonly excused: Map<number, number>;
}
interface Held {
  readonly of: Copy | undefined;
  readonly excuse: number;
  readonly write: boolean;
  /** It excuses what is stored over a fork to come; it was held over one. */
  excuses: boolean;
  overFork: boolean;
  readonly parted: Set<Copy>;
}

const fresh = (): Copy => ({ excused: new Map() });

class Told {
  readonly copies = new Map<number, Copy>();
  readonly refs = new Map<number, Held>();
  readonly #pages: number;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#pages = world.shape.pages;
    for (let v = 0; v < this.#pages; v++) if (this.#private(v)) this.copies.set(v, fresh());
  }
  #private(page: number): boolean {
    return this.#world.shape.isPrivate[page] === 1;
  }

  #store(copy: Copy | undefined, token: number): void {
    if (copy === undefined) return;
    const excuse = (of: Copy, by: number): void => {
      of.excused.set(token, Math.min(by, of.excused.get(token) ?? by));
    };
    for (const held of this.refs.values()) {
      if (!held.overFork) continue;
      if (held.of === copy) {
        excuse(copy, held.excuse);
        for (const other of held.parted) excuse(other, held.excuse);
      } else if (held.parted.has(copy)) {
        excuse(copy, held.excuse);
        excuse(held.of!, held.excuse);
      }
    }
  }
  #replace(at: number): void {
    const copy = this.copies.get(at);
    for (const held of this.refs.values()) if (copy !== undefined && held.of === copy) held.excuses = false;
    this.copies.delete(at);
  }
  #fork(parent: number, child: number, copied: (page: number) => boolean): void {
    for (let v = 0; v < this.#pages; v++) {
      if (!this.#private(v) || !copied(v)) continue;
      const copy = this.copies.get(parent * this.#pages + v)!;
      const own: Copy = { excused: new Map(copy.excused) };
      this.copies.set(child * this.#pages + v, own);
      for (const held of this.refs.values()) {
        if (held.excuses && held.of === copy) {
          held.overFork = true;
          held.parted.add(own);
        }
        if (held.parted.has(copy)) held.parted.add(own);
      }
    }
  }

  /** One step of the world, and what follows from it. */
  step(step: number): void {
    const { reference } = this.#world;
    const [a, b, c] = [aOf(step), bOf(step), cOf(step)];
    const at = a * this.#pages + b;
    const mapped = reference.mapped.slice();
    const dontfork = reference.dontfork.slice();
    const outcome = this.#world.step(step);
    const token = reference.tokens[0]! - 1;
    const done = outcome === DONE;
    switch (OP_KINDS[opOf(step)]) {
      case 'fork':
        this.#fork(a, this.#world.slot, (v) => {
          const page = a * this.#pages + v;
          return mapped[page] === 1 && dontfork[page] === 0;
        });
        return;
      case 'exit':
        for (let v = 0; v < this.#pages; v++) this.#replace(a * this.#pages + v);
        return;
      case 'munmap':
        this.#replace(at);
        return;
      case 'mremap':
        if (!done || !this.#private(b)) return;
        this.#replace(a * this.#pages + c);
        this.copies.set(a * this.#pages + c, this.copies.get(at)!);
        this.copies.delete(at);
        return;
      case 'madvise':
        if (c !== 0 || outcome > NO_EFFECT || !this.copies.has(at)) return;
        this.#replace(at);
        this.copies.set(at, fresh());
        return;
      case 'write':
        if (done) this.#store(this.copies.get(at), token);
        return;
      case 'dma_write':
        if (done) this.#store(this.refs.get(a)?.of, token);
        return;
      case 'dio_end':
      case 'unpin': {
        if (outcome > NO_EFFECT && outcome !== SKIPPED) return;
        const held = this.refs.get(a);
        if (done && held?.write === true && OP_KINDS[opOf(step)] === 'dio_end') this.#store(held.of, token);
        this.refs.delete(a);
        return;
      }
      case 'gup': {
        if (!done) return;
        const caller = CALLERS[callerOf(c)]!;
        const of = this.copies.get(at);
        const write = writeOf(c);
        this.refs.set(this.#world.slot, {
          of,
          write,
          excuse: caller === 'o_direct_read' ? EXCUSE_FORK_DIO : EXCUSE_FORK_GET,
          excuses: of !== undefined && write && (caller === 'get' || caller === 'o_direct_read'),
          overFork: false,
          parted: new Set(),
        });
      }
    }
  }

  /** How many contents are excused anywhere; throws where the reference says otherwise. */
  compare(): number {
    const { reference } = this.#world;
    let excused = 0;
    const same = (cell: number, copy: Copy): void => {
      for (let t = 1; t < reference.tokens[0]!; t++) {
        const want = copy.excused.get(t) ?? 0;
        if (reference.excuseOf(cell, t) !== want)
          expect([cell, t, reference.excuseOf(cell, t)]).toEqual([cell, t, want]);
        if (want !== 0) excused++;
      }
    };
    for (const [at, copy] of this.copies) same(at, copy);
    for (const [h, { of }] of this.refs)
      if (of !== undefined && reference.handleState[h] === HANDLE_LIVE) same(reference.handleCell[h]!, of);
    return excused;
  }
}

describe('what is excused', () => {
  it.each([
    'v5.7-mapcount',
    'v5.11-page-count',
    'v6.2-anon-exclusive',
    'canary',
  ])('is the same over sets and over rows: %s', (id) => {
    const setups = setupsOf('default', 'all').filter(({ pages }) =>
      pages.some(({ kind }) => kind === 'anon' || kind === 'private-file'),
    );
    const generator = new Generator(setups);
    const rng = new Rng();
    rng.seed(5, 6, 7, 8);
    const policy = expandPolicy(policyByName(id));
    const worlds = setups.map((setup) => new World(setup, policy));
    let excused = 0;
    for (let n = 0; n < PROGRAMS / 4; n++) {
      const { setup, steps, length } = generator.draw(rng);
      const world = worlds[setup]!;
      world.reset();
      const told = new Told(world);
      // Contents keep their numbers as long as there is room.
      for (let i = 0; i < length && !world.ended && world.reference.tokens[0]! < 60; i++) {
        told.step(steps[i]!);
        excused += told.compare();
      }
    }
    expect(excused).toBeGreaterThan(1000);
  });
});
