/**
 * Is there a program of a scope on which a candidate regresses beside its base (regression/beside.ts)? Per class of what
 * the candidate breaks the shortest one, or that there is none.
 *
 * It begins with what the search of the candidate alone has found: what that does not break does not regress, and if the
 * shortest program of a class is a regression, it is the shortest regression of it. Of the other classes:
 *
 * 1. If the answers of both are the same there is none. If nobody can tell the policies apart (check/pair.ts) there is
 *    none either: then both break the same at each step. Claims of a policy about itself are asked by nobody.
 * 2. The search of both worlds, *at one step* (check/beside-model.ts). What is not found there is none.
 * 3. What is found there, but was broken by the base before: the search *up to there*, promise by promise.
 *
 * Whatever is found is judged once more, by itself, before it is told.
 */
import { BASE_ERROR, BesideModel, type BesideSpec } from '../check/beside-model.ts';
import type { PolicySpec } from '../check/model.ts';
import { differenceOf } from '../check/pair.ts';
import { programOf } from '../check/program.ts';
import type { Exploration, FoundNote, Stopped } from '../check/search.ts';
import type { Spec } from '../check/spec.ts';
import type { FoundClass } from '../check/verdicts.ts';
import { CLAIM_PROPERTIES, coarseClass, InvariantError, promiseOf } from '../executor/simulated.ts';
import { askedAt, type ExpandedPolicy } from '../machine/tables.ts';
import { BaseError } from '../regression/beside.ts';
import { baseErrorOn, judgeBeside } from '../regression/scenario.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { type Unasked, unasked } from './asked.ts';
import { type DriveOptions, drive } from './drive.ts';

/** Steps; Infinity: any number. */
type Depth = number;
type Limit = Exclude<Stopped, 'closed' | 'depth'>;
const limitOf = (stopped: Stopped): Limit | undefined =>
  stopped === 'closed' || stopped === 'depth' ? undefined : stopped;

export interface RegressionProof {
  readonly base: ExpandedPolicy;
  /** Classes by which the candidate regresses, each with a shortest program on which it does. Shortest first. */
  readonly regressions: readonly FoundClass[];
  /**
   * Classes that the candidate breaks, with its shortest program, and of which no program is known on which it
   * regresses; `covered`: there is none of so many steps.
   */
  readonly common: readonly { readonly found: FoundClass; readonly covered: Depth }[];
  /** No program of up to so many steps shows a regression of a class that is not among `regressions`. */
  readonly covered: Depth;
  /** Why a search ended before it had covered what was asked for; undefined: none did. */
  readonly stopped: Limit | undefined;
  /** Visited by all searches, the one of the candidate alone apart. */
  readonly states: number;
  /** Nothing of what the tables differ in was ever asked: the proof says nothing of the change. */
  readonly unasked: Unasked | undefined;
  /** The base is no policy: one line that says at which step of which program; else ''. */
  readonly baseError: string;
}

/** What was found of the candidate alone. */
export interface Alone {
  readonly stopped: Stopped;
  readonly depth: Depth;
  /** What it breaks, documented mismatches and claims of its own apart. */
  readonly broken: readonly FoundClass[];
}

export interface ProveOptions
  extends Pick<
    DriveOptions,
    'depthMax' | 'statesMax' | 'memoryMax' | 'threads' | 'signal' | 'onProgress' | 'threadsFrom'
  > {
  /** One regression is enough. */
  readonly first?: boolean;
}

/** Of all that was found: promises. Claims of the policy about itself are none. */
export const promisesOf = (classes: readonly FoundClass[]): FoundClass[] =>
  classes.filter((c) => !(CLAIM_PROPERTIES as readonly string[]).includes(c.class.property));

/** The class regresses at the last step of the program. Throws BaseError. */
export function regressesAtLast(
  { code, scenario }: Pick<FoundClass, 'code' | 'scenario'>,
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
): boolean {
  const { regressions } = judgeBeside(scenario, candidate, base);
  return regressions.some((r) => r.code === code && r.at === scenario.steps.length - 1);
}

