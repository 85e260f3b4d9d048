import { describe, expect, it } from 'vitest';
import type { SearchProgress } from '../shrink/shrink.ts';
import { shown } from '../testing/screen.ts';
import { progressLine, searchText } from './progress-line.ts';

const at = (states: number): SearchProgress => ({
  policy: 'v5.7-mapcount',
  mms: 2,
  refs: 1,
  depth: 5,
  wanted: 6,
  states,
  statesMax: 20_000_000,
});

/** What it writes for these numbers of states at these times, in ms. */
function written(isTTY: boolean, columns: number, updates: readonly (readonly [number, number])[]): string[] {
  const open = (stream: NodeJS.WriteStream, now: () => number) => {
    const { update, clear } = progressLine(stream, now);
    return { update: (states: number) => update(() => `x.gup.json: ${searchText(at(states))}`), clear };
  };
  return shown(open, { isTTY, columns }, updates);
}

describe('progressLine', () => {
  it('begins at once on a terminal; elsewhere says nothing of what takes less than a second', () => {
    const updates = [
      [10, 1],
      [100, 2],
      [900, 3],
    ] as const;
    expect(written(true, 100, updates).map((text) => /[123] of/.exec(text)?.[0])).toEqual([
      '1 of',
      '3 of',
      undefined,
    ]);
    expect(written(false, 100, updates)).toEqual([]);
  });

  it('fits a terminal that changes its size, and obeys nothing in a name', () => {
    const out: string[] = [];
    const terminal = { isTTY: true, columns: 30, write: (text: string) => out.push(text) > 0 };
    let now = 0;
    const { update } = progressLine(terminal, () => now);
    for (const columns of [30, 8, 12]) {
      terminal.columns = columns;
      now += 1000;
      update(() => 'a\u001b[2J\nb: 17 of 100');
    }
    expect(out).toEqual([
      '\r\u001b[Ka\\u001b[2J\\u000ab: 17 of 100,',
      '\r\u001b[Ka\\u001b',
      '\r\u001b[Ka\\u001b[2J\\',
    ]);
  });

  it('writes plain lines now and then without a terminal', () => {
    const lines = written(false, 100, [
      [1000, 1_000_000],
      [2000, 2_000_000],
      [5900, 3_000_000],
      [6000, 4_000_000],
    ]);
    expect(lines).toEqual([
      'gupfuzz: x.gup.json: v5.7-mapcount, 2 mms, 1 reference: depth 5 of 6, 1,000,000 of at most 20,000,000 states, 1 s\n',
      'gupfuzz: x.gup.json: v5.7-mapcount, 2 mms, 1 reference: depth 5 of 6, 4,000,000 of at most 20,000,000 states, 6 s\n',
    ]);
  });

  it('keeps one line on a terminal, no longer than it is wide, and takes it away', () => {
    const lines = written(true, 40, [
      [1000, 1_000_000],
      [1100, 2_000_000],
      [1200, 3_000_000],
    ]);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe('\r\u001b[Kx.gup.json: v5.7-mapcount, 2 mms, 1 ref');
    expect(lines.at(-1)).toBe('\r\u001b[K');
  });
});
