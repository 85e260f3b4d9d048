/**
 * Policies that are wrong each in another way, and harmless ones, judged beside their base on the same drawn programs.
 * The first are to be found, the others to be silent.
 */
// @slow: programs of a campaign beside every base
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClass, World } from '../executor/simulated.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { ProgramArbitrary } from '../fuzz/program.ts';
import { before, derive, otherwise, type Policy, replace, rule, table, without } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { baseOf } from '../policies/base.ts';
import { policyByName } from '../policies/index.ts';
import { Beside, BrokenList } from './beside.ts';

const RUNS = 2500;
const setups = setupsOf('default', 'all');
const arbitrary = new ProgramArbitrary(new Generator(setups));

/** Properties by which `policy` regresses on some program, sorted. */
function regressedProperties(policy: Policy, base: ExpandedPolicy): string[] {
  const expanded = expandPolicy(policy);
  const worlds = setups.map((setup) => new World(setup, { ...expanded }));
  const besides = setups.map((setup) => new Beside(setup, base));
  const properties = new Set<string>();
  const list = new BrokenList();
  fc.assert(
    fc.property(arbitrary, (program) => {
      const world = worlds[program.setupAt]!;
      world.reset();
      list.clear();
      const outcomes: number[] = [];
      for (let i = 0; i < program.length && !world.ended; i++) {
        outcomes.push(world.step(program.packed![i]!));
        list.add(i, world.violations);
      }
      const judged = besides[program.setupAt]!.judge(program.packed!, outcomes.length, outcomes, list.broken);
      for (const { code, verdict } of judged)
        if (verdict === 'regression') properties.add(decodeClass(code).property);
    }),
    { numRuns: RUNS, seed: 11 },
  );
  return [...properties].sort();
}

const mine = (id: string, edits: Parameters<typeof derive>[2], base = 'longterm-ban'): Policy =>
  derive(policyByName(base), { id, title: id, sources: [] }, edits);
const baseOfMine = (policy: Policy): ExpandedPolicy => expandPolicy(baseOf(policy)!);

/** What each breaks that its base keeps, among other things. */
const WRONG: readonly (readonly [Policy, string])[] = [
  [mine('writeback never writes', { wbBegin: [table(otherwise('keep dirty'))] }), 'durability'],
  [mine('a store always copies', { wpFault: [table(otherwise('copy'))] }), 'pin-coherence'],
  [mine('a store never copies', { wpFault: [table(otherwise('reuse'))] }), 'isolation'],
  [mine('exclusive pages are counted again', { wpFault: [without('exclusive')] }), 'pin-coherence'],
  [mine('fork forgets pins', { forkPte: [table(otherwise('share'))] }), 'pin-coherence'],
  [
    mine('R/O pins do not unshare', {
      gupSlow: [without('R/O pin of an anon page, not exclusive')],
      gupFast: [without('R/O pin of an anon page, not exclusive')],
    }),
    'pin-coherence',
  ],
  [
    mine('R/O long-term pins of a COW mapping do not unshare', {
      gupSlow: [without('R/O long-term pin in a COW mapping')],
    }),
    'pin-coherence',
  ],
  [mine('unsharing shares', { unshareFault: [table(otherwise('reuse'))] }), 'isolation'],
  [mine('GUP-fast forgets R/O', { gupFast: [without('FOLL_WRITE on a R/O pte')] }), 'isolation'],
  [
    mine('GUP-fast forgets R/O of shmem', {
      gupFast: [
        before(
          'FOLL_WRITE on a R/O pte',
          rule('shmem', (f) => f.shmem, 'return'),
        ),
      ],
    }),
    'protection',
  ],
  [mine('mprotect always gives write', { protectUpgrade: [table(otherwise('upgrade'))] }), 'isolation'],
  [mine('unpin never dirties', { unpinDirty: [table(otherwise('ignore'))] }), 'durability'],
  [mine('reclaim does not look for pins', { stripBuffers: [without('reclaim, maybe pinned')] }), 'no-crash'],
  [
    mine('long-term pins of files again', {
      gupSlow: [without('writable_file_mapping_allowed()')],
      gupFast: [without('folio_fast_pin_allowed()')],
    }),
    'fs-notified',
  ],
  [
    mine('pinned pages stay dirty', {
      wbBegin: [
        before(
          'otherwise',
          rule('pinned', (f) => f.maybeDmaPinned, 'keep dirty'),
        ),
      ],
    }),
    'durability',
  ],
  [mine('no page count', { wpFault: [table(otherwise('reuse'))] }, 'v5.11-page-count'), 'isolation'],
];

const HARMLESS: readonly Policy[] = [
  mine('the same', {}),
  mine('the same, said otherwise', {
    wpFault: [
      replace(
        'only reference',
        rule('alone', (f) => f.refcount === 1, 'reuse'),
      ),
    ],
  }),
  mine('fork copies all', {
    forkPte: [
      before(
        'otherwise',
        rule('anon', (f) => f.frame === 'anon', 'copy'),
      ),
    ],
  }),
  mine('no reference for anybody', { gupKind: [table(otherwise('EFAULT'))] }),
  mine('no GUP-fast', { gupFast: [table(otherwise('bail'))] }),
  mine('no long-term pins', {
    gupSlow: [
      before(
        'no page, FOLL_WRITE',
        rule('long-term', (f) => f.pin && f.longterm, 'EFAULT'),
      ),
    ],
    gupFast: [
      before(
        'FOLL_WRITE on a R/O pte',
        rule('long-term', (f) => f.pin && f.longterm, 'bail'),
      ),
    ],
  }),
  mine('no upgrade at mprotect', { protectUpgrade: [table(otherwise('keep'))] }),
  mine('the zero page is counted', { zeroPagePin: [table(otherwise('count'))] }),
];

describe('wrong policies are found', () => {
  it.each(
    WRONG.map(([policy, property]) => [policy.id, property, policy] as const),
  )('%s: %s', (_, property, policy) => {
    expect(regressedProperties(policy, baseOfMine(policy))).toContain(property);
  });
});

describe('harmless ones are silent', () => {
  it.each(HARMLESS.map((policy) => [policy.id, policy] as const))('%s', (_, policy) => {
    expect(regressedProperties(policy, baseOfMine(policy))).toEqual([]);
  });
});
