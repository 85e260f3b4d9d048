import { repair } from '../../fuzz/program.ts';
import { stepText } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/** Swaps neighbours that can trade places into the order of their text. One call a swap. */
export const sortSteps: Pass = {
  name: 'sort-steps',
  run(scenario, stillFails) {
    let best = scenario;
    for (let i = 0; i + 1 < best.steps.length; i++) {
      if (stepText(best.steps[i]!) <= stepText(best.steps[i + 1]!)) continue;
      const steps = [...best.steps];
      steps.splice(i, 2, best.steps[i + 1]!, best.steps[i]!);
      if (repair(best.setup, steps).length !== steps.length) continue;
      const candidate = { setup: best.setup, steps };
      if (stillFails(candidate)) best = candidate;
    }
    return best;
  },
};
