import { mmName, refName, type Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/** Names mms and references canonically, in order of creation: P, C, D, ...; h1, h2, ... */
export const rename: Pass = {
  name: 'rename',
  run(scenario, stillFails) {
    const names = new Map<string, string>([['P', 'P']]);
    let mms = 1;
    let refs = 0;
    for (const step of scenario.steps) {
      if (step.op === 'fork') names.set(step.result, mmName(mms++));
      if (step.op === 'gup') names.set(step.result, refName(refs++));
    }
    const steps = scenario.steps.map((step) => {
      const renamed: Record<string, unknown> = { ...step, task: names.get(step.task) ?? step.task };
      if ('ref' in step) renamed['ref'] = names.get(step.ref) ?? step.ref;
      if ('result' in step) renamed['result'] = names.get(step.result) ?? step.result;
      return renamed as unknown as Step;
    });
    const candidate = { setup: scenario.setup, steps };
    return stillFails(candidate) ? candidate : scenario;
  },
};
