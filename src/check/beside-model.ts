/**
 * A candidate policy and its base run the same programs, each judged by a reference of its own: is there a program on
 * which the candidate regresses? regression/beside.ts says what that means, and judges one program; here all programs
 * of a scope are explored, in one of two ways.
 *
 * **At one step** (`promise` is undefined): the candidate, and the base without what the candidate refuses or blocks.
 * Found is what the candidate breaks at a step at which that base does not break the same promise. A program on which
 * the candidate regresses has such a step, so finding none proves that there is none. Not all that is found is a
 * regression: the base may have broken the promise before, or as it is.
 *
 * **Up to there** (`promise` is one promise): a program ends once the base has broken that promise, so what is found is
 * what the base has not broken up to there. The base as it is runs as a third world, from the first step on that the
 * candidate refuses or blocks; until then, and whenever it has come to be in the same state again, it is the second.
 * A name that the candidate was refused and the base was not stays taken, as in a program: the base goes on using it.
 * What is found is a regression, and finding none proves that there is none, of this promise.
 *
 * What the candidate alone is granted stays in: under the base the name is of no use. A program does not end where the
 * base breaks another promise. It ends where one of them has stopped: what follows is not compared.
 */
import { POLICY_ERROR } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import {
  coarseClass,
  INVALID,
  InvariantError,
  PROMISE_CLAIM,
  promiseOf,
  World,
} from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, aOf } from '../ops/op.ts';
import { HANDLE_LIVE, HANDLE_VOID } from '../reference/reference.ts';
import { isRefusal } from '../regression/beside.ts';
import { BesideKeyEncoder } from './beside-key.ts';
import { fingerprint } from './fingerprint.ts';
import { type Grain, KeyEncoder, type Symmetry } from './key.ts';
import { ENDED, GOES_ON, type Model, NOT_A_STEP, stepsMaxOf, tokensFor } from './model.ts';

/** Plain data, as it is sent to threads. */
export interface BesideSpec {
  readonly setup: Setup;
  readonly candidate: ExpandedPolicy;
  readonly base: ExpandedPolicy;
  readonly alphabet: Alphabet;
  readonly symmetry: Symmetry;
  readonly grain: Grain;
  /** promiseOf (executor/simulated.ts); undefined: at one step, of all promises. */
  readonly promise?: number;
}

/** A finding that is no class code: the base gave an answer that cannot be carried out. */
export const BASE_ERROR = -1;

const FINDINGS_MAX = 256;

export class BesideModel implements Model {
  readonly size: number;
  readonly stepsMax: number;
  /** Class codes (simulated.ts), coarse with grain `property`; or BASE_ERROR. */
  readonly finding: Int32Array = new Int32Array(FINDINGS_MAX);
  findings = 0;
  readonly candidate: World;
  /** The base without what the candidate refuses. */
  readonly without: World;
  /** The base as it is, where that is not the same. */
  readonly asItIs: World;
  readonly key: BesideKeyEncoder;
  /** The name that the last step took and that is given up at once, as nobody has a use for it; or -1. */
  givenUp = -1;
  /** `asItIs` is in a state of its own. */
  parted = false;
  readonly #promise: number | undefined;
  readonly #alphabet: Alphabet;
  readonly #refAlphabet: Alphabet;
  readonly #classes: boolean;
  readonly #more: Int32Array;
  readonly #words: readonly Int32Array[];
  /** Words of a world before the locals of tasks, which mean nothing between two operations. */
  readonly #lasting: number;

  constructor(spec: BesideSpec) {
    const { setup, candidate, base, alphabet, symmetry, promise } = spec;
    const tokens = tokensFor(setup);
    this.candidate = new World(setup, candidate, tokens);
    this.without = new World(setup, base, tokens);
    this.asItIs = new World(setup, base, tokens);
    const worlds = [this.candidate, this.without, this.asItIs];
    for (const world of worlds) world.checkInvariants = false; // campaigns check counts at each step
    // Of the base only promises are asked.
    const grains: readonly Grain[] = [spec.grain, 'property', 'property'];
    this.key = new BesideKeyEncoder(
      this.candidate,
      worlds.map((world, i) => new KeyEncoder(world, symmetry, grains[i])),
    );
    this.#promise = promise;
    this.#alphabet = alphabet;
    this.#refAlphabet = { ...alphabet, ops: alphabet.ops.map((on, at) => on && OPS[at]!.usesRef === true) };
    this.#classes = spec.grain === 'class';
    this.#words = worlds.map((world) => world.columns.words);
    const { machine, columns } = this.candidate;
    this.#lasting = Math.ceil((machine.task.pc.byteOffset - columns.bytes.byteOffset) / 4);
    const each = this.#words[0]!.length;
    this.size = promise === undefined ? 2 * each : 1 + 3 * each;
    this.stepsMax = stepsMaxOf(setup, alphabet);
    this.#more = new Int32Array(2 * this.stepsMax + 64);
  }

