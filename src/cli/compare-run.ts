/** `compare`: policies x counterexamples, policies x properties, and what is new in a candidate. */
import { availableParallelism } from 'node:os';
import { notInterleavedIn, notInterleavedText } from '../campaign/asked.ts';
import { runCampaign } from '../campaign/campaign.ts';
import { FindingStore, findingName } from '../campaign/store.ts';
import type { CampaignResult, Finding } from '../campaign/types.ts';
import { replayOn } from '../executor/replay.ts';
import { doesNotApply } from '../executor/why-not.ts';
import { COST_NAMES } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { NEWNESS } from '../regression/order.ts';
import {
  budgetText,
  campaignData,
  costsText,
  matrix,
  matrixColumns,
  matrixText,
} from '../report/campaign.ts';
import { wrapText } from '../report/columns.ts';
import {
  type Change,
  type ComparedFile,
  type CostChange,
  changesOf,
  changeText,
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
import { type JunitCase, type JunitSuite, problemSuites, renderJunit } from '../report/junit.ts';
import { notesUnder } from '../report/notes.ts';
import { replayPasted } from '../report/pasted.ts';
import { newsText } from '../report/regression.ts';
import { type ReplayBy, replayCommand } from '../report/shell.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { plain } from '../scenario/file-error.ts';
import { reportFailure } from './campaign-failure.ts';
import { type CampaignFlags, campaignScopeOf } from './campaign-scope.ts';
import { campaignScreen } from './campaign-screen.ts';
import { choosePolicies } from './choose.ts';
import type { COMPARE_FORMATS } from './compare.ts';
import { EXIT, type ExitCode, inputError, usageError, worst } from './exit.ts';
import { CATALOGUE, EXTENSION, exitOf, type Loaded, loadFiles, reportProblems } from './files.ts';
import {
  paint,
  print,
  printJson,
  printResult,
  terminalWidth,
  talk,
  talkText,
  whereKept,
  width,
} from './io.ts';
import { onStop } from './stop.ts';
import { checkFolder } from './write.ts';

export interface CompareOptions {
  /** Empty: the catalogue. */
  readonly paths: readonly string[];
  readonly policies: readonly string[];
  readonly pair: { readonly base: string; readonly cand: string } | undefined;
  /** 0: no campaign. */
  readonly runs: number;
  readonly seed: number;
  /** Of the campaign. */
  readonly scope: CampaignFlags;
  readonly workers: number | undefined;
  readonly out: string | undefined;
  readonly format: (typeof COMPARE_FORMATS)[number];
}

/** A regression that the campaign found, shrunk. */
interface NewFinding {
  readonly counterexample: Counterexample;
  readonly regression: NonNullable<Finding['regression']>;
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
  /** What the candidate keeps, and the base breaks, on the programs of the campaign; and the other way round. */
  readonly better: readonly Change[];
  readonly worse: readonly Change[];
  /** Policies that failed: they gave an answer that cannot be carried out. One line each. */
  readonly failed: readonly string[];
}

export async function runCompare(options: CompareOptions): Promise<number> {
  const { pair, runs, format } = options;
  if (options.out !== undefined) checkFolder(options.out);
  const policies = pair === undefined ? await manyPolicies(options.policies) : await pairOf(pair);
  const loaded = loadFiles(options.paths.length > 0 ? options.paths : [CATALOGUE]);
  reportProblems(loaded);
  const files = loaded.files.map(({ file, counterexample: c }): ComparedFile => {
    const replays = policies.map((policy) => replayOn(c, policy));
    return { file, scenario: c, title: c.title, replays, unexpected: replays.map((r) => r.contradictions) };
  });
  const { campaign, stopped } =
    runs === 0 ? { campaign: undefined, stopped: undefined } : await campaignOf(options, policies);
  const findings =
    pair === undefined || campaign === undefined ? [] : newFindings(campaign, policies, options);
  const ofFiles = pair === undefined ? [] : newsOfFiles(files, policies);
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
            ...ofFiles,
            ...findings.map(({ counterexample: c, run, file }): News => {
              const id = idOf(c);
              const where = `run ${run} of seed ${options.seed}${file === '' ? '' : ` (${file})`}`;
              return { where, class: id, what: `violates ${id}` };
            }),
          ],
    costs: pair === undefined ? [] : [...costChanges(files), ...campaignCosts(campaign)],
    better: changesOf(campaign?.counts[0]?.regressed ?? []),
    worse: changesOf(campaign?.counts[1]?.regressed ?? []),
    failed: failuresOf(policies, files, campaign, ofFiles),
  };

  if (format === 'json') printJson(dataOf(compared, options));
  else if (format === 'junit') print(renderJunit('gupfuzz compare', suitesOf(compared, options)));
  else if (format === 'markdown') print(markdownOf(compared, options));
  else printResult(textOf(compared, options), stopped !== undefined, whereKept(options.out));
  const untested = notInterleaved(compared);
  for (const [id, not] of untested) talk(`${id} is ${notInterleavedText(not)}`);
  if (campaign?.failure !== undefined) return reportFailure(campaign.failure);
  return (
    stopped ??
    exitCode(
      compared,
      options,
      untested.some(([, not]) => not.alone),
    )
  );
}

