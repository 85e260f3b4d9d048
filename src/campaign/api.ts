/** Campaigns for use inside somebody's own program or test suite. */
import { InvariantError } from '../executor/simulated.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { runCampaign as run } from './campaign.ts';
import type { CampaignOptions, CampaignResult } from './types.ts';

export type ApiOptions = { readonly policies: readonly AnyPolicy[]; readonly seed?: number } & Partial<
  Omit<CampaignOptions, 'policies' | 'seed'>
>;

/**
 * Runs a campaign in this process (no workers, no files) unless told otherwise. `runs` defaults to 1000 when no time
 * is given. Throws PolicyError if a policy is not one, RangeError for an option that is not allowed, and
 * InvariantError for a bug of gupfuzz.
 */
export async function runCampaign(options: ApiOptions): Promise<CampaignResult> {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const result = await run({
    scope: 'default',
    profile: 'all',
    workers: 0,
    shrink: 'shortest',
    documented: false,
    ...(options.runs === undefined && options.timeMs === undefined ? { runs: 1000 } : {}),
    ...given,
    seed: options.seed ?? 1,
    policies: options.policies.map(expanded),
  });
  if (result.failure !== undefined) throw new InvariantError(result.failure);
  return result;
}
