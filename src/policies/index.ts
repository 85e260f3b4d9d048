/**
 * The built-in policies in the order of their eras; the canary, which is none, comes last.
 */
import type { Policy } from '../machine/policy.ts';
import { canary } from './canary.ts';
import { mapcount } from './v5.7-mapcount.ts';
import { cowBreak } from './v5.8-cow-break.ts';
import { pageCount } from './v5.11-page-count.ts';
import { anonExclusive } from './v6.2-anon-exclusive.ts';
import { longtermBan } from './v6.5-longterm-ban.ts';

/** Oldest first, the canary last. */
export const BUILT_IN: readonly Policy[] = [
  mapcount,
  cowBreak,
  pageCount,
  anonExclusive,
  longtermBan,
  canary,
];

/** The built-in policy with this id or alias, if there is one. */
export function findPolicy(name: string): Policy | undefined {
  return BUILT_IN.find((policy) => policy.id === name || policy.alias === name);
}

/** The built-in policy with this id or alias. Throws RangeError with one line that lists what there is. */
export function policyByName(name: string): Policy {
  const policy = findPolicy(name);
  if (policy === undefined)
    throw new RangeError(
      `there is no policy ${JSON.stringify(name)}; there is: ${BUILT_IN.map((p) => p.id).join(', ')}`,
    );
  return policy;
}
