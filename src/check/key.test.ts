import { describe, expect, it } from 'vitest';
import type { PageKind } from '../domain/kinds.ts';
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import { coarseClass, INVALID, World } from '../executor/simulated.ts';
import { expandPolicy } from '../machine/tables.ts';
import { bOf, cOf, OP_KINDS, opOf } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';
import { GRAINS, type Grain, KeyEncoder } from './key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

const KINDS: readonly (readonly PageKind[])[] = [
  ['anon'],
  ['private-file'],
  ['shared-file'],
  ['shmem'],
  ['private-file', 'shared-file'],
  ['anon', 'anon'],
];

const keyText = (key: KeyEncoder): string => key.words.subarray(0, key.length).join(' ');

/** What a state can do, less the names: per enabled step its kind, page, variant, outcome, findings, successor. */
function behaviour(
  world: World,
  key: KeyEncoder,
  grain: Grain,
  gups: readonly number[],
  out: Int32Array,
): string {
  const alphabet = alphabetFor(world.shape.setup, gups);
  const snapshot = world.columns.snapshot();
  const lines: string[] = [];
  const n = world.enumerate(alphabet, out);
  for (let e = 0; e < n; e++) {
    world.columns.restore(snapshot);
    world.ended = false;
    const step = out[e]!;
    const outcome = world.step(step);
    const found = world.violations
      .map((v) => `${grain === 'class' ? v.code : coarseClass(v.code)}${v.documented ? 'd' : ''}`)
      .join('+');
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    key.encode();
    const next = keyText(key);
    lines.push(
      `${OP_KINDS[opOf(step)]} ${bOf(step)} ${cOf(step)} -> ${outcome} ${found} ${world.ended ? 'end' : next}`,
    );
  }
  world.columns.restore(snapshot);
  world.ended = false;
  return lines.sort().join('\n');
}

/** Random walks; every revisit of a key must find the behaviour that was seen first. Returns the revisits compared. */
function law(
  kinds: readonly PageKind[],
  policyAt: number,
  grain: Grain,
  steps: number,
  seed: number,
): number {
  const setup = { ...pagesOf(kinds, 'ext4-v5.18'), mms: 3, refs: 2, pinBias: 8 };
  const world = new World(setup, expandPolicy(BUILT_IN[policyAt]!));
  const key = new KeyEncoder(world, 'all', grain);
  const rng = new Rng();
  rng.seed(seed, policyAt, kinds.length, 77);
  const alphabet = alphabetFor(setup, PLAIN_GUPS);
  const out = new Int32Array(4096);
  const seen = new Map<string, { behaviour: string; snapshot: string }>();
  let compared = 0;
  for (let i = 0; i < steps; i++) {
    if (i % 14 === 0 || world.ended) world.reset();
    const n = world.enumerate(alphabet, out);
    const step = out[rng.below(n)]!;
    const outcome = world.step(step);
    expect(outcome).not.toBe(INVALID);
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    if (world.ended) continue;
    key.encode();
    const id = keyText(key);
    const snapshot = Buffer.from(world.columns.bytes).toString('base64');
    const first = seen.get(id);
    if (first === undefined)
      seen.set(id, { behaviour: behaviour(world, key, grain, PLAIN_GUPS, out), snapshot });
    else if (first.snapshot !== snapshot) {
      compared++;
      expect(behaviour(world, key, grain, PLAIN_GUPS, out)).toBe(first.behaviour);
    }
  }
  return compared;
}

describe('the law of the key: one key, one behaviour', () => {
  for (const grain of GRAINS)
    for (const [at, policy] of BUILT_IN.entries())
      it.each(KINDS)(`${grain}, ${policy.id}, %s %s`, (...kinds) => {
        // Different concrete states with one key must turn up, or the test compares nothing.
        expect(law(kinds, at, grain, 1500, 4711)).toBeGreaterThan(20);
      });
});
