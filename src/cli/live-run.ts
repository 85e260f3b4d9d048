/** `live`: what a real kernel does, and which policy says so. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../campaign/folder.ts';
import { runScenario } from '../executor/run.ts';
import { fuzzLive, type LiveFinding, type LiveFuzzResult } from '../live/fuzz.ts';
import { openHost } from '../live/host.ts';
import type { Kernel } from '../live/protocol.ts';
import {
  bestFits,
  capabilitiesText,
  findingText,
  fitText,
  fuzzText,
  harm,
  type LiveReport,
  matrixOf,
  reportText,
  runOnKernel,
} from '../live/report.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { formatCounterexample, newCounterexample } from '../scenario/file.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, UserError, worst } from './exit.ts';
import { exitOf, loadFiles, reportProblems } from './files.ts';
import { print, talk } from './io.ts';
import { LIVE_POLICY, LIVE_RUNS, type LiveOptions } from './live.ts';

export async function runLive(options: LiveOptions): Promise<number> {
  const kernels = await openKernels(options);
  try {
    switch (options.what) {
      case 'probe':
        for (const kernel of kernels) print(capabilitiesText(kernel.name, kernel.capabilities));
        return EXIT.ok;
      case 'fuzz':
        return await fuzz(kernels, options);
      case 'run':
        return await files(kernels, options);
      case 'vm':
        if (options.paths.length > 0) return await files(kernels, options);
        if (options.runs !== undefined) return await fuzz(kernels, options);
        for (const kernel of kernels) print(capabilitiesText(kernel.name, kernel.capabilities));
        return EXIT.ok;
    }
  } finally {
    await Promise.all(kernels.map((k) => k.close()));
  }
}

async function openKernels(options: LiveOptions): Promise<readonly Kernel[]> {
  const { dir, modules } = options;
  try {
    if (options.what !== 'vm') return [await openHost(dir === undefined ? {} : { dir })];
    const { openVms } = await import('../live/vm/index.ts');
    return await openVms(
      options.kernels.map((kernel) => ({
        kernel,
        ...(modules === undefined ? {} : { modules }),
        ...(dir === undefined ? {} : { dir }),
      })),
    );
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw inputError(`no kernel to run on: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const isHost = (options: LiveOptions): boolean => options.what !== 'vm';
const refusal = (options: LiveOptions): typeof harm =>
  isHost(options) && !options.allowHost ? harm : () => '';

// ---- Files -------------------------------------------------------------------------------------------------------

async function files(kernels: readonly Kernel[], options: LiveOptions): Promise<number> {
  const given = options.policies.length > 0;
  const { policies, broken } = await choosePolicies(given ? options.policies : ['all']);
  for (const { message } of broken) talk(message);
  const loaded = loadFiles(options.paths);
  reportProblems(loaded);
  const scenarios = loaded.files.map(({ file, counterexample }) => ({
    name: file,
    scenario: counterexample,
  }));
  const all = await Promise.all(
    kernels.map(async (kernel) => {
      talk(`${kernel.name}: ${scenarios.length} scenarios, ${options.repeat} runs each`);
      return runOnKernel(kernel, scenarios, policies, options.repeat, refusal(options));
    }),
  );
  for (const reports of all) {
    if (!options.brief) for (const r of reports) print(`${reportText(r)}\n`);
  }
  if (all.length > 1) print(`${matrixOf(all)}\n`);
  all.forEach((reports, i) => {
    print(fitText(kernels[i]!.name, reports));
  });
  return worst([
    exitOf(loaded),
    ...(broken.length > 0 ? [EXIT.badInput] : []),
    ...all.map((reports) => codeOf(reports)),
  ]);
}

/** A broken promise, or a kernel that no policy explains, is a finding. */
function codeOf(reports: readonly LiveReport[]): number {
  const best = bestFits(reports);
  if (best.of === 0) return EXIT.nothingTested;
  const broken = reports.some((r) => r.broken.some((b) => b.excuse === ''));
  return broken || best.agrees < best.of ? EXIT.finding : EXIT.ok;
}

