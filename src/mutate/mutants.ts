/**
 * Mutants of a policy: one small edit of one rule each. Made from each rule's condition as plain data
 * (machine/tables.ts: withConditions), so that built-in policies and users' modules are mutated alike.
 *
 * Example: the table `[only reference -> reuse, otherwise -> copy]` has four: the first rule dropped, negated, or with
 * the other answer, and the last with the other answer. The last rule stays last and total.
 */
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import {
  combinationCount,
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
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
  /** Combinations of facts (combinationsOf) whose answer is another one; none: the table is the same. */
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

/** In the order of tables and rules. Throws RangeError if the policy was expanded without conditions. */
export function mutantsOf(policy: ExpandedPolicy, filter: MutantFilter = {}): Mutant[] {
  return policy.tables
    .filter((t) => filter.table === undefined || t.decision === filter.table)
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
  const answers: readonly string[] = DECISIONS[decision].answers;
  const last = conditions.length - 1;
  const rows = conditions.map(
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
  const { decision } = table;
  const answer: number[] = [];
  const changed: number[] = [];
  let at = 0;
  for (const chosen of combinationsOf(decision)) {
    const match = rules.find(({ holds }) => holds === '' || holds[at] !== '0')!;
    if (match.holds[at] === '-')
      return {
        mutation,
        policy: undefined,
        error: `the condition of ${JSON.stringify(match.name)} cannot be asked for ${factsText(decision, chosen)}`,
        changed: [],
      };
    answer.push(match.answer);
    if (match.answer !== table.answer[entryOf(table, chosen)]) changed.push(at);
    at++;
  }
  const edited = {
    ...policy,
    tables: policy.tables.map((t) => (t === table ? tableOf(decision, answer) : t)),
  };
  return { mutation, policy: edited, error: '', changed };
}

const factsText = (decision: DecisionName, chosen: ArrayLike<number>): string =>
  DECISIONS[decision].facts.map(([fact, domain], i) => `${fact} ${String(domain[chosen[i]!])}`).join(', ');

/**
 * A table from its answers for all combinations of facts, over the facts that make a difference only. Its rules are
 * the answers themselves.
 */
export function tableOf(decision: DecisionName, answers: readonly number[]): ExpandedTable {
  const sizes = DECISIONS[decision].facts.map(([, domain]) => domain.length);
  let rest = answers;
  let stride = 1;
  const reads: number[] = [];
  const strides: number[] = [];
  // Fact by fact, the first fastest: one that makes no difference is taken out of the list of answers.
  sizes.forEach((size, fact) => {
    const length = stride * size;
    const free = rest.every((answer, i) => answer === rest[i - (i % length) + (i % stride)]);
    if (free) rest = rest.filter((_, i) => i % length < stride);
    else {
      reads.push(fact);
      strides.push(stride);
      stride = length;
    }
  });
  const rules: readonly string[] = DECISIONS[decision].answers;
  const dead = rules.map((_, i) => i).filter((i) => !rest.includes(i));
  return { decision, rules, reads, strides, answer: rest, ruleOf: rest, dead };
}

/**
 * The same policy with tables that count each combination of facts by itself: rule n is combination n
 * (combinationsOf). For finding out what is ever asked.
 */
export function countingCombinations(policy: ExpandedPolicy): ExpandedPolicy {
  const tables = policy.tables.map((table): ExpandedTable => {
    const { decision } = table;
    const answer = Array.from(combinationsOf(decision), (chosen) => table.answer[entryOf(table, chosen)]!);
    let stride = 1;
    const strides = DECISIONS[decision].facts.map(([, domain]) => {
      const own = stride;
      stride *= domain.length;
      return own;
    });
    const all = Array.from({ length: combinationCount(decision) }, (_, i) => i);
    return {
      decision,
      rules: all.map(String),
      reads: strides.map((_, i) => i),
      strides,
      answer,
      ruleOf: all,
      dead: [],
    };
  });
  return { ...policy, tables };
}
