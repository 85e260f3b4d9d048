import { describe, expect, it } from 'vitest';
import { Rng } from '../domain/rng.ts';
import { fingerprint } from './fingerprint.ts';
import { StateTable } from './table.ts';

type Print = readonly [number, number, number];

/** The state's number, or -1. */
const stateOf = (table: StateTable, [f0, f1, f2]: Print): number => {
  const slot = table.find(f0, f1, f2);
  return slot < 0 ? -1 : table.slots[slot + 3]! - 1;
};
const add = (table: StateTable, [f0, f1, f2]: Print, state: number): void =>
  table.put(-1 - table.find(f0, f1, f2), f0, f1, f2, state + 1);

describe('two states are one only if all 96 bits are alike', () => {
  it.each([
    [1, 0, 0],
    [0, 1024, 0], // begins its way at the same slot
    [0, 0, 1],
    [-(2 ** 31), 0, 0],
  ])('not with %i %i %i more', (d0, d1, d2) => {
    const table = new StateTable();
    add(table, [5, 6, 7], 0);
    expect(stateOf(table, [5 ^ d0, 6 ^ d1, 7 ^ d2])).toBe(-1);
    expect(stateOf(table, [5, 6, 7])).toBe(0);
  });
});

describe('a table that grows', () => {
  it.each([1, 8])('keeps every state, with %i partitions', (partitions) => {
    const table = new StateTable(partitions);
    const rng = new Rng();
    rng.seed(1, 2, 3, partitions);
    const word = (): number => (rng.below(2 ** 16) << 16) | rng.below(2 ** 16);
    const prints = Array.from({ length: 30_000 }, (): Print => [word(), word(), word()]);
    const room = table.slots.length;
    for (const [state, print] of prints.entries()) {
      if (state % 1000 === 0) table.reserve(state, 1000);
      add(table, print, state);
    }
    expect(table.slots.length).toBeGreaterThan(room);
    expect(prints.findIndex((print, state) => stateOf(table, print) !== state)).toBe(-1);
  });
});

describe('partitions', () => {
  it('a state stays in its own, whatever is next to it: each is filled by another thread', () => {
    const table = new StateTable(4);
    const region = table.slots.length / 4;
    // All begin their way at the last slots of a region.
    for (let partition = 0; partition < 4; partition++)
      for (let i = 0; i < 20; i++) add(table, [partition << 16, -1 - (i % 3), i], partition * 20 + i);
    const filled = [...table.slots.keys()].filter((at) => at % 4 === 3 && table.slots[at] !== 0);
    expect(filled.length).toBe(80);
    for (const at of filled) expect(Math.floor(at / region)).toBe(Math.floor((table.slots[at]! - 1) / 20));
    expect(new Set([0, 1, 2, 3, 4].map((p) => table.partitionOf(p << 16)))).toEqual(new Set([0, 1, 2, 3]));
  });
});

describe('the fingerprint of a key', () => {
  const printOf = (words: readonly number[]): string => {
    const out = new Int32Array(3);
    fingerprint(Int32Array.from(words), words.length, out);
    return out.join();
  };
  it('depends on each of its words, in their order, and on how many there are', () => {
    const prints = new Set<string>();
    let keys = 0;
    const add = (words: readonly number[]): void => {
      prints.add(printOf(words));
      keys++;
    };
    for (let length = 0; length < 12; length++) {
      const zeros = new Array<number>(length).fill(0);
      add(zeros);
      for (let at = 0; at < length; at++) for (const word of [1, 2 ** 16, -1]) add(zeros.with(at, word));
    }
    expect(prints.size).toBe(keys);
  });
});
