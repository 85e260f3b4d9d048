/** Of all that a policy breaks in a program, what a reader is told first. */
import type { FoundInRun } from '../executor/run.ts';
import { PROMISE_CLAIM, promiseOf } from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { regressesBy } from './scenario.ts';

/**
 * Regressions beside the base come first, then other broken promises, and last what the policy claims about itself,
 * which nobody outside relies on; among equals in the order in which they were met.
 */
export function mostTelling(
  scenario: Scenario,
  policy: ExpandedPolicy,
  base: ExpandedPolicy | undefined,
  violations: readonly FoundInRun[],
): readonly FoundInRun[] {
  const rank = ({ code }: FoundInRun): number => {
    if (promiseOf(code) === PROMISE_CLAIM) return 2;
    return base !== undefined && regressesBy(scenario, policy, base, code, undefined) ? 0 : 1;
  };
  return violations
    .map((found) => ({ found, rank: rank(found) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ found }) => found);
}
