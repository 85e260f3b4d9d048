/**
 * The shortest scenario that shows a class under every one of several policies: where no policy alone needs as many
 * steps, a breadth-first search over worlds that run the same program side by side, one per policy.
 */
import { fingerprint } from '../check/fingerprint.ts';
import { KeyEncoder } from '../check/key.ts';
import { ENDED, GOES_ON, type Model, NOT_A_STEP, stepsMaxOf, tokensFor } from '../check/model.ts';
import { alphabetFor, versionWith } from '../check/scope.ts';
import { Exploration } from '../check/search.ts';
import type { Setup } from '../domain/setup.ts';
import { INVALID, World } from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, aOf, opOf } from '../ops/op.ts';
import { HANDLE_VOID } from '../reference/reference.ts';
import { bounds } from '../scenario/bounds.ts';
import { Naming, type Scenario, type Step } from '../scenario/scenario.ts';
import type { StillFails } from './order.ts';
import { LEAVING_OUT, PASSES } from './passes/index.ts';
import {
  count,
  failsAs,
  gupsFor,
  type Keeping,
  otherProgram,
  PROGRESS_STATES,
  runPassesOn,
  type SearchProgress,
  type Shrinker,
  type Shrunk,
  scopeText,
  type Target,
} from './shrink.ts';

/**
 * Shrinks a scenario that shows the class under all the policies of the shrinkers to one that does, a little at a
 * time. With one shrinker it is that one's result. Throws RangeError if the scenario does not show the class under
 * all of them.
 */
export function* shrinkingForAll(
  shrinkers: readonly Shrinker[],
  scenario: Scenario,
  target: Target,
  keeping?: Keeping,
): Generator<SearchProgress, Shrunk> {
  const [first] = shrinkers;
  if (first === undefined) throw new RangeError('no policy');
  if (shrinkers.length === 1) return yield* first.shrinking(scenario, target, keeping);
  const showsAll: StillFails = (candidate) => shrinkers.every((s) => failsAs(s.policy, target)(candidate));
  if (!showsAll(scenario)) throw new RangeError('the scenario does not show this finding on all policies');
  const kept: StillFails = (c) => showsAll(c) && (keeping === undefined || keeping.keeps(c));
  const start = runPassesOn(
    scenario,
    first.policy,
    target,
    kept,
    keeping === undefined ? PASSES : LEAVING_OUT,
  );
  const gups = gupsFor(start);
  const setup: Setup = { ...start.setup, ...bounds(start) };
  const names = shrinkers.map((s) => s.policy.id).join(' and ');
  const version = versionWith(start.steps);
  const scope = `for ${names} at once; ${scopeText(setup, gups, version)}`;

  if (setup.tasks !== undefined) {
    // Worlds differ in what they have in flight, and their keys do not say so.
    const reason = 'not proved: interleaved operations are not searched for several policies at once';
    return { scenario: start, minimality: { kind: '1-minimal', scope, depth: 0, reason } };
  }

  // What one policy alone cannot do in fewer steps, several cannot; and what one does best may do for all.
  let best = start;
  let covered = 0;
  /** Shorter, shown by all, but not kept. */
  let other: Scenario | undefined;
  const attempt = (shorter: Scenario): void => {
    if (kept(shorter)) best = shorter;
    else if (showsAll(shorter)) other = shorter;
  };
  for (const shrinker of shrinkers) {
    const { atLeast, met } = yield* shrinker.bounding(start, target);
    covered = Math.max(covered, atLeast - 1);
    if (met !== undefined && met.steps.length < best.steps.length) attempt(met);
  }
  if (covered < best.steps.length - 1) {
    const together = new Together(
      setup,
      shrinkers.map((s) => s.policy),
      alphabetFor(setup, gups, version),
      target,
    );
    const exploration = new Exploration(together, first.statesMax);
    const wanted = best.steps.length - 1;
    let shown = 0;
    while (exploration.state === 'open' && exploration.depth < wanted && exploration.found.size === 0) {
      for (const layer = exploration.depth; exploration.state === 'open' && exploration.depth === layer; ) {
        exploration.advance();
        if (exploration.states - shown < PROGRESS_STATES) continue;
        shown = exploration.states;
        const { depth, states } = exploration;
        const { mms, refs } = setup;
        yield { policy: names, mms, refs, depth, wanted, states, statesMax: first.statesMax };
      }
    }
    covered = Math.max(covered, exploration.state === 'closed' ? wanted : exploration.depth);
    const note = exploration.found.get(SHOWN_BY_ALL);
    if (note !== undefined) {
      attempt({ setup, steps: together.named(exploration.stepsOf(note)) });
    }
  }
  const length = best.steps.length;
  if (covered >= length - 1)
    return {
      scenario: best,
      minimality: { kind: 'shortest', scope, depth: Math.min(covered, length) },
    };
  const reason =
    other !== undefined && keeping !== undefined && other.steps.length < length
      ? otherProgram(other.steps.length, keeping.why(other))
      : `not proved: ${count(first.statesMax)} states reached at depth ${covered + 1} of ${length}`;
  return { scenario: best, minimality: { kind: '1-minimal', scope, depth: covered, reason } };
}

