/** `policies`, `decisions`, `properties`, `ops`: what is built in, with where in the kernel it comes from. */
import { PROPERTIES } from '../../properties/index.ts';
import { DECISION_NAMES, DECISIONS, type DecisionName } from '../machine/decisions.ts';
import type { NoteColumn } from '../machine/notes.ts';
import { CLAIMS } from '../machine/policy.ts';
import {
  answerTexts,
  type ExpandedPolicy,
  type ExpandedTable,
  expandPolicy,
  factDomains,
  withConditions,
} from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import type { Op } from '../ops/op.ts';
import { baseOf } from '../policies/base.ts';
import { differenceOf } from '../policies/difference.ts';
import { BUILT_IN } from '../policies/index.ts';
import { hint } from '../policies/nearest.ts';
import type { Property } from '../property/property.ts';
import { wrapText } from '../report/columns.ts';
import { ruleConditions } from '../report/rules.ts';
import { program } from '../report/shell.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { paint, print, printJson, width } from './io.ts';
import type { ListOptions } from './list-options.ts';
import type { PoliciesOptions } from './policies.ts';

export async function runPolicies({ name, rules, format }: PoliciesOptions): Promise<number> {
  const { policies, broken } = await choosePolicies([name ?? 'all'], { conditions: true });
  if (broken.length > 0) throw inputError(broken[0]!.message);
  const tables = rules || (name !== undefined && name !== 'all');
  if (format === 'json') printJson({ policies: policies.map((p) => policyData(p, tables)) });
  else if (tables) {
    print(policies.map(policyText).join('\n'));
    if (policies.length === 1) print(`\n${differenceText(policies[0]!)}`);
  } else {
    print(listText(policies.map((p) => [p.id, p.alias ?? '', p.title])));
    print(
      paint.dim(
        `\n${program()} policies NAME prints the rules; ./mine.ts is a policy too (${program()} init policy NAME)`,
      ),
    );
  }
  return EXIT.ok;
}

export async function runDecisions({ name, format }: ListOptions): Promise<number> {
  const all = DECISION_NAMES.map((decision) => DECISIONS[decision]);
  const chosen = choose('decision point', all, (d) => d.name, name);
  if (format === 'json')
    printJson({
      decisions: chosen.map(({ name: decision, kernel, facts, answers, meanings, usual }) => ({
        decision,
        kernel,
        facts: facts.map(([fact, values]) => ({ fact, values })),
        answers,
        meanings,
        usual: usual?.map((r) => ({ rule: r.name, answer: r.answer })) ?? null,
      })),
    });
  else if (name === undefined) {
    print(listText(chosen.map((d) => [d.name, `${d.answers.join(', ')}; ${d.kernel}`])));
    print(
      paint.dim(
        `\n${program()} decisions NAME tells the facts; ${program()} policies NAME how a policy answers`,
      ),
    );
  } else print(chosen.map(decisionText).join('\n'));
  return EXIT.ok;
}

export async function runProperties({ name, format }: ListOptions): Promise<number> {
  const chosen = choose('property', PROPERTIES, (p) => p.id, name);
  if (format === 'json')
    printJson({
      properties: chosen.map(({ id, claim, why, sources, observes, implies, sometimes }) => {
        return { id, claim, why, sources, observes, implies, goal: sometimes.goal };
      }),
    });
  else if (name === undefined) print(listText(chosen.map((p) => [p.id, p.claim])));
  else print(chosen.map(propertyText).join('\n'));
  return EXIT.ok;
}

export async function runOps({ name, format }: ListOptions): Promise<number> {
  const chosen = choose('operation', OPS, (o) => o.kind, name);
  if (format === 'json')
    printJson({
      ops: chosen.map(({ kind, task, title, kernel, live }) => {
        return { op: kind, task, title, kernel, live: live.how };
      }),
    });
  else if (name === undefined) print(listText(chosen.map((o) => [o.kind, o.task, o.title])));
  else print(chosen.map(opText).join('\n'));
  return EXIT.ok;
}

/** All, or the one with this name. Throws UserError. */
function choose<T>(
  what: string,
  all: readonly T[],
  idOf: (item: T) => string,
  name: string | undefined,
): readonly T[] {
  if (name === undefined) return all;
  const found = all.find((item) => idOf(item) === name);
  if (found !== undefined) return [found];
  const ids = all.map(idOf);
  throw usageError(
    `there is no ${what} ${JSON.stringify(name)}${hint(name, ids)} There is: ${ids.join(', ')}`,
  );
}

