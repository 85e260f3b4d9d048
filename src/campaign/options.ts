import { scopeName } from '../check/scope.ts';
import { alphabetOf, PROFILES, setupsOf } from '../fuzz/generate.ts';
import type { CampaignOptions } from './types.ts';

/** Throws RangeError for an option that is not allowed; types alone do not stop a program in JavaScript. */
export function checkOptions(options: CampaignOptions): void {
  const { policies, runs, timeMs, workers, shard, seed, scope, profile, change } = options;
  const { shrinkStates, shrinkJobs } = options;
  const whole = (name: string, value: number, min: number): void => {
    if (!Number.isSafeInteger(value) || value < min)
      throw new RangeError(`${name} is ${value}; allowed: a whole number from ${min} on`);
  };
  if (runs === undefined && timeMs === undefined) throw new RangeError('a campaign needs runs or timeMs');
  if (runs !== undefined) whole('runs', runs, 1);
  if (timeMs !== undefined && !(timeMs > 0))
    throw new RangeError(`timeMs is ${timeMs}; allowed: more than 0`);
  whole('workers', workers, 0);
  whole('seed', seed, 0);
  if (shrinkStates !== undefined) whole('shrinkStates', shrinkStates, 1);
  if (shrinkJobs !== undefined) whole('shrinkJobs', shrinkJobs, 1);
  if (shard !== undefined) {
    whole('shard.count', shard.count, 1);
    whole('shard.index', shard.index, 0);
    if (shard.index >= shard.count) throw new RangeError(`shard.index is ${shard.index} of ${shard.count}`);
  }
  if (!PROFILES.includes(profile))
    throw new RangeError(`profile is ${profile}; allowed: ${PROFILES.join(', ')}`);
  const { version } = scopeName(scope);
  // Names an unknown scope, or a change that no setup can have.
  if (
    !setupsOf(scope, profile, change).some((setup) => alphabetOf(setup, change, version).ops.includes(true))
  )
    throw new RangeError(`${change?.flags ?? scope} leaves no operation`);
  if (policies.length === 0) throw new RangeError('a campaign needs a policy');
  const ids = policies.map((p) => p.id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw new RangeError(`two policies have the id ${twice}`);
}
