/**
 * Does any program of a scope ask what two policies answer differently? Until it does both behave alike, so that a search
 * of one of them says it for both; a proof in a scope where nobody asks proves nothing of the change.
 */

import type { PairSpec } from '../check/pair.ts';
import { tablesOf } from '../machine/ask.ts';
import { Search } from '../check/search.ts';
import type { Setup } from '../domain/setup.ts';
import { DECISIONS, type DecisionName } from '../machine/decisions.ts';
import {
  answerTexts,
  combinationsOf,
  type ExpandedPolicy,
  entryOf,
  factDomains,
  readByAny,
} from '../machine/tables.ts';
import { countingCombinations } from '../mutate/mutants.ts';
import { setupsOf } from '../fuzz/generate.ts';
import type { CampaignResult } from './types.ts';

/** Decision points with facts by which the answers differ, none of which is ever asked for in up to so many steps. */
export interface Unasked {
  readonly decisions: readonly DecisionName[];
  /** Infinity: in no program of the scope. */
  readonly steps: number;
}

/** Most states of the search; what it costs is bounded so. */
const STATES_MAX = 500_000;

/** By table, the combinations of what either reads (combinationsOf) for which the answers of both differ. */
const differing = (a: ExpandedPolicy, b: ExpandedPolicy): number[][] =>
  a.tables.map((table, place) => {
    const other = b.tables[place]!;
    const [mine, others] = [answerTexts(table), answerTexts(other)];
    // One array is used for all combinations: each is looked at as it comes.
    const same = Array.from(
      combinationsOf(factDomains(table), readByAny(table, other)),
      (chosen) =>
        mine[table.answer[entryOf(table, chosen)]!] === others[other.answer[entryOf(other, chosen)]!],
    );
    return same.flatMap((is, at) => (is ? [] : [at]));
  });

/** What two policies keep of their own, which no table shows. */
const keptBy = ({ keeps, notes }: ExpandedPolicy): string => JSON.stringify([keeps, notes]);

/** Decision points by which the answers differ and that only interleaved operations ask, where there are none. */
export interface NotInterleaved {
  readonly decisions: readonly DecisionName[];
  /** The policies differ in nothing else. */
  readonly alone: boolean;
}

/** Undefined if operations are interleaved in one of the setups, or nothing differs that is asked only there. */
export function notInterleaved(
  setups: readonly Setup[],
  a: ExpandedPolicy,
  b: ExpandedPolicy,
): NotInterleaved | undefined {
  if (setups.some(({ tasks }) => tasks !== undefined)) return undefined;
  const places = differing(a, b);
  const all = b.tables.flatMap(({ decision }, at) => (places[at]!.length > 0 ? [decision] : []));
  const decisions = all.filter((name) => DECISIONS[name].only === 'fine');
  if (decisions.length === 0) return undefined;
  return { decisions, alone: decisions.length === all.length && keptBy(a) === keptBy(b) };
}

/** The same for a campaign: policies that are judged beside a base, by id. */
export function notInterleavedIn({
  policies,
  bases,
  space,
}: Pick<CampaignResult, 'policies' | 'bases' | 'space'>): (readonly [id: string, NotInterleaved])[] {
  const setups = setupsOf(space.scope, space.profile, space.change);
  return policies.flatMap((policy, i) => {
    const base = bases[i];
    const not = base?.tells === true ? notInterleaved(setups, base.policy, policy) : undefined;
    return not === undefined ? [] : [[policy.id, not] as const];
  });
}

/** For people, after the name of the policy. */
export const notInterleavedText = ({ decisions, alone }: NotInterleaved): string =>
  `not tested${alone ? '' : ' in all that it changes'}: ${decisions.join(', ')} ${decisions.length === 1 ? 'is' : 'are'} asked only where operations are interleaved (--scope race, or --tasks 2)`;

/**
 * Undefined if a program asks for one of the facts, or if the policies differ in nothing that is asked by facts.
 * `depth`: steps; Infinity: any number.
 */
export async function unasked(
  { setup, alphabet, a, b }: PairSpec,
  depth: number,
  signal?: AbortSignal,
): Promise<Unasked | undefined> {
  if (keptBy(a) !== keptBy(b)) return undefined;
  const places = differing(a, b);
  const decisions = b.tables.flatMap((table, at) => (places[at]!.length > 0 ? [table.decision] : []));
  if (decisions.length === 0) return undefined;
  const counting = countingCombinations(b, (table, at) => readByAny(table, a.tables[at]!));
  const tables = tablesOf(counting);
  const search = new Search({ setup, policy: counting, alphabet, statesMax: STATES_MAX, grain: 'property' });
  const asked = (): boolean => places.some((list, at) => list.some((c) => tables[at]!.fired[c]! > 0));
  while (search.state === 'open' && search.depth < depth) {
    search.runTo(search.depth + 1);
    if (asked() || signal?.aborted === true) return undefined;
    await new Promise((next) => setImmediate(next));
  }
  return asked() ? undefined : { decisions, steps: search.state === 'closed' ? Infinity : search.depth };
}
