import { afterEach, describe, expect, it, vi } from 'vitest';
import { printResult } from './io.ts';

const screen = { isTTY: process.stdout.isTTY, columns: process.stdout.columns, rows: process.stdout.rows };
afterEach(() => {
  Object.assign(process.stdout, screen);
  vi.restoreAllMocks();
});

/** What is written on a terminal of this size. */
function written(isTTY: boolean, rows: number, text: string, stopped: boolean): string[] {
  Object.assign(process.stdout, { isTTY, rows, columns: 20 });
  let out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    out += String(chunk);
    return true;
  });
  printResult(text, stopped, 'it is in d/');
  return out.trimEnd().split('\n');
}

describe('printResult', () => {
  const text = Array.from({ length: 100 }, (_, i) => `line ${i + 1}`).join('\n');

  it('is one screen for a person who stopped it, and says where the rest is', () => {
    const lines = written(true, 24, text, true);
    expect(lines).toHaveLength(19);
    expect(lines.slice(-2)).toEqual(['line 18', '... and 82 more lines; it is in d/']);
  });

  it('counts the rows that a line takes', () => {
    const lines = written(true, 12, `${'x'.repeat(50)}\n${'y'.repeat(50)}\nz\n`, true);
    expect(lines.map((line) => line[0])).toEqual(['x', 'y', '.']);
  });

  it('is all of it where it fits, where it ended by itself, and in a file', () => {
    expect(written(true, 24, 'a\nb\n', true)).toEqual(['a', 'b']);
    expect(written(true, 24, text, false)).toHaveLength(100);
    expect(written(false, 24, text, true)).toHaveLength(100);
  });
});
