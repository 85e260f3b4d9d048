/** How survivors are compared with their policy: by breadth-first search over pairs of worlds (check/pair.ts). */
import { PairSearch, show, type Told } from '../check/distinguish.ts';
import type { PairSpec } from '../check/pair.ts';
import { alphabetFor } from '../check/scope.ts';
import type { Comparer, Comparison } from './judge.ts';
import { MUTATION_VERSION } from './scopes.ts';

/** What an observer tells apart first; then what costs the mutant more; then what costs it less. */
const RANKS: readonly ((told: Told) => boolean)[] = [
  ({ difference: d }) => d.kind === 'observable',
  ({ difference: d }) => d.kind === 'cost' && d.more === 'b',
  () => true,
];

export const COMPARER: Comparer | undefined = (policy, mutant) => (scope, depth) => {
  const { setup, gups, version = MUTATION_VERSION, statesMax } = scope;
  const spec: PairSpec = {
    setup,
    a: policy,
    b: mutant,
    alphabet: alphabetFor(setup, gups, version),
  };
  const search = new PairSearch(spec, statesMax);
  search.runTo(depth, (found) => found.some((d) => d.kind === 'observable'));
  const covered = search.state === 'closed' ? depth : search.depth;
  const rank = RANKS.find((test) => search.told.some(test));
  if (rank === undefined) return { differs: 'none', worse: [], what: '', depth: covered };
  const told = search.told.find(rank)!;
  const { scenario, seen, more } = show(spec, told);
  const worse: Comparison['worse'] = more.b;
  const what = `${seen.b}, by the policy ${seen.a}`;
  return { differs: told.difference.kind, worse, scenario, what, depth: covered };
};
