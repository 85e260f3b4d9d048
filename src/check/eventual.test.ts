// @slow: searches whole scopes
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BLOCKED, type PageKind, REFUSED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { before, type Changes, derive, otherwise, type Policy, rule, table } from '../machine/policy.ts';
import { F_DIRTY, NO_PFN, P_DIRTY } from '../machine/machine.ts';
import { expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, OP_KINDS, type OpKind, opOf } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';
import { longtermBan } from '../policies/v6.5-longterm-ban.ts';
import { Binding, type Step, stepText } from '../scenario/scenario.ts';
import { judgeEventual } from './eventual.ts';
import { type EventualOptions, NotClosedError } from './eventual-graph.ts';
import {
  EVENTUAL,
  type EventualId,
  type EventualReport,
  type EventualResult,
  newBans,
} from './eventual-properties.ts';
import { KeyEncoder } from './key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

// ---- Policies that nobody shipped, each v6.5 with one change ------------------------------------------------------

const variant = (id: string, changes: Changes): Policy =>
  derive(longtermBan, { id, title: id, sources: ['a test'] }, changes);

/** Do not write pinned pages: they may change while they are written. */
const KEEP_DIRTY = variant('keep-dirty', {
  wbBegin: [
    before(
      'otherwise',
      rule('maybe pinned', (f) => f.maybeDmaPinned, 'keep dirty'),
    ),
  ],
});
/** The same for any reference. */
const KEEP_DIRTY_ANY = variant('keep-dirty-any', {
  wbBegin: [
    before(
      'otherwise',
      rule('references', (f) => f.extraRefs, 'keep dirty'),
    ),
  ],
});
/** Hubbard and Kara: background writeback leaves pinned pages alone, integrity writeback writes a copy. */
const BOUNCE = variant('bounce', {
  wbBegin: [
    before(
      'otherwise',
      rule('background, maybe pinned', (f) => f.mode === 'NONE' && f.maybeDmaPinned, 'keep dirty'),
      rule('maybe pinned', (f) => f.maybeDmaPinned, 'bounce'),
    ),
  ],
});
const NEVER_WRITE = variant('never-write', { wbBegin: [table(otherwise('keep dirty'))] });
const NEVER_STRIP = variant('never-strip', { stripBuffers: [table(otherwise('keep'))] });
/** GUP takes no page under writeback for writing, but faults on it. */
const NO_WRITEBACK = variant('no-gup-under-writeback', {
  gupSlow: [
    before(
      'no page, FOLL_WRITE',
      rule('writeback', (f) => f.write && f.writeback, 'write fault'),
    ),
  ],
});
const MKWRITE = variant('mkwrite-at-unpin', { unpinDirty: [table(otherwise('mkwrite then dirty'))] });
const NO_PINS = variant('no-pins', {
  gupSlow: [
    before(
      'no page, FOLL_WRITE',
      rule('pin', (f) => f.pin, 'EOPNOTSUPP'),
    ),
  ],
});
const NO_DIRTY_PINS = variant('no-pin-of-a-dirty-page', {
  gupSlow: [
    before(
      'no page, FOLL_WRITE',
      rule('dirty', (f) => f.pin && f.frame === 'anon' && f.pteDirty, 'EFAULT'),
    ),
  ],
});
/** A page of the cache that somebody else holds is not unshared, but GUP asks for it until it is. */
const NO_UNSHARE = variant('no-unshare-while-held', {
  unshareFault: [
    before(
      'otherwise',
      rule('held', (f) => f.frame === 'file' && f.refcount > 2, 'none'),
    ),
  ],
});

// ---- Scopes ------------------------------------------------------------------------------------------------------

const scope = (
  kind: PageKind,
  { mms = 1, refs = 1, filesystem = 'ext4-v5.18', pinBias = 1024 } = {},
): Setup => ({ ...pagesOf([kind], filesystem), mms, refs, pinBias });
const FILE = scope('shared-file');
const PINS = [false, true].map((write) => gupVariant('pin', write, true, false));

