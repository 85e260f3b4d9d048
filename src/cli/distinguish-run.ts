/** `distinguish`: searches pairs of worlds, and tells what it found. */
import { availableParallelism } from 'node:os';
import { type Unasked, unasked } from '../campaign/asked.ts';
import { drive } from '../campaign/drive.ts';
import { FindingStore } from '../campaign/store.ts';
import { type Shown, show, type Told, toldIn } from '../check/distinguish.ts';
import { type Difference, OBSERVERS } from '../check/pair.ts';
import { tableLines } from '../check/pair-table.ts';
import type { Stopped } from '../check/search.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { isModulePath } from '../policies/load.ts';
import { unaskedText } from '../report/check.ts';
import { renderColumns, wrapText } from '../report/columns.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { notesUnder } from '../report/notes.ts';
import { command, replayCommand, shellWord } from '../report/shell.ts';
import { decisionText } from '../report/trace.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { stepText } from '../scenario/scenario.ts';
import { checkScreen } from './check-screen.ts';
import { choosePolicies } from './choose.ts';
import { DISTINGUISH_SCOPE } from './defaults.ts';
import type { DistinguishOptions } from './distinguish.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { EXTENSION } from './files.ts';
import { paint, print, printJson, printResult, talk, talkText, whereKept, width } from './io.ts';
import { memoryForStates } from './memory.ts';
import { refuseInterleaved, type Scope, scopeOf } from './scope-options.ts';
import { onStop } from './stop.ts';
import { checkFolder } from './write.ts';

interface Result {
  readonly a: ExpandedPolicy;
  readonly b: ExpandedPolicy;
  readonly scope: Scope;
  /** What was asked for. */
  readonly told: readonly ToldAndShown[];
  /** With `--by observable`, where no observer can tell: what costs more. */
  readonly costs: readonly ToldAndShown[];
  readonly verdict: 'told apart' | 'equivalent' | 'inconclusive';
  /** Why that says nothing of what they differ in. */
  readonly unasked: Unasked | undefined;
  readonly complete: 'closed' | number;
  readonly stopped: Stopped;
  readonly states: number;
}

interface ToldAndShown extends Told {
  readonly shown: Shown;
  /** Where it was written, or ''. */
  readonly file: string;
}

export async function runDistinguish(options: DistinguishOptions): Promise<number> {
  const { by, depth, states, threads, out, format } = options;
  if (out !== undefined) checkFolder(out);
  const store = new FindingStore(out, talk, talkText);
  const scope = await scopeOf(options.scope, DISTINGUISH_SCOPE);
  refuseInterleaved(scope, 'compared step by step: one policy waits where another does not');
  const [a, b] = [await onePolicy(options.a), await onePolicy(options.b)];
  const spec = { setup: scope.setup, a, b, alphabet: scope.alphabet };
  const wanted = (d: Difference): boolean => d.kind === by;
  talk(`${a.id} and ${b.id}: ${scope.words}`);
  const screen = checkScreen(false);
  const stop = onStop(() => {
    screen.clear();
    talk('stopping; what was compared so far is told (again to stop at once)');
  });
  const { exploration, stopped } = await drive(spec, {
    depthMax: depth ?? Infinity,
    statesMax: states,
    memoryMax: memoryForStates(),
    threads: threads ?? availableParallelism(),
    enough: (x) => depth === undefined && toldIn(x).some((t) => wanted(t.difference)),
    signal: stop.signal,
    onProgress: screen.update,
  }).finally(() => {
    screen.clear();
    stop.off();
  });
  const complete = stopped === 'closed' ? 'closed' : exploration.depth;
  const all = toldIn(exploration);
  const shown = (told: Told): ToldAndShown => {
    const one = show(spec, told);
    return { ...told, shown: one, file: save(told, one, a, b, scope, store) };
  };
  const told = all.filter((t) => wanted(t.difference)).map(shown);
  const costs = by === 'cost' || told.length > 0 ? [] : all.map(shown);
  const covered = complete === 'closed' || (depth !== undefined && complete >= depth);
  const verdict = told.length > 0 ? 'told apart' : covered ? 'equivalent' : 'inconclusive';
  const never = verdict === 'equivalent' ? await unasked(spec, depth ?? Infinity, stop.signal) : undefined;
  const result: Result = {
    a,
    b,
    scope,
    told,
    costs,
    verdict,
    unasked: never,
    complete,
    stopped,
    states: exploration.states,
  };
  if (format === 'json') printJson(dataOf(result, options));
  else if (format === 'md') print(markdownOf(result, options));
  else printResult(textOf(result, options), stop.code !== undefined, whereKept(out));
  if (stop.code !== undefined) return stop.code;
  return verdict === 'told apart' ? EXIT.finding : verdict === 'equivalent' ? EXIT.ok : EXIT.goalsMissed;
}