// ---- Text --------------------------------------------------------------------------------------------------------

/** Rows of words; the last column is wrapped. */
function listText(rows: readonly (readonly string[])[]): string {
  const last = rows[0]!.length - 1;
  const widths = rows[0]!.slice(0, last).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lead = widths.reduce((sum, w) => sum + w + 2, 0);
  return rows
    .flatMap((row) =>
      wrapText(row[last]!, width() - lead).map((line, i) => {
        const cells = widths.map((w, c) => (i === 0 ? row[c]! : '').padEnd(w));
        return `${[paint.bold(cells[0]!), ...cells.slice(1)].join('  ')}  ${line}`.trimEnd();
      }),
    )
    .join('\n');
}

const field = (label: string, text: string): string =>
  wrapText(text, width() - 13)
    .map((line, i) => `  ${(i === 0 ? label : '').padEnd(11)}${line}`)
    .join('\n');

function propertyText(p: Property): string {
  return [
    paint.bold(p.id),
    field('claim', p.claim),
    field('why', p.why),
    field('judged at', p.observes.join(', ')),
    field('reached', `when ${p.sometimes.goal}`),
    ...(p.implies.length === 0 ? [] : [field('implies', p.implies.join(', '))]),
    field('sources', p.sources.join('; ')),
    '',
  ].join('\n');
}

function decisionText({ name, kernel, facts, answers, meanings, usual }: AnyDecision): string {
  const room = Math.max(...facts.map(([fact]) => fact.length));
  return [
    paint.bold(name),
    field('kernel', kernel),
    ...facts.flatMap(([fact, values], i) =>
      wrapText(valuesText(values), width() - 15 - room).map(
        (line, j) =>
          `  ${(i + j === 0 ? 'facts' : '').padEnd(11)}${(j === 0 ? fact : '').padEnd(room)}  ${line}`,
      ),
    ),
    ...answers.map((answer, i) => field(i === 0 ? 'answers' : '', `${answer}: ${meanings[i]}`)),
    ...(usual ?? []).map((r, i) =>
      field(i === 0 ? 'usual' : '', `${r.answer}${r.when === undefined ? '' : `: ${r.name}`}`),
    ),
    '',
  ].join('\n');
}

type AnyDecision = (typeof DECISIONS)[DecisionName];

/** Counts saturate (machine/decisions.ts). */
function valuesText(values: readonly (boolean | number | string)[]): string {
  return values
    .map((value, i) => (typeof value === 'number' && i === values.length - 1 ? `${value} or more` : value))
    .join(', ');
}

function opText(o: Op): string {
  const by = {
    mm: 'the task of an mm',
    device: 'the device',
    kernel: 'the kernel by itself',
    other: 'another process',
  };
  return [
    paint.bold(o.kind),
    field('what', o.title),
    field('by', by[o.task]),
    field('kernel', o.kernel),
    field('live', o.live.how),
    '',
  ].join('\n');
}

function policyText(p: ExpandedPolicy): string {
  const usual = usualIn(p);
  const claims = p.claims.map((at) => CLAIMS[at]!);
  const keeps = [
    ...(p.keeps.anonExclusive ? ['PG_anon_exclusive'] : []),
    ...(p.keeps.hasPinned ? ['MMF_HAS_PINNED'] : []),
  ];
  return [
    `${paint.bold(p.id)}${p.alias === undefined ? '' : ` (${p.alias})`}`,
    ...wrapText(p.title, width() - 2).map((line) => `  ${line}`),
    '',
    ...p.sources.map((s, i) => field(i === 0 ? 'sources' : '', s)),
    field('keeps', keeps.length === 0 ? 'no state of its own' : keeps.join(', ')),
    ...(p.notes === undefined ? [] : [field('notes', p.notes.map(noteText).join(', '))]),
    field('claims', claims.length === 0 ? 'nothing' : claims.join('; ')),
    '',
    ...p.tables.filter((t) => t.usual !== true).map(tableText),
    ...(usual.length === 0 ? [] : [field('usual', `${usual.join(', ')}: the usual answers`), '']),
  ].join('\n');
}

