/**
 * From a failing program to a minimal counterexample: fast-check's own shrinking, then our passes to a fixed point,
 * then breadth-first search within the scope of the result. Same policy, same class throughout.
 */

import { alphabetFor, PLAIN_GUPS, versionWith } from '../check/scope.ts';
import { type Found, Search } from '../check/search.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { World } from '../executor/simulated.ts';
import { type AnyPolicy, type ExpandedPolicy, expanded } from '../machine/tables.ts';
import { GUP_VARIANTS } from '../ops/gup.ts';
import { regressesBy } from '../regression/scenario.ts';
import { bounds } from '../scenario/bounds.ts';
import { type Scenario, variantOf } from '../scenario/scenario.ts';
import { compareSimplicity, type Pass, type StillFails } from './order.ts';
import { SEARCH_STATES_MAX } from './limit.ts';
import { LEAVING_OUT, PASSES } from './passes/index.ts';

/** A class of finding of one policy. */
export interface Target {
  readonly code: number;
  readonly documented: boolean;
  /** The policy must regress by it, beside this one (regression/beside.ts). */
  readonly base?: ExpandedPolicy;
  /** And part from the base by this way (regression/way.ts). */
  readonly way?: number;
}

/**
 * What must stay besides the class, so that the result is still the program that somebody told of: then steps are only
 * left out, unless the search meets a shorter program that is kept as well.
 */
export interface Keeping {
  /** Does all stay that must? */
  readonly keeps: StillFails;
  /** What does not, in words, of a scenario that is not kept. */
  readonly why: (scenario: Scenario) => string;
}

/** How short a scenario is known to be. */
export interface Minimality {
  /** `shortest`: no shorter scenario of the class exists in the scope; `1-minimal`: no single step can be dropped. */
  readonly kind: 'shortest' | '1-minimal';
  /** The scope in words. */
  readonly scope: string;
  /** All scenarios of up to this many steps were covered in that scope. */
  readonly depth: number;
  /** Why it is not proved to be shortest, in one line; absent where it is. */
  readonly reason?: string;
}

/** The simplest scenario of a class that was found. */
export interface Shrunk {
  readonly scenario: Scenario;
  readonly minimality: Minimality;
}

/** How far a search for something shorter has got. */
export interface SearchProgress {
  /** Policy id. */
  readonly policy: string;
  /** mms and references at a time. */
  readonly mms: number;
  readonly refs: number;
  /** All scenarios of up to this many steps are covered. */
  readonly depth: number;
  /** How many are asked for. */
  readonly wanted: number;
  /** States visited, and after how many the search gives up. */
  readonly states: number;
  readonly statesMax: number;
}

/** What the searches in all scopes of a scenario have to say. */
interface Searched {
  /** The first of the least length, in the smallest scope that has one. */
  readonly best: { readonly found: Found; readonly search: Search } | undefined;
  /** The scope that contains all others, and the steps up to which it is covered. */
  readonly widest: Setup;
  readonly covered: number;
  readonly gups: readonly number[];
}

/** Searches kept for later findings of the same policy, */
const SEARCHES_KEPT = 6;
/** and, of the states that one may have, the share that all of those waiting may hold together. */
const KEPT_SHARE = 0.25;
/** States between two reports of progress, about. */
export const PROGRESS_STATES = 8192;

