// @slow: campaigns
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { Rng } from '../domain/rng.ts';
import { expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf } from '../mutate/mutants.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { type Scenario, type Step, stepText } from '../scenario/scenario.ts';
import { compare } from './compare.ts';
import { FULL } from './full.ts';
import { disagreementClass, fuzzLive, LiveGenerator, liveSetups } from './fuzz.ts';
import { modelKernel } from './model-kernel.ts';
import type { Kernel, LiveProgram, LiveResult } from './protocol.ts';
import { fuzzText } from './report.ts';
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

  it('lets everybody look once more after the last store', () => {
    const generator = new LiveGenerator(FULL);
    for (let run = 0; run < 300; run++) {
      const { steps, setup } = generator.draw(2, run);
      const seenLater = (at: number, looks: (s: Step) => boolean): boolean => steps.slice(at + 1).some(looks);
      steps.forEach((s, at) => {
        if (s.op !== 'write') return;
        // Where the page is at last; nowhere, if it was unmapped, or another took its place.
        let place: string | undefined = s.page;
        for (const l of steps.slice(at + 1)) {
          if (l.task !== s.task) continue;
          if (l.op === 'exit' || (l.op === 'munmap' && l.page === place)) place = undefined;
          else if (l.op === 'mremap' && l.page !== l.to)
            place = l.page === place ? l.to : l.to === place ? undefined : place;
        }
        if (place !== undefined)
          expect(seenLater(at, (l) => l.op === 'read' && l.task === s.task && l.page === place)).toBe(true);
      });
      const last = steps.findLastIndex((s) =>
        ['write', 'dma_write', 'buffered_write', 'dio_end'].includes(s.op),
      );
      for (const file of setup.files)
        for (const op of file.filesystem === 'shmem' ? ['buffered_read'] : ['buffered_read', 'fsync'])
          expect(seenLater(last, (l) => l.op === op && 'file' in l && l.file === file.name)).toBe(true);
    }
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

describe('disagreementClass', () => {
  const scenario: Scenario = {
    setup: { ...pagesOf(['anon', 'shared-file'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 },
    steps: parseSteps(
      'h1 = P: gup F vmsplice R\n P: read A\n device: dma_read h1\n other: buffered_read f\n other: fsync f',
    ),
  };
  it.each([
    [0, 'outcome', 'refused EPERM', 'outcome of gup (shared-file): refused EPERM'],
    [1, 'load', '0', 'load (anon)'],
    [2, 'device-load', '0', 'device-load (shared-file)'],
    [3, 'file-read', '0', 'file-read (file)'],
    [4, 'log', 'WARNING: x', 'log (file)'],
  ] as const)('of step %i seen by %s', (step, observer, seen, expected) => {
    expect(disagreementClass(scenario, { step, observer, seen, predicted: [] })).toBe(expected);
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
    const kernel = modelKernel({ policy, free: seeded(7) });
    const result = await fuzzLive({ kernel, policy, seed: 10, runs: RUNS * 2 });
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

  const V65 = policyByName('v6.5-longterm-ban');
  /** The model of v6.5, and what is made of each result. */
  const made = (make: (r: LiveResult, p: LiveProgram) => LiveResult): Kernel => {
    const model = modelKernel({ policy: V65 });
    return {
      ...model,
      run: async (programs) => (await model.run(programs)).map((r, i) => make(r, programs[i]!)),
    };
  };
  const of = (program: LiveProgram, op: string): boolean => program.steps.some((s) => s.op === op);
  /** The class that the kernel shows for a scenario, or ''. */
  const classOn = async (kernel: Kernel, scenario: Scenario): Promise<string> => {
    const t = toLive(scenario, FULL);
    if (isUnsupported(t)) return '';
    const [r] = await kernel.run([t.program]);
    const [worst] = compare(r!, t, V65).disagreements;
    return worst === undefined ? '' : disagreementClass(t.scenario, worst);
  };

  it('with two faults: a finding is shrunk to what shows the same, and cannot do without any step', async () => {
    // After a fork loads see zeroes; without one devices do.
    const kernel = made((r, p) => ({
      ...r,
      steps: r.steps.map((s, i) =>
        p.steps[i]!.op === (of(p, 'fork') ? 'read' : 'dma_read') ? { ...s, value: 77 } : s,
      ),
    }));
    const { findings, firstAt, classes } = await fuzzLive({
      kernel,
      policy: V65,
      seed: 3,
      runs: 200,
      repeats: 2,
    });
    expect(findings.map((f) => f.class).sort()).toEqual([...classes.keys()].sort());
    expect(firstAt).toBe(Math.min(...findings.map((f) => f.run)));
    for (const { class: id, shrunk, scenario } of findings) {
      expect(await classOn(kernel, scenario)).toBe(id);
      expect(await classOn(kernel, shrunk)).toBe(id);
      for (let i = 0; i < shrunk.steps.length; i++) {
        const without = { ...shrunk, steps: shrunk.steps.filter((_, k) => k !== i) };
        if (
          without.steps.every(
            (s) => !('ref' in s) || without.steps.some((g) => g.op === 'gup' && g.result === s.ref),
          )
        )
          expect(await classOn(kernel, without)).not.toBe(id);
      }
    }
  });

  it('results belong to the programs that were run, and those refused are no pass', async () => {
    const kernel = modelKernel({ policy: V65 });
    const refuse = (p: LiveProgram): string => (of(p, 'fork') ? 'forks' : '');
    const result = await fuzzLive({ kernel, policy: V65, seed: 1, runs: 60, refuse });
    expect([...result.classes]).toEqual([]);
    expect([...result.reasons.keys()]).toEqual(['forks']);
    expect(result.incomplete).toBeGreaterThan(5);
    expect(result.agreed + result.blind).toBe(60 - result.incomplete);
    expect(kernel.programs()).toBe(60 - result.incomplete);
    const text = fuzzText('k', 'p', result);
    expect(text).toContain(`0 disagree, ${result.incomplete} incomplete, `);
    expect(text).toContain(`\n  incomplete: ${result.incomplete} x forks\n`);
  });

  it('that shows nothing does not pass', async () => {
    const blind = made((r) => ({ ...r, steps: r.steps.map((s) => ({ ...s, value: undefined })) }));
    const result = await fuzzLive({ kernel: blind, policy: V65, seed: 1, runs: 60 });
    const generator = new LiveGenerator(FULL);
    const drawn = Array.from({ length: 60 }, (_, run) => generator.draw(1, run).steps);
    expect(result.blind).toBe(drawn.filter((steps) => steps.every((s) => s.op !== 'gup')).length);
    expect(result.blind).toBeGreaterThan(0);
    expect(result.agreed).toBe(60 - result.blind);
    expect(fuzzText('k', 'p', result)).toContain(
      `60 runs, ${result.agreed} agree, 0 disagree, 0 incomplete, ${result.blind} with nothing to see`,
    );
  });

  it('that warns is heard', async () => {
    const kernel = made((r) => ({
      ...r,
      steps: r.steps.map((s, i) => (i === 0 ? { ...s, log: ['WARNING: mm/gup.c'] } : s)),
    }));
    const result = await fuzzLive({ kernel, policy: V65, seed: 1, runs: 40, findingsMax: 0 });
    expect(result.log).toEqual(['WARNING: mm/gup.c']);
    expect([...result.classes.keys()].every((id) => id.startsWith('log '))).toBe(true);
    expect(result.disagreed).toBeGreaterThan(0);
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
