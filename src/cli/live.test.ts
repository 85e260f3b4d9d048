import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { CompileError, compileExecutor } from '../live/compile.ts';
import { parseCounterexample } from '../scenario/file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/src/cli/main.js');
const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-cli-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));
const entry = (id: string): string => {
  const dir = join(root, 'counterexamples');
  return join(dir, readdirSync(dir).find((name) => name.startsWith(id))!);
};

function gupfuzz(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: temp,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

const MISSING = await compileExecutor()
  .then(() => '')
  .catch((error: Error) => {
    if (error instanceof CompileError) return error.message;
    throw error;
  });

describe('gupfuzz live: flags', () => {
  it.each([
    [['live', 'run'], 2, /^gupfuzz: live run needs files\n$/],
    [['live', 'vm'], 2, /^gupfuzz: live vm needs --kernel\n$/],
    [['live', 'nothing'], 2, /^gupfuzz: what is "nothing"; allowed: probe, run, fuzz, vm\n$/],
    [['live', 'fuzz', '--runs', 'x'], 2, /^gupfuzz: --runs is "x"; allowed: a whole number/],
    [['live', 'fuzz', '--kernel', '5.10'], 2, /^gupfuzz: --kernel is for live vm\n$/],
    [['export', '--to', 'rust', entry('b09')], 2, /^gupfuzz: --to is "rust"; allowed: c\n$/],
    [['export', '--to', 'c', entry('b18')], 4, /no system call takes a long-term R pin\n$/],
  ] as const)('%j: one line, exit %i', (args, code, line) => {
    const ran = gupfuzz(...args);
    expect([ran.code, ran.out]).toEqual([code, '']);
    expect(ran.err).toMatch(line);
    expect(ran.err.trim().split('\n')).toHaveLength(1);
  });
});

describe.skipIf(MISSING !== '')(`gupfuzz live on this machine${MISSING && `: ${MISSING}`}`, () => {
  it('probe names every caller and page kind, with yes or why not', () => {
    const { code, out } = gupfuzz('live', 'probe');
    expect(code).toBe(0);
    for (const caller of ['vmsplice', 'fixed_buffer', 'process_vm_readv', 'o_direct_write'])
      expect(out).toMatch(new RegExp(`^ {2}caller ${caller} +(yes|no: .+)$`, 'm'));
    expect(out).toMatch(/^ {2}page anon +yes$/m);
  });

  it('run: what was seen beside what each policy predicts; what cannot be had is unsupported', () => {
    const { out } = gupfuzz('live', 'run', entry('b01'), entry('b18'), '--repeat', '3');
    expect(out).toMatch(/b18\S* on host \S+: unsupported: .*no system call takes a long-term R pin/);
    expect(out).toMatch(/^host \S+: 1 of 2 scenarios tested; best fit: /m);
  });

  it('fuzz: the canary is told from this kernel, and the finding is kept as a file', () => {
    const { code, out, err } = gupfuzz(
      ...['live', 'fuzz', '--policy', 'canary', '--runs', '300', '--seed', '1', '--out', 'found'],
    );
    expect(code).toBe(1);
    expect(out).toMatch(/disagreement: \d+ x /);
    expect(err).toContain('saved found/');
    const files = readdirSync(join(temp, 'found')).filter((name) => name.endsWith('.gup.json'));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) {
      const file = parseCounterexample(readFileSync(join(temp, 'found', name), 'utf8'), name);
      expect(file.steps.length).toBeLessThanOrEqual(8);
      expect(file.explanation).toMatch(/canary has .*, the kernel has /);
    }
  });
});
