/**
 * From a failing program to a minimal counterexample: fast-check's own shrinking, then our passes to a fixed point,
 * then breadth-first search within the scope of the result. Same policy, same class throughout.
 */

import { alphabetFor, PLAIN_GUPS } from '../check/scope.ts';
import { type Found, Search } from '../check/search.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { type AnyPolicy, type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { compareSimplicity, type StillFails } from './order.ts';
import { PASSES } from './passes/index.ts';
import { bounds } from './passes/trim-setup.ts';

/** A class of finding of one policy. */
export interface Target {
  readonly code: number;
  readonly documented: boolean;
}

export interface Minimality {
  /** `shortest`: no shorter scenario of the class exists in the scope; `1-minimal`: no single step can be dropped. */
  readonly kind: 'shortest' | '1-minimal';
  /** The scope in words. */
  readonly scope: string;
  /** All scenarios of up to this many steps were covered in that scope. */
  readonly depth: number;
}

export interface Shrunk {
  readonly scenario: Scenario;
  readonly minimality: Minimality;
}

/** States per search after which we settle for 1-minimal. */
export const SEARCH_STATES_MAX = 150_000;
/** Searches kept for later findings of the same policy. */
const SEARCHES_KEPT = 6;

/** A predicate that asks for the same class on the same policy; every step must apply. */
export function failsAs(policy: ExpandedPolicy, target: Target): StillFails {
  return (scenario) => {
    const result = runScenario(scenario, policy);
    if (result.notApplicable >= 0) return false;
    return (target.documented ? result.documented : result.violations).some((f) => f.code === target.code);
  };
}

/** Cuts everything after the step at which the class is first seen. */
export function cutAfter(scenario: Scenario, policy: ExpandedPolicy, target: Target): Scenario {
  const result = runScenario(scenario, policy);
  const list = target.documented ? result.documented : result.violations;
  const seen = list.find((f) => f.code === target.code);
  return seen === undefined
    ? scenario
    : { setup: scenario.setup, steps: scenario.steps.slice(0, seen.at + 1) };
}

/** Runs all passes until none makes the scenario simpler. */
export function runPasses(scenario: Scenario, policy: ExpandedPolicy, target: Target): Scenario {
  return runPassesOn(scenario, policy, target, failsAs(policy, target));
}

/** As runPasses, with a predicate of the caller's that implies failing. */
export function runPassesOn(
  scenario: Scenario,
  policy: ExpandedPolicy,
  target: Target,
  fails: StillFails,
): Scenario {
  let best = cutAfter(scenario, policy, target);
  for (;;) {
    const before = best;
    for (const pass of PASSES) {
      const next = pass.run(best, fails);
      if (compareSimplicity(next, best) < 0 || pass.name === 'rename') best = next;
    }
    if (compareSimplicity(best, before) >= 0) return best;
  }
}

/** Shrinks the findings of one policy; searches are shared between them. */
export class Shrinker {
  readonly policy: ExpandedPolicy;
  readonly #searches = new Map<string, Search>();
  readonly #statesMax: number;

  constructor(policy: AnyPolicy, statesMax: number = SEARCH_STATES_MAX) {
    this.policy = expanded(policy);
    this.#statesMax = statesMax;
  }

  /** Throws RangeError if the scenario does not show the class under the policy. */
  shrink(scenario: Scenario, target: Target): Shrunk {
    if (!failsAs(this.policy, target)(scenario))
      throw new RangeError('the scenario does not show this finding');
    return this.shortest(runPasses(scenario, this.policy, target), target);
  }

  /**
   * Looks for shorter and plainer scenarios of the class in all scopes up to that of the scenario, smallest first:
   * the result is the first of the least length, and what is said of it holds for the scope it was found in, so that
   * neither depends on where the search started.
   */
  shortest(scenario: Scenario, target: Target): Shrunk {
    const { setup } = scenario;
    const limit = bounds(scenario);
    const gups = gupsOf(scenario);
    let best: { readonly found: Found; readonly search: Search } | undefined;
    let depthMax = scenario.steps.length;
    let covered = 0;
    for (const scope of ladder(setup, limit)) {
      const search = this.#search(scope, gups);
      const found = search.find(target.code, target.documented, depthMax);
      // The last scope contains the others. A shared search may have gone deeper: that is not for this one to say.
      covered = search.state === 'closed' ? depthMax : Math.min(search.depth, depthMax);
      if (found === undefined) continue;
      best = { found, search };
      depthMax = found.length - 1;
      if (depthMax === 0) break;
    }
    if (best !== undefined) {
      const candidate = best.search.scenarioOf(best.found);
      const scope = scopeText(best.search.options.setup, gups);
      if (failsAs(this.policy, target)(candidate))
        return { scenario: candidate, minimality: { kind: 'shortest', scope, depth: best.found.length } };
    }
    return {
      scenario,
      minimality: { kind: '1-minimal', scope: scopeText({ ...setup, ...limit }, gups), depth: covered },
    };
  }

  #search(setup: Setup, gups: readonly number[]): Search {
    const id = JSON.stringify([setup, gups]);
    let search = this.#searches.get(id);
    if (search === undefined) {
      search = new Search({
        setup,
        policy: this.policy,
        alphabet: alphabetFor(setup, gups),
        statesMax: this.#statesMax,
      });
      if (this.#searches.size >= SEARCHES_KEPT) this.#searches.delete(this.#searches.keys().next().value!);
    } else this.#searches.delete(id);
    this.#searches.set(id, search); // last used is last
    return search;
  }
}

/** Scopes up to the limit, smallest first. */
function* ladder(setup: Setup, limit: { mms: number; refs: number }): Generator<Setup> {
  for (let room = 1; room <= limit.mms + limit.refs; room++)
    for (let mms = 1; mms <= limit.mms; mms++) {
      const refs = room - mms;
      if (refs >= 0 && refs <= limit.refs) yield { ...setup, mms, refs };
    }
}

/** The plain ways to take a reference, and those of the scenario that no plain one could stand in for. */
function gupsOf(scenario: Scenario): readonly number[] {
  const used = scenario.steps.flatMap((s) =>
    s.op === 'gup' ? [gupVariant(s.caller, s.write, s.longterm, s.fast)] : [],
  );
  return GUP_VARIANTS.filter((v) => PLAIN_GUPS.includes(v) || used.includes(v));
}

function scopeText(setup: Setup, gups: readonly number[]): string {
  const pages = setup.pages.map((p) => `${p.kind} ${p.name}`).join(', ');
  const filesystems = setup.files.map((f) => f.filesystem).join(', ');
  const ops = alphabetFor(setup, gups).ops.filter(Boolean).length;
  return (
    `up to ${setup.mms} ${setup.mms === 1 ? 'mm' : 'mms'} and ${setup.refs} ${setup.refs === 1 ? 'reference' : 'references'} at a time; ${pages}` +
    `${filesystems === '' ? '' : ` on ${filesystems}`}; ${ops} operations, ${gups.length} kinds of gup`
  );
}