  /** How many worlds a saved state has in use. */
  get #worlds(): number {
    return this.parted ? 3 : 2;
  }

  save(target: Int32Array, offset: number): void {
    let to = offset;
    for (let k = 0; k < this.#worlds; k++) {
      const words = this.#words[k]!;
      for (let i = 0; i < words.length; i++) target[to++] = words[i]!;
    }
    if (this.#promise !== undefined) target[offset + this.size - 1] = this.parted ? 1 : 0;
  }
  load(source: Int32Array, offset: number): void {
    this.parted = this.#promise !== undefined && source[offset + this.size - 1] === 1;
    let from = offset;
    for (let k = 0; k < this.#worlds; k++) {
      const words = this.#words[k]!;
      for (let i = 0; i < words.length; i++) words[i] = source[from++]!;
    }
    this.candidate.ended = false;
    this.without.ended = false;
    this.asItIs.ended = false;
  }
  isAt(source: Int32Array, offset: number): boolean {
    if (this.#promise !== undefined && source[offset + this.size - 1] !== (this.parted ? 1 : 0)) return false;
    for (let k = 0, from = offset; k < this.#worlds; k++) {
      const words = this.#words[k]!;
      for (let i = 0; i < this.#lasting; i++) if (words[i] !== source[from + i]) return false;
      from += words.length;
    }
    return true;
  }

  /** What the candidate's program can do; and what the base, as it is, can do with names that the candidate lacks. */
  enumerate(out: Int32Array): number {
    let n = this.candidate.enumerate(this.#alphabet, out);
    if (!this.parted) return n;
    const { handleState } = this.candidate.reference;
    if (!handleState.includes(HANDLE_VOID)) return n;
    const more = this.asItIs.enumerate(this.#refAlphabet, this.#more);
    for (let i = 0; i < more; i++)
      if (handleState[aOf(this.#more[i]!)] === HANDLE_VOID) out[n++] = this.#more[i]!;
    return n;
  }

  step(step: number): number {
    const { candidate, without, asItIs } = this;
    const promise = this.#promise;
    this.findings = 0;
    this.givenUp = -1;
    const outcome = candidate.step(step);
    if (outcome === INVALID) return NOT_A_STEP;
    const refused = isRefusal(outcome);
    if (refused && promise !== undefined && !this.parted) {
      this.#words[2]!.set(this.#words[1]!);
      asItIs.ended = false;
      this.parted = true;
    }
    if (this.parted) this.#run(asItIs, step);
    if (refused) without.leaveOut(step);
    else this.#run(without, step);

    for (const v of candidate.violations) {
      if (v.documented) continue;
      const broken = promiseOf(v.code);
      if (broken === PROMISE_CLAIM || (promise !== undefined && broken !== promise)) continue;
      if (this.#baseBreaks(broken)) continue;
      this.#tell(this.#classes ? v.code : coarseClass(v.code));
    }
    if (candidate.ended || without.ended || (this.parted && asItIs.ended)) return ENDED;
    if (promise !== undefined && this.#baseBreaks(promise)) return ENDED;
    if (refused && candidate.slot >= 0) this.#giveUp(candidate.slot);
    if (this.parted && this.#together()) this.parted = false;
    return GOES_ON;
  }

  fingerprint(out: Int32Array): void {
    this.key.worlds = this.#worlds;
    const length = this.key.encode();
    fingerprint(this.key.words, length, out);
  }

  #run(world: World, step: number): void {
    const outcome = world.step(step);
    if (outcome === INVALID)
      throw new InvariantError(`step ${step} cannot be done under ${world.machine.policy.id}, the base`);
    if (outcome === POLICY_ERROR) this.#tell(BASE_ERROR);
  }

  #tell(finding: number): void {
    if (this.findings < FINDINGS_MAX) this.finding[this.findings++] = finding;
  }

  /** At this step, as either run of it. */
  #baseBreaks(promise: number): boolean {
    return breaks(this.without, promise) || (this.parted && breaks(this.asItIs, promise));
  }

  /** A refused gup leaves a name: it is given up unless the base has a use for it. */
  #giveUp(slot: number): void {
    if (this.parted && this.asItIs.reference.handleState[slot] === HANDLE_LIVE) return;
    this.givenUp = slot;
    this.candidate.reference.release(slot, false);
    this.without.reference.release(slot, false);
    if (this.parted) this.asItIs.reference.release(slot, false);
  }

  /** The base, as it is, has come to be where it is without what was refused. */
  #together(): boolean {
    const [, without, asItIs] = this.#words;
    for (let i = 0; i < this.#lasting; i++) if (without![i] !== asItIs![i]) return false;
    return true;
  }
}

function breaks(world: World, promise: number): boolean {
  for (const v of world.violations) if (!v.documented && promiseOf(v.code) === promise) return true;
  return false;
}
