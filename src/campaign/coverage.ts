/** What a campaign could not have met in its scope, told apart from what it did not meet. */

import { lacking } from '../check/goals.ts';
import { outOfReach, outOfScope } from '../check/reach.ts';
import { scopeName } from '../check/scope.ts';
import {
  type BackingTraits,
  backingOf,
  isTrackedKind,
  KIND_TRAITS,
  type PageKind,
  type PageKindTraits,
} from '../domain/page-kinds.ts';
import type { Setup } from '../domain/setup.ts';
import type { CampaignSpace } from '../fuzz/chunk.ts';
import { alphabetOf, setupsOf } from '../fuzz/generate.ts';
import { DECISIONS } from '../machine/decisions.ts';
import { needsSwap } from '../machine/facts.ts';
import { type ExpandedPolicy, type ExpandedTable, factsOfEntry } from '../machine/tables.ts';
import type { Property } from '../property/property.ts';

const setupsIn = ({ scope, profile, change }: CampaignSpace): readonly Setup[] =>
  setupsOf(scope, profile, change);

type Kinds = readonly (PageKindTraits & { readonly kind: PageKind; readonly of: BackingTraits })[];

const kindsIn = (space: CampaignSpace): Kinds =>
  [...new Set(setupsIn(space).flatMap((s) => s.pages.map((p) => p.kind)))].map((kind) => ({
    ...KIND_TRAITS[kind],
    kind,
    of: backingOf(kind),
  }));

const tracked = (kinds: Kinds): boolean => kinds.some(({ of }) => of.dirtyTracked);

/**
 * Why the property's goal cannot be reached: by the pages, filesystems and operations of the scope, or by the tables of
 * any of the policies. Undefined if it may be.
 */
export function unreachable(
  property: Property,
  space: CampaignSpace,
  policies: readonly ExpandedPolicy[],
): string | undefined {
  const { version } = scopeName(space.scope);
  const scopes = setupsIn(space).map((setup) => [setup, alphabetOf(setup, space.change, version)] as const);
  const lacks = scopes.map(
    ([s, alphabet]) => lacking(property, s, alphabet) ?? outOfScope(property, s, alphabet),
  );
  if (!lacks.includes(undefined)) return 'not reachable in this scope';
  const reasons = policies.map((policy) => {
    const why = scopes.map(([s, alphabet], i) => lacks[i] ?? outOfReach(property, policy, s, alphabet));
    return why.includes(undefined) ? undefined : why.filter((_, i) => lacks[i] === undefined);
  });
  if (reasons.includes(undefined)) return undefined;
  return `out of reach: ${[...new Set(reasons.flat())].join('; ')}`;
}

const hasSwap = (space: CampaignSpace): boolean => setupsIn(space).some(({ swap }) => swap !== undefined);

/** Can the fact have this value with these page kinds? Only what follows from the kinds is ruled out. */
function feasible(decision: string, fact: string, value: unknown, kinds: Kinds): boolean {
  switch (fact) {
    case 'vma':
      return kinds.some(({ kind }) => kind === value);
    case 'shmem':
      return value === false || kinds.some(({ of }) => of.shmemMapping);
    case 'dirtyTracked':
      return value === false || kinds.some(({ kind }) => isTrackedKind(kind));
    case 'vmaShared':
      return kinds.some((kind) => kind.private !== value);
    case 'writeback':
      return value === false || tracked(kinds);
    case 'frame': {
      const privateOnly = decision === 'forkPte' || decision === 'unshareFault';
      if (value === 'anon') return kinds.some((kind) => kind.private);
      if (value === 'zero') return kinds.some(({ of }) => of.file === '');
      if (value === 'file')
        return kinds.some((kind) => kind.of.file !== '' && (kind.private || !privateOnly));
      return true;
    }
    default:
      return true;
  }
}

/** Asked of folios of files that track dirty pages, but for zapDirty: shmem has dirty PTEs, too. */
const FILE_ONLY = new Set<string>([
  'stripBuffers',
  'wbBegin',
  'unpinDirty',
  'mkwrite',
  'wbClean',
  'wbEnd',
  'reclaimUnmap',
  'removeMapping',
]);

/**
 * unshareFault and zeroPagePin are asked only where gupSlow's answer leads there: with these frames, and there with
 * or without exclusivity.
 */
function asked(
  policy: ExpandedPolicy,
  decision: string,
  facts: { readonly [fact: string]: unknown },
): boolean {
  if (decision !== 'unshareFault' && decision !== 'zeroPagePin') return true;
  const gupSlow = policy.tables.find((t) => t.decision === 'gupSlow')!;
  const answers: readonly string[] = DECISIONS.gupSlow.answers;
  const agrees = (x: unknown, y: unknown): boolean => x === undefined || y === undefined || x === y;
  return gupSlow.answer.some((answer, entry) => {
    const at = factsOfEntry(gupSlow, entry);
    return decision === 'unshareFault'
      ? answers[answer] === 'unshare fault' &&
          agrees(at.frame, facts.frame) &&
          agrees(at.anonExclusive, facts.anonExclusive)
      : answers[answer] === 'return' &&
          agrees(at.frame, 'zero') &&
          agrees(at.pin, true) &&
          agrees(at.longterm, facts.longterm);
  });
}

/** Rules of a table that cannot be first match with the scope's page kinds, or are never asked. */
export function impossibleRules(
  policy: ExpandedPolicy,
  table: ExpandedTable,
  space: CampaignSpace,
): ReadonlySet<number> {
  const kinds = kindsIn(space);
  const swap = hasSwap(space);
  const possible = new Set<number>();
  if (!FILE_ONLY.has(table.decision) || tracked(kinds))
    table.ruleOf.forEach((rule, entry) => {
      const facts = factsOfEntry(table, entry);
      const fits = Object.entries(facts).every(
        ([name, value]) =>
          feasible(table.decision, name, value, kinds) &&
          (swap || !needsSwap(name) || value === false || value === 0),
      );
      if (fits && asked(policy, table.decision, facts)) possible.add(rule);
    });
  return new Set(table.rules.map((_, i) => i).filter((i) => !possible.has(i)));
}

export interface RuleCoverage {
  readonly policy: string;
  /** `table: rule` names. */
  readonly neverFired: readonly string[];
  readonly cannotFire: readonly string[];
  readonly rules: number;
}

/** Which rules never were first match, and which cannot be in this scope. */
export function ruleCoverage(
  policy: ExpandedPolicy,
  fired: readonly (readonly number[])[],
  space: CampaignSpace,
): RuleCoverage {
  const neverFired: string[] = [];
  const cannotFire: string[] = [];
  let rules = 0;
  const fine = setupsIn(space).some(({ tasks }) => tasks !== undefined);
  policy.tables.forEach((table, t) => {
    // Of what is asked between steps of other tasks only, programs whose steps run to their end say nothing.
    const { only } = DECISIONS[table.decision];
    if (table.usual === true || (only === 'fine' && !fine) || (only === 'swap' && !hasSwap(space))) return;
    const impossible = impossibleRules(policy, table, space);
    table.rules.forEach((name, i) => {
      rules++;
      if (fired[t]![i]! > 0) return;
      (impossible.has(i) ? cannotFire : neverFired).push(`${table.decision}: ${name}`);
    });
  });
  return { policy: policy.id, neverFired, cannotFire, rules };
}
