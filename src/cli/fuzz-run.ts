/** The main job: a campaign with its progress, summary and exit code. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { notInterleavedIn, notInterleavedText } from '../campaign/asked.ts';
import { runCampaign } from '../campaign/campaign.ts';
import type { CampaignResult, Finding } from '../campaign/types.ts';
import type { BasePolicy } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { isKnown } from '../policies/known.ts';
import { NEWNESS } from '../regression/order.ts';
import { budgetText, campaignData, costsText, coverageText, matrix, matrixText } from '../report/campaign.ts';
import { renderColumns, WIDTH_DEFAULT, wrapText } from '../report/columns.ts';
import { notesUnder } from '../report/notes.ts';
import { replayPasted } from '../report/pasted.ts';
import { newsText } from '../report/regression.ts';
import { replayBy, replayCommand } from '../report/shell.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { plain } from '../scenario/file-error.ts';
import { stepText } from '../scenario/scenario.ts';
import { reportFailure } from './campaign-failure.ts';
import type { CampaignScope } from './campaign-scope.ts';
import { campaignScreen } from './campaign-screen.ts';
import { EXIT, worst } from './exit.ts';
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

export interface FuzzOptions {
  readonly policies: readonly ExpandedPolicy[];
  /** Per policy, in order, beside which it is judged. */
  readonly bases: readonly (BasePolicy | undefined)[];
  /** What --base names, if it was given. */
  readonly baseName?: string;
  /** Modules that are not policies, already reported. */
  readonly broken: readonly { readonly name: string; readonly message: string }[];
  readonly seed: number;
  readonly runs?: number;
  readonly timeMs?: number;
  readonly space: CampaignScope;
  readonly workers?: number;
  readonly out?: string;
  readonly shrink: 'shortest' | 'passes' | 'none';
  /** Per search of a proof, and proofs at a time. */
  readonly shrinkStates?: number;
  readonly shrinkJobs?: number;
  /** A finding that is not proved to be shortest is a failure. */
  readonly prove: boolean;
  readonly documented: boolean;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly format: 'text' | 'json';
  readonly show: 'shortest' | 'all' | 'none';
}

export async function runFuzz(options: FuzzOptions): Promise<number> {
  const workers = options.workers ?? Math.max(1, availableParallelism());
  const names = options.policies.map((p) => p.alias ?? p.id);
  const screen = campaignScreen(names, options.timeMs);
  /** What was told before the proofs. */
  let told: CampaignResult | undefined;
  const stop = onStop(() => {
    screen.clear();
    if (told === undefined) talk('stopping; what was found so far is kept (again to stop at once)');
    else talk('no more proofs; all that was found is kept (again to stop at once)');
  });
  const onPassed = (result: CampaignResult): void => {
    screen.clear();
    told = result;
    if (options.format === 'text') print(summary(result, options));
    talk('now each is searched for a shorter one; Ctrl-C ends that, and nothing is lost');
  };
  let result: CampaignResult;
  try {
    result = await runCampaign({
      seed: options.seed,
      ...options.space,
      policies: options.policies,
      bases: options.bases,
      ...(options.runs === undefined ? {} : { runs: options.runs }),
      ...(options.timeMs === undefined ? {} : { timeMs: options.timeMs }),
      ...(options.shard === undefined ? {} : { shard: options.shard }),
      ...(options.out === undefined ? {} : { out: options.out }),
      workers,
      shrink: options.shrink,
      ...(options.shrinkStates === undefined ? {} : { shrinkStates: options.shrinkStates }),
      ...(options.shrinkJobs === undefined ? {} : { shrinkJobs: options.shrinkJobs }),
      documented: options.documented,
      signal: stop.signal,
      onPassed,
      onProgress: screen.update,
      onLost: talkText,
      onNotice: (line) => {
        screen.clear();
        talk(line);
      },
    });
  } finally {
    screen.clear();
    stop.off();
  }

  if (options.format === 'json') printJson(campaignData(result, result.out));
  else if (told !== undefined) print(proofsText(told, result, options));
  else {
    const onScreen = stop.code !== undefined && process.stdout.isTTY === true;
    printResult(onScreen ? shortSummary(result) : summary(result, options), onScreen, whereKept(result.out));
  }
  for (const line of problems(result)) talk(line);
  if (result.failure !== undefined) return reportFailure(result.failure);
  if (result.ended === 'interrupted' && stop.code !== undefined) return stop.code;
  return exitCode(result, options);
}

