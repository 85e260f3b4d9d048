/**
 * One question to one table of a policy, in kernel terms. For tests and for reading a policy aloud; the
 * machine uses expanded tables.
 */
import { type Answer, DECISIONS, type DecisionName, type Facts } from '../machine/decisions.ts';
import { type Policy, tableAt } from '../machine/policy.ts';

export interface Reply<D extends DecisionName> {
  readonly answer: Answer<D>;
  readonly rule: string;
}

/** The first match. Facts that are not given have the first value of their domain: false, none, 1; notes are 0. */
export function ask<D extends DecisionName>(policy: Policy, decision: D, facts: Partial<Facts<D>>): Reply<D> {
  const defaults = DECISIONS[decision].facts.map(([name, domain]) => [name, domain[0]]);
  const notes = Object.fromEntries(Object.keys(policy.notes ?? {}).map((name) => [name, 0]));
  const full = { ...Object.fromEntries(defaults), notes, ...facts } as Facts<D>;
  for (const rule of tableAt(policy, decision))
    if (rule.when === undefined || rule.when(full)) return { answer: rule.answer, rule: rule.name };
  throw new Error(`table ${decision} of ${policy.id} is not total`);
}

/** A row of a policy's test: these facts meet this rule and get this answer. */
export interface Row {
  readonly title: string;
  /** `table/rule`, to check that no rule goes without a row. */
  readonly rule: string;
  readonly ask: (policy: Policy) => Reply<DecisionName>;
  readonly expected: Reply<DecisionName>;
}

export function row<D extends DecisionName>(
  decision: D,
  rule: string,
  facts: Partial<Facts<D>>,
  answer: Answer<D>,
): Row {
  const given = Object.entries(facts).map(([fact, value]) => (value === true ? fact : `${fact} ${value}`));
  return {
    title: `${decision}: ${given.join(', ') || 'nothing special'} -> ${answer} (${rule})`,
    rule: `${decision}/${rule}`,
    ask: (policy) => ask(policy, decision, facts),
    expected: { answer, rule },
  };
}

/** All rules of a policy as `table/rule`, less those that its predecessor has too. */
export function rulesOf(policy: Policy, predecessor?: Policy): string[] {
  const list = (p: Policy): string[] =>
    Object.entries(p.tables).flatMap(([name, rules]) =>
      rules.map((r: { readonly name: string }) => `${name}/${r.name}`),
    );
  const old = new Set(predecessor === undefined ? [] : list(predecessor));
  return list(policy).filter((name) => !old.has(name));
}
