import type { Pass } from '../order.ts';
import { without } from '../uses.ts';

/** Drops two steps that need each other (mprotect r and rw, fork and exit). n^2/2 calls; scenarios are short by now. */
export const dropPairs: Pass = {
  name: 'drop-pairs',
  run(scenario, stillFails) {
    let best = scenario;
    for (let i = 0; i < best.steps.length; i++)
      for (let j = i + 1; j < best.steps.length; j++) {
        const candidate = without(best, new Set([i, j]));
        if (!stillFails(candidate)) continue;
        best = candidate;
        j = i; // what is at i now has not been tried
      }
    return best;
  },
};
