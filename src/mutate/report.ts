/** What `gupfuzz mutate` prints: a table per decision point for a terminal, the same as markdown, and plain data. */
import Table from 'cli-table3';
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import { wrapText } from '../report/columns.ts';
import { markdownTable } from '../report/compare.ts';
import { type Paint, PLAIN } from '../report/paint.ts';
import { stepText } from '../scenario/scenario.ts';
import type { Covered } from './judge.ts';
import { mutationText } from './mutants.ts';
import {
  type Explained,
  type MutationResult,
  stepsText,
  summaryOf,
  summaryText,
  survives,
  tablesIn,
} from './run.ts';

/** Mutants of one rule that come to the same. */
interface Row {
  readonly rule: string;
  readonly mutations: string[];
  readonly mutant: Explained;
}

/** In order; what is said of a mutant is said once for all of its rule that it is true of. */
function rowsOf(mutants: readonly Explained[]): Row[] {
  const rows = new Map<string, Row>();
  for (const mutant of mutants) {
    const { mutation, verdict, class: id, detail, scenario, reason, covered } = mutant;
    const said = scenario === undefined ? '' : stepsText(scenario);
    const key = JSON.stringify([mutation.rule, verdict, id, detail, said, reason, covered]);
    const row = rows.get(key);
    if (row === undefined)
      rows.set(key, { rule: mutation.rule, mutations: [mutationText(mutation)], mutant });
    else row.mutations.push(mutationText(mutation));
  }
  // A rule's rows stay together, in the order of the rules.
  const rules = [...new Set(mutants.map((m) => m.mutation.rule))];
  return rules.flatMap((rule) => [...rows.values()].filter((row) => row.rule === rule));
}

/** `7 steps in S1, all of S4`; `never`: the scopes in which the mutant is never asked for another answer. */
function coveredText(covered: readonly Covered[], names: readonly string[], never: boolean): string {
  return covered
    .filter(({ how }) => (how === 'never asked') === never)
    .map(({ scope, depth, how, compared }) => {
      const name = `S${names.indexOf(scope) + 1}`;
      const searched = how === 'all' ? `all of ${name}` : `${depth} steps in ${name}`;
      return compared === undefined || compared === depth
        ? searched
        : `${searched} (compared up to ${compared})`;
    })
    .join(', ');
}

/** What the verdict rests on, without the reason. */
function evidence(mutant: Explained, scopes: readonly string[]): string[] {
  const { verdict, class: id, detail, scenario, covered, scope } = mutant;
  const where = scope === '' ? '' : ` [S${scopes.indexOf(scope) + 1}]`;
  const steps = scenario === undefined ? [] : [`${stepsText(scenario)}${where}`];
  if (verdict === 'same table') return [];
  if (!survives(verdict)) return [...(id === '' ? [detail] : [id]), ...steps];
  const searched = coveredText(covered, scopes, false);
  return [
    ...(detail === '' ? [] : [detail]),
    ...steps,
    searched === '' ? `up to ${coveredText(covered, scopes, true)}` : `not killed up to ${searched}`,
  ];
}

const explanation = ({ verdict, reason }: Explained): string[] =>
  survives(verdict) ? [reason === '' ? 'unexplained' : `explained: ${reason}`] : [];

/** No lines: columns of words, two spaces apart. */
const CHARS: Readonly<Record<string, string>> = Object.fromEntries(
  ['top', 'bottom', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((end) => [`${side}${end}`, '']),
  ),
);
const NO_LINES = {
  ...CHARS,
  left: '',
  right: '',
  middle: '',
  'left-mid': '',
  'mid-mid': '',
  'right-mid': '',
};

export interface TextOptions {
  readonly paint?: Paint;
  /** Columns of the terminal; at least 60. */
  readonly width?: number;
}

/** Ends in a newline. */
export function mutantsText(result: MutationResult, options: TextOptions = {}): string {
  const { paint = PLAIN, width = 100 } = options;
  const parts: string[] = [];
  for (const table of tablesIn(result.mutants)) {
    const mutants = result.mutants.filter((m) => m.mutation.table === table);
    const scopes = scopesSaid(result, table);
    const room = Math.max(60, width);
    parts.push(
      `${paint.bold(table)}\n`,
      ...wrapText(DECISIONS[table].kernel, room).map((l) => `${paint.dim(l)}\n`),
    );
    const [rule, mutation, verdict] = [Math.floor(room * 0.2), Math.floor(room * 0.19), 14];
    const widths = [rule, mutation, verdict, room - rule - mutation - verdict];
    const grid = new Table({
      chars: NO_LINES,
      style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [] },
      head: ['rule', 'mutant', 'verdict', 'shown by'],
      colWidths: widths,
    });
    let last: string | undefined;
    for (const row of rowsOf(mutants)) {
      const { verdict: said } = row.mutant;
      const colour = !survives(said) ? paint.green : row.mutant.reason === '' ? paint.yellow : paint.cyan;
      grid.push([
        cell([row.rule === last ? '' : row.rule], rule),
        cell([row.mutations.join('; ')], mutation),
        said === 'same table' ? said : colour(said),
        cell([...evidence(row.mutant, scopes), ...explanation(row.mutant)], widths[3]!),
      ]);
      last = row.rule;
    }
    parts.push(`${trimmed(grid.toString())}\n`, ...scopeLines(result, table).map(paint.dim), '\n');
  }
  parts.push(`${summaryText(result.mutants)}\n`);
  return parts.join('');
}

