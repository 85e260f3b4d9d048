/** Running scenarios on kernels and saying what came of it, as data and as text. */
import Table from 'cli-table3';
import { PAGE_KINDS } from '../domain/kinds.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { BORDERLESS } from '../report/borderless.ts';
import { renderColumns } from '../report/columns.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { stepText } from '../scenario/scenario.ts';
import {
  type BrokenPromise,
  brokenPromises,
  type Comparison,
  type Disagreement,
  FREEDOMS,
  observes,
  predict,
  seenText,
} from './compare.ts';
import { compareAll } from './freedom.ts';
import type { LiveFinding, LiveFuzzResult } from './fuzz.ts';
import type { Capabilities, Kernel, LiveProgram, LiveResult } from './protocol.ts';
import { isUnsupported, LIVE_CALLERS, pageKindMissing, type Translated, toLive } from './translate.ts';

/** '' or why a program is not run on the host unless it is allowed there. */
export function harm(program: LiveProgram): string {
  const stored = new Set<number>(); // files that a reference may store to behind the filesystem's back
  for (const step of program.steps) {
    const writes =
      (step.op === 'gup' && step.caller === 'process_vm_writev') || (step.op === 'dio' && !step.write);
    const page = writes && 'page' in step ? program.pages[step.page] : undefined;
    if (page?.kind === 'shared-file') stored.add(page.file);
  }
  const stripped = program.steps.some(
    (s) => (s.op === 'reclaim' || s.op === 'drop_caches') && stored.has(s.file),
  );
  return stripped
    ? 'may make ext4 warn, or stop a kernel before v5.18 (B47); needs --allow-host or a VM'
    : '';
}

/** What one policy says to what was seen. */
export interface PolicyFit {
  readonly policy: string;
  /** Per step, in words. */
  readonly predicted: readonly (readonly string[])[];
  /** Runs that the policy explains. */
  readonly agrees: number;
  /** Of all runs, without doubles. */
  readonly disagreements: readonly Disagreement[];
  readonly freedoms: readonly string[];
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
  /** '' or why it was not run, or not to its end: then it is no pass. */
  readonly unsupported: string;
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

/** Each scenario so often. `refuse`: '' or why a program must not run. Once `signal` aborts, the rest is not run. */
export async function runOnKernel(
  kernel: Kernel,
  scenarios: readonly Named[],
  policies: readonly ExpandedPolicy[],
  repeats: number,
  refuse: (program: LiveProgram) => string = () => '',
  signal?: AbortSignal,
): Promise<LiveReport[]> {
  const translated = scenarios.map(({ scenario }) => {
    const t = toLive(scenario, kernel.capabilities);
    const why = isUnsupported(t) ? '' : refuse(t.program);
    return why === '' ? t : { unsupported: why };
  });
  const programs = translated.flatMap((t) =>
    isUnsupported(t) ? [] : Array.from({ length: repeats }, () => t.program),
  );
  const results: LiveResult[] = [];
  while (results.length < programs.length && signal?.aborted !== true)
    results.push(...(await kernel.run(programs.slice(results.length, results.length + BATCH))));
  let at = 0;
  return scenarios.map(({ name, scenario }, i) => {
    const t = translated[i]!;
    const own = isUnsupported(t) ? [] : results.slice(at, at + repeats);
    if (!isUnsupported(t)) at += repeats;
    if (!isUnsupported(t) && own.length > 0) return reportOf(name, kernel.name, t, own, policies);
    return {
      name,
      kernel: kernel.name,
      unsupported: isUnsupported(t) ? t.unsupported : 'stopped before it was run',
      scenario,
      substitutions: [],
      runs: 0,
      seen: [],
      fits: [],
      broken: [],
      log: [],
    };
  });
}

function reportOf(
  name: string,
  kernel: string,
  translated: Translated,
  results: readonly LiveResult[],
  policies: readonly ExpandedPolicy[],
): LiveReport {
  const { scenario, from, substitutions } = translated;
  const seen = scenario.steps.map(() => new Map<string, number>());
  const broken = new Map<string, BrokenPromise & { runs: number }>();
  let unsupported = '';
  for (const result of results) {
    result.steps.forEach((outcome, live) => {
      const text = seenText(scenario, outcome);
      const map = seen[from[live]!]!;
      map.set(text, (map.get(text) ?? 0) + 1);
    });
    for (const b of brokenPromises(result, translated)) {
      const key = JSON.stringify(b);
      broken.set(key, { ...b, runs: (broken.get(key)?.runs ?? 0) + 1 });
    }
  }
  const fits = policies.map((policy): PolicyFit => {
    const compared = compareAll(results, translated, policy);
    unsupported ||= compared.find((c) => c.incomplete !== '')?.incomplete ?? '';
    return {
      policy: policy.id,
      predicted: predict(translated, policy),
      agrees: compared.filter(isAgreement).length,
      disagreements: distinct(compared.flatMap((c) => c.disagreements)),
      freedoms: [...new Set(compared.flatMap((c) => c.freedoms))],
    };
  });
  const log = [...new Set(results.flatMap((r) => r.steps.flatMap((s) => s.log)))];
  return {
    name,
    kernel,
    unsupported,
    scenario,
    substitutions,
    runs: results.length,
    seen,
    fits,
    broken: [...broken.values()],
    log,
  };
}

/** Compared to the end, something was observed, and nothing differs. */
const isAgreement = (c: Comparison): boolean =>
  c.disagreements.length === 0 && c.incomplete === '' && c.observed > 0;

const distinct = (list: readonly Disagreement[]): Disagreement[] => [
  ...new Map(list.map((d) => [JSON.stringify(d), d])).values(),
];

/** The policies that explain the most scenarios in all their runs, in order; the canary is not asked. */
export function bestFits(reports: readonly LiveReport[]): {
  readonly policies: readonly string[];
  readonly of: number;
  readonly agrees: number;
} {
  const tested = reports.filter((r) => r.unsupported === '' && r.runs > 0);
  const ids = [...new Set(tested.flatMap((r) => r.fits.map((f) => f.policy)))].filter(
    (id) => id !== 'canary',
  );
  const scores = ids.map(
    (id) => tested.filter((r) => r.fits.find((f) => f.policy === id)?.agrees === r.runs).length,
  );
  const agrees = Math.max(0, ...scores);
  return { policies: ids.filter((_, i) => scores[i] === agrees), of: tested.length, agrees };
}

// ---- Text --------------------------------------------------------------------------------------------------------

const mapText = (map: ReadonlyMap<string, number>): string =>
  map.size === 0
    ? '-'
    : map.size === 1
      ? [...map.keys()][0]!
      : [...map].map(([text, n]) => `${text} (${n})`).join(', ');

/** One scenario: what was seen at each step that shows something, and what each policy predicts there. */
export function reportText(r: LiveReport): string {
  const lines = [`${r.name} on ${r.kernel}`];
  if (r.runs === 0) return `${lines[0]}: unsupported: ${r.unsupported}\n`;
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
  );
  if (r.unsupported !== '') lines.push(`  unsupported, not a pass: ${r.unsupported}`);
  const agree = r.fits.filter((f) => f.agrees > 0);
  lines.push(
    `  agrees with: ${agree.length === 0 ? 'no policy' : agree.map((f) => `${f.policy}${f.agrees < r.runs ? ` (${f.agrees} of ${r.runs} runs)` : ''}`).join(', ')}`,
  );
  for (const f of r.fits)
    for (const id of f.freedoms)
      lines.push(`  ${f.policy} agrees as ${FREEDOMS.find((x) => x.id === id)?.reason ?? id}`);
  for (const b of r.broken) {
    const what = b.excuse === '' ? 'promise broken on this kernel' : `documented (${b.excuse})`;
    lines.push(
      `  ${what}: step ${b.step + 1} saw ${b.seen}${b.expected === '' ? '' : ` instead of ${b.expected}`} (${b.damage}; ${b.runs} of ${r.runs} runs)`,
    );
  }
  for (const line of r.log) lines.push(`  kernel log: ${line}`);
  return `${lines.join('\n')}\n`;
}

