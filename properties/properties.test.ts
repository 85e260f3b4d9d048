/**
 * All properties on every built-in policy, as somebody would test a policy of their own: fc.commands and fc.modelRun.
 * What each policy breaks is written down from docs/model.md, not from what the machine does: every break must be
 * found (the tester can see), and nothing else may break. Kept promises are evidence by chance here; src/check has
 * the exhaustive ones.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../src/check/scope.ts';
import type { PageKind } from '../src/domain/kinds.ts';
import type { Setup } from '../src/domain/setup.ts';
import { type BrokenPromise, gupCommands, modelAndReal } from '../src/fuzz/commands.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { gupVariant } from '../src/ops/gup.ts';
import { BUILT_IN, policyByName } from '../src/policies/index.ts';
import { PROPERTIES } from './index.ts';

/** Programs per policy and setup in which only the expected may break, and at most so many until a break is found. */
const KEPT_RUNS = 1000;
const FOUND_RUNS = 60_000;
const SEED = 20_240_612;

const setup = (kind: PageKind, filesystem: string, mms: number, refs: number): Setup => ({
  ...pagesOf([kind], filesystem),
  mms,
  refs,
  pinBias: 1024,
});

const SETUPS = {
  anon: setup('anon', '', 2, 2),
  'private file': setup('private-file', 'ext4-v5.18', 2, 2),
  'shared file': setup('shared-file', 'ext4-v5.18', 1, 1),
  'shared file, stable pages': setup('shared-file', 'ext4-v5.18-stable', 1, 1),
  'shared file, ext4 before v5.18': setup('shared-file', 'ext4-v5.17', 1, 1),
  shmem: setup('shmem', '', 2, 2),
  'private shmem': setup('private-shmem', '', 2, 2),
} as const;
type SetupName = keyof typeof SETUPS;

/** With few ways to take a reference a break is found sooner than with all. */
const R_GET = gupVariant('get', false, false, false);
const W_GET = gupVariant('get', true, false, false);
const W_PIN = gupVariant('pin', true, false, false);
const R_PIN_LT = gupVariant('pin', false, true, false);
const DIO_READ = gupVariant('o_direct_read', true, false, false);

/**
 * What breaks, references that show it, and why that is so (B..: docs/model.md). `rarely`: it takes more luck
 * than a small budget has, so it is not demanded here; check/search.test.ts has it.
 */
type Break = readonly [property: string, gups: readonly number[] | 'rarely', why: string];
type Breaks = { readonly [S in SetupName]?: readonly Break[] };

const OLDER = 'follows from a lost device store: a reference taken after it shows what was there before';

/** Any kernel with short pins or GETs of shared file pages: the filesystem is not told of what the device stores. */
function behindTheFilesystem(gup: number, stripped: string): Breaks {
  const unnotified: Break = [
    'fs-notified',
    [gup],
    'B46: writeback between gup and unpin(dirty), for ever unsolved',
  ];
  const stateless: Break = ['fs-state', [gup], stripped];
  const dropped: readonly Break[] = [
    unnotified,
    stateless,
    ['no-crash', [gup], 'B48: ext4 warns about a dirty folio without buffers'],
    ['durability', [gup], 'B48: and does not write it'],
    ['pin-coherence', [gup], 'B48: then reclaim takes the only copy of what the device stored'],
    ['get-lifetime', 'rarely', OLDER],
  ];
  return {
    'shared file': dropped,
    'shared file, stable pages': [
      ['stable-writeback', [gup], 'B49: no release makes a device wait'],
      ...dropped,
    ],
    'shared file, ext4 before v5.18': [unnotified, stateless, ['no-crash', [gup], 'B47: BUG in writepage']],
  };
}
const UNTIL_V6_4 = behindTheFilesystem(
  DIO_READ,
  'B47: reclaim takes the buffers off a clean folio under a reference',
);
const SINCE_V6_5 = behindTheFilesystem(W_GET, 'B47: d824ec2a1546 spares pinned folios, and a GET is no pin');

const B02 = 'B01, B02, CVE-2020-29374: a page mapped once is reused, whoever holds a reference to it';
const B06 = 'B06: fork looks at no pins, and the write after it leaves the pinned page to the child';
const B09 = 'B09: after mprotect(r), mprotect(rw) a write copies, and the reference is left behind';

const NEVER_DIRTY: readonly Break[] = [
  ['durability', [DIO_READ], 'unpin never dirties'],
  ['pin-coherence', [DIO_READ], 'then reclaim takes the only copy of what the device stored'],
  ['get-lifetime', 'rarely', OLDER],
];