/** A policy that is not one, a canary that lives, a goal not reached: things that make the result worth less. */
function problems(result: CampaignResult): string[] {
  const lines: string[] = [];
  result.policies.forEach((policy, i) => {
    const { errorRun, error } = result.counts[i]!;
    if (errorRun >= 0)
      lines.push(`policy ${policy.id}: ${error} (first in run ${errorRun}); a run ends where it does that`);
    const { baseErrorRun, baseError } = result.counts[i]!;
    if (baseErrorRun >= 0) lines.push(`${baseError} (first in run ${baseErrorRun})`);
  });
  for (const id of result.canariesMissed)
    lines.push(`the canary ${id} was not caught: this campaign proves nothing`);
  for (const [id, not] of notInterleavedIn(result)) lines.push(`${id} is ${notInterleavedText(not)}`);
  if (result.goalsMissed.length > 0)
    lines.push(`goals not reached: ${result.goalsMissed.join(', ')}; try more runs`);
  return lines;
}

/** What makes a policy worse than the one it is judged beside. */
export const regressions = (result: CampaignResult): Finding[] =>
  result.findings.filter((f) => f.regression !== undefined);

/**
 * Findings of the built-in policies, judged beside nothing: of a kind (property and page kind) that history does not
 * know of them. Then either the model or history is wrong.
 */
export function unexpected(result: CampaignResult): Finding[] {
  return result.findings.filter((f) => {
    const at = result.policies.findIndex((p) => p.id === f.policy);
    const { canary, id } = result.policies[at]!;
    if (f.documented || canary || result.bases[at]?.tells === true) return false;
    return !isKnown(id, f.parts.property, f.parts.page);
  });
}

const unproved = (result: CampaignResult): Finding[] =>
  result.findings.filter((f) => f.minimality.kind !== 'shortest');

/** What came of the proofs, and what they changed of what was told before them. */
function proofsText(told: CampaignResult, result: CampaignResult, options: FuzzOptions): string {
  const left = unproved(result);
  const all = result.findings.length;
  const lines = [
    `\n${paint.bold('Proofs')}${result.proofsStopped ? ' (stopped)' : ''}`,
    `${all - left.length} of ${all} findings are proved to be shortest in their scope`,
  ];
  if (options.prove)
    lines.push(
      ...left.flatMap((f) =>
        wrap(`  ${f.policy} ${f.class}: ${f.minimality.reason ?? 'not shrunk'}`, '    '),
      ),
    );
  else if (left.length > 0)
    lines.push(`the other ${left.length} are 1-minimal: the files say why no more is known`);
  const before = (at: number): number => told.findings[at]!.scenario.steps.length;
  const shorter = result.findings.flatMap((f, at) => {
    const steps = f.scenario.steps.length;
    return steps < before(at) ? [`  ${f.policy} ${f.class}: ${steps} steps, not ${before(at)}`] : [];
  });
  const others = result.findings.filter(
    ({ scenario }, at) =>
      scenario.steps.length === before(at) &&
      JSON.stringify(scenario) !== JSON.stringify(told.findings[at]!.scenario),
  );
  if (shorter.length > 0)
    lines.push(
      `${plural(shorter.length, 'finding')} got shorter, with a new id and in the same file:`,
      ...shorter.flatMap((line) => wrap(line, '    ')),
    );
  if (others.length > 0)
    lines.push(
      ...wrap(
        `${plural(others.length, 'finding')} of unchanged length: the first program of that length took its place, with a new id`,
        '  ',
      ),
    );
  const cells = JSON.stringify(matrix(told)) === JSON.stringify(matrix(result)) ? '' : cellsText(result);
  const isShorter = (f: Finding): boolean => f.scenario.steps.length < before(result.findings.indexOf(f));
  const stories = storiesOf(result, options).filter(({ first }) => isShorter(first));
  const shown = stories.map((story) => storyText(result, options, story));
  return `${[...lines, cells, ...shown].filter((text) => text !== '').join('\n')}\n`;
}

function exitCode(result: CampaignResult, options: FuzzOptions): number {
  const failed =
    options.broken.length > 0 || result.counts.some((c) => c.errorRun >= 0 || c.baseErrorRun >= 0);
  const missed =
    result.canariesMissed.length > 0 ||
    result.goalsMissed.length > 0 ||
    (options.prove && unproved(result).length > 0);
  return worst([
    ...(failed ? [EXIT.badInput] : []),
    ...(regressions(result).length > 0 || unexpected(result).length > 0 ? [EXIT.finding] : []),
    ...(result.runs === 0 || notInterleavedIn(result).some(([, not]) => not.alone)
      ? [EXIT.nothingTested]
      : missed
        ? [EXIT.goalsMissed]
        : []),
  ]);
}

