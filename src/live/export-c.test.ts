import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from 'tap-parser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../domain/kinds.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { parseAny } from '../scenario/text.ts';
import type { Step } from '../scenario/scenario.ts';
import { frame } from './export/frame.ts';
import { exportC } from './export-c.ts';
import type { Kernel } from './protocol.ts';
import { listKernels, openVm } from './vm/index.ts';
import { onPath, QEMU } from './vm/machine.ts';

const CATALOGUE = fileURLToPath(new URL('../../counterexamples/', import.meta.url));
const all = readdirSync(CATALOGUE)
  .filter((f) => f.endsWith('.gup.json'))
  .map((f): [string, Counterexample] => [
    f.split('-')[0]!,
    parseCounterexample(readFileSync(join(CATALOGUE, f), 'utf8'), f),
  ]);
const SUPPORTED = ['b01', 'b02', 'b06', 'b09', 'b12', 'b17', 'b21', 'b40', 'b58'];
const supported = all.filter(([name]) => SUPPORTED.includes(name));

const gup = (page: string, caller: Caller, write: boolean, result: string): Step => ({
  task: 'P',
  op: 'gup',
  page,
  caller,
  write,
  longterm: false,
  fast: false,
  result,
});
const FILE = [{ name: 'f', filesystem: 'ext4-v5.18' }] as const;

