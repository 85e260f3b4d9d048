/** Running a whole named scenario on one policy. */
import { OUTCOMES } from '../domain/kinds.ts';
import type { Costs } from '../machine/machine.ts';
import { COST_NAMES, noCosts } from '../machine/machine.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { classId, type FindingClass } from '../property/property.ts';
import { Binding, type Scenario } from '../scenario/scenario.ts';
import { decodeClass, INVALID, type Violation, World } from './simulated.ts';

export type StepOutcome = (typeof OUTCOMES)[number] | 'policy error' | 'not applicable';

export interface FoundInRun {
  /** Index of the step at which it was seen. */
  readonly at: number;
  readonly class: FindingClass;
  readonly classId: string;
  readonly code: number;
  readonly documented: boolean;
  readonly excuse: string;
  readonly seen: Violation;
}

export type ScenarioVerdict = 'violated' | 'documented' | 'not violated' | 'unsupported';

export interface RunResult {
  readonly policy: string;
  /** `unsupported`: a step does not apply (it names nothing, or the program cannot do it). */
  readonly verdict: ScenarioVerdict;
  readonly outcomes: readonly StepOutcome[];
  /** Errno per refused step index. */
  readonly errnos: ReadonlyMap<number, string>;
  /** Broken promises first met in this run, one per class, in order; documented ones apart. */
  readonly violations: readonly FoundInRun[];
  readonly documented: readonly FoundInRun[];
  readonly costs: Costs;
  /** Index of the first step that does not apply, or -1. */
  readonly notApplicable: number;
  readonly policyError: string;
}

/** Runs every step; a step that does not apply ends the run as `unsupported`. Throws InvariantError (our bug). */
export function runScenario(scenario: Scenario, anyPolicy: AnyPolicy, world?: World): RunResult {
  const policy = expanded(anyPolicy);
  const w = world ?? new World(scenario.setup, policy);
  w.reset();
  w.machine.costs = noCosts();
  const binding = new Binding(scenario.setup);
  const outcomes: StepOutcome[] = [];
  const errnos = new Map<number, string>();
  const violations: FoundInRun[] = [];
  const documented: FoundInRun[] = [];
  let notApplicable = -1;
  let policyError = '';
  for (const [at, step] of scenario.steps.entries()) {
    if (w.ended) break;
    const packed = binding.pack(step);
    const outcome = packed < 0 ? INVALID : w.step(packed);
    if (outcome === INVALID) {
      notApplicable = at;
      outcomes.push('not applicable');
      break;
    }
    binding.executed(step, w);
    const name: StepOutcome = (OUTCOMES as readonly (StepOutcome | undefined)[])[outcome] ?? 'policy error';
    outcomes.push(name);
    if (name === 'refused') errnos.set(at, w.machine.errno);
    if (name === 'policy error') policyError = w.machine.policyError;
    for (const seen of w.violations) {
      const list = seen.documented ? documented : violations;
      if (list.some((f) => f.code === seen.code)) continue;
      const cls = decodeClass(seen.code);
      list.push({
        at,
        class: cls,
        classId: classId(cls),
        code: seen.code,
        documented: seen.documented,
        excuse: seen.excuse,
        seen,
      });
    }
  }
  const costs = noCosts();
  for (const name of COST_NAMES) costs[name] = w.machine.costs[name];
  return {
    policy: policy.id,
    verdict:
      violations.length > 0
        ? 'violated'
        : notApplicable >= 0 || policyError !== ''
          ? 'unsupported'
          : documented.length > 0
            ? 'documented'
            : 'not violated',
    outcomes,
    errnos,
    violations,
    documented,
    costs,
    notApplicable,
    policyError,
  };
}
