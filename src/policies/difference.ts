/** What a policy changes in its base: rules by name, and the combinations of facts that are answered otherwise. */
import type { DecisionName } from '../machine/decisions.ts';
import {
  aligned,
  answerTexts,
  askedAt,
  combinationCount,
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  factDomains,
  type RuleCondition,
  readByAny,
} from '../machine/tables.ts';

/** Combinations of facts to which the base answers `from` and the policy `to`. */
export interface Change {
  readonly from: string;
  readonly to: string;
  /** So many of `TableDifference.combinations`. */
  readonly count: number;
  /** Which: its first rule matches there and nowhere else. */
  readonly where: ExpandedTable;
}

export interface TableDifference {
  readonly decision: DecisionName;
  /** Names of rules, in the order of the policy that has them. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The name is the same, condition or answer are not. */
  readonly replaced: readonly string[];
  /** All that there are of the facts that either table reads. */
  readonly combinations: number;
  readonly changes: readonly Change[];
}

/** Tables that differ, in DECISION_NAMES order. Both policies must have conditions (withConditions). */
export function differenceOf(base: ExpandedPolicy, policy: ExpandedPolicy): TableDifference[] {
  return policy.tables.flatMap((own, at) => {
    const [old, table] = aligned(base.tables[at]!, own);
    const difference = {
      decision: table.decision,
      added: table.rules.filter((name) => !old.rules.includes(name)),
      removed: old.rules.filter((name) => !table.rules.includes(name)),
      replaced: table.rules.filter((name) => old.rules.includes(name) && !sameRule(old, table, name)),
      combinations: combinationCount(factDomains(table), readByAny(old, table)),
      changes: changesOf(old, table),
    };
    const { added, removed, replaced, changes } = difference;
    return [added, removed, replaced, changes].every((list) => list.length === 0) ? [] : [difference];
  });
}

/** Do the rules of this name say the same, for all facts that rules of either table read? */
function sameRule(old: ExpandedTable, table: ExpandedTable, name: string): boolean {
  const [a, b] = [old, table].map(({ decision, rules, conditions }) => {
    if (conditions === undefined) throw new Error(`table ${decision} was expanded without conditions`);
    return { over: conditions.over, ...conditions.rules[rules.indexOf(name)]! };
  }) as [SaidOver, SaidOver];
  if (answerTexts(old)[a.answer] !== answerTexts(table)[b.answer]) return false;
  const domains = factDomains(table);
  const both = [...new Set([...a.over, ...b.over])].sort((x, y) => x - y);
  for (const chosen of combinationsOf(domains, both)) {
    const [x, y] = [a, b].map(({ over, holds }) => {
      let stride = 1;
      let at = 0;
      for (const fact of over) {
        at += chosen[fact]! * stride;
        stride *= domains[fact]![1].length;
      }
      return holds[at];
    });
    if (x !== y) return false;
  }
  return true;
}
interface SaidOver extends RuleCondition {
  readonly over: readonly number[];
}

function changesOf(old: ExpandedTable, table: ExpandedTable): Change[] {
  const [olds, news] = [answerTexts(old), answerTexts(table)];
  const domains = factDomains(table);
  const reads = readByAny(old, table);
  const strides: number[] = [];
  let entries = 1;
  for (const fact of reads) {
    strides.push(entries);
    entries *= domains[fact]![1].length;
  }
  // By what is answered before and after.
  const found = new Map<string, { from: string; to: string; at: number[] }>();
  let next = 0;
  for (const chosen of combinationsOf(domains, reads)) {
    const entry = next++;
    const from = olds[old.answer[entryOf(old, chosen)]!]!;
    const to = news[table.answer[entryOf(table, chosen)]!]!;
    if (from === to) continue;
    const key = `${from} -> ${to}`;
    const change = found.get(key) ?? { from, to, at: [] };
    change.at.push(entry);
    found.set(key, change);
  }
  return [...found.values()].map(({ from, to, at }) => {
    const ruleOf: number[] = new Array(entries).fill(1);
    for (const entry of at) ruleOf[entry] = 0;
    return {
      from,
      to,
      count: at.length,
      where: {
        ...askedAt(table),
        rules: ['changed', 'otherwise'],
        reads,
        strides,
        answer: ruleOf,
        ruleOf,
        dead: [],
      },
    };
  });
}
