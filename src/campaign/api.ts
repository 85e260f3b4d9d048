/** Campaigns for use inside somebody's own program or test suite. */
import { InvariantError } from '../executor/simulated.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { basesFor } from '../policies/base.ts';
import { runCampaign as run } from './campaign.ts';
import type { CampaignOptions, CampaignResult } from './types.ts';

/** What runCampaign takes. Workers, files and how to shrink: as CampaignOptions says. */
export type ApiOptions = {
  readonly policies: readonly AnyPolicy[];
  /** Beside which they are judged; by default each beside the built-in policy that it derives from. */
  readonly base?: AnyPolicy;
  readonly seed?: number;
} & Partial<Omit<CampaignOptions, 'policies' | 'bases' | 'seed'>>;

/**
 * Runs a campaign in this process (no workers, no files) unless told otherwise. `runs` defaults to 1000 when no time
 * is given. A finding with `regression` is one that the base does not have. Throws PolicyError if a policy is not one, RangeError for an option that is not allowed, and
 * InvariantError for a bug of gupfuzz.
 */
export async function runCampaign({ base, ...options }: ApiOptions): Promise<CampaignResult> {
  const policies = options.policies.map(expanded);
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
    policies,
    bases: basesFor(policies, base && expanded(base)),
  });
  if (result.failure !== undefined) throw new InvariantError(result.failure.message);
  return result;
}
