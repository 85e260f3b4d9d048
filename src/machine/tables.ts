/**
 * Expansion of a policy's decision tables into arrays over the facts that their rules read: total, pure and fast.
 *
 * Rules are run with a recording proxy; each fact that a rule reads is enumerated over its domain, the others do not
 * count. Example: `[rule('exclusive', f => f.anonExclusive, 'reuse'), rule('last reference', f => f.refcount === 1,
 * 'reuse'), otherwise('copy')]` reads two facts and becomes 2 x 6 entries.
 */
import {
  DECISION_NAMES,
  DECISIONS,
  type DecisionName,
  type FactDomains,
  type Facts,
  type Rule,
} from './decisions.ts';
import { CLAIMS, hasOwnTable, type Keeps, type Policy, tableAt } from './policy.ts';
import type { FactValue } from './facts.ts';
import {
  atHand,
  type Changed,
  changesProblem,
  changesText,
  type NoteColumn,
  type NotingAnswer,
  noteColumns,
  notesProblem,
} from './notes.ts';
import { PolicyError } from './policy-error.ts';

export { PolicyError } from './policy-error.ts';

/** Most entries of one expanded table; a table beyond it reads too many facts. */
const ENTRIES_MAX = 65_536;
const TOO_MANY = `it has over ${ENTRIES_MAX} entries`;

/** One table, expanded. Plain data: it can be sent to a worker or written to a file. */
export interface ExpandedTable {
  readonly decision: DecisionName;
  readonly rules: readonly string[];
  /** Indices of the facts read (factDomains), and their place values in `answer`. */
  readonly reads: readonly number[];
  readonly strides: readonly number[];
  /** Answer index (answerTexts) and rule index per combination of the facts read. */
  readonly answer: readonly number[];
  readonly ruleOf: readonly number[];
  /** Rules that are first match for no combination of facts. */
  readonly dead: readonly number[];
  /** The policy has no table of its own here (DecisionPoint.usual). */
  readonly usual?: true;
  /** The policy's notes that are at hand here: facts after those of the point. Absent where there are none. */
  readonly notes?: readonly NoteColumn[];
  /** Answers that change notes as well, with the indices after those of the point. */
  readonly noting?: readonly NotingAnswer[];
  /** Each rule by itself; only if asked for (withConditions). */
  readonly conditions?: Conditions;
}

/** The rules of a table, each by itself. */
export interface Conditions {
  /** Indices of the facts that any rule reads, also where an earlier one matches: `reads` and perhaps more. */
  readonly over: readonly number[];
  readonly rules: readonly RuleCondition[];
}

/** One rule as plain data, so that the table can be edited where the rule's function is not at hand. */
export interface RuleCondition {
  /** Index in answerTexts. */
  readonly answer: number;
  /**
   * What its condition says, one character per combination of the facts of `over` (combinationsOf): `1` holds, `0`
   * does not, `-` throws or is no boolean (allowed where an earlier rule always matches).
   */
  readonly holds: string;
}

/** A policy as plain data: each table with an answer for every combination of the facts that its rules read. */
export interface ExpandedPolicy {
  readonly id: string;
  readonly alias?: string;
  readonly title: string;
  readonly sources: readonly string[];
  readonly keeps: Keeps;
  /** Absent where it has none. */
  readonly notes?: readonly NoteColumn[];
  readonly claims: readonly number[];
  readonly canary: boolean;
  /** Ids of its predecessors, oldest first. */
  readonly derivedFrom: readonly string[];
  /** Path of the module it was loaded from, as it was given; absent for a built-in policy. */
  readonly module?: string;
  /** An operation that ends because of the policy's answers is a finding, so that a search can look for it. */
  readonly errorsAreFindings?: boolean;
  /** In DECISION_NAMES order. */
  readonly tables: readonly ExpandedTable[];
}

