// @slow: draws thousands of programs
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OUTCOMES, type Outcome } from '../domain/kinds.ts';
import { runScenario } from '../executor/run.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { before, derive, type Policy, rule } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { Binding, stepText } from '../scenario/scenario.ts';
import { fastCheckShrink } from '../shrink/fast-check.ts';
import { failsAs } from '../shrink/shrink.ts';
import { ChunkRunner } from './chunk.ts';
import { Generator, setupsOf } from './generate.ts';
import { nameSteps, Program, ProgramArbitrary, repair } from './program.ts';

/** Refuses every other kind of reference, so that programs have many steps without their result. */
const refuser: Policy = derive(
  policyByName('v6.5-longterm-ban'),
  { id: 'refuser', title: 'refuses plain pins', sources: [] },
  {
    gupKind: [
      before(
        'pin_user_pages',
        rule('no pins today', (f) => f.caller === 'pin', 'EFAULT'),
      ),
    ],
  },
);
const POLICIES: readonly ExpandedPolicy[] = [...BUILT_IN, refuser].map(expandPolicy);
const arbitrary = new ProgramArbitrary(new Generator(setupsOf('default', 'all')));

/** Programs as values of their own: the packed steps of a drawn one are overwritten by the next. */
function programs(count: number, seed: number): Program[] {
  const list: Program[] = [];
  fc.assert(
    fc.property(arbitrary, (p) => {
      list.push(new Program(p.setup, p.setupAt, p.packed!.slice(0, p.length), p.length, p.scenario));
    }),
    { seed, numRuns: count, endOnFailure: true },
  );
  return list;
}

interface Ran {
  readonly outcomes: readonly Outcome[];
  readonly violations: readonly string[];
}
/** The packed steps on one policy, as a campaign runs them. */
function runPacked(program: Program, policy: ExpandedPolicy): Ran {
  const world = new World(program.setup, policy);
  const outcomes: Outcome[] = [];
  const violations: string[] = [];
  for (let i = 0; i < program.length && !world.ended; i++) {
    const outcome = world.step(program.packed![i]!);
    expect(outcome).not.toBe(INVALID);
    outcomes.push(OUTCOMES[outcome]!);
    for (const v of world.violations) violations.push(`${i} ${v.code} ${v.documented}`);
  }
  return { outcomes, violations };
}

describe('names', () => {
  it('packed, named and packed again: the same steps, outcomes and findings under every policy', () => {
    const met = new Map<string, Set<string>>(POLICIES.map((p) => [p.id, new Set()]));
    let found = 0;
    for (const program of programs(300, 1)) {
      const { scenario } = program;
      expect(scenario.steps.length).toBe(program.length);
      for (const policy of POLICIES) {
        const packed = runPacked(program, policy);
        const named = runScenario(scenario, policy);
        expect(named.notApplicable).toBe(-1);
        expect(named.outcomes).toEqual(packed.outcomes);
        const first = new Map<string, string>();
        for (const v of packed.violations) {
          const [at, code, documented] = v.split(' ');
          if (!first.has(`${code} ${documented}`)) first.set(`${code} ${documented}`, at!);
        }
        const seen = [...named.violations, ...named.documented].map(
          (f) => `${f.at} ${f.code} ${f.documented}`,
        );
        expect(seen.sort()).toEqual([...first].map(([what, at]) => `${at} ${what}`).sort());
        for (const outcome of packed.outcomes) met.get(policy.id)!.add(outcome);
        found += seen.length;
        // And step for step the same integers.
        const world = new World(program.setup, policy);
        const binding = new Binding(program.setup);
        for (let i = 0; i < named.outcomes.length; i++) {
          expect(binding.pack(scenario.steps[i]!)).toBe(program.packed![i]);
          world.step(program.packed![i]!);
          binding.executed(scenario.steps[i]!, world);
        }
      }
    }
    expect(found).toBeGreaterThan(100);
    for (const id of ['refuser', 'v6.5-longterm-ban'])
      expect([...met.get(id)!].sort()).toEqual(['blocked', 'done', 'no effect', 'refused', 'skipped']);
  });

  it('never names two things alike', () => {
    for (const { scenario } of programs(200, 2)) {
      const made = scenario.steps.flatMap((s) => (s.op === 'fork' || s.op === 'gup' ? [s.result] : []));
      expect(new Set(made).size).toBe(made.length);
      expect(made).not.toContain('P');
    }
  });

  it('prints steps that read back', () => {
    for (const { scenario } of programs(200, 3))
      expect(parseSteps(scenario.steps.map(stepText).join('\n'))).toEqual(scenario.steps);
  });

  it('does not depend on later drawing once the scenario was asked for', () => {
    const [kept] = programs(1, 4);
    expect(nameSteps(kept!.setup, kept!.packed!, kept!.length)).toEqual(kept!.scenario.steps);
  });
});

