import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from 'tap-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Counterexample, parseCounterexample } from '../scenario/file.ts';
import { exportC } from './export-c.ts';

const CATALOGUE = fileURLToPath(new URL('../../counterexamples/', import.meta.url));
const all = readdirSync(CATALOGUE)
  .filter((f) => f.endsWith('.gup.json'))
  .map((f): [string, Counterexample] => [
    f.split('-')[0]!,
    parseCounterexample(readFileSync(join(CATALOGUE, f), 'utf8'), f),
  ]);
const SUPPORTED = ['b01', 'b02', 'b06', 'b09', 'b12', 'b17', 'b21', 'b40', 'b58'];
const supported = all.filter(([name]) => SUPPORTED.includes(name));

function exported(name: string): Exclude<ReturnType<typeof exportC>, { readonly unsupported: string }> {
  const c = exportC(all.find(([n]) => n === name)![1], `${name}.gup.json`);
  if ('unsupported' in c) throw new Error(c.unsupported);
  return c;
}

describe('export', () => {
  it('writes these of the catalogue, and says in one line why not the others', () => {
    const done = all.map(([name, c]) => [name, exportC(c, name)] as const);
    expect(done.flatMap(([name, e]) => ('text' in e ? [name] : []))).toEqual(SUPPORTED);
    for (const [, e] of done) if ('unsupported' in e) expect(e.unsupported).toMatch(/^[^\n]{10,200}$/);
  });

  it('tells the story of B17 in main', () => {
    const { text, checks } = exported('b17');
    expect(checks).toBe(1);
    expect(text).toContain(
      'need("step 3: process_vm_readv", hold_process_vm_call(h1, process[P].pid, A, 0));',
    );
    expect(text).toContain('check(got, "step 5: the device reads through h1", 4, END);');
    expect(text).toContain(' * Expected to fail on: up to v5.7; v5.11 to v5.17.\n');
  });

  it('has no helper that the steps do not need', () => {
    expect(exported('b01').text).not.toMatch(/io_uring|userfaultfd|pthread\.h|mprotect\(/);
    expect(exported('b09').text).not.toMatch(/vmsplice\(|userfaultfd|fork_child|exit_process/);
  });

  it.each(supported)('of %s fails where the catalogue has the promise broken', (name, c) => {
    for (const [policy, predicted] of Object.entries(exported(name).predicted))
      if (predicted !== 'skip')
        expect([policy, predicted]).toEqual([
          policy,
          c.expect[policy]!.verdict === 'violated' ? 'not ok' : 'ok',
        ]);
  });
});

const compiler = spawnSync('cc', ['--version']).status === 0;
const [major, minor] = release().split('.').map(Number) as [number, number];
const era = major > 6 || (major === 6 && minor >= 5) ? 'v6.5-longterm-ban' : '';
const why = !compiler ? 'no C compiler' : era === '' ? `no policy is known to fit ${release()}` : '';

describe.skipIf(why !== '')(`an exported program, compiled and run here${why && ` (${why})`}`, () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-export-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it.each(SUPPORTED)('%s: no warnings, and the verdict of the model', async (name) => {
    const { text, checks, predicted } = exported(name);
    const source = join(dir, `${name}.c`);
    writeFileSync(source, text);
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', join(dir, name), source]);
    const run = spawnSync(join(dir, name), { cwd: dir, encoding: 'utf8', timeout: 30_000 });
    const tap = Parser.parse(run.stdout, { strict: false }) as unknown[][];
    const asserts = tap
      .filter(([kind]) => kind === 'assert')
      .map(([, a]) => a as { ok: boolean; skip?: string });
    expect(run.stdout.split('\n').slice(0, 2)).toEqual(['TAP version 13', `1..${checks}`]);
    expect(asserts).toHaveLength(checks);
    // Lacking rights are no verdict.
    if (run.status === 4) expect(asserts.some((a) => a.skip)).toBe(true);
    else {
      expect(run.status).toBe(asserts.every((a) => a.ok) ? 0 : 1);
      expect(run.status === 0 ? 'ok' : 'not ok').toBe(predicted[era]);
    }
  });
});
