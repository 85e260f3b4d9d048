import { plainVariant } from '../../check/scope.ts';
import { CALLERS } from '../../domain/kinds.ts';
import { callerOf, gupVariant, longtermOf, writeOf } from '../../ops/gup.ts';
import type { Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/** Plainer versions of a step, plainest first; none for most. */
function plainer(step: Step): Step[] {
  switch (step.op) {
    case 'gup': {
      const plain = plainVariant(gupVariant(step.caller, step.write, step.longterm, step.fast));
      const { target, ...aside } = step;
      const candidates: Step[] = target === undefined ? [] : [aside];
      const asPlain: Step = {
        ...step,
        caller: CALLERS[callerOf(plain)]!,
        write: writeOf(plain),
        longterm: longtermOf(plain),
        fast: false,
      };
      const { caller } = asPlain;
      if (caller === 'get' || caller === 'pin') {
        candidates.push({ ...asPlain, caller: 'get', write: false, longterm: false });
        candidates.push({ ...asPlain, caller: 'get', longterm: false });
        candidates.push({ ...asPlain, write: false, longterm: false });
        candidates.push({ ...asPlain, longterm: false });
        candidates.push({ ...asPlain, write: false });
      }
      candidates.push(asPlain, { ...step, fast: false });
      const text = JSON.stringify(step);
      return candidates.filter((c) => JSON.stringify(c) !== text);
    }
    case 'unpin':
      return step.dirty ? [{ ...step, dirty: false }] : [];
    case 'wb_start':
      return step.mode === 'ALL' ? [{ ...step, mode: 'NONE' }] : [];
    case 'drop_caches':
      return [{ task: 'kernel', op: 'reclaim', file: step.file }];
    default:
      return [];
  }
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
