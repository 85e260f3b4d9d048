// @slow: searches
import { describe, expect, it } from 'vitest';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { Search } from '../check/search.ts';
import type { PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf, mutationId } from '../mutate/mutants.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { shrinkingForAll } from './several.ts';
import { drain, failsAs, Shrinker, type Shrunk, type Target } from './shrink.ts';

const policyOf = (id: string): ExpandedPolicy => expandPolicy(policyByName(id));
const setup = (kind: PageKind, mms: number, refs: number): Setup => ({
  ...pagesOf([kind], 'ext4-v5.18'),
  mms,
  refs,
  pinBias: 1024,
});
function target(scenario: Scenario, policy: ExpandedPolicy, cls: string): Target {
  const seen = runScenario(scenario, policy).violations.find((v) => v.classId === cls);
  return { code: seen!.code, documented: false };
}
const shrinkAll = (
  policies: readonly ExpandedPolicy[],
  s: Scenario,
  t: Target,
  statesMax = 1_000_000,
): Shrunk =>
  drain(
    shrinkingForAll(
      policies.map((p) => new Shrinker(p, statesMax)),
      s,
      t,
    ),
  );
const CVE = 'isolation/leak/anon/GET-R/cpu->device';

describe('shrinkingForAll', () => {
  const [mapcount, cowBreak, pageCount, canary] = [
    'mapcount',
    'v5.8-cow-break',
    'v5.11-page-count',
    'canary',
  ].map(policyOf) as [ExpandedPolicy, ExpandedPolicy, ExpandedPolicy, ExpandedPolicy];

  it('is proved by one policy that needs as many steps alone', () => {
    const scenario: Scenario = {
      setup: setup('anon', 2, 2),
      steps: parseSteps(
        `P: write A
         h1 = P: gup A vmsplice R
         C = P: fork
         P: read A
         P: munmap A
         C: write A
         device: dma_read h1`,
      ),
    };
    const t = target(scenario, cowBreak, CVE);
    const { scenario: found, minimality } = shrinkAll([cowBreak, mapcount], scenario, t);
    expect(found.steps).toHaveLength(6);
    expect(minimality).toEqual({
      kind: 'shortest',
      scope:
        'for v5.8-cow-break and v5.7-mapcount at once; up to 2 mms and 1 reference at a time; anon A; operations of version 1, 8 kinds of gup',
      depth: 5,
    });
    // Alone, one of them needs fewer, in a program that does not do for the other.
    const alone = new Shrinker(cowBreak).shrink(scenario, t).scenario;
    expect(alone.steps).toHaveLength(5);
    expect(failsAs(mapcount, t)(alone)).toBe(false);
  });

  it('is proved by worlds side by side where each policy alone needs fewer', () => {
    const scenario: Scenario = {
      setup: setup('anon', 2, 1),
      steps: parseSteps(
        `h1 = P: gup A pin W LONGTERM
         C = P: fork
         P: mprotect A r
         P: mprotect A rw
         P: write A
         device: dma_read h1`,
      ),
    };
    const t = target(scenario, pageCount, 'pin-coherence/stale/anon/PIN-W-LT/cpu->device');
    for (const [policy, length] of [
      [pageCount, 5],
      [mapcount, 4],
    ] as const)
      expect(new Shrinker(policy).shrink(scenario, t).scenario.steps).toHaveLength(length);
    const { scenario: found, minimality } = shrinkAll([pageCount, mapcount], scenario, t);
    expect(minimality.kind).toBe('shortest');
    for (const policy of [pageCount, mapcount]) expect(failsAs(policy, t)(found)).toBe(true);
    expect(found.steps).toHaveLength(6);

    // With less than that it says why not.
    const poor = shrinkAll([pageCount, mapcount], scenario, t, 4000).minimality;
    expect(poor.kind).toBe('1-minimal');
    expect(poor.reason).toMatch(/^not proved: 4,000 states reached at depth 5 of 6$/);
    expect(poor.depth).toBe(4);
  });

  it('agrees with an enumeration of all programs', () => {
    const scenario: Scenario = {
      setup: setup('anon', 2, 1),
      steps: parseSteps(
        `P: write A
         h1 = P: gup A get R
         C = P: fork
         P: write A
         C: write A
         device: dma_read h1`,
      ),
    };
    const t = target(scenario, cowBreak, CVE);
    const { scenario: found, minimality } = shrinkAll([canary, cowBreak], scenario, t);
    expect(minimality.kind).toBe('shortest');
    expect(found.steps.map(stepText)).toHaveLength(shortestByHand([canary, cowBreak], found.setup, t, 6));
  });

  it('refuses what does not show the class on all of them, and no policy', () => {
    const scenario: Scenario = { setup: setup('anon', 1, 0), steps: parseSteps('P: write A') };
    const t = { code: 1, documented: false };
    expect(() => shrinkAll([canary, mapcount], scenario, t)).toThrow('on all policies');
    expect(() => shrinkAll([], scenario, t)).toThrow('no policy');
  });
});

/** Knows nothing of its policy alone, so that all rests on the worlds side by side. */
class Modest extends Shrinker {
  override *bounding(): ReturnType<Shrinker['bounding']> {
    yield* [];
    return { atLeast: 1, met: undefined };
  }
}

