/**
 * What a user's module must export to be a policy, and whether its rules answer alike when asked twice.
 * Everything that is wrong becomes a PolicyError of one line that names the module and, where there is one,
 * the table and the rule.
 */
import { stripVTControlCharacters } from 'node:util';
import { DECISION_NAMES, DECISIONS } from '../machine/decisions.ts';
import { CLAIMS, POLICY_FIELDS, type Policy, tableAt } from '../machine/policy.ts';
import { notesProblem } from '../machine/notes.ts';
import type { UnknownWord } from '../machine/policy-error.ts';
import {
  combinationsOf,
  type ExpandedPolicy,
  type ExpandedTable,
  entryOf,
  expandPolicy,
  factDomains,
  PolicyError,
  readByAny,
  recordOf,
} from '../machine/tables.ts';
import { plain } from '../scenario/file-error.ts';
import { BUILT_IN } from './index.ts';

/** Ids become file names and table columns. */
const ID = /^[a-z0-9][a-z0-9._-]{0,63}$/i;
/** More rules than this are no table that anybody reads. */
const RULES_MAX = 255;
/** Characters of a message that came from elsewhere. */
const LINE_MAX = 300;
/** How often at least a table is asked again. */
const ASKED_MIN = 64;
const KEEPS_FIELDS: readonly string[] = [
  'anonExclusive',
  'hasPinned',
] satisfies readonly (keyof Policy['keeps'])[];

/** The value as a policy. Throws PolicyError. What is inside the tables is left to expandTable. */
export function checkedPolicy(module: string, value: unknown): Policy {
  const wrong = (what: string | UnknownWord): PolicyError =>
    new PolicyError(module, undefined, undefined, what);
  if (value === undefined) throw wrong('has no default export; write `export default derive(...)`');
  if (typeof value === 'function')
    throw wrong('its default export is a function; export the policy itself: `export default derive(...)`');
  if (!isRecord(value)) throw wrong(`its default export is ${kindOf(value)}, not a policy`);
  for (const field of Object.keys(value))
    if (!POLICY_FIELDS.includes(field)) throw wrong({ kind: 'field', typed: field, known: POLICY_FIELDS });

  const { id, alias, title, sources, keeps, notes, claims, tables, canary, derivedFrom } = value;
  const problem = nameProblem(id) ?? (alias === undefined ? undefined : nameProblem(alias, 'alias'));
  if (problem !== undefined) throw wrong(problem);
  if (!isLine(title)) throw wrong('title must be one line of text without control characters');
  if (!Array.isArray(sources) || !sources.every(isLine))
    throw wrong('sources must be a list of lines of text: commits, releases or list posts');
  if (!isRecord(keeps) || typeof keeps.anonExclusive !== 'boolean' || typeof keeps.hasPinned !== 'boolean')
    throw wrong('keeps must be { anonExclusive: boolean, hasPinned: boolean }');
  for (const field of Object.keys(keeps))
    if (!KEEPS_FIELDS.includes(field))
      throw wrong({ kind: 'state to keep', typed: field, known: KEEPS_FIELDS });
  const noted = notes === undefined ? undefined : notesProblem(notes);
  if (noted !== undefined) throw wrong(noted);
  if (!Array.isArray(claims)) throw wrong(`claims must be a list of: ${CLAIMS.join(', ')}`);
  if (canary !== undefined && typeof canary !== 'boolean') throw wrong('canary must be true or false');
  if (
    derivedFrom !== undefined &&
    !(Array.isArray(derivedFrom) && derivedFrom.every((d) => typeof d === 'string'))
  )
    throw wrong('derivedFrom must be a list of policy ids, as derive() sets it');
  if (!isRecord(tables))
    throw wrong(`tables is ${kindOf(tables)}; derive(...) from a built-in policy fills it`);
  for (const name of Object.keys(tables))
    if (!(DECISION_NAMES as readonly string[]).includes(name))
      throw wrong({ kind: 'decision point', typed: name, known: DECISION_NAMES });
  const missing = DECISION_NAMES.filter(
    (name) => tables[name] === undefined && DECISIONS[name].usual === undefined,
  );
  if (missing.length > 0)
    throw wrong(`tables lack ${missing.join(', ')}; derive(...) from a built-in policy fills them`);
  for (const name of DECISION_NAMES) {
    const table = tables[name];
    if (table === undefined) continue;
    if (!Array.isArray(table))
      throw new PolicyError(module, name, undefined, `is ${kindOf(table)}, not a list of rules`);
    if (table.length > RULES_MAX)
      throw new PolicyError(module, name, undefined, `has ${table.length} rules; at most ${RULES_MAX}`);
    for (const rule of table)
      if (isRecord(rule) && typeof rule.name === 'string' && !isLine(rule.name))
        throw new PolicyError(module, name, rule.name, NO_LINE);
  }
  return value as unknown as Policy;
}

/** It is printed, and goes into files. */
const isLine = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && plain(value) === value;
const NO_LINE = 'the name of a rule must be one line of text without control characters';

