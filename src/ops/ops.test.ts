import { beforeAll, describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { type RunResult, runScenario } from '../executor/run.ts';
import { decodeClass, World } from '../executor/simulated.ts';
import { traceScenario } from '../executor/trace.ts';
import { before, derive, FRAME_ANON, rule } from '../machine/decisions.ts';
import {
  F_ANON,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  F_EXCLUSIVE,
  F_WRITEBACK,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  P_WRITE,
  V_ANON_VMA,
  V_MAPPED,
  V_WRITE,
} from '../machine/machine.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { parseSteps } from '../scenario/parse.ts';
import { GUP_VARIANTS, writeOf } from './gup.ts';
import { OPS } from './index.ts';
import { type Alphabet, aOf, bOf, cOf, OP_KINDS, type OpKind, opOf, pack } from './op.ts';

const V57 = expandPolicy(policyByName('v5.7-mapcount'));
const V511 = expandPolicy(policyByName('v5.11-page-count'));
const V62 = expandPolicy(policyByName('v6.2-anon-exclusive'));
const V65 = expandPolicy(policyByName('v6.5-longterm-ban'));

const ANON: Setup = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 };
const FILE: Setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 };
const STABLE: Setup = { ...FILE, ...pagesOf(['shared-file'], 'ext4-v5.18-stable') };

interface Ran {
  readonly world: World;
  readonly result: RunResult;
}
/** A literal program on one policy; all of its steps must apply. */
function run(setup: Setup, policy: ExpandedPolicy, text: string): Ran {
  const world = new World(setup, policy);
  const result = runScenario({ setup, steps: parseSteps(text) }, policy, world);
  expect([result.notApplicable, result.policyError]).toEqual([-1, '']);
  return { world, result };
}
const last = ({ result }: Ran): string => result.outcomes.at(-1)!;

const FOLIO_FLAGS: readonly (readonly [number, string])[] = [
  [F_ANON, 'anon'],
  [F_EXCLUSIVE, 'exclusive'],
  [F_DIRTY, 'dirty'],
  [F_BUFFERS, 'buffers'],
  [F_COVERED, 'covered'],
  [F_WRITEBACK, 'writeback'],
];
/** A folio as text: `refcount/mapcount/pincount flags`. */
function folio({ world: { machine: m } }: Ran, pfn: number): string {
  if (pfn === NO_PFN) return 'none';
  const flags = FOLIO_FLAGS.filter(([bit]) => (m.flags[pfn]! & bit) !== 0).map(([, name]) => name);
  return [`${m.refcount[pfn]}/${m.mapcount[pfn]}/${m.pincount[pfn]}`, ...flags].join(' ');
}
/** What the PTE of page 0 of an mm maps, as text: `bits -> folio`. */
function pte(ran: Ran, mm = 0): string {
  const { machine: m, shape } = ran.world;
  const at = mm * shape.pages;
  const bits = m.pte[at]!;
  if ((bits & P_PRESENT) === 0) return 'none';
  const prot = `${(bits & P_WRITE) !== 0 ? 'w' : 'r'}${(bits & P_DIRTY) !== 0 ? 'd' : ''}`;
  return (bits & P_SPECIAL) !== 0 ? `${prot} -> zero` : `${prot} -> ${folio(ran, m.pfn[at]!)}`;
}
const cached = (ran: Ran): string => folio(ran, ran.world.machine.cache[0]!);
const referenced = (ran: Ran, handle = 0): string => folio(ran, ran.world.machine.refPfn[handle]!);
/** True if both name the same folio. */
const samePfn = ({ world: { machine: m, shape } }: Ran, mm: number, other: number): boolean =>
  m.pfn[mm * shape.pages] === m.pfn[other * shape.pages];

