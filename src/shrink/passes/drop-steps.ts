import type { Pass } from '../order.ts';
import { without } from '../uses.ts';

/** Drops single steps, from the end. One call a step. */
export const dropSteps: Pass = {
  name: 'drop-steps',
  run(scenario, stillFails) {
    let best = scenario;
    for (let i = scenario.steps.length - 1; i >= 0; i--) {
      if (i >= best.steps.length) continue;
      const candidate = without(best, new Set([i]));
      if (stillFails(candidate)) best = candidate;
    }
    return best;
  },
};
