/** Who uses what in a scenario: names that steps introduce and need. */

import { repair } from '../fuzz/program.ts';
import type { Scenario, Step } from '../scenario/scenario.ts';

/** Names a step refers to: its task if that is an mm, its page, file, reference, and what it introduces. */
export function namesOf(step: Step): string[] {
  const names: string[] = [];
  if (step.task !== 'device' && step.task !== 'kernel' && step.task !== 'other')
    names.push(`mm ${step.task}`);
  if ('page' in step) names.push(`page ${step.page}`);
  if ('file' in step) names.push(`file ${step.file}`);
  if (step.op === 'gup' && step.target !== undefined) names.push(`file ${step.target}`);
  if ('ref' in step) names.push(`ref ${step.ref}`);
  if (step.op === 'fork') names.push(`mm ${step.result}`);
  if (step.op === 'gup') names.push(`ref ${step.result}`);
  return names;
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
