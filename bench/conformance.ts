/**
 * `npm run conformance`: the model against real kernels. The running kernel, and every kernel in the cache (`npm run
 * kernels`) in a VM: all counterexamples that a user program can run, then random scenarios against each era's policy on
 * the same programs, then those that the best one and the kernel do not agree on. Writes docs/conformance.md. What the
 * disagreements are due to is said in OPEN below, by hand; everything else is counted.
 *
 * Usage: node dist/bench/conformance.js [HOST_RUNS] [VM_RUNS] [only a release...]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { fuzzLive, type LiveFuzzResult } from '../src/live/fuzz.ts';
import { openHost } from '../src/live/host.ts';
import type { Kernel } from '../src/live/protocol.ts';
import { harm, type LiveReport, runOnKernel } from '../src/live/report.ts';
import { bestFits, isTested } from '../src/live/verdict.ts';
import { listKernels } from '../src/live/vm/cache.ts';
import { openVm } from '../src/live/vm/vm.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { derive, type Policy } from '../src/machine/policy.ts';
import { BUILT_IN, policyByName } from '../src/policies/index.ts';
import { parseCounterexample } from '../src/scenario/file.ts';
import { stepText } from '../src/scenario/scenario.ts';

const [hostRuns = '20000', vmRuns = '5000', ...only] = process.argv.slice(2);
const SEED = 1;
/** Runs of each counterexample. */
const REPEATS = 10;
/** Random scenarios by which the policy that fits best is chosen. */
const TRIAL = 1000;
const [anonExclusive, longtermBan] = [policyByName('v6.2-anon-exclusive'), policyByName('v6.5-longterm-ban')];
/** Stable trees with backports that a program can see, as edits with their commits; mainline eras are built in. */
const STABLE: readonly Policy[] = [
  derive(
    anonExclusive,
    {
      id: 'v6.2-as-6.1.y',
      title:
        'v6.2 with what 6.1.y has from later: reclaim spares pinned pages, pins of the zero page are not counted',
      sources: ['d824ec2a1546 (v6.4)', 'c8070b787519 (v6.5)'],
    },
    {
      stripBuffers: [() => longtermBan.tables.stripBuffers],
      zeroPagePin: [() => longtermBan.tables.zeroPagePin],
    },
  ),
];
const POLICIES = [...BUILT_IN, ...STABLE].map(expandPolicy);
const ERAS = POLICIES.filter((p) => !p.canary);

/** Why a kernel and its best policy disagree, by class of disagreement and kernel; what is not here is open. */
const SETTLED: readonly { readonly kernel: RegExp; readonly class: RegExp; readonly why: string }[] = [];

interface Row {
  readonly kernel: string;
  readonly files: readonly LiveReport[];
  readonly trial: ReadonlyMap<string, LiveFuzzResult>;
  readonly best: string;
  readonly large: LiveFuzzResult;
}

const scenarios = readdirSync('counterexamples')
  .filter((name) => name.endsWith('.gup.json'))
  .sort()
  .map((name) => ({
    name: name.slice(0, 3),
    scenario: parseCounterexample(readFileSync(join('counterexamples', name), 'utf8'), name),
  }));

async function conform(kernel: Kernel, runs: number, host: boolean): Promise<Row> {
  const refuse = host ? harm : (): string => '';
  const say = (text: string): void => {
    process.stderr.write(`${kernel.name}: ${text}\n`);
  };
  const files = await runOnKernel(kernel, scenarios, POLICIES, REPEATS, refuse);
  say(`counterexamples fit ${bestFits(files).policies.join(', ')}`);
  const trial = new Map<string, LiveFuzzResult>();
  for (const policy of ERAS) {
    const result = await fuzzLive({
      kernel,
      policy,
      seed: SEED,
      runs: Math.min(TRIAL, runs),
      findingsMax: 0,
      repeats: 1,
      refuse,
    });
    trial.set(policy.id, result);
    say(`${policy.id}: ${result.disagreed} of ${result.runs} disagree`);
  }
  // Of equals the latest.
  const best = [...ERAS]
    .reverse()
    .sort((a, b) => trial.get(a.id)!.disagreed - trial.get(b.id)!.disagreed)[0]!;
  const large = await fuzzLive({
    kernel,
    policy: best,
    seed: SEED + 1,
    runs,
    findingsMax: 6,
    repeats: 10,
    refuse,
  });
  say(`${best.id}: ${large.agreed} of ${large.runs} agree, ${large.disagreed} disagree`);
  return { kernel: kernel.name, files, trial, best: best.id, large };
}

const rows: Row[] = [];
const wanted = (name: string): boolean => only.length === 0 || only.some((o) => name.includes(o));
if (wanted('host')) {
  const host = await openHost();
  try {
    rows.push(await conform(host, Number(hostRuns), true));
  } finally {
    await host.close();
  }
}
const limit = pLimit(Math.min(2, availableParallelism()));
const inVms = await Promise.allSettled(
  listKernels()
    .filter((k) => wanted(k.release))
    .map(({ release }) =>
      limit(async () => {
        const vm = await openVm({ kernel: release });
        try {
          return await conform(vm, Number(vmRuns), false);
        } finally {
          await vm.close();
        }
      }),
    ),
);
for (const vm of inVms) {
  if (vm.status === 'fulfilled') rows.push(vm.value);
  else process.stderr.write(`${vm.reason instanceof Error ? vm.reason.message : String(vm.reason)}\n`);
}
if (inVms.some((vm) => vm.status === 'rejected')) process.exitCode = 1;