describe('which steps a program can do', () => {
  const SETUPS: readonly Setup[] = [
    { ...pagesOf(['anon', 'anon'], 'ext4-v5.18'), mms: 4, refs: 6, pinBias: 1024 },
    {
      ...pagesOf(['anon', 'private-file', 'shared-file', 'shmem'], 'ext4-v5.18'),
      mms: 3,
      refs: 3,
      pinBias: 1024,
    },
    { ...pagesOf(['private-file', 'shared-file'], 'ext4-v5.17-stable'), mms: 2, refs: 2, pinBias: 2 },
  ];
  const ALL: Alphabet = { ops: OP_KINDS.map(() => true), gups: GUP_VARIANTS };
  const PROGRAMS = 240;
  const LENGTH = 30;

  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  /** What argument `a` names, whether there is a page, and the variants: written down apart from the operations. */
  const ARGUMENTS: {
    readonly [K in OpKind]: readonly ['mm' | 'file' | 'ref', boolean, readonly number[]];
  } = {
    fork: ['mm', false, [0]],
    exit: ['mm', false, [0]],
    munmap: ['mm', true, [0]],
    mprotect: ['mm', true, [0, 1]],
    madvise: ['mm', true, [0, 1, 2]],
    read: ['mm', true, [0]],
    write: ['mm', true, [0]],
    gup: ['mm', true, GUP_VARIANTS],
    unpin: ['ref', false, [0, 1]],
    dio_end: ['ref', false, [0]],
    dma_read: ['ref', false, [0]],
    dma_write: ['ref', false, [0]],
    wb_start: ['file', false, [0, 1]],
    wb_end: ['file', false, [0]],
    fsync: ['file', false, [0]],
    reclaim: ['file', false, [0]],
    drop_caches: ['file', false, [0]],
    buffered_read: ['file', false, [0]],
    buffered_write: ['file', false, [0]],
  };
  function candidates(setup: Setup): number[] {
    const many = { mm: setup.mms, file: setup.files.length, ref: setup.refs };
    return OP_KINDS.flatMap((kind, at) => {
      const [what, paged, variants] = ARGUMENTS[kind];
      return upTo(many[what]).flatMap((a) =>
        upTo(paged ? setup.pages.length : 1).flatMap((b) => variants.map((c) => pack(at, a, b, c))),
      );
    });
  }

  /** Of all the states met: what was wrong, and how often each operation was offered, drawn and executed. */
  const wrong: string[] = [];
  const offeredTimes = new Map<OpKind, number>();
  const executed = new Map<OpKind, number>();
  const drawnWith = new Set<number>();

  beforeAll(() => {
    const out = new Int32Array(4096);
    const rng = new Rng();
    SETUPS.forEach((setup, s) => {
      const all = candidates(setup);
      const known = new Set(all);
      for (let program = 0; program < PROGRAMS; program++) {
        rng.seed(program + 1, s, 7, 11);
        const world = new World(setup, expandPolicy(BUILT_IN[program % BUILT_IN.length]!));
        const note = (what: string, step: number): void => {
          const at = `setup ${s} program ${program}: ${OP_KINDS[opOf(step)]} ${aOf(step)} ${bOf(step)} ${cOf(step)}`;
          wrong.push(`${at}: ${what}`);
        };
        for (let i = 0; i < LENGTH && !world.ended; i++) {
          const offered = [...out.subarray(0, world.enumerate(ALL, out))];
          const set = new Set(offered);
          if (set.size !== offered.length) note('something is offered twice', offered[0]!);
          for (const step of offered) {
            if (!world.enabled(step)) note('offered but not enabled', step);
            if (!known.has(step)) note('offered but no such step', step);
          }
          for (const step of all) {
            const op = OPS[opOf(step)]!;
            if (!op.offered(world.reference, step)) {
              if (set.has(step)) note('enumerated but not offered', step);
              continue;
            }
            offeredTimes.set(op.kind, (offeredTimes.get(op.kind) ?? 0) + 1);
            if (!set.has(step)) note('offered but not enumerated', step);
          }
          OPS.forEach((op, at) => {
            const step = op.draw(world.reference, ALL, rng);
            if (step < 0) {
              if (offered.some((other) => opOf(other) === at)) note('offered but not drawn', pack(at, 0));
              return;
            }
            if (opOf(step) !== at) note(`drawn for ${op.kind}`, step);
            if (!known.has(step)) note('drawn but no such step', step);
            drawnWith.add(step);
          });
          // Go on with a random step that is offered.
          for (let tries = 0; tries < 50; tries++) {
            const step = OPS[rng.below(OPS.length)]!.draw(world.reference, ALL, rng);
            if (step < 0 || !OPS[opOf(step)]!.offered(world.reference, step)) continue;
            world.step(step);
            const kind = OP_KINDS[opOf(step)]!;
            executed.set(kind, (executed.get(kind) ?? 0) + 1);
            break;
          }
          world.dropVoid();
        }
      }
    });
  });

  it('what is enumerated is enabled and offered, what is offered is enumerated, and draw stays with its operation', () => {
    expect(wrong.slice(0, 10)).toEqual([]);
  });
  it('no operation was out of reach', () => {
    expect(OP_KINDS.filter((kind) => (offeredTimes.get(kind) ?? 0) < 500)).toEqual([]);
    expect(OP_KINDS.filter((kind) => (executed.get(kind) ?? 0) < 50)).toEqual([]);
  });
  it('everything that there is gets drawn', () => {
    const missed = SETUPS.flatMap(candidates).filter((step) => !drawnWith.has(step));
    expect(missed.map((step) => `${OP_KINDS[opOf(step)]} ${aOf(step)} ${bOf(step)} ${cOf(step)}`)).toEqual(
      [],
    );
  });
  it('a gup is offered within the alphabet only, W slow only where it is writable', () => {
    const gups = [GUP_VARIANTS[0]!, GUP_VARIANTS.find(writeOf)!];
    const at = OP_KINDS.indexOf('gup');
    const out = new Int32Array(64);
    const { world } = run(ANON, V65, 'P: read A');
    expect([
      ...out.subarray(0, world.enumerate({ ops: ALL.ops.map((_, i) => i === at), gups }, out)),
    ]).toEqual([pack(at, 0, 0, gups[0]), pack(at, 0, 0, gups[1])]);
    const { world: ro } = run(ANON, V65, 'P: mprotect A r');
    expect([...out.subarray(0, ro.enumerate({ ops: ALL.ops.map((_, i) => i === at), gups }, out))]).toEqual([
      pack(at, 0, 0, gups[0]),
    ]);
  });
});

