/** Running scenarios on kernels and saying what came of it, as data and as text. */
import Table from 'cli-table3';
import { isTrackedKind, PAGE_KINDS } from '../domain/page-kinds.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { runScenario } from '../executor/run.ts';
import { doesNotApply } from '../executor/why-not.ts';
import { BORDERLESS } from '../report/borderless.ts';
import { renderColumns } from '../report/columns.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { plain } from '../scenario/file-error.ts';
import { stepText } from '../scenario/scenario.ts';
import {
  type BrokenPromise,
  brokenPromises,
  compare,
  FREEDOMS,
  observes,
  predict,
  stepsSeen,
} from './compare.ts';
import { compareAll, moreLooks, RUNS_FOR_CHANCE } from './freedom.ts';
import type { LiveFinding, LiveFuzzResult } from './fuzz.ts';
import type { Capabilities, Kernel, LiveProgram, LiveResult } from './protocol.ts';
import { isUnsupported, LIVE_CALLERS, pageKindMissing, type Translated, toLive } from './translate.ts';
import {
  bestFits,
  fitOf,
  isTested,
  judgedAs,
  type LiveVerdict,
  type PolicyFit,
  standing,
  untested,
  VERDICT_KINDS,
  type VerdictKind,
  verdictOf,
  verdictText,
} from './verdict.ts';

/** '' or why a program is not run on the host unless it is allowed there. */
export function harm(program: LiveProgram): string {
  const stored = new Set<number>(); // files that a reference may store to behind the filesystem's back
  for (const step of program.steps) {
    const writes =
      (step.op === 'gup' && step.caller === 'process_vm_writev') || (step.op === 'dio' && !step.write);
    const page = writes && 'page' in step ? program.pages[step.page] : undefined;
    if (page !== undefined && isTrackedKind(page.kind)) stored.add(page.file);
  }
  const stripped = program.steps.some(
    (s) => (s.op === 'reclaim' || s.op === 'drop_caches') && stored.has(s.file),
  );
  return stripped
    ? 'may make ext4 warn, or stop a kernel before v5.18 (B47); needs --allow-host or a VM'
    : '';
}

/** `v5.7` for `v5.7-mapcount`, where that tells them apart: seven columns have to fit. */
function shortNames(ids: readonly string[]): string[] {
  const short = ids.map((id) => /^v[0-9.]+(?=-)/.exec(id)?.[0] ?? id);
  return short.map((name, i) => (short.indexOf(name) === short.lastIndexOf(name) ? name : ids[i]!));
}

/** One scenario on one kernel. */
export interface LiveReport {
  readonly name: string;
  readonly kernel: string;
  readonly verdict: LiveVerdict;
  readonly scenario: Scenario;
  readonly substitutions: readonly string[];
  readonly runs: number;
  /** Per step, what was seen and how often; empty where nothing is to be seen. */
  readonly seen: readonly ReadonlyMap<string, number>[];
  readonly fits: readonly PolicyFit[];
  /** Promises that were not kept, with the runs that showed it. */
  readonly broken: readonly (BrokenPromise & { readonly runs: number })[];
  readonly log: readonly string[];
}

export interface Named {
  readonly name: string;
  readonly scenario: Scenario;
}

/** Programs asked for at a time: enough that the kernel is never without work, few enough to stop soon. */
const BATCH = 128;

/**
 * Each scenario so often, and more often if that is too few to tell chance from rule. `refuse`: '' or why a program must
 * not run. Once `signal` aborts, the rest is not run.
 */
export async function runOnKernel(
  kernel: Kernel,
  scenarios: readonly Named[],
  policies: readonly ExpandedPolicy[],
  repeats: number,
  refuse: (program: LiveProgram) => string = () => '',
  signal?: AbortSignal,
): Promise<LiveReport[]> {
  const prepared = scenarios.map(({ scenario }) => prepare(scenario, kernel, policies, refuse));
  const programs = prepared.flatMap(({ translated: t }) =>
    t === undefined ? [] : Array.from({ length: repeats }, () => t.program),
  );
  const results: LiveResult[] = [];
  while (results.length < programs.length && signal?.aborted !== true)
    results.push(...(await kernel.run(programs.slice(results.length, results.length + BATCH))));
  const reports: LiveReport[] = [];
  let at = 0;
  for (const [i, { name, scenario }] of scenarios.entries()) {
    const { translated, verdict, cut } = prepared[i]!;
    const own = translated === undefined ? [] : results.slice(at, at + repeats);
    if (translated !== undefined) at += repeats;
    if (translated !== undefined && own.length > 0) {
      if (signal?.aborted !== true) own.push(...(await looksFor(kernel, own, translated, policies)));
      reports.push(reportOf(name, kernel.name, translated, own, policies, cut));
      continue;
    }
    reports.push({
      name,
      kernel: kernel.name,
      verdict: verdict ?? untested('incomplete', 'stopped before it was run'),
      scenario,
      substitutions: [],
      runs: 0,
      seen: [],
      fits: [],
      broken: [],
      log: [],
    });
  }
  return reports;
}

