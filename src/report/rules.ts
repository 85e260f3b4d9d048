/**
 * The conditions of a policy's rules in words, from the expanded tables: what the machine goes by, for built-in
 * policies and users' modules alike. A rule's condition is what it takes beyond the rules before it: where an earlier
 * rule matches, anything may be said.
 *
 * Example: `[rule('exclusive', f => f.anonExclusive, ...), rule('last reference', f => f.refcount === 1, ...),
 * otherwise(...)]` gives `anonExclusive`, `refcount 1`, ''.
 */
import { type ExpandedTable, factDomains } from '../machine/tables.ts';

type Value = boolean | number | string;

/** A fact that the table's rules read. */
interface Fact {
  readonly name: string;
  readonly domain: readonly Value[];
  readonly stride: number;
}

/** Per fact, the indices of the values that are allowed. */
type Cube = readonly (readonly number[])[];

/** More entries than this take too long to look through; then only the facts are named. */
const ENTRIES_MAX = 20_000;

/** One text per rule, in order; '' for a rule that is total, `never` for one that is never the first to match. */
export function ruleConditions(table: ExpandedTable): string[] {
  const domains = factDomains(table);
  const facts = table.reads.map((fact, i): Fact => {
    const [name, domain] = domains[fact]!;
    return { name, domain, stride: table.strides[i]! };
  });
  return table.rules.map((_, rule) => {
    if (table.dead.includes(rule)) return 'never';
    if (rule === table.rules.length - 1) return '';
    if (table.ruleOf.length > ENTRIES_MAX) return `a condition on ${facts.map((f) => f.name).join(', ')}`;
    // What is left out first decides what is said: the shorter of two orders.
    const forth = facts.map((_, i) => i);
    const [a, b] = [forth, forth.toReversed()].map((order) =>
      coverOf(table, facts, rule, order)
        .map((cube) => cubeText(cube, facts))
        .join(', or '),
    );
    return b!.length < a!.length ? b! : a!;
  });
}

/** Cubes that together hold all entries of the rule and none of a later one. Greedy; facts are widened in `order`. */
function coverOf(
  table: ExpandedTable,
  facts: readonly Fact[],
  rule: number,
  order: readonly number[],
): Cube[] {
  const cubes: Cube[] = [];
  for (const [entry, at] of table.ruleOf.entries()) {
    if (at !== rule || cubes.some((cube) => contains(cube, facts, entry))) continue;
    cubes.push(grown(table, facts, rule, order, entry));
  }
  return cubes;
}

/**
 * The cube around one entry, widened fact by fact: first to facts that need not be said at all, then by single values
 * with which the rule itself is met.
 */
function grown(
  table: ExpandedTable,
  facts: readonly Fact[],
  rule: number,
  order: readonly number[],
  entry: number,
): Cube {
  let cube: Cube = facts.map((fact) => [indexIn(fact, entry)]);
  const widened = (fact: number, values: readonly number[]): Cube =>
    cube.map((allowed, i) => (i === fact ? values : allowed));
  const allows = (wider: Cube): boolean => {
    for (const e of entriesOf(wider, facts)) if (table.ruleOf[e]! > rule) return false;
    return true;
  };
  const meets = (wider: Cube): boolean => {
    for (const e of entriesOf(wider, facts)) if (table.ruleOf[e] === rule) return true;
    return false;
  };
  for (const i of order) {
    const all = widened(i, [...facts[i]!.domain.keys()]);
    if (allows(all)) cube = all;
  }
  for (const i of order)
    for (const v of facts[i]!.domain.keys()) {
      if (cube[i]!.includes(v) || !meets(widened(i, [v]))) continue;
      const wider = widened(
        i,
        [...cube[i]!, v].sort((a, b) => a - b),
      );
      if (allows(wider)) cube = wider;
    }
  return cube;
}

const indexIn = (fact: Fact, entry: number): number => Math.floor(entry / fact.stride) % fact.domain.length;

const contains = (cube: Cube, facts: readonly Fact[], entry: number): boolean =>
  cube.every((allowed, i) => allowed.includes(indexIn(facts[i]!, entry)));

function* entriesOf(cube: Cube, facts: readonly Fact[], at = 0, sum = 0): Generator<number> {
  if (at === cube.length) yield sum;
  else for (const v of cube[at]!) yield* entriesOf(cube, facts, at + 1, sum + v * facts[at]!.stride);
}

function cubeText(cube: Cube, facts: readonly Fact[]): string {
  const said = cube.flatMap((allowed, i) => {
    const { name, domain } = facts[i]!;
    return allowed.length === domain.length ? [] : [factText(name, domain, allowed)];
  });
  return said.length === 0 ? 'always' : said.join(' and ');
}

/**
 * `write`, `not write`, `refcount 1`, `refcount 2 or more`, `frame not none`, `caller get or pin`. The last of a count stands
 * for all above it (machine/decisions.ts). `allowed`: indices into the domain.
 */
export function factText(name: string, domain: readonly Value[], allowed: readonly number[]): string {
  const values = allowed.map((v) => domain[v]!);
  if (typeof domain[0] === 'boolean') return values[0] === true ? name : `not ${name}`;
  const least = allowed[0]!;
  if (typeof domain[0] === 'number' && least + allowed.length === domain.length)
    return `${name} ${String(domain[least])} or more`;
  const others = domain.filter((_, v) => !allowed.includes(v));
  return others.length < values.length && others.length <= 2
    ? `${name} not ${others.join(' or ')}`
    : `${name} ${values.join(' or ')}`;
}