describe('repair', () => {
  it('keeps a program that applies as it is', () => {
    for (const { setup, scenario } of programs(100, 5))
      expect(repair(setup, scenario.steps)).toEqual(scenario.steps);
  });

  it('drops what needs a step that is gone, and nothing else', () => {
    const setup = setupsOf('base', 'anon')[0]!;
    const steps = parseSteps(`
      C = P: fork
      h1 = C: gup A pin W
      device: dma_write h1
      P: write A
      C: exit
      device: unpin h1
      P: exit            # the last mm cannot
      h1 = P: gup A get R
      device: dma_read h1
    `);
    expect(repair(setup, steps).map(stepText)).toEqual([
      'C = P: fork',
      'h1 = C: gup A pin W',
      'device: dma_write h1',
      'P: write A',
      'C: exit',
      'device: unpin h1',
      'h1 = P: gup A get R',
      'device: dma_read h1',
    ]);
    expect(repair(setup, steps.slice(1)).map(stepText)).toEqual([
      'P: write A',
      'h1 = P: gup A get R',
      'device: dma_read h1',
    ]);
    expect(repair(setup, steps.slice(3)).map(stepText)).toEqual([
      'P: write A',
      'h1 = P: gup A get R',
      'device: dma_read h1',
    ]);
  });
});

describe('ProgramArbitrary', () => {
  it('shrinks to valid programs of the same setup, each shorter', () => {
    let candidates = 0;
    for (const program of programs(20, 6)) {
      const texts = new Set<string>();
      for (const { value } of arbitrary.shrink(program)) {
        expect(value.setup).toBe(program.setup);
        expect(value.length).toBe(value.scenario.steps.length);
        expect(value.length).toBeLessThan(program.length);
        expect(repair(value.setup, value.scenario.steps)).toEqual(value.scenario.steps);
        texts.add(String(value));
        candidates++;
      }
      // Every single step is among what can be dropped.
      for (let i = 0; i < program.length; i++) {
        const rest = program.scenario.steps.filter((_, k) => k !== i);
        expect(texts).toContain(repair(program.setup, rest).map(stepText).join('; '));
      }
    }
    expect(candidates).toBeGreaterThan(500);
  });

  it('knows its own values', () => {
    expect(arbitrary.canShrinkWithoutContext(programs(1, 7)[0])).toBe(true);
    expect(arbitrary.canShrinkWithoutContext('P: write A')).toBe(false);
  });
});

describe("fast-check's own shrinking", () => {
  it('ends with a program of the same class of which no single step can be dropped', () => {
    const runner = new ChunkRunner({ seed: 3, scope: 'default', profile: 'all' }, POLICIES);
    const { findings } = runner.run(
      0,
      POLICIES.map(() => new Set<number>()),
    );
    let shorter = 0;
    for (const finding of findings.slice(0, 60)) {
      const policy = POLICIES.find((p) => p.id === finding.policy)!;
      const fails = failsAs(policy, finding);
      expect(fails(finding.scenario)).toBe(true);
      const shrunk = fastCheckShrink(runner, finding.run, policy, finding)!;
      expect(fails(shrunk)).toBe(true);
      expect(shrunk.setup).toEqual(finding.scenario.setup);
      expect(shrunk.steps.length).toBeLessThanOrEqual(finding.scenario.steps.length);
      if (shrunk.steps.length < finding.scenario.steps.length) shorter++;
      shrunk.steps.forEach((_, i) => {
        const rest = repair(
          shrunk.setup,
          shrunk.steps.filter((__, k) => k !== i),
        );
        expect(fails({ setup: shrunk.setup, steps: rest })).toBe(false);
      });
    }
    expect(shorter).toBeGreaterThan(40);
  });

  it('has nothing to say of a run that does not show the finding', () => {
    const runner = new ChunkRunner({ seed: 3, scope: 'base', profile: 'anon' }, POLICIES);
    const sound = POLICIES.find((p) => p.id === 'v6.5-longterm-ban')!;
    expect(fastCheckShrink(runner, 5, sound, { code: 1, documented: false })).toBeUndefined();
  });
});
