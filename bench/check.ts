/**
 * `npm run bench:check`: how fast exhaustive search is, where the time goes, what a state takes, what a second thread
 * brings, and how states and time grow with each dimension of the scope. Writes docs/growth.md with `--write`.
 * Times are of the machine it runs on: compare within one run. Nothing here is a test.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { drive } from '../src/campaign/drive.ts';
import { fingerprint } from '../src/check/fingerprint.ts';
import type { Grain } from '../src/check/key.ts';
import { PolicyModel, type PolicySpec } from '../src/check/model.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../src/check/scope.ts';
import { Exploration } from '../src/check/search.ts';
import type { PageKind } from '../src/domain/kinds.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { gupVariant } from '../src/ops/gup.ts';
import { OP_KINDS } from '../src/ops/op.ts';
import { policyByName } from '../src/policies/index.ts';

const GIB = 2 ** 30;
/** A row of the growth table ends here, if not before. */
const STATES_MAX = 3e6;
const ROUNDS = 3;

const gup = (text: string): number => {
  const [caller, write, longterm] = text.split(':') as ['get' | 'pin', string, string | undefined];
  return gupVariant(caller, write === 'W', longterm === 'lt', false);
};
const GUPS = {
  'pin W': [gup('pin:W')],
  'pin R, W': [gup('pin:R'), gup('pin:W')],
  'pin, get R, W': [gup('get:R'), gup('get:W'), gup('pin:R'), gup('pin:W')],
  plain: PLAIN_GUPS,
} as const;
/** `base`: without mprotect, madvise and munmap. */
const BASE = ['mprotect', 'madvise', 'munmap'];

interface Case {
  readonly policy?: string;
  readonly pages?: readonly PageKind[];
  readonly mms?: number;
  readonly refs?: number;
  readonly gups?: keyof typeof GUPS;
  readonly ops?: 'base' | 'all';
  readonly grain?: Grain;
}
const FILLED: Required<Case> = {
  policy: 'v6.5-longterm-ban',
  pages: ['anon'],
  mms: 2,
  refs: 2,
  gups: 'pin R, W',
  ops: 'base',
  grain: 'class',
};
function specOf(given: Case): PolicySpec {
  const c = { ...FILLED, ...given };
  const setup = { ...pagesOf(c.pages, 'ext4-v5.18'), mms: c.mms, refs: c.refs, pinBias: 1024 };
  const whole = alphabetFor(setup, c.refs === 0 ? [] : GUPS[c.gups]);
  const ops = whole.ops.map((on, at) => on && (c.ops === 'all' || !BASE.includes(OP_KINDS[at]!)));
  return {
    setup,
    policy: expandPolicy(policyByName(c.policy)),
    alphabet: { ...whole, ops },
    symmetry: 'all',
    grain: c.grain,
  };
}

interface Measured {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  readonly closed: boolean;
  readonly seconds: number;
  /** Of the table per visited state; of everything at its largest. */
  readonly bytesPerState: number;
  readonly peak: number;
  readonly stateBytes: number;
}
async function measure(given: Case, threads = 1, statesMax = STATES_MAX): Promise<Measured> {
  let peak = 0;
  const start = performance.now();
  const { exploration: x, stopped } = await drive(specOf(given), {
    depthMax: Number.POSITIVE_INFINITY,
    statesMax,
    memoryMax: 16 * GIB,
    threads,
    onProgress: (p) => {
      peak = Math.max(peak, p.bytes);
    },
  });
  return {
    states: x.states,
    transitions: x.transitions,
    depth: x.depth,
    closed: stopped === 'closed',
    seconds: (performance.now() - start) / 1000,
    bytesPerState: x.table.bytes / x.states,
    peak: Math.max(peak, x.bytes),
    stateBytes: x.size * 4,
  };
}
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

/** Nanoseconds per transition of parts, over transitions that a search makes: of its first layer of 500 states. */
function parts(given: Case): Record<'load' | 'step' | 'encode' | 'fingerprint', number> {
  const search = new Exploration(new PolicyModel(specOf(given)), STATES_MAX);
  while (search.layer.count < 500 && search.state === 'open') search.advance();
  const model = new PolicyModel(specOf(given));
  const out = new Int32Array(2 * model.stepsMax + 64);
  const print = new Int32Array(3);
  const states = search.layer.words;
  const steps = new Int32Array(4096);
  const at = (i: number): number => (i % search.layer.count) * model.size;
  for (let i = 0; i < 4096; i++) {
    model.load(states, at(i));
    steps[i] = out[(i >> 3) % model.enumerate(out)]!;
  }
  const per = (work: (i: number) => void): number => {
    const times: number[] = [];
    for (let round = 0; round < 120; round++) {
      const start = performance.now();
      for (let i = 0; i < 4096; i++) work(i);
      times.push(((performance.now() - start) * 1e6) / 4096);
    }
    return median(times.slice(60));
  };
  const load = per((i) => model.load(states, at(i)));
  const step = per((i) => {
    model.load(states, at(i));
    model.step(steps[i]!);
  });
  const encode = per((i) => {
    model.load(states, at(i));
    model.key.encode();
  });
  const whole = per((i) => {
    model.load(states, at(i));
    fingerprint(model.key.words, model.key.encode(), print);
  });
  return { load, step: step - load, encode: encode - load, fingerprint: whole - encode };
}

