import { beforeAll, describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { decodeClass, World } from '../executor/simulated.ts';
import { traceScenario } from '../executor/trace.ts';
import { before, derive, rule } from '../machine/policy.ts';
import { FRAME_ANON } from '../machine/facts.ts';
import { P_DIRTY, P_WRITE, V_ANON_VMA, V_MAPPED, V_WRITE } from '../machine/machine.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { parseSteps } from '../scenario/parse.ts';
import { ANON, cached, FILE, last, run, STABLE, V57, V62, V65, V511 } from '../testing/op.ts';
import { sizeOf } from './args.ts';
import { GUP_VARIANTS, writeOf } from './gup.ts';
import { OPS } from './index.ts';
import { type Alphabet, aOf, bOf, cOf, OP_KINDS, type OpKind, opOf, pack } from './op.ts';

describe('which steps a program can do', () => {
  const SETUPS: readonly Setup[] = [
    { ...pagesOf(['anon', 'anon'], 'ext4-v5.18'), mms: 4, refs: 6, pinBias: 1024 },
    {
      ...pagesOf(['anon', 'private-file', 'shared-file', 'shmem'], 'ext4-v5.18'),
      mms: 3,
      refs: 3,
      pinBias: 1024,
    },
    {
      ...pagesOf(['private-file', 'shared-file'], 'ext4-v5.18-stable-apart'),
      mms: 2,
      refs: 2,
      pinBias: 2,
      swap: 'disk',
    },
    { ...pagesOf(['private-file', 'shared-file'], 'ext4-v5.18', 2), mms: 2, refs: 2, pinBias: 1024 },
    { ...pagesOf(['anon', 'shared-file'], 'ext4-v5.18-stable'), mms: 2, refs: 2, parts: 2, pinBias: 2 },
  ];
  const ALL: Alphabet = { ops: OP_KINDS.map(() => true), gups: GUP_VARIANTS };
  const PROGRAMS = 240;
  const LENGTH = 30;

  const DRAWN = OPS.filter((op) => op.kind !== 'go_on');
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  /** All steps that name what there is: each argument apart, but for the ways to take a reference. */
  function candidates(setup: Setup): number[] {
    const many = { mm: setup.mms, page: setup.pages.length, file: setup.files.length, ref: setup.refs };
    return OPS.flatMap((op, at) => {
      if (op.kind === 'go_on') return [];
      const actors = op.task === 'mm' ? upTo(many.mm).map((mm) => pack(at, mm)) : [at];
      return op.packing.fields.reduce((steps, { name, arg, shift }): number[] => {
        if ('pause' in arg) return steps; // there is one task
        // The part that is followed is moved with all of the page as well.
        if ('maybe' in arg)
          return setup.parts === undefined
            ? steps
            : steps.flatMap((step) => [step, step | ((1 + arg.maybe.indexOf('high')) << shift)]);
        if (op.kind === 'gup' && name !== 'page' && name !== 'caller') return steps;
        if (op.kind === 'gup' && name === 'caller')
          return steps.flatMap((step) => GUP_VARIANTS.map((c) => step | pack(0, 0, 0, c)));
        const values = 'is' in arg && arg.is !== 'caller' ? many[arg.is] : sizeOf(arg);
        return steps.flatMap((step) => upTo(values).map((value) => step | (value << shift)));
      }, actors);
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
            const step = DRAWN[rng.below(DRAWN.length)]!.draw(world.reference, ALL, rng);
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
    // Nothing goes on where each operation runs to its end.
    expect(OP_KINDS.filter((kind) => (offeredTimes.get(kind) ?? 0) < 500)).toEqual(['go_on']);
    expect(OP_KINDS.filter((kind) => (executed.get(kind) ?? 0) < 50)).toEqual(['go_on']);
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
