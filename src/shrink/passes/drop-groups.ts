import type { Pass } from '../order.ts';
import { namesOf, usersOf, without } from '../uses.ts';

/** Drops a whole mm, page, file or reference with every step that uses it. Tries each once: at most one call a name. */
export const dropGroups: Pass = {
  name: 'drop-groups',
  run(scenario, stillFails) {
    let best = scenario;
    const names = [...new Set(scenario.steps.flatMap(namesOf))].reverse();
    for (const name of names) {
      const users = usersOf(best, new Set([name]));
      if (users.size === 0 || users.size === best.steps.length) continue;
      const candidate = without(best, users);
      if (stillFails(candidate)) best = candidate;
    }
    return best;
  },
};
