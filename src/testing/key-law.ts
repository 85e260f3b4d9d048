/** What the key of a state must keep: judged over random walks. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { type Grain, KeyEncoder } from '../check/key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { BLOCKED, type PageKind, REFUSED } from '../domain/kinds.ts';
import type { SwapDevice } from '../domain/swap.ts';
import { Rng } from '../domain/rng.ts';
import { coarseClass, INVALID, World } from '../executor/simulated.ts';
import type { Policy } from '../machine/policy.ts';
import { expanded } from '../machine/tables.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import { isGoOn, pauseOf } from '../ops/pauses.ts';
import type { Source } from '../state/expression.ts';
import { type Backend, Compiled, type Field, type Lot, type Writer } from '../state/fields.ts';
import { nameless } from './nameless.ts';

export type MakeBackend = (sources: readonly Source[]) => Backend;

/** As compiled, but that one field says 0. `met` is told of the names of all fields. */
export class Without implements Backend {
  readonly #backend: Backend;
  readonly #name: string;
  readonly #met: Set<string>;
  constructor(sources: readonly Source[], name: string, met: Set<string> = new Set<string>()) {
    this.#backend = new Compiled(sources);
    this.#name = name;
    this.#met = met;
  }
  #fields(fields: readonly Field[]): readonly Field[] {
    for (const { name } of fields) this.#met.add(name);
    return fields.map((field) => (field.name === this.#name ? { ...field, value: 0 } : field));
  }
  writer(lots: readonly Lot[], stride: number): Writer {
    return this.#backend.writer(
      lots.map((lot) => ({ ...lot, fields: this.#fields(lot.fields) })),
      stride,
    );
  }
  word(fields: readonly Field[]): ReturnType<Backend['word']> {
    return this.#backend.word(this.#fields(fields));
  }
}

export const keyText = ({ words, length }: Pick<KeyEncoder, 'words' | 'length'>): string =>
  Buffer.from(words.buffer, words.byteOffset, length * words.BYTES_PER_ELEMENT).toString('hex');

/** As a search tells states (check/model.ts): of one with operations in flight all columns, with contents by age. */
function stateText(world: World, key: KeyEncoder): string {
  if (!world.inFlight()) {
    key.encode();
    return keyText(key);
  }
  world.compactTokens();
  return `in flight ${Buffer.from(world.columns.bytes).toString('hex')}`;
}

/**
 * What a state can do, less the names: per enabled step its kind, page, variant, outcome, findings, successor. One with an
 * operation in flight is told by what it can do in its turn, other operations run to their ends.
 */
export function behaviour(world: World, key: KeyEncoder, grain: Grain, alphabet: Alphabet): string {
  const out = new Int32Array(4096);
  const snapshot = world.columns.snapshot();
  const lines: string[] = [];
  const n = world.enumerate(alphabet, out);
  const inFlight = world.inFlight();
  for (let e = 0; e < n; e++) {
    const step = out[e]!;
    if (inFlight && !isGoOn(step) && pauseOf(step) !== undefined) continue;
    world.columns.restore(snapshot);
    world.ended = false;
    const outcome = world.step(step);
    const found = world.violations
      .map((v) => `${grain === 'class' ? v.code : coarseClass(v.code)}${v.documented ? 'd' : ''}`)
      .join('+');
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    const next = (): string => {
      if (world.ended) return 'end';
      if (world.inFlight())
        return createHash('sha256')
          .update(behaviour(world, key, grain, alphabet))
          .digest('hex');
      return stateText(world, key);
    };
    lines.push(`${nameless(world.shape, step)} -> ${outcome} ${found} ${next()}`);
  }
  world.columns.restore(snapshot);
  world.ended = false;
  return lines.sort().join('\n');
}

export interface Walk {
  readonly kinds: readonly PageKind[];
  readonly policy: Policy;
  readonly grain: Grain;
  readonly filesystem?: string;
  /** What O_DIRECT writes go to that name no file; as the filesystem, if absent. */
  readonly aside?: string;
  /** Pages of each file, which may be truncated; absent: of one page, and it may not. */
  readonly filePages?: number;
  /** Parts of each page; absent: one. */
  readonly parts?: number;
  readonly gups?: readonly number[];
  readonly pinBias?: number;
  readonly swap?: SwapDevice;
  /** Operations; all, if absent. */
  readonly only?: readonly OpKind[];
  /** Setup.tasks. */
  readonly tasks?: number;
}

/** What states are judged in. */
export interface Judged<S extends Uint8Array | Int32Array> {
  /** A copy of the state as it stands. */
  readonly save: () => S;
  readonly load: (state: S) => void;
  /** What the state can do. Leaves it as it was. */
  readonly behaviour: () => string;
}

/** One key, one behaviour. A state is asked what it can do once another with its key turns up: most keys are of one. */
export class OneBehaviour<S extends Uint8Array | Int32Array> {
  readonly #judged: Judged<S>;
  readonly #first = new Map<string, { readonly state: S; behaviour?: string }>();
  /** States that were held against the first of their key. */
  compared = 0;
  constructor(judged: Judged<S>) {
    this.#judged = judged;
  }
  /** The state as it stands has this key. */
  meet(key: string): void {
    const { save, load, behaviour } = this.#judged;
    const state = save();
    const first = this.#first.get(key);
    if (first === undefined) this.#first.set(key, { state });
    else if (state.some((value, i) => value !== first.state[i])) {
      this.compared++;
      const here = behaviour();
      if (first.behaviour === undefined) {
        load(first.state);
        first.behaviour = behaviour();
        load(state);
      }
      if (here !== first.behaviour) expect(here).toBe(first.behaviour);
    }
  }
}

/** Random walks; every revisit of a key must find the behaviour that was seen first. Returns the revisits compared. */
export function law(walk: Walk, steps: number, seed: number, backend?: MakeBackend): number {
  const { kinds, grain, gups = PLAIN_GUPS, pinBias = 8 } = walk;
  const { aside = walk.filesystem } = walk;
  const setup = {
    ...pagesOf(kinds, walk.filesystem ?? 'ext4-v5.18', walk.filePages),
    ...(aside === undefined ? {} : { aside }),
    mms: walk.tasks === undefined ? 3 : 2,
    refs: walk.tasks === undefined ? 2 : 1,
    ...(walk.tasks === undefined ? {} : { tasks: walk.tasks }),
    ...(walk.parts === undefined ? {} : { parts: walk.parts }),
    pinBias,
    ...(walk.swap === undefined ? {} : { swap: walk.swap }),
  };
  const world = new World(setup, expanded(walk.policy));
  const key = new KeyEncoder(world, 'all', grain, backend);
  const rng = new Rng();
  rng.seed(seed, kinds.length, steps, 77);
  const all = alphabetFor(setup, gups);
  const { only } = walk;
  const alphabet =
    only === undefined ? all : { ...all, ops: all.ops.map((on, i) => on && only.includes(OP_KINDS[i]!)) };
  const out = new Int32Array(4096);
  const met = new OneBehaviour({
    save: () => world.columns.snapshot(),
    load: (state) => world.columns.restore(state),
    // Of interleavings there are many.
    behaviour: () => behaviour(world, key, grain, walk.tasks === undefined ? all : alphabet),
  });
  for (let i = 0; i < steps; i++) {
    if (i % 14 === 0 || world.ended) world.reset();
    const n = world.enumerate(alphabet, out);
    const step = out[rng.below(n)]!;
    const outcome = world.step(step);
    if (outcome === INVALID) expect.fail(`step ${i} was enumerated and is none`);
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    if (world.ended) continue;
    met.meet(stateText(world, key));
  }
  return met.compared;
}
