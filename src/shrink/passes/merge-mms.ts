import { repair } from '../../fuzz/program.ts';
import type { Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/** Lets one mm do what another did, so that the other need not be forked. One call per ordered pair of mms. */
export const mergeMms: Pass = {
  name: 'merge-mms',
  run(scenario, stillFails) {
    let best = scenario;
    const mms = scenario.steps.flatMap((s) => (s.op === 'fork' ? [s.result] : []));
    for (const gone of mms)
      for (const kept of ['P', ...mms]) {
        if (gone === kept || !best.steps.some((s) => s.op === 'fork' && s.result === gone)) continue;
        const renamed = best.steps
          .filter((s) => !(s.op === 'fork' && s.result === gone))
          .map((s) => (s.task === gone ? ({ ...s, task: kept } as Step) : s));
        const candidate = { setup: best.setup, steps: repair(best.setup, renamed) };
        if (candidate.steps.length < best.steps.length && stillFails(candidate)) best = candidate;
      }
    return best;
  },
};
