/** `gupfuzz live` and `gupfuzz export` through the compiled command line. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { entry, load } from '../testing/catalogue.ts';
import { gupfuzzIn, oneLine } from '../testing/cli.ts';
import { MISSING } from '../testing/executor.ts';
import { freshFolder } from '../testing/folder.ts';
import { writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

describe('gupfuzz live: flags', () => {
  it.each([
    [['live', 'run'], 2, /^gupfuzz: live run needs files$/],
    [['live', 'vm'], 2, /^gupfuzz: live vm needs --kernel$/],
    [['live', 'nothing'], 2, /^gupfuzz: what is "nothing"; allowed: probe, run, fuzz, vm$/],
    [['live', 'fuzz', '--runs', 'x'], 2, /^gupfuzz: --runs is "x"; allowed: a whole number/],
    [
      ['live', 'run', 'x', '--format', 'xml'],
      2,
      /^gupfuzz: --format is "xml"; allowed: text, json, junit, ktap$/,
    ],
    [
      ['live', 'probe', '--format', 'ktap'],
      2,
      /^gupfuzz: --format is "ktap"; allowed with live probe, .*: text, json$/,
    ],
    [['live', 'fuzz', '--kernel', '5.10'], 2, /^gupfuzz: --kernel is for live vm$/],
    [['export', '--to', 'rust', entry('b09')], 2, /^gupfuzz: --to is "rust"; allowed: c$/],
    [['export', '--to', 'c', entry('b18')], 4, /no system call takes a long-term R pin$/],
    [
      ['export', entry('b17'), '-o', 'none/b17.c'],
      3,
      /^gupfuzz: none\/b17\.c: cannot be written \(ENOENT\)$/,
    ],
  ] as const)('%j: one line, exit %i', (args, code, line) => {
    expect(oneLine(gupfuzz(args), code)).toMatch(line);
  });
});

describe('gupfuzz export', () => {
  it('writes the program that it prints to the file that it is told', () => {
    const printed = gupfuzz(['export', entry('b17')]);
    expect(gupfuzz(['export', '--to', 'c', entry('b17'), '-o', 'b17.c'])).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect([printed.code, readFileSync(folder.at('b17.c'), 'utf8')]).toEqual([0, printed.out]);
    expect(printed.out).toMatch(/^\/\/ SPDX-License-Identifier: .*return finish\(\);\n}\n$/s);
  });
});

describe.skipIf(MISSING !== '')(`gupfuzz live on this machine${MISSING && `: ${MISSING}`}`, () => {
  it('probe names every caller and page kind, with yes or why not', () => {
    const { code, out } = gupfuzz(['live', 'probe']);
    expect(code).toBe(0);
    for (const caller of ['vmsplice', 'fixed_buffer', 'process_vm_readv', 'o_direct_write'])
      expect(out).toMatch(new RegExp(`^ {2}caller ${caller} +(yes|no: .+)$`, 'm'));
    expect(out).toMatch(/^ {2}page anon +yes$/m);
    const { kernels } = JSON.parse(gupfuzz(['live', 'probe', '--format', 'json']).out);
    expect(kernels).toMatchObject([
      { kernel: expect.stringMatching(/^host /), callers: { vmsplice: expect.any(String) } },
    ]);
  });

  it('a policy that fails explains nothing, and exits with 3', () => {
    const fails = writePolicy(folder, 'fails', `gupSlow: [table(otherwise('read fault'))]`);
    const files = gupfuzz(['live', 'run', entry('b01'), '--policy', fails, '--repeat', '2']);
    expect([files.code, files.out]).toEqual([3, expect.stringContaining(': policy error: fails: step ')]);
    const fuzzed = gupfuzz(['live', 'fuzz', '--policy', fails, '--runs', '64', '--format', 'ktap']);
    expect(fuzzed.code).toBe(3);
    expect(fuzzed.out).toMatch(/^ {2}not ok 1 fails # (?:ERROR policy error: fails: step )/m);
  });

  it('run: what was seen beside what each policy predicts; what cannot be had is unsupported', () => {
    const { out } = gupfuzz(['live', 'run', entry('b01'), entry('b18'), '--repeat', '3']);
    expect(out).toMatch(/b18\S* on host \S+: unsupported: .*no system call takes a long-term R pin/);
    expect(out).toMatch(/^host \S+: 1 of 2 scenarios tested; best fit: /m);
  });

  it('fuzz: the canary is told from this kernel, and the finding is kept as a file', () => {
    const flags = '--policy canary --runs 300 --seed 1 --out found'.split(' ');
    const { code, out, err } = gupfuzz(['live', 'fuzz', ...flags]);
    expect(code).toBe(1);
    expect(out).toMatch(/disagreement: \d+ x /);
    expect(err).toContain('saved found/');
    const files = readdirSync(folder.at('found')).filter((name) => name.endsWith('.gup.json'));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) {
      const file = load(folder.at('found', name));
      expect(file.steps.length).toBeLessThanOrEqual(8);
      expect(file.explanation).toMatch(/canary has .*, the kernel has /);
    }
  });
});
