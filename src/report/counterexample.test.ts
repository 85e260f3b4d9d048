import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { runScenario } from '../executor/run.ts';
import { ChunkRunner } from '../fuzz/chunk.ts';
import { tablesOf } from '../machine/ask.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample, parseCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { buildCounterexample } from './counterexample.ts';

const POLICIES = BUILT_IN.map(expandPolicy);
const policy = (name: string): ExpandedPolicy => expandPolicy(policyByName(name));

const scenario = (kinds: readonly PageKind[], text: string, filesystem = 'ext4-v5.18'): Scenario => ({
  setup: { ...pagesOf(kinds, filesystem), mms: 2, refs: 2, pinBias: 1024 },
  steps: parseSteps(text),
});

/** The last class that the run meets. */
function build(name: string, s: Scenario, documented = false): Counterexample {
  const p = policy(name);
  const result = runScenario(s, p);
  const found = (documented ? result.documented : result.violations).at(-1)!;
  return buildCounterexample({
    scenario: s,
    policy: p,
    code: found.code,
    documented,
    minimality: { kind: 'none', scope: 'a test', depth: 0 },
    provenance: { tool: 'gupfuzz', seed: 1, run: 2, found: 'campaign' },
    policies: POLICIES,
  });
}

const words = ({ title, seen, explanation }: Counterexample): object => ({ title, seen, explanation });

describe('buildCounterexample in words', () => {
  it('a leak: who stored, who had let go, which rule reused', () => {
    const c = build(
      'mapcount',
      scenario(
        ['anon'],
        `P: write A
         C = P: fork
         h1 = C: gup A vmsplice R
         C: munmap A
         P: write A
         device: dma_read h1`,
      ),
    );
    expect(words(c)).toEqual({
      title: "the device, through C's vmsplice, sees what P stored (anon)",
      seen: {
        step: 5,
        observed: 'the device read through h1 what P stored in step 5',
        expected: 'what A of C held when h1 was taken in step 3, or later content of the same page',
      },
      explanation:
        'Fork in step 2 shared the folio (forkPte, rule "otherwise": share). C took h1 in step 3 on the shared folio. ' +
        "C's munmap in step 4 dropped the mapping, which leaves h1 as it is. " +
        'P\'s store in step 5 reused the folio in place (wpFault, rule "only mapping": reuse), although h1 still had it. ' +
        'In step 6 the device read through h1 what P stored in step 5 ' +
        '(promised: what A of C held when h1 was taken in step 3, or later content of the same page).',
    });
  });

  it('lost coherence: which rule copied, and who stayed behind', () => {
    const c = build(
      'mapcount',
      scenario(
        ['anon'],
        `h1 = P: gup A pin W
         C = P: fork
         P: write A
         device: dma_read h1`,
      ),
    );
    expect(words(c)).toEqual({
      title: "the device, through P's W PIN, misses what P stored (anon)",
      seen: {
        step: 3,
        observed: 'the device read through h1 zeroes',
        expected: 'what P stored in step 3',
      },
      explanation:
        'Fork in step 2 shared the folio although h1 was held (forkPte, rule "otherwise": share). ' +
        'P\'s store in step 3 copied the page (wpFault, rule "otherwise": copy), while h1 stayed with the old folio. ' +
        'In step 4 the device read through h1 zeroes (promised: what P stored in step 3).',
    });
  });

  it('a page that filesystems were not told about', () => {
    const c = build(
      'mapcount',
      scenario(['shared-file'], 'h1 = P: gup F get W\nkernel: wb_start f NONE\ndevice: unpin h1 dirty'),
    );
    expect(words(c)).toEqual({
      title: "P's W GET dirties a folio and the filesystem is not told (shared-file)",
      seen: {
        step: 2,
        observed: 'the end of h1 dirtied the folio of f, of which the filesystem had not been told',
        expected: 'page_mkwrite or write(2) before a clean folio of a file becomes dirty',
      },
      explanation:
        'Step 2 (kernel: wb_start f NONE) cleaned the folio and write-protected its PTEs ' +
        '(wbBegin, rule "otherwise": write) while h1 was held. ' +
        'Step 3 (device: unpin h1 dirty) marked it dirty again (unpinDirty, rule "otherwise": dirty). ' +
        'In step 3 the end of h1 dirtied the folio of f, of which the filesystem had not been told ' +
        '(promised: page_mkwrite or write(2) before a clean folio of a file becomes dirty).',
    });
  });

  it('a kernel that stops', () => {
    const c = build(
      'mapcount',
      scenario(
        ['shared-file'],
        `h1 = P: gup F pin W
         other: fsync f
         kernel: reclaim f
         device: unpin h1 dirty
         kernel: wb_start f ALL`,
        'ext4-v5.17',
      ),
    );
    expect(c.title).toBe('writeback stops the kernel: dirty folio without buffers (shared-file)');
    expect(c.explanation).toMatch(
      /^Step 3 \(kernel: reclaim f\) took the buffers off the folio \(stripBuffers, rule "otherwise": strip\) while h1 was held\./,
    );
  });

  it('data that never reaches the disk', () => {
    const c = build(
      'canary',
      scenario(
        ['shared-file'],
        `h1 = P: gup F get W
         other: fsync f
         device: dma_write h1
         device: unpin h1 dirty
         other: fsync f`,
      ),
    );
    expect(c.title).toBe(
      "the disk, after fsync(2), misses what the device stored through P's W GET (shared-file)",
    );
    expect(c.explanation).toBe(
      'The device through h1 stored to the folio of f in step 3. ' +
        'Step 4 (device: unpin h1 dirty) did not mark the folio dirty (unpinDirty, rule "never dirty": ignore). ' +
        'In step 5 fsync(2) had returned and the disk held for f what f held at the start ' +
        '(promised: what the device stored through h1 in step 3).',
    );
  });

  it('contents that change under writeback', () => {
    const c = build(
      'mapcount',
      scenario(
        ['shared-file'],
        `h1 = P: gup F get W
         kernel: wb_start f NONE
         device: dma_write h1
         kernel: wb_end f`,
        'ext4-v5.18-stable',
      ),
    );
    expect(words(c)).toEqual({
      title: 'a folio changes under writeback (shared-file)',
      seen: {
        step: 3,
        observed:
          'writeback of f ended with what the device stored through h1 in step 3; it had begun with what f held at the start',
        expected: 'the content at the start, unchanged until the end',
      },
      explanation:
        'Step 2 (kernel: wb_start f NONE) began to write the folio (wbBegin, rule "otherwise": write). ' +
        'The device through h1 stored into the folio in step 3, before the end of the I/O. ' +
        'In step 4 writeback of f ended with what the device stored through h1 in step 3; ' +
        'it had begun with what f held at the start (promised: the content at the start, unchanged until the end).',
    });
  });
});

