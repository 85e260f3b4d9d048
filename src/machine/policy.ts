/**
 * What a policy is: a table per decision point (decisions.ts), what it keeps and claims; and how one is made of its
 * predecessor by edits.
 */
import {
  type Answer,
  DECISION_NAMES,
  DECISIONS,
  type DecisionName,
  type Facts,
  type Rule,
  type Table,
  type Tables,
} from './decisions.ts';
import type { Changed, Notes } from './notes.ts';
import { PolicyError } from './policy-error.ts';

/** Is it a table of the policy's own, and not the usual one? Where there is no usual one it must be. */
export const hasOwnTable = ({ tables }: Pick<Policy, 'tables'>, name: DecisionName): boolean =>
  tables[name] !== undefined || DECISIONS[name].usual === undefined;
/** The table of a policy at a decision point, its own or the usual one. */
export const tableAt = <D extends DecisionName>({ tables }: Pick<Policy, 'tables'>, name: D): Table<D> =>
  ((tables as { readonly [N in DecisionName]?: unknown })[name] ?? DECISIONS[name].usual) as Table<D>;

/** State that an era keeps beside the tables; the machine maintains it, and leaves it zero for those that do not. */
export interface Keeps {
  /** PG_anon_exclusive. */
  readonly anonExclusive: boolean;
  /** mm->has_pinned, MMF_HAS_PINNED. */
  readonly hasPinned: boolean;
}

/** Statements that a policy makes about its own state; a breach is a finding about the policy itself. */
export const CLAIMS = ['writable anon pte => exclusive', 'pinned anon folio => exclusive'] as const;
/** One of CLAIMS. */
export type Claim = (typeof CLAIMS)[number];

/** One era, or yours: a table per decision point, and what it keeps and claims. */
export interface Policy {
  /** `v6.5-longterm-ban`: release and idea. */
  readonly id: string;
  readonly alias?: string;
  /** One line for lists. */
  readonly title: string;
  /** Commits (12 hex digits and title) and releases this stands for. */
  readonly sources: readonly string[];
  readonly keeps: Keeps;
  /** Small columns of its own (notes.ts). */
  readonly notes?: Notes;
  readonly claims: readonly Claim[];
  readonly tables: Tables;
  /** Wrong on purpose: every campaign must catch it. */
  readonly canary?: boolean;
  /** Ids of its predecessors, oldest first; set by derive(). What they break is not news. */
  readonly derivedFrom?: readonly string[];
}

/** A row of a table. `notes`: what it changes in the policy's notes. */
export function rule<D extends DecisionName>(
  name: string,
  when: (facts: Facts<D>) => boolean,
  answer: Answer<D>,
  notes?: Changed,
): Rule<D> {
  return { name, when, answer, ...(notes === undefined ? {} : { notes }) };
}
/** The last row of a table. */
export function otherwise<D extends DecisionName>(
  answer: Answer<D>,
  name = 'otherwise',
  notes?: Changed,
): Rule<D> {
  return { name, answer, ...(notes === undefined ? {} : { notes }) };
}

/** One edit of a predecessor's table, by the name of the rule it concerns. */
export type Edit<D extends DecisionName> = (table: Table<D>) => Table<D>;

/** New rules directly before the named one. */
export function before<D extends DecisionName>(name: string, ...rules: Rule<D>[]): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...rules, ...table.slice(at)];
  };
}
/** Other rules in place of the named one. */
export function replace<D extends DecisionName>(name: string, ...rules: Rule<D>[]): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...rules, ...table.slice(at + 1)];
  };
}
/** The table less the named rule. */
export function without<D extends DecisionName>(name: string): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...table.slice(at + 1)];
  };
}
/** A whole new table. */
export function table<D extends DecisionName>(...rules: Rule<D>[]): Edit<D> {
  return () => rules;
}

function indexOfRule<D extends DecisionName>(rules: Table<D>, name: string): number {
  const at = rules.findIndex((r) => r.name === name);
  if (at < 0)
    throw new PolicyError('', undefined, undefined, {
      kind: 'rule',
      typed: name,
      known: rules.map((r) => r.name),
    });
  return at;
}

/** The table that a policy has which says nothing (DecisionPoint.usual). Throws PolicyError where there is none. */
export function usually<D extends DecisionName>(name: D): Edit<D> {
  return () => {
    const { usual } = DECISIONS[name];
    if (usual === undefined) throw new PolicyError('', name, undefined, 'has no usual table');
    return usual;
  };
}

/** What derive() changes: per decision point, the edits in order. */
export type Changes = { readonly [D in DecisionName]?: readonly Edit<D>[] };

/** What derive() takes beside the edits: the rest of a policy, which the base fills in where it may. */
export type PolicyHeader = Omit<Policy, 'keeps' | 'claims' | 'tables' | 'derivedFrom'> &
  Partial<Pick<Policy, 'keeps' | 'claims'>>;

const HEADER_FIELDS: readonly string[] = [
  'id',
  'alias',
  'title',
  'sources',
  'keeps',
  'notes',
  'claims',
  'canary',
] satisfies readonly (keyof PolicyHeader)[];
/** All that a policy may say. */
export const POLICY_FIELDS: readonly string[] = [...HEADER_FIELDS, 'tables', 'derivedFrom'];

/**
 * A later era: its predecessor plus changed rules. Throws PolicyError for a decision point, a field of `meta` or the
 * name of a rule that nothing has, as plain JavaScript and modules that nobody type checks may have them.
 */
export function derive(base: Policy, meta: PolicyHeader, changes: Changes): Policy {
  const wrong = (
    table: string | undefined,
    what: ConstructorParameters<typeof PolicyError>[3],
  ): PolicyError => new PolicyError(String(meta.id), table, undefined, what);
  for (const field of Object.keys(meta))
    if (!HEADER_FIELDS.includes(field))
      throw wrong(undefined, { kind: 'field', typed: field, known: HEADER_FIELDS });
  for (const name of Object.keys(changes))
    if (!(DECISION_NAMES as readonly string[]).includes(name))
      throw wrong(undefined, { kind: 'decision point', typed: name, known: DECISION_NAMES });

  const apply = <D extends DecisionName>(name: D): Table<D> => {
    const edits: unknown = changes[name] ?? [];
    if (!Array.isArray(edits) || edits.some((edit) => typeof edit !== 'function'))
      throw wrong(
        name,
        'is no list of edits; write [before(...), replace(...), without(...)] or [table(...)]',
      );
    try {
      return (edits as readonly Edit<D>[]).reduce<Table<D>>(
        (rules, edit) => edit(rules),
        tableAt(base, name),
      );
    } catch (error) {
      if (error instanceof PolicyError) throw wrong(name, error.unknown ?? error.what);
      throw error;
    }
  };
  const own = DECISION_NAMES.filter((name) => base.tables[name] !== undefined || changes[name] !== undefined);
  const tables = Object.fromEntries(own.map((name) => [name, apply(name)]));
  const notes = { ...base.notes, ...meta.notes };
  return {
    keeps: base.keeps,
    claims: base.claims,
    ...meta,
    ...(Object.keys(notes).length === 0 ? {} : { notes }),
    derivedFrom: [...(base.derivedFrom ?? []), base.id],
    tables: tables as unknown as Tables,
  };
}
