/**
 * The order of simplicity, and what a shrink pass is. Shorter is simpler: a reader follows every step. Then fewer
 * mms, references and pages: less to hold in mind. Then plainer arguments, less room, and filesystems earlier in the
 * list of profiles. Ties go to the text, so that the order is total and a result does not depend on the way there.
 */
import { FILESYSTEMS } from '../domain/filesystems.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { type AnyStep, argumentsCost } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import { type Scenario, type Step, stepText } from '../scenario/scenario.ts';

/** True if the scenario still shows the same class of finding under the same policy. */
export type StillFails = (scenario: Scenario) => boolean;

/**
 * `(scenario, stillFails) => scenario`: the result still fails and is no less simple. A pass that makes no progress
 * would make none if run again; it does not iterate to a fixed point, the driver does.
 */
export interface Pass {
  readonly name: string;
  run(scenario: Scenario, stillFails: StillFails): Scenario;
}

/** How far a step is from the plainest of its kind, or of those that may do in its place. */
export function argumentCost(step: Step): number {
  const op = opOfStep(step);
  return (op.cost ?? 0) + argumentsCost(op, step as AnyStep);
}

/** The sort key of a scenario: the numbers count first, in order, then the text. */
export function simplicity(scenario: Scenario): readonly [...number[], string] {
  const { setup, steps } = scenario;
  const forks = steps.filter((s) => s.op === 'fork').length;
  const refs = steps.filter((s) => s.op === 'gup').length;
  const cost = steps.reduce((sum, s) => sum + argumentCost(s), 0);
  const room = setup.mms + setup.refs;
  const devices = setup.swap === undefined ? 0 : 1 + SWAP_DEVICES.indexOf(setup.swap);
  const filesystems = setup.files.reduce(
    (sum, f) => sum + FILESYSTEMS.findIndex(({ id }) => id === f.filesystem),
    setup.aside === undefined ? 0 : 1 + FILESYSTEMS.findIndex(({ id }) => id === setup.aside),
  );
  return [
    steps.length,
    forks,
    refs,
    setup.pages.length,
    setup.files.length,
    setup.files.filter(({ index }) => index !== undefined).length,
    cost,
    room,
    filesystems + devices,
    JSON.stringify(setup) + steps.map(stepText).join('\n'),
  ];
}

/** Negative if `x` is simpler than `y`. */
export function compareSimplicity(x: Scenario, y: Scenario): number {
  const a = simplicity(x);
  const b = simplicity(y);
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    return a[i]! < b[i]! ? -1 : 1;
  }
  return 0;
}
