/**
 * Expansion of a policy's decision tables into arrays over the facts that their rules read: total, pure and fast.
 *
 * Rules are run with a recording proxy; each fact that a rule reads is enumerated over its domain, the others do not
 * count. Example: `[rule('exclusive', f => f.anonExclusive, 'reuse'), rule('last reference', f => f.refcount === 1,
 * 'reuse'), otherwise('copy')]` reads two facts and becomes 2 x 6 entries.
 */
import {
  CLAIMS,
  DECISION_NAMES,
  DECISIONS,
  type DecisionName,
  type FactDomains,
  type Facts,
  type Keeps,
  type Policy,
  type Rule,
} from './decisions.ts';
import { PolicyError } from './policy-error.ts';

export { PolicyError } from './policy-error.ts';

/** Most entries of one expanded table; a table beyond it reads too many facts. */
const ENTRIES_MAX = 65_536;

/** One table, expanded. Plain data: it can be sent to a worker or written to a file. */
export interface ExpandedTable {
  readonly decision: DecisionName;
  readonly rules: readonly string[];
  /** Indices of the facts read, in DECISIONS order, and their place values in `answer`. */
  readonly reads: readonly number[];
  readonly strides: readonly number[];
  /** Answer index (DECISIONS[decision].answers) and rule index per combination of the facts read. */
  readonly answer: readonly number[];
  readonly ruleOf: readonly number[];
  /** Rules that are first match for no combination of facts. */
  readonly dead: readonly number[];
  /** Each rule by itself, in order; only if asked for (withConditions). */
  readonly conditions?: readonly RuleCondition[];
}

/** One rule as plain data, so that the table can be edited where the rule's function is not at hand. */
export interface RuleCondition {
  /** Index in DECISIONS[decision].answers. */
  readonly answer: number;
  /**
   * What its condition says, one character per combination of all facts of the decision point, the first fact
   * fastest: `1` holds, `0` does not, `-` throws or is no boolean (allowed where an earlier rule always matches).
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
  return {
    id: policy.id,
    ...(policy.alias === undefined ? {} : { alias: policy.alias }),
    title: policy.title,
    sources: policy.sources,
    keeps: { anonExclusive: policy.keeps.anonExclusive, hasPinned: policy.keeps.hasPinned },
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
    tables: DECISION_NAMES.map((name) => expandOne(policy, name)),
  };
}

const expandOne = <D extends DecisionName>(policy: Policy, name: D): ExpandedTable =>
  expandTable(policy.id, name, policy.tables[name] as readonly Rule<D>[]);

/** The same policy with each rule's condition in its tables; `policy` is what it was expanded from. */
export function withConditions(expanded: ExpandedPolicy, policy: Policy): ExpandedPolicy {
  const tables = expanded.tables.map((table) => ({
    ...table,
    conditions: conditionsOf(table.decision, policy.tables[table.decision] as readonly Rule<DecisionName>[]),
  }));
  return { ...expanded, tables };
}

/** Rules that expandTable has accepted, each asked for all combinations of facts. */
function conditionsOf<D extends DecisionName>(decision: D, rules: readonly Rule<D>[]): RuleCondition[] {
  const { facts, answers } = DECISIONS[decision];
  const records = Array.from(combinationsOf(decision), (chosen) => record<D>(facts, chosen));
  return rules.map(({ when, answer }) => ({
    answer: (answers as readonly string[]).indexOf(answer),
    holds: records.map((given) => (when === undefined ? '1' : said(when, given))).join(''),
  }));
}

function said<F>(when: (facts: F) => boolean, facts: F): string {
  try {
    const value: unknown = when(facts);
    return value === true ? '1' : value === false ? '0' : '-';
  } catch {
    return '-';
  }
}

/** How many combinations of facts there are at a decision point. */
export const combinationCount = (decision: DecisionName): number =>
  DECISIONS[decision].facts.reduce((n, [, domain]) => n * domain.length, 1);

/** Indices into the domain of each fact, for all combinations, the first fact fastest. The same array each time. */
export function* combinationsOf(decision: DecisionName): Generator<Int32Array> {
  const sizes = DECISIONS[decision].facts.map(([, domain]) => domain.length);
  const total = combinationCount(decision);
  const chosen = new Int32Array(sizes.length);
  for (let n = 0; n < total; n++) {
    let rest = n;
    sizes.forEach((size, fact) => {
      chosen[fact] = rest % size;
      rest = Math.floor(rest / size);
    });
    yield chosen;
  }
}

/** The entry of the table for these facts, given as indices into their domains. */
export const entryOf = (table: ExpandedTable, chosen: ArrayLike<number>): number =>
  table.reads.reduce((at, fact, i) => at + chosen[fact]! * table.strides[i]!, 0);

/** Throws PolicyError if a rule throws, answers nonsense, or the last rule is not total. */
export function expandTable<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[] | undefined,
): ExpandedTable {
  const point = DECISIONS[decision];
  if (!Array.isArray(rules) || rules.length === 0)
    throw new PolicyError(policy, decision, undefined, 'the table is missing or empty');
  checkRules(policy, decision, rules, point.answers);
  const domains = point.facts;
  const reads = factsRead(policy, decision, rules, domains);
  const strides: number[] = [];
  let entries = 1;
  for (const fact of reads) {
    strides.push(entries);
    entries *= domains[fact]![1].length;
    if (entries > ENTRIES_MAX)
      throw new PolicyError(
        policy,
        decision,
        undefined,
        `its rules read so many facts that it has over ${ENTRIES_MAX} entries`,
      );
  }
  const answer: number[] = new Array(entries);
  const ruleOf: number[] = new Array(entries);
  const chosen = new Int32Array(domains.length);
  for (let entry = 0; entry < entries; entry++) {
    reads.forEach((fact, i) => {
      chosen[fact] = Math.floor(entry / strides[i]!) % domains[fact]![1].length;
    });
    const at = firstMatch(policy, decision, rules, record(domains, chosen));
    ruleOf[entry] = at;
    answer[entry] = (point.answers as readonly string[]).indexOf(rules[at]!.answer);
  }
  const fired = new Set(ruleOf);
  return {
    decision,
    rules: rules.map((r) => r.name),
    reads,
    strides,
    answer,
    ruleOf,
    dead: rules.map((_, i) => i).filter((i) => !fired.has(i)),
  };
}