/** `spec`: of the candidate, as it was searched alone. Throws InvariantError. */
export async function proveBeside(
  spec: PolicySpec,
  base: ExpandedPolicy,
  alone: Alone,
  options: ProveOptions,
): Promise<RegressionProof> {
  const proof = new Proof(spec, base, alone, options);
  try {
    await proof.search();
    await proof.ask();
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    return proof.result(error.message);
  }
  return proof.result('');
}

/** `met`: broken at a step at which the base keeps the promise, though it may have broken it before. */
interface Open {
  readonly found: FoundClass;
  covered: Depth;
  met: boolean;
}

class Proof {
  readonly #candidate: ExpandedPolicy;
  readonly #base: ExpandedPolicy;
  readonly #alone: Alone;
  readonly #options: ProveOptions;
  readonly #beside: BesideSpec;
  readonly #regressions: FoundClass[] = [];
  /** What is left to be found or to be excluded, by the finding of a search; and how far it is excluded. */
  readonly #open: Map<number, Open>;
  readonly #judged = new Set<FoundNote>();
  #stopped: Limit | undefined;
  #states = 0;
  /** Somebody told them apart. */
  #apart = false;
  #unasked: Unasked | undefined;

  constructor(spec: PolicySpec, base: ExpandedPolicy, alone: Alone, options: ProveOptions) {
    const { setup, policy, alphabet, symmetry, grain } = spec;
    this.#candidate = policy;
    this.#base = base;
    this.#alone = alone;
    this.#options = options;
    this.#beside = { setup, candidate: policy, base, alphabet, symmetry, grain };
    this.#open = new Map(
      alone.broken.map((found) => [this.#findingOf(found.code), { found, covered: 0, met: false }]),
    );
  }

  /** Where no regression was met, and nobody told the policies apart. */
  async ask(): Promise<void> {
    if (this.#regressions.length > 0 || this.#apart) return;
    const { setup, candidate, base, alphabet } = this.#beside;
    const { depthMax, signal } = this.#options;
    this.#unasked = await unasked({ setup, alphabet, a: candidate, b: base }, depthMax ?? Infinity, signal);
  }

  async search(): Promise<void> {
    for (const [finding, { found }] of this.#open)
      if (regressesAtLast(found, this.#candidate, this.#base)) this.#regresses(finding, found);
    // Where operations are interleaved a program that waits under one policy does not under the other, and searches of
    // both worlds are not made: what the base breaks as well, or only there, stays open with nothing covered.
    if (this.#enough() || this.#beside.setup.tasks !== undefined) return;
    if (sameAnswers(this.#candidate, this.#base)) {
      for (const open of this.#open.values()) open.covered = Infinity;
      return;
    }
    if ((await this.#told()) === 'none') return;
    await this.#atOneStep();
    for (const promise of new Set(this.#met().map(({ found }) => promiseOf(found.code))))
      if (!this.#enough()) await this.#upToThere(promise);
  }

  result(baseError: string): RegressionProof {
    const { stopped, depth } = this.#alone;
    const alone = stopped === 'closed' ? Infinity : depth;
    const common = [...this.#open.values()].map(({ found, covered }) => ({ found, covered }));
    return {
      base: this.#base,
      regressions: this.#regressions.toSorted(
        (x, y) => x.length - y.length || (x.classId < y.classId ? -1 : 1),
      ),
      common,
      covered: Math.min(alone, ...common.map(({ covered }) => covered)),
      stopped:
        limitOf(stopped) ?? this.#stopped ?? (common.length > 0 && this.#enough() ? 'enough' : undefined),
      states: this.#states,
      unasked: this.#unasked,
      baseError,
    };
  }

  /** A class as the searches number it. */
  #findingOf(code: number): number {
    return this.#beside.grain === 'class' ? code : coarseClass(code);
  }

  #regresses(finding: number, found: FoundClass): void {
    this.#regressions.push(found);
    this.#open.delete(finding);
  }

  /** Nothing is left to be asked. */
  #enough(): boolean {
    return this.#open.size === 0 || (this.#options.first === true && this.#regressions.length > 0);
  }

  async #drive(spec: Spec, enough: (x: Exploration) => boolean): Promise<{ x: Exploration; covered: Depth }> {
    const { exploration: x, stopped } = await drive(spec, { ...this.#options, enough });
    this.#states += x.states;
    if (stopped !== 'enough') this.#stopped ??= limitOf(stopped);
    return { x, covered: stopped === 'closed' ? Infinity : x.depth };
  }

  /** `none`: by nobody, as far as the search went. What tells policies apart is met early, or not at all. */
  async #told(): Promise<'none' | 'told'> {
    if (this.#regressions.length > 0) return 'told';
    const { setup, candidate, base, alphabet } = this.#beside;
    const told = (x: Exploration): boolean =>
      [...x.found.keys()].some((finding) => differenceOf(finding).kind === 'observable');
    const { x, covered } = await this.#drive({ setup, a: candidate, b: base, alphabet }, told);
    if (told(x)) {
      this.#stopped = undefined; // what follows has its own end
      this.#apart = true;
      return 'told';
    }
    for (const open of this.#open.values()) open.covered = covered;
    return 'none';
  }

  /** What is found and is no regression stays open with nothing covered. */
  async #atOneStep(): Promise<void> {
    const { x, covered } = await this.#drive(this.#beside, (now) => {
      this.#judge(this.#beside, now, 'some');
      return this.#enough();
    });
    this.#judge(this.#beside, x, 'some');
    for (const [finding, open] of this.#open) {
      open.met = x.found.has(finding);
      if (!open.met) open.covered = covered;
    }
  }

  #met(): Open[] {
    return [...this.#open.values()].filter(({ met }) => met);
  }

  async #upToThere(promise: number): Promise<void> {
    const spec: BesideSpec = { ...this.#beside, promise };
    const wanted = (): Open[] => this.#met().filter(({ found }) => promiseOf(found.code) === promise);
    const { x, covered } = await this.#drive(spec, (now) => {
      this.#judge(spec, now, 'all');
      return this.#enough() || wanted().length === 0;
    });
    this.#judge(spec, x, 'all');
    for (const open of wanted()) open.covered = covered;
  }

  /** Tells what is found and not known yet. `all`: whatever is found is a regression, or the search is wrong. */
  #judge(spec: BesideSpec, x: Exploration, which: 'some' | 'all'): void {
    const error = x.found.get(BASE_ERROR);
    if (error !== undefined) {
      // The candidate may break nothing on that program, so that there is nothing to judge.
      const program = besideProgram(spec, x.stepsOf(error));
      const met = baseErrorOn(program, this.#candidate, this.#base);
      if (met !== undefined) throw met;
      throw new InvariantError('an answer of the base that cannot be carried out, which is not met again');
    }
    for (const [finding, note] of x.found) {
      if (!this.#open.has(finding) || this.#judged.has(note)) continue;
      this.#judged.add(note);
      const found = this.#foundClass(spec, x, finding, note);
      if (found !== undefined && (which === 'all' || found.length === note.length))
        this.#regresses(finding, found);
      else if (which === 'all') throw new InvariantError('a regression of the search is none when it runs');
    }
  }

  /** The class with its program, if the program shows that it regresses. */
  #foundClass(spec: BesideSpec, x: Exploration, finding: number, note: FoundNote): FoundClass | undefined {
    const scenario = besideProgram(spec, x.stepsOf(note));
    const { regressions } = judgeBeside(scenario, this.#candidate, this.#base);
    const seen = regressions.find(
      (r) => this.#findingOf(r.code) === finding && r.at === scenario.steps.length - 1,
    );
    if (seen === undefined) return undefined;
    const { class: parts, classId, code } = seen;
    return { class: parts, classId, code, documented: false, length: scenario.steps.length, scenario };
  }
}

/** Names the steps that a search of a BesideModel found. */
function besideProgram(spec: BesideSpec, packed: readonly number[]): Scenario {
  const model = new BesideModel(spec);
  return programOf(spec.setup, packed, (step) => {
    model.step(step);
    return { slot: model.candidate.slot, givenUp: model.givenUp >= 0 };
  });
}

/** The tables of both give the same answers by the same facts. */
const sameAnswers = (a: ExpandedPolicy, b: ExpandedPolicy): boolean =>
  JSON.stringify(answersOf(a)) === JSON.stringify(answersOf(b));

const answersOf = ({ keeps, notes, tables }: ExpandedPolicy): unknown => [
  keeps,
  notes,
  tables.map(({ reads, answer, ...table }) => [askedAt(table), reads, answer]),
];