function judge(policy: Policy, setup: Setup = FILE, more: Partial<EventualOptions> = {}): EventualReport {
  return judgeEventual({
    setup,
    policy: expandPolicy(policy),
    alphabet: alphabetFor(setup, PLAIN_GUPS),
    statesMax: 200_000,
    ...more,
  });
}
const without = (alphabet: Alphabet, ...kinds: OpKind[]): Alphabet => ({
  ...alphabet,
  ops: alphabet.ops.map((on, i) => on && !kinds.includes(OP_KINDS[i]!)),
});
const resultOf = (report: EventualReport, id: EventualId): EventualResult =>
  report.results.find((r) => r.property.id === id)!;
const broken = (report: EventualReport): EventualId[] =>
  report.results.filter((r) => r.verdict === 'broken').map((r) => r.property.id);
const text = (steps: readonly Step[]): string => steps.map(stepText).join('; ');
/** The first trap: program, and the loop or the number of states. */
function trap(report: EventualReport, id: EventualId): string {
  const [t] = resultOf(report, id).traps;
  if (t === undefined) return resultOf(report, id).verdict;
  return `${text(t.steps)} | ${t.argument === 'lasso' ? text(t.loop) : `${t.trapStates} states`}`;
}

// ---- Independent looks at a trap ---------------------------------------------------------------------------------

/** A world that has run these steps, and what is asked of it after each of the last ones. */
function replay(
  policy: Policy,
  setup: Setup,
  steps: readonly Step[],
  each?: (w: World, i: number) => void,
): World {
  const world = new World(setup, expandPolicy(policy));
  const binding = new Binding(setup);
  steps.forEach((step, i) => {
    const packed = binding.pack(step);
    expect(packed, stepText(step)).toBeGreaterThanOrEqual(0);
    const outcome = world.step(packed);
    binding.executed(step, world);
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    each?.(world, i);
  });
  return world;
}
function dirty({ machine: m }: World): boolean {
  const pfn = m.cache[0]!;
  if (pfn === NO_PFN) return false;
  return (
    (m.flags[pfn]! & F_DIRTY) !== 0 || [...m.pfn].some((p, i) => p === pfn && (m.pte[i]! & P_DIRTY) !== 0)
  );
}
function keyOf(world: World): string {
  const key = new KeyEncoder(world, 'all', 'property');
  key.encode();
  return key.words.subarray(0, key.length).join(' ');
}

/** Walks at random from where the steps lead, within what `allowed` says; `look` after each step. */
function wander(
  world: World,
  alphabet: Alphabet,
  allowed: (step: number) => boolean,
  look: (world: World) => void,
): void {
  const out = new Int32Array(4096);
  const start = world.columns.snapshot();
  for (let walk = 0; walk < 30; walk++) {
    world.columns.restore(start);
    const rng = new Rng();
    rng.seed(walk + 1, 2, 3, 4);
    for (let i = 0; i < 100 && !world.ended; i++) {
      const enabled = [...out.subarray(0, world.enumerate(alphabet, out))].filter(allowed);
      if (enabled.length === 0) break;
      const outcome = world.step(enabled[rng.below(enabled.length)]!);
      if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
      look(world);
    }
    world.ended = false;
  }
}

/** What is broken where writeback of a page without buffers stops the kernel. The canary dirties no page at unpin. */
const B47 = new Map<string, readonly EventualId[]>(
  BUILT_IN.map(({ id }) => [id, id === 'canary' ? [] : ['writeback-cleans']]),
);