/** Throws PolicyError. Pure; a rule that loops loops here (policies/load.ts runs it under a deadline). */
export function expandPolicy(policy: Policy): ExpandedPolicy {
  const problem = policy.notes === undefined ? undefined : notesProblem(policy.notes);
  if (problem !== undefined) throw new PolicyError(policy.id, undefined, undefined, problem);
  const notes = noteColumns(policy.notes);
  return {
    id: policy.id,
    ...(policy.alias === undefined ? {} : { alias: policy.alias }),
    title: policy.title,
    sources: policy.sources,
    keeps: { anonExclusive: policy.keeps.anonExclusive, hasPinned: policy.keeps.hasPinned },
    ...(notes.length === 0 ? {} : { notes }),
    claims: policy.claims.map((claim) => {
      const at = CLAIMS.indexOf(claim);
      if (at < 0)
        throw new PolicyError(
          policy.id,
          undefined,
          undefined,
          `unknown claim ${show(claim)}; one of: ${CLAIMS.join(', ')}`,
        );
      return at;
    }),
    canary: policy.canary === true,
    derivedFrom: policy.derivedFrom ?? [],
    tables: DECISION_NAMES.map((name) => expandOne(policy, name, notes)),
  };
}

function expandOne<D extends DecisionName>(
  policy: Policy,
  name: D,
  notes: readonly NoteColumn[],
): ExpandedTable {
  const table = expandTable(policy.id, name, tableAt(policy, name), notes);
  return hasOwnTable(policy, name) ? table : { ...table, usual: true };
}

/** The same policy with each rule's condition in its tables; `policy` is what it was expanded from. */
export function withConditions(expanded: ExpandedPolicy, policy: Policy): ExpandedPolicy {
  const tables = expanded.tables.map((table) => ({
    ...table,
    conditions: conditionsOf(policy.id, table, tableAt(policy, table.decision)),
  }));
  return { ...expanded, tables };
}

/** Rules that expandTable has accepted, each asked for all combinations of the facts that any of them reads. */
function conditionsOf<D extends DecisionName>(
  policy: string,
  table: ExpandedTable,
  rules: readonly Rule<D>[],
): Conditions {
  const domains = factDomains(table);
  const over = readAlone(
    table,
    rules.flatMap(({ when }) => when ?? []),
  );
  if (over === undefined)
    throw new PolicyError(policy, table.decision, undefined, `its rules read so many facts that ${TOO_MANY}`);
  const records = Array.from(combinationsOf(domains, over), (chosen) => recordOf(domains, chosen));
  return {
    over,
    rules: rules.map(({ when, answer, notes }) => ({
      answer: answerTexts(table).indexOf(answerText(answer, notes)),
      holds: records.map((given) => (when === undefined ? '1' : said(when, given))).join(''),
    })),
  };
}

/**
 * Indices of the facts that the table or one of these conditions reads, each asked alone. Undefined if they are too many
 * to go through.
 */
export const readAlone = (
  table: ExpandedTable,
  conditions: readonly ((facts: never) => unknown)[],
): number[] | undefined =>
  readBy(factDomains(table), table.reads, (facts) => {
    for (const when of conditions) said(when, facts);
  });

function said(when: (facts: never) => unknown, facts: object): string {
  try {
    const value: unknown = when(facts as never);
    return value === true ? '1' : value === false ? '0' : '-';
  } catch {
    return '-';
  }
}

/** What a table may read and answer: its point, and the notes at hand. */
export type AskedAt = Pick<ExpandedTable, 'decision' | 'notes' | 'noting'>;

/** Only that, of a table. */
export const askedAt = ({ decision, notes, noting }: AskedAt): AskedAt => ({
  decision,
  ...(notes === undefined ? {} : { notes }),
  ...(noting === undefined ? {} : { noting }),
});

const NOTE_FACT = 'notes.';

/** Name and domain of each fact that the table may read, by index: those of the point, then notes. */
export function factDomains({ decision, notes }: AskedAt): FactDomains {
  const { facts } = DECISIONS[decision];
  if (notes === undefined) return facts;
  return [
    ...facts,
    ...notes.map(
      ({ name, most }) => [NOTE_FACT + name, Array.from({ length: most + 1 }, (_, i) => i)] as const,
    ),
  ];
}

const answerText = (answer: string, notes: Changed | undefined): string =>
  notes === undefined ? answer : `${answer}, ${changesText(notes)}`;