/** Lines of a cell, two columns narrower than it. A word too long for a line, as a class may be, ends at a slash. */
function cell(texts: readonly string[], width: number): string {
  const room = width - 2;
  return texts
    .flatMap((text) => {
      const words = text
        .split(' ')
        .flatMap((word) => (word.length <= room ? [word] : brokenWord(word, room)));
      return wrapText(words.join(' '), room);
    })
    .join('\n');
}

function brokenWord(word: string, room: number): string[] {
  const lines = [''];
  for (const piece of word.split(/(?<=\/)/)) {
    if (lines.at(-1)!.length + piece.length > room && lines.at(-1) !== '') lines.push(piece);
    else lines[lines.length - 1] += piece;
  }
  return lines;
}

const trimmed = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');

const scopesSaid = (result: MutationResult, table: DecisionName): string[] =>
  result.ladder[table].map((scope) => scope.name);

const scopeLines = (result: MutationResult, table: DecisionName): string[] =>
  result.ladder[table].map(({ name }, i) => `S${i + 1}: ${name}\n`);

/** The top of docs/mutants.md; ends in a newline. */
export function mutantsPreface(): string {
  return `# Why is this rule here?

Generated by \`npm run mutants\`, never typed. Every rule of every built-in policy is changed in each way there is:
dropped, its condition negated, each other answer, exchanged with the rule after it (the last rule, which is total,
only gets other answers; usual tables are no rules of a policy, and points that only interleaved operations, or swap, ask are left out). Each mutant is searched breadth first in a fixed ladder of small scopes, S1, S2, and so on,
and compared with the policy itself in the same scope and depth. All verdicts come from running the machine:

| verdict | meaning |
| --- | --- |
| killed | it breaks a class of finding that the policy does not; a shortest program in that scope is shown |
| policy error | the machine cannot do what it is told; counts as killed |
| same table | the answers are the same for all facts |
| equivalent | within scopes and depths nobody can tell it from the policy, by what is seen or by cost |
| cost | it breaks nothing, but copies, faults, refuses, waits or defers more |
| differs | it can be told from the policy, breaks nothing and costs no more |
| not killed | it breaks nothing that the policy keeps, within scopes and depths |

A class that the policy breaks itself kills no mutant: rules of older eras, which break much, are harder to defend.
Programs are in the notation of \`gupfuzz show FILE --format steps\`; what the model leaves out is in
[model.md](model.md).
"explained" is what the authors say about a survivor; everything else was computed.
`;
}

/** A section of docs/mutants.md; ends in a newline. `level`: of its heading. */
export function mutantsMarkdown(result: MutationResult, level = 2): string {
  const parts: string[] = [`${'#'.repeat(level)} ${result.policy}\n\n${summaryText(result.mutants)}.\n`];
  for (const table of tablesIn(result.mutants)) {
    const mutants = result.mutants.filter((m) => m.mutation.table === table);
    const scopes = scopesSaid(result, table);
    const rows = rowsOf(mutants).map((row) => [
      row.rule,
      row.mutations.join('; '),
      row.mutant.verdict,
      [...evidence(row.mutant, scopes), ...explanation(row.mutant)].join('. '),
    ]);
    parts.push(
      `\n${'#'.repeat(level + 1)} ${result.policy}: ${table}\n\n`,
      `${result.ladder[table].map(({ name }, i) => `S${i + 1}: ${name}`).join('; ')}.\n\n`,
      markdownTable(['rule', 'mutant', 'verdict', 'shown by'], rows),
    );
  }
  return parts.join('');
}

/** The JSON document of `--format json`. */
export function mutantsData(result: MutationResult): object {
  return {
    policy: result.policy,
    module: result.module ?? null,
    summary: summaryOf(result.mutants),
    mutants: result.mutants.map((m) => ({
      table: m.mutation.table,
      rule: m.mutation.rule,
      mutation: m.mutation.kind,
      with: m.mutation.with === '' ? null : m.mutation.with,
      verdict: m.verdict,
      class: m.class === '' ? null : m.class,
      detail: m.detail === '' ? null : m.detail,
      steps: m.scenario?.steps.map(stepText) ?? null,
      scope: m.scope === '' ? null : m.scope,
      covered: m.covered,
      reason: m.reason === '' ? null : m.reason,
    })),
  };
}
