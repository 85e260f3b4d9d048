/** What a policy changes in its base: rules by name, and the combinations of facts that are answered otherwise. */
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import {
  combinationCount,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  type RuleCondition,
} from '../machine/tables.ts';

/** Combinations of facts to which the base answers `from` and the policy `to`. */
export interface Change {
  readonly from: string;
  readonly to: string;
  /** Of all combinations of the facts of the decision point, so many. */
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
  /** All that there are at the decision point. */
  readonly combinations: number;
  readonly changes: readonly Change[];
}

/** Tables that differ, in DECISION_NAMES order. Both policies must have conditions (withConditions). */
export function differenceOf(base: ExpandedPolicy, policy: ExpandedPolicy): TableDifference[] {
  return policy.tables.flatMap((table, at) => {
    const old = base.tables[at]!;
    const difference = {
      decision: table.decision,
      added: table.rules.filter((name) => !old.rules.includes(name)),
      removed: old.rules.filter((name) => !table.rules.includes(name)),
      replaced: table.rules.filter((name) => old.rules.includes(name) && !sameRule(old, table, name)),
      combinations: combinationCount(table.decision),
      changes: changesOf(old, table),
    };
    const { added, removed, replaced, changes } = difference;
    return [added, removed, replaced, changes].every((list) => list.length === 0) ? [] : [difference];
  });
}

function sameRule(old: ExpandedTable, table: ExpandedTable, name: string): boolean {
  const [a, b] = [old, table].map((t): RuleCondition => {
    if (t.conditions === undefined) throw new Error(`table ${t.decision} was expanded without conditions`);
    return t.conditions[t.rules.indexOf(name)]!;
  });
  return a!.answer === b!.answer && a!.holds === b!.holds;
}

function changesOf(old: ExpandedTable, table: ExpandedTable): Change[] {
  const { facts, answers } = DECISIONS[table.decision];
  const reads = facts.map((_, fact) => fact).filter((f) => old.reads.includes(f) || table.reads.includes(f));
  const strides: number[] = [];
  let entries = 1;
  for (const fact of reads) {
    strides.push(entries);
    entries *= facts[fact]![1].length;
  }
  // By what is answered before and after; the facts that neither reads multiply what is counted.
  const found = new Map<string, { from: number; to: number; at: number[] }>();
  const chosen = new Int32Array(facts.length);
  for (let entry = 0; entry < entries; entry++) {
    reads.forEach((fact, i) => {
      chosen[fact] = Math.floor(entry / strides[i]!) % facts[fact]![1].length;
    });
    const from = old.answer[entryOf(old, chosen)]!;
    const to = table.answer[entryOf(table, chosen)]!;
    if (from === to) continue;
    const key = `${from} ${to}`;
    const change = found.get(key) ?? { from, to, at: [] };
    change.at.push(entry);
    found.set(key, change);
  }
  return [...found.values()].map(({ from, to, at }) => {
    const ruleOf: number[] = new Array(entries).fill(1);
    for (const entry of at) ruleOf[entry] = 0;
    return {
      from: answers[from]!,
      to: answers[to]!,
      count: (at.length * combinationCount(table.decision)) / entries,
      where: {
        decision: table.decision,
        rules: ['changed', 'otherwise'],
        reads,
        strides,
        answer: ruleOf.map((rule) => (rule === 0 ? to : from)),
        ruleOf,
        dead: [],
      },
    };
  });
}