describe('built-in policies', () => {
  it.each(BUILT_IN)('$id: no trap and no livelock', (policy) => {
    for (const setup of [
      FILE,
      scope('shared-file', { filesystem: 'ext4-v5.18-stable' }),
      scope('shared-file', { filesystem: 'ext4-v5.17' }),
      scope('anon', { refs: 2 }),
      scope('private-file'),
      scope('shmem', { mms: 2 }),
    ]) {
      // Else private pages alone take as long as all the rest.
      const alphabet = alphabetFor(setup, setup.pages[0]!.kind === 'private-file' ? PINS : PLAIN_GUPS);
      // B47: buffers taken off under a reference, and writeback of what its holder dirties is a BUG.
      const bug = setup.files[0]?.filesystem === 'ext4-v5.17';
      expect(broken(judge(policy, setup, { alphabet }))).toEqual(bug ? B47.get(policy.id) : []);
    }
  });

  it('the questions arise', () => {
    const plain = judge(longtermBan);
    const stable = judge(longtermBan, scope('shared-file', { filesystem: 'ext4-v5.18-stable', refs: 2 }));
    for (const { id } of EVENTUAL) {
      const asked = id.startsWith('granted') ? stable : plain;
      expect(resultOf(asked, id).premises, id).toBeGreaterThan(100);
      expect(resultOf(asked, id).verdict).toBe('holds');
    }
    // Without stable pages nobody waits, and nothing is refused in some states only.
    expect(resultOf(plain, 'granted').verdict).toBe('not tested');
    expect(resultOf(judge(longtermBan, scope('anon')), 'cleanable').verdict).toBe('not tested');
  });

  it('a bias that page cache and buffers reach by themselves keeps v6.5 from reclaiming', () => {
    const setup = scope('shared-file', { pinBias: 2 });
    const alphabet = without(alphabetFor(setup, PLAIN_GUPS), 'drop_caches');
    expect(broken(judge(longtermBan, setup, { alphabet }))).toEqual(['reclaimable']);
  });

  it('steps that stop the kernel are counted, and help nobody', () => {
    const old = scope('shared-file', { filesystem: 'ext4-v5.17' });
    const report = judge(longtermBan, old);
    expect(report.stops).toBeGreaterThan(0);
    expect(resultOf(report, 'cleanable').verdict).toBe('holds');
    expect(text(resultOf(report, 'writeback-cleans').traps[0]!.steps)).toBe(
      'h1 = P: gup F get W; other: fsync f; kernel: reclaim f; device: unpin h1 dirty',
    );
    // If nobody faults, stores or writes again, nothing attaches buffers, and nobody can help.
    const all = alphabetFor(old, [gupVariant('get', true, false, false)]);
    const alphabet = without(all, 'write', 'buffered_write', 'read', 'mprotect', 'madvise');
    const quiet = judge(longtermBan, old, { alphabet });
    expect(broken(quiet)).toEqual(['cleanable', 'writeback-cleans', 'reclaimable']);
    expect(trap(quiet, 'cleanable')).toBe(
      'h1 = P: gup F get W; P: munmap F; other: fsync f; kernel: reclaim f; device: unpin h1 dirty | 1 states',
    );
  });

  it('bans: what is refused in every state is a rule, not a trap', () => {
    const bans = (policy: Policy, gups: readonly number[]): string[] =>
      judge(policy, FILE, { alphabet: alphabetFor(FILE, gups) }).bans.map(
        (b) => `${text(b.steps)}: ${b.answers.join(', ')}`,
      );
    const gups = [gupVariant('pin', true, true, false), gupVariant('fixed_buffer', true, true, false)];
    expect(BUILT_IN.map((policy) => [policy.id, bans(policy, gups)])).toEqual([
      ['v5.7-mapcount', ['h1 = P: gup F fixed_buffer W LONGTERM: EOPNOTSUPP']],
      ['v5.8-cow-break', ['h1 = P: gup F fixed_buffer W LONGTERM: EOPNOTSUPP']],
      ['v5.11-page-count', ['h1 = P: gup F fixed_buffer W LONGTERM: EOPNOTSUPP']],
      ['v6.2-anon-exclusive', ['h1 = P: gup F fixed_buffer W LONGTERM: EOPNOTSUPP']],
      ...['v6.5-longterm-ban', 'canary'].map((id) => [
        id,
        ['h1 = P: gup F pin W LONGTERM: EFAULT', 'h1 = P: gup F fixed_buffer W LONGTERM: EFAULT'],
      ]),
    ]);
  });
});