/** Scenarios with files, and how many checks each has. */
const BY_HAND: readonly (readonly [string, number, Pick<Counterexample, 'setup' | 'steps'>])[] = [
  [
    'writeback of what a store and a pin wrote',
    4,
    {
      setup: {
        pages: [{ name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' }],
        files: FILE,
        mms: 1,
        refs: 1,
        pinBias: 1024,
      },
      steps: [
        { task: 'P', op: 'write', page: 'F' },
        { task: 'kernel', op: 'wb_start', file: 'f', mode: 'NONE' },
        { task: 'kernel', op: 'wb_end', file: 'f' },
        { task: 'other', op: 'fsync', file: 'f' },
        gup('F', 'pin', true, 'h1'),
        { task: 'kernel', op: 'wb_start', file: 'f', mode: 'ALL' },
        { task: 'device', op: 'dma_write', ref: 'h1' },
        { task: 'device', op: 'unpin', ref: 'h1', dirty: true },
        { task: 'other', op: 'buffered_read', file: 'f' },
        { task: 'other', op: 'fsync', file: 'f' },
        { task: 'P', op: 'read', page: 'F' },
      ],
    },
  ],
  [
    'write(2) under a private mapping',
    5,
    {
      setup: {
        pages: [
          { name: 'M', kind: 'private-file', prot: 'rw', file: 'f' },
          { name: 'S', kind: 'shmem', prot: 'rw', file: 's' },
        ],
        files: [...FILE, { name: 's', filesystem: 'shmem' }],
        mms: 1,
        refs: 0,
        pinBias: 1024,
      },
      steps: [
        { task: 'other', op: 'buffered_read', file: 'f' },
        { task: 'kernel', op: 'drop_caches', file: 'f' },
        { task: 'P', op: 'write', page: 'M' },
        { task: 'other', op: 'buffered_write', file: 'f' },
        { task: 'other', op: 'buffered_write', file: 's' },
        { task: 'other', op: 'fsync', file: 'f' },
        { task: 'kernel', op: 'drop_caches', file: 'f' },
        { task: 'other', op: 'buffered_read', file: 'f' },
        { task: 'P', op: 'read', page: 'M' },
        { task: 'P', op: 'read', page: 'S' },
      ],
    },
  ],
  [
    'O_DIRECT between two processes',
    5,
    {
      setup: {
        pages: [
          { name: 'A', kind: 'anon', prot: 'rw' },
          { name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' },
        ],
        files: FILE,
        mms: 2,
        refs: 1,
        pinBias: 1024,
      },
      steps: [
        { task: 'P', op: 'write', page: 'A' },
        { task: 'P', op: 'fork', result: 'C' },
        gup('A', 'o_direct_read', true, 'h1'),
        { task: 'device', op: 'dio_end', ref: 'h1' },
        { task: 'C', op: 'read', page: 'A' },
        gup('A', 'o_direct_write', false, 'h2'),
        { task: 'device', op: 'dio_end', ref: 'h2' },
        gup('F', 'o_direct_read', true, 'h3'),
        { task: 'device', op: 'dio_end', ref: 'h3' },
        { task: 'C', op: 'read', page: 'F' },
        { task: 'other', op: 'fsync', file: 'f' },
        { task: 'P', op: 'read', page: 'A' },
      ],
    },
  ],
];

function byHand(name: string): Exclude<ReturnType<typeof exportC>, { readonly unsupported: string }> {
  const [, , scenario] = BY_HAND.find(([n]) => n === name)!;
  const c = exportC({ ...all[0]![1], title: name, explanation: name, seen: null, ...scenario }, 'by hand');
  if ('unsupported' in c) throw new Error(c.unsupported);
  return c;
}

function exported(name: string): Exclude<ReturnType<typeof exportC>, { readonly unsupported: string }> {
  const c = exportC(all.find(([n]) => n === name)![1], `${name}.gup.json`);
  if ('unsupported' in c) throw new Error(c.unsupported);
  return c;
}

/** Programs in which steps are errors, or change nothing, and the checks that each has. */
const ERRORS: readonly (readonly [string, string, readonly string[]])[] = [
  ['mprotect to the protection it has', 'page A anon rw\nP: mprotect A rw\n', ['no effect']],
  [
    'MADV_DONTFORK on shared memory',
    `file s shmem
page S shmem rw s
h1 = P: gup S pin W LONGTERM
P: madvise S dontfork
C = P: fork
C: write S
device: dma_read h1
`,
    ['SIGSEGV', 'the device reads through h1'],
  ],
  [
    'memory on the same page as a registered buffer',
    `page A anon rw
P: write A
P: madvise A dontfork
h1 = P: gup A pin W LONGTERM
C = P: fork
C: write A
device: dma_read h1
`,
    ['SIGSEGV', 'the device reads through h1'],
  ],
  [
    'a store to a mapping made read-only',
    'page A anon rw\nP: write A\nP: mprotect A r\nP: write A\nP: read A\n',
    ['SIGSEGV', 'P loads from A'],
  ],
  [
    'all that can be an error',
    `page A anon rw
page M private-file r f
page S shmem rw s
file f ext4-v5.18
file s shmem
P: read M
P: write M
h0 = P: gup M o_direct_read W
device: dio_end h0
h5 = P: gup M process_vm_writev W
device: dma_write h5
device: unpin h5 dirty
P: munmap A
P: munmap A
P: read A
P: mprotect A r
P: madvise A dontneed
h1 = P: gup A vmsplice R
device: dma_read h1
h2 = P: gup A process_vm_readv R
h3 = P: gup A fixed_buffer W LONGTERM
h4 = P: gup A o_direct_write R
device: dio_end h4
P: madvise S dofork
other: fsync s
P: write S
P: read S
`,
    [
      'P loads from M',
      'SIGSEGV',
      'EFAULT',
      'EFAULT',
      'no effect',
      'SIGSEGV',
      'ENOMEM',
      'ENOMEM',
      'EFAULT',
      'EFAULT',
      'EFAULT',
      'EFAULT',
      'no effect',
      'P loads from S',
    ],
  ],
];
function withErrors(name: string): Exclude<ReturnType<typeof exportC>, { readonly unsupported: string }> {
  const [, text] = ERRORS.find(([n]) => n === name)!;
  const c = exportC(parseAny(text, `${name}.gup`).counterexample, 'by hand');
  if ('unsupported' in c) throw new Error(c.unsupported);
  return c;
}

/** A program with a page, a file, a process and a reference of these names. */
const named = (page: string, file: string, child: string, ref: string): Counterexample =>
  parseAny(
    `page ${page} shared-file rw ${file}\nfile ${file} ext4-v5.18\n${child} = P: fork\n` +
      `${ref} = P: gup ${page} process_vm_readv R\n${child}: write ${page}\ndevice: dma_read ${ref}\n` +
      `device: unpin ${ref}\nother: fsync ${file}\n`,
    'names.gup',
  ).counterexample;

/** The names of the enumerators of a program, but those that count them. */
const enumerators = (text: string): string[] =>
  [...text.matchAll(/^enum \{ (.*), [A-Z]+ \};$/gm)].flatMap(([, names]) => names!.split(', '));

describe('export', () => {
  it.each(ERRORS)('checks the errors of: %s', (name, _, checks) => {
    const { text, predicted } = withErrors(name);
    const names = [...text.matchAll(/\tcheck(?:_result)?\(.*"step \d+: (.*)", .*\);$/gm)].map(([, n]) => n!);
    expect(names.map((n, i) => (n.endsWith(checks[i]!) ? checks[i] : n))).toEqual(checks);
    expect(new Set(Object.values(predicted))).toEqual(new Set(['ok']));
  });

  it('catches SIGSEGV only where it has to come', () => {
    expect(withErrors('a store to a mapping made read-only').text).toContain(
      'check_result(on(P, store_or_segv, A, 3), "step 3: P stores to A: SIGSEGV", -EFAULT);',
    );
    expect(exported('b01').text).not.toMatch(/sigsetjmp|check_result/);
  });

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

  it.each(BY_HAND)('checks each observation of: %s', (name, checks) => {
    const { text, predicted } = byHand(name);
    expect(text.match(/^\tcheck\(got/gm)).toHaveLength(checks);
    expect(byHand(name).checks).toBe(checks);
    expect(predicted['v6.5-longterm-ban']).toBe('ok');
  });

  it('makes O_DIRECT one step', () => {
    const { text } = byHand('O_DIRECT between two processes');
    expect(text).toContain('/* 3 and 4. P reads into A with O_DIRECT */');
    expect(text).toContain('check(got, "step 7: P writes from A with O_DIRECT", 4, END);');
  });

  it('says of B46, reclaim and O_DIRECT that is held why there is no program', () => {
    const why = (name: string) => exportC(all.find(([n]) => n === name)![1], name);
    expect(why('b46')).toEqual({ unsupported: 'no step of it observes anything that a program can see' });
    expect(why('b07')).toMatchObject({ unsupported: expect.stringContaining('O_DIRECT cannot be held') });
    const [, , files] = BY_HAND[0]!;
    const steps: Step[] = [{ task: 'kernel', op: 'reclaim', file: 'f' }, ...files.steps];
    expect(exportC({ ...all[0]![1], ...files, steps, seen: null }, 'by hand')).toEqual({
      unsupported: 'kernel: reclaim f: export does not write this operation',
    });
  });

  it('maps a page that nobody may write read-only', () => {
    const steps: Step[] = [{ task: 'P', op: 'read', page: 'A' }];
    const setup = {
      pages: [{ name: 'A', kind: 'anon', prot: 'r' }],
      files: [],
      mms: 1,
      refs: 0,
      pinBias: 1024,
    };
    const c = exportC({ ...all[0]![1], setup, steps, seen: null } as Counterexample, 'by hand');
    expect(c).toMatchObject({ text: expect.stringContaining('\tmap_page(A, PROT_READ, MAP_PRIVATE') });
  });

  it('asks of the disk what the last store left there', () => {
    const { text } = byHand('writeback of what a store and a pin wrote');
    expect(text.match(/^\tcheck\(got, "step \d+: fsync.*$/gm)).toEqual([
      '\tcheck(got, "step 4: fsync of f; what the disk holds then", 1, END);',
      '\tcheck(got, "step 10: fsync of f; what the disk holds then", 7, END);',
    ]);
  });

  it('skips the rest where a call succeeds that the story has refused', () => {
    const { text } = exported('b58');
    expect(text).toMatch(/register_fixed_buffer.*;\n.*"# step 2: .*\n\tif \(got >= 0\)\n\t\tskip\("step 2: /);
  });

  it('is skipped on an era where a gup is refused that its story has granted', () => {
    // io_uring once took no page of a file, not even a private copy of it.
    const setup = { ...BY_HAND[1]![2].setup, refs: 1 };
    const steps: Step[] = [
      { task: 'P', op: 'write', page: 'M' },
      { ...gup('M', 'fixed_buffer', true, 'h1'), longterm: true } as Step,
      { task: 'P', op: 'read', page: 'M' },
    ];
    const c = exportC({ ...all[0]![1], setup, steps, seen: null }, 'by hand');
    expect(c).toMatchObject({ predicted: { 'v5.11-page-count': 'skip', 'v6.5-longterm-ban': 'ok' } });
    expect(c).toMatchObject({
      text: expect.stringMatching(/^ \* Expected to be skipped on: up to v5\.7; /m),
    });
  });

  it('writes no program of steps that cannot be done', () => {
    const [, , { setup }] = BY_HAND[2]!;
    const steps: Step[] = [
      { task: 'P', op: 'write', page: 'A' },
      { task: 'X', op: 'read', page: 'A' },
    ];
    expect(exportC({ ...all[0]![1], setup, steps, seen: null }, 'by hand')).toEqual({
      unsupported: 'step 2 of 2 does not apply under v6.5-longterm-ban',
    });
  });

  it('is not ended by what a scenario is called', () => {
    const c = { ...all.find(([n]) => n === 'b17')![1], title: 'a */ int x; /* b', explanation: '/* */' };
    const e = exportC(c, '*/.gup.json');
    const text = 'text' in e ? e.text : '';
    const comment = text.slice(0, text.indexOf('#define _GNU_SOURCE'));
    expect(comment).toContain(' * a * / int x; / * b\n');
    expect([comment.split('/*').length, comment.split('*/').length]).toEqual([2, 2]);
  });

  it('ends main with one blank line, and defines only what is used', () => {
    for (const name of SUPPORTED) {
      const { text } = exported(name);
      expect(text).not.toMatch(/\n\n\n/);
      expect(text.includes('#define SECTOR')).toBe(text.includes('sizeof(sector)'));
    }
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

describe.skipIf(!compiler)(`the frame of a program${compiler ? '' : ' (no C compiler)'}`, () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-export-'));
    const headers = [
      'errno.h',
      'signal.h',
      'stdarg.h',
      'stdio.h',
      'stdlib.h',
      'string.h',
      'sys/mman.h',
      'unistd.h',
    ];
    const source = `#define _GNU_SOURCE
${headers.map((name) => `#include <${name}>`).join('\n')}
#define PAGE 4096
enum { P, PROCESSES };
enum { A, PAGES };
static char *page_at[PAGES];
${frame({ checks: 3, forks: false, exits: false, files: false, contents: true, results: true })}
int main(int argc, char **argv)
{
	begin();
	for (int i = 1; i < argc; i++)
		switch (argv[i][0]) {
		case 'k': check(4, "kept", 3, 4, END); break;
		case 'b': check(5, "broken", 3, 4, END); break;
		case 'f': need("call", -EPERM); break;
		case 'w': need("call", 0); break;
		case 'h': raise(SIGALRM); break;
		}
	return finish();
}
`;
    writeFileSync(join(dir, 'frame.c'), source);
    execFileSync('cc', ['-o', join(dir, 'frame'), join(dir, 'frame.c')]);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  // What happens in a program; what it says of each check, and what it exits with.
  it.each([
    ['k k w k', ['ok', 'ok', 'ok'], 0],
    ['k b k', ['ok', 'not ok', 'ok'], 1],
    ['k f k k', ['ok', 'skip', 'skip'], 4],
    ['b f k k', ['not ok', 'skip', 'skip'], 1],
  ] as const)('%s: %j, exit %i', (deeds, verdicts, code) => {
    const { status, stdout } = spawnSync(join(dir, 'frame'), deeds.split(' '), { encoding: 'utf8' });
    const said = stdout.split('\n').flatMap((line) => {
      const [, verdict, skip] = /^(ok|not ok) \d+ (# SKIP call: Operation not permitted)?/.exec(line) ?? [];
      return verdict === undefined ? [] : [skip === undefined ? verdict : 'skip'];
    });
    expect([said, status]).toEqual([verdicts, code]);
    const total = (what: string): string =>
      `${what}:${verdicts.filter((v) => v === { pass: 'ok', fail: 'not ok' }[what] || v === what).length}`;
    for (const what of ['pass', 'fail', 'skip']) expect(stdout).toContain(` ${total(what)} `);
  });

  it('a step that does not end is no pass', () => {
    const { status, stdout } = spawnSync(join(dir, 'frame'), ['k', 'h'], { encoding: 'utf8' });
    expect([status, stdout.split('\n').at(-2)]).toEqual([1, 'Bail out! a step did not end in time']);
  });
});

describe.skipIf(!compiler)(`names of a scenario${compiler ? '' : ' (no C compiler)'}`, () => {
  const NAMES = /[A-Za-z_]\w*/g;
  const PLAIN = /^(?:[A-Z]\d*|[a-hk-z]\d*)$/;
  const compile = (text: string, ...flags: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync('cc', [...flags, '-x', 'c', '-'], {
      input: text,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    return stdout;
  };
  const textOf = (c: Counterexample): string => {
    const e = exportC(c, 'names.gup');
    if ('unsupported' in e) throw new Error(e.unsupported);
    return e.text;
  };
  it('never clash with the helpers, the headers or C, whatever they are', () => {
    const code = [
      ...SUPPORTED.map((name) => exported(name)),
      ...BY_HAND.map(([name]) => byHand(name)),
      ...ERRORS.map(([name]) => withErrors(name)),
    ].map(({ text }) => text.slice(text.indexOf('#define _GNU_SOURCE')));
    const headers = [...new Set(code.flatMap((text) => text.match(/^#include .*$/gm)!))];
    const declared = compile(`#define _GNU_SOURCE\n${headers.join('\n')}\n`, '-E', '-dD');
    // Enumerators are names of the scenarios.
    const helpers = code.map((text) => text.replace(/^enum .*$/gm, '').split('int main(void)')[0]!);
    const taken = new Set([...helpers, declared].flatMap((text) => text.match(NAMES)!));
    for (const name of ['page_at', 'file_fd', 'process_vm_writev', 'held_call', 'SIGSEGV', 'int'])
      expect(taken).toContain(name);
    expect(taken.size).toBeGreaterThan(2000);
    expect([...taken].filter((name) => /^(?:process|page|file|ref)_\w+_$/.test(name))).toEqual([]);
    // What is short and plain stands as it is.
    expect([...declared.matchAll(/^#define (\w+)/gm)].filter(([, n]) => PLAIN.test(n!))).toEqual([]);
    // That this is what they are called.
    for (const name of ['at', 'fd', 'vm_writev', 'content_', 'int'])
      expect(enumerators(textOf(named(name, 'f', 'C', 'h1')))).toEqual([
        'process_P_',
        'process_C_',
        `page_${name}_`,
        'ref_h1_',
        'file_f_',
      ]);
    const plain = enumerators(code.join(''));
    expect(plain.filter((name) => !PLAIN.test(name))).toEqual([]);
  });
  it.each([
    ['at', 'fd', 'vm_writev', 'held_call'],
    ['PAGE', 'FILES', 'errno', 'SIGSEGV'],
    ['int', 'return', 'unix', 'linux'],
    ['E', 'I', 'B', 'c'],
  ])('compile without a warning: %s %s %s %s', (...names) => {
    const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-fsyntax-only'];
    for (let turn = 0; turn < names.length; turn++) {
      compile(textOf(named(...(names as [string, string, string, string]))), ...flags);
      names.unshift(names.pop()!);
    }
  });
});

const [major, minor] = release().split('.').map(Number) as [number, number];
const era = major > 6 || (major === 6 && minor >= 5) ? 'v6.5-longterm-ban' : '';
const why = !compiler ? 'no C compiler' : era === '' ? `no policy is known to fit ${release()}` : '';

describe.skipIf(why !== '')(`an exported program, compiled and run here${why && ` (${why})`}`, () => {
  let dir = '';
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-export-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const programs = [
    ...ERRORS.map(([name]) => [name, () => withErrors(name)] as const),
    ...SUPPORTED.map((name) => [name, () => exported(name)] as const),
    ...BY_HAND.map(([name]) => [name, () => byHand(name)] as const),
  ];
  it.each(programs)('%s: no warnings, and the verdict of the model', (_, program) => {
    const { text, checks, predicted } = program();
    const source = join(dir, 'test.c');
    writeFileSync(source, text);
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', join(dir, 'test'), source]);
    const run = spawnSync(join(dir, 'test'), { cwd: dir, encoding: 'utf8', timeout: 30_000 });
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

/** Speaks the executor's protocol: a program of n pages starts the n-th of PROGRAMS, and says how it went. */
const wrapper = (programs: readonly string[]): string => `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
${programs.map((name) => `int ${name}_main(void);`).join('\n')}
static int (*const PROGRAMS[])(void) = { ${programs.map((name) => `${name}_main`).join(', ')} };
int main(int argc, char **argv)
{
	char line[300];
	int id = 0, pages = 0;
	if (strcmp(argv[argc - 1], "--probe") == 0)
		return puts("cap release pretended\\ncap filesystem ext4\\ncap vmsplice ok\\ncap end ok") < 0;
	while (fgets(line, sizeof line, stdin)) {
		int out[2], status = -1, broken = 0;
		if (sscanf(line, "program %d pages %d", &id, &pages) == 2 || strcmp(line, "end\\n") != 0)
			continue;
		fflush(stdout);
		if (pipe(out))
			return 3;
		pid_t pid = fork();
		if (pid == 0) {
			dup2(out[1], 1);
			exit(PROGRAMS[pages - 1]());
		}
		close(out[1]);
		FILE *text = fdopen(out[0], "r");
		while (fgets(line, sizeof line, text)) {
			broken += strncmp(line, "not ok ", 7) == 0;
			fprintf(stderr, "export: %s", line);
		}
		fclose(text);
		waitpid(pid, &status, 0);
		printf("result %d\\n0 done %d\\n1 done %d\\nend %d ok\\n", id, WEXITSTATUS(status), broken, id);
		fflush(stdout);
	}
	return 0;
}
`;

const old = listKernels().find(({ release }) => release.startsWith('5.10.'));
const noVm = !compiler
  ? 'no C compiler'
  : !onPath(QEMU)
    ? `${QEMU} is missing`
    : old === undefined
      ? 'no 5.10 in the cache: gupfuzz kernels'
      : '';

describe.skipIf(noVm !== '')(
  `an exported program, built static, in a VM with 5.10${noVm && ` (${noVm})`}`,
  () => {
    let dir = '';
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), 'gupfuzz-export-vm-'));
    });
    let vm: Kernel | undefined;
    afterAll(async () => {
      await vm?.close();
      rmSync(dir, { recursive: true });
    });

    it('says not ok of B09 and B17', { timeout: 180_000 }, async () => {
      const names = ['b09', 'b17'];
      const objects = names.map((name) => {
        const source = join(dir, `${name}.c`);
        writeFileSync(source, exported(name).text);
        execFileSync('cc', ['-O2', '-c', `-Dmain=${name}_main`, '-o', `${source}.o`, source]);
        return `${source}.o`;
      });
      const source = join(dir, 'wrapper.c');
      const executor = join(dir, 'executor');
      writeFileSync(source, wrapper(names));
      execFileSync('cc', ['-O2', '-static', '-pthread', '-o', executor, source, ...objects]);
      vm = await openVm({ kernel: old!.release, executor, dir, alarm: 25_000 });
      const results = await vm.run(
        names.map((_, i) => ({
          pages: Array.from({ length: i + 1 }, () => ({ kind: 'anon', prot: 'rw', file: -1 }) as const),
          files: [],
          steps: [
            { op: 'read', mm: 0, page: 0 },
            { op: 'read', mm: 0, page: 0 },
          ],
        })),
      );
      // Exit status, and how many `not ok`.
      expect(results.map(({ steps }) => steps.map(({ value }) => value))).toEqual([
        [1, 1],
        [1, 1],
      ]);
    });
  },
);