/** A predicate that asks for the same class on the same policy; every step must apply. */
export function failsAs(policy: ExpandedPolicy, target: Target): StillFails {
  const { base, way } = target;
  if (base !== undefined) return (scenario) => regressesBy(scenario, policy, base, target.code, way);
  // Most of what is asked about has the setup of what was asked before, and a world costs more than a run.
  let last: { readonly setup: Setup; readonly world: World } | undefined;
  return (scenario) => {
    const { setup } = scenario;
    if (last?.setup !== setup) last = { setup, world: new World(setup, policy) };
    const result = runScenario(scenario, policy, last.world);
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

/** Does it have fewer pages or files, or older operations? */
const isPlainerScope = (a: Scenario, b: Scenario): boolean =>
  a.setup.pages.length < b.setup.pages.length ||
  a.setup.files.length < b.setup.files.length ||
  versionWith(a.steps) < versionWith(b.steps);

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
  passes: readonly Pass[] = PASSES,
): Scenario {
  const cut = cutAfter(scenario, policy, target);
  let best = fails(cut) ? cut : scenario; // another policy may see it later
  for (;;) {
    const before = best;
    for (const pass of passes) {
      const next = pass.run(best, fails);
      if (compareSimplicity(next, best) < 0 || pass.name === 'rename') best = next;
    }
    if (compareSimplicity(best, before) >= 0) return best;
  }
}

/**
 * Shrinks the findings of one policy; searches are shared between them. What comes out depends on the scenario, the
 * class and `statesMax` alone, not on what was shrunk before.
 */
export class Shrinker {
  readonly policy: ExpandedPolicy;
  /** States per search after which it gives up. */
  readonly statesMax: number;
  readonly #searches = new Map<string, Search>();

  constructor(policy: AnyPolicy, statesMax: number = SEARCH_STATES_MAX) {
    this.policy = expanded(policy);
    this.statesMax = statesMax;
  }

  /** Throws RangeError if the scenario does not show the class under the policy. */
  shrink(scenario: Scenario, target: Target): Shrunk {
    return drain(this.shrinking(scenario, target));
  }
  /** The same a little at a time, for who wants to show progress or to stop. */
  *shrinking(scenario: Scenario, target: Target, keeping?: Keeping): Generator<SearchProgress, Shrunk> {
    if (!failsAs(this.policy, target)(scenario))
      throw new RangeError('the scenario does not show this finding');
    const fails = failsAs(this.policy, target);
    const start =
      keeping === undefined
        ? runPasses(scenario, this.policy, target)
        : runPassesOn(scenario, this.policy, target, (c) => fails(c) && keeping.keeps(c), LEAVING_OUT);
    return yield* this.#shortest(start, target, keeping);
  }

  /**
   * Looks for shorter and plainer scenarios of the class in all scopes up to that of the scenario, smallest first:
   * the result is the first of the least length, and what is said of it holds for the scope it was found in, so that
   * neither depends on where the search started.
   */
  shortest(scenario: Scenario, target: Target): Shrunk {
    return drain(this.proving(scenario, target));
  }
  /** The same a little at a time. */
  proving(scenario: Scenario, target: Target): Generator<SearchProgress, Shrunk> {
    return this.#shortest(scenario, target);
  }

  *#shortest(scenario: Scenario, target: Target, keeping?: Keeping): Generator<SearchProgress, Shrunk> {
    const { best, widest, covered, gups } = yield* this.#searched(scenario, target);
    const version = versionWith(scenario.steps);
    const length = scenario.steps.length;
    let reason: string;
    if (best !== undefined) {
      const candidate = best.search.scenarioOf(best.found);
      const scope = scopeText(best.search.options.setup, gups, version);
      const itself = JSON.stringify(candidate) === JSON.stringify(scenario);
      if (keeping !== undefined && !itself && best.found.length >= length)
        // As short as any, and as it was written.
        return {
          scenario,
          minimality: { kind: 'shortest', scope: scopeText(widest, gups, version), depth: length },
        };
      if (keeping !== undefined && !itself && !keeping.keeps(candidate))
        return {
          scenario,
          minimality: {
            kind: '1-minimal',
            scope: scopeText(widest, gups, version),
            depth: best.found.length - 1,
            reason: otherProgram(best.found.length, keeping.why(candidate)),
          },
        };
      if (failsAs(this.policy, target)(candidate)) {
        // It may do without a page, or an operation, that the scenario needed: then it is searched for without, too.
        const plainer = keeping === undefined ? runPasses(candidate, this.policy, target) : candidate;
        if (isPlainerScope(plainer, scenario)) return yield* this.#shortest(plainer, target);
        return { scenario: candidate, minimality: { kind: 'shortest', scope, depth: best.found.length } };
      }
      reason =
        target.base === undefined
          ? 'not proved: what the search found does not replay'
          : `not proved: the shortest program of the class is no regression, or parts from ${target.base.id} by another way`;
    } else if (covered === length - 1)
      // Too many states to meet the scenario itself, but whatever is shorter was covered.
      return {
        scenario,
        minimality: { kind: 'shortest', scope: scopeText(widest, gups, version), depth: covered },
      };
    else if (covered >= length) reason = 'not proved: the search does not meet the scenario itself';
    else reason = `not proved: ${count(this.statesMax)} states reached at depth ${covered + 1} of ${length}`;
    return {
      scenario,
      minimality: { kind: '1-minimal', scope: scopeText(widest, gups, version), depth: covered, reason },
    };
  }

  /**
   * The least number of steps that a scenario of the class can have under this policy in the scope of the given one,
   * as far as could be covered; with one of that many steps, if one was met.
   */
  *bounding(
    scenario: Scenario,
    target: Target,
  ): Generator<SearchProgress, { readonly atLeast: number; readonly met: Scenario | undefined }> {
    const { best, covered } = yield* this.#searched(scenario, target);
    if (best === undefined) return { atLeast: Math.min(covered + 1, scenario.steps.length), met: undefined };
    const atLeast = Math.min(covered + 1, best.found.length);
    return { atLeast, met: best.search.scenarioOf(best.found) };
  }

  *#searched(scenario: Scenario, target: Target): Generator<SearchProgress, Searched> {
    const { setup } = scenario;
    const limit = bounds(scenario);
    const gups = gupsFor(scenario);
    const version = versionWith(scenario.steps);
    let best: Searched['best'];
    let depthMax = scenario.steps.length;
    let covered = 0;
    let widest: Setup = { ...setup, ...limit };
    for (const scope of ladder(setup, limit)) {
      // A program without pauses is plainer than any with them.
      if (best !== undefined && best.search.options.setup.tasks !== scope.tasks) break;
      widest = scope;
      const search = this.#search(scope, gups, version);
      const found = yield* this.#find(search, target, depthMax);
      // The last scope contains the others. A shared search may have gone deeper: that is not for this one to say.
      covered = search.state === 'closed' ? depthMax : Math.min(search.depth, depthMax);
      if (found === undefined) continue;
      best = { found, search };
      depthMax = found.length - 1;
      if (depthMax === 0) break;
    }
    return { best, widest, covered, gups };
  }

  /** As Search.find, in pieces. */
  *#find(search: Search, target: Target, depth: number): Generator<SearchProgress, Found | undefined> {
    const { exploration } = search;
    const { mms, refs } = search.options.setup;
    let shown = search.states;
    while (search.depth < depth && search.state === 'open') {
      // To the end of the layer: which scenario is the first of its length must not depend on who asked before.
      for (const layer = search.depth; search.depth === layer && search.state === 'open'; ) {
        exploration.advance();
        if (search.states - shown < PROGRESS_STATES) continue;
        shown = search.states;
        yield {
          policy: this.policy.id,
          mms,
          refs,
          depth: search.depth,
          wanted: depth,
          states: search.states,
          statesMax: this.statesMax,
        };
      }
      if (search.find(target.code, target.documented, search.depth) !== undefined) break;
    }
    return search.find(target.code, target.documented, Math.min(depth, search.depth + 1));
  }

  #search(setup: Setup, gups: readonly number[], version: number): Search {
    const id = JSON.stringify([setup, gups, version]);
    let search = this.#searches.get(id);
    if (search === undefined)
      search = new Search({
        setup,
        policy: this.policy,
        alphabet: alphabetFor(setup, gups, version),
        statesMax: this.statesMax,
      });
    else this.#searches.delete(id);
    // What waits must leave room for the one that runs. The one used last is last, and goes last.
    const room = Math.max(this.statesMax * KEPT_SHARE, (SEARCHES_KEPT - 1) * SEARCH_STATES_MAX);
    let waiting = [...this.#searches.values()].reduce((sum, s) => sum + s.states, 0);
    for (const [oldest, { states }] of this.#searches) {
      if (this.#searches.size < SEARCHES_KEPT && waiting <= room) break;
      this.#searches.delete(oldest);
      waiting -= states;
    }
    this.#searches.set(id, search);
    return search;
  }
}