describe('worlds side by side', () => {
  const together = (policies: readonly ExpandedPolicy[], s: Scenario, t: Target): Shrunk =>
    drain(
      shrinkingForAll(
        policies.map((p) => new Modest(p, 50_000)),
        s,
        t,
      ),
    );
  const mutant = (policy: string, id: string): ExpandedPolicy => {
    const p = policyByName(policy);
    return mutantsOf(withConditions(expandPolicy(p), p)).find((m) => mutationId(m.mutation) === id)!.policy!;
  };
  const file = (filesystem: string, steps: string): Scenario => ({
    setup: { ...pagesOf(['shared-file'], filesystem), mms: 1, refs: 1, pinBias: 1024 },
    steps: parseSteps(steps),
  });

  it('find what is shorter than the passes can make it, and that both show it', () => {
    const [a, b] = ['v5.8-cow-break', 'v6.2-anon-exclusive'].map(policyOf) as [
      ExpandedPolicy,
      ExpandedPolicy,
    ];
    const scenario = file(
      'ext4-v5.18',
      `h1 = P: gup F o_direct_read W
       kernel: wb_start f NONE
       P: read F
       P: munmap F
       kernel: wb_end f
       kernel: reclaim f
       device: dio_end h1`,
    );
    const t = target(scenario, a, 'fs-state/stateless/shared-file/DIO-W/-->filesystem');
    const { scenario: found, minimality } = together([a, b], scenario, t);
    expect([found.steps.length, minimality.kind]).toEqual([4, 'shortest']);
    for (const policy of [a, b]) expect(failsAs(policy, t)(found)).toBe(true);
    // What one policy needs is what two of the same need.
    expect(together([a, a], scenario, t).scenario.steps).toHaveLength(
      new Shrinker(a).shrink(scenario, t).scenario.steps.length,
    );
  });

  it('a program at which one of them stops is of no consequence to the programs tried after it', () => {
    const a = mutant('v5.11-page-count', 'gupSlow/no page: dropped');
    const b = mutant('v5.7-mapcount', 'gupSlow/FOLL_WRITE on a R/O pte: answer EFAULT');
    const scenario = file(
      'ext4-v5.18-stable',
      `other: buffered_write f
       h1 = P: gup F o_direct_read W
       kernel: wb_start f ALL
       kernel: wb_end f
       kernel: reclaim f
       device: dio_end h1
       other: fsync f`,
    );
    const t = target(scenario, a, 'no-crash/warning/shared-file/-/-->filesystem');
    const { scenario: found, minimality } = together([a, b], scenario, t);
    expect([found.steps.length, minimality.kind]).toEqual([5, 'shortest']);
  });
});

/**
 * Steps of the shortest program that shows the class on all policies, or more than `max`, without any search: all
 * programs of the first, with no states merged; those that show it are tried on the others. R GETs are the only gups,
 * or it would take for ever.
 */
function shortestByHand(policies: readonly ExpandedPolicy[], scope: Setup, t: Target, max: number): number {
  const [first, ...rest] = policies as [ExpandedPolicy, ...ExpandedPolicy[]];
  const world = new World(scope, first);
  world.checkInvariants = false;
  const alphabet = alphabetFor(scope, PLAIN_GUPS.slice(0, 1));
  const out = new Int32Array(512);
  for (let length = 1; length <= max; length++) {
    const steps: number[] = [];
    const visit = (): boolean => {
      const state = world.columns.snapshot();
      const n = world.enumerate(alphabet, out);
      for (const step of [...out.subarray(0, n)]) {
        world.columns.restore(state);
        world.ended = false;
        if (world.step(step) === INVALID) continue;
        steps.push(step);
        if (steps.length === length) {
          if (world.violations.some((v) => v.code === t.code) && rest.every((p) => shows(p, scope, steps, t)))
            return true;
        } else if (!world.ended && visit()) return true;
        steps.pop();
      }
      return false;
    };
    world.reset();
    if (visit()) return length;
  }
  return max + 1;
}
function shows(policy: ExpandedPolicy, scope: Setup, steps: readonly number[], t: Target): boolean {
  const world = new World(scope, policy);
  let seen = false;
  for (const step of steps) {
    if (world.step(step) === INVALID) return false;
    seen ||= world.violations.some((v) => v.code === t.code);
  }
  return seen;
}

describe('shrinkingForAll of one policy', () => {
  it('is what its Shrinker says', () => {
    const scenario: Scenario = {
      setup: setup('anon', 1, 1),
      steps: parseSteps('P: read A\n h1 = P: gup A pin R LONGTERM\n P: write A\n device: dma_read h1'),
    };
    const policy = policyOf('v5.11-page-count');
    const t = target(scenario, policy, 'pin-coherence/stale/anon/PIN-R-LT/cpu->device');
    expect(shrinkAll([policy], scenario, t)).toEqual(new Shrinker(policy, 1_000_000).shrink(scenario, t));
    const search = new Search({
      setup: scenario.setup,
      policy,
      alphabet: alphabetFor(scenario.setup, PLAIN_GUPS),
      statesMax: 10_000,
    });
    expect(search.find(t.code, false, 2)).toBeUndefined();
    expect(search.find(t.code, false, 3)?.length).toBe(3);
  });
});