/** Programs of which every policy makes the same: by step that is not done, the outcome. */
const ERRORS: readonly (readonly [string, Setup, string, { readonly [step: number]: string }])[] = [
  // cases n2, n3, r02, r16: reports whose outcome is known from real kernels.
  ['mprotect to what it is', ANON, 'P: mprotect A rw', { 1: 'no effect' }],
  [
    'MADV_DONTFORK of shared memory: the child has no mapping',
    { ...ANON, ...pagesOf(['shmem'], '') },
    `h1 = P: gup S pin W LONGTERM
     P: madvise S dontfork
     C = P: fork
     C: write S
     device: dma_read h1`,
    { 4: 'refused SIGSEGV' },
  ],
  [
    'MADV_DONTFORK is per page: a neighbour is gone in the child',
    ANON,
    `P: write A
     P: madvise A dontfork
     h1 = P: gup A pin W LONGTERM
     C = P: fork
     C: write A
     device: dma_read h1`,
    { 5: 'refused SIGSEGV' },
  ],
  [
    'a store to a mapping made read-only (mkdirty.c)',
    ANON,
    `P: write A
     P: mprotect A r
     P: write A
     P: read A`,
    { 3: 'refused SIGSEGV' },
  ],
  [
    'what is done to nothing',
    ANON,
    `P: munmap A
     P: munmap A
     P: read A
     P: write A
     P: mprotect A r
     P: madvise A dontneed
     P: madvise A dontfork
     h1 = P: gup A get R
     h2 = P: gup A pin W fast
     C = P: fork
     C: read A`,
    {
      2: 'no effect',
      3: 'refused SIGSEGV',
      4: 'refused SIGSEGV',
      5: 'refused ENOMEM',
      6: 'refused ENOMEM',
      7: 'refused ENOMEM',
      8: 'refused EFAULT',
      9: 'refused EFAULT',
      11: 'refused SIGSEGV',
    },
  ],
  [
    'a reference for writing to a mapping that forbids it',
    ANON,
    `P: write A
     P: mprotect A r
     h1 = P: gup A get W
     h2 = P: gup A process_vm_writev W fast`,
    { 3: 'refused EFAULT', 4: 'refused EFAULT' },
  ],
  [
    'fork advices that are as asked',
    ANON,
    'P: madvise A dofork\nP: madvise A dontfork\nP: madvise A dontfork\nP: madvise A dofork',
    { 1: 'no effect', 3: 'no effect' },
  ],
  [
    'writeback of what is clean, and a second time',
    FILE,
    `kernel: wb_end f
     kernel: wb_start f NONE
     P: write F
     kernel: wb_start f NONE
     kernel: wb_start f NONE
     kernel: wb_start f ALL
     kernel: wb_end f
     kernel: wb_end f`,
    { 1: 'no effect', 2: 'no effect', 5: 'no effect', 6: 'blocked', 8: 'no effect' },
  ],
  [
    'writeback of shmem',
    { ...ANON, ...pagesOf(['shmem'], '') },
    'P: write S\nkernel: wb_start s NONE\nother: fsync s\nkernel: wb_end s\nP: read S',
    { 2: 'no effect', 3: 'no effect', 4: 'no effect' },
  ],
];

describe('errors and calls without effect are outcomes, the same under every policy', () => {
  it.each(ERRORS)('%s', (_, setup, text, expected) => {
    for (const policy of BUILT_IN) {
      const { world, result } = run(setup, expandPolicy(policy), text);
      const others = result.outcomes.flatMap((outcome, at) =>
        outcome === 'done' ? [] : [[at + 1, [outcome, result.errnos.get(at) ?? ''].join(' ').trim()]],
      );
      expect(Object.fromEntries(others), policy.id).toEqual(expected);
      expect([result.violations, result.documented, world.ended], policy.id).toEqual([[], [], false]);
      // The policy refused nothing.
      expect(result.costs.refused).toBe(0);
    }
  });
  it('a pin that fails sets MMF_HAS_PINNED, a get does not', () => {
    const hasPinned = (text: string): number =>
      run(ANON, V62, `P: mprotect A r\n${text}`).world.machine.hasPinned[0]!;
    expect(hasPinned('h1 = P: gup A pin W')).toBe(1);
    expect(hasPinned('h1 = P: gup A get W')).toBe(0);
  });
  it('only what names nothing that exists does not apply', () => {
    for (const text of ['C = P: fork\nC: exit\nC: read A', 'P: exit', 'device: dma_read h1'])
      expect(
        runScenario({ setup: ANON, steps: parseSteps(text) }, V62).notApplicable,
        text,
      ).toBeGreaterThanOrEqual(0);
  });
});

