/** `live`: what a real kernel does, and which policy says so. */
import { availableParallelism } from 'node:os';
import { FindingStore } from '../campaign/store.ts';
import { findingFile } from '../live/finding.ts';
import {
  fuzzData,
  fuzzSuites,
  type KernelFuzz,
  type KernelReports,
  probeData,
  reportsData,
  reportsSuite,
} from '../live/formats.ts';
import { fuzzLive, type LiveFinding } from '../live/fuzz.ts';
import { openHost } from '../live/host.ts';
import type { Kernel } from '../live/protocol.ts';
import {
  capabilitiesText,
  findingText,
  fitText,
  fuzzText,
  fuzzVerdict,
  harm,
  matrixOf,
  reportText,
  runOnKernel,
} from '../live/report.ts';
import { bestFits, isExplained, isTested, judgedAs, type LiveVerdict } from '../live/verdict.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { type JunitSuite, problemSuites, renderJunit } from '../report/junit.ts';
import { renderKtap } from '../report/ktap.ts';
import { program, shellWord } from '../report/shell.ts';
import { choosePolicies } from './choose.ts';
import { LIVE_POLICY, LIVE_RUNS } from './defaults.ts';
import { EXIT, inputError, UserError, worst } from './exit.ts';
import { exitOf, loadFiles, type Problem, reportProblems, STDIN, shownName } from './files.ts';
import { print, printJson, printResult, talk, talkText, whereKept } from './io.ts';
import type { LiveOptions } from './live.ts';
import { progressLine } from './progress-line.ts';
import { onStop } from './stop.ts';

export async function runLive(options: LiveOptions): Promise<number> {
  // What is wrong with files and policies is said before a kernel boots.
  const job = await jobOf(options);
  const tell = (outcome: Outcome): void =>
    show(options, { ...outcome, problems: [...job.problems, ...outcome.problems] });
  if (job.run === undefined) {
    tell(NOTHING);
    return job.problems.length > 0 ? EXIT.badInput : EXIT.nothingTested;
  }
  let kernels: readonly Kernel[];
  try {
    kernels = await openKernels(options);
  } catch (error) {
    tell({ ...NOTHING, problems: [problemOf('kernel', error)] });
    throw error;
  }
  try {
    const outcome = await job.run(kernels);
    tell(outcome);
    if (outcome.trouble !== undefined) throw outcome.trouble.error;
    return worst([...(job.problems.length > 0 ? [EXIT.badInput] : []), ...outcome.codes]);
  } finally {
    await Promise.all(kernels.map((k) => k.close()));
  }
}

interface Job {
  /** Of files and policies. */
  readonly problems: readonly Problem[];
  /** What to do with the kernels; undefined: there is nothing to do. */
  readonly run?: (kernels: readonly Kernel[]) => Promise<Outcome>;
}

/** What came of a job, in every format. */
interface Outcome {
  readonly text: string;
  /** One for each kernel, or kernel and policy. */
  readonly data: readonly object[];
  readonly suites: readonly JunitSuite[];
  readonly problems: readonly Problem[];
  readonly codes: readonly number[];
  /** What one kernel threw, after the others have told theirs. */
  readonly trouble?: { readonly error: unknown };
}
const NOTHING: Outcome = { text: '', data: [], suites: [], problems: [], codes: [] };

function show({ what, format, out }: LiveOptions, { text, data, suites, problems, codes }: Outcome): void {
  const stopped = codes.some((code) => code === EXIT.interrupted || code === EXIT.terminated);
  if (format === 'text') printResult(text, stopped, whereKept(out));
  else if (format === 'json') printJson({ what, kernels: data, problems });
  else {
    const all = [...problemSuites(problems), ...suites];
    print(format === 'junit' ? renderJunit('gupfuzz live', all) : renderKtap(all));
  }
}

const problemOf = (file: string, error: unknown): Problem => ({
  file,
  message: error instanceof Error ? error.message : String(error),
});