/** Each answer of the table, by index: those of the point, then those that change notes: `return, pins +1`. */
export function answerTexts({ decision, noting }: AskedAt): readonly string[] {
  const answers: readonly string[] = DECISIONS[decision].answers;
  if (noting === undefined) return answers;
  return [...answers, ...noting.map(({ answer, changes }) => answerText(answers[answer]!, changes))];
}

/** Index of the answer in DECISIONS[decision].answers that the machine acts on. */
export const actsOn = ({ decision, noting }: AskedAt, answer: number): number =>
  noting?.[answer - DECISIONS[decision].answers.length]?.answer ?? answer;

const sameNote = (a: NoteColumn, b: NoteColumn): boolean => a.name === b.name && a.most === b.most;

/** Both tables, of one point, as tables over one list of facts. Answers are the same where their texts are. */
export function aligned(one: ExpandedTable, other: ExpandedTable): readonly [ExpandedTable, ExpandedTable] {
  const [mine, others] = [one.notes ?? [], other.notes ?? []];
  const notes = [...mine, ...others.filter((b) => !mine.some((a) => sameNote(a, b)))];
  const first = DECISIONS[other.decision].facts.length;
  const moved = (facts: readonly number[]): number[] =>
    facts.map((fact) =>
      fact < first ? fact : first + notes.findIndex((note) => sameNote(note, others[fact - first]!)),
    );
  if (notes.length === 0) return [one, other];
  const { conditions } = other;
  return [
    { ...one, notes },
    {
      ...other,
      notes,
      reads: moved(other.reads),
      ...(conditions === undefined ? {} : { conditions: { ...conditions, over: moved(conditions.over) } }),
    },
  ];
}

/** How many combinations there are of these facts (indices into `domains`). */
export const combinationCount = (domains: FactDomains, over: readonly number[]): number =>
  over.reduce((n, fact) => n * domains[fact]![1].length, 1);

/**
 * All combinations of the facts of `over` (indices into `domains`), the first fastest. Each is a list with an index into
 * the domain of every fact, 0 of those not in `over`; the same list each time.
 */
export function* combinationsOf(domains: FactDomains, over: readonly number[]): Generator<Int32Array> {
  const total = combinationCount(domains, over);
  const chosen = new Int32Array(domains.length);
  for (let n = 0; n < total; n++) {
    let rest = n;
    for (const fact of over) {
      const size = domains[fact]![1].length;
      chosen[fact] = rest % size;
      rest = Math.floor(rest / size);
    }
    yield chosen;
  }
}

/** Facts that any of the tables of one decision point reads, in order. */
export const readByAny = (...tables: readonly ExpandedTable[]): number[] =>
  [...new Set(tables.flatMap((t) => t.reads))].sort((a, b) => a - b);

/** The entry of the table for these facts, given as indices into their domains. */
export const entryOf = (table: ExpandedTable, chosen: ArrayLike<number>): number =>
  table.reads.reduce((at, fact, i) => at + chosen[fact]! * table.strides[i]!, 0);

/** The facts of one entry of an expanded table; facts that its rules do not read are absent. */
export function factsOfEntry(table: ExpandedTable, entry: number): { readonly [fact: string]: FactValue } {
  const domains = factDomains(table);
  return Object.fromEntries(
    table.reads.map((fact, i) => {
      const [name, domain] = domains[fact]!;
      return [name, domain[Math.floor(entry / table.strides[i]!) % domain.length]!];
    }),
  );
}

