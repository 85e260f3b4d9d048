import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pagesOf, setupOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { derive, otherwise, table, without } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OP_KINDS } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { judgeBeside } from '../regression/scenario.ts';
import { stepText } from '../scenario/scenario.ts';
import {
  type BrokenPromise,
  type GupCommandsOptions,
  gupCommands,
  type Model,
  modelAndReal,
  type Real,
} from './commands.ts';

type Commands = Iterable<fc.Command<Model, Real>>;

const W_PIN = gupVariant('pin', true, false, false);
const W_PIN_LT = gupVariant('pin', true, true, false);
const W_GET = gupVariant('get', true, false, false);

const small = (kind: PageKind, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf([kind], filesystem),
  mms: 2,
  refs: 2,
  pinBias: 1024,
});
const EXPANDED = new Map(BUILT_IN.map((p) => [p.id, expandPolicy(p)]));
const policy = (name: string): ExpandedPolicy => EXPANDED.get(name)!;

/** Runs the commands to their end or to the first broken promise; returns the error, and what was reached. */
function run(
  setup: Setup,
  under: ExpandedPolicy,
  commands: Commands,
): { error: Error | undefined; real: Real } {
  const start = modelAndReal(setup, under)();
  try {
    fc.modelRun(() => start, commands);
  } catch (error) {
    return { error: error as Error, real: start.real };
  }
  return { error: undefined, real: start.real };
}

