/** Campaigns for use inside somebody's own program or test suite. */

import type { Policy } from '../machine/decisions.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { runCampaign as run } from './campaign.ts';
import type { CampaignOptions, CampaignResult } from './types.ts';

/** A policy as written, or expanded. */
export type AnyPolicy = Policy | ExpandedPolicy;

export type ApiOptions = { readonly policies: readonly AnyPolicy[]; readonly seed?: number } & Partial<
  Omit<CampaignOptions, 'policies' | 'seed'>
>;

/**
 * Runs a campaign in this process (no workers, no files) unless told otherwise. `runs` defaults to 1000 when no time
 * is given. Throws PolicyError if a policy is not one.
 */
export function runCampaign(options: ApiOptions): Promise<CampaignResult> {
  return run({
    scope: 'default',
    profile: 'all',
    workers: 0,
    shrink: 'shortest',
    documented: false,
    ...(options.runs === undefined && options.timeMs === undefined ? { runs: 1000 } : {}),
    ...options,
    seed: options.seed ?? 1,
    policies: options.policies.map((p) => (isExpanded(p) ? p : expandPolicy(p))),
  });
}

const isExpanded = (policy: AnyPolicy): policy is ExpandedPolicy => Array.isArray(policy.tables);
