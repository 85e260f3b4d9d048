import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompileError, cacheFolder, compileExecutor, executorSource } from './compile.ts';

let cache = '';
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'gupfuzz-compile-'));
});
afterEach(() => {
  rmSync(cache, { recursive: true, force: true });
});

describe('the executor is compiled', () => {
  it('from a source that is found', () => {
    expect(statSync(executorSource()).isFile()).toBe(true);
  });

  it('once', async (test) => {
    const first = await compileExecutor({ cache }).catch((error: Error) => error);
    if (first instanceof CompileError) return test.skip(first.message);
    expect(await compileExecutor({ cache, compilers: ['false'] })).toBe(first); // no compiler is asked again
    expect(readdirSync(cache)).toHaveLength(1);
  }, 60_000);

  it('by the first compiler that is there; none is one line', async () => {
    const compilers = ['gupfuzz-no-such-cc', 'gupfuzz-nor-this'];
    await expect(compileExecutor({ cache, compilers })).rejects.toThrow(
      new CompileError(
        'running programs needs a C compiler, and none of gupfuzz-no-such-cc, gupfuzz-nor-this is there',
      ),
    );
    expect(readdirSync(cache)).toEqual([]);
  });

  it('a compiler that fails is said to', async () => {
    await expect(compileExecutor({ cache, compilers: ['false'] })).rejects.toThrow(
      /^the executor does not compile: false -O2/,
    );
  });

  it('into the cache folder', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/gupfuzz');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/\/\.cache\/gupfuzz$/);
    expect(cacheFolder({})).toMatch(/\/\.cache\/gupfuzz$/);
  });
});