describe('protection: reference and machine decide apart', () => {
  /** One step after VMA and PTE bits were poked: what it broke. */
  function poked(vma: number, bits: number, kind: OpKind, text = ''): string[] {
    const { world } = text === '' ? run(ANON, V62, 'P: write A') : run(ANON, V62, text);
    world.machine.vma[0]! = vma;
    world.machine.pte[0]! = (world.machine.pte[0]! & ~P_WRITE) | bits;
    world.step(pack(OP_KINDS.indexOf(kind), 0, 0));
    return world.violations.map((v) => classId(decodeClass(v.code)));
  }
  const RW = V_MAPPED | V_WRITE | V_ANON_VMA;
  const RO = V_MAPPED | V_ANON_VMA;
  const READ_ONLY = 'P: write A\nP: mprotect A r';
  it('a store that a stale PTE or VMA lets through', () => {
    const broken = ['protection/unprotected/anon/-/-->cpu'];
    expect(poked(RO, P_WRITE, 'write', READ_ONLY)).toEqual(broken);
    expect(poked(RW, 0, 'write', READ_ONLY)).toEqual(broken);
    expect(poked(RO, 0, 'write', READ_ONLY)).toEqual([]);
  });
  it('an access that is refused though the mapping allows it', () => {
    const broken = ['protection/refused/anon/-/-->cpu'];
    expect(poked(RO, 0, 'write')).toEqual(broken);
    expect(poked(0, 0, 'mprotect')).toEqual(broken);
    expect(poked(0, 0, 'madvise')).toEqual(broken);
    expect(poked(RW, 0, 'write')).toEqual([]);
    // The PTE is there: nobody looks at the VMA.
    expect(poked(0, 0, 'read')).toEqual([]);
  });
  it('a policy whose GUP-fast takes a read-only PTE for writing', () => {
    const bold = V62.tables.map((table) =>
      table.decision === 'gupFast' ? { ...table, answer: table.answer.map(() => 0) } : table,
    );
    const { result } = run(ANON, { ...V62, tables: bold }, `${READ_ONLY}\nh1 = P: gup A pin W fast`);
    expect(result.violations.map((v) => v.classId)).toEqual(['protection/unprotected/anon/PIN-W/-->cpu']);
  });

  describe('faults that GUP asks for against the VMA: sanitize_fault_flags()', () => {
    /** v6.5, but that GUP answers so where no page is mapped, or a file page that is not to be written. */
    const asking = (answer: 'write fault' | 'unshare fault'): ExpandedPolicy =>
      expandPolicy(
        derive(
          policyByName('longterm-ban'),
          { id: answer, title: answer, sources: [] },
          {
            gupSlow: [
              before(
                'no page, FOLL_WRITE',
                rule(
                  'asks for too much',
                  (f) =>
                    !f.write && !f.follCow && (f.frame === 'none' || (f.frame === 'file' && f.vmaShared)),
                  answer,
                ),
              ),
            ],
          },
        ),
      );
    const kinds = [
      ['shared-file', 'F'],
      ['shmem', 'S'],
    ] as const;
    it.each(
      kinds,
    )('a write fault without VM_WRITE of a %s mapping is EFAULT, and changes nothing', (kind, page) => {
      const setup = { ...ANON, ...pagesOf([kind], 'ext4-v5.18') };
      const { result, world } = run(
        setup,
        asking('write fault'),
        `P: mprotect ${page} r\nh1 = P: gup ${page} get R\nP: read ${page}\nh2 = P: gup ${page} get R`,
      );
      expect([result.outcomes, result.errnos.get(1), result.errnos.get(3)]).toEqual([
        ['done', 'refused', 'done', 'refused'],
        'EFAULT',
        'EFAULT',
      ]);
      expect(world.machine.pte[0]! & (P_WRITE | P_DIRTY)).toBe(0);
      expect(result.violations).toEqual([]);
    });
    it('on a COW mapping it is FOLL_FORCE: a private copy, read-only', () => {
      const { result, world } = run(ANON, asking('write fault'), 'P: mprotect A r\nh1 = P: gup A get R');
      expect(result.outcomes).toEqual(['done', 'done']);
      expect([world.machine.pte[0]! & P_WRITE, world.machine.frameOf(0)]).toEqual([0, FRAME_ANON]);
    });
    it.each(kinds)('an unshare fault of a %s mapping is a read fault: no copy is mapped', (kind, page) => {
      const setup = { ...ANON, ...pagesOf([kind], 'ext4-v5.18') };
      const text = `P: mprotect ${page} r\nP: read ${page}\nh1 = P: gup ${page} get R`;
      const policy = asking('unshare fault');
      const world = new World(setup, policy);
      const result = runScenario({ setup, steps: parseSteps(text) }, policy, world);
      expect(result.policyError).toMatch(/does not converge: unshare fault again/);
      expect(world.machine.frameOf(0)).not.toBe(FRAME_ANON);
    });
  });
});

