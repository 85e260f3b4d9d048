/** All mutants of a policy, judged and explained: the result of `gupfuzz mutate` as data. */
import { DECISION_NAMES, type DecisionName } from '../machine/decisions.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { COMPARER } from './comparer.ts';
import { Judge, type Judged, type JudgeOptions, VERDICTS, type Verdict } from './judge.ts';
import { type MutantFilter, mutantsOf } from './mutants.ts';
import { reasonFor } from './reasons.ts';
import type { MutationScope } from './scopes.ts';

export interface Explained extends Judged {
  /** Why it survives, of the built-in rule that it is a mutant of; '' if nobody knows or there is nothing to explain. */
  readonly reason: string;
}

export interface MutationResult {
  readonly policy: string;
  /** Path of the module, if it is a user's policy. */
  readonly module: string | undefined;
  readonly mutants: readonly Explained[];
  /** Per decision point that has mutants here, the scopes it was searched in. */
  readonly ladder: { readonly [D in DecisionName]: readonly MutationScope[] };
}

export interface MutateOptions extends MutantFilter, JudgeOptions {}

/** Mutants still to be judged, one whenever the next one is asked for. */
export interface Mutating extends Omit<MutationResult, 'mutants'> {
  readonly total: number;
  readonly mutants: Iterable<Explained>;
}

/**
 * Survivors are compared by COMPARER unless `compare` says otherwise. Throws RangeError if the policy was expanded
 * without conditions. The same input gives the same result.
 */
export function mutating(policy: ExpandedPolicy, options: MutateOptions = {}): Mutating {
  const judge = new Judge(policy, { compare: COMPARER, ...options });
  const mutants = mutantsOf(policy, options);
  function* judged(): Generator<Explained> {
    for (const mutant of mutants) {
      const one = judge.judge(mutant);
      yield { ...one, reason: reasonFor(policy, one) };
    }
  }
  return {
    policy: policy.id,
    module: policy.module,
    ladder: judge.ladder,
    total: mutants.length,
    mutants: judged(),
  };
}

/** As mutating, to the end. */
export function mutate(policy: ExpandedPolicy, options: MutateOptions = {}): MutationResult {
  const { total: _, mutants, ...rest } = mutating(policy, options);
  return { ...rest, mutants: [...mutants] };
}

/** Does it break nothing that the policy keeps? A table that is the same has nothing to survive. */
export const survives = (verdict: Verdict): boolean =>
  verdict !== 'killed' && verdict !== 'policy error' && verdict !== 'same table';

export type Summary = { readonly [V in Verdict]: number } & {
  readonly mutants: number;
  /** Survivors without a reason. */
  readonly unexplained: number;
};

export function summaryOf(mutants: readonly Explained[]): Summary {
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, mutants.filter((m) => m.verdict === verdict).length]),
  ) as { [V in Verdict]: number };
  return {
    mutants: mutants.length,
    ...counts,
    unexplained: mutants.filter((m) => survives(m.verdict) && m.reason === '').length,
  };
}

/** `142 mutants: 76 killed (24 of them policy errors), 12 same table, ...`. Policy errors count as killed. */
export function summaryText(mutants: readonly Explained[]): string {
  const s = summaryOf(mutants);
  const errors = s['policy error'];
  const parts = [
    `${s.killed + errors} killed${errors === 0 ? '' : ` (${errors} of them policy error${errors === 1 ? '' : 's'})`}`,
    `${s['same table']} same table`,
    `${s.equivalent} equivalent`,
    `${s.cost} worse only in cost`,
    ...(s.differs === 0 ? [] : [`${s.differs} that differ`]),
    ...(s['not killed'] === 0 ? [] : [`${s['not killed']} not killed`]),
    ...(s.unexplained === 0 ? [] : [`${s.unexplained} unexplained`]),
  ];
  return `${s.mutants} mutant${s.mutants === 1 ? '' : 's'}: ${parts.join(', ')}`;
}

/** The steps of a scenario in a line: `h1 = P: gup A pin W; C = P: fork`. */
export const stepsText = (scenario: Scenario): string => scenario.steps.map(stepText).join('; ');

/** Decision points with mutants in the result, in order. */
export const tablesIn = (mutants: readonly Explained[]): DecisionName[] =>
  DECISION_NAMES.filter((name) => mutants.some((m) => m.mutation.table === name));
