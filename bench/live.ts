/**
 * `npm run bench:live`: what running programs on a kernel costs: the running kernel, and every kernel in the cache in a
 * VM. Boot to the first result, programs a second, and the profile: what one more step of each kind adds. Writes
 * docs/live-speed.md with `--write`. Times are of the machine it runs on: compare within one run. Nothing here is a
 * test.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fuzzLive } from '../src/live/fuzz.ts';
import { openHost } from '../src/live/host.ts';
import type { Kernel, LivePage, LiveProgram, LiveStep } from '../src/live/protocol.ts';
import { harm } from '../src/live/report.ts';
import { listKernels, openVms } from '../src/live/vm/index.ts';
import { policyByName } from '../src/policies/index.ts';

const ROUNDS = 5;
/** Programs per round, on this kernel and in emulation. */
const HOST_PROGRAMS = 500;
const VM_PROGRAMS = 60;
const SCENARIOS = { host: 5000, vm: 600 } as const;

const anon: LivePage = { kind: 'anon', prot: 'rw', file: -1 };
const shared: LivePage = { kind: 'shared-file', prot: 'rw', file: 0 };
const programOf = (page: LivePage, steps: readonly LiveStep[]): LiveProgram => ({
  pages: [page],
  files: page.kind === 'shared-file' ? ['dir'] : [],
  steps,
});

const read: LiveStep = { op: 'read', mm: 0, page: 0 };
const fork: LiveStep = { op: 'fork', mm: 0, child: 1 };
const write = (mm: number, token: number): LiveStep => ({ op: 'write', mm, page: 0, token });
const gup = (caller: 'vmsplice' | 'fixed_buffer' | 'process_vm_writev'): LiveStep => ({
  op: 'gup',
  mm: 0,
  page: 0,
  ref: 0,
  caller,
});

/** The program that the target is stated for: fork, register a buffer, both store, the device stores. */
const TYPICAL = programOf(anon, [
  write(0, 1),
  gup('fixed_buffer'),
  fork,
  write(0, 2),
  write(1, 3),
  { op: 'dma_write', ref: 0, token: 4 },
  read,
]);

const ONE_LOAD = programOf(anon, [read]);
const ONE_FILE_LOAD = programOf(shared, [read]);

/** Two programs each: the difference is what the steps in the name take. */
const PROFILE: readonly (readonly [name: string, without: LiveProgram | undefined, program: LiveProgram])[] =
  [
    ['start and end of a program, one load', undefined, ONE_LOAD],
    ['load or store', ONE_LOAD, programOf(anon, [read, read])],
    ['fork, and the end of the child', ONE_LOAD, programOf(anon, [read, fork])],
    ['vmsplice', ONE_LOAD, programOf(anon, [read, gup('vmsplice')])],
    ['register a buffer', ONE_LOAD, programOf(anon, [read, gup('fixed_buffer')])],
    [
      'register and unregister a buffer',
      ONE_LOAD,
      programOf(anon, [read, gup('fixed_buffer'), { op: 'unpin', ref: 0 }]),
    ],
    [
      'process_vm_writev, held, with its transfer',
      ONE_LOAD,
      programOf(anon, [read, gup('process_vm_writev'), { op: 'dma_write', ref: 0, token: 1 }]),
    ],
    [
      'O_DIRECT read',
      ONE_LOAD,
      programOf(anon, [read, { op: 'dio', mm: 0, page: 0, write: false, token: 1 }]),
    ],
    ['a file of its own', ONE_LOAD, ONE_FILE_LOAD],
    [
      'store to a file page and fsync',
      ONE_FILE_LOAD,
      programOf(shared, [read, write(0, 1), { op: 'fsync', file: 0 }]),
    ],
    ['reclaim and read again', ONE_FILE_LOAD, programOf(shared, [read, { op: 'reclaim', file: 0 }, read])],
  ];

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Milliseconds per program: medians of rounds, in which each program has its turn. */
async function timed(kernel: Kernel, programs: readonly LiveProgram[], count: number): Promise<number[]> {
  const times: number[][] = programs.map(() => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, program] of programs.entries()) {
      const start = performance.now();
      const results = await kernel.run(Array.from({ length: count }, () => program));
      times[i]!.push((performance.now() - start) / count);
      const bad = results.find((r) => r.end !== 'ok');
      if (bad !== undefined) throw new Error(`${kernel.name}: ${bad.end} ${bad.why}`);
    }
  return times.map(median);
}

