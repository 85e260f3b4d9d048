import { type AnyStep, plainerWords } from '../../ops/args.ts';
import { opOfStep } from '../../ops/index.ts';
import type { Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/** Plainer versions of a step, plainest first; none for most. */
function plainer(step: Step): readonly Step[] {
  const op = opOfStep(step);
  const said = step as AnyStep;
  return (op.plainer?.(said) ?? plainerWords(op, said)) as readonly Step[];
}

/** Replaces arguments by plainer ones, step by step: vmsplice by a plain R GET, fast by slow, ALL by NONE. */
export const simplifyArguments: Pass = {
  name: 'simplify-arguments',
  run(scenario, stillFails) {
    let best = scenario;
    for (let i = 0; i < best.steps.length; i++)
      for (const step of plainer(best.steps[i]!)) {
        const candidate = { setup: best.setup, steps: best.steps.map((s, k) => (k === i ? step : s)) };
        if (!stillFails(candidate)) continue;
        best = candidate;
        break;
      }
    return best;
  },
};
