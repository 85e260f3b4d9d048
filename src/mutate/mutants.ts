/**
 * Mutants of a policy: one small edit of one rule each. Made from each rule's condition as plain data
 * (machine/tables.ts: withConditions), so that built-in policies and users' modules are mutated alike.
 *
 * Example: the table `[only reference -> reuse, otherwise -> copy]` has four: the first rule dropped, negated, or with
 * the other answer, and the last with the other answer. The last rule stays last and total.
 */
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import {
  type AskedAt,
  answerTexts,
  askedAt,
  combinationCount,
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  factDomains,
} from '../machine/tables.ts';

export const MUTATION_KINDS = ['drop', 'negate', 'answer', 'swap'] as const;
export type MutationKind = (typeof MUTATION_KINDS)[number];

export interface Mutation {
  readonly table: DecisionName;
  readonly rule: string;
  readonly kind: MutationKind;
  /** `answer`: the other answer; `swap`: the rule after it, which now comes first; else ''. */
  readonly with: string;
}

export interface Mutant {
  readonly mutation: Mutation;
  /** The policy with the edited table; undefined if a condition is asked for what it cannot answer. */
  readonly policy: ExpandedPolicy | undefined;
  /** Which condition that is, or ''. */
  readonly error: string;
  /** Combinations of the facts of `Conditions.over` whose answer is another one; none: the table is the same. */
  readonly changed: readonly number[];
}

export interface MutantFilter {
  readonly table?: DecisionName | undefined;
  readonly rule?: string | undefined;
}

/** In a line: `dropped`, `negated`, `answer copy`, `after "exclusive"`. */
export function mutationText({ kind, with: other }: Mutation): string {
  if (kind === 'drop') return 'dropped';
  if (kind === 'negate') return 'negated';
  return kind === 'answer' ? `answer ${other}` : `after ${other}`;
}

/** `wpFault/exclusive: dropped`. */
export const mutationId = (m: Mutation): string => `${m.table}/${m.rule}: ${mutationText(m)}`;

/**
 * In the order of tables and rules; of usual tables (DecisionPoint.usual), and those that only interleaved operations or swap ask
 * (DecisionPoint.only), only if asked for by name. Throws RangeError if
 * the policy was expanded without conditions.
 */
export function mutantsOf(policy: ExpandedPolicy, filter: MutantFilter = {}): Mutant[] {
  return policy.tables
    .filter((t) =>
      filter.table === undefined
        ? t.usual !== true && DECISIONS[t.decision].only === undefined
        : t.decision === filter.table,
    )
    .flatMap((table) =>
      editsOf(table)
        .filter(({ mutation }) => filter.rule === undefined || mutation.rule === filter.rule)
        .map(({ mutation, rules }) => mutantOf(policy, table, mutation, rules)),
    );
}

/** A row of an edited table. */
interface Row {
  readonly name: string;
  readonly answer: number;
  /** As RuleCondition.holds; '' for the total rule. */
  readonly holds: string;
}

interface EditedTable {
  readonly mutation: Mutation;
  readonly rules: readonly Row[];
}

function editsOf(table: ExpandedTable): EditedTable[] {
  const { decision, conditions } = table;
  if (conditions === undefined) throw new RangeError('the policy was expanded without conditions');
  const answers = answerTexts(table);
  const last = conditions.rules.length - 1;
  const rows = conditions.rules.map(
    ({ answer, holds }, i): Row => ({ name: table.rules[i]!, answer, holds: i === last ? '' : holds }),
  );
  return rows.flatMap((row, i) => {
    const edits: EditedTable[] = [];
    const edit = (kind: MutationKind, other: string, ...rules: Row[]): void => {
      edits.push({ mutation: { table: decision, rule: row.name, kind, with: other }, rules });
    };
    const [head, tail] = [rows.slice(0, i), rows.slice(i + 1)];
    if (i < last) {
      edit('drop', '', ...head, ...tail);
      edit('negate', '', ...head, { ...row, holds: negated(row.holds) }, ...tail);
    }
    answers.forEach((name, answer) => {
      if (answer !== row.answer) edit('answer', name, ...head, { ...row, answer }, ...tail);
    });
    if (i + 1 < last) edit('swap', tail[0]!.name, ...head, tail[0]!, row, ...tail.slice(1));
    return edits;
  });
}