const n = (value: number): string => value.toLocaleString('en-US');
/** `v6.2`; of a stable tree, that: `6.1.y`. */
const short = (id: string): string => id.split('-as-')[1] ?? id.split('-')[0]!;

const lines: string[] = [
  '# The model against real kernels',
  '',
  'Written by `npm run conformance` (kernels: `gupfuzz kernels`). Every scenario runs on the kernel and on the model; the model',
  'gives the set of what may be seen, over what a kernel is free to do ([live](live.md)). A scenario that a user program',
  'cannot run is *unsupported*, one that was not run to its end *incomplete*; neither is a pass.',
  '',
  `${STABLE.map((p) => `*${short(p.id)}* is ${p.title} (${p.sources.join(', ')})`).join('; ')}.`,
  '',
  '## Random scenarios',
  '',
  `The first ${n(TRIAL)} (seed ${SEED}) against every era, disagreements in each; then against the era with the fewest (seed ${SEED + 1}):`,
  '',
  `| kernel | ${ERAS.map((p) => short(p.id)).join(' | ')} | best | scenarios | agree | disagree | incomplete | nothing to see | observations | programs/s |`,
  `|---|${ERAS.map(() => '---|').join('')}---|---|---|---|---|---|---|---|`,
  ...rows.map((r) => {
    const l = r.large;
    const rate = (l.runs / Math.max(l.kernelMs, 1)) * 1000;
    return (
      `| ${r.kernel} | ${ERAS.map((p) => r.trial.get(p.id)!.disagreed).join(' | ')} | ${r.best} | ${n(l.runs)} | ${n(l.agreed)} | ` +
      `${n(l.disagreed)} | ${n(l.incomplete)} | ${n(l.blind)} | ${n(l.observed)} | ${n(Math.round(rate))} |`
    );
  }),
  '',
  '## Counterexamples',
  '',
  `Each ${REPEATS} times. Eras that explain every run; *broken*: a promise was seen to be broken on that kernel.`,
  '',
  `| entry | ${rows.map((r) => r.kernel).join(' | ')} |`,
  `|---|${rows.map(() => '---|').join('')}`,
  ...scenarios.map(({ name }, i) => {
    const cells = rows.map((r) => {
      const f = r.files[i]!;
      if (!isTested(f.verdict)) return f.verdict.kind;
      const eras = f.fits
        .filter((p) => p.agrees === f.runs && p.policy !== 'canary')
        .map((p) => short(p.policy));
      const broken = f.broken.some((b) => b.excuse === '')
        ? ', broken'
        : f.broken.length > 0
          ? ', documented'
          : '';
      return `${eras.length === ERAS.length ? 'all' : eras.length === 0 ? 'none' : eras.join(' ')}${broken}`;
    });
    return `| ${name} | ${cells.join(' | ')} |`;
  }),
  '',
  'Unsupported, and why:',
  '',
  ...scenarios.flatMap(({ name }, i) => {
    const why = rows[0]?.files[i]?.verdict.why ?? '';
    return why === '' ? [] : [`- ${name}: ${why}`];
  }),
  '',
  '## Disagreements with the best era',
  '',
];
let open = 0;
for (const r of rows) {
  if (r.large.classes.size === 0) {
    lines.push(`**${r.kernel}**, ${r.best}: none.`, '');
    continue;
  }
  lines.push(`**${r.kernel}**, ${r.best}:`, '');
  for (const [id, count] of r.large.classes) {
    const settled = SETTLED.find((s) => s.kernel.test(r.kernel) && s.class.test(id));
    if (settled === undefined) open++;
    lines.push(`- ${count} x ${id}: ${settled?.why ?? '**open**'}`);
    const f = r.large.findings.find((x) => x.class === id);
    if (f === undefined) continue;
    const d = f.comparison.disagreements[0];
    lines.push(`  - \`${f.shrunk.steps.map(stepText).join('; ')}\` (${f.shrunkHits} of ${f.repeats} runs)`);
    if (d !== undefined)
      lines.push(`  - step ${d.step + 1}: the policy has ${d.predicted.join(' or ')}, the kernel ${d.seen}`);
  }
  lines.push('');
}
for (const r of rows) {
  const logged = new Set([...r.large.log, ...r.files.flatMap((f) => [...f.log])]);
  if (logged.size > 0)
    lines.push(`Kernel log of ${r.kernel}:`, '', ...[...logged].slice(0, 6).map((l) => `    ${l}`), '');
}
lines.push(`Open questions: ${open}.`, '');
if (only.length === 0 && process.exitCode === undefined)
  writeFileSync('docs/conformance.md', lines.join('\n'));
else process.stdout.write(lines.join('\n'));