/** What else has to be seen before these results can be judged. */
async function looksFor(
  kernel: Kernel,
  results: readonly LiveResult[],
  translated: Translated,
  policies: readonly ExpandedPolicy[],
): Promise<readonly LiveResult[]> {
  if (results.length >= RUNS_FOR_CHANCE) return [];
  const looks = policies.map((policy) =>
    moreLooks(
      results,
      results.map((result) => compare(result, translated, policy)),
    ),
  );
  return kernel.run(Array.from({ length: Math.max(0, ...looks) }, () => translated.program));
}

/** What is to be run, if anything is; `verdict`: if nothing is, or nothing contradicts it; `cut`: why not all of it is. */
interface Prepared {
  readonly translated?: Translated;
  readonly verdict?: LiveVerdict;
  readonly cut: string;
}

function prepare(
  scenario: Scenario,
  kernel: Kernel,
  policies: readonly ExpandedPolicy[],
  refuse: (program: LiveProgram) => string,
): Prepared {
  // What makes no sense to any policy makes none here: as replay says it, and it is run as far as replay runs it.
  const runs = policies
    .map((policy) => runScenario(scenario, { ...policy }))
    .filter((r) => r.policyError === '');
  const stops = runs.length > 0 && runs.every((r) => r.notApplicable >= 0);
  const at = stops ? Math.min(...runs.map((r) => r.notApplicable)) : scenario.steps.length;
  const cut = stops ? doesNotApply(at, runs.find((r) => r.notApplicable === at)!.whyNot) : '';
  const t = toLive({ ...scenario, steps: scenario.steps.slice(0, at) }, kernel.capabilities);
  const why = isUnsupported(t) ? t.unsupported : refuse(t.program);
  if (cut !== '' && (why !== '' || at === 0)) return { verdict: untested('does not apply', cut), cut };
  if (isUnsupported(t) || why !== '') return { verdict: untested('unsupported', why), cut };
  return { translated: t, cut };
}

function reportOf(
  name: string,
  kernel: string,
  translated: Translated,
  results: readonly LiveResult[],
  policies: readonly ExpandedPolicy[],
  cut: string,
): LiveReport {
  const { scenario, substitutions } = translated;
  const seen = scenario.steps.map(() => new Map<string, number>());
  const broken = new Map<string, BrokenPromise & { runs: number }>();
  for (const result of results) {
    stepsSeen(result, translated).forEach((text, at) => {
      if (text !== '') seen[at]!.set(text, (seen[at]!.get(text) ?? 0) + 1);
    });
    for (const b of brokenPromises(result, translated)) {
      const key = JSON.stringify(b);
      broken.set(key, { ...b, runs: (broken.get(key)?.runs ?? 0) + 1 });
    }
  }
  const fits = policies.map((policy) =>
    fitOf(policy, predict(translated, policy), compareAll(results, translated, policy)),
  );
  const log = [...new Set(results.flatMap((r) => r.steps.flatMap((s) => s.log)))];
  const verdict = verdictOf(fits, [...broken.values()], results.length);
  return {
    name,
    kernel,
    verdict: cut !== '' && judgedAs(verdict) !== 'fail' ? untested('does not apply', cut) : verdict,
    scenario,
    substitutions,
    runs: results.length,
    seen,
    fits,
    broken: [...broken.values()],
    log,
  };
}

// ---- Text --------------------------------------------------------------------------------------------------------

const mapText = (map: ReadonlyMap<string, number>): string =>
  map.size === 0
    ? '-'
    : map.size === 1
      ? [...map.keys()][0]!
      : [...map].map(([text, n]) => `${text} (${n})`).join(', ');

/**
 * One scenario: what was seen at each step that shows something, and what each policy predicts there. `again`: the
 * command that runs it again, or ''.
 */
