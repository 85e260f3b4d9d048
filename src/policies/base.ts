/** Beside which policy another is judged (regression/beside.ts). */
import type { BasePolicy } from '../fuzz/chunk.ts';
import type { Policy } from '../machine/policy.ts';
import { type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { BUILT_IN, findPolicy } from './index.ts';

/** The built-in policies that stand for kernels, oldest first: without the canary. */
export const ERAS: readonly Policy[] = BUILT_IN.filter((policy) => policy.canary !== true);

interface Derived {
  readonly id: string;
  /** What derive() sets, or what a module claims: warnings.ts tells where its rules say something else. */
  readonly derivedFrom?: readonly string[];
}

/** The era that `policy` was derived from last. Never the canary, which excuses everything. */
export function ancestorOf({ derivedFrom = [] }: Derived): Policy | undefined {
  const last = derivedFrom.findLast((name) => ERAS.some(({ id }) => id === name));
  return last === undefined ? undefined : findPolicy(last);
}

/**
 * The era that `policy` was derived from last: the predecessor of a built-in one. A policy that was written from nothing
 * is judged beside the newest era. Undefined for the oldest era: nothing came before it.
 */
export const baseOf = (policy: Derived): Policy | undefined =>
  ancestorOf(policy) ?? (findPolicy(policy.id) === undefined ? ERAS.at(-1) : undefined);

/** The base of a user's policy, expanded; undefined for a built-in one, whose predecessor is history. */
export function ownBaseOf(policy: Derived): ExpandedPolicy | undefined {
  const base = findPolicy(policy.id) === undefined ? baseOf(policy) : undefined;
  return base && expanded(base);
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
