/**
 * A Kernel that is the model with a policy: what is said of comparing, fuzzing and shrinking is tried on it, and the
 * checker is checked against kernels that are known to be wrong.
 */

import type { Caller } from '../domain/kinds.ts';
import { BLOCKED, DONE, NO_EFFECT, REFUSED } from '../domain/kinds.ts';
import { BACKINGS } from '../domain/page-kinds.ts';
import type { Rng } from '../domain/rng.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { Binding, mmName, refName, type Scenario, type Step } from '../scenario/scenario.ts';
import { contentsAtStart, showsContent } from './contents.ts';
import { FULL } from './full.ts';
import type { Capabilities, Kernel, LiveOutcome, LiveProgram, LiveResult, LiveStep } from './protocol.ts';
import { LIVE_PROFILE } from './translate.ts';

export interface ModelKernelOptions {
  readonly policy: AnyPolicy;
  readonly capabilities?: Capabilities;
  /** Takes freedoms at random: ends writeback early, does not reclaim. */
  readonly free?: Rng;
  /** The policy of some runs, one in `every` on average. */
  readonly flaky?: { readonly policy: AnyPolicy; readonly rng: Rng; readonly every: number };
}

export function modelKernel(options: ModelKernelOptions): Kernel & { readonly programs: () => number } {
  let programs = 0;
  return {
    name: `model ${expanded(options.policy).id}`,
    capabilities: options.capabilities ?? { ...FULL, release: 'model' },
    programs: () => programs,
    run: async (list) =>
      list.map((program) => {
        programs++;
        const { flaky } = options;
        const other = flaky !== undefined && flaky.rng.below(flaky.every) === 0;
        return runOnModel(program, other ? flaky.policy : options.policy, options.free);
      }),
    close: async () => {},
  };
}

/** Steps of the model per step of the program, and the token that the last of them stores. */
interface Group {
  readonly steps: readonly Step[];
  readonly token: number;
}

/** The program with names. */
function named(program: LiveProgram): { readonly scenario: Scenario; readonly groups: readonly Group[] } {
  const callers = new Map<number, Caller>();
  let dios = 0;
  const page = (n: number): string => `p${n}`;
  const unpin = (ref: number): Step => ({
    task: 'device',
    op: 'unpin',
    ref: refName(ref),
    dirty: callers.get(ref) === 'process_vm_writev',
  });
  const gup = (mm: number, at: number, caller: Caller, result: string): Step => {
    const { write, longterm } = CALLER_CONTRACTS[caller];
    return {
      task: mmName(mm),
      op: 'gup',
      page: page(at),
      caller,
      write: write === true,
      longterm: longterm === true,
      fast: false,
      result,
    };
  };
  const over = (ref: number): Step[] =>
    callers.get(ref)?.startsWith('process_vm') === true ? [unpin(ref)] : [];
  const groupOf = (s: LiveStep): Step[] => {
    switch (s.op) {
      case 'fork':
        return [{ task: mmName(s.mm), op: 'fork', result: mmName(s.child) }];
      case 'exit':
        return [{ task: mmName(s.mm), op: 'exit' }];
      case 'munmap':
      case 'read':
      case 'write':
        return [{ task: mmName(s.mm), op: s.op, page: page(s.page) }];
      case 'mprotect':
        return [{ task: mmName(s.mm), op: 'mprotect', page: page(s.page), prot: s.prot }];
      case 'madvise':
        return [{ task: mmName(s.mm), op: 'madvise', page: page(s.page), advice: s.advice }];
      case 'gup':
        callers.set(s.ref, s.caller);
        return [gup(s.mm, s.page, s.caller, refName(s.ref))];
      case 'unpin':
        return [unpin(s.ref)];
      case 'dma_read':
      case 'dma_write':
        return [{ task: 'device', op: s.op, ref: refName(s.ref) }, ...over(s.ref)];
      case 'dio': {
        const result = `d${dios++}`;
        const caller = s.write ? 'o_direct_write' : 'o_direct_read';
        return [gup(s.mm, s.page, caller, result), { task: 'device', op: 'dio_end', ref: result }];
      }
      case 'wb_start':
        return [{ task: 'kernel', op: 'wb_start', file: `f${s.file}`, mode: s.mode }];
      case 'wb_end':
      case 'reclaim':
      case 'drop_caches':
        return [{ task: 'kernel', op: s.op, file: `f${s.file}` }];
      default:
        return [{ task: 'other', op: s.op, file: `f${s.file}` }];
    }
  };
  const groups = program.steps.map((s): Group => ({ steps: groupOf(s), token: 'token' in s ? s.token : 0 }));
  return {
    groups,
    scenario: {
      setup: {
        pages: program.pages.map(({ kind, prot, file }, i) => ({
          name: page(i),
          kind,
          prot,
          ...(file < 0 ? {} : { file: `f${file}` }),
        })),
        files: program.files.map((f, i) => ({
          name: `f${i}`,
          filesystem: Object.values(BACKINGS).find((b) => b.live === f)!.profile || LIVE_PROFILE,
        })),
        mms: 3,
        refs: 3,
        pinBias: 1024,
      },
      steps: groups.flatMap((g) => g.steps),
    },
  };
}

function runOnModel(program: LiveProgram, policy: AnyPolicy, free: Rng | undefined): LiveResult {
  const { scenario, groups } = named(program);
  const world = new World(scenario.setup, expanded(policy), 250);
  const binding = new Binding(scenario.setup);
  const labels = contentsAtStart(scenario.setup);
  let value: number | undefined;
  let log: string[] = [];
  world.onObservation = (o) => {
    if (o.kind === 'writeback-lost') log.push('WARNING: fs/ext4/inode.c');
    if (showsContent(o.kind)) value = labels[o.token]!;
  };
  const done = (step: Step, token: number): LiveOutcome => {
    const packed = binding.pack(step);
    const next = world.reference.tokens[0]!;
    labels[next] = token;
    const outcome = packed < 0 ? INVALID : world.step(packed);
    if (outcome === INVALID)
      return step.op === 'wb_end'
        ? ok()
        : { outcome: 'unsupported', why: 'cannot be done', value: undefined, log };
    binding.executed(step, world);
    if (outcome === DONE || outcome === NO_EFFECT || outcome === BLOCKED) return ok();
    if (outcome === REFUSED) return { outcome: 'refused', why: world.machine.errno, value: undefined, log };
    return { outcome: 'unsupported', why: 'no such reference', value: undefined, log };
  };
  const ok = (): LiveOutcome => ({ outcome: 'done', why: '', value, log });
  const steps: LiveOutcome[] = [];
  for (const { steps: group, token } of groups) {
    value = undefined;
    log = [];
    if (free !== undefined && free.below(2) === 0)
      for (const f of scenario.setup.files) done({ task: 'kernel', op: 'wb_end', file: f.name }, 0);
    value = undefined;
    const [head, ...rest] = group;
    const idle =
      free !== undefined && (head!.op === 'reclaim' || head!.op === 'drop_caches') && free.below(2) === 0;
    let outcome = idle ? ok() : done(head!, token);
    for (const step of rest) {
      const last = done(step, token);
      if (outcome.outcome !== 'refused') outcome = { ...last, value };
    }
    steps.push(outcome);
  }
  return { steps, end: 'ok', why: '' };
}