function summary(result: CampaignResult, options: FuzzOptions): string {
  const parts = [onePerLine(budgetText(result)), '\n', cellsText(result)];
  parts.push(`\n${paint.bold('Cost')}\n${costsText(result, terminalWidth())}`);
  parts.push(
    `\n${paint.bold('Coverage')}\n${coverageText(result)
      .trimEnd()
      .split('\n')
      .map((line) => onePerLine(line, '    '))
      .join('')}`,
  );
  parts.push(findingsText(result, options), tailText(result));
  return parts.join('');
}

/** One screen: what else there is can be seen in the files, or once it has run to its end. */
const shortSummary = (result: CampaignResult): string =>
  `${onePerLine(budgetText(result))}${tailText(result)}\n${cellsText(result)}`;

const cellsText = (result: CampaignResult): string =>
  wrapped(
    `${paint.bold('Policies x properties')} (classes/fewest steps; - not found within this budget; ? goal not reached; ! not a policy)`,
  ) + matrixText(result, paint, terminalWidth());

function tailText(result: CampaignResult): string {
  const parts: string[] = [];
  const broken = result.findings.filter((f) => !f.documented).length;
  parts.push(
    `\n${[`${broken} classes of broken promises on ${result.policies.length} policies`, ...verdicts(result)]
      .map((line) => wrapped(line))
      .join('')}`,
  );
  if (result.out !== undefined)
    parts.push(
      wrapped(
        `findings: ${plain(result.out)}/, one file per policy and class${result.listFile === undefined ? '' : `; list: ${plain(result.listFile)}`}`,
      ),
    );
  return parts.join('');
}

/** One line per policy that is judged beside another, and one for what history does not know of the built-in ones. */
function verdicts(result: CampaignResult): string[] {
  const lines = result.policies.flatMap(({ id }, at): string[] => {
    const base = result.bases[at];
    if (base === undefined) return [];
    const own = result.findings.filter((f) => f.policy === id && !f.documented);
    if (!base.tells) {
      const worse = result.counts[at]!.regressed.length;
      return [
        `${id} beside ${base.policy.id}: breaks ${plural(worse, 'class', 'classes')} on programs on which that one keeps the promise`,
      ];
    }
    const news = own.filter((f) => f.regression !== undefined);
    const claims = own.filter((f) => f.parts.property.startsWith('claim: ')).length;
    const { common, afterStop, baseErrorRun, baseError } = result.counts[at]!;
    // What regresses too, on other programs, is told as that.
    const rest = new Set(
      own
        .filter((f) => f.regression === undefined && !f.parts.property.startsWith('claim: '))
        .map((f) => f.code),
    );
    const shared = common.filter((code) => rest.has(code)).length;
    const after = afterStop.filter((code) => rest.has(code) && !common.includes(code)).length;
    const apart = [
      ...(shared === 0
        ? []
        : [`${plural(shared, 'class', 'classes')} that ${base.policy.id} breaks on the same programs`]),
      ...(after === 0
        ? []
        : [
            `${plural(after, 'class', 'classes')} met only where the kernel of ${base.policy.id} had stopped before, not compared`,
          ]),
      ...(claims === 0 ? [] : [`${plural(claims, 'claim')} of the policy about itself`]),
    ];
    const also = apart.length === 0 ? '' : `; apart: ${apart.join(', ')}`;
    const { error, errorRun } = result.counts[at]!;
    const failed = [
      ...(errorRun < 0
        ? []
        : [
            `${paint.red('failed')}: ${id} is no policy on some programs, which were judged up to there: ${error}`,
          ]),
      ...(baseErrorRun < 0
        ? []
        : [`${paint.red('failed')}: programs on which the base is no policy were not judged: ${baseError}`]),
    ];
    if (news.length === 0) {
      const none =
        failed.length === 0 ? paint.green('no regression found') : 'no regression found on the others';
      return [...failed, `${none}: ${id} beside ${base.policy.id}${also}`];
    }
    const kinds = NEWNESS.flatMap((what, n) => {
      const count = news.filter((f) => f.regression!.newness === n).length;
      return count === 0 ? [] : [`${count}: ${what}`];
    });
    return [
      ...failed,
      `${paint.red(plural(news.length, 'regression'))} of ${id} beside ${base.policy.id} (${kinds.join('; ')})${also}`,
    ];
  });
  const surprising = unexpected(result);
  const names = [...new Set(surprising.map((f) => `${f.policy} ${f.class}`))];
  if (names.length > 0)
    lines.push(
      `${surprising.length} of a kind that history does not know of the built-in policy: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`,
    );
  return lines;
}

const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

/** Findings that are told as one, by the shortest of them, for all policies that it breaks. */
interface Story {
  readonly first: Finding;
  readonly policies: readonly string[];
  readonly classes: number;
}

