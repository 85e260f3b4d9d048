/** What a search found as a program that runs again: named steps, in a setup with room for their names. */
import { type Setup, shapeOf } from '../domain/setup.ts';
import { Naming, type Scenario, type Step } from '../scenario/scenario.ts';

/** What became of the names of a step when the search made it. */
export interface NamesOf {
  /** What a fork or gup filled, or -1. */
  readonly slot: number;
  /** The search goes on without the name of the gup: it was refused, and nobody has a use for it. */
  readonly givenUp: boolean;
}

/**
 * Names packed steps; `run` makes one as the search did. The search goes on without the name of a gup that was refused; a
 * program keeps it, so there is one reference more for each, or the name is given up by an unpin where there is no room.
 */
export function programOf(setup: Setup, packed: readonly number[], run: (step: number) => NamesOf): Scenario {
  const naming = new Naming(setup);
  const steps: Step[] = [];
  const refused: { readonly after: number; readonly ref: string }[] = [];
  for (const one of packed) {
    const { slot, givenUp } = run(one);
    const step = naming.name(one, slot);
    steps.push(step);
    if (step.op === 'gup' && givenUp) refused.push({ after: steps.length, ref: step.result });
  }
  // Nothing follows the last step.
  const earlier = refused.filter(({ after }) => after < steps.length);
  if (earlier.length === 0) return { setup, steps };
  const roomy = { ...setup, refs: setup.refs + earlier.length };
  if (hasRoom(roomy)) return { setup: roomy, steps };
  return {
    setup,
    steps: steps.flatMap((step, i): Step[] => {
      const given = earlier.find(({ after }) => after === i + 1);
      return given === undefined
        ? [step]
        : [step, { task: 'device', op: 'unpin', ref: given.ref, dirty: false }];
    }),
  };
}

function hasRoom(setup: Setup): boolean {
  try {
    shapeOf(setup);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