async function jobOf(options: LiveOptions): Promise<Job> {
  const { what, paths, runs } = options;
  if (what === 'run' || (what === 'vm' && paths.length > 0)) return files(options);
  if (what === 'fuzz' || (what === 'vm' && runs !== undefined)) return fuzz(options);
  return {
    problems: [],
    run: async (kernels) => ({
      ...NOTHING,
      text: kernels.map((k) => capabilitiesText(k.name, k.capabilities)).join(''),
      data: kernels.map((k) => probeData(k.name, k.capabilities)),
    }),
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
    name: shownName(file),
    scenario: counterexample,
  }));
  const problems = [...loaded.problems, ...brokenProblems(broken)];
  if (scenarios.length === 0 || policies.length === 0) return { problems };
  const run = async (kernels: readonly Kernel[]): Promise<Outcome> => {
    const stop = onStop(() => talk('stopping; what was seen so far is told (again to stop at once)'));
    const ended = await Promise.allSettled(
      kernels.map(async (kernel, at): Promise<KernelReports> => {
        talk(`${kernel.name}: ${scenarios.length} scenarios, ${options.repeat} runs each`);
        const refuse = refusal(options);
        const reports = await runOnKernel(kernel, scenarios, policies, options.repeat, refuse, stop.signal);
        const again = reports.map((r) => againFile(options, at, r.name));
        return { kernel: kernel.name, capabilities: kernel.capabilities, reports, again };
      }),
    ).finally(stop.off);
    const all = fulfilled(ended);
    const tables = options.brief
      ? []
      : all.flatMap(({ reports, again }) =>
          reports.map((r, i) => `${reportText(r, judgedAs(r.verdict) === 'fail' ? again[i]! : '')}\n`),
        );
    return {
      text: [
        ...tables,
        ...(all.length > 1 ? [`${matrixOf(all.map((k) => k.reports))}\n`] : []),
        ...all.map((k) => fitText(k.kernel, k.reports)),
      ].join(''),
      data: all.map(reportsData),
      suites: all.map(reportsSuite),
      ...troubleOf(kernels, ended),
      codes: stop.code !== undefined ? [stop.code] : [exitOf(loaded), ...all.flatMap(codesOf)],
    };
  };
  return { problems, run };
}

const brokenProblems = (broken: readonly { readonly name: string; readonly message: string }[]): Problem[] =>
  broken.map(({ name, message }) => ({ file: name, message }));

const fulfilled = <T>(ended: readonly PromiseSettledResult<T>[]): T[] =>
  ended.flatMap((e) => (e.status === 'fulfilled' ? [e.value] : []));

/** What the others found is told before the trouble of one. */
function troubleOf(
  kernels: readonly Kernel[],
  ended: readonly PromiseSettledResult<unknown>[],
): Pick<Outcome, 'problems' | 'trouble'> {
  const problems = ended.flatMap((e, i) =>
    e.status === 'rejected' ? [problemOf(kernels[i]!.name, e.reason)] : [],
  );
  const failed = ended.find((e) => e.status === 'rejected');
  return { problems, ...(failed === undefined ? {} : { trouble: { error: failed.reason } }) };
}

/** Of one kernel: a broken promise, what no policy explains, or that no one policy explains all is a finding. */
function codesOf({ reports }: KernelReports): number[] {
  const anyTested = reports.some((r) => isTested(r.verdict));
  return [
    ...reports.map((r) => codeOf(r.verdict, anyTested)),
    ...(isExplained(bestFits(reports)) ? [] : [EXIT.finding]),
    ...(reports.some((r) => r.fits.some((f) => f.failed !== '')) ? [EXIT.badInput] : []),
  ];
}

/** What cannot be tested here is told, and passes over in silence only beside what was tested: the catalogue has both. */
function codeOf(verdict: LiveVerdict, anyTested: boolean): number {
  switch (judgedAs(verdict)) {
    case 'pass':
      return EXIT.ok;
    case 'fail':
      return EXIT.finding;
    case 'skip':
      return anyTested ? EXIT.ok : EXIT.nothingTested;
    case 'error':
      return verdict.kind === 'policy error' ? EXIT.badInput : EXIT.nothingTested;
  }
}

// ---- Random scenarios --------------------------------------------------------------------------------------------