const EXPECTED: { readonly [policy: string]: Breaks } = {
  'v5.7-mapcount': {
    anon: [
      ['isolation', [R_GET], B02],
      ['pin-coherence', [W_PIN], B06],
      ['get-lifetime', [W_PIN, R_GET], OLDER],
    ],
    'private file': [
      ['isolation', [W_PIN], B02],
      ['pin-coherence', [R_PIN_LT], 'B19: a R/O long-term pin stays on the cache folio'],
      ['get-lifetime', [W_PIN, R_GET], OLDER],
    ],
    ...UNTIL_V6_4,
  },
  'v5.8-cow-break': {
    anon: [
      ['isolation', [R_GET], 'B02: a reference taken before fork is not protected'],
      ['pin-coherence', [W_PIN], B06],
      ['get-lifetime', [W_PIN, R_GET], OLDER],
    ],
    'private file': [
      ['isolation', [W_PIN], 'B02: as anon'],
      ['pin-coherence', [W_PIN], B06],
      ['get-lifetime', [W_PIN, R_GET], OLDER],
    ],
    ...UNTIL_V6_4,
  },
  'v5.11-page-count': {
    anon: [
      ['pin-coherence', [R_PIN_LT], 'B17, B18: the first write leaves a R/O pin behind'],
      ['pin-coherence', [W_GET], B09],
      ['get-lifetime', 'rarely', OLDER],
    ],
    'private file': [
      ['pin-coherence', [R_PIN_LT], 'B19: a R/O long-term pin stays on the cache folio'],
      ['pin-coherence', [W_GET], B09],
      ['get-lifetime', 'rarely', OLDER],
    ],
    ...UNTIL_V6_4,
  },
  // 84209e87c696 (B17 to B19), 6c287605fd56 (B01, B02, B06, B09): nothing is left on private pages.
  'v6.2-anon-exclusive': UNTIL_V6_4,
  'v6.5-longterm-ban': SINCE_V6_5,
  canary: {
    anon: [['isolation', [R_GET], 'a write fault never copies']],
    'private file': [['isolation', [R_GET], 'a write fault never copies']],
    'shared file': NEVER_DIRTY,
    'shared file, stable pages': [['stable-writeback', [W_GET], 'B49: as v6.5'], ...NEVER_DIRTY],
    'shared file, ext4 before v5.18': NEVER_DIRTY,
  },
};

const named = BUILT_IN.map((p) => p.id);

it('has an expectation for every policy', () => {
  expect(Object.keys(EXPECTED)).toEqual(named);
});

describe.each(named)('%s', (id) => {
  const policy = expandPolicy(policyByName(id));
  for (const name of Object.keys(SETUPS) as SetupName[]) {
    // do_cow_fault(), wp_page_copy() and gup_must_unshare() ask whether a folio is anonymous, not whose it is otherwise.
    const breaks = EXPECTED[id]?.[name === 'private shmem' ? 'private file' : name] ?? [];
    const start = modelAndReal(SETUPS[name], policy);

    for (const [property, gups, why] of breaks) {
      if (gups === 'rarely') continue;
      it(`breaks ${property} on ${name} (${why})`, () => {
        const found = fc.check(
          fc.property(gupCommands(SETUPS[name], { properties: [property], claims: true, gups }), (commands) =>
            fc.modelRun(start, commands),
          ),
          { seed: SEED, numRuns: FOUND_RUNS, endOnFailure: true },
        );
        expect(found.failed).toBe(true);
        expect((found.errorInstance as Error).message).toMatch(new RegExp(`^${property}/`));
        expect(((found.errorInstance as Error).cause as BrokenPromise).scenario.steps.length).toBeGreaterThan(
          1,
        );
      });
    }

    const kept = PROPERTIES.map((p) => p.id).filter((p) => !breaks.some(([property]) => property === p));
    it(`keeps ${kept.length === PROPERTIES.length ? 'all' : kept.join(', ')} on ${name}`, () => {
      fc.assert(
        fc.property(gupCommands(SETUPS[name], { properties: kept, claims: true }), (commands) =>
          fc.modelRun(start, commands),
        ),
        { seed: SEED, numRuns: KEPT_RUNS },
      );
    });
  }
});

// No table of a policy decides this, but for GUP-fast, so the machine is made wrong.
it('protection breaks where stores look at no VMA', () => {
  const start = (): ReturnType<ReturnType<typeof modelAndReal>> => {
    const at = modelAndReal(SETUPS.shmem, expandPolicy(policyByName('v6.5-longterm-ban')))();
    at.real.world.machine.vmaAllows = () => true;
    return at;
  };
  const found = fc.check(
    fc.property(gupCommands(SETUPS.shmem, { properties: ['protection'], gups: [R_GET] }), (commands) =>
      fc.modelRun(start, commands),
    ),
    { seed: SEED, numRuns: KEPT_RUNS },
  );
  expect(found.failed).toBe(true);
  const { classId, scenario } = (found.errorInstance as Error).cause as BrokenPromise;
  expect(classId).toBe('protection/unprotected/shmem/-/-->cpu');
  expect(scenario.steps.map((step) => step.op)).toEqual(['mprotect', 'write']);
});
