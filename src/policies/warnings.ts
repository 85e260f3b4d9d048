/**
 * Rules that are allowed and make no sense: one that is never the first to match, or that compares a fact with a value
 * which it never has (mostly a typing error: nobody type checks a module that is loaded). Rules that a policy takes over
 * from a built-in one as they are are not warned about. So is a base that its rules do not speak for.
 */
import { DECISION_NAMES } from '../machine/decisions.ts';
import { type Policy, tableAt } from '../machine/policy.ts';
import {
  aligned,
  answerTexts,
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  expandPolicy,
  factDomains,
  PolicyError,
  readAlone,
  readByAny,
  recordOf,
} from '../machine/tables.ts';
import { baseOf, ERAS } from './base.ts';
import { BUILT_IN, findPolicy } from './index.ts';
import { hint } from './nearest.ts';

interface AnyRule {
  readonly name: string;
  readonly when?: (facts: never) => unknown;
}

/** One line each, which names the module and where there is one the table and the rule. `policy` is what `expanded` was made from. */
export function warningsOf(module: string, policy: Policy, expanded: ExpandedPolicy): string[] {
  const ofRules = DECISION_NAMES.flatMap((decision, at) => {
    const rules: readonly AnyRule[] = tableAt(policy, decision);
    return rules.flatMap((rule, i) => {
      if (rule.when === undefined || isInherited(rule, decision)) return [];
      const strange = strangeValues(rule.when, expanded.tables[at]!);
      const dead = expanded.tables[at]!.dead.includes(i) ? [whyDead(rule.when, expanded.tables[at]!)] : [];
      // A value that does not exist says why the rule is dead, too.
      return (strange.length > 0 ? strange : dead).map(
        (what) => new PolicyError(module, decision, rule.name, what).message,
      );
    });
  });
  return [...ofRules, ...strangeBase(module, policy, expanded)];
}

/** A base that is not the era to which its rules are nearest excuses what that does not break. */
function strangeBase(module: string, policy: Policy, expanded: ExpandedPolicy): string[] {
  const base = findPolicy(policy.id) === undefined ? baseOf(policy) : undefined;
  if (base === undefined) return [];
  const far = new Map(ERAS.map((era) => [era, distance(expandPolicy(era), expanded)]));
  const [nearest] = [...ERAS].sort((a, b) => far.get(a)! - far.get(b)!);
  if (nearest === undefined || far.get(nearest)! >= far.get(base)!) return [];
  const what =
    `it is judged beside ${base.id}, from which it says it derives, but its rules are nearer to ${nearest.id}: ` +
    `--base ${nearest.alias ?? nearest.id} judges it beside that`;
  return [new PolicyError(module, undefined, undefined, what).message];
}

/** Over all decision points, the shares of combinations of the facts read that are answered differently. */
function distance(a: ExpandedPolicy, b: ExpandedPolicy): number {
  let sum = 0;
  a.tables.forEach((table, at) => {
    const [one, other] = aligned(table, b.tables[at]!);
    const [mine, others] = [answerTexts(one), answerTexts(other)];
    let all = 0;
    let different = 0;
    for (const chosen of combinationsOf(factDomains(one), readByAny(one, other))) {
      all++;
      if (mine[one.answer[entryOf(one, chosen)]!] !== others[other.answer[entryOf(other, chosen)]!])
        different++;
    }
    sum += different / all;
  });
  return sum;
}

const isInherited = (rule: AnyRule, decision: (typeof DECISION_NAMES)[number]): boolean =>
  BUILT_IN.some((policy) => (tableAt(policy, decision) as readonly AnyRule[]).includes(rule));

function whyDead(when: (facts: never) => unknown, table: ExpandedTable): string {
  const domains = factDomains(table);
  const before = new Set<number>();
  const reads = readAlone(table, [when]) ?? table.reads;
  for (const chosen of combinationsOf(domains, reads))
    if (holds(when, recordOf(domains, chosen))) before.add(table.ruleOf[entryOf(table, chosen)]!);
  if (before.size === 0) return 'can never match: its condition holds for no combination of facts';
  const names = [...before].sort((a, b) => a - b).map((i) => JSON.stringify(table.rules[i]));
  return `can never match: wherever its condition holds, ${names.join(' or ')} matches first`;
}

function holds(when: (facts: never) => unknown, facts: object): boolean {
  try {
    return when(facts as never) === true;
  } catch {
    return false;
  }
}

/** `frame === 'annon'` in the source of the condition. */
function strangeValues(when: (facts: never) => unknown, table: ExpandedTable): string[] {
  const found = String(when).matchAll(/\b(\w+)\s*[!=]==?\s*(?:(\d+)|'([^'\\]*)'|"([^"\\]*)")/g);
  return [...found].flatMap(([, fact, number, single, double]) => {
    const domain = factDomains(table).find(([name]) => name === fact || name === `notes.${fact}`)?.[1];
    const value = number === undefined ? (single ?? double)! : Number(number);
    if (domain === undefined || domain.includes(value)) return [];
    const near = typeof value === 'string' ? hint(value, domain.map(String)).replace(/^\.$/, '') : '';
    return [
      `compares ${fact} with ${JSON.stringify(value)}, which it never is${near} (it is: ${domain.join(', ')})`,
    ];
  });
}