async function fuzz(options: LiveOptions): Promise<Job> {
  const names = options.policies.length > 0 ? options.policies : [LIVE_POLICY];
  const { policies, broken } = await choosePolicies(names);
  for (const { message } of broken) talk(message);
  const problems = brokenProblems(broken);
  if (policies.length === 0) return { problems };
  const run = async (kernels: readonly Kernel[]): Promise<Outcome> => {
    const line = progressLine();
    const say = (text: string): void => {
      line.clear();
      talk(text);
    };
    const stop = onStop(() => say('stopping; what was found so far is kept (again to stop at once)'));
    try {
      // Kernels at the same time, said in their order.
      const running = kernels.map((kernel, i) => {
        const onProgress = (text: string): void => line.update(() => `${kernel.name}: ${text}`);
        return fuzzOne(kernel, policies, options, i, { signal: stop.signal, onProgress, say });
      });
      const ended = await Promise.allSettled(running);
      const all = fulfilled(ended).flat();
      return {
        text: all
          .map(({ kernel, policy, result, again }) =>
            [
              fuzzText(kernel, policy, result),
              ...again.map((command, i) => `${result.findings[i]!.class}: ${command}\n`),
            ].join(''),
          )
          .join(''),
        data: fuzzData(all),
        suites: fuzzSuites(all),
        ...troubleOf(kernels, ended),
        codes:
          stop.code !== undefined
            ? [stop.code]
            : all.flatMap(({ policy, result }) => [
                codeOf(fuzzVerdict(policy, result), false),
                ...(result.failed === '' ? [] : [EXIT.badInput]),
              ]),
      };
    } finally {
      line.clear();
      stop.off();
    }
  };
  return { problems, run };
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
): Promise<KernelFuzz[]> {
  const said: KernelFuzz[] = [];
  const { seed } = options;
  const store = new FindingStore(options.out, say, talkText);
  for (const policy of policies) {
    if (signal.aborted) break;
    const paths = new Map<string, string | undefined>();
    const result = await fuzzLive({
      kernel,
      policy,
      seed,
      runs: options.runs ?? LIVE_RUNS,
      repeats: options.repeat,
      ...(options.pages === undefined ? {} : { pages: options.pages }),
      refuse: refusal(options),
      signal,
      onProgress,
      onFinding: (f) => {
        const path = save(store, kernel, policy, seed, f);
        paths.set(f.class, path);
        if (path !== undefined) say(`saved ${path}${f.repeats === 0 ? '' : ', shrunk'}`);
      },
    });
    const files = result.findings.map((f) => paths.get(f.class));
    const again = result.findings.map((f, i) => againCommand(options, at, policy, f, files[i]));
    const { name, capabilities } = kernel;
    said.push({ kernel: name, capabilities, policy: policy.id, result, files, again });
  }
  return said;
}

/** The command that runs it again: the file if there is one, else the runs up to it. */
function againCommand(
  options: LiveOptions,
  at: number,
  policy: ExpandedPolicy,
  finding: LiveFinding,
  path: string | undefined,
): string {
  const what =
    path === undefined
      ? `${options.pages === undefined ? '' : `--pages ${options.pages.join(',')} `}--seed ${options.seed} --runs ${finding.run + 1}`
      : shellWord(path);
  const policies = [policy.module ?? policy.id];
  return `${program()} live ${whereOf(options, at, path === undefined ? 'fuzz' : 'run', policies)} ${what}`;
}

/** The same for a file that was given; '' if it cannot be had again. */
function againFile(options: LiveOptions, at: number, file: string): string {
  if (file === shownName(STDIN)) return '';
  return `${program()} live ${whereOf(options, at, 'run', options.policies)} ${shellWord(file)}`;
}

/** On which kernel, and beside which policies. */
function whereOf(
  options: LiveOptions,
  at: number,
  here: 'run' | 'fuzz',
  policies: readonly string[],
): string {
  const { kernels, modules, dir, allowHost } = options;
  const flags = [
    ...(isHost(options) ? [here] : ['vm', '--kernel', shellWord(kernels[at]!)]),
    ...(modules === undefined ? [] : ['--modules', shellWord(modules)]),
    ...(dir === undefined ? [] : ['--dir', shellWord(dir)]),
    ...(allowHost && isHost(options) ? ['--allow-host'] : []),
    ...policies.flatMap((p) => ['--policy', shellWord(p)]),
  ];
  return flags.join(' ');
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