/** What only interleaved operations ask, where neither the campaign nor a file has any. */
const notInterleaved = ({ campaign, files }: Compared): ReturnType<typeof notInterleavedIn> =>
  campaign === undefined || files.some(({ scenario }) => scenario.setup.tasks !== undefined)
    ? []
    : notInterleavedIn(campaign);

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

async function campaignOf(
  options: CompareOptions,
  policies: readonly ExpandedPolicy[],
): Promise<{ readonly campaign: CampaignResult; readonly stopped: ExitCode | undefined }> {
  const { runs, seed, workers, pair } = options;
  const screen = campaignScreen(
    policies.map((p) => p.alias ?? p.id),
    undefined,
  );
  const stop = onStop(() => {
    screen.clear();
    talk('stopping; what was found so far is told (again to stop at once)');
  });
  const campaign = await runCampaign({
    policies,
    runs,
    seed,
    ...(await campaignScopeOf(options.scope)),
    workers: workers ?? Math.max(1, availableParallelism()),
    // Of two, each is judged beside the other: what got worse is told, what got better is counted.
    bases:
      pair === undefined
        ? []
        : [
            { policy: policies[1]!, tells: false },
            { policy: policies[0]!, tells: true },
          ],
    regressionsOnly: pair !== undefined,
    shrink: pair === undefined ? 'passes' : 'shortest',
    documented: false,
    signal: stop.signal,
    onProgress: screen.update,
    onNotice: (line) => {
      screen.clear();
      talk(line);
    },
    onLost: talkText,
  }).finally(() => {
    screen.clear();
    stop.off();
  });
  // Who stopped the proofs alone has all that was asked for.
  return { campaign, stopped: campaign.ended === 'interrupted' ? stop.code : undefined };
}

/** The regressions of the candidate, as files. */
function newFindings(
  campaign: CampaignResult,
  [base, cand]: readonly ExpandedPolicy[],
  options: CompareOptions,
): NewFinding[] {
  const store = new FindingStore(options.out, talk, talkText);
  return campaign.findings.flatMap((f): NewFinding[] => {
    if (f.regression === undefined) return [];
    const counterexample = buildCounterexample({
      scenario: f.scenario,
      policy: cand!,
      code: f.code,
      documented: false,
      minimality: f.minimality,
      provenance: { tool: 'gupfuzz', seed: options.seed, run: f.run, found: 'campaign' },
      policies: [base!],
    });
    const { way } = f.regression;
    const file =
      store.write(`${findingName(f.class, way)}${EXTENSION}`, formatCounterexample(counterexample)) ?? '';
    return [{ counterexample, regression: f.regression, run: f.run, file }];
  });
}