const lines: string[] = [];
const say = (line = ''): void => {
  lines.push(line);
  process.stderr.write(`${line}\n`);
};
const n = (value: number): string => Math.round(value).toLocaleString('en');
const size = (bytes: number): string =>
  bytes >= GIB
    ? `${(bytes / GIB).toFixed(1)} GiB`
    : `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;

say('# How exhaustive search grows');
say();
say(
  `Written by \`npm run bench:check -- --write\`. Times are of one ${cpus().length}-core machine (${cpus()[0]?.model ?? '?'},`,
);
say(
  `Node ${process.versions.node}) and hold as ratios; counts hold everywhere. One thread unless said. \`base\` operations: all but`,
);
say('mprotect, madvise and munmap. "Memory": visited states and the two layers in hand, at the most.');
say();
say('## Targets and speed');
say();
say('| what | states | transitions | depth | time | M transitions/s | bytes per visited state |');
say('|---|---|---|---|---|---|---|');
const TARGETS: readonly (readonly [string, Case])[] = [
  ['exclusive (v6.2), PIN, 2 mms, 1 page, 2 refs', { policy: 'v6.2-anon-exclusive' }],
  ['the same, v5.7, to closure', { policy: 'v5.7-mapcount' }],
  ['the same, v5.11, to closure', { policy: 'v5.11-page-count' }],
  ['exclusive, PIN, 3 mms', { policy: 'v6.2-anon-exclusive', mms: 3 }],
  [
    'exclusive, GET and PIN, property grain',
    { policy: 'v6.2-anon-exclusive', gups: 'pin, get R, W', grain: 'property' },
  ],
  ['exclusive, GET and PIN', { policy: 'v6.2-anon-exclusive', gups: 'pin, get R, W' }],
  [
    'exclusive, PIN, 2 pages, property grain',
    { policy: 'v6.2-anon-exclusive', pages: ['anon', 'anon'], grain: 'property' },
  ],
  ['exclusive, PIN, 2 pages', { policy: 'v6.2-anon-exclusive', pages: ['anon', 'anon'] }],
  ['exclusive, PIN, every operation', { policy: 'v6.2-anon-exclusive', ops: 'all' }],
];
await measure({ ...TARGETS[3]![1] }); // warm-up
for (const [name, given] of TARGETS) {
  const runs: Measured[] = [];
  for (let i = 0; i < ROUNDS; i++) runs.push(await measure(given));
  const m = runs[0]!;
  const seconds = median(runs.map((r) => r.seconds));
  say(
    `| ${name} | ${n(m.states)} | ${n(m.transitions)} | ${m.closed ? '' : '> '}${m.depth} | ${seconds.toFixed(2)} s | ` +
      `${(m.transitions / seconds / 1e6).toFixed(2)} | ${m.bytesPerState.toFixed(0)} |`,
  );
}
say();
say('## Where a transition goes');
say();
say('| scope | loading a state | the step | canonical key | fingerprint | key and fingerprint, share |');
say('|---|---|---|---|---|---|');
for (const [name, given] of [
  ['anon, 2 mms, 1 page, 2 refs', {}],
  ['anon, 3 mms, 1 page, 2 refs', { mms: 3 }],
  ['anon, 2 mms, 2 pages, 2 refs', { pages: ['anon', 'anon'] }],
  [
    'shared file, 1 mm, 2 refs, plain, every operation',
    { pages: ['shared-file'], mms: 1, gups: 'plain', ops: 'all' },
  ],
] as readonly (readonly [string, Case])[]) {
  const p = parts(given);
  const all = p.load + p.step + p.encode + p.fingerprint;
  say(
    `| ${name} | ${p.load.toFixed(0)} ns | ${p.step.toFixed(0)} ns | ${p.encode.toFixed(0)} ns | ${p.fingerprint.toFixed(0)} ns | ` +
      `${(((p.encode + p.fingerprint) / all) * 100).toFixed(0)} % |`,
  );
}
say();
say('## Threads');
say();
const wide: Case = { policy: 'v6.2-anon-exclusive', pages: ['anon', 'anon'] };
const ratios: number[] = [];
const wall: [number[], number[]] = [[], []];
for (let i = 0; i < ROUNDS; i++) {
  const one = await measure(wide, 1);
  const two = await measure(wide, 2);
  wall[0].push(one.seconds);
  wall[1].push(two.seconds);
  ratios.push(one.seconds / two.seconds);
}
say(
  `Exclusive, PIN, 2 pages: ${median(wall[0]).toFixed(1)} s with one thread, ${median(wall[1]).toFixed(1)} s with two: ` +
    `${median(ratios).toFixed(2)} times as fast (median of ${ROUNDS} pairs).`,
);
say();
say('## Growth');
say();
say(
  `From ${FILLED.policy}, 1 anon page, 2 mms, 2 references, PIN R and W, base operations, class grain, one thing changed at a`,
);
say(`time. "> d": not closed at ${n(STATES_MAX)} states; complete to depth d.`);
say();
say('| changed | states | transitions | per state | depth | time | memory |');
say('|---|---|---|---|---|---|---|');
const GROWTH: readonly (readonly [string, Case])[] = [
  ['nothing', {}],
  ['1 mm', { mms: 1 }],
  ['3 mms', { mms: 3 }],
  ['4 mms', { mms: 4 }],
  ['0 references', { refs: 0 }],
  ['1 reference', { refs: 1 }],
  ['3 references', { refs: 3 }],
  ['4 references', { refs: 4 }],
  ['2 pages', { pages: ['anon', 'anon'] }],
  ['2 pages, property grain', { pages: ['anon', 'anon'], grain: 'property' }],
  ['3 pages', { pages: ['anon', 'anon', 'anon'] }],
  ['PIN W alone', { gups: 'pin W' }],
  ['PIN and GET', { gups: 'pin, get R, W' }],
  ['plain: PIN, GET, LONGTERM, O_DIRECT', { gups: 'plain' }],
  ['plain, property grain', { gups: 'plain', grain: 'property' }],
  ['every operation', { ops: 'all' }],
  ['every operation, property grain', { ops: 'all', grain: 'property' }],
  ['a private file page', { pages: ['private-file'] }],
  ['a shared file page', { pages: ['shared-file'] }],
  ['a shmem page', { pages: ['shmem'] }],
  ['v5.7', { policy: 'v5.7-mapcount' }],
  ['v5.8', { policy: 'v5.8-cow-break' }],
  ['v5.11', { policy: 'v5.11-page-count' }],
];
const measured = new Map<string, Measured>();
for (const [name, given] of GROWTH) {
  const m = await measure(given);
  measured.set(name, m);
  say(
    `| ${name} | ${n(m.states)} | ${n(m.transitions)} | ${(m.transitions / m.states).toFixed(1)} | ${m.closed ? '' : '> '}${m.depth} | ` +
      `${m.seconds.toFixed(m.seconds < 10 ? 2 : 0)} s | ${size(m.peak)} |`,
  );
}
say();
say('## What fits');
say();
const large = [...measured.values()].filter((m) => m.states > 5e5);
const perState = median(large.map((m) => m.peak / m.states));
const perSecond = median(large.map((m) => m.transitions / m.seconds));
const branching = median(large.map((m) => m.transitions / m.states));
const fits = (16 * GIB) / perState;
const speedup = median(ratios);
const share = Math.max(0, (2 / speedup - 1) / 1); // Amdahl: the part that one thread does alone
const on64 = 1 / (share + (1 - share) / 64);
const day = (86_400 * perSecond * on64) / branching;
say(
  `Large searches here take ${perState.toFixed(0)} bytes per state at their peak (the table, and the layers in hand), make ` +
    `${(perSecond / 1e6).toFixed(2)} M transitions/s on one thread, and ${branching.toFixed(0)} transitions per state.`,
);
say();
say(
  `- **16 GiB** hold about ${n(fits / 1e6)} M states; one thread gets there in ${((fits * branching) / perSecond / 3600).toFixed(1)} hours.`,
);
say(
  `- **A day on 64 cores.** Two threads are ${speedup.toFixed(2)} times as fast as one; if what keeps them from 2 is a part that does not ` +
    `run in parallel (${(share * 100).toFixed(0)} %, Amdahl), 64 are ${on64.toFixed(0)} times as fast: ${n(day / 1e9)} G states a day, which would take ` +
    `${n((day * perState) / 1e12)} TB. Memory is the bound, not time: with 512 GiB it is ${n((512 * GIB) / perState / 1e9)} G states, after ` +
    `${((((512 * GIB) / perState) * branching) / perSecond / on64 / 3600).toFixed(1)} hours. Nobody has run that; above some 10 M states a table in memory also gets slower, ` +
    'by what a cache miss costs.',
);
say(
  '- **Which scopes that is.** Each further mm, reference or page multiplies the states by the factors above, and the factors',
);
say(
  '  grow: what does not close in the table is out of reach by one more of anything. Then a bound on depth is what is left.',
);
if (process.argv.includes('--write')) writeFileSync('docs/growth.md', `${lines.join('\n')}\n`);