/** The one finding of Together. */
const SHOWN_BY_ALL = 1;

/**
 * One world per policy, all at the same point of the same program. A step is one that the program can do in every
 * world that goes on; where a gup is refused in some worlds only, its name stands for nothing there. A state also
 * has who has shown the class, and who stopped after that. mms and references keep their slots, as a renaming would
 * have to be one for all worlds at once.
 */
class Together implements Model {
  readonly size: number;
  readonly stepsMax: number;
  readonly finding: Int32Array = new Int32Array(1).fill(SHOWN_BY_ALL);
  findings = 0;
  readonly #setup: Setup;
  readonly #alphabet: Alphabet;
  readonly #target: Target;
  readonly #worlds: readonly World[];
  readonly #keys: readonly KeyEncoder[];
  /** Bit per world. */
  #shown = 0;
  #stopped = 0;
  readonly #start: Int32Array;
  readonly #key: Int32Array;

  constructor(setup: Setup, policies: readonly ExpandedPolicy[], alphabet: Alphabet, target: Target) {
    this.#setup = setup;
    this.#alphabet = alphabet;
    this.#target = target;
    this.#worlds = policies.map((policy) => new World(setup, policy, tokensFor(setup)));
    for (const world of this.#worlds) world.checkInvariants = false; // as any search
    this.#keys = this.#worlds.map((world) => new KeyEncoder(world, 'none', 'class'));
    this.#key = new Int32Array(1 + this.#keys.reduce((sum, key) => sum + 1 + key.words.length, 0));
    this.size = 1 + this.#worlds.reduce((sum, w) => sum + w.columns.words.length, 0);
    this.stepsMax = stepsMaxOf(setup, alphabet);
    this.#start = new Int32Array(this.size);
    this.save(this.#start, 0);
  }

  save(target: Int32Array, offset: number): void {
    let at = offset;
    target[at++] = this.#shown | (this.#stopped << 16);
    for (const { columns } of this.#worlds) {
      target.set(columns.words, at);
      at += columns.words.length;
    }
  }
  load(source: Int32Array, offset: number): void {
    let at = offset;
    const bits = source[at++]!;
    this.#shown = bits & 0xffff;
    this.#stopped = bits >>> 16;
    this.#worlds.forEach((world, i) => {
      const { words } = world.columns;
      words.set(source.subarray(at, at + words.length));
      at += words.length;
      world.ended = ((this.#stopped >> i) & 1) === 1;
    });
  }

  enumerate(out: Int32Array): number {
    // In each world the names of refused references are void; together they have what any of them has.
    const steps = new Set<number>();
    for (const world of this.#goingOn()) {
      const n = world.enumerate(this.#alphabet, out);
      for (let i = 0; i < n; i++) steps.add(out[i]!);
    }
    let n = 0;
    for (const step of steps) if (this.#goingOn().every((world) => canDo(world, step))) out[n++] = step;
    return n;
  }

  step(step: number): number {
    const { code, documented } = this.#target;
    this.findings = 0;
    for (const [i, world] of this.#worlds.entries()) {
      if (world.ended) continue;
      if (world.step(step) === INVALID) return NOT_A_STEP;
      if (world.violations.some((v) => v.code === code && v.documented === documented)) this.#shown |= 1 << i;
      if (world.ended) this.#stopped |= 1 << i;
    }
    if (this.#shown === (1 << this.#worlds.length) - 1) {
      this.findings = 1;
      return ENDED;
    }
    if ((this.#stopped & ~this.#shown) !== 0) return ENDED;
    this.#dropVoid();
    return GOES_ON;
  }

  fingerprint(out: Int32Array): void {
    let n = 0;
    this.#key[n++] = this.#shown | (this.#stopped << 16);
    this.#worlds.forEach((world, i) => {
      if (world.ended) return;
      const key = this.#keys[i]!;
      const length = key.encode();
      this.#key[n++] = length;
      this.#key.set(key.words.subarray(0, length), n);
      n += length;
    });
    fingerprint(this.#key, n, out);
  }

  /** The steps of a scenario, named. */
  named(packed: readonly number[]): Step[] {
    this.load(this.#start, 0);
    const naming = new Naming(this.#setup);
    return packed.map((step) => {
      const [world] = this.#goingOn();
      if (this.step(step) === NOT_A_STEP) throw new Error('a trace of the search does not replay');
      return naming.name(step, world!.slot);
    });
  }

  #goingOn(): readonly World[] {
    return this.#worlds.filter((world) => !world.ended);
  }

  /** A reference that was refused in every world is of no use: the program goes on without it. */
  #dropVoid(): void {
    const worlds = this.#goingOn();
    for (let h = 0; h < this.#setup.refs; h++)
      if (worlds.every((world) => world.reference.handleState[h] === HANDLE_VOID))
        for (const world of worlds) world.reference.release(h, false);
  }
}

function canDo(world: World, step: number): boolean {
  const isVoid = OPS[opOf(step)]!.usesRef === true && world.reference.handleState[aOf(step)] === HANDLE_VOID;
  return isVoid || world.enabled(step);
}
