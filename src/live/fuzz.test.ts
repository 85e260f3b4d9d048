import { describe, expect, it } from 'vitest';
import { Rng } from '../domain/rng.ts';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf } from '../mutate/mutants.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { stepText } from '../scenario/scenario.ts';
import { compare } from './compare.ts';
import { FULL } from './full.ts';
import { fuzzLive, LiveGenerator, liveSetups } from './fuzz.ts';
import { modelKernel } from './model-kernel.ts';
import { isUnsupported, toLive } from './translate.ts';

const RUNS = 300;
const seeded = (n: number): Rng => {
  const rng = new Rng();
  rng.seed(n, n * 7919, 3, 4);
  for (let i = 0; i < 8; i++) rng.below(2);
  return rng;
};

describe('LiveGenerator', () => {
  it('draws nothing that cannot be had', () => {
    const generator = new LiveGenerator(FULL);
    for (let run = 0; run < 2000; run++) {
      const translated = toLive(generator.draw(7, run), FULL);
      expect(isUnsupported(translated) ? translated.unsupported : '').toBe('');
      if (!isUnsupported(translated)) expect(translated.substitutions).toEqual([]);
    }
  });

  it('run i depends on seed and i alone', () => {
    const [a, b] = [new LiveGenerator(FULL), new LiveGenerator(FULL)];
    for (let run = 0; run < 50; run++) a.draw(3, run);
    expect(a.draw(5, 17)).toEqual(b.draw(5, 17));
    expect(b.draw(5, 18)).not.toEqual(b.draw(6, 18));
  });

  it('stays within what the kernel has', () => {
    const poor = {
      ...FULL,
      filesystem: 'tmpfs',
      callers: { ...FULL.callers, fixed_buffer: 'ENOSYS' },
      features: { pageout: 'no MADV_PAGEOUT' },
    };
    expect(liveSetups(poor).flatMap((s) => s.pages.map((p) => p.kind))).not.toContain('shared-file');
    const generator = new LiveGenerator(poor);
    for (let run = 0; run < 300; run++) {
      const { steps } = generator.draw(1, run);
      expect(steps.some((s) => s.op === 'reclaim' || (s.op === 'gup' && s.caller === 'fixed_buffer'))).toBe(
        false,
      );
    }
  });
});

describe('a kernel that is the model', () => {
  it.each(BUILT_IN.map((p) => p.id))('agrees with its own policy: %s', async (id) => {
    const policy = policyByName(id);
    const kernel = modelKernel({ policy });
    const result = await fuzzLive({ kernel, policy, seed: 1, runs: RUNS });
    expect([...result.classes]).toEqual([]);
    expect(result.agreed + result.blind).toBe(RUNS);
    expect(result.freedoms.size).toBe(0);
    expect(result.observed).toBeGreaterThan(RUNS * 3);
  });

  it.each(['v5.11-page-count', 'v6.5-longterm-ban'])('may take its freedoms: %s', async (id) => {
    const policy = policyByName(id);
    const kernel = modelKernel({ policy, free: seeded(5) });
    const result = await fuzzLive({ kernel, policy, seed: 2, runs: RUNS * 2 });
    expect([...result.classes]).toEqual([]);
    if (id === 'v5.11-page-count') expect(result.freedoms.size).toBeGreaterThan(0);
  });

  it.each([
    'v5.7-mapcount',
    'v5.8-cow-break',
    'v5.11-page-count',
    'v6.2-anon-exclusive',
    'canary',
  ])('is told from another policy, and that is shrunk: %s', async (id) => {
    const kernel = modelKernel({ policy: policyByName(id) });
    const policy = policyByName('v6.5-longterm-ban');
    const result = await fuzzLive({ kernel, policy, seed: 1, runs: RUNS, findingsMax: 2, repeats: 3 });
    expect(result.disagreed).toBeGreaterThan(0);
    for (const f of result.findings) {
      expect(f.hits).toBe(3);
      expect(f.shrunkHits).toBe(3);
      expect(f.shrunk.steps.length, f.shrunk.steps.map(stepText).join('; ')).toBeLessThanOrEqual(8);
    }
  });

  it('is told from mutants of its policy', async () => {
    const own = policyByName('v6.5-longterm-ban');
    const kernel = modelKernel({ policy: own });
    const mutant = mutantsOf(withConditions(expandPolicy(own), own), { table: 'wpFault' }).find(
      (m) => m.policy !== undefined && m.changed.length > 0,
    )!;
    const result = await fuzzLive({
      kernel,
      policy: mutant.policy!,
      seed: 1,
      runs: 2000,
      findingsMax: 0,
      stopAtFirst: true,
    });
    expect(result.firstAt).toBeGreaterThanOrEqual(0);
  });

  it('that is wrong now and then is found, with its rate, and shrunk', async () => {
    const policy = policyByName('v6.5-longterm-ban');
    const flaky = { policy: policyByName('canary'), rng: seeded(9), every: 3 };
    const kernel = modelKernel({ policy, flaky });
    const result = await fuzzLive({ kernel, policy, seed: 4, runs: RUNS, findingsMax: 1, repeats: 20 });
    const [found] = result.findings;
    expect(found!.hits).toBeGreaterThan(0);
    expect(found!.hits).toBeLessThan(20);
    expect(found!.shrunk.steps.length).toBeLessThanOrEqual(8);
  });

  it('whose step is unsupported does not pass', async () => {
    const policy = policyByName('v6.5-longterm-ban');
    const model = modelKernel({ policy });
    const kernel = {
      ...model,
      run: async (programs: Parameters<typeof model.run>[0]) =>
        (await model.run(programs)).map((r) => ({
          ...r,
          steps: r.steps.map((s, i) => (i === 1 ? { ...s, outcome: 'unsupported' as const, why: 'x' } : s)),
        })),
    };
    const result = await fuzzLive({ kernel, policy, seed: 1, runs: 20 });
    expect(result.agreed).toBe(0);
    expect(result.incomplete).toBe(20);
  });

  it('that dies does not pass', () => {
    const translated = toLive(new LiveGenerator(FULL).draw(1, 1), FULL);
    if (isUnsupported(translated)) throw new Error(translated.unsupported);
    const c = compare({ steps: [], end: 'killed', why: 'SIGBUS' }, translated, policyByName('canary'));
    expect(c.incomplete).toContain('killed SIGBUS');
  });
});
