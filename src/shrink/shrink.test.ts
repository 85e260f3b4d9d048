// @slow: a hundred programs are shrunk
import { describe, expect, it } from 'vitest';
import { alphabetFor, PLAIN_GUPS, pagesOf, setupOf } from '../check/scope.ts';
import { Search } from '../check/search.ts';
import type { PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { decodeClass } from '../executor/simulated.ts';
import { ChunkRunner, classKey } from '../fuzz/chunk.ts';
import { repair } from '../fuzz/program.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { fastCheckShrink } from './fast-check.ts';
import { compareSimplicity } from './order.ts';
import {
  cutAfter,
  failsAs,
  gupsFor,
  runPasses,
  type SearchProgress,
  Shrinker,
  type Shrunk,
  type Target,
} from './shrink.ts';

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const policyOf = (id: string): ExpandedPolicy => POLICIES.find((p) => p.id === id)!;
const IDS = POLICIES.map((p) => p.id);

const setup = (kind: PageKind, mms: number, refs: number, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf([kind], filesystem),
  mms,
  refs,
  pinBias: 1024,
});
const lines = (scenario: Scenario): string[] => scenario.steps.map(stepText);
const literal = (text: string): string[] => parseSteps(text).map(stepText);

/** The class as a policy shows it in a scenario. */
function target(scenario: Scenario, policy: string, cls: string): Target {
  const seen = runScenario(scenario, policyOf(policy)).violations.find((v) => v.classId === cls);
  return { code: seen!.code, documented: false };
}

interface Start {
  readonly runner: ChunkRunner;
  readonly run: number;
  readonly scenario: Scenario;
  readonly target: Target;
}
/** The first run of a campaign that shows the class. */
function firstRun(
  seed: number,
  scope: string,
  profile: 'anon' | 'all',
  policy: ExpandedPolicy,
  cls: string,
): Start {
  const runner = new ChunkRunner({ seed, scope, profile }, [policy]);
  const known = new Set<number>();
  for (let chunk = 0; chunk < 100; chunk++)
    for (const f of runner.run(chunk, [known]).findings) {
      known.add(classKey(f.code, f.documented));
      if (!f.documented && classId(decodeClass(f.code)) === cls)
        return { runner, run: f.run, scenario: f.scenario, target: { code: f.code, documented: false } };
    }
  throw new Error(`seed ${seed} does not show ${cls}`);
}

/** As a campaign shrinks: fast-check's result, passes, search. */
const shrunkAll = (shrinker: Shrinker, { runner, run, target: t }: Start): Shrunk =>
  shrinker.shrink(fastCheckShrink(runner, run, shrinker.policy, t)!, t);

/** The file of a finding but for where it came from. */
const fileText = (policy: ExpandedPolicy, { scenario, minimality }: Shrunk, { code }: Target): string =>
  formatCounterexample(
    buildCounterexample({
      scenario,
      policy,
      code,
      documented: false,
      minimality,
      provenance: { tool: 'test', seed: null, run: null, found: 'campaign' },
      policies: POLICIES,
    }),
  );

describe('one class, many seeds', () => {
  const CVE = 'isolation/leak/anon/GET-R/cpu->device';

  it('ends in the same file for 100 seeds', () => {
    const policy = policyOf('v5.7-mapcount');
    const shrinker = new Shrinker(policy);
    const starts = new Set<string>();
    const texts = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const start = firstRun(seed, 'base', 'anon', policy, CVE);
      starts.add(lines(start.scenario).join());
      texts.add(fileText(policy, shrunkAll(shrinker, start), start.target));
    }
    expect(starts.size).toBeGreaterThan(95);
    expect(texts.size).toBe(1);
    const steps =
      'P: write A\n C = P: fork\n h1 = P: gup A get R\n P: exit\n C: write A\n device: dma_read h1';
    for (const step of literal(steps)) expect([...texts][0]).toContain(`"op": "${/: (\w+)/.exec(step)![1]}"`);
    expect([...texts][0]).toContain('"kind": "shortest"');
  });

  it('ends in the same file from richer scopes too, whoever shrinks it', () => {
    const policy = policyOf('v5.11-page-count');
    const texts = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const start = firstRun(seed, 'default', 'anon', policy, 'pin-coherence/stale/anon/PIN-W/device->cpu');
      texts.add(fileText(policy, shrunkAll(new Shrinker(policy), start), start.target));
    }
    expect(texts.size).toBe(1);
  });
});

