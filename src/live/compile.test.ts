import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
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

  /** Compiles by copying: `deed` may look at "$*" first. */
  const copier = (deed = ''): string => {
    const script = `#!/bin/sh\n${deed}\nout=; for word; do [ "$out" = next ] && out=$word; [ "$word" = -o ] && out=next; done\n{ echo "$*"; cat "$word"; } > "$out"\n`;
    writeFileSync(join(cache, 'copier'), script, { mode: 0o755 });
    return join(cache, 'copier');
  };
  const NO_STATIC = 'case "$*" in *-static*) echo "ld: cannot find -lc" >&2; exit 1 ;; esac';

  it('again when its source has changed', async () => {
    // A package of its own has a source of its own.
    const at = join(cache, 'src/live');
    mkdirSync(at, { recursive: true });
    const file = join(at, 'compile.ts');
    copyFileSync(fileURLToPath(new URL('compile.ts', import.meta.url)), file);
    copyFileSync(fileURLToPath(new URL('../installed.ts', import.meta.url)), join(cache, 'src/installed.ts'));
    const own = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
      readonly compileExecutor: typeof compileExecutor;
    };
    const options = { cache: join(cache, 'made'), compilers: [copier()] };
    const made: string[] = [];
    for (const text of ['one', 'two', 'one']) {
      writeFileSync(join(at, 'executor.c'), text);
      made.push(await own.compileExecutor(options));
    }
    expect(made.map((path) => readFileSync(path, 'utf8').split('\n')[1])).toEqual(['one', 'two', 'one']);
    expect(made[2]).toBe(made[0]);
  });

  it('without a static libc for this machine, but not for a VM', async () => {
    const compilers = [copier(NO_STATIC)];
    await expect(compileExecutor({ cache, compilers, mustBeStatic: true })).rejects.toThrow(
      /^the executor does not compile: .* -static: ld: cannot find -lc$/,
    );
    const file = await compileExecutor({ cache, compilers });
    expect(readFileSync(file, 'utf8').split('\n')[0]).not.toContain('-static');
    // Nor is the one for this machine taken for a static one now that it is there.
    await expect(compileExecutor({ cache, compilers, mustBeStatic: true })).rejects.toThrow(
      /cannot find -lc/,
    );
  });

  it('into the cache folder', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/gupfuzz');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/\/\.cache\/gupfuzz$/);
    expect(cacheFolder({})).toMatch(/\/\.cache\/gupfuzz$/);
  });
});