async function onePolicy(name: string): Promise<ExpandedPolicy> {
  const { policies, broken } = await choosePolicies([name]);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  if (policies.length !== 1) throw usageError(`${JSON.stringify(name)} is not one policy`);
  return policies[0]!;
}

/** A file that `replay` runs: it expects of both policies what they did. */
function save(
  told: Told,
  { scenario, seen }: Shown,
  a: ExpandedPolicy,
  b: ExpandedPolicy,
  scope: Scope,
  store: FindingStore,
): string {
  const what = differenceText(told.difference, a, b);
  const c = buildCounterexample({
    scenario,
    policy: a,
    documented: false,
    minimality: { kind: 'none', scope: scope.words, depth: told.length },
    provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'check' },
    policies: [b],
    title: `${a.id} and ${b.id} told apart: ${what}`,
    explanation: `In the last step, ${a.id}: ${seen.a}. ${b.id}: ${seen.b}.`,
  });
  const name = `${a.id}-${b.id}-${what.replace(/[^a-z0-9.]+/gi, '-')}${EXTENSION}`;
  return store.write(name, formatCounterexample(c)) ?? '';
}

const steps = (n: number): string => `${n} step${n === 1 ? '' : 's'}`;

function differenceText(d: Difference, a: ExpandedPolicy, b: ExpandedPolicy): string {
  if (d.kind === 'observable') return d.observer;
  return `${d.cost}, more under ${d.more === 'a' ? a.id : b.id}`;
}

/** How much was covered: `closed: programs of any length`, `all programs of up to 5 steps`. */
function coveredText({ complete, states }: Result): string {
  const pairs = `${states.toLocaleString('en-US')} pairs of states`;
  return complete === 'closed'
    ? `closed: programs of any length (${pairs})`
    : `all programs of up to ${steps(complete)} (${pairs})`;
}

function verdictText(result: Result, { by }: DistinguishOptions): string {
  const { verdict, told, a, b, stopped, states } = result;
  const who = by === 'cost' ? 'in cost' : 'by anybody';
  if (verdict === 'told apart') {
    const least = Math.min(...told.map((t) => t.length));
    return `told apart ${by === 'cost' ? 'in cost' : ''} in ${steps(least)}`.replace('  ', ' ');
  }
  if (verdict === 'equivalent') {
    const why = result.unasked === undefined ? '' : `: ${unaskedText(result.unasked)}`;
    return `equivalent: ${a.id} and ${b.id} cannot be told apart ${who} in this scope${why}`;
  }
  const why =
    stopped === 'interrupted' ? 'interrupted' : `gave up${stopped === 'memory' ? ', out of memory,' : ''}`;
  return `inconclusive: not told apart ${who} so far; ${why} at ${states.toLocaleString('en-US')} pairs of states`;
}

function noteOf({ shown: { seen } }: ToldAndShown, a: ExpandedPolicy, b: ExpandedPolicy): string {
  return `${a.id}: ${seen.a}; ${b.id}: ${seen.b}`;
}

function partedText({ shown: { parted } }: ToldAndShown): string[] {
  if (parted === undefined) return [];
  return [`Parts in step ${parted.step + 1}:`, `  ${decisionText(parted.a)}`, `  ${decisionText(parted.b)}`];
}

// ---- Text --------------------------------------------------------------------------------------------------------

function textOf(result: Result, options: DistinguishOptions): string {
  const { a, b, scope, told, costs, verdict } = result;
  const colour =
    verdict === 'told apart'
      ? paint.red
      : verdict === 'equivalent' && result.unasked === undefined
        ? paint.green
        : paint.yellow;
  const lines = [
    `a: ${paint.bold(a.id)}  ${a.title}`,
    `b: ${paint.bold(b.id)}  ${b.title}`,
    ...wrapText(`scope: ${scope.words}`, width(), '  '),
    ...wrapText(`covered: ${coveredText(result)}`, width(), '  '),
    '',
    ...wrapText(verdictText(result, options), width(), '').map(colour),
  ];
  for (const t of told) lines.push(...sectionText(t, result, options));
  if (verdict === 'told apart' && options.by === 'observable') {
    const quiet = OBSERVERS.filter(
      (o) => !told.some(({ difference: d }) => d.kind === 'observable' && d.observer === o),
    );
    lines.push('', ...wrapText(`Sees no difference up to there: ${quiet.join(', ')}`, width(), '  '));
  }
  if (costs.length > 0) {
    lines.push('', 'Costs differ (--by cost shows how):');
    for (const t of costs) lines.push(`  ${differenceText(t.difference, a, b)}: ${steps(t.length)}`);
  }
  lines.push('', paint.dim(`Again: ${againOf(options, scope)}`));
  return `${lines.join('\n')}\n`;
}

