/** What an exported program is expected to say on the kernels of each era. */
import type { Caller } from '../../domain/kinds.ts';
import { BUILT_IN } from '../../policies/index.ts';
import type { Scenario } from '../../scenario/scenario.ts';
import { type Observed, observe } from './promised.ts';

/** What a program says on a kernel: every promise kept, one broken, or that it cannot be tried there. */
export type Predicted = 'ok' | 'not ok' | 'skip';

/** Eras in words; docs/model.md, section 5. */
const ERAS: Readonly<Record<string, string>> = {
  'v5.7-mapcount': 'up to v5.7',
  'v5.8-cow-break': 'v5.8',
  'v5.11-page-count': 'v5.11 to v5.17',
  'v6.2-anon-exclusive': 'v6.2 and v6.3',
  'v6.5-longterm-ban': 'v6.5 and later',
};

/**
 * By policy id, the canary left out. `written`: the run that the program was written from; where a gup is refused
 * that is granted there, or the other way round, the program cannot be tried.
 */
export function predict(
  scenario: Scenario,
  written: Observed,
  promised: ReadonlyMap<string, Caller>,
): Record<string, Predicted> {
  const out: Record<string, Predicted> = {};
  const gups = scenario.steps.flatMap((s, i) => (s.op === 'gup' ? [i] : []));
  for (const policy of BUILT_IN) {
    if (ERAS[policy.id] === undefined) continue;
    const run = observe(scenario, policy, promised);
    const same = gups.every((i) => (run.outcomes[i] === 'refused') === (written.outcomes[i] === 'refused'));
    out[policy.id] = run.broken ? 'not ok' : same ? 'ok' : 'skip';
  }
  return out;
}

/** The eras for which this is predicted, in words; '' if there is none. */
export const erasWith = (predicted: Readonly<Record<string, Predicted>>, want: Predicted): string =>
  Object.keys(predicted)
    .filter((id) => predicted[id] === want)
    .map((id) => ERAS[id])
    .join('; ');
