/** `compare`: policies x counterexamples, policies x properties, and what is new in a candidate. */
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCampaign } from '../campaign/campaign.ts';
import { makeFolder } from '../campaign/folder.ts';
import { slugOf } from '../campaign/store.ts';
import type { CampaignResult } from '../campaign/types.ts';
import { replayOn } from '../executor/replay.ts';
import { COST_NAMES } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { isModulePath } from '../policies/load.ts';
import { classId } from '../property/property.ts';
import {
  budgetText,
  campaignData,
  costsText,
  matrix,
  matrixColumns,
  matrixText,
} from '../report/campaign.ts';
import {
  type ComparedFile,
  type CostChange,
  costChanges,
  entryName,
  markdownMatrix,
  markdownTable,
  type News,
  newsOfFiles,
  renderMatrix,
} from '../report/compare.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { type FindingOptions, renderFinding } from '../report/finding.ts';
import { type JunitCase, type JunitSuite, renderJunit } from '../report/junit.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { failsAs, Shrinker } from '../shrink/shrink.ts';
import { choosePolicies } from './choose.ts';
import type { COMPARE_FORMATS } from './compare.ts';
import { EXIT, inputError, usageError, worst } from './exit.ts';
import { exitOf, type Loaded, loadFiles, reportProblems } from './files.ts';
import { paint, print, printJson, talk, width } from './io.ts';

export interface CompareOptions {
  /** Empty: the catalogue. */
  readonly paths: readonly string[];
  readonly policies: readonly string[];
  readonly pair: { readonly base: string; readonly cand: string } | undefined;
  /** 0: no campaign. */
  readonly runs: number;
  readonly seed: number;
  readonly scope: 'base' | 'default';
  readonly profile: 'anon' | 'file' | 'all';
  readonly workers: number | undefined;
  readonly out: string | undefined;
  readonly format: (typeof COMPARE_FORMATS)[number];
}

/** A class that the campaign found on the candidate alone, shrunk. */
interface NewFinding {
  readonly counterexample: Counterexample;
  readonly run: number;
  /** Where it was written; '' if nowhere. */
  readonly file: string;
}

interface Compared {
  readonly policies: readonly ExpandedPolicy[];
  readonly loaded: Loaded;
  readonly files: readonly ComparedFile[];
  readonly campaign: CampaignResult | undefined;
  readonly news: readonly News[];
  readonly findings: readonly NewFinding[];
  readonly costs: readonly CostChange[];
}

export async function runCompare(options: CompareOptions): Promise<number> {
  const { pair, runs, format } = options;
  const policies = pair === undefined ? await manyPolicies(options.policies) : await pairOf(pair);
  const loaded = loadFiles(options.paths.length > 0 ? options.paths : [catalogue()]);
  reportProblems(loaded);
  const files = loaded.files.map(({ file, counterexample: c }): ComparedFile => {
    const replays = policies.map((policy) => replayOn(c, policy));
    return { file, title: c.title, replays, unexpected: replays.map((r) => r.contradictions) };
  });
  const campaign = runs === 0 ? undefined : await campaignOf(options, policies);
  const findings =
    pair === undefined || campaign === undefined ? [] : newFindings(campaign, policies, options);
  const compared: Compared = {
    policies,
    loaded,
    files,
    campaign,
    findings,
    news:
      pair === undefined
        ? []
        : [
            ...newsOfFiles(files),
            ...findings.map(({ counterexample: c, run, file }): News => {
              const id = idOf(c);
              const where = `run ${run} of seed ${options.seed}${file === '' ? '' : ` (${file})`}`;
              return { where, class: id, what: `violates ${id}` };
            }),
          ],
    costs: pair === undefined ? [] : [...costChanges(files), ...campaignCosts(campaign)],
  };

  if (format === 'json') printJson(dataOf(compared, options));
  else if (format === 'junit') print(renderJunit('gupfuzz compare', suitesOf(compared, options)));
  else if (format === 'markdown') print(markdownOf(compared, options));
  else print(textOf(compared, options));
  return exitCode(compared, options);
}

async function manyPolicies(names: readonly string[]): Promise<readonly ExpandedPolicy[]> {
  const { policies, broken } = await choosePolicies(names);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  return policies;
}

