/** A counterexample run again on a policy, and what that says about the file's claims. Pure data; printing is elsewhere. */
import { COST_NAMES } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { classId } from '../property/property.ts';
import { type Counterexample, type Expectation, expectationFor } from '../scenario/definition.ts';
import { type RunResult, runScenario } from './run.ts';
import { doesNotApply } from './why-not.ts';

/**
 * About the class of the file: `reproduced` at the same step; `differs`: at another step, or other classes instead;
 * `fixed`: everything runs and no promise is broken; `does not apply`: a step cannot be executed, and `no longer applies`:
 * the file says that it could once, on this policy; `policy error`: the policy did something that is no policy. A file
 * without a class has nothing to reproduce: `no class`.
 */
export type ReplayStatus =
  | 'reproduced'
  | 'fixed'
  | 'differs'
  | 'no longer applies'
  | 'does not apply'
  | 'policy error'
  | 'no class';

export interface Replay {
  readonly policy: string;
  readonly status: ReplayStatus;
  /** Index of the step at which the class of the file is violated, or -1. */
  readonly step: number;
  readonly result: RunResult;
  /** Ids of classes violated, and of those met that are documented; sorted, each once. */
  readonly classes: readonly string[];
  readonly documented: readonly string[];
  readonly expectation: Expectation | undefined;
  /** What contradicts the file, one line each; empty: nothing. */
  readonly contradictions: readonly string[];
  /** Two runs gave the same. */
  readonly deterministic: boolean;
}

/** Runs the scenario twice. Throws InvariantError (our bug). */
export function replayOn(c: Counterexample, policy: ExpandedPolicy): Replay {
  // Policy objects of their own, so that runs here do not count as rule coverage elsewhere.
  const result = runScenario(c, { ...policy });
  const again = runScenario(c, { ...policy });
  const classes = idsOf(result.violations);
  const documented = idsOf(result.documented);
  const expectation = expectationFor(c, policy.id);
  const wanted = c.class === null ? undefined : classId(c.class);
  const step = result.violations.find((f) => f.classId === wanted)?.at ?? -1;
  const status = statusOf(c, result, step);
  const replay = { policy: policy.id, status, step, result, classes, documented, expectation };
  return {
    ...replay,
    contradictions: contradictions(c, replay),
    deterministic: fingerprint(result) === fingerprint(again),
  };
}

function statusOf(c: Counterexample, result: RunResult, step: number): ReplayStatus {
  if (result.policyError !== '') return 'policy error';
  if (c.class !== null && step >= 0)
    return c.seen === null || c.seen.step === step ? 'reproduced' : 'differs';
  if (result.notApplicable >= 0) return hasRun(c, result) ? 'no longer applies' : 'does not apply';
  if (c.class === null) return 'no class';
  return result.violations.length > 0 ? 'differs' : 'fixed';
}

/** Does the file tell of a run on this policy, up to the step that does not apply or further? */
function hasRun(c: Counterexample, { policy, notApplicable }: RunResult): boolean {
  const e = expectationFor(c, policy);
  if (e !== undefined) return e.verdict !== 'unsupported';
  return policy === c.policy && c.class !== null && c.seen !== null && c.seen.step >= notApplicable;
}

function contradictions(
  c: Counterexample,
  replay: Omit<Replay, 'contradictions' | 'deterministic'>,
): string[] {
  const { result, expectation: e, classes, documented, status, step, policy } = replay;
  const found: string[] = [];
  if (policy === c.policy && c.class !== null) {
    if (status === 'differs' && step >= 0)
      found.push(`seen at step ${step + 1}, the file says step ${c.seen!.step + 1}`);
    else if (status !== 'reproduced' && e === undefined)
      found.push(`the class of the file is not violated: ${status}`);
  }
  if (e === undefined) return found;
  if (e.verdict !== result.verdict) {
    const why = result.policyError === '' ? '' : ` (${result.policyError})`;
    const at = result.notApplicable >= 0 ? ` (${doesNotApply(result.notApplicable, result.whyNot)})` : '';
    found.push(`verdict ${quoted(result.verdict)}${at}${why}, expected ${quoted(e.verdict)}`);
  }
  found.push(...difference('violates', classes, e.classes));
  if (e.documented !== undefined) found.push(...difference('meets as documented', documented, e.documented));
  for (const name of COST_NAMES) {
    const want = e.costs?.[name];
    if (want !== undefined && want !== result.costs[name])
      found.push(`costs ${result.costs[name]} ${name}, expected ${want}`);
  }
  return found;
}

function difference(verb: string, got: readonly string[], want: readonly string[]): string[] {
  return [
    ...got.filter((id) => !want.includes(id)).map((id) => `${verb} ${id}, which is not expected`),
    ...want.filter((id) => !got.includes(id)).map((id) => `no longer ${verb} ${id}, which is expected`),
  ];
}

const idsOf = (found: RunResult['violations']): string[] => [...new Set(found.map((f) => f.classId))].sort();
const quoted = (text: string): string => `"${text}"`;

/** Everything about a run that must be the same every time. */
export function fingerprint(result: RunResult): string {
  return JSON.stringify({ ...result, errnos: [...result.errnos] });
}
