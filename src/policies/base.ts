/** Beside which policy another is judged (regression/beside.ts). */
import type { BasePolicy } from '../fuzz/chunk.ts';
import type { Policy } from '../machine/decisions.ts';
import { type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { BUILT_IN, findPolicy } from './index.ts';

/** The built-in policies that stand for kernels, oldest first: without the canary. */
export const ERAS: readonly Policy[] = BUILT_IN.filter((policy) => policy.canary !== true);

/**
 * The built-in policy that `policy` was derived from last: the predecessor of a built-in one. A policy that was written
 * from nothing is judged beside the newest era. Undefined for the oldest era: nothing came before it.
 */
export function baseOf({
  id,
  derivedFrom = [],
}: {
  readonly id: string;
  readonly derivedFrom?: readonly string[];
}): Policy | undefined {
  const last = derivedFrom.findLast((name) => findPolicy(name) !== undefined);
  if (last !== undefined) return findPolicy(last);
  return findPolicy(id) === undefined ? ERAS.at(-1) : undefined;
}

/**
 * Beside which policies a campaign judges its own. With an explicit base all are told about; without, a built-in policy
 * is shown beside its predecessor, which is history and no news.
 */
export function basesFor(
  policies: readonly ExpandedPolicy[],
  explicit: ExpandedPolicy | undefined,
): (BasePolicy | undefined)[] {
  return policies.map((policy): BasePolicy | undefined => {
    if (explicit !== undefined) return { policy: explicit, tells: true };
    const base = baseOf(policy);
    return base && { policy: expanded(base), tells: findPolicy(policy.id) === undefined };
  });
}