describe('writeback that leaves pages dirty', () => {
  const HELD: readonly EventualId[] = [
    'cleanable-held',
    'writeback-cleans',
    'fsync-cleans',
    'fsync-cleans-released',
    'flusher-cleans',
    'flusher-cleans-released',
  ];

  it('of pinned pages: not while a pin is held, nor with pins that come and go; after that, yes', () => {
    const report = judge(KEEP_DIRTY);
    expect(broken(report)).toEqual(HELD);
    expect(trap(report, 'cleanable-held')).toBe('h1 = P: gup F pin W | 26 states');
    expect(trap(report, 'fsync-cleans')).toBe(
      'h1 = P: gup F pin R; other: buffered_write f | other: fsync f',
    );
    expect(trap(report, 'flusher-cleans')).toBe(
      'h1 = P: gup F pin R; other: buffered_write f | kernel: wb_start f NONE; kernel: wb_end f',
    );
    const [released] = resultOf(report, 'fsync-cleans-released').traps;
    expect(released!.loop.map((s) => s.op)).toEqual(expect.arrayContaining(['gup', 'fsync', 'unpin']));
  });

  it('a plain GET is no pin to it, but is to one that counts references', () => {
    const gets = { alphabet: alphabetFor(FILE, [gupVariant('get', true, false, false)]) };
    expect(broken(judge(KEEP_DIRTY, FILE, gets))).toEqual([]);
    expect(broken(judge(KEEP_DIRTY_ANY, FILE, gets))).toEqual(HELD);
  });

  it('takes references for pins where the bias is small: then the page is never clean again', () => {
    // Page cache and buffers hold one each.
    const report = judge(KEEP_DIRTY, scope('shared-file', { pinBias: 2 }));
    expect(broken(report)).toEqual(['cleanable', ...HELD, 'reclaimable']);
    expect(trap(report, 'cleanable')).toBe('P: write F | 252 states');
  });

  it('bounce: fsync cleans pinned pages, the flusher does not', () => {
    expect(broken(judge(BOUNCE))).toEqual(['flusher-cleans', 'flusher-cleans-released']);
  });

  it('of integrity writeback alone: the flusher, which is background writeback, cleans', () => {
    const policy = variant('integrity-kept', {
      wbBegin: [
        before(
          'otherwise',
          rule('integrity, maybe pinned', (f) => f.mode === 'ALL' && f.maybeDmaPinned, 'keep dirty'),
        ),
      ],
    });
    expect(broken(judge(policy))).toEqual(['fsync-cleans', 'fsync-cleans-released']);
  });

  it('always: nothing is ever clean, or reclaimed', () => {
    const report = judge(NEVER_WRITE);
    expect(broken(report)).toEqual(['cleanable', ...HELD, 'reclaimable']);
    expect(trap(report, 'cleanable')).toBe('P: write F | 252 states');
    expect(trap(report, 'fsync-cleans-released')).toBe('other: buffered_write f | other: fsync f');
  });
});