/** Throws PolicyError if a rule throws, answers nonsense, or the last rule is not total. */
export function expandTable<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[] | undefined,
  declared: readonly NoteColumn[] = [],
): ExpandedTable {
  const point = DECISIONS[decision];
  if (!Array.isArray(rules) || rules.length === 0)
    throw new PolicyError(policy, decision, undefined, 'the table is missing or empty');
  const notes = declared.filter(({ of }) => !point.lacks.includes(of));
  checkRules(policy, decision, rules, point.answers, notes);
  const at: AskedAt = {
    decision,
    ...(notes.length === 0 ? {} : { notes }),
    ...notingOf(rules, point.answers),
  };
  const domains = factDomains(at);
  const texts = answerTexts(at);
  const reads = readBy(domains, [], (facts) => firstMatch(policy, decision, rules, facts as Facts<D>), {
    policy,
    decision,
    notes,
  });
  if (reads === undefined)
    throw new PolicyError(policy, decision, undefined, `its rules read so many facts that ${TOO_MANY}`);
  const strides: number[] = [];
  let entries = 1;
  for (const fact of reads) {
    strides.push(entries);
    entries *= domains[fact]![1].length;
  }
  const answer: number[] = [];
  const ruleOf: number[] = [];
  for (const chosen of combinationsOf(domains, reads)) {
    const rule = firstMatch(policy, decision, rules, recordOf(domains, chosen) as Facts<D>);
    ruleOf.push(rule);
    answer.push(texts.indexOf(answerText(rules[rule]!.answer, rules[rule]!.notes)));
  }
  const fired = new Set(ruleOf);
  return {
    ...at,
    rules: rules.map((r) => r.name),
    reads,
    strides,
    answer,
    ruleOf,
    dead: rules.map((_, i) => i).filter((i) => !fired.has(i)),
  };
}

/** The answers of rules that change notes as well, each once. */
function notingOf(
  rules: readonly { readonly answer: string; readonly notes?: Changed }[],
  answers: readonly string[],
): Pick<ExpandedTable, 'noting'> {
  const noting = new Map<string, NotingAnswer>();
  for (const { answer, notes } of rules)
    if (notes !== undefined)
      noting.set(answerText(answer, notes), { answer: answers.indexOf(answer), changes: { ...notes } });
  return noting.size === 0 ? {} : { noting: [...noting.values()] };
}

const RULE_FIELDS: readonly string[] = ['name', 'when', 'answer', 'notes'];

function checkRules<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[],
  answers: readonly string[],
  notes: readonly NoteColumn[],
): void {
  const names = new Set<string>();
  rules.forEach((r, i) => {
    if (typeof r !== 'object' || r === null || typeof r.name !== 'string')
      throw new PolicyError(
        policy,
        decision,
        undefined,
        `row ${i + 1} is not a rule; use rule(name, when, answer)`,
      );
    for (const field of Object.keys(r))
      if (!RULE_FIELDS.includes(field))
        throw new PolicyError(policy, decision, r.name, { kind: 'field', typed: field, known: RULE_FIELDS });
    if (names.has(r.name)) throw new PolicyError(policy, decision, r.name, 'two rules have this name');
    names.add(r.name);
    if (!answers.includes(r.answer))
      throw new PolicyError(
        policy,
        decision,
        r.name,
        `answer ${show(r.answer)} is not one of: ${answers.join(', ')}`,
      );
    const problem = r.notes === undefined ? undefined : changesProblem(r.notes, notes);
    if (problem !== undefined) throw new PolicyError(policy, decision, r.name, problem);
    if (r.when !== undefined && typeof r.when !== 'function')
      throw new PolicyError(policy, decision, r.name, 'its condition is not a function');
    if (r.when === undefined && i < rules.length - 1)
      throw new PolicyError(policy, decision, r.name, 'a rule without condition hides those after it');
  });
  const last = rules[rules.length - 1]!;
  if (last.when !== undefined)
    throw new PolicyError(
      policy,
      decision,
      last.name,
      'the last rule must be total: end the table with otherwise(answer)',
    );
}

/** Where a fact or note that there is none of is an error. */
interface Strict {
  readonly policy: string;
  readonly decision: DecisionName;
  readonly notes: readonly NoteColumn[];
}

/**
 * The facts that `look` reads under any combination of facts, found by enumerating facts as they are first read; at least
 * those of `known`. Undefined if they have more than ENTRIES_MAX combinations.
 */
function readBy(
  domains: FactDomains,
  known: readonly number[],
  look: (facts: object) => void,
  strict?: Strict,
): number[] | undefined {
  const read = new Set<number>(known);
  for (let size = -1; read.size !== size; ) {
    size = read.size;
    const list = [...read].sort((a, b) => a - b);
    if (combinationCount(domains, list) > ENTRIES_MAX) return undefined;
    for (const chosen of combinationsOf(domains, list)) look(spied(domains, chosen, read, strict));
  }
  return [...read].sort((a, b) => a - b);
}