const RULE_FIELDS: readonly string[] = ['name', 'when', 'answer'];

function checkRules<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[],
  answers: readonly string[],
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

/** The facts that any rule reads under any combination, found by enumerating facts as they are first read. */
function factsRead<D extends DecisionName>(
  policy: string,
  decision: D,
  rules: readonly Rule<D>[],
  domains: FactDomains,
): number[] {
  const read = new Set<number>();
  let known = -1;
  while (read.size !== known) {
    known = read.size;
    const list = [...read].sort((a, b) => a - b);
    const combinations = list.reduce((n, fact) => n * domains[fact]![1].length, 1);
    if (combinations > ENTRIES_MAX)
      throw new PolicyError(
        policy,
        decision,
        undefined,
        `its rules read so many facts that it has over ${ENTRIES_MAX} entries`,
      );
    const chosen = new Int32Array(domains.length);
    for (let c = 0; c < combinations; c++) {
      let rest = c;
      for (const fact of list) {
        const size = domains[fact]![1].length;
        chosen[fact] = rest % size;
        rest = Math.floor(rest / size);
      }
      firstMatch(policy, decision, rules, spied(policy, decision, domains, chosen, read));
    }
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

function record<D extends DecisionName>(domains: FactDomains, chosen: Int32Array): Facts<D> {
  return Object.freeze(
    Object.fromEntries(domains.map(([name, domain], i) => [name, domain[chosen[i]!]])),
  ) as unknown as Facts<D>;
}

function spied<D extends DecisionName>(
  policy: string,
  decision: D,
  domains: FactDomains,
  chosen: Int32Array,
  read: Set<number>,
): Facts<D> {
  return new Proxy(record<D>(domains, chosen), {
    get(target, key) {
      const at = domains.findIndex(([name]) => name === key);
      if (at < 0 && typeof key === 'string')
        throw new PolicyError(policy, decision, undefined, {
          kind: 'fact',
          typed: key,
          known: domains.map((d) => d[0]),
        });
      if (at >= 0) read.add(at);
      return target[key as keyof Facts<D>];
    },
  });
}

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

const TABLES = new WeakMap<ExpandedPolicy, readonly DecisionTable[]>();

/** The tables of a policy, in DECISION_NAMES order; all machines of one policy object count rules together. */
export function tablesOf(policy: ExpandedPolicy): readonly DecisionTable[] {
  let tables = TABLES.get(policy);
  if (tables === undefined) {
    tables = policy.tables.map((t) => new DecisionTable(t));
    TABLES.set(policy, tables);
  }
  return tables;
}

/** One table as the machine uses it: answers by index, and a counter per rule for coverage. */
export class DecisionTable {
  readonly reads: Uint8Array;
  readonly strides: Int32Array;
  readonly answer: Uint8Array;
  readonly ruleOf: Uint16Array;
  /** How often each rule was the first match. */
  readonly fired: Float64Array;

  constructor(table: ExpandedTable) {
    this.reads = Uint8Array.from(table.reads);
    this.strides = Int32Array.from(table.strides);
    this.answer = Uint8Array.from(table.answer);
    this.ruleOf = Uint16Array.from(table.ruleOf);
    this.fired = new Float64Array(table.rules.length);
  }

  /** Index in DECISIONS[...].answers; `facts` holds for each fact of the decision point its index in its domain. */
  decide(facts: Int32Array): number {
    const { reads, strides } = this;
    let at = 0;
    for (let i = 0; i < reads.length; i++) at += facts[reads[i]!]! * strides[i]!;
    this.fired[this.ruleOf[at]!]!++;
    return this.answer[at]!;
  }
}
