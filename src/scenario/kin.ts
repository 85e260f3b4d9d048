/** Is a program what is left of another one? */
import { renamed } from '../ops/args.ts';
import { opOfStep } from '../ops/index.ts';
import { goesAside, type Scenario, type Step, stepText } from './scenario.ts';

/**
 * The steps of `whole` (index) that `part` has in the same order, its mms and references named otherwise perhaps;
 * undefined if `part` has anything that `whole` has not. Pages and files must be those of `whole`, as it has them.
 */
export function leftOf(whole: Scenario, part: Scenario): number[] | undefined {
  const has = (list: readonly object[], item: object): boolean =>
    list.some((other) => JSON.stringify(other) === JSON.stringify(item));
  if (!part.setup.pages.every((p) => has(whole.setup.pages, p))) return undefined;
  if (!part.setup.files.every((f) => has(whole.setup.files, f))) return undefined;
  if (part.setup.aside !== whole.setup.aside && part.steps.some(goesAside)) return undefined;
  if (part.setup.swap !== undefined && part.setup.swap !== whole.setup.swap) return undefined;
  // What was in vain once is again: without this, steps that are alike cost exponential time.
  const failed = new Set<string>();
  const search = (at: number, from: number, names: ReadonlyMap<string, string>): number[] | undefined => {
    const step = part.steps[at];
    if (step === undefined) return [];
    const key = JSON.stringify([at, from, ...names]);
    if (failed.has(key)) return undefined;
    for (let i = from; i <= whole.steps.length - (part.steps.length - at); i++) {
      const bound = matched(step, whole.steps[i]!, names);
      const rest = bound === undefined ? undefined : search(at + 1, i + 1, bound);
      if (rest !== undefined) return [i, ...rest];
    }
    failed.add(key);
    return undefined;
  };
  return search(0, 0, new Map());
}

/** The names with those that the two steps must share, or undefined if they are not the same step. */
function matched(
  a: Step,
  b: Step,
  names: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | undefined {
  const [said, meant] = [namesOf(a), namesOf(b)];
  if (a.op !== b.op || said.length !== meant.length) return undefined;
  const bound = new Map(names);
  for (const [i, name] of said.entries()) {
    const other = bound.get(name);
    if (other === undefined) {
      if ([...bound.values()].includes(meant[i]!)) return undefined;
      bound.set(name, meant[i]!);
    } else if (other !== meant[i]) return undefined;
  }
  return stepText(renamedBy(a, bound)) === stepText(b) ? bound : undefined;
}

/** Names of mms and references: what the step uses, then what it makes. */
const namesOf = (step: Step): string[] => [
  step.task,
  ...('ref' in step ? [step.ref] : []),
  ...('result' in step ? [step.result] : []),
];

const renamedBy = (step: Step, names: ReadonlyMap<string, string>): Step =>
  renamed(opOfStep(step), step, (sort, name) =>
    sort === 'mm' || sort === 'ref' ? (names.get(name) ?? name) : name,
  );
