/** What a search says about each property of a policy, and about each claim that the policy makes of itself. */
import { PROPERTIES } from '../../properties/index.ts';
import { KIND_TRAITS } from '../domain/page-kinds.ts';
import { runScenario } from '../executor/run.ts';
import { CLAIM_PROPERTIES, coarseClass, decodeClass, POLICY_ERROR_CLAIM } from '../executor/simulated.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
import { classId, type FindingClass } from '../property/property.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { lacking } from './goals.ts';
import { codeOf, isDocumented, type PolicySpec } from './model.ts';
import { outOfReach, outOfScope } from './reach.ts';
import { type Exploration, type FoundNote, type Stopped, trace } from './search.ts';

/**
 * `holds`: of all programs in the scope, up to the depth, none breaks it. `inconclusive`: the search stopped before
 * that. `not tested`: none breaks it and none was seen to meet its goal. `cannot be tested`: none in the scope could.
 */
export type CheckVerdict = 'holds' | 'broken' | 'inconclusive' | 'not tested' | 'cannot be tested';

/** A class with its shortest counterexample. */
export interface FoundClass {
  readonly class: FindingClass;
  readonly classId: string;
  /** As buildCounterexample wants it. */
  readonly code: number;
  readonly documented: boolean;
  /** Steps. */
  readonly length: number;
  readonly scenario: Scenario;
}

export interface PropertyVerdict {
  readonly property: string;
  readonly verdict: CheckVerdict;
  /** Why it is not tested, or cannot be; '' otherwise. */
  readonly reason: string;
  /** Something was seen to meet the property's goal; undefined for a claim of the policy, which has none. */
  readonly goalMet: boolean | undefined;
  /** Broken classes, shortest first. With grain `property`: one per damage, page kind and observer. */
  readonly classes: readonly FoundClass[];
  /** Mismatches that are documented as not guaranteed; they break nothing. */
  readonly documented: readonly FoundClass[];
}

/** An answer of the policy that no kernel could carry out; programs end there. */
export interface BrokenPolicy {
  readonly message: string;
  readonly scenario: Scenario;
}

export interface Verdicts {
  /** All properties, in order, then the claims of the policy. */
  readonly properties: readonly PropertyVerdict[];
  readonly policyError: BrokenPolicy | undefined;
}

/** True if the search covers all that was asked for. */
export const conclusive = (stopped: Stopped): boolean => stopped === 'closed' || stopped === 'depth';

/** The policy as a search needs it, so that an answer that cannot be carried out does not pass unseen. */
export const searchable = (spec: PolicySpec): PolicySpec => ({
  ...spec,
  policy: { ...spec.policy, errorsAreFindings: true },
});

/** `spec` as it was searched; `goals`: ids of the properties whose goal was met. */
export function judge(
  spec: PolicySpec,
  exploration: Exploration,
  stopped: Stopped,
  goals: ReadonlySet<string>,
): Verdicts {
  const found = foundIn(spec, exploration);
  const error = found.find((f) => f.class.property === CLAIM_PROPERTIES[POLICY_ERROR_CLAIM]);
  // Programs that end at an error of the policy were not run.
  const complete = conclusive(stopped) && error === undefined;
  const verdictOf = (property: string, unfit: string | undefined, goal?: string): PropertyVerdict => {
    const own = found.filter((f) => f.class.property === property);
    const classes = own.filter((f) => !f.documented);
    const documented = own.filter((f) => f.documented);
    const goalMet = goal === undefined ? undefined : goals.has(property);
    const said = (verdict: CheckVerdict, reason = ''): PropertyVerdict => {
      return { property, verdict, reason, goalMet, classes, documented };
    };
    if (classes.length > 0) return said('broken');
    if (unfit !== undefined) return said('cannot be tested', unfit);
    if (!complete) return said('inconclusive');
    if (goalMet === false) {
      const why = goalOutOfReach(property, spec);
      const what = why === undefined ? 'nothing was seen to meet its goal' : 'its goal is out of reach';
      return said(
        'not tested',
        `nothing broke it, and ${what}: ${goal}${why === undefined ? '' : ` (${why})`}`,
      );
    }
    return said('holds');
  };
  return {
    properties: [
      ...PROPERTIES.map((p) => verdictOf(p.id, lacking(p, spec.setup, spec.alphabet), p.sometimes.goal)),
      ...spec.policy.claims.map((claim) => verdictOf(CLAIM_PROPERTIES[claim]!, claimLacks(spec, claim))),
    ],
    policyError:
      error === undefined
        ? undefined
        : {
            message: runScenario(error.scenario, { ...spec.policy, errorsAreFindings: false }).policyError,
            scenario: error.scenario,
          },
  };
}

/** Why nothing in the scope, or nothing under the policy, meets the property's goal; undefined if something may. */
export function goalOutOfReach(id: string, { setup, alphabet, policy }: PolicySpec): string | undefined {
  const property = PROPERTIES.find((p) => p.id === id)!;
  return outOfScope(property, setup, alphabet) ?? outOfReach(property, policy, setup, alphabet);
}

/** Claims are about anonymous folios: those that a PTE lets be written, and those that are pinned. */
function claimLacks({ setup, alphabet }: PolicySpec, claim: number): string | undefined {
  const has = (kind: OpKind): boolean => alphabet.ops[OP_KINDS.indexOf(kind)] === true;
  if (!setup.pages.some((p) => KIND_TRAITS[p.kind].private)) return 'needs a private page (--pages anon)';
  if (claim === 1 && !has('gup')) return 'needs references (--refs 1, and gup among the operations)';
  if (!has('write') && !has('gup')) return 'needs an operation that is left out: write or gup';
  return undefined;
}

/** Findings of the search as classes with their programs; shortest first. */
export function foundIn(
  spec: PolicySpec,
  exploration: Exploration,
  notes: Iterable<FoundNote> = exploration.found.values(),
): FoundClass[] {
  const found = [...notes].map((note): FoundClass => {
    const { setup, policy } = spec;
    const scenario = { setup, steps: trace(setup, policy, exploration.stepsOf(note)) };
    const documented = isDocumented(note.finding);
    const code = exactCode(spec, scenario, codeOf(note.finding), documented);
    const parts = decodeClass(code);
    return { class: parts, classId: classId(parts), code, documented, length: note.length, scenario };
  });
  return found.sort((x, y) => x.length - y.length || (x.classId < y.classId ? -1 : 1));
}

/**
 * With grain `property` the search knows a class but for its last parts; the scenario has them. It is a shortest one
 * of its own class too, as there is no shorter one of any class like it.
 */
function exactCode(
  { policy, grain }: PolicySpec,
  scenario: Scenario,
  code: number,
  documented: boolean,
): number {
  if (grain === 'class') return code;
  const result = runScenario(scenario, policy);
  const seen = (documented ? result.documented : result.violations).find((f) => coarseClass(f.code) === code);
  if (seen === undefined) throw new Error('a finding of the search is not seen when its scenario runs');
  return seen.code;
}
