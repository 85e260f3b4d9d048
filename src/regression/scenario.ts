/** A named scenario judged beside a base: beside.ts, for who has files and not packed steps. */
import { BLOCKED, POLICY_ERROR, REFUSED, SKIPPED } from '../domain/kinds.ts';
import { decodeClass, INVALID, World } from '../executor/simulated.ts';
import { noCosts } from '../machine/machine.ts';
import { type AnyPolicy, type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { classId, type FindingClass } from '../property/property.ts';
import { runLow } from '../executor/run.ts';
import { mirrored } from '../scenario/parts.ts';
import { Binding, type Scenario } from '../scenario/scenario.ts';
import { BaseError, Beside, BrokenList, type Judged } from './beside.ts';
import { Ways } from './way.ts';

/** A broken promise of the candidate's with its class in words. */
export interface JudgedClass extends Judged {
  readonly class: FindingClass;
  readonly classId: string;
}

export interface BesideResult {
  readonly candidate: string;
  readonly base: string;
  /** All that the candidate breaks, each class once, in the order in which it was met. */
  readonly broken: readonly JudgedClass[];
  /** Those of `broken` with the verdict `regression`. */
  readonly regressions: readonly JudgedClass[];
  /** Steps (index) that the candidate refuses or blocks and the base does: a cost, no regression. The other way round. */
  readonly refusedMore: readonly number[];
  readonly refusedLess: readonly number[];
  /** Index of the first step that does not apply under the candidate, or -1; what comes after was not judged. */
  readonly notApplicable: number;
  /** Why the candidate is no policy on this program, or ''. */
  readonly policyError: string;
}

/** Runs the scenario on both, for each part of pages. Throws BaseError (beside.ts), InvariantError (our bug). */
export function judgeBeside(scenario: Scenario, candidate: AnyPolicy, base: AnyPolicy): BesideResult {
  const low = judgeLow(scenario, candidate, base);
  const other = mirrored(scenario);
  if (other === undefined) return low;
  const high = judgeLow(other, candidate, base);
  // What the base breaks in either part, it breaks in the program.
  const ofBase = new Set(
    [scenario, other].flatMap((s) => runLow(s, { ...expanded(base) }).violations.map(({ code }) => code)),
  );
  const worse = ({ code, verdict }: JudgedClass): boolean =>
    !low.broken.some((b) => b.code === code && (b.verdict === 'regression' || verdict !== 'regression'));
  const more = high.broken.filter(worse);
  const broken = [...low.broken.filter(({ code }) => !more.some((b) => b.code === code)), ...more]
    .map(
      (b): JudgedClass =>
        b.verdict === 'regression' && ofBase.has(b.code) ? { ...b, verdict: 'common' } : b,
    )
    .sort((a, b) => a.at - b.at);
  return { ...low, broken, regressions: broken.filter((b) => b.verdict === 'regression') };
}

function judgeLow(scenario: Scenario, candidate: AnyPolicy, base: AnyPolicy): BesideResult {
  const cand = expanded(candidate);
  const from = expanded(base);
  const run = execute(scenario, new World(scenario.setup, { ...cand }));
  const beside = new Beside(scenario.setup, from);
  const judged = beside.judge(run.steps, run.steps.length, run.outcomes, run.list.broken);
  const broken = judged.map((j): JudgedClass => {
    const parts = decodeClass(j.code);
    return { ...j, class: parts, classId: classId(parts) };
  });
  const refusedByBase = refusals(execute(scenario, new World(scenario.setup, { ...from })).outcomes);
  const refused = refusals(run.outcomes);
  return {
    candidate: cand.id,
    base: from.id,
    broken,
    regressions: broken.filter((b) => b.verdict === 'regression'),
    refusedMore: only(refused, refusedByBase),
    refusedLess: only(refusedByBase, refused),
    notApplicable: run.notApplicable,
    policyError: run.policyError,
  };
}

/** The candidate regresses by this class, and, where a way is given, parts from the base by it; every step applies. */
export function regressesBy(
  scenario: Scenario,
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
  code: number,
  way: number | undefined,
): boolean {
  const other = mirrored(scenario);
  return (
    regressesLow(scenario, candidate, base, code, way) ||
    (other !== undefined && regressesLow(other, candidate, base, code, way))
  );
}

function regressesLow(
  scenario: Scenario,
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
  code: number,
  way: number | undefined,
): boolean {
  try {
    const run = execute(scenario, new World(scenario.setup, { ...candidate }));
    if (run.notApplicable >= 0) return false;
    const broken = run.list.broken.filter((b) => b.code === code);
    const judged = new Beside(scenario.setup, base).judge(run.steps, run.steps.length, run.outcomes, broken);
    if (judged[0]?.verdict !== 'regression') return false;
    return (
      way === undefined || new Ways(scenario.setup, base, candidate).find(run.steps, run.steps.length) === way
    );
  } catch (error) {
    if (error instanceof BaseError) return false;
    throw error;
  }
}

/** Where the base, as it is or without what the candidate refuses, is no policy on the scenario; undefined: nowhere. */
export function baseErrorOn(
  scenario: Scenario,
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
): BaseError | undefined {
  const { steps, outcomes } = execute(scenario, new World(scenario.setup, { ...candidate }));
  try {
    new Beside(scenario.setup, base).runBase(steps, steps.length, outcomes);
  } catch (error) {
    if (error instanceof BaseError) return error;
    throw error;
  }
  return undefined;
}

interface Executed {
  readonly steps: readonly number[];
  readonly outcomes: readonly number[];
  readonly list: BrokenList;
  readonly notApplicable: number;
  readonly policyError: string;
}

function execute({ setup, steps }: Scenario, world: World): Executed {
  world.machine.costs = noCosts();
  const binding = new Binding(setup);
  const list = new BrokenList();
  const packed: number[] = [];
  const outcomes: number[] = [];
  let notApplicable = -1;
  let policyError = '';
  for (const [at, step] of steps.entries()) {
    if (world.ended) break;
    const one = binding.pack(step);
    const outcome = one < 0 ? INVALID : world.step(one);
    if (outcome === INVALID) {
      notApplicable = at;
      break;
    }
    binding.executed(step, world);
    packed.push(one);
    outcomes.push(outcome);
    list.add(at, world.violations);
    if (outcome === POLICY_ERROR) policyError = world.machine.policyError;
  }
  return { steps: packed, outcomes, list, notApplicable, policyError };
}

const refusals = (outcomes: readonly number[]): readonly boolean[] =>
  outcomes.map((outcome) => outcome === REFUSED || outcome === BLOCKED || outcome === SKIPPED);

const only = (ours: readonly boolean[], theirs: readonly boolean[]): number[] =>
  ours.flatMap((refused, at) => (refused && at < theirs.length && !theirs[at] ? [at] : []));
