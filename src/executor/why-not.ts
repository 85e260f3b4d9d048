/** Why a step does not apply: what the program cannot do at this point, under any policy. */
import type { Step } from '../scenario/scenario.ts';
import type { World } from './simulated.ts';

/**
 * Asked right after the world said INVALID, or where `packed` is negative because a name in the step stands for
 * nothing. In words that go behind "does not apply: ".
 */
export function whyNot(world: World, step: Step, packed: number): string {
  const { reference, shape } = world;
  const { setup } = shape;
  if (packed < 0)
    return 'ref' in step ? `${step.ref} stands for nothing here` : `${step.task} does not live here`;
  if (step.op === 'fork' && reference.freeMm() < 0) return `mms is ${setup.mms}, and as many live already`;
  if (step.op === 'gup' && reference.freeHandle() < 0)
    return `refs is ${setup.refs}, and as many are held already`;
  if (step.op === 'exit') return `${step.task} is the last process, and one must be left`;
  if (step.op === 'reclaim' || step.op === 'drop_caches')
    return `${step.file} is ${setup.files.find((f) => f.name === step.file)!.filesystem}, which stays in memory: there is no swap`;
  if ('ref' in step) return `the caller that took ${step.ref} never does that`;
  return 'the program cannot do it at this point';
}

/** `step 3 does not apply: h1 stands for nothing here`; `at`: the index of the step. */
export const doesNotApply = (at: number, why: string): string => `step ${at + 1} does not apply: ${why}`;
