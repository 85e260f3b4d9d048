import { describe, expect, it } from 'vitest';
import { alphabetFor, pagesOf } from '../check/scope.ts';
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { MACHINE_COLUMNS } from '../machine/machine.ts';
import { expandPolicy } from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import { opOf } from '../ops/op.ts';
import { placesOf } from '../ops/pauses.ts';
import { BUILT_IN } from '../policies/index.ts';
import { HANDLE_LIVE, REFERENCE_COLUMNS } from '../reference/reference.ts';
import { IN_FLIGHT, INVALID, World } from './simulated.ts';

const SETUP: Setup = {
  ...pagesOf(['anon', 'private-file', 'shared-file'], 'ext4-v5.18'),
  mms: 3,
  refs: 2,
  pinBias: 8,
};

type Lists = { readonly [name: string]: ArrayLike<number> | undefined };

/** Columns that are not the same in both, as far as both have them: tasks need more page frames, and rows of their own. */
const differing = (a: World, b: World): string[] =>
  [
    [MACHINE_COLUMNS, a.machine, b.machine],
    [REFERENCE_COLUMNS, a.reference, b.reference],
  ].flatMap(([declarations, x, y]) =>
    Object.keys(declarations!).flatMap((name) => {
      const [left, right] = [(x as unknown as Lists)[name], (y as unknown as Lists)[name]];
      if (left === undefined || right === undefined) return [];
      const length = Math.min(left.length, right.length);
      const [had, has] = [left, right].map((list) => String(Array.from(list).slice(0, length)));
      return had === has ? [] : [`${name}: ${had} and ${has}`];
    }),
  );

/** What a name showed that stands for nothing is nobody's to ask: a gup that is refused has shown something since it began. */
function forget({ reference, shape }: World): void {
  for (let h = 0; h < shape.refs; h++) {
    if (reference.handleState[h] === HANDLE_LIVE) continue;
    const row = reference.cells + shape.files + h;
    for (let t = 0; t < shape.tokens; t++) reference.seen.remove(row, t);
  }
}

describe('an operation that pauses before each of its steps, and nothing happens meanwhile', () => {
  it.each(BUILT_IN)('$id: is the operation at once', (policy) => {
    const paused = new World({ ...SETUP, tasks: 2 }, expandPolicy(policy));
    const coarse = new World(SETUP, expandPolicy(policy));
    const out = new Int32Array(4096);
    const alphabet = alphabetFor(SETUP);
    const met = new Set<string>();
    const rng = new Rng();
    rng.seed(1, 2, 3, 4);
    for (let i = 0; i < 1200; i++) {
      if (i % 20 === 0 || coarse.ended) {
        coarse.reset();
        paused.reset();
      }
      const step = out[rng.below(coarse.enumerate(alphabet, out))]!;
      const seen: number[] = [];
      let outcome = placesOf(step).length > 0 ? paused.begin(0, step) : paused.step(step);
      seen.push(...paused.violations.map((v) => v.code));
      while (outcome === IN_FLIGHT) {
        expect(paused.canAdvance(0)).toBe(true);
        met.add(OPS[opOf(step)]!.kind);
        outcome = paused.advance(0);
        seen.push(...paused.violations.map((v) => v.code));
      }
      expect(outcome).toBe(coarse.step(step));
      expect(outcome).not.toBe(INVALID);
      expect(seen).toEqual(coarse.violations.map((v) => v.code));
      expect(paused.ended).toBe(coarse.ended);
      forget(paused);
      forget(coarse);
      expect(differing(paused, coarse)).toEqual([]);
      if (outcome === REFUSED || outcome === BLOCKED) for (const world of [paused, coarse]) world.dropVoid();
    }
    expect([...met].sort()).toEqual(['fork', 'gup', 'read', 'write']);
  });
});
