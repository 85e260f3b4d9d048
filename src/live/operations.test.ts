import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CALLS } from '../ops/index.ts';
import { lettersOf } from '../ops/live.ts';
import { executorSource } from './compile.ts';
import { operationsCode, operationsHeader } from './operations.ts';

describe('the part of the executor that follows from the operations', () => {
  it('numbers every call, and has its form', () => {
    const numbers = /\{ (.*) \}/.exec(operationsHeader())![1]!.split(', ');
    expect(numbers).toEqual([...CALLS.map(({ grammar }) => `OP_${grammar.kind.toUpperCase()}`), 'OPS']);
    const forms = [...operationsCode().matchAll(/^\t\[(\w+)\] = \{ \.name = "(\w+)", \.form = "(\w+)"/gm)];
    expect(forms.map(([, number, name, form]) => [number, name, form])).toEqual(
      CALLS.map(({ grammar: g }) => [`OP_${g.kind.toUpperCase()}`, g.kind, lettersOf(g).join('')]),
    );
  });

  it('has letters that the executor reads', () => {
    const source = readFileSync(executorSource(), 'utf8');
    const read = [...source.matchAll(/^\t\tcase '(\w)': step->/gm)].map(([, letter]) => letter!);
    const sent = new Set(CALLS.flatMap(({ grammar }) => lettersOf(grammar)));
    sent.delete('w'); // the default
    expect([...sent].filter((letter) => !read.includes(letter))).toEqual([]);
  });

  it('names no operation in executor.c but in the programs of the probe', () => {
    const source = readFileSync(executorSource(), 'utf8');
    expect(source.match(/\bOP_[A-Z]+\b/g)).toBe(null);
  });

  it('compiles with the executor without a warning', (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'gupfuzz-operations-'));
    try {
      writeFileSync(join(folder, 'executor.c'), readFileSync(executorSource()));
      writeFileSync(join(folder, 'operations.h'), operationsHeader());
      writeFileSync(join(folder, 'operations.c'), operationsCode());
      const flags = ['-fsyntax-only', '-Wall', '-Wextra', '-Werror', join(folder, 'executor.c')];
      try {
        execFileSync('cc', flags, { stdio: 'pipe' });
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return test.skip('there is no cc');
        throw error;
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 30_000);
});
