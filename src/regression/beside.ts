/**
 * A candidate policy judged beside a base: is it worse on this program?
 *
 * **Definition.** Every prefix of a program is a program. A candidate *regresses* on a program if at its last step it
 * breaks a promise that the base has not broken up to there, that step included. A promise is a property towards an
 * observer (isolation towards the device); what is documented as not to be relied on breaks nothing.
 *
 * **What the base runs.** A call that the candidate refuses is no broken promise: it is a cost. But the program goes on
 * without what the call would have brought, so it is another program. Two runs of the base are asked, and the candidate
 * regresses only if *neither* has broken the promise:
 *
 * - the program *as it is*. Alone, this cries over bans: a pin that was refused no longer makes reclaim spare the folio.
 * - the program *without* all steps that the candidate refuses or blocks; such a gup leaves a name of no use. Alone,
 *   this cries over what the base does before it refuses the same call: v6.2 calls page_mkwrite before io_uring says
 *   EOPNOTSUPP, v6.5 says EFAULT before.
 *
 * What only the candidate grants stays in both: the base's refusal is how it keeps the promise.
 *
 * **What could hide here.** A loss of the candidate's that one of the two runs of the base has suffered before, in the
 * same promise. It is the base's loss too, on this program or on the one that the candidate turned it into; where
 * the two losses have nothing to do with each other, a program with only the candidate's is shorter, and is judged by
 * itself. What follows a step at which the base stopped (BUG, a folio freed in use) is not compared.
 *
 * A policy equal to its base regresses nowhere, by construction. Claims of a policy about itself are not promises.
 */
import { BLOCKED, POLICY_ERROR, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import {
  INVALID,
  InvariantError,
  PROMISE_CLAIM,
  promiseOf,
  type Violation,
  World,
} from '../executor/simulated.ts';
import { noCosts } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';

/** What the candidate broke in a run, in the order in which it was met. */
export interface Broken {
  /** Index of the step. */
  readonly at: number;
  /** Class code (executor/simulated.ts). */
  readonly code: number;
}

/** A broken promise of the candidate's, beside the base. */
export interface Judged extends Broken {
  /**
   * `regression`: the base keeps it. `common`: the base has broken the promise up to this step. `claim`: of the policy
   * about itself. `after stop`: the base's kernel stopped before, so that it has nothing to say.
   */
  readonly verdict: 'regression' | 'common' | 'claim' | 'after stop';
  /** The base, as it is, has broken a promise (whichever) before this step or at it. */
  readonly follows: boolean;
}

/** Per promise, the first step at which a run of the base broke it; and when it stopped. */
interface BaseRun {
  readonly broken: ReadonlyMap<number, number>;
  /** First step with any broken promise, or Infinity. */
  readonly first: number;
  /** Step at which nothing more could be executed, or Infinity. */
  readonly stopped: number;
}

/** Judges programs of one setup beside one base; keeps its world from program to program. */
export class Beside {
  /** Codes of the classes that the base was seen to break, as it is. */
  readonly codes: Set<number> = new Set<number>();
  readonly #world: World;

  constructor(setup: Setup, base: ExpandedPolicy) {
    // A policy object of its own: its runs are no coverage of the base's rules.
    this.#world = new World(setup, { ...base });
  }

  /**
   * `steps`, the first `length` of them, as the candidate executed them, with its outcomes; `broken`: what it broke,
   * documented mismatches apart. The base runs only if there is something to judge, and the second time only if the
   * candidate refused or blocked something. Throws BaseError if the base is no policy on this program.
   */
  judge(
    steps: ArrayLike<number>,
    length: number,
    outcomes: ArrayLike<number>,
    broken: readonly Broken[],
  ): Judged[] {
    if (broken.length === 0) return [];
    const asItIs = this.#run(steps, length, undefined);
    let without: BaseRun | undefined;
    return broken.map((b): Judged => {
      const promise = promiseOf(b.code);
      const follows = asItIs.first <= b.at;
      const said = (verdict: Judged['verdict']): Judged => ({ ...b, verdict, follows });
      if (promise === PROMISE_CLAIM) return said('claim');
      if ((asItIs.broken.get(promise) ?? length) <= b.at) return said('common');
      without ??= refusesAny(outcomes, length) ? this.#run(steps, length, outcomes) : asItIs;
      if ((without.broken.get(promise) ?? length) <= b.at) return said('common');
      if (Math.min(asItIs.stopped, without.stopped) < b.at) return said('after stop');
      return said('regression');
    });
  }

  /** Both runs of the base, whatever the candidate breaks. Throws BaseError. */
  runBase(steps: ArrayLike<number>, length: number, outcomes: ArrayLike<number>): void {
    this.#run(steps, length, undefined);
    if (refusesAny(outcomes, length)) this.#run(steps, length, outcomes);
  }

  /** `leftOut`: the candidate's outcomes, where what it refused is left out. */
  #run(steps: ArrayLike<number>, length: number, leftOut: ArrayLike<number> | undefined): BaseRun {
    const world = this.#world;
    world.reset();
    world.machine.costs = noCosts();
    const broken = new Map<number, number>();
    let first = Number.POSITIVE_INFINITY;
    for (let at = 0; at < length; at++) {
      if (leftOut !== undefined && isRefusal(leftOut[at]!)) {
        world.leaveOut(steps[at]!);
        continue;
      }
      const outcome = world.step(steps[at]!);
      if (outcome === INVALID)
        throw new InvariantError(`step ${at + 1} cannot be done under ${world.machine.policy.id}, the base`);
      for (const v of world.violations) {
        if (v.documented) continue;
        const promise = promiseOf(v.code);
        if (promise === PROMISE_CLAIM) continue;
        if (leftOut === undefined) this.codes.add(v.code);
        if (!broken.has(promise)) broken.set(promise, at);
        first = Math.min(first, at);
      }
      if (outcome === POLICY_ERROR)
        throw new BaseError(world.machine.policy.id, at, world.machine.policyError);
      if (world.ended) return { broken, first, stopped: at };
    }
    return { broken, first, stopped: Number.POSITIVE_INFINITY };
  }
}

/** The base gave an answer that cannot be carried out: an input error, not a verdict. */
export class BaseError extends Error {
  readonly policy: string;
  constructor(policy: string, at: number, what: string) {
    super(`the base, policy ${policy}, fails at step ${at + 1}: ${what}`);
    this.name = 'BaseError';
    this.policy = policy;
  }
}

/** The step did not happen: the policy refused it, or it would wait. */
export const isRefusal = (outcome: number): boolean => outcome === REFUSED || outcome === BLOCKED;

function refusesAny(outcomes: ArrayLike<number>, length: number): boolean {
  for (let at = 0; at < length; at++) if (isRefusal(outcomes[at]!)) return true;
  return false;
}

/** Collects what a candidate breaks step by step: each class once, in order; documented mismatches break nothing. */
export class BrokenList {
  readonly broken: Broken[] = [];
  readonly #codes = new Set<number>();

  add(at: number, violations: readonly Violation[]): void {
    for (const v of violations) {
      if (v.documented || this.#codes.has(v.code)) continue;
      this.#codes.add(v.code);
      this.broken.push({ at, code: v.code });
    }
  }
  clear(): void {
    this.broken.length = 0;
    this.#codes.clear();
  }
}
