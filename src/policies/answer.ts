/**
 * What the process that loads a module says, checked. The module runs in that process and can write to its channel, so
 * nothing of it is believed: an answer is a policy of the right shape, whose tables fit the decision points, or it is no
 * answer, and the module is refused as any other that is none.
 */
import { z } from 'zod';
import { DECISION_NAMES, DECISIONS } from '../machine/decisions.ts';
import { CLAIMS } from '../machine/policy.ts';
import { changesProblem, NOTE_SORTS, NOTES_MAX, noteColumns } from '../machine/notes.ts';
import { NOTE_MOST } from '../machine/state.ts';
import {
  answerTexts,
  combinationCount,
  type ExpandedPolicy,
  type ExpandedTable,
  factDomains,
} from '../machine/tables.ts';
import type { LoadAnswer } from './load-watch.ts';
import { nameProblem } from './shape.ts';

/** Characters of an answer; the largest expanded policies have a few million. */
export const ANSWER_MAX: number = 64 * 2 ** 20;

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const text = z.string().max(10_000);
const index = z.number().int().nonnegative();

const NOTE = z.strictObject({
  name: text,
  of: z.enum(NOTE_SORTS),
  most: index.max(NOTE_MOST),
  inherited: z.boolean().optional(),
  place: index.max(NOTES_MAX - 1),
});

const TABLE = z.strictObject({
  decision: z.enum(DECISION_NAMES as [string, ...string[]]),
  rules: z.array(text),
  reads: z.array(index),
  strides: z.array(index),
  answer: z.array(index),
  ruleOf: z.array(index),
  dead: z.array(index),
  usual: z.literal(true).optional(),
  notes: z.array(NOTE).optional(),
  noting: z
    .array(
      z.strictObject({
        answer: index,
        changes: z.record(text, z.union([index.max(NOTE_MOST), z.literal('+1'), z.literal('-1')])),
      }),
    )
    .optional(),
  conditions: z
    .strictObject({
      over: z.array(index),
      rules: z.array(z.strictObject({ answer: index, holds: z.string() })),
    })
    .optional(),
});

/** No name of a built-in policy: it would be taken for that one. */
const ownName = (field?: string): z.ZodType<string> =>
  z.string().refine((name) => nameProblem(name, field) === undefined);

const POLICY = z.strictObject({
  id: ownName(),
  alias: ownName('alias').optional(),
  title: text,
  sources: z.array(text),
  keeps: z.strictObject({ anonExclusive: z.boolean(), hasPinned: z.boolean() }),
  notes: z.array(NOTE).optional(),
  claims: z.array(index.max(CLAIMS.length - 1)),
  canary: z.boolean(),
  derivedFrom: z.array(z.string().regex(ID)),
  module: text.optional(),
  tables: z.array(TABLE).length(DECISION_NAMES.length),
});

const ANSWER = z.union([
  z.strictObject({ policy: POLICY, warnings: z.array(text) }),
  z.strictObject({ table: text.optional(), rule: text.optional(), what: text }),
]);

/** Undefined if it is no answer. */
export function checkedAnswer(line: string): LoadAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { success, data } = ANSWER.safeParse(value);
  if (!success) return undefined;
  const answer = data as LoadAnswer;
  return 'policy' in answer && !fits(answer.policy) ? undefined : answer;
}

/** Its notes have the places of their declarations, and each table those that are at hand there. */
function fits({ notes = [], tables }: ExpandedPolicy): boolean {
  const columns = noteColumns(Object.fromEntries(notes.map(({ name, place: _, ...note }) => [name, note])));
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const inOrder = columns.map(({ name, place }) => [name, place]);
  return (
    same(
      notes.map(({ name, place }) => [name, place]),
      inOrder,
    ) &&
    tables.every((table, at) => {
      const here = notes.filter(({ of }) => !DECISIONS[DECISION_NAMES[at]!].lacks.includes(of));
      return same(table.notes ?? [], here) && isTable(table, at);
    })
  );
}

/** A total table over facts of its decision point, with answers and rules that exist. */
function isTable(table: ExpandedTable, at: number): boolean {
  const { decision, rules, reads, strides, answer, ruleOf, dead, noting = [], conditions } = table;
  if (decision !== DECISION_NAMES[at] || rules.length === 0 || strides.length !== reads.length) return false;
  const facts = factDomains(table);
  const answers = answerTexts(table);
  if (
    noting.some(
      (n) =>
        n.answer >= DECISIONS[decision].answers.length ||
        changesProblem(n.changes, table.notes ?? []) !== undefined,
    )
  )
    return false;
  let entries = 1;
  for (const [i, fact] of reads.entries()) {
    if (fact >= facts.length || (i > 0 && fact <= reads[i - 1]!) || strides[i] !== entries) return false;
    entries *= facts[fact]![1].length;
  }
  return (
    answer.length === entries &&
    ruleOf.length === entries &&
    answer.every((a) => a < answers.length) &&
    ruleOf.every((rule) => rule < rules.length) &&
    dead.every((rule) => rule < rules.length) &&
    (conditions === undefined ||
      (conditions.over.every(
        (fact, i) => fact < facts.length && (i === 0 || fact > conditions.over[i - 1]!),
      ) &&
        reads.every((fact) => conditions.over.includes(fact)) &&
        conditions.rules.length === rules.length &&
        conditions.rules.every(
          (c) => c.answer < answers.length && c.holds.length === combinationCount(facts, conditions.over),
        )))
  );
}