/** Why this cannot be the id of a user's policy, in one line; undefined if it can. */
export function nameProblem(name: unknown, field = 'id'): string | undefined {
  if (typeof name !== 'string') return `${field} is ${kindOf(name)}; it must be a string`;
  if (!ID.test(name))
    return `${field} ${quoted(name)} must be 1 to 64 of a-z, 0-9, dot, dash, underscore, and begin with a letter or digit`;
  if (name.toLowerCase() === 'all')
    return `${field} ${quoted(name)} means all built-in policies; choose another`;
  // Ids become file names, which may not tell cases apart.
  const same = (other: string | undefined): boolean => other?.toLowerCase() === name.toLowerCase();
  const owner = BUILT_IN.find((policy) => same(policy.id) || same(policy.alias));
  if (owner === undefined) return undefined;
  return `${field} ${quoted(name)} is taken by the built-in policy ${owner.id}; choose another`;
}

/** As expandPolicy, but errors name the module, for that is what the user can edit. */
export function expandModule(module: string, policy: Policy): ExpandedPolicy {
  return { ...expandPolicy({ ...policy, id: module }), id: policy.id };
}

/**
 * Throws PolicyError unless every rule, asked again, answers as in the expansion. Small tables are asked several times
 * over, so that a rule that tosses a coin is found out; with another value of a fact that no rule read each time, so that
 * one that reads it now and then is, too.
 */
export function checkPure(module: string, policy: Policy, expanded: ExpandedPolicy): void {
  for (const table of expanded.tables) {
    const rules: readonly { readonly when?: (facts: never) => unknown }[] = tableAt(policy, table.decision);
    const facts = factDomains(table);
    let asked = 0;
    while (asked < ASKED_MIN)
      for (const chosen of combinationsOf(facts, table.reads)) {
        const other = (fact: number, size: number): number =>
          table.reads.includes(fact) ? chosen[fact]! : (asked + fact) % size;
        asked++;
        const record = recordOf(
          facts,
          facts.map(([, domain], fact) => other(fact, domain.length)),
        );
        const found = rules.findIndex(({ when }) => when === undefined || holds(when, record));
        const expected = table.ruleOf[entryOf(table, chosen)]!;
        if (found !== expected) throw impure(module, table, found, expected);
      }
  }
}

/** Throws PolicyError unless two evaluations of the module make the same policy: constants may be drawn. */
export function checkSame(module: string, a: ExpandedPolicy, b: ExpandedPolicy): void {
  a.tables.forEach((one, i) => {
    const other = b.tables[i]!;
    const said = ({ rules, notes, noting }: ExpandedTable): string => JSON.stringify([rules, notes, noting]);
    if (said(one) !== said(other))
      throw new PolicyError(
        module,
        one.decision,
        undefined,
        'has other rules when the module is loaded again',
      );
    for (const chosen of combinationsOf(factDomains(one), readByAny(one, other))) {
      const at = entryOf(one, chosen);
      const again = entryOf(other, chosen);
      if (one.ruleOf[at] !== other.ruleOf[again] || one.answer[at] !== other.answer[again])
        throw impure(module, one, one.ruleOf[at]!, other.ruleOf[again]!);
    }
    // Where an earlier rule matches as well, a condition is read only if it was asked for.
    const again = other.conditions?.rules;
    const changed = one.conditions?.rules.findIndex(({ holds }, r) => holds !== again?.[r]?.holds) ?? -1;
    if (changed >= 0) throw impure(module, one, changed, changed);
  });
  if (JSON.stringify({ ...a, tables: [] }) !== JSON.stringify({ ...b, tables: [] }))
    throw new PolicyError(
      module,
      undefined,
      undefined,
      'its id, title, sources, claims or state are not constant',
    );
}

/** First match wins: of two rules that matched, only the earlier one can have answered both ways. */
function impure(module: string, table: ExpandedTable, a: number, b: number): PolicyError {
  const rule = table.rules[Math.min(a < 0 ? b : a, b)];
  return new PolicyError(module, table.decision, rule, 'answers differently for the same facts');
}

function holds(when: (facts: never) => unknown, facts: object): boolean {
  try {
    return when(facts as never) === true;
  } catch {
    return false;
  }
}

/** Whatever was thrown as one line without colours or stack. */
export function oneLine(thrown: unknown): string {
  let text: string;
  try {
    text = thrown instanceof Error ? thrown.message || thrown.name : kindOf(thrown);
  } catch {
    text = 'something that cannot be shown';
  }
  const lines = stripVTControlCharacters(String(text))
    .split('\nRequire stack:')[0]!
    .split('\n')
    .filter((line) => !/^\s*at /.test(line));
  const line = lines.join(' ').replace(/\s+/g, ' ').trim();
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}...` : line;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'function') return 'a function';
  return `the ${typeof value} ${typeof value === 'string' ? quoted(value) : String(value)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
