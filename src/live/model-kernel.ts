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
import type { AnyStep, NameSort } from '../ops/args.ts';
import { callOf, opOfStep, type RegisteredOp } from '../ops/index.ts';
import type { AnyCall, Naming } from '../ops/live.ts';
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
  let passing = 0;
  const page = (n: number): string => `p${n}`;
  const name: Readonly<Record<NameSort, (n: number) => string>> = {
    mm: mmName,
    ref: refName,
    page,
    file: (n) => `f${n}`,
  };
  const naming: Naming = {
    nameOf: (sort, number) => name[sort](number),
    callerOf: (ref) => callers.get(ref)!,
    took: (ref, caller) => {
      callers.set(ref, caller);
    },
    passing: () => `d${passing++}`,
  };
  /** As its call sends it, numbers as names. */
  const plain = (call: AnyCall, op: RegisteredOp): AnyStep => {
    const said: Record<string, string | boolean> = {
      task: op.task === 'mm' ? mmName(call.mm as number) : op.task,
      op: op.kind,
    };
    for (const field of op.sends ?? []) {
      const arg = op.args[field];
      const value = call[field]!;
      if (field === 'mm' || field === 'token') continue;
      if (arg === undefined) said.result = name[op.makes!](value as number);
      else
        said[field] =
          typeof value === 'number' && 'is' in arg
            ? name[arg.is as NameSort](value)
            : (value as string | boolean);
    }
    return said as unknown as AnyStep;
  };
  const groupOf = (s: LiveStep): Step[] => {
    const { op } = callOf(s);
    const one = (): AnyStep => plain(s, op);
    return (op.live.steps?.(s, naming, one) ?? [one()]) as Step[];
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
      return opOfStep(step).live.mayBeOver === true
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
    const idle = free !== undefined && opOfStep(head!).live.request === true && free.below(2) === 0;
    let outcome = idle ? ok() : done(head!, token);
    for (const step of rest) {
      const last = done(step, token);
      if (outcome.outcome !== 'refused') outcome = { ...last, value };
    }
    steps.push(outcome);
  }
  return { steps, end: 'ok', why: '' };
}