/** Why what is shorter will not do. */
export const otherProgram = (steps: number, why: string): string =>
  `not proved: a program of ${steps} steps shows the class as well, but ${why}`;

/** Runs a generator to its end and returns its result. */
export function drain<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Scopes up to the limit, smallest first; those in which operations are interleaved at the end. */
function* ladder({ tasks: _, ...setup }: Setup, limit: Bounds): Generator<Setup> {
  yield* roomier(setup, limit);
  if (limit.tasks !== undefined) yield* roomier({ ...setup, tasks: limit.tasks }, limit);
}
type Bounds = ReturnType<typeof bounds>;
function* roomier(setup: Setup, limit: Bounds): Generator<Setup> {
  for (let room = 1; room <= limit.mms + limit.refs; room++)
    for (let mms = 1; mms <= limit.mms; mms++) {
      const refs = room - mms;
      if (refs >= 0 && refs <= limit.refs) yield { ...setup, mms, refs };
    }
}

/** Ways to take a reference in the scope of a scenario: the plain ones, and what else the scenario uses. */
export function gupsFor(scenario: Scenario): readonly number[] {
  const used = scenario.steps.flatMap((s) => (s.op === 'gup' ? [variantOf(scenario.setup, s)] : []));
  const named = [...new Set(used.filter((v) => !GUP_VARIANTS.includes(v)))];
  return [
    ...GUP_VARIANTS.filter((v) => PLAIN_GUPS.includes(v) || used.includes(v)),
    ...named.sort((x, y) => x - y),
  ];
}

/**
 * For people: `up to 2 mms and 1 reference at a time; anon A; operations of version 1, 8 kinds of gup`. That is the first
 * version which has all that the scenario does, so that no later one changes what is said.
 */
export function scopeText(setup: Setup, gups: readonly number[], version: number): string {
  const pages = setup.pages.map((p) => `${p.kind} ${p.name}`).join(', ');
  const filesystems = setup.files.map((f) => f.filesystem).join(', ');
  return (
    `up to ${setup.mms} ${setup.mms === 1 ? 'mm' : 'mms'} and ${setup.refs} ${setup.refs === 1 ? 'reference' : 'references'} at a time${setup.tasks === undefined ? '' : `, ${setup.tasks} operations in flight`}${setup.parts === undefined ? '' : `, ${setup.parts} parts of a page`}; ${pages}` +
    `${filesystems === '' ? '' : ` on ${filesystems}`}${setup.aside === undefined ? '' : `, O_DIRECT writes to ${setup.aside}`}${setup.swap === undefined ? '' : `, swap on ${setup.swap}`}; operations of version ${version}, ${gups.length} kinds of gup`
  );
}

/** With separators, whatever the locale. */
export const count = (n: number): string => n.toLocaleString('en-US');