/** Which policy fits, and where the best does not. */
export function fitText(kernel: string, reports: readonly LiveReport[]): string {
  const best = bestFits(reports);
  if (best.of === 0) return `${kernel}: nothing could be tested\n`;
  const lines = [
    `${kernel}: ${best.of} of ${reports.length} scenarios tested; best fit: ${best.policies.join(', ')} (${best.agrees} of ${best.of})`,
  ];
  for (const r of reports)
    for (const f of r.fits)
      if (best.policies.includes(f.policy))
        for (const d of f.disagreements)
          lines.push(
            `  ${r.name}: step ${d.step + 1} ${stepText(r.scenario.steps[d.step]!)}: ${f.policy} has ${d.predicted.join(' or ')}, seen ${d.seen}`,
          );
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
    table.push([
      name,
      ...byKernel.map((reports) => {
        const r = reports[i]!;
        if (r.unsupported !== '') return 'unsupported';
        const agree = r.fits.filter((f) => f.agrees === r.runs && f.policy !== 'canary').map((f) => f.policy);
        const eras = agree.map((id) => id.split('-')[0]!);
        const broken = r.broken.some((b) => b.excuse === '')
          ? 'broken'
          : r.broken.length > 0
            ? 'documented'
            : 'kept';
        return `${broken}; as ${eras.length === 0 ? 'no policy' : eras.join(' ')}`;
      }),
    ]);
  });
  return `${table
    .toString()
    .split('\n')
    .map((l) => l.trimEnd())
    .join('\n')}\n`;
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

export function fuzzText(kernel: string, policy: string, r: LiveFuzzResult): string {
  const rate = (r.runs / Math.max(r.kernelMs, 1)) * 1000;
  const lines = [
    `${kernel} against ${policy}: ${r.runs} runs, ${r.agreed} agree, ${r.disagreed} disagree, ` +
      `${r.incomplete} incomplete, ${r.blind} with nothing to see; ${r.observed} observations compared; ` +
      `${rate.toFixed(0)} programs/s on the kernel`,
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
  const { scenario, from } = f.translated;
  const notes = scenario.steps.map((_, at) => {
    const live = from.indexOf(at);
    const o = live < 0 ? undefined : f.result.steps[live];
    return o === undefined || (o.outcome === 'done' && o.value === undefined) ? '' : seenText(scenario, o);
  });
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
    ...f.result.steps.flatMap((s) => s.log.map((line) => `kernel log: ${line}`)),
  ].join('\n');
}