/** In words, who gave an answer that cannot be carried out, on which program. */
function failuresOf(
  policies: readonly ExpandedPolicy[],
  files: readonly ComparedFile[],
  campaign: CampaignResult | undefined,
  ofFiles: readonly News[],
): string[] {
  // A base may fail only on the program that the candidate's refusals make of one.
  const asBase = campaign?.counts.find((c, at) => at > 0 && c.baseErrorRun >= 0);
  const own = policies.flatMap(({ id }, at): string[] => {
    const counts = campaign?.counts[at];
    const inFiles = files.filter((f) => (f.replays[at]?.result.policyError ?? '') !== '');
    return [
      ...(counts !== undefined && counts.errorRun >= 0
        ? [`${id}: ${counts.error} (first in run ${counts.errorRun})`]
        : []),
      ...inFiles.map((f) => `${id}: ${f.replays[at]!.result.policyError} (${plain(f.file)})`),
    ];
  });
  if (own.length > 0) return own;
  return [
    ...(asBase === undefined ? [] : [`${asBase.baseError} (first in run ${asBase.baseErrorRun})`]),
    ...ofFiles.filter((n) => n.class === '').map((n) => `${n.what} (${plain(n.where)})`),
  ];
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

function exitCode(
  { loaded, files, campaign, news, policies, failed }: Compared,
  { pair }: CompareOptions,
  untested: boolean,
): number {
  const flaky = files.some((f) => f.replays.some((r) => !r.deterministic));
  const contradicted = files.some((f) => f.unexpected.some((lines) => lines.length > 0));
  const canaries =
    campaign !== undefined && policies.some((p) => p.canary) && campaign.canariesMissed.length > 0;
  const tested = files.length > 0 || (campaign !== undefined && campaign.runs > 0);
  return worst([
    ...(loaded.problems.length > 0 ? [exitOf(loaded)] : []),
    ...(tested && !untested ? [] : [EXIT.nothingTested]),
    ...(flaky ? [EXIT.notDeterministic] : []),
    ...(failed.length > 0 ? [EXIT.badInput] : []),
    ...((pair === undefined ? contradicted : news.some((n) => n.class !== '')) ? [EXIT.finding] : []),
    ...(canaries ? [EXIT.goalsMissed] : []),
  ]);
}

// ---- Text --------------------------------------------------------------------------------------------------------

function textOf(compared: Compared, options: CompareOptions): string {
  const { policies, files, campaign } = compared;
  const parts: string[] = [];
  if (options.pair !== undefined) {
    const text = pairText(compared, options);
    if (campaign === undefined) return text;
    const budget = onePerLine(budgetText(campaign));
    return campaign.ended === 'interrupted' ? `${budget}\n${text}` : `${text}\n${budget}`;
  }
  const ids = policies.map((p) => p.id);
  if (files.length > 0) {
    parts.push(renderMatrix(files, ids, process.stdout.isTTY ? { paint, width: width() } : {}));
    for (const f of files)
      f.unexpected.forEach((lines, p) => {
        for (const line of lines)
          parts.push(wrapped(`${paint.red('unexpected')}: ${entryName(f.file)} on ${ids[p]}: ${line}`));
      });
  }
  if (campaign !== undefined)
    parts.push(
      `${files.length > 0 ? '\n' : ''}${onePerLine(budgetText(campaign))}\n`,
      matrixText(campaign, paint, terminalWidth()),
      `${wrapped('(classes/fewest steps; - not found in so many runs; ? goal not reached)')}\n`,
      costsText(campaign, terminalWidth()),
    );
  return parts.join('');
}

/** To the width of the terminal. */
const wrapped = (text: string, indent = '  '): string => `${wrapText(text, width(), indent).join('\n')}\n`;

/** On a terminal alone. */
const onePerLine = (text: string): string => `${wrapText(text, terminalWidth(), '  ').join('\n')}\n`;

function pairText(compared: Compared, options: CompareOptions): string {
  const { policies, files, news, findings, costs, failed, campaign } = compared;
  const [base, cand] = policies.map((p) => p.id);
  const parts: string[] = [];
  for (const line of failed) parts.push(wrapped(`${paint.red('failed')}: ${line}`));
  const told = news.filter((n) => n.class !== '');
  if (told.length > 0)
    parts.push(
      wrapped(`${paint.red(`${told.length} new`)}: broken by ${cand}, kept by ${base} on the same program`),
    );
  else if (failed.length > 0)
    parts.push(
      wrapped(`Nothing new was met before that; programs end where a policy fails (${tried(compared)})`),
    );
  else
    parts.push(
      wrapped(
        `${paint.green('nothing new')}: ${cand} breaks nothing that ${base} keeps, of what was tried ` +
          `(${tried(compared)})`,
      ),
    );
  for (const { where, what } of news.filter((n) => files.some((f) => f.file === n.where)))
    parts.push(
      `  ${plain(where)}: ${what}\n`,
      where === '-' ? '' : `    ${replayCommand(where, replayBy(options.pair))}\n`,
    );
  for (const line of changeLines(compared)) parts.push(wrapped(line));
  for (const story of stories(findings))
    parts.push(
      `
${wrapped(`${paint.red('new')}: ${newsText(story.finding.regression)}`)}
`,
      storyOf(story.finding, options, { paint, width: width() }, policies),
      othersText(story, options),
    );
  if (costs.length > 0) {
    parts.push('\nCosts more (no failure):\n');
    for (const { where, cost, base: from, cand: to } of costs)
      parts.push(wrapped(`  ${cost}: ${from} -> ${to} (${where})`, '    '));
  }
  if (campaign === undefined)
    parts.push(`\n${wrapped('Only files were compared; --runs 20k compares random programs too.')}`);
  return parts.join('');
}

/** What got better and what got worse on the programs of the campaign, in words. */
function changeLines({ policies, campaign, better, worse }: Compared): string[] {
  if (campaign === undefined) return [];
  const [base, cand] = policies.map((p) => p.id);
  const line = (
    what: string,
    breaker: string | undefined,
    keeper: string | undefined,
    changes: readonly Change[],
  ): string =>
    changes.length === 0
      ? `${what}: nothing that was met`
      : `${what}: broken by ${breaker} on programs on which ${keeper} keeps it: ${changes.map(changeText).join(', ')}`;
  return [line('better', base, cand, better), line('worse', cand, base, worse)];
}

/** One finding in full. */
function storyOf(
  { counterexample, file }: NewFinding,
  { pair }: CompareOptions,
  options: FindingOptions,
  policies: readonly ExpandedPolicy[],
): string {
  const notes = notesUnder(counterexample, policies);
  return renderFinding(counterexample, file, { ...options, notes, by: replayBy(pair), paste: true });
}

/** As the candidate was judged here: beside this base, whichever it derives from. */
const replayBy = (pair: CompareOptions['pair']): ReplayBy =>
  pair === undefined ? {} : { policy: pair.cand, base: pair.base };

/** Regressions by the same way and equally new: one story. */
interface Story {
  /** The shortest. */
  readonly finding: NewFinding;
  /** All, shortest first. */
  readonly findings: readonly NewFinding[];
}

/** In the order of the findings: newest first. */
function stories(findings: readonly NewFinding[]): Story[] {
  const byWay = new Map<string, NewFinding[]>();
  for (const finding of findings) {
    const way = JSON.stringify(finding.regression);
    byWay.set(way, [...(byWay.get(way) ?? []), finding]);
  }
  return [...byWay.values()].map((group) => {
    const sorted = group.toSorted((x, y) => x.counterexample.steps.length - y.counterexample.steps.length);
    return { finding: sorted[0]!, findings: sorted };
  });
}

/** The other classes of a story, a line each with the command that replays it. */
function othersText({ findings }: Story, options: CompareOptions): string {
  const others = findings.slice(1);
  if (others.length === 0) return '';
  const by = replayBy(options.pair);
  const lines = others.map(({ counterexample: c, file }) => {
    const what = `  ${idOf(c)}, ${c.steps.length} steps:`;
    return file === '' ? `${what}\n${replayPasted(c, by)}` : `${what} ${replayCommand(file, by)}\n`;
  });
  return `\nThe same way, ${others.length} more:\n${lines.join('')}`;
}

/** None of it shows that nothing is worse; `compare --check` does, in a scope. */
const tried = ({ files, campaign }: Compared): string =>
  `${files.length} counterexample${files.length === 1 ? '' : 's'} replayed` +
  (campaign === undefined ? '' : `, ${campaign.runs.toLocaleString('en')} random programs`);

// ---- Markdown ----------------------------------------------------------------------------------------------------

function markdownOf(compared: Compared, options: CompareOptions): string {
  const { policies, files, campaign, news, costs, failed } = compared;
  const ids = policies.map((p) => p.id);
  const parts: string[] = [];
  if (options.pair !== undefined) {
    parts.push(`### gupfuzz: ${ids[1]} against ${ids[0]}\n\n`);
    for (const line of failed) parts.push(`**Failed**: ${line}\n\n`);
    if (news.length === 0 && failed.length === 0)
      parts.push(`Nothing new is broken, of what was tried (${tried(compared)}).\n`);
    else if (news.length > 0)
      parts.push(
        markdownTable(
          ['where', 'new'],
          news.map((n) => [plain(n.where), n.what]),
        ),
      );
    parts.push(...changeLines(compared).map((line) => `\n${line}\n`));
    for (const { finding } of stories(compared.findings))
      parts.push(
        `\n${newsText(finding.regression)}\n\n\`\`\`text\n${storyOf(finding, options, { width: 72 }, policies)}\`\`\`\n`,
      );
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
  const { policies, files, loaded, news, findings, failed } = compared;
  const { pair } = options;
  const badSuite = [
    ...problemSuites(loaded.problems.map(({ file, message }) => ({ file: entryName(file), message }))),
    ...(failed.length === 0
      ? []
      : [
          {
            name: 'policies',
            cases: failed.map((line): JunitCase => {
              return { name: line.slice(0, line.indexOf(':')), classname: 'policies', error: line };
            }),
          },
        ]),
  ];
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
                  ? { skipped: doesNotApply(result.notApplicable, result.whyNot) }
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
          const text = storyOf(finding, options, { width: 72 }, policies);
          return { name: idOf(c), classname: `${cand}.campaign`, failure: { message: c.title, text } };
        }),
      ],
    },
  ];
}

// ---- Data --------------------------------------------------------------------------------------------------------

function dataOf(compared: Compared, { pair }: CompareOptions): object {
  const { policies, files, loaded, campaign, news, findings, costs, better, worse, failed } = compared;
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
    failed,
    campaign: campaign === undefined ? null : campaignData(campaign),
    ...(pair === undefined
      ? {}
      : {
          base: policies[0]!.id,
          cand: policies[1]!.id,
          new: news,
          better,
          worse,
          findings: findings.map(({ counterexample, regression, run, file }) => ({
            run,
            file,
            newness: NEWNESS[regression.newness],
            way: regression.way ?? null,
            counterexample,
          })),
          costsMore: costs,
        }),
  };
}