describe('buildCounterexample on whatever a campaign finds', () => {
  it('has words that fit the format, about steps that exist, for every class', () => {
    const policies = BUILT_IN.map(expandPolicy);
    const runner = new ChunkRunner({ seed: 7, scope: 'default', profile: 'all' }, policies);
    const none = policies.map(() => new Set<number>());
    const findings = [0, 1].flatMap((chunk) => runner.run(chunk, none).findings);
    expect(findings.length).toBeGreaterThan(100);
    for (const { policy: id, code, documented, scenario: s, run } of findings) {
      const p = policies.find((x) => x.id === id)!;
      const c = buildCounterexample({
        scenario: s,
        policy: p,
        code,
        documented,
        minimality: { kind: 'none', scope: 'not shrunk', depth: 0 },
        provenance: { tool: 'gupfuzz', seed: 7, run, found: 'campaign' },
        policies: [],
      });
      const text = `${c.title} ${c.seen?.observed} ${c.seen?.expected} ${c.explanation}`;
      expect(text).not.toMatch(/undefined|null|NaN|token \d|something| {2}/);
      for (const [, step] of text.matchAll(/step (\d+)/g)) {
        expect(Number(step)).toBeGreaterThan(0);
        expect(Number(step)).toBeLessThanOrEqual(c.seen!.step + 1);
      }
      expect(parseCounterexample(formatCounterexample(c), 'it')).toEqual(c);
    }
  });
});