export function reportText(r: LiveReport, again = ''): string {
  const head = `${plain(r.name)} on ${r.kernel}: ${verdictText(r.verdict)}`;
  if (r.runs === 0) return `${head}\n`;
  const lines = [head];
  for (const text of r.substitutions) lines.push(`  instead: ${text}`);
  const { steps } = r.scenario;
  const table = new Table({
    head: ['', 'step', 'seen', ...shortNames(r.fits.map((f) => f.policy))],
    ...BORDERLESS,
  });
  steps.forEach((step, at) => {
    const shows =
      observes(step, steps) || step.op === 'gup' || [...r.seen[at]!.keys()].some((t) => t !== 'done');
    const row = r.fits.map((f) => {
      const text = f.predicted[at]!.join(' or ');
      return f.disagreements.some((d) => d.step === at) ? `${text} !` : text;
    });
    const cells = shows ? [mapText(r.seen[at]!), ...row] : ['', ...row.map(() => '')];
    table.push([String(at + 1), stepText(step), ...cells]);
  });
  lines.push(
    ...table
      .toString()
      .split('\n')
      .map((l) => `  ${l}`.trimEnd()),
    ...detailLines(r).map((l) => `  ${l}`),
    ...(again === '' ? [] : [`  again: ${again}`]),
  );
  return `${lines.join('\n')}\n`;
}

/** What is to be said besides the verdict, one line each. */
export function detailLines(r: LiveReport): string[] {
  const lines: string[] = [];
  for (const { policy, agrees, freedoms, failed, incomplete } of r.fits) {
    if (failed !== '') lines.push(`policy error: ${policy}: ${failed}`);
    // Of those that the verdict names it is known.
    else if (agrees > 0 && !(agrees === r.runs && r.verdict.by.includes(policy)))
      lines.push(`${policy} agrees${agrees < r.runs ? ` in ${agrees} of ${r.runs} runs` : ''}`);
    for (const id of freedoms)
      lines.push(`${policy} agrees as ${FREEDOMS.find((x) => x.id === id)?.reason ?? id}`);
    if (incomplete !== '' && isTested(r.verdict))
      lines.push(`${policy}: not compared to its end: ${incomplete}`);
  }
  for (const b of r.broken) lines.push(`${brokenText(b)} in ${b.runs} of ${r.runs} runs`);
  return [...lines, ...r.log.map((line) => `kernel log: ${line}`)];
}

function brokenText(b: BrokenPromise): string {
  const what = b.excuse === '' ? 'promise broken on this kernel' : `documented (${b.excuse})`;
  return `${what}: step ${b.step + 1} saw ${b.seen}${b.expected === '' ? '' : ` instead of ${b.expected}`} (${b.damage})`;
}

/** Where a policy and the kernel differ, one line each. */
export const differences = (r: LiveReport, policies: readonly string[]): string[] =>
  r.fits
    .filter((f) => policies.includes(f.policy))
    .flatMap((f) =>
      f.disagreements.map(
        (d) =>
          `step ${d.step + 1} ${stepText(r.scenario.steps[d.step]!)}: ${f.policy} has ${d.predicted.join(' or ')}, seen ${d.seen}`,
      ),
    );

/** How many scenarios came to what, without those that none came to. */
export const countsOf = (reports: readonly LiveReport[]): (readonly [VerdictKind, number])[] =>
  VERDICT_KINDS.map((kind) => [kind, reports.filter((r) => r.verdict.kind === kind).length] as const).filter(
    ([, n]) => n > 0,
  );

