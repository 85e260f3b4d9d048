/**
 * What becomes of a policy when one rule is another: each mutant is searched in a fixed ladder of small scopes and
 * compared with the policy itself. All verdicts come from running the machine.
 */
import { alphabetFor } from '../check/scope.ts';
import { type Found, Search } from '../check/search.ts';
import { runScenario } from '../executor/run.ts';
import { CLAIM_PROPERTIES, decodeClass, POLICY_ERROR_CLAIM } from '../executor/simulated.ts';
import { DECISION_NAMES, type DecisionName } from '../machine/decisions.ts';
import type { Costs } from '../machine/machine.ts';
import { tablesOf } from '../machine/ask.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { classId } from '../property/property.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { countingCombinations, type Mutant, type Mutation, mutationId } from './mutants.ts';
import { LADDER, MUTATION_VERSION, type MutationScope } from './scopes.ts';

export const VERDICTS = [
  /** Breaks a class of finding that the policy does not break in the same scope within the same depth. */
  'killed',
  /** The machine cannot do what it is told, or a condition cannot be asked. Counts as killed. */
  'policy error',
  /** The answers are the same for all combinations of facts. */
  'same table',
  /** In all scopes searched nobody can tell it from the policy, neither by what is seen nor by cost. */
  'equivalent',
  /** Breaks nothing, but copies, faults, refuses, blocks or defers more. */
  'cost',
  /** Can be told from the policy, breaks nothing, costs no more. */
  'differs',
  /** Breaks nothing that the policy keeps; it was not compared any further. */
  'not killed',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** How two policies differ within a scope and a depth. */
export interface Comparison {
  /**
   * `observable`: some process, device, disk, errno or outcome is another; `cost`: only costs are; `none`: neither,
   * in all scenarios that were covered.
   */
  readonly differs: 'observable' | 'cost' | 'none';
  /** Costs of which the mutant has more in `scenario`; empty if it differs in no cost or has less. */
  readonly worse: readonly (keyof Costs)[];
  /** A shortest scenario that tells them apart, if any. */
  readonly scenario?: Scenario;
  /** What is told apart, one line; '' if nothing is. */
  readonly what: string;
  /** All scenarios of up to so many steps were compared. */
  readonly depth: number;
}

/** Compares, by what is seen and by cost, the mutant under judgement with its policy in one scope, within so many steps. */
export type CompareWithin = (scope: MutationScope, depth: number) => Comparison;

/** Makes the comparison of one mutant with its policy. */
export type Comparer = (policy: ExpandedPolicy, mutant: ExpandedPolicy) => CompareWithin;

/** What was done in a scope. */
export interface Covered {
  readonly scope: string;
  /** All scenarios of up to so many steps were covered. */
  readonly depth: number;
  /**
   * `searched`; `all`: every state there is was visited; `never asked`: within the depth the policy never meets facts
   * for which the mutant answers otherwise, so that it is the same there; `states`: gave up before the scope's depth.
   */
  readonly how: 'searched' | 'all' | 'never asked' | 'states';
  /** Of a survivor: all scenarios of up to so many steps were also compared with the policy. Absent: none was. */
  readonly compared?: number;
}

export interface Judged {
  readonly mutation: Mutation;
  readonly verdict: Verdict;
  /** `killed`: the finding class; else ''. */
  readonly class: string;
  /** What else there is to say, one line: the policy error, how it is told from the policy. */
  readonly detail: string;
  /** Shortest scenario in its scope that shows the verdict, if there is one to show. */
  readonly scenario: Scenario | undefined;
  /** Name of that scope, or ''. */
  readonly scope: string;
  /** Scopes gone through, in order; the last one of a killed mutant up to where it was killed. */
  readonly covered: readonly Covered[];
}

export interface JudgeOptions {
  /** Without it, what is not killed is not compared any further. */
  readonly compare?: Comparer | undefined;
  readonly ladder?: { readonly [D in DecisionName]: readonly MutationScope[] };
}

/** The policy itself in one scope: shared by all mutants. */
interface Base {
  /** Keys of the classes that it breaks, documented ones among them. */
  readonly classes: ReadonlySet<string>;
  /** Depth that is covered, at most that of the scope. */
  readonly depth: number;
  /** Per decision point (DECISION_NAMES order) how often each combination of the facts that its rules read was asked. */
  readonly asked: readonly Float64Array[];
}

/** A scope in which the mutant may be told from the policy; `at`: its place among those covered. */
interface Open {
  readonly scope: MutationScope;
  readonly depth: number;
  readonly at: number;
}

const NEVER_ASKED = 'the facts for which its answer is another one never occur';

const NOTHING = { class: '', detail: '', scenario: undefined, scope: '', covered: [] } as const;

/** Judges mutants of one policy; deterministic, whatever the order. */
export class Judge {
  readonly policy: ExpandedPolicy;
  readonly #compare: Comparer | undefined;
  readonly ladder: { readonly [D in DecisionName]: readonly MutationScope[] };
  /** By what makes a scope: decision points have scopes in common. */
  readonly #bases = new Map<string, Base>();
  /** Verdicts by edited table: different edits may come to the same. */
  readonly #known = new Map<string, Judged>();

  constructor(policy: ExpandedPolicy, options: JudgeOptions = {}) {
    this.policy = { ...policy, errorsAreFindings: true };
    this.#compare = options.compare;
    this.ladder = options.ladder ?? LADDER;
  }

  judge(mutant: Mutant): Judged {
    const { mutation, policy, error, changed } = mutant;
    if (policy === undefined) return { ...NOTHING, mutation, verdict: 'policy error', detail: error };
    if (changed.length === 0) return { ...NOTHING, mutation, verdict: 'same table' };
    const at = DECISION_NAMES.indexOf(mutation.table);
    const { reads, answer } = policy.tables[at]!;
    const key = JSON.stringify([at, reads, answer]);
    let judged = this.#known.get(key);
    if (judged === undefined) {
      judged = this.#search(mutant, { ...policy, errorsAreFindings: true });
      this.#known.set(key, judged);
    }
    return { ...judged, mutation };
  }

  #search({ mutation, changed }: Mutant, policy: ExpandedPolicy): Judged {
    const covered: Covered[] = [];
    const open: Open[] = [];
    /** A breach of a claim is seen by nobody: kept in case that nothing better comes up. */
    let claim: Judged | undefined;
    for (const scope of this.ladder[mutation.table]) {
      const base = this.#base(scope);
      const asked = base.asked[DECISION_NAMES.indexOf(mutation.table)]!;
      if (!changed.some((combination) => asked[combination]! > 0)) {
        covered.push({ scope: scope.name, depth: base.depth, how: 'never asked' });
        continue;
      }
      const search = searchOf(scope, policy);
      let found: Found | undefined;
      while (found === undefined && search.depth < base.depth && search.state === 'open') {
        search.runTo(search.depth + 1);
        const fresh = newClasses(search, base.classes);
        found = fresh.find((f) => !isClaim(f)) ?? fresh.find(isPolicyError);
        const breach = fresh.find(isClaim);
        if (claim === undefined && breach !== undefined && found === undefined)
          claim = this.#killed(mutation, policy, search, scope, breach, covered);
      }
      if (found !== undefined) return this.#killed(mutation, policy, search, scope, found, covered);
      open.push({ scope, depth: Math.min(search.depth, base.depth), at: covered.length });
      covered.push({ scope: scope.name, depth: search.depth, how: howOf(search, scope) });
    }
    if (claim !== undefined) return claim;
    return { ...NOTHING, mutation, ...this.#compared(policy, covered, open) };
  }

  /** Verdict on a mutant that breaks nothing, from the scopes in which it is not the same from the start. */
  #compared(
    policy: ExpandedPolicy,
    searched: readonly Covered[],
    open: readonly Open[],
  ): Pick<Judged, 'verdict' | 'covered'> & Partial<Judged> {
    if (open.length === 0) return { verdict: 'equivalent', detail: NEVER_ASKED, covered: searched };
    if (this.#compare === undefined) return { verdict: 'not killed', covered: searched };
    const within = this.#compare(this.policy, policy);
    const covered = [...searched];
    let best: (Pick<Judged, 'verdict'> & Partial<Judged>) | undefined;
    for (const { scope, depth, at } of open) {
      const { differs, worse, scenario, what, depth: compared } = within(scope, depth);
      covered[at] = { ...covered[at]!, compared };
      if (differs === 'none') continue;
      const verdict = worse.length > 0 ? 'cost' : 'differs';
      if (best === undefined || verdict === 'cost')
        best = { verdict, detail: what, scenario, scope: scope.name };
      // Nothing that breaks no promise is worse than that.
      if (verdict === 'cost') break;
    }
    return { verdict: 'equivalent', ...best, covered };
  }

  /** Runs the scenario again on both. Throws Error if it does not show what the search says: a bug of ours. */
  #killed(
    mutation: Mutation,
    policy: ExpandedPolicy,
    search: Search,
    scope: MutationScope,
    found: Found,
    covered: readonly Covered[],
  ): Judged {
    const scenario = search.scenarioOf(found);
    const breaks = (p: ExpandedPolicy): boolean =>
      runScenario(scenario, p).violations.some((v) => v.code === found.code);
    if (!breaks(policy) || breaks(this.policy))
      throw new Error(`${mutationId(mutation)}: a scenario of the search does not show what it should`);
    const error = isPolicyError(found) ? runScenario(scenario, policy).policyError : '';
    return {
      mutation,
      verdict: error === '' ? 'killed' : 'policy error',
      class: error === '' ? classId(decodeClass(found.code)) : '',
      detail: error,
      scenario,
      scope: scope.name,
      covered: [...covered, { scope: scope.name, depth: found.length, how: 'searched' }],
    };
  }

  #base(scope: MutationScope): Base {
    const { setup, gups, depth: wanted, statesMax } = scope;
    const id = JSON.stringify([setup, gups, wanted, statesMax]);
    let base = this.#bases.get(id);
    if (base === undefined) {
      const counting = countingCombinations(this.policy, (table) => table.conditions?.over ?? table.reads);
      const search = searchOf(scope, counting);
      search.runTo(wanted);
      const depth = search.state === 'closed' ? wanted : search.depth;
      base = {
        classes: new Set(search.found.keys()),
        depth,
        asked: tablesOf(counting).map((table) => table.fired),
      };
      this.#bases.set(id, base);
    }
    return base;
  }
}

function searchOf(
  { setup, gups, version = MUTATION_VERSION, statesMax }: MutationScope,
  policy: ExpandedPolicy,
): Search {
  return new Search({ setup, policy, alphabet: alphabetFor(setup, gups, version), statesMax });
}

const isClaim = ({ code }: Found): boolean => decodeClass(code).property.startsWith('claim: ');
const isPolicyError = ({ code }: Found): boolean =>
  decodeClass(code).property === CLAIM_PROPERTIES[POLICY_ERROR_CLAIM];

/** Classes that the search has found and the policy does not break, documented ones apart, shortest first. */
function newClasses(search: Search, known: ReadonlySet<string>): Found[] {
  return [...search.found]
    .filter(([key, { documented }]) => !documented && !known.has(key))
    .map(([, found]) => found)
    .sort((a, b) => a.length - b.length || a.code - b.code);
}

function howOf(search: Search, scope: MutationScope): Covered['how'] {
  if (search.state === 'closed') return 'all';
  return search.depth < scope.depth ? 'states' : 'searched';
}