describe('outcomes', () => {
  describe('blocked: page_mkwrite and write(2) wait for writeback where pages are stable', () => {
    const START = 'P: write F\nkernel: wb_start f NONE\n';
    const WAITS: readonly string[] = [
      'P: write F',
      'other: buffered_write f',
      'h1 = P: gup F pin W',
      'h1 = P: gup F get W fast',
      'h1 = P: gup F o_direct_read W',
    ];
    it.each(WAITS)('%s', (step) => {
      for (const policy of [V57, V511, V62, V65]) {
        const blocked = run(STABLE, policy, START + step);
        expect([last(blocked), blocked.result.costs.blocked]).toEqual(['blocked', 1]);
        const { cache, content, submitted } = blocked.world.machine;
        expect(content[cache[0]!]).toBe(submitted[0]); // nothing was stored
        expect(last(run(STABLE, policy, `${START}kernel: wb_end f\n${step}`))).toBe('done');
        expect(last(run(FILE, policy, START + step))).toBe('done'); // not stable
      }
      const v517 = { ...STABLE, ...pagesOf(['shared-file'], 'ext4-v5.17-stable') };
      expect(last(run(v517, V62, START + step))).toBe('blocked');
    });
    it('a blocked store leaves the reference where it was, a blocked gup no reference', () => {
      const store = run(STABLE, V65, `${START}P: write F\nP: read F\nother: buffered_read f`);
      expect(store.result.outcomes.slice(-2)).toEqual(['done', 'done']);
      expect(store.result.verdict).toBe('not violated');
      const gup = run(
        STABLE,
        V65,
        `${START}h1 = P: gup F pin W\ndevice: dma_write h1\ndevice: unpin h1 dirty`,
      );
      expect(gup.result.outcomes.slice(-3)).toEqual(['blocked', 'skipped', 'skipped']);
      expect(cached(gup)).toBe('3/1/0 buffers writeback');
    });
    it('reads, R references and WB_SYNC_NONE do not wait, WB_SYNC_ALL does', () => {
      const rest = ['P: read F', 'other: buffered_read f', 'h1 = P: gup F pin R'];
      for (const step of rest) expect(last(run(STABLE, V65, START + step))).toBe('done');
      expect(last(run(STABLE, V65, `${START}kernel: wb_end f\nkernel: wb_start f ALL`))).toBe('no effect');
    });
  });

  it('refused: a fixed buffer on a file, at no cost to the machine', () => {
    // Up to v6.4 by io_uring itself; then by GUP, as any LONGTERM W pin of a file.
    for (const [policy, errno] of [
      [V57, 'EOPNOTSUPP'],
      [V511, 'EOPNOTSUPP'],
      [V62, 'EOPNOTSUPP'],
      [V65, 'EFAULT'],
    ] as const) {
      const refused = run(FILE, policy, 'P: write F\nh1 = P: gup F fixed_buffer W LONGTERM');
      expect([last(refused), refused.result.errnos.get(1)]).toEqual(['refused', errno]);
      expect([refused.result.costs.refused, cached(refused)]).toEqual([1, '3/1/0 dirty buffers covered']);
      expect(last(run(ANON, policy, 'h1 = P: gup A fixed_buffer W LONGTERM'))).toBe('done');
    }
  });

  it('refused only after the pin: io_uring up to v6.4 leaves a private file page copied (seen on 6.1)', () => {
    const steps = 'h1 = P: gup M fixed_buffer W LONGTERM\nother: buffered_write f\nP: read M';
    const setup = { ...pagesOf(['private-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 };
    for (const [policy, errno] of [
      [V57, 'EOPNOTSUPP'],
      [V62, 'EOPNOTSUPP'],
      [V65, undefined],
    ] as const) {
      const trace = traceScenario({ setup, steps: parseSteps(steps) }, policy);
      expect(trace.result.errnos.get(0)).toBe(errno);
      expect(trace.steps[2]!.observations[0]!.seen).toBe('f@0');
      expect(trace.result.verdict).toBe('not violated');
    }
  });

  it('refused: a LONGTERM W pin of a dirty-tracked file page, from v6.5 on', () => {
    const program = 'h1 = P: gup F pin W LONGTERM';
    expect(last(run(FILE, V62, program))).toBe('done');
    expect(last(run(FILE, V65, program))).toBe('refused');
    expect(last(run(FILE, V65, 'h1 = P: gup F pin R LONGTERM'))).toBe('done');
  });

  it('skipped: whatever names a refused reference; its name is free once it is released', () => {
    const skipped = run(
      { ...FILE, refs: 1 },
      V65,
      `h1 = P: gup F pin W LONGTERM
       device: dma_write h1
       device: dma_read h1
       device: unpin h1 dirty
       h2 = P: gup F pin W
       device: dma_read h2`,
    );
    expect(skipped.result.outcomes).toEqual(['refused', 'skipped', 'skipped', 'skipped', 'done', 'done']);
  });

  it('no effect: nothing to write, nothing in flight, nothing cached', () => {
    const outcomes = (text: string): readonly string[] => run(FILE, V65, text).result.outcomes;
    expect(outcomes('kernel: wb_start f NONE\nkernel: wb_end f')).toEqual(['no effect', 'no effect']);
    expect(outcomes('P: read F\nkernel: wb_start f ALL\nkernel: wb_end f')).toEqual([
      'done',
      'no effect',
      'no effect',
    ]);
    expect(outcomes('P: write F\nkernel: wb_start f ALL\nkernel: wb_end f')).toEqual([
      'done',
      'done',
      'done',
    ]);
    expect(outcomes('P: write F\nkernel: wb_start f NONE\nother: fsync f').slice(-1)).toEqual(['done']);
    expect(outcomes('kernel: reclaim f\nkernel: drop_caches f')).toEqual(['no effect', 'no effect']);
    expect(outcomes('P: write F\nkernel: reclaim f').slice(-1)).toEqual(['no effect']); // dirty
  });
});

describe('what each operation does to PTEs and counts', () => {
  const CASES: { readonly [K in OpKind]: () => void } = {
    fork: () => {
      const before = run(ANON, V62, 'P: write A');
      expect(pte(before)).toBe('wd -> 1/1/0 anon exclusive');
      const shared = run(ANON, V62, 'P: write A\nC = P: fork');
      expect([pte(shared), pte(shared, 1), samePfn(shared, 0, 1)]).toEqual([
        'rd -> 2/2/0 anon',
        'rd -> 2/2/0 anon',
        true,
      ]);
      // May be pinned: the child gets a copy, the parent keeps its folio and its write bit.
      const pinned = 'h1 = P: gup A pin W\nC = P: fork';
      for (const policy of [V511, V62, V65]) {
        const copied = run(ANON, policy, pinned);
        const exclusive = policy === V511 ? '' : ' exclusive';
        expect([pte(copied), pte(copied, 1), samePfn(copied, 0, 1)]).toEqual([
          `wd -> 1025/1/1 anon${exclusive}`,
          `wd -> 1/1/0 anon${exclusive}`,
          false,
        ]);
        expect([copied.result.costs.copies, copied.result.costs.earlyCopies]).toEqual([1, 1]);
      }
      const v57 = run(ANON, V57, pinned);
      expect([pte(v57), pte(v57, 1), v57.result.costs.copies]).toEqual([
        'rd -> 1026/2/1 anon',
        'rd -> 1026/2/1 anon',
        0,
      ]);
      // MADV_DONTFORK: neither shared nor mapped. A shared mapping is left to the child's own faults.
      const dontfork = run(ANON, V62, 'P: write A\nP: madvise A dontfork\nC = P: fork');
      expect([pte(dontfork), pte(dontfork, 1)]).toEqual(['wd -> 1/1/0 anon exclusive', 'none']);
      const file = run(FILE, V62, 'P: write F\nC = P: fork');
      expect([pte(file), pte(file, 1)]).toEqual(['wd -> 3/1/0 dirty buffers covered', 'none']);
      // A private mapping without anon_vma has only what the child can fault in again; with it the zero page goes along.
      expect(pte(run(ANON, V62, 'P: read A\nC = P: fork'), 1)).toBe('none');
      const zero = run(ANON, V62, 'P: write A\nP: madvise A dontneed\nP: read A\nC = P: fork');
      expect([pte(zero), pte(zero, 1)]).toEqual(['r -> zero', 'r -> zero']);
    },
    exit: () => {
      const ran = run(ANON, V62, 'P: write A\nC = P: fork\nh1 = P: gup A pin R LONGTERM\nP: exit');
      expect([pte(ran), pte(ran, 1)]).toEqual(['none', 'rd -> 1/1/0 anon']);
      expect([referenced(ran), [...ran.world.machine.alive]]).toEqual(['1024/0/1 anon exclusive', [0, 1]]);
    },
    munmap: () => {
      const pinned = run(ANON, V62, 'h1 = P: gup A pin W\nP: munmap A');
      expect([pte(pinned), referenced(pinned), pinned.world.machine.vma[0]]).toEqual([
        'none',
        '1024/0/1 anon exclusive',
        0,
      ]);
      // Zapping the PTE of a file moves its dirty bit to the folio.
      const file = run(FILE, V62, 'P: write F\nP: munmap F');
      expect([pte(file), cached(file)]).toEqual(['none', '2/0/0 dirty buffers covered']);
      const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
      expect(pte(run(shmem, V62, 'P: write S'))).toBe('wd -> 2/1/0');
      expect(cached(run(shmem, V62, 'P: write S\nP: munmap S'))).toBe('1/0/0 dirty');
    },
    mprotect: () => {
      const ro = 'P: write A\nP: mprotect A r\n';
      expect(pte(run(ANON, V62, ro))).toBe('rd -> 1/1/0 anon exclusive');
      // Exclusive pages get their write bit back at once; before v5.19 that took a fault.
      expect(pte(run(ANON, V62, `${ro}P: mprotect A rw`))).toBe('wd -> 1/1/0 anon exclusive');
      expect(pte(run(ANON, V511, `${ro}P: mprotect A rw`))).toBe('rd -> 1/1/0 anon');
      expect(pte(run(ANON, V511, `${ro}P: mprotect A rw\nP: write A`))).toBe('wd -> 1/1/0 anon');
      const shared = 'P: write A\nC = P: fork\nP: mprotect A r\nP: mprotect A rw';
      expect(pte(run(ANON, V62, shared))).toBe('rd -> 2/2/0 anon');
      // A clean page of a file must fault for page_mkwrite; a dirty one went through it.
      const clean = 'P: write F\nother: fsync f\nP: mprotect F r\nP: mprotect F rw';
      expect(pte(run(FILE, V62, clean))).toBe('r -> 3/1/0 buffers');
      const dirty = 'P: write F\nP: mprotect F r\nP: mprotect F rw';
      expect(pte(run(FILE, V62, dirty))).toBe('wd -> 3/1/0 dirty buffers covered');
    },
    madvise: () => {
      const ran = run(ANON, V62, 'h1 = P: gup A pin W\nP: madvise A dontneed');
      expect([pte(ran), referenced(ran)]).toEqual(['none', '1024/0/1 anon exclusive']);
      const again = run(ANON, V62, 'h1 = P: gup A pin W\nP: madvise A dontneed\nP: write A');
      expect([pte(again), referenced(again)]).toEqual([
        'wd -> 1/1/0 anon exclusive',
        '1024/0/1 anon exclusive',
      ]);
      const forked = run(ANON, V62, 'P: write A\nP: madvise A dontfork\nP: madvise A dofork\nC = P: fork');
      expect(pte(forked, 1)).toBe('rd -> 2/2/0 anon');
      expect(cached(run(FILE, V62, 'P: write F\nP: madvise F dontneed'))).toBe('2/0/0 dirty buffers covered');
    },
    read: () => {
      expect(pte(run(ANON, V62, 'P: read A'))).toBe('r -> zero');
      expect(pte(run(FILE, V62, 'P: read F'))).toBe('r -> 2/1/0');
      const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
      expect(pte(run(shmem, V62, 'P: read S'))).toBe('w -> 2/1/0');
      const copy = { ...FILE, ...pagesOf(['private-file'], 'ext4-v5.18') };
      expect(pte(run(copy, V62, 'P: read M'))).toBe('r -> 2/1/0');
    },
    write: () => {
      expect(pte(run(ANON, V62, 'P: read A\nP: write A'))).toBe('wd -> 1/1/0 anon exclusive');
      expect(pte(run(FILE, V62, 'P: read F\nP: write F'))).toBe('wd -> 3/1/0 dirty buffers covered');
      const copy = { ...FILE, ...pagesOf(['private-file'], 'ext4-v5.18') };
      const ran = run(copy, V62, 'P: read M\nP: write M');
      expect([pte(ran), cached(ran)]).toEqual(['wd -> 1/1/0 anon exclusive', '1/0/0']);
      // The copy after fork; then the other side is alone and reuses its folio.
      const forked = run(ANON, V62, 'P: write A\nC = P: fork\nP: write A');
      expect([pte(forked), pte(forked, 1), forked.result.costs.copies]).toEqual([
        'wd -> 1/1/0 anon exclusive',
        'rd -> 1/1/0 anon',
        1,
      ]);
      const both = run(ANON, V62, 'P: write A\nC = P: fork\nP: write A\nC: write A');
      expect([pte(both, 1), both.result.costs.copies]).toEqual(['wd -> 1/1/0 anon exclusive', 1]);
    },
    gup: () => {
      expect(referenced(run(ANON, V62, 'P: write A\nh1 = P: gup A get R'))).toBe('2/1/0 anon exclusive');
      expect(referenced(run(ANON, V62, 'P: write A\nh1 = P: gup A pin R fast'))).toBe(
        '1025/1/1 anon exclusive',
      );
      const get = run(ANON, V62, 'h1 = P: gup A get W');
      expect([pte(get), get.world.machine.hasPinned[0]]).toEqual(['wd -> 2/1/0 anon exclusive', 0]);
      const pin = run(ANON, V62, 'h1 = P: gup A pin W');
      expect([pte(pin), pin.world.machine.hasPinned[0]]).toEqual(['wd -> 1025/1/1 anon exclusive', 1]);
      // O_DIRECT took a GET up to v6.4; pins of the zero page are not counted from v6.5 on.
      expect(referenced(run(ANON, V62, 'h1 = P: gup A o_direct_read W'))).toBe('2/1/0 anon exclusive');
      expect(referenced(run(ANON, V65, 'h1 = P: gup A o_direct_read W'))).toBe('1025/1/1 anon exclusive');
      expect(referenced(run(ANON, V62, 'h1 = P: gup A pin R'))).toBe('1025/0/1');
      expect(referenced(run(ANON, V65, 'h1 = P: gup A pin R'))).toBe('1/0/0');
      // R pin of a page that may be shared: unshared from v5.19 on.
      const unshared = 'P: write A\nC = P: fork\nh1 = P: gup A pin R';
      const v62 = run(ANON, V62, unshared);
      expect([pte(v62), pte(v62, 1)]).toEqual(['r -> 1025/1/1 anon exclusive', 'rd -> 1/1/0 anon']);
      expect(pte(run(ANON, V511, unshared))).toBe('rd -> 1026/2/1 anon');
      // W through a file's page tells the filesystem.
      expect(cached(run(FILE, V62, 'h1 = P: gup F get W'))).toBe('4/1/0 dirty buffers covered');
      expect(cached(run(FILE, V62, 'h1 = P: gup F get R'))).toBe('3/1/0');
    },
    unpin: () => {
      expect(pte(run(ANON, V62, 'h1 = P: gup A pin W\ndevice: unpin h1'))).toBe('wd -> 1/1/0 anon exclusive');
      const held = 'h1 = P: gup F get W\nother: fsync f\n';
      expect(cached(run(FILE, V62, held))).toBe('4/1/0 buffers');
      expect(cached(run(FILE, V62, `${held}device: unpin h1`))).toBe('3/1/0 buffers');
      expect(cached(run(FILE, V62, `${held}device: unpin h1 dirty`))).toBe('3/1/0 dirty buffers'); // not covered
      // The last reference frees the folio.
      const freed = run(ANON, V62, 'h1 = P: gup A pin W\nP: munmap A\ndevice: unpin h1');
      expect([...freed.world.machine.refcount].filter((n) => n !== 0)).toEqual([1]); // the zero page
      const zero = run(ANON, V62, 'h1 = P: gup A pin R\ndevice: unpin h1');
      expect(folio(zero, 0)).toBe('1/0/0');
    },
    dio_end: () => {
      const start = 'h1 = P: gup F o_direct_read W\nother: fsync f\n';
      for (const [policy, count] of [
        [V62, '4/1/0'],
        [V65, '1027/1/1'],
      ] as const) {
        expect(cached(run(FILE, policy, start))).toBe(`${count} buffers`);
        const ended = run(FILE, policy, `${start}device: dio_end h1`);
        const { machine } = ended.world;
        expect([cached(ended), machine.refPfn[0]]).toEqual(['3/1/0 dirty buffers', NO_PFN]);
        expect(machine.content[machine.cache[0]!]).not.toBe(machine.disk[0]);
      }
      // A write has only read its buffer.
      const source = run(FILE, V62, 'P: read F\nh1 = P: gup F o_direct_write R\ndevice: dio_end h1');
      expect([pte(source), source.world.machine.content[1]]).toEqual([
        'r -> 2/1/0',
        source.world.machine.disk[0],
      ]);
    },
    dma_read: () => {
      const held = 'P: write A\nh1 = P: gup A pin W\nP: munmap A\n';
      const before = run(ANON, V62, held);
      const ran = run(ANON, V62, `${held}device: dma_read h1`);
      expect(Buffer.compare(ran.world.columns.bytes, before.world.columns.bytes)).toBe(0);
      const { machine: m } = ran.world;
      expect([m.events, m.eventToken[0]]).toEqual([1, m.content[m.refPfn[0]!]]);
    },
    dma_write: () => {
      // The store reaches the folio it was given, whatever is mapped by now, and leaves no trace in any flag.
      const ran = run(FILE, V62, 'h1 = P: gup F pin W\nother: fsync f\ndevice: dma_write h1');
      const { machine: m } = ran.world;
      expect([pte(ran), m.content[m.refPfn[0]!] !== m.disk[0]]).toEqual(['r -> 1027/1/1 buffers', true]);
      const lost = run(
        ANON,
        V62,
        'h1 = P: gup A pin W\nP: madvise A dontneed\nP: write A\ndevice: dma_write h1',
      );
      const { content, refPfn, pfn } = lost.world.machine;
      expect([refPfn[0] === pfn[0], content[refPfn[0]!] === content[pfn[0]!]]).toEqual([false, false]);
    },
    wb_start: () => {
      const ran = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE');
      const { machine: m } = ran.world;
      expect(pte(ran)).toBe('r -> 3/1/0 buffers writeback');
      expect([m.submitted[0] === m.content[m.cache[0]!], m.disk[0] === m.submitted[0]]).toEqual([
        true,
        false,
      ]);
      // mkclean looks at every mm, and at no pin.
      const pinned = 'P: write F\nC = P: fork\nC: write F\nh1 = P: gup F pin W\nkernel: wb_start f ALL';
      const two = run(FILE, V62, pinned);
      expect([pte(two), pte(two, 1)]).toEqual(
        ['r', 'r'].map((bits) => `${bits} -> 1028/2/1 buffers writeback`),
      );
    },
    wb_end: () => {
      const ran = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE\nkernel: wb_end f');
      const { machine: m } = ran.world;
      expect([pte(ran), m.disk[0]]).toEqual(['r -> 3/1/0 buffers', m.content[m.cache[0]!]]);
    },
    fsync: () => {
      const ran = run(FILE, V62, 'P: write F\nC = P: fork\nC: read F\nC: write F\nother: fsync f');
      const { machine: m } = ran.world;
      expect([pte(ran), pte(ran, 1)]).toEqual(['r -> 4/2/0 buffers', 'r -> 4/2/0 buffers']);
      expect([m.disk[0], m.submitted[0]]).toEqual([m.content[m.cache[0]!], 0]);
      // Writeback that was in flight is waited for, and what was stored since is written as well.
      const twice = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE\nP: write F\nother: fsync f');
      expect([pte(twice), twice.result.verdict]).toEqual(['r -> 3/1/0 buffers', 'not violated']);
      const { disk, content, cache } = twice.world.machine;
      expect(disk[0]).toBe(content[cache[0]!]);
    },
    reclaim: () => {
      const mapped = run(FILE, V62, 'P: write F\nother: fsync f\nkernel: reclaim f');
      expect([last(mapped), pte(mapped), cached(mapped)]).toEqual(['done', 'none', 'none']);
      // A reference keeps the folio; before v6.4 its buffers go all the same.
      const held = 'h1 = P: gup F pin W\nother: fsync f\nkernel: reclaim f';
      const v62 = run(FILE, V62, held);
      expect([pte(v62), cached(v62)]).toEqual(['none', '1025/0/1']);
      const v65 = run(FILE, V65, held);
      expect([pte(v65), cached(v65)]).toEqual(['none', '1026/0/1 buffers']);
      const dirty = run(FILE, V62, 'P: write F\nkernel: reclaim f');
      expect([last(dirty), pte(dirty)]).toEqual(['no effect', 'wd -> 3/1/0 dirty buffers covered']);
    },
    drop_caches: () => {
      const mapped = run(FILE, V62, 'P: write F\nother: fsync f\nkernel: drop_caches f');
      expect([last(mapped), pte(mapped)]).toEqual(['no effect', 'r -> 3/1/0 buffers']);
      const unmapped = run(FILE, V62, 'P: write F\nother: fsync f\nP: munmap F\nkernel: drop_caches f');
      expect([last(unmapped), cached(unmapped)]).toEqual(['done', 'none']);
      const held = 'h1 = P: gup F pin W\nother: fsync f\nP: munmap F\nkernel: drop_caches f';
      expect(cached(run(FILE, V62, held))).toBe('1026/0/1 buffers');
      expect(cached(run(FILE, V511, held))).toBe('1025/0/1'); // buffers went first, before v5.18
    },
    buffered_read: () => {
      const ran = run(FILE, V62, 'other: buffered_read f');
      expect([cached(ran), ran.world.machine.content[1]]).toEqual(['1/0/0', ran.world.machine.disk[0]]);
      expect(pte(ran)).toBe('none');
    },
    buffered_write: () => {
      const ran = run(FILE, V62, 'P: read F\nother: buffered_write f');
      const { machine: m } = ran.world;
      expect([pte(ran), m.content[m.cache[0]!] === m.disk[0]]).toEqual([
        'r -> 3/1/0 dirty buffers covered',
        false,
      ]);
      const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
      expect(cached(run(shmem, V62, 'other: buffered_write s'))).toBe('1/0/0');
    },
  };
  for (const kind of OP_KINDS) it(kind, () => CASES[kind]());
});
