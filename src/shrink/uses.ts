/** Who uses what in a scenario: names that steps introduce and need. */

import { repair } from '../fuzz/program.ts';
import { type AnyStep, namesIn } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import type { Scenario, Step } from '../scenario/scenario.ts';

/** Names a step refers to: its task if that is an mm, its page, file, reference, and what it introduces. */
export function namesOf(step: Step): string[] {
  const op = opOfStep(step);
  const used = namesIn(op, step as AnyStep).map(({ sort, name }) => `${sort} ${name}`);
  return 'result' in step ? [...used, `${op.makes} ${step.result}`] : used;
}

/** The scenario without these steps (by index), and without those that no longer apply. */
export function without(scenario: Scenario, drop: ReadonlySet<number>): Scenario {
  const steps = scenario.steps.filter((_, i) => !drop.has(i));
  return { setup: scenario.setup, steps: repair(scenario.setup, steps) };
}

/** Indices of the steps that use any of the names. */
export function usersOf(scenario: Scenario, names: ReadonlySet<string>): Set<number> {
  const users = new Set<number>();
  scenario.steps.forEach((step, i) => {
    if (namesOf(step).some((name) => names.has(name))) users.add(i);
  });
  return users;
}
