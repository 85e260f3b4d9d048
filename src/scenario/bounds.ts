/** How much room a program needs: what a person need not count. */
import { PARTS_MAX, type Setup, TASKS_MAX } from '../domain/setup.ts';
import { opOfStep } from '../ops/index.ts';
import type { Step } from './scenario.ts';

/** Smallest bounds under which the steps run: mms and references alive, and operations in flight, at a time; and parts of pages. */
export function bounds({
  steps,
}: {
  readonly steps: readonly Step[];
}): Pick<Setup, 'mms' | 'refs' | 'tasks' | 'parts'> {
  let mms = 1;
  let refs = 0;
  let mmsMax = 1;
  let refsMax = 0;
  for (const step of steps) {
    const { makes, ends } = opOfStep(step);
    if (makes === 'mm') mmsMax = Math.max(mmsMax, ++mms);
    else if (makes === 'ref') refsMax = Math.max(refsMax, ++refs);
    if (ends === 'mm') mms--;
    else if (ends === 'ref') refs--;
  }
  const paused = steps.some((step) => 'until' in step || step.op === 'go_on');
  const parted = steps.some((step) => 'part' in step);
  return {
    mms: mmsMax,
    refs: refsMax,
    ...(paused ? { tasks: TASKS_MAX } : {}),
    ...(parted ? { parts: PARTS_MAX } : {}),
  };
}
