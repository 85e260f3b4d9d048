/** Steps of a scenario in words, for the comments of an exported C program and the names of its checks. */
import type { AnyStep } from '../../ops/args.ts';
import { opOfStep } from '../../ops/index.ts';
import type { Scenario, Step } from '../../scenario/scenario.ts';

/** Ends no C comment, and begins none within it. */
export const commentSafe = (text: string): string => text.replaceAll('*/', '* /').replaceAll('/*', '/ *');

/** The step at this index, without full stop. An O_DIRECT call is two steps: what it is stands in the first. */
export function inWords({ steps }: Scenario, at: number): string {
  const said = steps[at]!;
  const gup = steps[at - 1];
  if (said.op !== 'dio_end' || gup?.op !== 'gup') return words(said);
  const deed = gup.caller === 'o_direct_write' ? 'writes from' : 'reads into';
  return `${gup.task} ${deed} ${gup.page} with O_DIRECT`;
}

const words = (step: Step): string => opOfStep(step).words(step as AnyStep);
