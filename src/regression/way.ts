/**
 * By what way a candidate parts from its base: the first decision that comes out another way when both run one program.
 * Findings of one class that part by the same way are one story.
 */
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { DECISION_NAMES, DECISIONS, type DecisionName } from '../machine/decisions.ts';
import { noCosts } from '../machine/machine.ts';
import { actsOn, type ExpandedPolicy } from '../machine/tables.ts';

/** Ways are numbers below this; NO_WAY: no decision parts them (what the policies keep does). */
export const WAYS = 4096;
const NO_WAY = 0;

if (DECISION_NAMES.length << 6 >= WAYS || DECISION_NAMES.some((name) => DECISIONS[name].answers.length > 8))
  throw new Error('ways have too few bits for the decision points or their answers');

export interface Way {
  readonly decision: DecisionName;
  /** Answers. */
  readonly base: string;
  readonly candidate: string;
}

/** The parts of a way; undefined for NO_WAY. */
export function wayOf(number: number): Way | undefined {
  if (number === NO_WAY) return undefined;
  const decision = DECISION_NAMES[(number - 1) >> 6]!;
  const { answers } = DECISIONS[decision];
  return { decision, base: answers[((number - 1) >> 3) & 7]!, candidate: answers[(number - 1) & 7]! };
}

/**
 * Answers that either policy gives by rules of its own: by the usual rules of both, no decision parts them, and one of
 * them may not be asked because of what the other keeps.
 */
const ownOf = (base: ExpandedPolicy, candidate: ExpandedPolicy): readonly boolean[] =>
  base.tables.map(({ usual }, at) => usual !== true || candidate.tables[at]!.usual !== true);

/** Two worlds that note their answers; keeps them from program to program. */
export class Ways {
  readonly #base: World;
  readonly #candidate: World;
  readonly #own: readonly boolean[];
  readonly #log: number[] = [];

  constructor(setup: Setup, base: ExpandedPolicy, candidate: ExpandedPolicy) {
    this.#base = new World(setup, { ...base });
    this.#candidate = new World(setup, { ...candidate });
    this.#own = ownOf(base, candidate);
  }

  /** The way by which the candidate parts from the base in the first `length` of the steps. */
  find(steps: ArrayLike<number>, length: number): number {
    const base = this.#answers(this.#base, steps, length);
    const candidate = this.#answers(this.#candidate, steps, length);
    for (let i = 0; i < Math.min(base.length, candidate.length); i++) {
      if (base[i] === candidate[i]) continue;
      const at = base[i]! >> 3;
      return at === candidate[i]! >> 3
        ? 1 + ((at << 6) | ((base[i]! & 7) << 3) | (candidate[i]! & 7))
        : NO_WAY;
    }
    return NO_WAY;
  }

  /** Decision and answer of each question, in order. */
  #answers(world: World, steps: ArrayLike<number>, length: number): number[] {
    const { machine } = world;
    const log = this.#log;
    log.length = 0;
    world.reset();
    machine.costs = noCosts();
    machine.onAnswer = (at, entry) => {
      if (this.#own[at])
        log.push((at << 3) | actsOn(machine.tables[at]!.table, machine.tables[at]!.table.answer[entry]!));
    };
    for (let i = 0; i < length && !world.ended; i++) world.step(steps[i]!);
    return log.slice();
  }
}
