/** What is kept when things go wrong on a kernel: it dies, hangs, or somebody presses Ctrl-C. */
// @slow: searches
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { findingFile } from './finding.ts';
import { fuzzLive, type LiveFinding } from './fuzz.ts';
import { modelKernel } from './model-kernel.ts';
import type { Kernel, LiveEnd, LiveProgram, LiveResult } from './protocol.ts';
import { findingText, reportText, runOnKernel } from './report.ts';
import { bestFits } from './verdict.ts';

const V65 = policyByName('v6.5-longterm-ban');

/** The model of v6.5, but for what `spoil` makes of a result. */
function spoilt(spoil: (program: LiveProgram, result: LiveResult) => LiveResult): Kernel {
  const model = modelKernel({ policy: V65 });
  return {
    ...model,
    run: async (programs) => (await model.run(programs)).map((result, i) => spoil(programs[i]!, result)),
  };
}
/** As far as its first mprotect, which is the end of it. */
function upToMprotect(program: LiveProgram, result: LiveResult, end: LiveEnd, why: string): LiveResult {
  const at = program.steps.findIndex((s) => s.op === 'mprotect');
  return at < 0 ? result : { steps: result.steps.slice(0, at), end, why };
}

describe('a kernel that', () => {
  it('dies is a finding, shrunk to what kills it', async () => {
    const kernel = spoilt((p, r) => upToMprotect(p, r, 'killed', 'kernel BUG at mm/mprotect.c:1!'));
    const result = await fuzzLive({ kernel, policy: V65, seed: 1, runs: 60, findingsMax: 1, repeats: 3 });
    expect(result.disagreed).toBeGreaterThan(5);
    const [found] = result.findings;
    expect(found!.class).toMatch(/^end in mprotect \(.+\): killed$/);
    expect(found!.shrunk.steps.map(stepText)).toEqual([expect.stringMatching(/^P: mprotect \w+ r$/)]);
    expect(found!.shrunkHits).toBe(3);
    expect(findingText('k', 'p', found!)).toContain('step 1: p has goes on; k has killed kernel BUG');
  });

  it('has trouble of the executor is no finding, and no pass', async () => {
    const kernel = spoilt((p, r) => upToMprotect(p, r, 'failed', 'a process cannot be killed'));
    const result = await fuzzLive({ kernel, policy: V65, seed: 1, runs: 60, repeats: 3 });
    expect([...result.classes]).toEqual([]);
    expect(result.incomplete).toBeGreaterThan(5);
    expect(result.agreed + result.blind + result.incomplete).toBe(60);
  });

  it('hangs is a finding; that a busy machine was late once is none', async () => {
    const seen = new Set<string>();
    const once = spoilt((p, r) => {
      const key = JSON.stringify(p);
      if (seen.has(key)) return r;
      seen.add(key);
      return upToMprotect(p, r, 'timeout', '');
    });
    const late = await fuzzLive({ kernel: once, policy: V65, seed: 1, runs: 60, repeats: 3 });
    expect([...late.classes]).toEqual([]);
    expect(late.incomplete).toBeGreaterThan(5);

    const always = spoilt((p, r) => upToMprotect(p, r, 'timeout', ''));
    const hung = await fuzzLive({
      kernel: always,
      policy: V65,
      seed: 1,
      runs: 60,
      findingsMax: 1,
      repeats: 3,
    });
    expect(hung.disagreed).toBe(late.incomplete);
    expect(hung.findings[0]!.shrunk.steps).toHaveLength(1);
  });

  it('must not run some programs is spared them in shrinking too', async () => {
    const model = modelKernel({ policy: V65 });
    const refuse = (p: LiveProgram): string => (p.pages.length < 2 ? 'one page' : '');
    let run = 0;
    const kernel: Kernel = {
      ...model,
      run: async (programs) => {
        expect(programs.map(refuse).filter((why) => why !== '')).toEqual([]);
        run += programs.length;
        return model.run(programs);
      },
    };
    const options = { policy: policyByName('canary'), seed: 1, runs: 100, findingsMax: 2, repeats: 3 };
    const result = await fuzzLive({ ...options, kernel, refuse });
    expect(result.findings).toHaveLength(2);
    expect(run).toBeGreaterThan(100);
    for (const f of result.findings) expect(f.shrunk.setup.pages.length).toBeGreaterThan(1);
    // Without being told, it does get there.
    const free = await fuzzLive({ ...options, kernel: model });
    expect(free.findings.some((f) => f.shrunk.setup.pages.length === 1)).toBe(true);
  });
});

describe('a finding', () => {
  const options = {
    kernel: modelKernel({ policy: V65 }),
    policy: policyByName('canary'),
    seed: 1,
    runs: 400,
  };

  it('is told of when it is seen, and again when it is shrunk', async () => {
    const told: LiveFinding[] = [];
    const { findings } = await fuzzLive({
      ...options,
      findingsMax: 2,
      repeats: 3,
      onFinding: (f) => told.push(f),
    });
    expect(told.map((f) => [f.class, f.repeats])).toEqual([
      ...findings.map((f) => [f.class, 0]),
      ...findings.map((f) => [f.class, 3]),
    ]);
    expect(told[0]!.shrunk).toEqual(told[0]!.scenario);
    expect(told.slice(2)).toEqual(findings);
  });

  it('stays when the search is stopped, as it was drawn', async () => {
    const abort = new AbortController();
    const result = await fuzzLive({
      ...options,
      batch: 32,
      signal: abort.signal,
      onFinding: () => abort.abort(),
    });
    expect(result.runs).toBeLessThan(400);
    expect(result.findings.length).toBeGreaterThan(0);
    for (const f of result.findings) {
      expect(f).toMatchObject({ repeats: 0, hits: 0 });
      expect(f.comparison.disagreements).not.toEqual([]);
    }
    expect(findingText('k', 'p', result.findings[0]!)).toMatch(/; seen once, not yet run again or shrunk\n/);
  });

  it('stays when shrinking is stopped', async () => {
    const abort = new AbortController();
    const kernel: Kernel = {
      ...options.kernel,
      run: (programs) => {
        if (programs.length < 128) abort.abort(); // the first that is not a batch of the search
        return options.kernel.run(programs);
      },
    };
    const result = await fuzzLive({ ...options, kernel, runs: 128, signal: abort.signal });
    expect(result.findings.length).toBeGreaterThan(1);
    expect(result.findings[0]!.repeats).toBe(10);
    expect(result.findings[0]!.shrunkHits).toBe(10);
    expect(result.findings.slice(1).every((f) => f.repeats === 0)).toBe(true);
  });
});

