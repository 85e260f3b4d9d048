/** `gupfuzz init` through the compiled command line. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

describe('init', () => {
  it('writes a policy that is one, with its test, and never over a file', () => {
    const { code, out, err } = gupfuzz(['init', 'policy', 'mine']);
    expect([code, lines(out)]).toEqual([0, ['mine.ts', 'mine.test.ts']]);
    expect(err).toContain('gupfuzz compare --base longterm-ban --cand ./mine.ts');
    expect(gupfuzz(['policies', './mine.ts']).code).toBe(0);
    expect(gupfuzz(['replay', CATALOGUE, '-p', './mine.ts', '-p', 'longterm-ban']).code).toBeLessThan(2);
    folder.write('mine.ts', 'precious');
    expect(oneLine(gupfuzz(['init', 'policy', 'mine']), 2)).toBe(
      'gupfuzz: mine.ts and mine.test.ts are there already; --force overwrites',
    );
    expect(readFileSync(folder.at('mine.ts'), 'utf8')).toBe('precious');
    expect(gupfuzz(['init', 'policy', 'mine', '--force']).code).toBe(0);
    expect(readFileSync(folder.at('mine.ts'), 'utf8')).toContain('derive(');
  });

  it('--dir', () => {
    expect(gupfuzz(['init', 'policy', 'mine', '--dir', 'a/b']).code).toBe(0);
    expect(existsSync(folder.at('a/b/mine.test.ts'))).toBe(true);
    folder.write('blocked', '');
    expect(oneLine(gupfuzz(['init', 'policy', 'mine', '--dir', 'blocked']), 3)).toMatch(
      /cannot be written \(/,
    );
  });
});
