/** fast-check's own shrinking of a run, as the first stage: it replays the run by its seed and path and shrinks. */
import fc from 'fast-check';
import type { ChunkRunner } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { failsAs, type Target } from './shrink.ts';

/**
 * The run as fast-check leaves it, or undefined if redrawing it does not fail (a finding that did not come from a
 * run of this campaign).
 */
export function fastCheckShrink(
  chunks: ChunkRunner,
  run: number,
  policy: ExpandedPolicy,
  target: Target,
): Scenario | undefined {
  const fails = failsAs(policy, target);
  const { arbitrary, seed, path } = chunks.address(run);
  const details = fc.check(
    fc.property(arbitrary, (program) => !fails(program.scenario)),
    { seed, path, numRuns: 1, endOnFailure: false, verbose: 0 },
  );
  return details.counterexample?.[0].scenario;
}