/** What came of all scenarios, which policy fits, and where the best does not. */
export function fitText(kernel: string, reports: readonly LiveReport[]): string {
  const best = bestFits(reports);
  const counts = VERDICT_KINDS.map(
    (kind) => [kind, reports.filter((r) => r.verdict.kind === kind).length] as const,
  )
    .filter(([, n]) => n > 0)
    .map(([kind, n]) => `${n} ${kind}`);
  if (best.of === 0) return `${kernel}: nothing could be tested: ${counts.join(', ')}\n`;
  const lines = [
    `${kernel}: ${best.of} of ${reports.length} scenarios tested; best fit: ${best.policies.join(', ')} (${best.agrees} of ${best.of})`,
    `  ${counts.join(', ')}`,
    ...reports.flatMap((r) => differences(r, best.policies).map((line) => `  ${plain(r.name)}: ${line}`)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Kernels by scenarios: what agrees where. */
export function matrixOf(byKernel: readonly (readonly LiveReport[])[]): string {
  const names = byKernel[0]?.map((r) => r.name) ?? [];
  const table = new Table({
    head: ['scenario', ...byKernel.map((rs) => rs[0]?.kernel ?? '')],
    ...BORDERLESS,
  });
  names.forEach((name, i) => {
    table.push([plain(name), ...byKernel.map((reports) => cellText(reports[i]!))]);
  });
  return `${table
    .toString()
    .split('\n')
    .map((l) => l.trimEnd())
    .join('\n')}\n`;
}

/** `broken; as v5.7 v5.11`: were promises kept, and which eras explain it. */
export function cellText({ verdict, fits, broken, runs }: LiveReport): string {
  if (!isTested(verdict)) return verdict.kind;
  const agree = standing(fits).filter((f) => f.agrees === runs);
  const eras = agree.map((f) => f.policy.split('-')[0]!);
  const promises = broken.some((b) => b.excuse === '') ? 'broken' : broken.length > 0 ? 'documented' : 'kept';
  return `${promises}; as ${eras.length === 0 ? 'no policy' : eras.join(' ')}`;
}

export function capabilitiesText(kernel: string, c: Capabilities): string {
  const rows = [
    ...LIVE_CALLERS.map((caller) => [`caller ${caller}`, c.callers[caller]] as const),
    ...PAGE_KINDS.map((kind) => [`page ${kind}`, pageKindMissing(kind, c)] as const),
    ...Object.entries(c.features).map(([name, why]) => [`feature ${name}`, why] as const),
  ];
  const wide = Math.max(...rows.map(([name]) => name.length));
  return [
    `${kernel}: release ${c.release}, files on ${c.filesystem}`,
    ...rows.map(([name, why]) => `  ${name.padEnd(wide)}  ${why === '' ? 'yes' : `no: ${why}`}`),
    '  never: a W GET that is held, a long-term R pin, O_DIRECT held across steps, pages that are stable under writeback',
    '',
  ].join('\n');
}

/** What random scenarios come to: whether the kernel is as the policy says, which may be to break promises. */
export function fuzzVerdict(policy: string, r: LiveFuzzResult): LiveVerdict {
  const by = [policy];
  if (r.lost > 0) return { kind: 'broken, not predicted', by, why: '' };
  if (r.disagreed > 0) return { kind: 'not explained', by, why: '' };
  if (r.failed !== '') return { kind: 'policy error', by: [], why: `${policy}: ${r.failed}` };
  if (r.runs < r.asked) return untested('incomplete', `stopped after ${r.runs} of ${r.asked} runs`);
  // Little that agrees says nothing beside much that went wrong.
  if (r.agreed > r.trouble) return { kind: 'agrees', by, why: '' };
  const why = [...r.reasons]
    .sort(([, a], [, b]) => b - a)
    .map(([reason]) => reason)
    .join('; ');
  return r.incomplete > 0 ? untested('incomplete', why) : { kind: 'nothing observed', by: [], why: '' };
}

/** The counts, in one line. */
export function fuzzLine(kernel: string, policy: string, r: LiveFuzzResult): string {
  return (
    `${kernel} against ${policy}: ${r.runs} runs, ${r.agreed} agree` +
    `${r.broken === 0 ? '' : ` (${r.broken} of them break a promise, as predicted)`}, ` +
    `${r.disagreed} disagree${r.lost === 0 ? '' : ` (${r.lost} of them break a promise)`}, ` +
    `${r.incomplete} incomplete${r.trouble === 0 ? '' : ` (${r.trouble} of them went wrong)`}, ${r.blind} with nothing to see; ${r.observed} observations compared`
  );
}

export function fuzzText(kernel: string, policy: string, r: LiveFuzzResult): string {
  const rate = (r.runs / Math.max(r.kernelMs, 1)) * 1000;
  const lines = [
    `${fuzzLine(kernel, policy, r)}; ${rate.toFixed(0)} programs/s on the kernel`,
    `  ${verdictText(fuzzVerdict(policy, r))}`,
  ];
  for (const [why, n] of r.reasons) lines.push(`  incomplete: ${n} x ${why}`);
  for (const [id, n] of r.freedoms) lines.push(`  agrees by a freedom: ${n} x ${id}`);
  for (const [id, n] of r.classes) lines.push(`  disagreement: ${n} x ${id}`);
  for (const f of r.findings) lines.push('', findingText(kernel, policy, f));
  for (const line of r.log) lines.push(`  kernel log: ${line}`);
  return `${lines.join('\n')}\n`;
}

/** A finding for people: the minimal scenario, and both sides of it. */
export function findingText(kernel: string, policy: string, f: LiveFinding): string {
  const { scenario } = f.translated;
  const notes = stepsSeen(f.result, f.translated).map((text) => (text === 'done' ? '' : text));
  const marks = new Set(f.comparison.disagreements.map((d) => d.step));
  const looks =
    f.repeats === 0
      ? 'seen once, not yet run again or shrunk'
      : `${f.hits} of ${f.repeats} runs as drawn, ${f.shrunkHits} of ${f.repeats} shrunk to ${scenario.steps.length} steps`;
  return [
    `${f.class}: run ${f.run}; ${looks}`,
    renderColumns(scenario, { notes, marks }).trimEnd(),
    ...f.comparison.disagreements.map(
      (d) => `step ${d.step + 1}: ${policy} has ${d.predicted.join(' or ')}; ${kernel} has ${d.seen}`,
    ),
    ...f.broken.map(brokenText),
    ...f.result.steps.flatMap((s) => s.log.map((line) => `kernel log: ${line}`)),
  ].join('\n');
}