const negated = (holds: string): string =>
  holds.replace(/[01]/g, (character) => (character === '1' ? '0' : '1'));

function mutantOf(
  policy: ExpandedPolicy,
  table: ExpandedTable,
  mutation: Mutation,
  rules: readonly Row[],
): Mutant {
  const { over } = table.conditions!;
  const answer: number[] = [];
  const changed: number[] = [];
  let at = 0;
  for (const chosen of combinationsOf(factDomains(table), over)) {
    const match = rules.find(({ holds }) => holds === '' || holds[at] !== '0')!;
    if (match.holds[at] === '-')
      return {
        mutation,
        policy: undefined,
        error: `the condition of ${JSON.stringify(match.name)} cannot be asked for ${factsText(table, over, chosen)}`,
        changed: [],
      };
    answer.push(match.answer);
    if (match.answer !== table.answer[entryOf(table, chosen)]) changed.push(at);
    at++;
  }
  const edited = {
    ...policy,
    tables: policy.tables.map((t) => (t === table ? tableOf(table, over, answer) : t)),
  };
  return { mutation, policy: edited, error: '', changed };
}

const factsText = (table: ExpandedTable, over: readonly number[], chosen: ArrayLike<number>): string =>
  over
    .map((fact) => [factDomains(table)[fact]!, chosen[fact]!] as const)
    .map(([[name, domain], value]) => `${name} ${String(domain[value])}`)
    .join(', ');

/**
 * A table from its answers for all combinations of the facts of `over`, over those that make a difference only. Its
 * rules are the answers themselves.
 */
export function tableOf(table: AskedAt, over: readonly number[], answers: readonly number[]): ExpandedTable {
  const domains = factDomains(table);
  let rest = answers;
  let stride = 1;
  const reads: number[] = [];
  const strides: number[] = [];
  // Fact by fact, the first fastest: one that makes no difference is taken out of the list of answers.
  over.forEach((fact) => {
    const length = stride * domains[fact]![1].length;
    const free = rest.every((answer, i) => answer === rest[i - (i % length) + (i % stride)]);
    if (free) rest = rest.filter((_, i) => i % length < stride);
    else {
      reads.push(fact);
      strides.push(stride);
      stride = length;
    }
  });
  const rules = answerTexts(table);
  const dead = rules.map((_, i) => i).filter((i) => !rest.includes(i));
  return { ...askedAt(table), rules, reads, strides, answer: rest, ruleOf: rest, dead };
}

/**
 * The same policy with tables that count each combination of the facts of `over` by itself: rule n is combination n
 * (combinationsOf). For finding out what is ever asked. `over` holds at least the facts that the table reads.
 */
export function countingCombinations(
  policy: ExpandedPolicy,
  over: (table: ExpandedTable, at: number) => readonly number[],
): ExpandedPolicy {
  const tables = policy.tables.map((table, at): ExpandedTable => {
    const domains = factDomains(table);
    const reads = over(table, at);
    const answer = Array.from(
      combinationsOf(domains, reads),
      (chosen) => table.answer[entryOf(table, chosen)]!,
    );
    let stride = 1;
    const strides = reads.map((fact) => {
      const own = stride;
      stride *= domains[fact]![1].length;
      return own;
    });
    const all = Array.from({ length: combinationCount(domains, reads) }, (_, i) => i);
    return { ...askedAt(table), rules: all.map(String), reads, strides, answer, ruleOf: all, dead: [] };
  });
  return { ...policy, tables };
}
