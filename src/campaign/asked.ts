/**
 * Does any program of a scope ask what two policies answer differently? Until it does both behave alike, so that a search
 * of one of them says it for both; a proof in a scope where nobody asks proves nothing of the change.
 */

import type { PairSpec } from '../check/pair.ts';
import { tablesOf } from '../machine/ask.ts';
import { Search } from '../check/search.ts';
import type { DecisionName } from '../machine/decisions.ts';
import {
  answerTexts,
  combinationsOf,
  type ExpandedPolicy,
  entryOf,
  factDomains,
  readByAny,
} from '../machine/tables.ts';
import { countingCombinations } from '../mutate/mutants.ts';

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

/**
 * Undefined if a program asks for one of the facts, or if the policies differ in nothing that is asked by facts.
 * `depth`: steps; Infinity: any number.
 */
export async function unasked(
  { setup, alphabet, a, b }: PairSpec,
  depth: number,
  signal?: AbortSignal,
): Promise<Unasked | undefined> {
  const kept = ({ keeps, notes }: ExpandedPolicy): string => JSON.stringify([keeps, notes]);
  if (kept(a) !== kept(b)) return undefined;
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
