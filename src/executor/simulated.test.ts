import { beforeAll, describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { BLOCKED, DONE, SKIPPED } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { COST_NAMES, NO_PFN, noCosts } from '../machine/machine.ts';
import { runToEnd, stepName, stepOnce } from '../machine/procedures.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { GUP_VARIANTS } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, OP_KINDS, type Op, type OpKind, opOf } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { Binding } from '../scenario/scenario.ts';
import { type RunResult, runScenario } from './run.ts';
import { INVALID, InvariantError, World } from './simulated.ts';

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const ALPHABET: Alphabet = { ops: OP_KINDS.map(() => true), gups: GUP_VARIANTS };
const FORK = OP_KINDS.indexOf('fork');
const GUP = OP_KINDS.indexOf('gup');

const SETUPS: readonly Setup[] = [
  { ...pagesOf(['anon', 'anon'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 },
  {
    ...pagesOf(['anon', 'private-file', 'shared-file'], 'ext4-v5.17-stable'),
    mms: 2,
    refs: 2,
    pinBias: 1024,
  },
  { ...pagesOf(['private-file', 'shared-file', 'shmem'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 4 },
  { ...pagesOf(['private-file', 'shared-file'], 'ext4-v5.18', 2), mms: 2, refs: 2, pinBias: 1024 },
];

/** How often each operation is tried; one that ends a page or a process leaves less to do, so less often. */
const WEIGHTS: { readonly [K in OpKind]?: number } = {
  munmap: 1,
  exit: 3,
  fork: 12,
  write: 24,
  read: 12,
  gup: 12,
  dma_read: 12,
  dma_write: 12,
};
const WEIGHTED: readonly Op[] = OPS.flatMap((op) => Array.from({ length: WEIGHTS[op.kind] ?? 6 }, () => op));

/** A random step that is offered now, or -1 if none was met. */
function drawStep(world: World, rng: Rng): number {
  for (let tries = 0; tries < 100; tries++) {
    const op = WEIGHTED[rng.below(WEIGHTED.length)]!;
    const step = op.draw(world.reference, ALPHABET, rng);
    if (step >= 0 && OPS[opOf(step)]!.offered(world.reference, step)) return step;
  }
  return -1;
}

describe('step tables', () => {
  /** Names of atomic steps executed, to know that nothing of interest was left out. */
  const met = new Set<string>();
  const wrong: string[] = [];
  let longest = 0;

  beforeAll(() => {
    const rng = new Rng();
    const apart = pagesOf(['private-file', 'shared-file'], 'ext4-v5.18-apart');
    const setups: readonly Setup[] = [...SETUPS, { ...SETUPS[0]!, ...apart, swap: 'zram' }];
    for (let program = 0; program < 300; program++) {
      rng.seed(program + 1, 3, 5, 7);
      const policy = POLICIES[program % POLICIES.length]!;
      const world = new World(setups[program % setups.length]!, policy);
      const { machine: m, reference, columns } = world;
      const blank = columns.snapshot().fill(0xa5);
      for (let i = 0; i < 30 && !world.ended; i++) {
        const step = drawStep(world, rng);
        if (step < 0) break;
        const op = OPS[opOf(step)]!;
        const slot =
          opOf(step) === FORK ? reference.freeMm() : opOf(step) === GUP ? reference.freeHandle() : -1;
        // Any token does: nothing branches on it.
        const token = op.stores === true ? reference.tokens[0]! : 0;
        const start = columns.snapshot();
        /** Everything that an operation leaves behind, with its outcome. */
        const left = (outcome: number): string =>
          JSON.stringify([
            outcome,
            Buffer.from(columns.bytes).toString('base64'),
            ...[m.eventKind, m.eventA, m.eventB, m.eventToken, m.eventOther].map((c) => [
              ...c.subarray(0, m.events),
            ]),
            outcome === 2 ? m.errno : '',
            COST_NAMES.map((name) => m.costs[name]),
          ]);

        m.events = 0;
        m.costs = noCosts();
        const outcome = runToEnd(m, 0, op.start(m, 0, step, token, slot));
        const coarse = left(outcome);

        columns.restore(start);
        m.events = 0;
        m.costs = noCosts();
        let pc = op.start(m, 0, step, token, slot);
        let taken = 0;
        while (pc >= 0) {
          // All that a task needs is in the columns, its program counter too.
          m.task.pc[0] = pc;
          const between = columns.snapshot();
          columns.bytes.set(blank);
          columns.restore(between);
          met.add(stepName(m.task.pc[0]));
          pc = stepOnce(m, 0, m.task.pc[0]);
          m.task.pc[0] = 0;
          taken++;
        }
        longest = Math.max(longest, taken);
        if (left(-1 - pc) !== coarse) wrong.push(`program ${program} step ${i}: ${op.kind}`);

        columns.restore(start);
        const whole = world.step(step);
        if (whole !== outcome)
          wrong.push(`program ${program} step ${i}: ${op.kind}: ${whole}, not ${outcome}`);
        world.dropVoid();
      }
    }
  });

  it('can be executed one atomic step at a time, with the state saved and put back in between', () => {
    expect(wrong.slice(0, 10)).toEqual([]);
  });
  it('every atomic step was among them, and operations that take many', () => {
    const all: string[] = [];
    for (let pc = 1; !stepName(pc).startsWith('step '); pc++) all.push(stepName(pc));
    expect(all.filter((name) => !met.has(name))).toEqual([]);
    expect(longest).toBeGreaterThan(8);
  });
});

describe('random programs', () => {
  const PROGRAMS = 1000;
  interface Ran {
    readonly outcomes: string;
    readonly bytes: Uint8Array;
  }
  /** Outcomes, and class codes met, of a packed program. */
  function replay(world: World, steps: readonly number[]): Ran {
    world.reset();
    const outcomes: unknown[] = [];
    for (const step of steps) {
      const outcome = world.step(step);
      outcomes.push(outcome, ...world.violations.map((v) => `${v.code} ${v.documented}`));
      const wrong = world.machine.recount();
      if (wrong !== '') outcomes.push(wrong);
    }
    return { outcomes: JSON.stringify(outcomes), bytes: world.columns.snapshot() };
  }

  const counts: string[] = [];
  const differs: string[] = [];
  const compacted: string[] = [];
  let executed = 0;
  let violations = 0;
  let compacting = 0;

  beforeAll(() => {
    const rng = new Rng();
    for (let program = 0; program < PROGRAMS; program++) {
      rng.seed(program + 1, 13, 17, 19);
      const setup = SETUPS[program % SETUPS.length]!;
      // The same for every policy, so drawn on one of them and run on all.
      const drawn = new World(setup, POLICIES[program % POLICIES.length]!);
      const steps: number[] = [];
      let stores = 0;
      for (let i = 0; i < 60 && !drawn.ended; i++) {
        const step = drawStep(drawn, rng);
        if (step < 0) break;
        if (drawn.step(step) === DONE) {
          executed++;
          if (OPS[opOf(step)]!.stores === true) stores++;
        }
        violations += drawn.violations.length;
        const wrong = drawn.machine.recount();
        if (wrong !== '') counts.push(`program ${program} step ${i}: ${wrong}`);
        steps.push(step);
      }
      if (stores > 16) compacting++;
      for (const policy of POLICIES) {
        const at = `program ${program} on ${policy.id}`;
        const world = new World(setup, policy);
        const one = replay(world, steps);
        // Once more where the first run has left its traces, and in a new world.
        const two = replay(program % 2 === 0 ? world : new World(setup, policy), steps);
        if (one.outcomes !== two.outcomes || Buffer.compare(one.bytes, two.bytes) !== 0) differs.push(at);
        if (one.outcomes.includes('do not add up')) counts.push(at);
        if (replay(new World(setup, policy, 16), steps).outcomes !== one.outcomes) compacted.push(at);
      }
    }
  }, 60_000);

  it('do something: steps are done, stores often outnumber 16 tokens, promises are broken', () => {
    expect(executed).toBeGreaterThan(40 * PROGRAMS);
    expect(compacting).toBeGreaterThan(PROGRAMS / 3);
    expect(violations).toBeGreaterThan(PROGRAMS / 8);
  });
  it('are replayed to the same bytes', () => {
    expect(differs).toEqual([]);
  });
  it('have the same outcomes and violations with room for 16 tokens as for 64', () => {
    expect(compacted).toEqual([]);
  });
  it('have counts that add up after every step', () => {
    expect(counts).toEqual([]);
  });

  it('compaction is put to the test: more stores than tokens in one program', () => {
    const steps = parseSteps(
      ['h1 = P: gup A get R', 'C = P: fork', ...Array.from({ length: 40 }, () => 'P: write A')].join('\n'),
    );
    const scenario = { setup: SETUPS[0]!, steps };
    const policy = expandPolicy(policyByName('mapcount'));
    const world = new World(scenario.setup, policy, 16);
    runScenario(scenario, policy, world);
    expect(world.reference.tokens[0]).toBeLessThanOrEqual(16);
    expect(() => new World(scenario.setup, policy, 4)).not.toThrow();
    expect(() => runScenario(scenario, policy, new World(scenario.setup, policy, 2))).toThrow(RangeError);
  });
});

describe('compaction of tokens', () => {
  it('knows what was submitted by O_DIRECT and by writeback again afterwards', () => {
    const setup: Setup = {
      ...pagesOf(['anon', 'anon', 'shared-file'], 'ext4-v5.18-stable'),
      mms: 1,
      refs: 2,
      pinBias: 1024,
    };
    const many = (n: number): string => 'P: write B\n'.repeat(n);
    const policy = expandPolicy(policyByName('pae'));
    const found = (text: string): readonly string[] => {
      const results = [64, 16].map((tokens) =>
        runScenario({ setup, steps: parseSteps(text) }, policy, new World(setup, policy, tokens)),
      );
      const [roomy, tight] = results.map((r) => [...r.violations, ...r.documented].map((f) => f.classId));
      expect(tight).toEqual(roomy);
      return tight!;
    };
    const dio = `${many(6)}P: write A\nh1 = P: gup A o_direct_write R\n`;
    expect(found(`${dio}${many(40)}device: dio_end h1`)).toEqual([]);
    expect(found(`${dio}${many(40)}P: write A\ndevice: dio_end h1`)).toEqual([
      'stable-writeback/unstable/anon/DIO-R/-->device',
    ]);
    const writeback = `${many(6)}h1 = P: gup F pin W\nP: write F\nkernel: wb_start f NONE\n`;
    expect(found(`${writeback}${many(40)}kernel: wb_end f`)).toEqual([]);
    expect(found(`${writeback}${many(40)}device: dma_write h1\nkernel: wb_end f`)).toEqual([
      'stable-writeback/unstable/shared-file/PIN-W/-->disk',
    ]);
  });
});

describe('recount', () => {
  const policy = expandPolicy(policyByName('pae'));
  const setup: Setup = { ...pagesOf(['anon', 'shared-file'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 };
  const steps = parseSteps(`
    P: write A
    C = P: fork
    h1 = P: gup A pin W
    P: write F
    h2 = C: gup F get W
    kernel: wb_start f NONE`);
  const started = (): World => {
    const world = new World(setup, policy);
    expect(runScenario({ setup, steps }, policy, world).outcomes.every((o) => o === 'done')).toBe(true);
    expect(world.machine.recount()).toBe('');
    return world;
  };
  const COUNTS = ['refcount', 'mapcount', 'pincount'] as const;

  it.each(COUNTS)('notices a %s that is one too many or too few, of any folio', (count) => {
    const world = started();
    const column = world.machine[count];
    let tried = 0;
    for (let pfn = 0; pfn < world.shape.folios; pfn++)
      for (const off of [1, -1]) {
        const right = column[pfn]!;
        if (right + off < 0) continue;
        column[pfn] = right + off;
        expect(world.machine.recount()).toContain(`pfn ${pfn}: `);
        column[pfn] = right;
        expect(world.machine.recount()).toBe('');
        tried++;
      }
    expect(tried).toBeGreaterThan(world.shape.folios);
  });

  it('notices a pin that is counted as 1024 references, and the other way round', () => {
    const { machine: m } = started();
    const pfn = m.refPfn[0]!;
    expect([m.refcount[pfn], m.pincount[pfn]]).toEqual([1025, 1]);
    m.pincount[pfn] = 0;
    expect(m.recount()).not.toBe('');
    m.pincount[pfn] = 2;
    m.refcount[pfn] = 1;
    expect(m.recount()).not.toBe('');
  });

  it('notices a holder that is gone, and one that is not counted', () => {
    const world = started();
    const { machine: m, columns } = world;
    const right = columns.snapshot();
    const tampered: readonly (() => void)[] = [
      () => {
        m.pte[0] = 0;
      },
      () => {
        m.refKind[0] = 0;
      },
      () => {
        m.cache[0] = NO_PFN;
      },
      () => {
        m.mapping[m.cache[0]!] = 255;
      },
      () => {
        m.flags[m.cache[0]!] = 0;
      },
      () => {
        m.refPfn[0] = m.refPfn[1]!;
      },
      () => {
        m.task.held[0] = m.refPfn[0]!;
      },
    ];
    for (const tamper of tampered) {
      tamper();
      expect(m.recount()).not.toBe('');
      columns.restore(right);
      expect(m.recount()).toBe('');
    }
  });

  it('a step after which counts do not add up throws: it is no finding', () => {
    const world = started();
    world.machine.refcount[world.machine.refPfn[0]!]!++;
    const read = OP_KINDS.indexOf('read');
    expect(() => world.step(read)).toThrow(InvariantError);
    world.checkInvariants = false;
    expect(world.step(read)).toBe(DONE);
  });
});

describe('World', () => {
  const policy = expandPolicy(policyByName('longterm-ban'));

  it('says INVALID to what the program cannot do, and changes nothing', () => {
    const world = new World(SETUPS[1]!, policy);
    const before = world.columns.snapshot();
    for (const kind of ['exit', 'unpin', 'dio_end', 'dma_read', 'dma_write'] as const)
      expect(world.step(OP_KINDS.indexOf(kind))).toBe(INVALID);
    expect(Buffer.compare(world.columns.bytes, before)).toBe(0);
  });

  it('takes back the token of a store that was blocked', () => {
    const setup = SETUPS[1]!;
    const world = new World(setup, policy);
    const steps = parseSteps('P: write F\nkernel: wb_start f NONE');
    runScenario({ setup, steps }, policy, world);
    const [used] = world.reference.tokens;
    for (const kind of ['P: write F', 'other: buffered_write f']) {
      const packed = new Binding(setup).pack(parseSteps(kind)[0]!);
      expect([world.step(packed), world.reference.tokens[0]]).toEqual([BLOCKED, used]);
    }
    const stored = new Binding(setup).pack(parseSteps('P: write A')[0]!);
    expect([world.step(stored), world.reference.tokens[0]]).toEqual([DONE, used! + 1]);
  });

  it('skips a refused reference until it is released', () => {
    const world = new World(SETUPS[1]!, policy);
    const steps = parseSteps(`
      h1 = P: gup F pin W LONGTERM
      device: dma_read h1`);
    expect(runScenario({ setup: SETUPS[1]!, steps }, policy, world).outcomes).toEqual(['refused', 'skipped']);
    expect(world.step(OP_KINDS.indexOf('dma_read'))).toBe(SKIPPED);
    world.dropVoid();
    expect(world.step(OP_KINDS.indexOf('dma_read'))).toBe(INVALID);
  });
});

/** What is known of old bugs, written down from their history, not from what the machine does. */
describe('the bug catalogue', () => {
  const ERAS = {
    'v5.7': expandPolicy(policyByName('v5.7-mapcount')),
    'v5.8': expandPolicy(policyByName('v5.8-cow-break')),
    'v5.11': expandPolicy(policyByName('v5.11-page-count')),
    'v6.2': expandPolicy(policyByName('v6.2-anon-exclusive')),
    'v6.5': expandPolicy(policyByName('v6.5-longterm-ban')),
  } as const;
  type Era = keyof typeof ERAS;
  const ALL = Object.keys(ERAS) as Era[];

  interface Bug {
    readonly name: string;
    readonly setup: Setup;
    readonly steps: string;
    /** The verdict of the eras that have the bug; the others are `not violated`. */
    readonly verdict: 'violated' | 'documented' | 'not violated';
    readonly eras: readonly Era[];
    /** Class that is met there, and nowhere else. */
    readonly class: string;
    /** Classes that come before it, and are met wherever they are named. */
    readonly also?: { readonly [E in Era]?: readonly string[] };
    /** Eras that refuse a step. */
    readonly refused?: readonly Era[];
  }
  const anon: Setup = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 };
  const file = (filesystem: string): Setup => ({
    ...pagesOf(['shared-file'], filesystem),
    mms: 1,
    refs: 1,
    pinBias: 1024,
  });
  const unnotified = 'fs-notified/unnotified/shared-file/PIN-W/-->filesystem';
  const stateless = 'fs-state/stateless/shared-file/PIN-W/-->filesystem';

  const BUGS: readonly Bug[] = [
    {
      name: 'B01 a reference of the child sees a later store of the parent (vmsplice, CVE-2020-29374)',
      setup: anon,
      steps: `
        P: write A
        C = P: fork
        h1 = C: gup A vmsplice R fast
        C: munmap A
        P: write A
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.7'],
      class: 'isolation/leak/anon/GET-R/cpu->device',
    },
    {
      name: 'B02 a reference from before fork sees a store of the child',
      setup: anon,
      steps: `
        P: write A
        h1 = P: gup A vmsplice R
        C = P: fork
        P: munmap A
        C: write A
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.8'],
      class: 'isolation/leak/anon/GET-R/cpu->device',
    },
    {
      name: 'B06 DMA into a pinned page is lost after fork',
      setup: anon,
      steps: `
        P: write A
        h1 = P: gup A pin W
        C = P: fork
        P: write A
        device: dma_write h1
        P: read A`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.8'],
      class: 'pin-coherence/stale/anon/PIN-W/device->cpu',
    },
    {
      name: 'B07 O_DIRECT read while forking',
      setup: anon,
      steps: `
        P: write A
        h1 = P: gup A o_direct_read W fast
        C = P: fork
        P: write A
        device: dio_end h1
        P: read A`,
      verdict: 'documented',
      eras: ['v5.7', 'v5.8', 'v5.11', 'v6.2'],
      class: 'pin-coherence/stale/anon/DIO-W/device->cpu',
    },
    {
      name: 'B09 a registered buffer is left behind after mprotect',
      setup: anon,
      steps: `
        P: write A
        h1 = P: gup A fixed_buffer W LONGTERM
        P: mprotect A r
        P: mprotect A rw
        P: write A
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.11'],
      class: 'pin-coherence/stale/anon/PIN-W-LT/cpu->device',
    },
    {
      name: 'B17 a R/O pin of a shared page goes stale',
      setup: anon,
      steps: `
        P: write A
        C = P: fork
        h1 = P: gup A pin R
        P: write A
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.11'],
      class: 'pin-coherence/stale/anon/PIN-R/cpu->device',
    },
    {
      name: 'B18 a long-term R/O pin of the zero page goes stale',
      setup: anon,
      steps: `
        P: read A
        h1 = P: gup A pin R LONGTERM
        P: write A
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.11'],
      class: 'pin-coherence/stale/anon/PIN-R-LT/cpu->device',
    },
    {
      name: 'B19 a long-term R/O pin of a private file page goes stale',
      setup: { ...pagesOf(['private-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 },
      steps: `
        P: read M
        h1 = P: gup M pin R LONGTERM
        P: write M
        device: dma_read h1`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.11'],
      class: 'pin-coherence/stale/private-file/PIN-R-LT/cpu->device',
    },
    {
      name: 'B21 a GET of a shared page may be left behind',
      setup: anon,
      steps: `
        P: write A
        C = P: fork
        h1 = P: gup A get R
        P: write A
        device: dma_read h1
        C: read A`,
      verdict: 'not violated',
      eras: [],
      class: '',
    },
    {
      name: 'B40 MADV_DONTNEED parts a pin from its page',
      setup: anon,
      steps: `
        P: write A
        h1 = P: gup A pin W LONGTERM
        P: madvise A dontneed
        P: read A
        P: write A
        device: dma_read h1
        device: dma_write h1
        P: read A
        device: dma_read h1`,
      verdict: 'not violated',
      eras: [],
      class: '',
    },
    {
      name: 'B46 DMA after mkclean: nobody tells the filesystem (short pin)',
      setup: file('ext4-v5.18'),
      steps: `
        h1 = P: gup F pin W
        kernel: wb_start f NONE
        kernel: wb_end f
        device: dma_write h1
        device: unpin h1 dirty`,
      verdict: 'violated',
      eras: ALL,
      class: unnotified,
    },
    {
      name: 'B46 DMA after mkclean: nobody tells the filesystem (long-term pin)',
      setup: file('ext4-v5.18'),
      steps: `
        h1 = P: gup F pin W LONGTERM
        kernel: wb_start f NONE
        kernel: wb_end f
        device: dma_write h1
        device: unpin h1 dirty`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.8', 'v5.11', 'v6.2'],
      class: 'fs-notified/unnotified/shared-file/PIN-W-LT/-->filesystem',
      refused: ['v6.5'],
    },
    {
      name: 'B47 ext4 up to v5.17: BUG for a dirty page without buffers',
      setup: file('ext4-v5.17'),
      steps: `
        h1 = P: gup F pin W
        other: fsync f
        kernel: reclaim f
        device: dma_write h1
        device: unpin h1 dirty
        kernel: wb_start f ALL`,
      verdict: 'violated',
      eras: ['v5.7', 'v5.8', 'v5.11', 'v6.2'],
      class: 'no-crash/bug/shared-file/-/-->filesystem',
      also: {
        'v5.7': [unnotified, stateless],
        'v5.8': [unnotified, stateless],
        'v5.11': [unnotified, stateless],
        'v6.2': [unnotified, stateless],
        'v6.5': [unnotified],
      },
    },
    {
      name: 'B49 DMA during writeback of a stable page',
      setup: file('ext4-v5.18-stable'),
      steps: `
        h1 = P: gup F pin W
        kernel: wb_start f ALL
        device: dma_write h1
        kernel: wb_end f`,
      verdict: 'violated',
      eras: ALL,
      class: 'stable-writeback/unstable/shared-file/PIN-W/-->disk',
    },
    {
      name: 'B49 without stable pages it is nothing',
      setup: file('ext4-v5.18'),
      steps: `
        h1 = P: gup F pin W
        kernel: wb_start f ALL
        device: dma_write h1
        kernel: wb_end f`,
      verdict: 'not violated',
      eras: [],
      class: '',
    },
    {
      name: 'B50 the buffer of an O_DIRECT write is modified in flight',
      setup: { ...anon, aside: 'ext4-v5.18-stable' },
      steps: `
        P: write A
        h1 = P: gup A o_direct_write R
        P: write A
        device: dio_end h1`,
      verdict: 'documented',
      eras: ALL,
      class: 'stable-writeback/unstable/anon/DIO-R/-->device',
    },
    {
      name: 'B51 the driver does not dirty the page it wrote',
      setup: file('ext4-v5.18'),
      steps: `
        h1 = P: gup F pin W
        other: fsync f
        device: dma_write h1
        device: unpin h1
        kernel: reclaim f
        P: read F`,
      verdict: 'documented',
      eras: ALL,
      class: 'pin-coherence/stale/shared-file/PIN-W/device->cpu',
    },
  ];

  // PostgreSQL sets hint bits in shared buffers while O_DIRECT writes them, which checksums of the device tell.
  describe.each([
    ['shmem first', ['s', 'f']],
    ['shmem last', ['f', 's']],
  ])('B50 by its target, whatever the order of files: %s', (_, order) => {
    const on = (filesystem: string, to: string, aside?: string): string => {
      const files = [
        { name: 's', filesystem: 'shmem' },
        { name: 'f', filesystem },
      ].sort((x, y) => order.indexOf(x.name) - order.indexOf(y.name));
      const steps = parseSteps(`
        C = P: fork
        P: write S
        h1 = P: gup S o_direct_write R ${to}
        C: write S
        device: dio_end h1`);
      const setup: Setup = {
        pages: [{ name: 'S', kind: 'shmem', prot: 'rw', file: 's' }],
        files,
        ...(aside === undefined ? {} : { aside }),
        mms: 2,
        refs: 1,
        pinBias: 1024,
      };
      const verdicts = ALL.map((era) => runScenario({ setup, steps }, ERAS[era]).verdict);
      return [...new Set(verdicts)].join();
    };
    it.each([
      ['ext4-v5.18-stable', 'to f', undefined, 'documented'],
      ['ext4-v5.18-stable', 'to f', 'ext4-v5.18', 'documented'],
      ['ext4-v5.18-stable', '', undefined, 'not violated'],
      ['ext4-v5.18', 'to f', 'ext4-v5.18-stable', 'not violated'],
      ['ext4-v5.18', '', 'ext4-v5.17-stable', 'documented'],
    ])('f on %s, %s, aside %s: %s', (filesystem, to, aside, verdict) => {
      expect(on(filesystem, to, aside)).toBe(verdict);
    });
  });

  describe.each(BUGS)('$name', (bug) => {
    it.each(ALL)('%s', (era) => {
      const result: RunResult = runScenario({ setup: bug.setup, steps: parseSteps(bug.steps) }, ERAS[era]);
      const has = bug.eras.includes(era);
      const also = bug.also?.[era] ?? [];
      const verdict = has ? bug.verdict : also.length > 0 ? 'violated' : 'not violated';
      const expected = [...also, ...(has ? [bug.class] : [])];
      expect({
        verdict: result.verdict,
        classes: [...result.violations, ...result.documented].map((f) => f.classId).sort(),
        refused: result.outcomes.includes('refused'),
      }).toEqual({ verdict, classes: expected.sort(), refused: bug.refused?.includes(era) ?? false });
    });
  });

  it.each(ALL)('B12 reading through GUP allocates: %s', (era) => {
    for (const caller of ['get R', 'pin R', 'vmsplice R fast']) {
      const steps = parseSteps(`h1 = P: gup A ${caller}\ndevice: dma_read h1`);
      const { verdict, costs } = runScenario({ setup: anon, steps }, ERAS[era]);
      expect([verdict, costs.gupAllocations]).toEqual(['not violated', era === 'v5.8' ? 1 : 0]);
    }
  });
});