async function pairOf({ base, cand }: { base: string; cand: string }): Promise<readonly ExpandedPolicy[]> {
  for (const [flag, name] of [
    ['base', base],
    ['cand', cand],
  ] as const)
    if (name === 'all') throw usageError(`--${flag} is "all"; allowed: one policy`);
  const policies = await manyPolicies([base, cand]);
  if (policies.length !== 2) throw usageError(`--base and --cand are the same policy, ${policies[0]!.id}`);
  return policies;
}

/** The folder here, or else that of the package. */
function catalogue(): string {
  if (existsSync('counterexamples')) return 'counterexamples';
  const own = ['../../counterexamples/', '../../../counterexamples/']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  return own ?? 'counterexamples';
}

async function campaignOf(
  options: CompareOptions,
  policies: readonly ExpandedPolicy[],
): Promise<CampaignResult> {
  const { runs, seed, scope, profile, workers, pair } = options;
  let last = 0;
  const result = await runCampaign({
    policies,
    runs,
    seed,
    scope,
    profile,
    workers: workers ?? Math.max(1, availableParallelism()),
    // New findings of a candidate are shrunk here, once they are known to be new.
    shrink: pair === undefined ? 'passes' : 'none',
    documented: false,
    onNotice: talk,
    onProgress: (p) => {
      if (p.elapsedMs - last < 5000) return;
      last = p.elapsedMs;
      talk(`${p.phase}: ${p.runs} of ${runs} runs`);
    },
  });
  return result;
}

/** Classes of the candidate that the base has neither in the same campaign nor in the shrunk program. */
function newFindings(
  campaign: CampaignResult,
  [base, cand]: readonly ExpandedPolicy[],
  options: CompareOptions,
): NewFinding[] {
  const classes = new Set(campaign.findings.filter((f) => f.policy === base!.id).map((f) => f.class));
  const shrinker = new Shrinker(cand!);
  return campaign.findings
    .filter((f) => f.policy === cand!.id && !f.documented && !classes.has(f.class))
    .flatMap((f): NewFinding[] => {
      const target = { code: f.code, documented: false };
      const { scenario, minimality } = shrinker.shrink(f.scenario, target);
      if (failsAs({ ...base! }, target)(scenario)) return [];
      const counterexample = buildCounterexample({
        scenario,
        policy: cand!,
        code: f.code,
        documented: false,
        minimality,
        provenance: { tool: 'gupfuzz', seed: options.seed, run: f.run, found: 'campaign' },
        policies: [base!],
      });
      return [{ counterexample, run: f.run, file: save(counterexample, f.class, options.out) }];
    });
}