function storiesOf(result: CampaignResult, options: FuzzOptions): readonly Story[] {
  if (options.show === 'none') return [];
  const stories = new Map<string, Finding[]>();
  const canaries = new Set(result.policies.filter((p) => p.canary).map((p) => p.id));
  const only = result.policies.every((p) => p.canary);
  for (const f of result.findings) {
    if ((f.documented && !options.documented) || (canaries.has(f.policy) && !only)) continue;
    const steps = f.scenario.steps.map(stepText).join('; ');
    const way = f.regression === undefined ? '' : ` ${f.policy} ${JSON.stringify(f.regression)}`;
    const key =
      options.show === 'all' ? `${f.class} ${steps}${way}` : `${f.parts.property} ${f.parts.page}${way}`;
    stories.set(key, [...(stories.get(key) ?? []), f]);
  }
  const shown = [...stories.values()].map((findings): Story => {
    const sorted = [...findings].sort(
      (x, y) => x.scenario.steps.length - y.scenario.steps.length || (x.class < y.class ? -1 : 1),
    );
    const first = sorted[0]!;
    const same = sorted.filter((f) => f.class === first.class);
    return {
      first,
      policies: [...new Set(same.map((f) => f.policy))],
      classes: new Set(findings.map((f) => f.class)).size,
    };
  });
  const newness = (f: Finding): number => f.regression?.newness ?? NEWNESS.length;
  return shown.sort(
    (x, y) => newness(x.first) - newness(y.first) || (x.first.class < y.first.class ? -1 : 1),
  );
}

function storyText(
  result: CampaignResult,
  options: FuzzOptions,
  { first, policies, classes }: Story,
): string {
  const { minimality, scenario } = first;
  const { file } = first;
  const seen = file === undefined ? undefined : readFinding(file);
  const how = minimality.kind === 'none' ? 'not shrunk' : minimality.kind;
  const lines = [`\n${paint.bold(first.class)}`];
  const breaks = `  breaks ${policies.join(', ')}; ${scenario.steps.length} steps (${how})`;
  lines.push(...wrap(`${breaks}${classes > 1 ? `; ${classes} classes like it` : ''}`, '    '));
  if (first.regression !== undefined)
    lines.push(...wrap(`  ${paint.red('new')}: ${newsText(first.regression)}`, '    '));
  else lines.push(...notNew(result, first).flatMap((line) => wrap(line, '    ')));
  const breakers = result.policies.filter((p) => policies.includes(p.id));
  const columns = { width: Math.min(WIDTH_DEFAULT, width()), notes: notesUnder(scenario, breakers) };
  lines.push(renderColumns(scenario, columns).trimEnd());
  if (seen?.seen != null)
    lines.push(...wrap(`  seen: ${seen.seen.observed}; promised: ${seen.seen.expected}`, '    '));
  const by = replayBy(result.policies.find((p) => p.id === first.policy)!, options.baseName);
  if (file !== undefined) lines.push(`  ${paint.cyan(replayCommand(file, by))}`);
  else if (first.regression !== undefined) lines.push(replayPasted(first.scenario, by).trimEnd());
  return lines.join('\n');
}

function findingsText(result: CampaignResult, options: FuzzOptions): string {
  const blocks = storiesOf(result, options).map((story) => storyText(result, options, story));
  if (blocks.length === 0) return '';
  const what =
    options.show === 'all' ? '' : ' (the shortest per property and page kind; --show all for the rest)';
  return `\n${wrapped(`${paint.bold('Findings')}${what}`)}${blocks.join('\n')}\n`;
}

/** Of a finding that is no regression of a policy that is judged beside another: why, in at most one line. */
function notNew(result: CampaignResult, { policy, code }: Finding): string[] {
  const at = result.policies.findIndex((p) => p.id === policy);
  const base = result.bases[at];
  const { common, afterStop } = result.counts[at]!;
  if (base?.tells !== true) return [];
  if (common.includes(code)) return [`  not new: ${base.policy.id} breaks it too, on the same programs`];
  return afterStop.includes(code)
    ? [`  not compared: met only where the kernel of ${base.policy.id} had stopped before`]
    : [];
}

function readFinding(file: string): Counterexample | undefined {
  try {
    return parseCounterexample(readFileSync(file, 'utf8'), file);
  } catch {
    return undefined; // the summary does without; replay will say what is wrong with the file
  }
}

/** To the width of the terminal, at most 100 columns. */
const wrap = (text: string, indent: string): string[] => wrapText(text, Math.min(100, width()), indent);
const wrapped = (text: string, indent = '  '): string => `${wrap(text, indent).join('\n')}\n`;

/** Wrapped on a terminal alone. */
const onePerLine = (text: string, indent = '  '): string =>
  `${wrapText(text, terminalWidth(), indent).join('\n')}\n`;
