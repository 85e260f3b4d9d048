/** How much room a program needs: what a person need not count. */
import type { Setup } from '../domain/setup.ts';
import type { Step } from './scenario.ts';

/** Smallest bounds under which the steps run: mms and references alive at a time. */
export function bounds({ steps }: { readonly steps: readonly Step[] }): Pick<Setup, 'mms' | 'refs'> {
  let mms = 1;
  let refs = 0;
  let mmsMax = 1;
  let refsMax = 0;
  for (const step of steps) {
    if (step.op === 'fork') mmsMax = Math.max(mmsMax, ++mms);
    else if (step.op === 'exit') mms--;
    else if (step.op === 'gup') refsMax = Math.max(refsMax, ++refs);
    else if (step.op === 'unpin' || step.op === 'dio_end') refs--;
  }
  return { mms: mmsMax, refs: refsMax };
}