interface Column {
  readonly name: string;
  /** Milliseconds from the call to the first result. */
  readonly bootMs: number;
  /** Programs a second. */
  readonly typical: number;
  readonly random: number;
  /** Random scenarios a second with an executor or a machine per processor. */
  readonly randomAll: number;
  /** Milliseconds per row of the profile. */
  readonly profile: readonly number[];
}

async function column(
  open: (many: number) => Promise<Kernel>,
  policy: string,
  host: boolean,
): Promise<Column> {
  const count = host ? HOST_PROGRAMS : VM_PROGRAMS;
  const start = performance.now();
  const kernel = await open(1);
  await kernel.run([TYPICAL]);
  const bootMs = performance.now() - start;
  const random = async (on: Kernel): Promise<number> => {
    const runs = host ? SCENARIOS.host : SCENARIOS.vm;
    const fuzz = { kernel: on, policy: policyByName(policy), seed: 3, runs, findingsMax: 0, repeats: 1 };
    const { kernelMs, runs: done } = await fuzzLive({ ...fuzz, ...(host ? { refuse: harm } : {}) });
    return (done / kernelMs) * 1000;
  };
  try {
    const wanted = PROFILE.flatMap(([, without, program]) =>
      without === undefined ? [program] : [without, program],
    );
    const programs = [...new Set(wanted)];
    const [typicalMs, ...ms] = await timed(kernel, [TYPICAL, ...programs], count);
    const msOf = (program: LiveProgram | undefined): number =>
      program === undefined ? 0 : ms[programs.indexOf(program)]!;
    const one = await random(kernel);
    const all = await open(availableParallelism());
    try {
      return {
        name: kernel.name,
        bootMs,
        typical: 1000 / typicalMs!,
        random: one,
        randomAll: await random(all),
        profile: PROFILE.map(([, without, program]) => msOf(program) - msOf(without)),
      };
    } finally {
      await all.close();
    }
  } finally {
    await kernel.close();
  }
}

/** Of the cache, by era. */
const policyFor = (release: string): string =>
  release.startsWith('5.10.') ? 'page-count' : release.startsWith('6.1.') ? 'pae' : 'longterm-ban';

const columns: Column[] = [];
const add = async (...args: Parameters<typeof column>): Promise<void> => {
  const made = await column(...args);
  process.stderr.write(`${made.name}: ${made.typical.toFixed(0)} programs/s\n`);
  columns.push(made);
};
await add((executors) => openHost({ executors }), 'longterm-ban', true);
for (const { release } of listKernels())
  await add(
    async (machines) => (await openVms([{ kernel: release }], machines))[0]!,
    policyFor(release),
    false,
  );

const n = (value: number): string => Math.round(value).toLocaleString('en-US');
const ms = (value: number): string => (Math.abs(value) < 0.1 ? value.toFixed(3) : value.toFixed(1));
const row = (name: string, value: (c: Column) => string): string =>
  `| ${name} | ${columns.map(value).join(' | ')} |`;
const text = `# What running programs on a kernel costs

Written by \`npm run bench:live -- --write\`, on ${availableParallelism()} processors (${cpus()[0]?.model.trim() ?? 'unknown'}); VMs are emulated. Each number
is the median of ${ROUNDS} rounds; the random scenarios are those of [live](live.md), ${SCENARIOS.host.toLocaleString('en-US')} here and ${SCENARIOS.vm} in VMs.

| | ${columns.map((c) => c.name).join(' | ')} |
|---|${columns.map(() => '---:|').join('')}
${[
  row('to the first result, s', (c) => (c.bootMs / 1000).toFixed(1)),
  row('fork, register, both store, DMA: programs/s', (c) => n(c.typical)),
  row('random scenarios/s', (c) => n(c.random)),
  row(`random scenarios/s, ${availableParallelism()} at a time`, (c) => n(c.randomAll)),
  ...PROFILE.map(([name], i) => row(`${name}, ms`, (c) => ms(c.profile[i]!))),
].join('\n')}

Only VMs are multiplied by \`live vm --runs\`: on one kernel, what the kernel says in its log would be laid to every program
that runs at that time.
`;
process.stdout.write(text);
if (process.argv.includes('--write')) writeFileSync('docs/live-speed.md', text);