describe('shortest', () => {
  it.each(IDS)('%s: agrees with a search of the whole scope', (id) => {
    const policy = policyOf(id);
    const shrinker = new Shrinker(policy);
    const base = setupOf('base');
    // Independent: its own object, all slots kept apart, the widest scope at once.
    const whole = new Search({
      setup: base,
      policy,
      alphabet: alphabetFor(base, PLAIN_GUPS),
      statesMax: 1_000_000,
      symmetry: false,
    });
    const runner = new ChunkRunner({ seed: 9, scope: 'base', profile: 'anon' }, [policy]);
    let compared = 0;
    for (const f of runner.run(0, [new Set()]).findings) {
      const { scenario, minimality } = shrinker.shrink(f.scenario, f);
      expect(failsAs(policy, f)(scenario)).toBe(true);
      expect(minimality.kind).toBe('shortest');
      expect(minimality.depth).toBe(scenario.steps.length);
      if (scenario.steps.length > 4) continue;
      expect(whole.find(f.code, f.documented, 4)?.length).toBe(scenario.steps.length);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });

  it('names the scope of its result, and is 1-minimal where it gave up', () => {
    const policy = policyOf('v5.7-mapcount');
    const scenario: Scenario = {
      setup: setup('anon', 3, 3),
      steps: parseSteps(
        `C = P: fork
         h1 = C: gup A pin R LONGTERM
         h2 = P: gup A get R
         C: write A
         device: dma_read h1`,
      ),
    };
    const t = target(scenario, 'v5.7-mapcount', 'pin-coherence/stale/anon/PIN-R-LT/cpu->device');
    const { scenario: found, minimality } = new Shrinker(policy).shortest(scenario, t);
    expect(lines(found)).toEqual(literal('h1 = P: gup A pin R LONGTERM\n P: write A\n device: dma_read h1'));
    expect(found.setup).toEqual(setup('anon', 1, 1));
    expect(minimality).toEqual({
      kind: 'shortest',
      scope: 'up to 1 mm and 1 reference at a time; anon A; operations of version 1, 8 kinds of gup',
      depth: 3,
    });

    const poor = new Shrinker(policy, 10).shrink(scenario, t);
    expect(poor.minimality.kind).toBe('1-minimal');
    expect(poor.minimality.depth).toBeLessThan(3);
    expect(poor.minimality.reason).toBe('not proved: 10 states reached at depth 2 of 3');
    expect(lines(poor.scenario)).toEqual(lines(found)); // the passes alone get there
  });

  it('says the same whatever the Shrinker did before', () => {
    const policy = policyOf('v5.7-mapcount');
    const runner = new ChunkRunner({ seed: 21, scope: 'base', profile: 'anon' }, [policy]);
    const findings = runner.run(0, [new Set()]).findings.slice(0, 12);
    const alone = findings.map((f) => new Shrinker(policy, 5000).shrink(f.scenario, f));
    const shared = new Shrinker(policy, 5000);
    expect(findings.map((f) => shared.shrink(f.scenario, f))).toEqual(alone);
    const backwards = new Shrinker(policy, 5000);
    expect([...findings].reverse().map((f) => backwards.shrink(f.scenario, f))).toEqual([...alone].reverse());
    expect(new Set(alone.map((s) => s.minimality.kind)).size).toBe(2);
  });

  it('finds a shorter one than the passes, which end where no step can be left out', () => {
    const policy = policyOf('v5.8-cow-break');
    const scenario: Scenario = {
      setup: setup('anon', 2, 2),
      steps: parseSteps(
        `h1 = P: gup A get R
         C = P: fork
         P: write A
         h2 = C: gup A get W
         device: dma_write h2
         device: dma_read h1`,
      ),
    };
    const t = target(scenario, policy.id, 'isolation/leak/anon/GET-R/device->device');
    expect(runPasses(scenario, policy, t).steps).toHaveLength(6);
    const { scenario: found, minimality } = new Shrinker(policy, 1_000_000).shrink(scenario, t);
    expect(found.steps).toHaveLength(5);
    expect(failsAs(policy, t)(found)).toBe(true);
    expect(minimality).toEqual({ kind: 'shortest', scope: expect.any(String) as string, depth: 5 });
  });

  it('is proved by all shorter ones alone, and not by less than that', () => {
    const policy = policyOf('v5.7-mapcount');
    const scenario: Scenario = {
      setup: setup('anon', 2, 1),
      steps: parseSteps(
        'P: write A\n C = P: fork\n h1 = C: gup A get R\n C: munmap A\n P: write A\n device: dma_read h1',
      ),
    };
    const t = target(scenario, policy.id, 'isolation/leak/anon/GET-R/cpu->device');
    const search = new Search({
      setup: scenario.setup,
      policy,
      alphabet: alphabetFor(scenario.setup, gupsFor(scenario)),
      statesMax: 1_000_000,
    });
    search.runTo(4);
    const four = search.states;
    search.runTo(5);
    const proved = new Shrinker(policy, search.states + 1).shortest(scenario, t);
    expect(proved.minimality).toMatchObject({ kind: 'shortest', depth: 5 });
    expect(proved.scenario).toEqual(scenario);
    const not = new Shrinker(policy, four).shortest(scenario, t);
    expect(not.minimality).toMatchObject({ kind: '1-minimal', depth: 4 });
    expect(not.minimality.reason).toBe(
      `not proved: ${four.toLocaleString('en-US')} states reached at depth 5 of 6`,
    );
  });

  it('tells how far it has got', () => {
    const policy = policyOf('v5.11-page-count');
    const start = firstRun(3, 'base', 'anon', policy, 'pin-coherence/stale/anon/PIN-W/device->device');
    const seen: SearchProgress[] = [];
    const work = new Shrinker(policy, 30_000).shrinking(start.scenario, start.target);
    let at = work.next();
    for (; at.done !== true; at = work.next()) seen.push(at.value);
    expect(seen.length).toBeGreaterThan(0);
    for (const p of seen) {
      expect(p).toMatchObject({ policy: policy.id, statesMax: 30_000 });
      expect(p.states).toBeLessThanOrEqual(30_000);
      expect(p.depth).toBeLessThanOrEqual(p.wanted);
    }
    expect(at.value).toEqual(new Shrinker(policy, 30_000).shrink(start.scenario, start.target));
  });

  it('refuses a scenario that does not show the class', () => {
    const scenario: Scenario = { setup: setup('anon', 1, 0), steps: parseSteps('P: write A') };
    expect(() => new Shrinker(policyOf('canary')).shrink(scenario, { code: 1, documented: false })).toThrow(
      'the scenario does not show this finding',
    );
  });
});

describe('runPasses', () => {
  it('ends with a scenario of the same class of which no step can be dropped, and stays there', () => {
    let shrunk = 0;
    for (const [scope, profile, seed] of [
      ['base', 'anon', 5],
      ['default', 'file', 6],
    ] as const) {
      const runner = new ChunkRunner({ seed, scope, profile }, POLICIES);
      for (const f of runner.run(
        0,
        POLICIES.map(() => new Set<number>()),
      ).findings) {
        const policy = policyOf(f.policy);
        const fails = failsAs(policy, f);
        const result = runPasses(f.scenario, policy, f);
        expect(fails(result)).toBe(true);
        expect(compareSimplicity(result, f.scenario)).toBeLessThan(0);
        expect(runPasses(result, policy, f)).toEqual(result);
        expect(cutAfter(result, policy, f)).toEqual(result);
        result.steps.forEach((_, i) => {
          const rest = repair(
            result.setup,
            result.steps.filter((__, k) => k !== i),
          );
          expect(fails({ setup: result.setup, steps: rest })).toBe(false);
        });
        shrunk++;
      }
    }
    expect(shrunk).toBeGreaterThan(100);
  });

  it('prefers the first filesystem also where nothing else is left to do', () => {
    const scenario: Scenario = {
      setup: setup('shared-file', 1, 1, 'ext4-v5.17-stable'),
      steps: parseSteps('h1 = P: gup F get W\n kernel: wb_start f NONE\n device: unpin h1 dirty'),
    };
    const t = target(scenario, 'v6.5-longterm-ban', 'fs-notified/unnotified/shared-file/GET-W/-->filesystem');
    expect(runPasses(scenario, policyOf('v6.5-longterm-ban'), t)).toEqual({
      ...scenario,
      setup: setup('shared-file', 1, 1, 'ext4-v5.18'),
    });
  });
});

describe('cutAfter and failsAs', () => {
  const scenario: Scenario = {
    setup: setup('anon', 2, 1),
    steps: parseSteps(
      `P: write A
       C = P: fork
       C: write A
       P: read A
       C: read A
       P: read A`,
    ),
  };
  const cls = 'isolation/leak/anon/-/cpu->cpu';

  it('ends at the step at which the class is first seen', () => {
    const t = target(scenario, 'canary', cls);
    expect(lines(cutAfter(scenario, policyOf('canary'), t))).toEqual(
      literal('P: write A\n C = P: fork\n C: write A\n P: read A'),
    );
    expect(cutAfter(scenario, policyOf('v5.7-mapcount'), t)).toBe(scenario);
  });

  it('asks for the same class, policy and kind of verdict, and for steps that apply', () => {
    const t = target(scenario, 'canary', cls);
    expect(failsAs(policyOf('canary'), t)(scenario)).toBe(true);
    expect(failsAs(policyOf('canary'), { ...t, documented: true })(scenario)).toBe(false);
    expect(failsAs(policyOf('canary'), { ...t, code: t.code + 1 })(scenario)).toBe(false);
    expect(failsAs(policyOf('v6.5-longterm-ban'), t)(scenario)).toBe(false);
    const broken = { ...scenario, steps: [...scenario.steps, ...parseSteps('D: write A')] };
    expect(failsAs(policyOf('canary'), t)(broken)).toBe(false);
  });
});
