import { describe, expect, it } from 'vitest';
import type { PageKind } from '../domain/kinds.ts';
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { expandPolicy } from '../machine/tables.ts';
import { bOf, cOf, OP_KINDS, opOf } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';
import { KeyEncoder, KeySet } from './key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

const KINDS: readonly (readonly PageKind[])[] = [
  ['anon'],
  ['private-file'],
  ['shared-file'],
  ['shmem'],
  ['private-file', 'shared-file'],
  ['anon', 'anon'],
];

/** What a state can do, less the names: per enabled step its kind, page, variant, outcome, findings, successor. */
function behaviour(world: World, key: KeyEncoder, gups: readonly number[], out: Int32Array): string {
  const alphabet = alphabetFor(world.shape.setup, gups);
  const snapshot = world.columns.snapshot();
  const lines: string[] = [];
  const n = world.enumerate(alphabet, out);
  for (let e = 0; e < n; e++) {
    world.columns.restore(snapshot);
    world.ended = false;
    const step = out[e]!;
    const outcome = world.step(step);
    const found = world.violations.map((v) => `${v.code}${v.documented ? 'd' : ''}`).join('+');
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    key.encode();
    const next = Buffer.from(key.bytes.subarray(0, key.length)).toString('base64');
    lines.push(
      `${OP_KINDS[opOf(step)]} ${bOf(step)} ${cOf(step)} -> ${outcome} ${found} ${world.ended ? 'end' : next}`,
    );
  }
  world.columns.restore(snapshot);
  world.ended = false;
  return lines.sort().join('\n');
}

/** Random walks; every revisit of a key must find the behaviour that was seen first. Returns the revisits compared. */
function law(kinds: readonly PageKind[], policyAt: number, steps: number, seed: number): number {
  const setup = { ...pagesOf(kinds, 'ext4-v5.18'), mms: 3, refs: 2, pinBias: 8 };
  const world = new World(setup, expandPolicy(BUILT_IN[policyAt]!));
  const key = new KeyEncoder(world);
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
    const id = Buffer.from(key.bytes.subarray(0, key.length)).toString('base64');
    const snapshot = Buffer.from(world.columns.bytes).toString('base64');
    const first = seen.get(id);
    if (first === undefined) seen.set(id, { behaviour: behaviour(world, key, PLAIN_GUPS, out), snapshot });
    else if (first.snapshot !== snapshot) {
      compared++;
      expect(behaviour(world, key, PLAIN_GUPS, out)).toBe(first.behaviour);
    }
  }
  return compared;
}

describe('the law of the key: one key, one behaviour', () => {
  for (const [at, policy] of BUILT_IN.entries())
    for (const kinds of KINDS)
      it(`${policy.id}, ${kinds.join(' + ')}`, () => {
        // Different concrete states with one key must turn up, or the test compares nothing.
        expect(law(kinds, at, 1500, 4711)).toBeGreaterThan(20);
      });
});

describe('KeySet', () => {
  it('numbers new keys in order and knows old ones, also beyond its first size', () => {
    const set = new KeySet();
    const key = new Uint8Array(40);
    for (let i = 0; i < 20_000; i++) {
      key[0] = i & 255;
      key[20] = i >> 8;
      expect(set.add(key, 30 + (i % 7))).toBe(i);
    }
    for (let i = 0; i < 20_000; i += 97) {
      key[0] = i & 255;
      key[20] = i >> 8;
      expect(set.add(key, 30 + (i % 7))).toBe(-1);
    }
  });
});