// ---- Random scenarios --------------------------------------------------------------------------------------------

async function fuzz(kernels: readonly Kernel[], options: LiveOptions): Promise<number> {
  const names = options.policies.length > 0 ? options.policies : [LIVE_POLICY];
  const { policies, broken } = await choosePolicies(names);
  for (const { message } of broken) talk(message);
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.once('SIGINT', stop);
  const codes: number[] = broken.length > 0 ? [EXIT.badInput] : [];
  try {
    for (const kernel of kernels)
      for (const policy of policies) {
        const result = await fuzzLive({
          kernel,
          policy,
          seed: options.seed,
          runs: options.runs ?? LIVE_RUNS,
          repeats: options.repeat,
          refuse: refusal(options),
          signal: abort.signal,
          onProgress: progress(kernel.name),
        });
        print(fuzzText(kernel.name, policy.id, result));
        if (options.out !== undefined) save(options.out, kernel, policy, options.seed, result);
        codes.push(result.disagreed > 0 ? EXIT.finding : result.agreed === 0 ? EXIT.nothingTested : EXIT.ok);
      }
  } finally {
    process.off('SIGINT', stop);
  }
  return abort.signal.aborted ? EXIT.interrupted : worst(codes);
}

/** Plain lines come this often. */
const INTERVAL_MS = 2000;

function progress(kernel: string): (text: string) => void {
  let last = 0;
  return (text) => {
    const now = performance.now();
    if (now - last < INTERVAL_MS && !text.startsWith('shrinking')) return;
    last = now;
    talk(`${kernel}: ${text}`);
  };
}

function save(
  folder: string,
  kernel: Kernel,
  policy: ExpandedPolicy,
  seed: number,
  result: LiveFuzzResult,
): void {
  makeFolder(folder);
  for (const f of result.findings) {
    const name = `${kernel.name}-${policy.id}-${f.class}-${f.run}`.replace(/[^A-Za-z0-9.]+/g, '-');
    const path = join(folder, name);
    writeFileSync(`${path}.gup.json`, findingFile(kernel, policy, seed, f));
    writeFileSync(`${path}.txt`, `${findingText(kernel.name, policy.id, f)}\n`);
    talk(`saved ${path}.gup.json`);
  }
}

/** A counterexample without a class: it breaks no promise of the model, but model and kernel differ. */
function findingFile(kernel: Kernel, policy: ExpandedPolicy, seed: number, f: LiveFinding): string {
  const { setup, steps } = f.shrunk;
  const run = runScenario(f.shrunk, policy);
  const sorted = (ids: readonly string[]): string[] => [...new Set(ids)].sort();
  const [d] = f.comparison.disagreements;
  const seen =
    d === undefined
      ? 'not seen again'
      : `step ${d.step + 1}: ${policy.id} has ${d.predicted.join(' or ')}, the kernel has ${d.seen}`;
  return formatCounterexample(
    newCounterexample({
      title: `${kernel.name} is not as ${policy.id}: ${f.class}`.slice(0, 120),
      setup,
      steps,
      policy: null,
      class: null,
      seen: null,
      expect: {
        [policy.id]: {
          verdict: run.verdict,
          classes: sorted(run.violations.map((v) => v.classId)),
          ...(run.documented.length === 0
            ? {}
            : { documented: sorted(run.documented.map((v) => v.classId)) }),
        },
      },
      minimality: {
        kind: 'none',
        scope: `shrunk on ${kernel.name}`,
        depth: 0,
      },
      provenance: { tool: 'gupfuzz live', seed, run: f.run, found: 'campaign' },
      references: [],
      explanation: `${seen}; ${f.shrunkHits} of ${f.repeats} runs.`.slice(0, 1200),
    }),
  );
}
