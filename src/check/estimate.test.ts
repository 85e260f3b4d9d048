import { describe, expect, it } from 'vitest';
import { bytesFor, deepestWithin, estimate } from './estimate.ts';

/** Layers of searches on v6.5-longterm-ban (unless said otherwise) with plain gups, ext4-v5.18: pages, mms, references. */
const CLOSED: readonly (readonly [name: string, layers: readonly number[]])[] = [
  [
    'anon, 2, 1, class',
    [
      1, 14, 79, 380, 1595, 5572, 15598, 34490, 63948, 104013, 151881, 203361, 248140, 274898, 279158, 263697,
      230844, 184322, 133136, 86610, 49937, 24563, 9858, 3217, 895, 194, 28,
    ],
  ],
  [
    'anon, 2, 1, property',
    [
      1, 13, 70, 314, 1240, 4049, 9737, 17770, 26754, 35796, 44566, 51702, 54469, 51137, 42160, 30391, 19470,
      11404, 6166, 3031, 1349, 546, 196, 65, 19, 3,
    ],
  ],
  [
    'anon, 2, 1, class, v5.7-mapcount',
    [
      1, 14, 76, 353, 1358, 4211, 10981, 24478, 46367, 75758, 106779, 132177, 144912, 142720, 129355, 110420,
      88875, 65800, 43175, 24564, 12090, 5096, 1776, 486, 84,
    ],
  ],
  [
    'shared-file, 1, 2, class',
    [
      1, 15, 112, 567, 2046, 5452, 11803, 21380, 30716, 36833, 33932, 25924, 17754, 11815, 9314, 7970, 7365,
      6654, 5636, 4505, 2868, 1550, 619, 175, 34,
    ],
  ],
  [
    'anon and shared-file, 1, 1, property',
    [
      1, 26, 242, 1232, 4171, 10581, 21630, 37389, 56244, 74397, 86576, 88781, 81768, 70165, 58736, 48984,
      40644, 33663, 28676, 25677, 23513, 20207, 14874, 9102, 4880, 2512, 1239, 528, 171, 36, 4,
    ],
  ],
];
/** Not followed to their end. */
const OPEN: typeof CLOSED = [
  [
    'anon, 2, 2, property',
    [1, 13, 110, 735, 4118, 18480, 62670, 161587, 331398, 574847, 885322, 1247784, 1622823],
  ],
  [
    'private-file, 2, 1, property',
    [1, 16, 117, 633, 2920, 11652, 38916, 106912, 244093, 475922, 815196, 1250792, 1739445],
  ],
  ['anon, 3, 1, property', [1, 13, 71, 345, 1701, 7740, 30765, 104942, 298076, 709606, 1451515, 2618417]],
];

const sum = (list: readonly number[]): number => list.reduce((total, n) => total + n, 0);
/** What a search of so many states knows: the complete layers, and how much of the next one. */
function known(layers: readonly number[], states: number): [readonly number[], number] {
  let complete = 0;
  while (complete < layers.length && sum(layers.slice(0, complete + 1)) <= states) complete++;
  const left = states - sum(layers.slice(0, complete));
  return [layers.slice(0, complete), Math.min(left, layers[complete] ?? 0)];
}

describe('from the first 100,000 states', () => {
  it.each(CLOSED)('%s, to its end: low is low, likely is near', (_, layers) => {
    const [first, next] = known(layers, 100_000);
    const truth = sum(layers);
    const low = estimate(first, next, Infinity, 'low')!;
    const likely = estimate(first, next, Infinity, 'likely')!;
    expect(low.states).toBeLessThanOrEqual(truth);
    expect(low.states).toBeGreaterThan(truth / 8);
    expect(likely.states).toBeGreaterThan(truth / 2);
    expect(likely.states).toBeLessThan(truth * 2);
    expect(low.closes).toBeLessThanOrEqual(layers.length);
  });

  it.each([...CLOSED, ...OPEN])('%s, up to four steps more', (_, layers) => {
    const [first, next] = known(layers, 100_000);
    for (let depth = first.length; depth < Math.min(layers.length, first.length + 4); depth++) {
      const truth = sum(layers.slice(0, depth + 1));
      const low = estimate(first, next, depth, 'low')!;
      expect(low.states).toBeLessThanOrEqual(truth);
      expect(low.states).toBeGreaterThan(truth / 3);
      const likely = estimate(first, next, depth, 'likely')!;
      expect(likely.states).toBeGreaterThan(truth * 0.9);
      expect(likely.states).toBeLessThan(truth * 3.5);
    }
  });
});

describe('estimate', () => {
  const layers = [1, 10, 60, 240, 720];

  it('tells what is known, and estimates only beyond', () => {
    expect(estimate(layers, 0, 2, 'low')).toEqual({ states: 71, peak: 70, closes: undefined });
    expect(estimate(layers, 0, 4, 'likely')).toEqual({ states: 1031, peak: 960, closes: undefined });
    expect(estimate([1, 3, 2, 0], 0, Infinity, 'low')).toEqual({ states: 6, peak: 5, closes: 3 });
    expect(estimate([1, 3, 2, 0], 0, 9, 'likely')).toEqual({ states: 6, peak: 5, closes: 3 });
    expect(estimate([1, 3, 2, 0], 0, 2, 'low')).toEqual({ states: 6, peak: 5, closes: undefined });
  });

  it('is never below what is seen of the next layer', () => {
    expect(estimate(layers, 50_000, 5, 'low')!.states).toBe(51_031);
  });

  it('counts two layers as held at a time, also of those that it foresees', () => {
    const { states, peak } = estimate(layers, 0, 5, 'likely')!;
    expect(peak).toBeCloseTo(720 + (states - 1031), 6);
  });

  it('is low below likely, and both grow with the depth', () => {
    let before = 0;
    for (let depth = 5; depth < 12; depth++) {
      const low = estimate(layers, 0, depth, 'low')!.states;
      expect(low).toBeLessThan(estimate(layers, 0, depth, 'likely')!.states);
      expect(low).toBeGreaterThanOrEqual(before);
      before = low;
    }
  });

  it('says nothing of two layers, and endless of what does not slow down', () => {
    expect(estimate([1, 10], 0, 9, 'low')).toBeUndefined();
    expect(estimate([1, 100, 10_000, 1_000_000], 0, Infinity, 'likely')!.states).toBe(Infinity);
  });
});

describe('memory', () => {
  it('is table and two layers', () => {
    const words = 38;
    // 2,370,429 states of 38 words took 260 MB: arrays had doubled.
    const bytes = bytesFor({ states: 2_370_429, peak: 274_898 + 279_158 }, words);
    expect(bytes).toBeLessThan(260_046_848);
    expect(bytes).toBeGreaterThan(260_046_848 / 2);
  });

  it('names the deepest search that fits', () => {
    const [first, next] = known(OPEN[0]![1], 100_000);
    const fit = deepestWithin(2 ** 28, first, next, 30, 47)!;
    expect(fit.depth).toBeLessThan(30);
    expect(fit.bytes).toBeLessThanOrEqual(2 ** 28);
    expect(deepestWithin(2 ** 29, first, next, 30, 47)!.depth).toBeGreaterThan(fit.depth);
    expect(deepestWithin(2 ** 40, first, next, 9, 47)!.depth).toBe(8);
    expect(deepestWithin(10, first, next, 30, 47)).toBeUndefined();
  });
});
