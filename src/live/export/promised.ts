/** What the reference promises to the observers of a scenario, as the contents that a C program checks for. */
import { CALLERS, type Caller, DONE, NO_EFFECT, REFUSED } from '../../domain/kinds.ts';
import { runScenario } from '../../executor/run.ts';
import { World } from '../../executor/simulated.ts';
import type { Policy } from '../../machine/policy.ts';
import { expandPolicy } from '../../machine/tables.ts';
import { opOfStep } from '../../ops/index.ts';
import { aOf, bOf } from '../../ops/op.ts';
import { MATCH } from '../../reference/reference.ts';
import type { Scenario } from '../../scenario/scenario.ts';
import { contentsAtStart, seenBy, showsContent, TOKENS } from '../contents.ts';
import { tokenOf } from '../translate.ts';

/** A run of a scenario under a policy, seen as a program can see it. */
export interface Observed {
  readonly outcomes: readonly string[];
  /** Index of the step that does not apply, or -1. */
  readonly stopped: number;
  /** By step that observes: contents that break no promise, as the program writes them. */
  readonly allowed: ReadonlyMap<number, readonly number[]>;
  /**
   * By step that has an error under every policy, since its mappings forbid it: the errno or signal by its name; ''
   * for a call on a mapping that changes nothing, which is no error.
   */
  readonly errors: ReadonlyMap<number, string>;
  /** True if an observer saw what is not allowed, or a step went otherwise than its mappings say. */
  readonly broken: boolean;
}

/**
 * Runs the scenario, and asks the reference before each observing step which contents it would accept. `promised`: by
 * reference, the caller whose promise counts where another stands in for it (translate.ts).
 */
export function observe(scenario: Scenario, policy: Policy, promised: ReadonlyMap<string, Caller>): Observed {
  const world = new AskingWorld(scenario, policy, promised);
  const result = runScenario(scenario, world.machine.policy, world);
  return {
    outcomes: result.outcomes,
    stopped:
      result.notApplicable < 0 && result.outcomes.length < scenario.steps.length
        ? result.outcomes.length
        : result.notApplicable,
    allowed: world.allowed,
    errors: world.errors,
    broken: world.broken,
  };
}

class AskingWorld extends World {
  readonly allowed = new Map<number, readonly number[]>();
  readonly errors = new Map<number, string>();
  broken = false;
  readonly #scenario: Scenario;
  readonly #promised: ReadonlyMap<string, Caller>;
  /** By token of the reference: content in the program. */
  readonly #contents: number[];
  #at = 0;

  constructor(scenario: Scenario, policy: Policy, promised: ReadonlyMap<string, Caller>) {
    super(scenario.setup, { ...expandPolicy(policy) }, TOKENS);
    this.#scenario = scenario;
    this.#promised = promised;
    this.#contents = contentsAtStart(scenario.setup);
  }

  override step(packed: number): number {
    const at = this.#at++;
    const step = this.#scenario.steps[at]!;
    const op = opOfStep(step);
    const observer = seenBy(op);
    const { reference } = this;
    const a = aOf(packed);
    const b = bOf(packed);
    // What is documented as not guaranteed breaks no promise either.
    const accepts =
      observer === 'load'
        ? (t: number) => reference.judgeLoad(a, b, t) === MATCH || reference.excuseLoad(a, b, t) !== 0
        : observer === 'device-load' || observer === 'dio-write'
          ? (t: number) => reference.judgeDevice(a, t) === MATCH || reference.excuseDevice(a, t) !== 0
          : observer === 'file-read'
            ? (t: number) => reference.judgeFile(a, t) === MATCH || reference.excuseFile(a, t) !== 0
            : observer === 'disk'
              ? (t: number) => reference.judgeDisk(a, t) === MATCH
              : undefined;
    const before = reference.tokens[0]!;
    const tokens = Array.from({ length: before }, (_, t) => t);
    const good = accepts === undefined ? [] : tokens.filter(accepts);
    let seen = -1;
    this.onObservation = ({ kind, token }) => {
      if (showsContent(kind)) seen = token;
    };
    this.#contents[before] = tokenOf(at);
    const forbidden = op.allowed?.(reference, packed) === false;
    const outcome = super.step(packed);
    if (forbidden || (op.makes !== 'ref' && outcome === REFUSED)) {
      if (forbidden && outcome === REFUSED) this.errors.set(at, this.machine.errno);
      else this.broken = true;
    } else if (outcome === NO_EFFECT && op.mapping === true) this.errors.set(at, '');
    const caller = step.op === 'gup' ? this.#promised.get(step.result) : undefined;
    if (step.op === 'gup' && caller !== undefined && outcome === DONE)
      reference.take(this.slot, a, b, CALLERS.indexOf(caller), step.write, step.longterm);
    if (accepts !== undefined && seen >= 0) {
      this.allowed.set(
        at,
        good.map((t) => this.#contents[t]!),
      );
      if (!good.includes(seen)) this.broken = true;
    }
    return outcome;
  }
}