/** `pins per folio, 0 to 3`. */
const noteText = ({ name, of, most, inherited }: NoteColumn): string =>
  `${name} per ${of}, 0 to ${most}${inherited === true ? ', inherited over fork' : ''}`;

/** Decision points at which the policy has no rules of its own. */
const usualIn = (p: ExpandedPolicy): DecisionName[] =>
  p.tables.filter((t) => t.usual === true).map((t) => t.decision);

/** The rules in order: the first that applies counts. */
function tableText(table: ExpandedTable): string {
  const { kernel } = DECISIONS[table.decision];
  const rules = rulesOf(table);
  const answers = Math.max(...rules.map((r) => r.answer.length));
  const names = Math.max(...rules.map((r) => r.name.length));
  return [
    `${paint.bold(table.decision)}  ${paint.dim(kernel)}`,
    ...rules.flatMap(({ name, answer, when }) => {
      const lead = `  ${answer.padEnd(answers)}  ${name.padEnd(names)}`;
      if (when === '') return [lead.trimEnd()];
      return wrapText(when, Math.max(24, width() - lead.length - 5)).map(
        (line, i) =>
          `${i === 0 ? lead : ' '.repeat(lead.length)}  ${paint.dim(`${i === 0 ? 'if' : '  '} ${line}`)}`,
      );
    }),
    '',
  ].join('\n');
}

/** What it changes in its base, last because that is what stays on the screen. */
function differenceText(p: ExpandedPolicy): string {
  const base = baseOf(p);
  if (base === undefined) return '';
  const tables = differenceOf(withConditions(expandPolicy(base), base), p);
  const title = paint.bold(`Difference to ${base.id}`);
  if (tables.length === 0) return `${title}\n  none: every answer is the same`;
  return [
    title,
    ...tables.flatMap((t) => [
      `  ${paint.bold(t.decision)}`,
      ...(['added', 'replaced', 'removed'] as const).flatMap((how) =>
        t[how].length === 0 ? [] : [`    ${how}: ${t[how].map((name) => JSON.stringify(name)).join(', ')}`],
      ),
      ...(t.changes.length === 0 ? ['    answers as before, for all facts'] : []),
      ...t.changes.flatMap(({ from, to, count, where }) =>
        wrapText(
          `    ${from} -> ${to} for ${count} of ${t.combinations} combinations of facts: ${ruleConditions(where)[0] || 'any'}`,
          width(),
          '      ',
        ),
      ),
    ]),
  ].join('\n');
}

function differenceData(p: ExpandedPolicy): object | null {
  const base = baseOf(p);
  if (base === undefined) return null;
  const tables = differenceOf(withConditions(expandPolicy(base), base), p);
  return {
    base: base.id,
    tables: tables.map(({ changes, ...rest }) => ({
      ...rest,
      changes: changes.map(({ where, ...change }) => ({ ...change, when: ruleConditions(where)[0] })),
    })),
  };
}

interface RuleText {
  readonly name: string;
  readonly answer: string;
  /** Its condition; '' for the last rule. */
  readonly when: string;
}

function rulesOf(table: ExpandedTable): RuleText[] {
  const answers = answerTexts(table);
  const conditions = ruleConditions(table);
  return table.rules.map((name, i) => {
    const entry = table.ruleOf.indexOf(i);
    return { name, answer: entry < 0 ? '-' : answers[table.answer[entry]!]!, when: conditions[i]! };
  });
}

function policyData(p: ExpandedPolicy, withTables: boolean): object {
  return {
    id: p.id,
    alias: p.alias ?? null,
    title: p.title,
    sources: p.sources,
    builtIn: BUILT_IN.some((policy) => policy.id === p.id),
    canary: p.canary,
    keeps: p.keeps,
    ...(p.notes === undefined ? {} : { notes: p.notes.map(({ place: _, ...note }) => note) }),
    claims: p.claims.map((at) => CLAIMS[at]),
    ...(withTables
      ? {
          difference: differenceData(p),
          usual: usualIn(p),
          tables: p.tables
            .filter((t) => t.usual !== true)
            .map((table) => ({
              decision: table.decision,
              kernel: DECISIONS[table.decision].kernel,
              reads: table.reads.map((fact) => factDomains(table)[fact]![0]),
              rules: rulesOf(table),
            })),
        }
      : {}),
  };
}