describe('other variants', () => {
  it('page_mkwrite at unpin makes no difference here', () => {
    expect(broken(judge(MKWRITE))).toEqual([]);
  });

  it('buffers that nothing strips pin the page in the cache', () => {
    const report = judge(NEVER_STRIP);
    expect(broken(report)).toEqual(['reclaimable']);
    expect(trap(report, 'reclaimable')).toMatch(/^P: write F \| \d+ states$/);
  });

  it('GUP that faults until writeback ends spins where page_mkwrite does not wait', () => {
    const report = judge(NO_WRITEBACK);
    expect(broken(report)).toEqual(['gup-returns']);
    expect(text(resultOf(report, 'gup-returns').traps[0]!.steps)).toBe(
      'P: write F; kernel: wb_start f NONE; h1 = P: gup F get W',
    );
    expect(resultOf(report, 'granted').verdict).toBe('holds');
    expect(broken(judge(NO_WRITEBACK, scope('shared-file', { filesystem: 'ext4-v5.18-stable' })))).toEqual(
      [],
    );
  });

  it('what is refused for ever, though it was possible before', () => {
    const setup = scope('anon', { refs: 2 });
    const report = judge(NO_DIRTY_PINS, setup);
    expect(broken(report)).toEqual(['granted', 'granted-held']);
    const [first] = resultOf(report, 'granted').traps;
    expect(first!.subject).toBe('gup A pin R');
    expect(first!.answers).toEqual(['EFAULT']);
    expect(text(first!.steps)).toBe('P: write A; h1 = P: gup A pin R');
  });

  it('what is refused while somebody holds the page, in a program that does not write', () => {
    const setup = scope('private-file', { refs: 2 });
    const gups = [gupVariant('get', false, false, false), gupVariant('pin', false, true, false)];
    const alphabet = without(alphabetFor(setup, gups), 'write');
    const report = judge(NO_UNSHARE, setup, { alphabet });
    expect(broken(report)).toEqual(['granted-held', 'gup-returns']);
    expect(resultOf(report, 'granted').verdict).toBe('holds');
    // A store has the page copied, and the pin is possible.
    expect(broken(judge(NO_UNSHARE, setup, { alphabet: alphabetFor(setup, gups) }))).toEqual(['gup-returns']);
  });

  it('what is refused from the start is a ban, and news if the policy before grants it', () => {
    const report = judge(NO_PINS);
    expect(broken(report)).toEqual([]);
    expect(newBans(report, judge(longtermBan)).map((b) => `${b.subject}: ${b.answers.join(', ')}`)).toEqual([
      'gup F pin R: EOPNOTSUPP',
      'gup F o_direct_write R: EOPNOTSUPP',
      'gup F pin W: EOPNOTSUPP',
      'gup F o_direct_read W: EOPNOTSUPP',
      'gup F pin R LONGTERM: EOPNOTSUPP',
    ]);
    expect(newBans(judge(longtermBan), judge(longtermBan))).toEqual([]);
  });
});

describe('operations decide', () => {
  it('a writer that waits for writeback waits for ever if it never ends', () => {
    const setup = scope('shared-file', { filesystem: 'ext4-v5.18-stable' });
    const alphabet = without(alphabetFor(setup, PLAIN_GUPS), 'wb_end', 'fsync');
    const report = judge(longtermBan, setup, { alphabet });
    const granted = resultOf(report, 'granted').traps;
    expect(granted.map((t) => t.subject)).toContain('write F');
    expect(granted.find((t) => t.subject === 'write F')!.answers).toEqual(['blocked']);
  });

  it('a page whose writeback never ends is not clean', () => {
    const alphabet = without(alphabetFor(FILE, PLAIN_GUPS), 'wb_end', 'fsync');
    const [first] = resultOf(judge(longtermBan, FILE, { alphabet }), 'cleanable').traps;
    expect(text(first!.steps)).toBe('P: write F');
  });

  it('without an end of writeback nothing is asked of the flusher, and without fsync nothing of fsync', () => {
    const verdicts = (...kinds: OpKind[]): unknown[] => {
      const report = judge(longtermBan, FILE, { alphabet: without(alphabetFor(FILE, PLAIN_GUPS), ...kinds) });
      return (['cleanable', 'fsync-cleans', 'flusher-cleans'] as const).map(
        (id) => resultOf(report, id).verdict,
      );
    };
    expect(verdicts('wb_end')).toEqual(['holds', 'holds', 'not tested']);
    expect(verdicts('fsync')).toEqual(['holds', 'not tested', 'holds']);
  });

  it('where no reference can be held, nothing is said of what is possible while one is', () => {
    const setup = scope('shared-file', { filesystem: 'ext4-v5.18-stable', refs: 0 });
    const report = judge(longtermBan, setup);
    const verdicts = (['cleanable', 'cleanable-held', 'granted', 'granted-held'] as const).map(
      (id) => resultOf(report, id).verdict,
    );
    expect(verdicts).toEqual(['holds', 'not tested', 'holds', 'not tested']);
  });

  it('without writeback nothing is asked of it', () => {
    const alphabet = without(alphabetFor(FILE, PLAIN_GUPS), 'wb_start', 'wb_end', 'fsync');
    const report = judge(longtermBan, FILE, { alphabet });
    for (const id of ['cleanable', 'fsync-cleans', 'flusher-cleans'] as const)
      expect(resultOf(report, id).verdict).toBe('not tested');
  });
});

