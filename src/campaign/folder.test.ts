import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from './folder.ts';

const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('makeFolder', () => {
  it('makes what is missing, and leaves what is there', () => {
    const path = join(temp, 'a', 'b', 'c');
    makeFolder(path);
    makeFolder(path);
    expect(existsSync(path)).toBe(true);
  });
  it('comes to an end below /proc, and below a file', () => {
    expect(() => makeFolder('/proc/nope/below')).toThrow(/ENOENT/);
    writeFileSync(join(temp, 'file'), '');
    expect(() => makeFolder(join(temp, 'file', 'below'))).toThrow(/ENOTDIR/);
  });
});
