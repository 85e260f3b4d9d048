/** Running a whole named scenario on one policy. */
import { OUTCOMES } from '../domain/kinds.ts';
import type { Costs } from '../machine/machine.ts';
import { COST_NAMES, noCosts } from '../machine/machine.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { classId, type FindingClass } from '../property/property.ts';
import { mirrored } from '../scenario/parts.ts';
import { Binding, type Scenario } from '../scenario/scenario.ts';
import { decodeClass, IN_FLIGHT, INVALID, type Violation, World } from './simulated.ts';
import { whyNot } from './why-not.ts';

/** What became of a step. */
export type StepOutcome = (typeof OUTCOMES)[number] | 'policy error' | 'not applicable' | 'in flight';

/** A broken promise, or what is documented as none, where a run first met its class. */
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

/** The worst of what a run met; `unsupported`: a step does not apply. */
export type ScenarioVerdict = 'violated' | 'documented' | 'not violated' | 'unsupported';

/** One scenario under one policy. */
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
  /** Why it does not apply, in words; '' where all steps do. */
  readonly whyNot: string;
  readonly policyError: string;
}

/** `step 3 refused: EFAULT`, `steps 4, 6 skipped`: what did not happen, or had no effect; '' if all was done. */
export function notDone({ outcomes, errnos }: Pick<RunResult, 'outcomes' | 'errnos'>): string {
  const at = new Map<string, number[]>();
  outcomes.forEach((outcome, i) => {
    // Told elsewhere, with the reason.
    if (outcome === 'done' || outcome === 'not applicable' || outcome === 'policy error') return;
    const what = outcomeText(outcome, errnos.get(i));
    at.set(what, [...(at.get(what) ?? []), i + 1]);
  });
  return [...at]
    .map(([what, n]) => `${n.length === 1 ? 'step' : 'steps'} ${n.join(', ')} ${what}`)
    .join('; ');
}

/** `refused: EFAULT`. */
const outcomeText = (outcome: StepOutcome, errno: string | undefined): string =>
  errno === undefined ? outcome : `${outcome}: ${errno}`;

/**
 * What to note beside each step: its outcome where it is not simply done, of several runs of the same steps with the
 * policies that make it so, where not all do: `refused: EFAULT on v6.5-longterm-ban`.
 */
export function notesOf(...results: readonly Pick<RunResult, 'policy' | 'outcomes' | 'errnos'>[]): string[] {
  const steps = Math.max(0, ...results.map(({ outcomes }) => outcomes.length));
  return Array.from({ length: steps }, (_, i) => {
    const by = new Map<string, string[]>();
    for (const { policy, outcomes, errnos } of results) {
      const outcome = outcomes[i];
      if (outcome === undefined || outcome === 'done') continue;
      const what = outcomeText(outcome, errnos.get(i));
      by.set(what, [...(by.get(what) ?? []), policy]);
    }
    return [...by]
      .map(([what, of]) => (of.length === results.length ? what : `${what} on ${of.join(', ')}`))
      .join('; ');
  });
}

/**
 * Runs every step; a step that does not apply ends the run as `unsupported`. If pages have parts, what any of them showed
 * is in the result. Throws InvariantError (our bug).
 */
export function runScenario(scenario: Scenario, anyPolicy: AnyPolicy, world?: World): RunResult {
  const result = runLow(scenario, anyPolicy, world);
  const other = mirrored(scenario);
  return other === undefined ? result : withFound(result, runLow(other, expanded(anyPolicy)));
}

/** With what is found in the other part; all else is of whole pages, and the same. */
function withFound(result: RunResult, { violations, documented }: RunResult): RunResult {
  const both = (ours: readonly FoundInRun[], theirs: readonly FoundInRun[]): FoundInRun[] => {
    const codes = [...new Set([...ours, ...theirs].map(({ code }) => code))];
    return codes
      .map((code) => {
        const found = [...ours, ...theirs].filter((f) => f.code === code);
        return found.reduce((first, f) => (f.at < first.at ? f : first));
      })
      .sort((a, b) => a.at - b.at);
  };
  const all = {
    violations: both(result.violations, violations),
    documented: both(result.documented, documented),
  };
  return { ...result, ...all, verdict: verdictOf({ ...result, ...all }) };
}

/** As runScenario; what the low part of pages showed, if they have parts. */
export function runLow(scenario: Scenario, anyPolicy: AnyPolicy, world?: World): RunResult {
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
  let reason = '';
  let policyError = '';
  for (const [at, step] of scenario.steps.entries()) {
    if (w.ended) break;
    const packed = binding.pack(step);
    const outcome = packed < 0 ? INVALID : w.step(packed);
    if (outcome === INVALID) {
      notApplicable = at;
      reason = whyNot(w, step, packed);
      outcomes.push('not applicable');
      break;
    }
    binding.executed(step, w);
    const name: StepOutcome =
      outcome === IN_FLIGHT
        ? 'in flight'
        : ((OUTCOMES as readonly (StepOutcome | undefined)[])[outcome] ?? 'policy error');
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
    verdict: verdictOf({ violations, documented, notApplicable, policyError }),
    outcomes,
    errnos,
    violations,
    documented,
    costs,
    notApplicable,
    whyNot: reason,
    policyError,
  };
}

function verdictOf({
  violations,
  documented,
  notApplicable,
  policyError,
}: Pick<RunResult, 'violations' | 'documented' | 'notApplicable' | 'policyError'>): ScenarioVerdict {
  if (violations.length > 0) return 'violated';
  if (notApplicable >= 0 || policyError !== '') return 'unsupported';
  return documented.length > 0 ? 'documented' : 'not violated';
}