describe('traps are traps', () => {
  const alphabet = alphabetFor(FILE, PLAIN_GUPS);
  const releases = (step: number): boolean => OPS[opOf(step)]!.releases === true;

  it.each([
    [KEEP_DIRTY, 'cleanable-held'],
    [KEEP_DIRTY_ANY, 'cleanable-held'],
    [NEVER_WRITE, 'cleanable'],
  ] as const)('$id: at random, the page of $1 is never clean again', (policy, id) => {
    const world = replay(policy, FILE, resultOf(judge(policy), id).traps[0]!.steps);
    let looked = 0;
    wander(
      world,
      alphabet,
      (step) => id === 'cleanable' || !releases(step),
      (w) => {
        looked++;
        expect(dirty(w)).toBe(true);
      },
    );
    expect(looked).toBeGreaterThan(1000);
  });

  it.each([
    [KEEP_DIRTY, FILE],
    [KEEP_DIRTY_ANY, FILE],
    [BOUNCE, FILE],
    [NEVER_WRITE, FILE],
    [KEEP_DIRTY, scope('shared-file', { mms: 2 }), PINS],
  ] as const)('$id: a loop ends where it began, dirty all the way', (policy, setup, gups: readonly number[] = PLAIN_GUPS) => {
    const lassos = judge(policy, setup, { alphabet: alphabetFor(setup, gups) })
      .results.flatMap((r) => r.traps)
      .filter((t) => t.argument === 'lasso');
    expect(lassos.length).toBeGreaterThan(0);
    for (const { steps, loop } of lassos) {
      const begin = keyOf(replay(policy, setup, steps));
      const end = replay(policy, setup, [...steps, ...loop], (world, i) => {
        if (i >= steps.length - 1) expect(dirty(world)).toBe(true);
      });
      expect(keyOf(end)).toBe(begin);
    }
  });
});

describe('the graph', () => {
  const summary = (report: EventualReport): unknown =>
    report.results.map((r) => [
      r.property.id,
      r.verdict,
      r.traps.map((t) => [t.subject, t.argument === 'exhaustive' ? t.steps.length : 0, t.answers]),
    ]);

  it.each([
    [KEEP_DIRTY, FILE],
    [NO_WRITEBACK, FILE],
    [NO_DIRTY_PINS, scope('anon', { refs: 2 })],
    [longtermBan, scope('shared-file', { filesystem: 'ext4-v5.18-stable' })],
  ] as const)('$id: the same verdicts, and as short, with nothing renamed and all classes kept apart', (policy, setup) => {
    const folded = judge(policy, setup);
    const plain = judge(policy, setup, { symmetry: 'none', grain: 'class' });
    expect(plain.states).toBeGreaterThan(folded.states);
    expect(summary(plain)).toEqual(summary(folded));
  });

  it('is the same every time', () => {
    expect(JSON.stringify(judge(KEEP_DIRTY))).toBe(JSON.stringify(judge(KEEP_DIRTY)));
  });

  it('has to be whole: else there is no verdict, and one line says so', () => {
    expect(() => judge(longtermBan, FILE, { statesMax: 500 })).toThrow(NotClosedError);
    expect(() => judge(longtermBan, FILE, { statesMax: 500 })).toThrow(
      /^inconclusive: the scope is not closed after \d+ states \(\d+ steps deep\); [^\n]*$/,
    );
  });
});

describe('docs/eventual.md', () => {
  const doc = readFileSync(new URL('../../docs/eventual.md', import.meta.url), 'utf8').replace(/\s+/g, ' ');

  it.each(EVENTUAL)('$id: its claim and its argument', ({ id, claim, argument }) => {
    const by = argument === 'lasso' ? 'by a lasso' : 'by exhaustion';
    // One that is like another ends in "The same where ...", and may go on.
    expect(doc).toContain(`- \`${id}\`, ${by}. ${claim.replace(/\.$/, '')}`);
  });
});
