/** `live`: what a real kernel does, and which policy says so. */
import { availableParallelism } from 'node:os';
import { FindingStore } from '../campaign/store.ts';
import { findingFile } from '../live/finding.ts';
import { fuzzLive, type LiveFinding } from '../live/fuzz.ts';
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
import { program, shellWord } from '../report/shell.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, UserError, worst } from './exit.ts';
import { exitOf, loadFiles, reportProblems } from './files.ts';
import { print, talk, talkText } from './io.ts';
import { LIVE_POLICY, LIVE_RUNS, type LiveOptions } from './live.ts';
import { progressLine } from './progress-line.ts';
import { onStop } from './stop.ts';

export async function runLive(options: LiveOptions): Promise<number> {
  // What is wrong with files and policies is said before a kernel boots.
  const job = await jobOf(options);
  if (typeof job === 'number') return job;
  const kernels = await openKernels(options);
  try {
    return await job(kernels);
  } finally {
    await Promise.all(kernels.map((k) => k.close()));
  }
}

/** What to do with the kernels; an exit code where there is nothing to do. */
type Job = ((kernels: readonly Kernel[]) => Promise<number>) | number;

async function jobOf(options: LiveOptions): Promise<Job> {
  const { what, paths, runs } = options;
  if (what === 'run' || (what === 'vm' && paths.length > 0)) return files(options);
  if (what === 'fuzz' || (what === 'vm' && runs !== undefined)) return fuzz(options);
  return async (kernels) => {
    for (const kernel of kernels) print(capabilitiesText(kernel.name, kernel.capabilities));
    return EXIT.ok;
  };
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
      options.machines ?? (options.runs === undefined ? 1 : machinesFor(options.kernels.length)),
    );
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw inputError(`no kernel to run on: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** One for every processor: emulation takes a whole one. */
const machinesFor = (kernels: number): number => Math.max(1, Math.floor(availableParallelism() / kernels));

const isHost = (options: LiveOptions): boolean => options.what !== 'vm';
const refusal = (options: LiveOptions): typeof harm =>
  isHost(options) && !options.allowHost ? harm : () => '';

// ---- Files -------------------------------------------------------------------------------------------------------

async function files(options: LiveOptions): Promise<Job> {
  const given = options.policies.length > 0;
  const { policies, broken } = await choosePolicies(given ? options.policies : ['all']);
  for (const { message } of broken) talk(message);
  const loaded = loadFiles(options.paths);
  reportProblems(loaded);
  const scenarios = loaded.files.map(({ file, counterexample }) => ({
    name: file,
    scenario: counterexample,
  }));
  if (scenarios.length === 0 || policies.length === 0) return EXIT.badInput;
  return async (kernels) => {
    const stop = onStop(() => talk('stopping; what was seen so far is told (again to stop at once)'));
    const all = await Promise.all(
      kernels.map(async (kernel) => {
        talk(`${kernel.name}: ${scenarios.length} scenarios, ${options.repeat} runs each`);
        return runOnKernel(kernel, scenarios, policies, options.repeat, refusal(options), stop.signal);
      }),
    ).finally(stop.off);
    for (const reports of all) {
      if (!options.brief) for (const r of reports) print(`${reportText(r)}\n`);
    }
    if (all.length > 1) print(`${matrixOf(all)}\n`);
    all.forEach((reports, i) => {
      print(fitText(kernels[i]!.name, reports));
    });
    if (stop.code !== undefined) return stop.code;
    return worst([
      exitOf(loaded),
      ...(broken.length > 0 ? [EXIT.badInput] : []),
      ...all.map((reports) => codeOf(reports)),
    ]);
  };
}

/** A broken promise, or a kernel that no policy explains, is a finding. */
function codeOf(reports: readonly LiveReport[]): number {
  const best = bestFits(reports);
  if (best.of === 0) return EXIT.nothingTested;
  const broken = reports.some((r) => r.broken.some((b) => b.excuse === ''));
  return broken || best.agrees < best.of ? EXIT.finding : EXIT.ok;
}

// ---- Random scenarios --------------------------------------------------------------------------------------------

async function fuzz(options: LiveOptions): Promise<Job> {
  const names = options.policies.length > 0 ? options.policies : [LIVE_POLICY];
  const { policies, broken } = await choosePolicies(names);
  for (const { message } of broken) talk(message);
  if (policies.length === 0) return EXIT.badInput;
  return async (kernels) => {
    const line = progressLine();
    const say = (text: string): void => {
      line.clear();
      talk(text);
    };
    const stop = onStop(() => say('stopping; what was found so far is kept (again to stop at once)'));
    const codes: number[] = broken.length > 0 ? [EXIT.badInput] : [];
    try {
      // Kernels at the same time, said in their order.
      const running = kernels.map((kernel, i) => {
        const onProgress = (text: string): void => line.update(() => `${kernel.name}: ${text}`);
        return fuzzOne(kernel, policies, options, i, { signal: stop.signal, onProgress, say });
      });
      const ended = await Promise.allSettled(running);
      line.clear();
      for (const { text, code } of ended.flatMap((e) => (e.status === 'fulfilled' ? e.value : []))) {
        print(text);
        codes.push(code);
      }
      // What the others found is told before the trouble of one.
      const failed = ended.find((e) => e.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      line.clear();
      stop.off();
    }
    return stop.code ?? worst(codes);
  };
}

interface Hearing {
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  /** A line of its own. */
  readonly say: (line: string) => void;
}

async function fuzzOne(
  kernel: Kernel,
  policies: readonly ExpandedPolicy[],
  options: LiveOptions,
  at: number,
  { signal, onProgress, say }: Hearing,
): Promise<{ readonly text: string; readonly code: number }[]> {
  const said: { text: string; code: number }[] = [];
  const { seed } = options;
  const store = new FindingStore(options.out, say, talkText);
  const paths = new Map<string, string | undefined>();
  for (const policy of policies) {
    if (signal.aborted) break;
    const result = await fuzzLive({
      kernel,
      policy,
      seed,
      runs: options.runs ?? LIVE_RUNS,
      repeats: options.repeat,
      refuse: refusal(options),
      signal,
      onProgress,
      onFinding: (f) => {
        const path = save(store, kernel, policy, seed, f);
        paths.set(f.class, path);
        if (path !== undefined) say(`saved ${path}${f.repeats === 0 ? '' : ', shrunk'}`);
      },
    });
    const again = result.findings.map((f) => replayLine(options, at, policy, f, paths.get(f.class)));
    const code = result.disagreed > 0 ? EXIT.finding : result.agreed === 0 ? EXIT.nothingTested : EXIT.ok;
    said.push({ text: [fuzzText(kernel.name, policy.id, result), ...again].join('\n'), code });
  }
  return said;
}

/** The command that runs it again: the file if there is one, else the runs up to it. */
function replayLine(
  options: LiveOptions,
  at: number,
  policy: ExpandedPolicy,
  finding: LiveFinding,
  path: string | undefined,
): string {
  const { kernels, modules, allowHost, seed } = options;
  const where = isHost(options)
    ? `${path === undefined ? 'fuzz' : 'run'}${allowHost ? ' --allow-host' : ''}`
    : `vm --kernel ${shellWord(kernels[at]!)}${modules === undefined ? '' : ` --modules ${shellWord(modules)}`}`;
  const what = path === undefined ? `--seed ${seed} --runs ${finding.run + 1}` : shellWord(path);
  return `${finding.class}: ${program()} live ${where} --policy ${shellWord(policy.module ?? policy.id)} ${what}`;
}

/** A finding that was just seen, or the shrunk one, which replaces it. The path of the scenario, if it has one. */
function save(
  store: FindingStore,
  kernel: Kernel,
  policy: ExpandedPolicy,
  seed: number,
  f: LiveFinding,
): string | undefined {
  const name = `${kernel.name}-${policy.id}-${f.class}-${f.run}`.replace(/[^A-Za-z0-9.]+/g, '-');
  const path = store.write(`${name}.gup.json`, findingFile(kernel.name, policy, seed, f));
  if (path === undefined) return undefined;
  store.write(`${name}.txt`, `${findingText(kernel.name, policy.id, f)}\n`);
  return path;
}