function firstMatch<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[],
  facts: Facts<D>,
): number {
  for (let i = 0; i < rules.length; i++) {
    const { when, name } = rules[i]!;
    if (when === undefined) return i;
    let said: unknown;
    try {
      said = when(facts);
    } catch (error) {
      if (error instanceof PolicyError)
        throw new PolicyError(policy, decision, name, error.unknown ?? error.what);
      throw new PolicyError(policy, decision, name, `its condition threw ${show(error)}`);
    }
    if (typeof said !== 'boolean')
      throw new PolicyError(policy, decision, name, `its condition returned ${show(said)}, not a boolean`);
    if (said) return i;
  }
  throw new PolicyError(policy, decision, undefined, 'no rule is total');
}

/** The facts of a combination (combinationsOf), as a rule sees them. */
export const recordOf = (domains: FactDomains, chosen: ArrayLike<number>): object =>
  Object.freeze(factsAndNotes(domains, chosen));

const NO_NOTES: object = Object.freeze({});

function factsAndNotes(domains: FactDomains, chosen: ArrayLike<number>): { readonly notes: object } {
  const facts: Record<string, unknown> = {};
  // Notes come last.
  let first = domains.length;
  while (first > 0 && domains[first - 1]![0].startsWith(NOTE_FACT)) first--;
  for (let i = 0; i < first; i++) facts[domains[i]![0]] = domains[i]![1][chosen[i]!];
  facts.notes =
    first === domains.length
      ? NO_NOTES
      : Object.freeze(
          Object.fromEntries(
            domains
              .slice(first)
              .map(([name, domain], i) => [name.slice(NOTE_FACT.length), domain[chosen[first + i]!]]),
          ),
        );
  return facts as { readonly notes: object };
}

/** `strict`: a fact that there is none of is an error. */
function spied(domains: FactDomains, chosen: Int32Array, read: Set<number>, strict?: Strict): object {
  const record = factsAndNotes(domains, chosen);
  const notes = new Proxy(record.notes, {
    get(target, key) {
      const at = domains.findIndex(([name]) => name === NOTE_FACT + String(key));
      if (at < 0 && typeof key === 'string' && strict !== undefined)
        throw new PolicyError(
          strict.policy,
          strict.decision,
          undefined,
          `it reads the note ${JSON.stringify(key)}; ${atHand(strict.notes)}`,
        );
      if (at >= 0) read.add(at);
      return Reflect.get(target, key);
    },
  });
  return new Proxy(record, {
    get(target, key) {
      if (key === 'notes') return notes;
      const at = domains.findIndex(([name]) => name === key);
      if (at < 0 && typeof key === 'string' && strict !== undefined)
        throw new PolicyError(strict.policy, strict.decision, undefined, {
          kind: 'fact',
          typed: key,
          known: domains.map((d) => d[0]).filter((name) => !name.startsWith(NOTE_FACT)),
        });
      if (at >= 0) read.add(at);
      return Reflect.get(target, key);
    },
    ...READ_ONLY,
  });
}

const READ_ONLY: ProxyHandler<object> = {
  set: () => false,
  defineProperty: () => false,
  deleteProperty: () => false,
};

function show(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  return JSON.stringify(value) ?? String(value);
}

const EXPANDED = new WeakMap<Policy, ExpandedPolicy>();

/** A policy as written, or expanded. */
export type AnyPolicy = Policy | ExpandedPolicy;

/** The expanded form of either; expanded once per policy object. Throws PolicyError. */
export function expanded(policy: AnyPolicy): ExpandedPolicy {
  if (Array.isArray(policy?.tables)) return policy as ExpandedPolicy;
  if (typeof policy !== 'object' || policy === null || typeof policy.tables !== 'object')
    throw new TypeError('not a policy: pass what derive(), policyByName() or expandPolicy() returns');
  let known = EXPANDED.get(policy as Policy);
  if (known === undefined) {
    known = expandPolicy(policy as Policy);
    EXPANDED.set(policy as Policy, known);
  }
  return known;
}