describe('buildCounterexample', () => {
  const PINNED = scenario(['anon'], 'h1 = P: gup A pin W\nC = P: fork\nP: write A\ndevice: dma_read h1');

  it('fills policy, class, seen and the expectation of every policy', () => {
    const c = build('mapcount', PINNED);
    expect(c.policy).toBe('v5.7-mapcount');
    expect(c.class).toMatchObject({ property: 'pin-coherence', damage: 'stale' });
    expect(Object.keys(c.expect)).toEqual(expect.arrayContaining(BUILT_IN.map((p) => p.id)));
    expect(c.expect['v5.7-mapcount']).toEqual({
      verdict: 'violated',
      classes: ['pin-coherence/stale/anon/PIN-W/cpu->device'],
    });
    expect(c.expect['v6.2-anon-exclusive']).toEqual({ verdict: 'not violated', classes: [] });
    // Only sources that others can look up.
    expect(c.references).toEqual([
      'Documentation/core-api/pin_user_pages.rst',
      'tools/testing/selftests/mm/cow.c',
    ]);
    expect(parseCounterexample(formatCounterexample(c), 'it')).toEqual(c);
  });

  it('a documented mismatch has neither policy nor class', () => {
    const c = build(
      'mapcount',
      scenario(['anon'], 'h1 = P: gup A get W\nC = P: fork\nP: write A\ndevice: dma_read h1'),
      true,
    );
    expect([c.policy, c.class]).toEqual([null, null]);
    expect(c.expect['v5.7-mapcount']?.verdict).toBe('documented');
    expect(c.explanation).toMatch(/; that is documented \(stored while a driver held a W GET over fork\(2\)/);
    expect(parseCounterexample(formatCounterexample(c), 'it')).toEqual(c);
  });

  it('without a class it says that nothing is violated', () => {
    const c = buildCounterexample({
      scenario: scenario(['anon'], 'P: write A\nP: read A'),
      policy: policy('pae'),
      documented: false,
      minimality: { kind: 'none', scope: 'a test', depth: 0 },
      provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'by hand' },
      policies: [],
    });
    expect(c.seen).toBeNull();
    expect(c.explanation).toBe(
      'All 2 steps are executed and every observation is as promised (not violated).',
    );
    expect(parseCounterexample(formatCounterexample(c), 'it')).toEqual(c);
  });

  it('takes title, explanation and references that are given, and cuts what the format does not allow', () => {
    const p = policy('mapcount');
    const c = buildCounterexample({
      scenario: PINNED,
      policy: p,
      code: runScenario(PINNED, p).violations[0]!.code,
      documented: false,
      minimality: { kind: '1-minimal', scope: 'x'.repeat(300), depth: 4 },
      provenance: { tool: 'gupfuzz', seed: 1, run: 2, found: 'campaign' },
      policies: [],
      title: 't'.repeat(200),
      explanation: 'because.',
      references: ['B06'],
    });
    expect([c.title.length, c.minimality.scope.length]).toEqual([120, 200]);
    expect([c.explanation, c.references]).toEqual(['because.', ['B06']]);
    expect(parseCounterexample(formatCounterexample(c), 'it')).toEqual(c);
  });

  it('refuses a class that the scenario does not show', () => {
    const p = policy('mapcount');
    const code = runScenario(PINNED, p).violations[0]!.code;
    const parts = {
      scenario: PINNED,
      policy: policy('pae'),
      code,
      documented: false,
      minimality: { kind: 'none', scope: 'a test', depth: 0 },
      provenance: { tool: 'gupfuzz', seed: 1, run: 2, found: 'campaign' },
      policies: [],
    } as const;
    expect(() => buildCounterexample(parts)).toThrow(RangeError);
  });

  it('does not count as rule coverage of the policies it is given', () => {
    for (const p of POLICIES) for (const t of tablesOf(p)) t.fired.fill(0);
    buildCounterexample({
      scenario: PINNED,
      policy: POLICIES[0]!,
      documented: false,
      minimality: { kind: 'none', scope: 'a test', depth: 0 },
      provenance: { tool: 'gupfuzz', seed: 1, run: 2, found: 'campaign' },
      policies: POLICIES,
    });
    expect(POLICIES.every((p) => tablesOf(p).every((t) => t.fired.every((n) => n === 0)))).toBe(true);
  });
});