function sectionText(told: ToldAndShown, { a, b }: Result, options: DistinguishOptions): string[] {
  const title = `${differenceText(told.difference, a, b)}: ${steps(told.length)}`;
  const outcomes = notesUnder(told.shown.scenario, [a, b]);
  const notes = told.shown.scenario.steps.map((_, i, all) =>
    i === all.length - 1 ? noteOf(told, a, b) : outcomes[i],
  );
  const policies = [options.a, options.b]
    .map((name, i) => ` --policy ${shellWord(isModulePath(name) ? name : [a.id, b.id][i]!)}`)
    .join('');
  const columns = renderColumns(told.shown.scenario, { width: width(), notes });
  return [
    '',
    paint.bold(title),
    ...columns
      .trimEnd()
      .split('\n')
      .map((line) => (line === '' ? '' : `  ${line}`)),
    ...partedText(told).flatMap((line) => wrapText(`  ${line}`, width(), '      ')),
    ...(told.file === '' ? [] : [`  ${paint.cyan(`${replayCommand(told.file)}${policies}`)}`]),
  ];
}

function againOf(options: DistinguishOptions, scope: Scope): string {
  return [
    `${command('distinguish', options.a, options.b)} ${scope.flags}`,
    ...(options.by === 'cost' ? ['--by cost'] : []),
    ...(options.depth === undefined ? [] : [`--depth ${options.depth}`]),
    `--states ${options.states}`,
  ].join(' ');
}

/** With what became of each step but the last, of which the columns beside it say how the two differ. */
function programCell({ shown: { scenario } }: ToldAndShown, pair: readonly ExpandedPolicy[]): string {
  const notes = notesUnder(scenario, pair);
  return scenario.steps
    .map((s, i, { length }) => {
      const note = i === length - 1 || notes[i] === '' ? '' : ` (${notes[i]})`;
      return `\`${stepText(s)}\`${note}`;
    })
    .join('<br>');
}

// ---- Markdown ----------------------------------------------------------------------------------------------------

function markdownOf(result: Result, options: DistinguishOptions): string {
  const { a, b, scope, told, costs } = result;
  const rows = [...told, ...costs].map((t) => [
    differenceText(t.difference, a, b),
    String(t.length),
    programCell(t, [a, b]),
    t.shown.seen.a,
    t.shown.seen.b,
  ]);
  return [
    `### ${a.id} and ${b.id}`,
    '',
    `${verdictText(result, options)}.`,
    '',
    `Scope: ${scope.words}. Covered: ${coveredText(result)}.`,
    '',
    ...(rows.length === 0 ? [] : [tableLines(['difference', 'steps', 'program', a.id, b.id], rows), '']),
    `\`${againOf(options, scope)}\``,
  ].join('\n');
}

// ---- Data --------------------------------------------------------------------------------------------------------

function dataOf(result: Result, options: DistinguishOptions): object {
  const { a, b, scope, told, costs, verdict, complete, states } = result;
  const one = (t: ToldAndShown): object => ({
    ...(t.difference.kind === 'observable'
      ? { observer: t.difference.observer }
      : { cost: t.difference.cost, more: t.difference.more }),
    length: t.length,
    program: t.shown.scenario.steps.map(stepText),
    scenario: t.shown.scenario,
    seen: t.shown.seen,
    parted: t.shown.parted ?? null,
    file: t.file === '' ? null : t.file,
  });
  return {
    a: a.id,
    b: b.id,
    by: options.by,
    scope: { words: scope.words, flags: scope.flags, setup: scope.setup },
    verdict,
    unasked: result.unasked?.decisions ?? null,
    closed: complete === 'closed',
    depth: complete === 'closed' ? null : complete,
    states,
    told: told.map(one),
    costs: costs.map(one),
    again: againOf(options, scope),
  };
}
