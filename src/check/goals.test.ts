// @slow: searches whole scopes
import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../../properties/index.ts';
import type { PageKind } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { fastOf, GUP_VARIANTS, writeOf } from '../ops/gup.ts';
import { type Alphabet, OP_KINDS, type OpKind, opOf } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import type { ObservationKind } from '../property/property.ts';
import { goalsOfWalks, lacking, OBSERVED_IN } from './goals.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';
import { specOf } from './search.ts';

const setupOf = (
  kinds: readonly PageKind[],
  mms: number,
  refs: number,
  filesystem = 'ext4-v5.18',
): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms,
  refs,
  pinBias: 1024,
});
const without = (alphabet: Alphabet, ...kinds: OpKind[]): Alphabet => ({
  ...alphabet,
  ops: alphabet.ops.map((on, at) => on && !kinds.includes(OP_KINDS[at]!)),
});

describe('which operation shows what', () => {
  it('is what programs see', () => {
    const seen = new Map<ObservationKind, Set<OpKind>>();
    const setup = setupOf(['anon', 'shared-file', 'private-file'], 2, 2, 'ext4-v5.18-stable');
    const alphabet = alphabetFor(setup, GUP_VARIANTS);
    const out = new Int32Array(4096);
    const rng = new Rng();
    // Stores to a folio that the filesystem was not told of are seen only where write access is given back too boldly.
    const bold = derive(
      policyByName('longterm-ban'),
      { id: 'bold', title: 'mprotect always upgrades', sources: [] },
      { protectUpgrade: [table(otherwise('upgrade'))] },
    );
    for (const policy of [...BUILT_IN, bold].map((p) => expandPolicy(p))) {
      const world = new World(setup, policy);
      world.checkInvariants = false;
      let op: OpKind = 'read';
      world.onObservation = (o) => seen.set(o.kind, (seen.get(o.kind) ?? new Set()).add(op));
      for (let run = 0; run < 2000; run++) {
        rng.seed(run, 5, 7, 9);
        world.reset();
        for (let n = 0; n < 40 && !world.ended; n++) {
          const step = out[rng.below(world.enumerate(alphabet, out))]!;
          op = OP_KINDS[opOf(step)]!;
          world.step(step);
        }
      }
    }
    const sorted = (list: Iterable<OpKind>): OpKind[] => [...list].sort();
    expect(Object.fromEntries([...seen].map(([kind, ops]) => [kind, sorted(ops)]))).toEqual(
      Object.fromEntries(Object.entries(OBSERVED_IN).map(([kind, ops]) => [kind, sorted(ops)])),
    );
  });
});

describe('what a scope lacks', () => {
  const unfit = (setup: Setup, alphabet: Alphabet = alphabetFor(setup, PLAIN_GUPS)): string[] =>
    PROPERTIES.filter((p) => lacking(p, setup, alphabet) !== undefined).map((p) => p.id);
  const FILES = ['no-crash', 'fs-state', 'fs-notified', 'stable-writeback', 'durability'];

  it('a file that tracks dirty pages', () => {
    expect(unfit(setupOf(['anon'], 2, 1))).toEqual(FILES);
    expect(unfit(setupOf(['shmem'], 2, 1))).toEqual(FILES);
    expect(unfit(setupOf(['shared-file'], 2, 1))).toEqual(['stable-writeback']);
    expect(unfit(setupOf(['shared-file'], 2, 1, 'ext4-v5.18-stable'))).toEqual([]);
  });

  it('an operation, or references', () => {
    const setup = setupOf(['anon'], 2, 1);
    const all = alphabetFor(setup, PLAIN_GUPS);
    expect(unfit(setup, without(all, 'read'))).toEqual(['cpu-view', ...FILES]);
    expect(unfit(setup, without(all, 'gup'))).toEqual(['get-lifetime', ...FILES]);
    expect(unfit(setup, without(all, 'read', 'gup'))).toEqual([
      'isolation',
      'pin-coherence',
      'cpu-view',
      'get-lifetime',
      ...FILES,
    ]);
  });

  it('no store, where GUP-fast for writing is left', () => {
    const setup = setupOf(['anon'], 2, 1);
    const lacks = (fast: boolean): boolean =>
      unfit(
        setup,
        without(
          alphabetFor(
            setup,
            GUP_VARIANTS.filter((v) => !writeOf(v) || fastOf(v) === fast),
          ),
          'write',
        ),
      ).includes('protection');
    expect([lacks(true), lacks(false)]).toEqual([false, true]);
  });

  it('is nothing where a goal is met', () => {
    const setup = setupOf(['shared-file', 'anon'], 2, 2, 'ext4-v5.18-stable');
    const policy = expandPolicy(policyByName('mapcount'));
    const alphabet = alphabetFor(setup, PLAIN_GUPS);
    const all = PROPERTIES.map((p) => p.id);
    expect([...goalsOfWalks(specOf({ setup, policy, alphabet }), 24, all)].sort()).toEqual([...all].sort());
  });
});

describe('goals of walks', () => {
  const setup = setupOf(['anon'], 1, 1);
  const policy = expandPolicy(policyByName('longterm-ban'));
  const spec = specOf({ setup, policy, alphabet: alphabetFor(setup, PLAIN_GUPS) });
  const goals = (depth: number): string[] => [
    ...goalsOfWalks(spec, depth, ['isolation', 'pin-coherence', 'cpu-view', 'get-lifetime']),
  ];

  it('are met within the depth, and those only that the scope allows', () => {
    expect(goals(1)).toEqual([]);
    expect(goals(2)).toEqual(['cpu-view']);
    expect(goals(3)).toEqual(['pin-coherence', 'cpu-view', 'get-lifetime']);
    expect(goals(20)).toEqual(['pin-coherence', 'cpu-view', 'get-lifetime']);
  });
});