describe('gupCommands', () => {
  it('draws every operation that means something for the setup', () => {
    const kinds = new Set<string>();
    for (const commands of fc.sample(gupCommands(setupOf('default')), { seed: 1, numRuns: 50 }))
      for (const command of commands) kinds.add(/^\S+ (\w+)/.exec(String(command))![1]!);
    // One operation runs to its end before the next: nothing goes on. No disk reads at a time of its own. No file ends, and there is
    // no swap.
    const without: readonly string[] = ['go_on', 'wb_io', 'truncate', 'swapout'];
    expect([...kinds].sort()).toEqual(OP_KINDS.filter((kind) => !without.includes(kind)).sort());
  });

  it('draws swapout in both ways where there is swap', () => {
    const drawn = new Set<string>();
    for (const commands of fc.sample(gupCommands({ ...setupOf('base'), swap: 'disk' }), {
      seed: 1,
      numRuns: 50,
    }))
      for (const command of commands) drawn.add(String(command).replace(/^\S+ /, ''));
    expect([...drawn]).toEqual(expect.arrayContaining(['swapout A', 'swapout A pressure']));
  });

  it('prints commands from their arguments alone', () => {
    const setup = setupOf('default');
    const texts = new Set<string>();
    fc.assert(
      fc.property(gupCommands(setup), (commands) => {
        const list = [...commands];
        const before = list.map(String);
        run(setup, policy('v5.7-mapcount'), list);
        expect(list.map(String)).toEqual(before);
        for (const text of before) texts.add(text);
      }),
      { seed: 2, numRuns: 300 },
    );
    for (const text of [
      'mm#0: fork',
      'mm#2: mprotect A r',
      'mm#1: madvise M dontfork',
      'mm#1: gup B pin R',
      'mm#0: gup F o_direct_read W',
      'device: unpin ref#2 dirty',
      'device: dma_read ref#1',
      'kernel: wb_start f ALL',
      'other: buffered_write s',
    ])
      expect(texts).toContain(text);
  });

  it('asks the reference alone whether a command applies, and changes nothing by that', () => {
    const setup = setupOf('default');
    let asked = 0;
    fc.assert(
      fc.property(gupCommands(setup, { properties: [] }), gupCommands(setup), (commands, others) => {
        const { model, real } = modelAndReal(setup, policy('v6.5-longterm-ban'))();
        for (const command of commands) {
          const before = real.world.columns.snapshot();
          for (const other of others) {
            other.check(model);
            asked++;
          }
          expect(real.world.columns.snapshot()).toEqual(before);
          if (command.check(model)) command.run(model, real);
        }
      }),
      { seed: 3, numRuns: 20 },
    );
    expect(asked).toBeGreaterThan(5000);
  });

  it('offers every policy the same program, as long as none refuses', () => {
    const setup = small('anon');
    fc.assert(
      fc.property(gupCommands(setup, { properties: [] }), (commands) => {
        const taken = ['v5.7-mapcount', 'v6.2-anon-exclusive'].map(
          (name) => run(setup, policy(name), commands).real.taken,
        );
        expect(taken[1]).toEqual(taken[0]);
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  // Refusing: v6.5 and W LONGTERM on files. Blocking: page_mkwrite under writeback of stable pages.
  describe.each([
    ['v5.7-mapcount', small('anon')],
    ['v5.11-page-count', small('private-file')],
    ['v6.5-longterm-ban', small('shared-file')],
    ['v6.5-longterm-ban', small('shared-file', 'ext4-v5.18-stable')],
    ['canary', setupOf('default')],
  ] as const)('a broken promise under %s', (name, setup) => {
    const broken: Error[] = [];
    let steps = 0;
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(gupCommands(setup), (commands) => {
        const { error } = run(setup, policy(name), commands);
        if (error !== undefined) broken.push(error);
      }),
      { seed: 5, numRuns: 1000 },
    );

    it('throws its class and step, and carries a scenario that shows it again', () => {
      expect(broken.length).toBeGreaterThan(5);
      for (const { message, cause } of broken) {
        const { classId, scenario } = cause as BrokenPromise;
        expect(message).toBe(`${classId} at ${stepText(scenario.steps.at(-1)!)}`);
        const again = runScenario(scenario, policy(name));
        expect(again.notApplicable).toBe(-1);
        expect(again.violations.map((v) => v.classId)).toContain(classId);
        expect(again.violations[0]!.at).toBe(scenario.steps.length - 1);
        steps += scenario.steps.length;
        for (const outcome of again.outcomes) outcomes.add(outcome);
      }
      expect(steps).toBeGreaterThan(broken.length);
      if (name === 'v6.5-longterm-ban') expect(outcomes).toContain('refused');
    });
  });

  it('does not throw where a mismatch is documented', () => {
    const setup = small('anon');
    let documented = 0;
    fc.assert(
      fc.property(gupCommands(setup, { gups: [W_GET] }), (commands) => {
        const { error, real } = run(setup, policy('v6.5-longterm-ban'), commands);
        expect(error).toBeUndefined();
        if (real.world.violations.some((v) => v.documented)) documented++;
      }),
      { seed: 6, numRuns: 3000 },
    );
    expect(documented).toBeGreaterThan(0);
  });

  it('counts only the properties it is told, and the claims of the policy if it is told so', () => {
    const setup = small('shared-file');
    const thrown = (options: GupCommandsOptions, under: ExpandedPolicy, on: Setup = setup): Set<string> => {
      const found = new Set<string>();
      fc.assert(
        fc.property(gupCommands(on, options), (commands) => {
          const { error } = run(on, under, commands);
          if (error !== undefined) found.add(error.message.split('/')[0]!);
        }),
        { seed: 7, numRuns: 1500 },
      );
      return found;
    };
    const boast = derive(
      policyByName('v6.2-anon-exclusive'),
      { id: 'boast', title: 'claims what it does not keep', sources: [] },
      { wpFault: [table(otherwise('reuse'))] },
    );
    const none: readonly string[] = [];
    expect(thrown({ properties: none }, policy('v5.7-mapcount'))).toEqual(new Set());
    expect(thrown({ properties: none, claims: true }, expandPolicy(boast), small('anon'))).toEqual(
      new Set(['claim: pinned anon folio => exclusive']),
    );
    expect(thrown({ properties: none }, expandPolicy(boast), small('anon'))).toEqual(new Set());
    expect(thrown({ properties: ['fs-state', 'isolation'] }, policy('v5.7-mapcount'))).toEqual(
      new Set(['fs-state']),
    );
  });

  it('shows the loss, not the claim that breaks before it, also after shrinking', () => {
    const setup = small('anon');
    const stale = derive(
      policyByName('v6.5-longterm-ban'),
      { id: 'stale', title: 'pins a shared page without unsharing it', sources: [] },
      { gupFast: [without('R/O pin of an anon page, not exclusive')] },
    );
    const start = modelAndReal(setup, stale);
    const { failed, errorInstance } = fc.check(
      fc.property(gupCommands(setup), (commands) => fc.modelRun(start, commands)),
      { seed: 1, numRuns: 5000 },
    );
    expect(failed).toBe(true);
    const { classId, scenario } = (errorInstance as Error).cause as BrokenPromise;
    expect(classId).toBe('pin-coherence/stale/anon/PIN-R/cpu->device');
    expect(judgeBeside(scenario, stale, policyByName('v6.5-longterm-ban')).regressions).toHaveLength(1);
  });

  it('says what is wrong with its arguments', () => {
    const setup = small('anon');
    expect(() => gupCommands(setup, { properties: ['isolated'] })).toThrow(
      'property "isolated" is not one of: isolation, pin-coherence, cpu-view',
    );
    expect(() => gupCommands(setup, { gups: [255] })).toThrow(RangeError);
    expect(() => gupCommands({ ...setup, mms: 9 })).toThrow('setup.mms: 9 is not a whole number from 1 to 4');
  });

  it('does without references and without fork', () => {
    const setup = { ...small('anon'), mms: 1, refs: 0 };
    const kinds = new Set<string>();
    fc.assert(
      fc.property(gupCommands(setup, { gups: [] }), (commands) => {
        for (const command of commands) kinds.add(/^\S+ (\w+)/.exec(String(command))![1]!);
        expect(run(setup, policy('v5.7-mapcount'), commands).error).toBeUndefined();
      }),
      { seed: 8, numRuns: 100 },
    );
    expect([...kinds].sort()).toEqual(['exit', 'madvise', 'mprotect', 'munmap', 'read', 'write']);
  });

  it('runs no more commands than asked for', () => {
    for (const commands of fc.sample(gupCommands(small('anon'), { maxCommands: 5 }), {
      seed: 9,
      numRuns: 100,
    }))
      expect([...commands].length).toBeLessThanOrEqual(5);
  });
});

describe("fast-check's own machinery", () => {
  const setup = small('anon');
  const start = modelAndReal(setup, policy('v5.7-mapcount'));
  const property = (replayPath?: string) =>
    fc.property(
      gupCommands(setup, { gups: [W_PIN, W_PIN_LT], ...(replayPath === undefined ? {} : { replayPath }) }),
      (commands) => fc.modelRun(start, commands),
    );
  const details = fc.check(property(), { seed: 10, numRuns: 2000 });

  it('shrinks to a handful of commands that still break a promise', () => {
    expect(details.failed).toBe(true);
    const { classId, scenario } = (details.errorInstance as Error).cause as BrokenPromise;
    expect(scenario.steps.length).toBeLessThanOrEqual(10); // the optimum is 4: fast-check's own shrinking is not the last
    expect(runScenario(scenario, policy('v5.7-mapcount')).violations.map((v) => v.classId)).toContain(
      classId,
    );
    expect(details.numShrinks).toBeGreaterThan(0);
  });

  it('repeats the failure from seed, path and replayPath as printed', () => {
    const printed = /replayPath="([^"]+)"/.exec(fc.stringify(details.counterexample))![1]!;
    const again = fc.check(property(printed), {
      seed: details.seed,
      path: details.counterexamplePath!,
      endOnFailure: true,
    });
    expect(again.numRuns).toBe(1);
    expect((again.errorInstance as Error).message).toBe((details.errorInstance as Error).message);
  });
});

it('every built-in policy runs long programs without an error of its own', () => {
  const setup = setupOf('default');
  for (const p of BUILT_IN) {
    const start = modelAndReal(setup, policy(p.id));
    fc.assert(
      fc.property(gupCommands(setup, { maxCommands: 300, properties: [] }), (commands) =>
        fc.modelRun(start, commands),
      ),
      { seed: 11, numRuns: 40 },
    );
  }
});

describe('operations that pause (tasks: 2)', () => {
  const setup: Setup = { ...small('anon'), refs: 1, tasks: 2 };
  const gups = [gupVariant('pin', true, false, true)];
  const check = (under: ExpandedPolicy, numRuns: number): fc.RunDetails<[Commands]> =>
    fc.check(
      fc.property(gupCommands(setup, { gups }), (commands) =>
        fc.modelRun(modelAndReal(setup, under), commands),
      ),
      { seed: 1, numRuns },
    );

  it('break no promise of the last era', () => {
    const { failed, errorInstance } = check(policy('v6.5-longterm-ban'), 1500);
    expect(failed, String(errorInstance)).toBe(false);
  });
  it('run under every policy, however they wait for each other', () => {
    const all = setupOf('default');
    for (const p of BUILT_IN)
      fc.assert(
        fc.property(gupCommands({ ...all, tasks: 2 }, { properties: [] }), (commands) =>
          fc.modelRun(modelAndReal({ ...all, tasks: 2 }, policy(p.id)), commands),
        ),
        { seed: 3, numRuns: 60 },
      );
  });
  it('find what is lost where GUP-fast does not heed write_protect_seq, and shrink it to a program that runs', () => {
    const base = policyByName('v6.2-anon-exclusive');
    const under = expandPolicy(
      derive(
        base,
        { id: 'no-seq', title: 'ignores it', sources: [] },
        {
          writeProtectSeq: [table(otherwise('ignore'))],
        },
      ),
    );
    const { failed, errorInstance } = check(under, 3000);
    expect(failed).toBe(true);
    const { classId, scenario } = (errorInstance as Error).cause as BrokenPromise;
    expect(scenario.steps.some((s) => s.op === 'fork' && s.until !== undefined)).toBe(true);
    expect(runScenario(scenario, under).violations.map((v) => v.classId)).toContain(classId);
    expect(judgeBeside(scenario, under, expandPolicy(base)).regressions.length).toBeGreaterThan(0);
  });
});