function save(c: Counterexample, id: string, out: string | undefined): string {
  if (out === undefined) return '';
  const file = join(out, `${slugOf(id)}.gup.json`);
  try {
    makeFolder(out);
    writeFileSync(file, formatCounterexample(c));
  } catch (error) {
    throw inputError(
      `${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
  return file;
}

function idOf({ class: c }: Counterexample): string {
  return c === null ? '' : classId(c);
}

function campaignCosts(campaign: CampaignResult | undefined): CostChange[] {
  if (campaign === undefined) return [];
  const per1000 = (at: number, cost: (typeof COST_NAMES)[number]): number => {
    const { steps, costs } = campaign.counts[at]!;
    return steps === 0 ? 0 : Math.round((100_000 * costs[cost]) / steps) / 100;
  };
  return COST_NAMES.map(
    (cost): CostChange => ({
      where: 'campaign, per 1000 steps',
      cost,
      base: per1000(0, cost),
      cand: per1000(1, cost),
    }),
  ).filter(({ base, cand }) => cand > base);
}

function exitCode({ loaded, files, campaign, news, policies }: Compared, { pair }: CompareOptions): number {
  const errors = campaign?.counts.some((c) => c.errorRun >= 0) === true;
  const flaky = files.some((f) => f.replays.some((r) => !r.deterministic));
  const contradicted = files.some((f) => f.unexpected.some((lines) => lines.length > 0));
  const canaries =
    campaign !== undefined && policies.some((p) => p.canary) && campaign.canariesMissed.length > 0;
  const tested = files.length > 0 || (campaign !== undefined && campaign.runs > 0);
  return worst([
    ...(loaded.problems.length > 0 ? [exitOf(loaded)] : []),
    ...(tested ? [] : [EXIT.nothingTested]),
    ...(flaky ? [EXIT.notDeterministic] : []),
    ...(errors ? [EXIT.badInput] : []),
    ...((pair === undefined ? contradicted : news.length > 0) ? [EXIT.finding] : []),
    ...(canaries ? [EXIT.goalsMissed] : []),
  ]);
}

// ---- Text --------------------------------------------------------------------------------------------------------

function textOf(compared: Compared, options: CompareOptions): string {
  const { policies, files, campaign } = compared;
  const parts: string[] = [];
  if (options.pair !== undefined) {
    parts.push(newsText(compared, options));
    if (campaign !== undefined) parts.push(`\n${budgetText(campaign)}\n`);
    return parts.join('');
  }
  const ids = policies.map((p) => p.id);
  if (files.length > 0) {
    parts.push(renderMatrix(files, ids, process.stdout.isTTY ? { paint, width: width() } : {}));
    for (const f of files)
      f.unexpected.forEach((lines, p) => {
        for (const line of lines)
          parts.push(`${paint.red('unexpected')}: ${entryName(f.file)} on ${ids[p]}: ${line}\n`);
      });
  }
  if (campaign !== undefined)
    parts.push(
      `${files.length > 0 ? '\n' : ''}${budgetText(campaign)}\n\n`,
      matrixText(campaign),
      '(classes/fewest steps; - not found in so many runs; ? goal not reached)\n\n',
      costsText(campaign),
    );
  return parts.join('');
}

function newsText({ policies, files, news, findings, costs }: Compared, options: CompareOptions): string {
  const [base, cand] = policies.map((p) => p.id);
  const parts: string[] = [];
  if (news.length === 0)
    parts.push(
      `${paint.green('nothing new')}: ${cand} breaks nothing that ${base} keeps (${tried(files)})\n`,
    );
  else parts.push(`${paint.red(`${news.length} new`)}: broken by ${cand}, not by ${base}\n`);
  for (const { where, what } of news) parts.push(`  ${where}: ${what}\n`);
  for (const finding of told(findings))
    parts.push(`\n${storyOf(finding, options, { paint, width: width() })}`);
  if (costs.length > 0) {
    parts.push('\nCosts more (no failure):\n');
    for (const { where, cost, base: from, cand: to } of costs)
      parts.push(`  ${cost}: ${from} -> ${to} (${where})\n`);
  }
  return parts.join('');
}

/** One finding in full. */
function storyOf(
  { counterexample, file }: NewFinding,
  { pair }: CompareOptions,
  options: FindingOptions,
): string {
  const module = pair !== undefined && isModulePath(pair.cand) ? { policy: pair.cand } : {};
  return renderFinding(counterexample, file, { ...options, ...module });
}

/** The shortest finding of each property and page kind: those worth telling in full. */
function told(findings: readonly NewFinding[]): NewFinding[] {
  const best = new Map<string, NewFinding>();
  for (const finding of findings) {
    const { class: c, steps } = finding.counterexample;
    const key = `${c?.property} ${c?.page}`;
    const known = best.get(key);
    if (known === undefined || steps.length < known.counterexample.steps.length) best.set(key, finding);
  }
  return [...best.values()];
}

const tried = (files: readonly ComparedFile[]): string =>
  `${files.length} counterexample${files.length === 1 ? '' : 's'} replayed`;

// ---- Markdown ----------------------------------------------------------------------------------------------------

function markdownOf(compared: Compared, options: CompareOptions): string {
  const { policies, files, campaign, news, costs } = compared;
  const ids = policies.map((p) => p.id);
  const parts: string[] = [];
  if (options.pair !== undefined) {
    parts.push(`### gupfuzz: ${ids[1]} against ${ids[0]}\n\n`);
    if (news.length === 0) parts.push(`Nothing new is broken (${tried(files)}).\n`);
    else
      parts.push(
        markdownTable(
          ['where', 'new'],
          news.map((n) => [n.where, n.what]),
        ),
      );
    for (const finding of told(compared.findings))
      parts.push(`\n\`\`\`text\n${storyOf(finding, options, { width: 72 })}\`\`\`\n`);
    if (costs.length > 0)
      parts.push(
        '\nCosts more (no failure):\n\n',
        markdownTable(
          ['cost', ids[0]!, ids[1]!, 'of'],
          costs.map((c) => [c.cost, String(c.base), String(c.cand), c.where]),
        ),
      );
    if (campaign !== undefined) parts.push(`\n${budgetText(campaign)}\n`);
    return parts.join('');
  }
  if (files.length > 0) parts.push('### Policies x counterexamples\n\n', markdownMatrix(files, ids));
  if (campaign !== undefined)
    parts.push(
      `${files.length > 0 ? '\n' : ''}### Policies x properties\n\n${budgetText(campaign)}\n\n`,
      markdownTable(
        ['policy', ...matrixColumns(campaign)],
        matrix(campaign).map(({ policy, cells }) => [
          policy,
          ...cells.map((cell) =>
            cell.verdict === 'violated'
              ? `**${cell.classes} class${cell.classes === 1 ? '' : 'es'}, ${cell.shortest} steps**`
              : cell.verdict,
          ),
        ]),
      ),
    );
  return parts.join('');
}

// ---- JUnit -------------------------------------------------------------------------------------------------------

function suitesOf(compared: Compared, options: CompareOptions): JunitSuite[] {
  const { policies, files, loaded, news, findings } = compared;
  const { pair } = options;
  const bad = loaded.problems.map(
    ({ file, message }): JunitCase => ({ name: entryName(file), classname: 'files', error: message }),
  );
  const badSuite = bad.length === 0 ? [] : [{ name: 'files', cases: bad }];
  if (pair === undefined)
    return [
      ...badSuite,
      ...policies.map(
        ({ id }, p): JunitSuite => ({
          name: id,
          cases: files.map((f) => {
            const lines = f.unexpected[p]!;
            const { result } = f.replays[p]!;
            return {
              name: entryName(f.file),
              classname: id,
              ...(lines.length > 0
                ? { failure: { message: lines[0]!, text: lines.join('\n') } }
                : result.verdict === 'unsupported'
                  ? { skipped: `step ${result.notApplicable + 1} does not apply` }
                  : {}),
            };
          }),
        }),
      ),
    ];
  const cand = policies[1]!.id;
  return [
    ...badSuite,
    {
      name: `${cand} against ${policies[0]!.id}`,
      cases: [
        ...files.map((f): JunitCase => {
          const lines = news.filter((n) => n.where === f.file).map((n) => n.what);
          return {
            name: entryName(f.file),
            classname: cand,
            ...(lines.length > 0 ? { failure: { message: lines[0]!, text: lines.join('\n') } } : {}),
          };
        }),
        ...findings.map((finding): JunitCase => {
          const { counterexample: c } = finding;
          const text = storyOf(finding, options, { width: 72 });
          return { name: idOf(c), classname: `${cand}.campaign`, failure: { message: c.title, text } };
        }),
      ],
    },
  ];
}

// ---- Data --------------------------------------------------------------------------------------------------------

function dataOf(compared: Compared, { pair }: CompareOptions): object {
  const { policies, files, loaded, campaign, news, findings, costs } = compared;
  return {
    policies: policies.map((p) => ({ id: p.id, builtIn: BUILT_IN.some((b) => b.id === p.id) })),
    files: files.map((f) => ({
      file: f.file,
      title: f.title,
      verdicts: f.replays.map((r, p) => ({
        policy: r.policy,
        verdict: r.result.verdict,
        status: r.status,
        classes: r.classes,
        documented: r.documented,
        costs: r.result.costs,
        unexpected: f.unexpected[p],
      })),
    })),
    problems: loaded.problems,
    campaign: campaign === undefined ? null : campaignData(campaign),
    ...(pair === undefined
      ? {}
      : {
          base: policies[0]!.id,
          cand: policies[1]!.id,
          new: news,
          findings: findings.map(({ counterexample, run, file }) => ({ run, file, counterexample })),
          costsMore: costs,
        }),
  };
}
