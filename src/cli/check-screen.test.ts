import { describe, expect, it } from 'vitest';
import type { Progress } from '../campaign/drive.ts';
import { shown } from '../testing/screen.ts';
import { checkScreen, progressText } from './check-screen.ts';

const MIB = 2 ** 20;
const at = (depth: number, layerDone = 0, states = 1000 * depth): Progress => ({
  depth,
  layerStates: 4096,
  layerDone,
  states,
  transitions: 0,
  bytes: 12 * MIB,
});

/** What is written if updates come at these times, in ms. */
const written = (isTTY: boolean, updates: readonly (readonly [ms: number, progress: Progress])[]): string[] =>
  shown((stream, now) => checkScreen(false, stream, now), { isTTY, columns: 60 }, updates);

describe('progress', () => {
  it('says where the search is', () => {
    expect(progressText(at(7, 2048), 81_234)).toBe(
      'depth 8: 2,048 of 4,096 states done; 7,000 in all, 81 k/s, 12 MiB',
    );
    expect(progressText(at(7), 999)).toBe(
      'complete to depth 7: 7,000 states, 4,096 of them new, 999/s, 12 MiB',
    );
  });

  it('elsewhere: a line per layer, but not many a second; now and then within a long one', () => {
    expect(
      written(false, [
        [0, at(1)],
        [100, at(2)],
        [200, at(3)],
        [1000, at(4)],
        [2000, at(4, 1024, 4500)],
        [11_500, at(4, 2048, 5000)],
        [11_600, at(5)],
        [12_000, at(5, 16)],
      ]),
    ).toEqual([
      'gupfuzz: complete to depth 4: 4,000 states, 4,096 of them new, 3 k/s, 12 MiB\n',
      'gupfuzz: depth 5: 2,048 of 4,096 states done; 5,000 in all, 348/s, 12 MiB\n',
      'gupfuzz: depth 6: 16 of 4,096 states done; 5,000 in all, 333/s, 12 MiB\n',
    ]);
  });

  it('on a terminal: one line that fits, and goes away', () => {
    const out = written(true, [
      [0, at(1)],
      [500, at(7, 2048)],
    ]);
    expect(out).toHaveLength(3);
    for (const text of out) expect(text.startsWith('\r\u001b[K')).toBe(true);
    for (const text of out) expect(text.length).toBeLessThan(60 + 4);
    expect(out[2]).toBe('\r\u001b[K');
  });

  it('counts only what was searched now', () => {
    const [line] = written(false, [
      [0, at(5, 0, 1_000_000)],
      [1000, at(6, 0, 1_000_500)],
    ]);
    expect(line).toMatch(/ 500\/s, /);
  });

  it('is silent if asked', () => {
    const screen = shown((stream) => checkScreen(true, stream), { isTTY: true, columns: 80 }, [[0, at(3)]]);
    expect(screen).toEqual([]);
  });
});
