/** Why a step does not apply: what the program cannot do at this point, under any policy. */
import type { AnyStep } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import type { Step } from '../scenario/scenario.ts';
import type { World } from './simulated.ts';

/**
 * Asked right after the world said INVALID, or where `packed` is negative because a name in the step stands for
 * nothing. In words that go behind "does not apply: ".
 */
export function whyNot(world: World, step: Step, packed: number): string {
  if (packed < 0)
    return 'ref' in step ? `${step.ref} stands for nothing here` : `${step.task} does not live here`;
  const why = opOfStep(step).whyNot?.(world.reference, step as AnyStep) ?? '';
  if (why !== '') return why;
  if ('ref' in step) return `the caller that took ${step.ref} never does that`;
  return 'the program cannot do it at this point';
}

/** `step 3 does not apply: h1 stands for nothing here`; `at`: the index of the step. */
export const doesNotApply = (at: number, why: string): string => `step ${at + 1} does not apply: ${why}`;