describe('the file of a finding', () => {
  it.each([
    ['killed', 'kernel BUG\u0007 \u001b[31m\ufffd at \u{1f600} mm/x.c!'],
    ['killed', 'x'.repeat(5000)],
    ['timeout', ''],
  ] as const)('can be read whatever the kernel said: %s %j', async (end, why) => {
    const kernel = spoilt((p, r) => upToMprotect(p, r, end, why));
    const { findings } = await fuzzLive({ kernel, policy: V65, seed: 1, runs: 60, repeats: 2 });
    expect(findings.length).toBeGreaterThan(0);
    for (const f of findings) {
      const text = findingFile('vm \u009b', expandPolicy(V65), 1, f);
      const { steps, explanation } = parseCounterexample(text, 'x');
      expect(steps).toEqual(f.shrunk.steps);
      expect(explanation).toContain(`v6.5-longterm-ban has goes on, the kernel has ${end}`);
    }
  });
});

describe('shrinking', () => {
  it('stays with what it was about, though less shows something else', async () => {
    // Devices see nonsense, and so do processes, but where there are two references.
    const kernel = spoilt((p, r) => {
      const two = p.steps.filter(({ op }) => op === 'gup').length > 1;
      const steps = r.steps.map((s, i) => {
        const { op } = p.steps[i]!;
        return op === 'dma_read' || (op === 'read' && !two) ? { ...s, value: 99 } : s;
      });
      return { ...r, steps };
    });
    const { findings } = await fuzzLive({ kernel, policy: V65, seed: 2, runs: 200, repeats: 2 });
    const device = findings.filter((f) => f.observer === 'device-load');
    expect(device.length).toBeGreaterThan(1);
    for (const f of device)
      expect([f.shrunkHits, f.shrunk.steps.map(({ op }) => op)]).toEqual([2, ['gup', 'dma_read']]);
  });
});

describe('given scenarios', () => {
  const scenario = (kinds: readonly PageKind[], text: string): Scenario => ({
    setup: { ...pagesOf(kinds, 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 },
    steps: parseSteps(text),
  });
  const POLICIES = [V65, policyByName('canary')].map(expandPolicy);
  const dies: Kernel = spoilt((_, r) => ({ steps: r.steps.slice(0, -1), end: 'killed', why: 'SIGBUS' }));

  it('of a kernel that dies no policy is right', async () => {
    const named = [{ name: 'x', scenario: scenario(['anon'], 'P: write A\nP: read A') }];
    const reports = await runOnKernel(dies, named, POLICIES, 3);
    expect(reports[0]!.fits.map((f) => f.agrees)).toEqual([0, 0]);
    expect(reports[0]!.fits[0]!.disagreements).toEqual([
      { step: 1, observer: 'end', predicted: ['goes on'], seen: 'killed SIGBUS' },
    ]);
    expect(reportText(reports[0]!)).toContain('killed SIGBUS');
  });

  it('where ext4 of this model warns, that of an older kernel may stop', async () => {
    const stripped = `h1 = P: gup F process_vm_writev W
      other: fsync f
      P: munmap F
      kernel: reclaim f
      device: dma_write h1
      device: unpin h1 dirty
      other: fsync f`;
    const innocent = stripped.replace('kernel: reclaim f\n', '');
    const ends = await runOnKernel(
      dies,
      [stripped, innocent].map((text) => ({ name: 'x', scenario: scenario(['shared-file'], text) })),
      [expandPolicy(policyByName('v5.11-page-count'))], // v6.5 leaves a pinned page its buffers
      1,
    );
    expect(ends.map((r) => [r.verdict.kind, r.fits[0]!.incomplete])).toEqual([
      ['incomplete', 'ended before step 7: killed SIGBUS'],
      ['not explained', 'ended before step 6: killed SIGBUS'],
    ]);
    expect(ends.map((r) => r.fits[0]!.disagreements.length)).toEqual([0, 1]);
  });

  it('that were not run when it was stopped are told from those that were', async () => {
    const abort = new AbortController();
    const model = modelKernel({ policy: V65 });
    const kernel: Kernel = {
      ...model,
      run: (programs) => {
        abort.abort();
        return model.run(programs);
      },
    };
    const one = { name: 'x', scenario: scenario(['anon'], 'P: write A\nP: read A') };
    const reports = await runOnKernel(kernel, [one, one, one], POLICIES, 100, undefined, abort.signal);
    expect(reports.map((r) => [r.runs, r.verdict.why])).toEqual([
      [100, ''],
      [28, ''],
      [0, 'stopped before it was run'],
    ]);
    expect(bestFits(reports).of).toBe(2);
  });
});
