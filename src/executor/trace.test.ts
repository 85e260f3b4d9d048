import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { tablesOf } from '../machine/ask.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { runScenario } from './run.ts';
import { type Trace, traceScenario } from './trace.ts';

const FOLDER = new URL('../../counterexamples/', import.meta.url);
const CATALOGUE = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.gup.json'))
  .map((name) => parseCounterexample(readFileSync(new URL(name, FOLDER), 'utf8'), name));

const scenario = (kinds: readonly PageKind[], text: string): Scenario => ({
  setup: { ...pagesOf(kinds, 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 },
  steps: parseSteps(text),
});
const on = (policy: string, s: Scenario): Trace => traceScenario(s, expandPolicy(policyByName(policy)));

describe('traceScenario', () => {
  it('runs exactly as runScenario does, on the whole catalogue', () => {
    expect(CATALOGUE.length).toBeGreaterThan(10);
    for (const policy of BUILT_IN.map(expandPolicy))
      for (const c of CATALOGUE) {
        const trace = traceScenario(c, policy);
        expect(trace.result).toEqual(runScenario(c, policy));
        expect(trace.steps.map((s) => s.outcome)).toEqual(
          trace.result.outcomes.filter((outcome) => outcome !== 'not applicable'),
        );
      }
  });

  it('does not count as rule coverage', () => {
    const policy = expandPolicy(policyByName('mapcount'));
    traceScenario(CATALOGUE[0]!, policy);
    expect(tablesOf(policy).every((t) => t.fired.every((n) => n === 0))).toBe(true);
  });

  it('names contents by the store that made them', () => {
    const trace = on(
      'mapcount',
      scenario(
        ['anon', 'shared-file'],
        `P: write A
         h1 = P: gup F pin W
         device: dma_write h1
         other: buffered_write f
         P: read F
         P: read A`,
      ),
    );
    expect([...trace.origins]).toEqual([
      ['P@1', 0],
      ['h1@3', 2],
      ['other@4', 3],
    ]);
    const seen = trace.steps.flatMap((s) =>
      s.observations.map((o) => `${o.observer} ${o.seen}/${o.expected}`),
    );
    expect(seen).toEqual(['P other@4/other@4', 'P P@1/P@1']);
    expect(trace.start.files[0]).toEqual({ file: 'f', pfn: -1, disk: 'f@0', current: 'f@0' });
  });

  it('keeps the names of contents over more stores than a normal run has tokens for', () => {
    const steps = Array.from({ length: 199 }, () => 'P: write A').join('\n');
    const trace = on('mapcount', scenario(['anon'], `${steps}\nP: read A`));
    expect(trace.steps[199]!.observations[0]).toMatchObject({ seen: 'P@199', expected: 'P@199' });
  });

  it('says which rules decided, on which facts', () => {
    const trace = on('mapcount', scenario(['anon'], 'P: write A\nC = P: fork\nP: write A'));
    expect(trace.steps.map((s) => s.decisions)).toEqual([
      [],
      [{ decision: 'forkPte', rule: 'otherwise', answer: 'share', facts: {} }],
      [{ decision: 'wpFault', rule: 'otherwise', answer: 'copy', facts: { mapcount: 2 } }],
    ]);
  });

  it('has the state after each step', () => {
    const trace = on(
      'pae',
      scenario(['anon'], 'P: write A\nh1 = P: gup A pin W LONGTERM\nP: exit\nC = P: fork'),
    );
    // The last mm cannot exit: the run ends there.
    expect(trace.steps.length).toBe(3);
    expect(trace.result.notApplicable).toBe(2);
    expect(trace.steps[1]!.state).toEqual({
      mms: [
        {
          mm: 'P',
          hasPinned: true,
          notes: [],
          ptes: [
            {
              page: 'A',
              mapped: true,
              prot: 'rw',
              dontfork: false,
              frame: 'anon',
              write: true,
              dirty: true,
              pfn: 1,
              current: 'P@1',
            },
          ],
        },
      ],
      folios: [
        { pfn: 0, refcount: 1, mapcount: 0, pincount: 0, flags: ['zero'], notes: [], content: '0' },
        {
          pfn: 1,
          refcount: 1025,
          mapcount: 1,
          pincount: 1,
          flags: ['anon', 'exclusive'],
          notes: [],
          content: 'P@1',
        },
      ],
      files: [],
      refs: [
        { ref: 'h1', kind: 'PIN', pfn: 1, of: 'A of P', promise: 'exact', detached: false, current: 'P@1' },
      ],
    });
  });

  it('shows a refused reference as such, and its uses as skipped', () => {
    const trace = on(
      'longterm-ban',
      scenario(['shared-file'], 'h1 = P: gup F pin W LONGTERM\ndevice: dma_write h1\ndevice: unpin h1'),
    );
    expect(trace.steps.map((s) => [s.outcome, s.errno])).toEqual([
      ['refused', 'EFAULT'],
      ['skipped', ''],
      ['skipped', ''],
    ]);
    expect(trace.steps[0]!.state.refs).toMatchObject([{ ref: 'h1', kind: 'refused' }]);
    expect(trace.steps[2]!.state.refs).toEqual([]);
  });

  it('reuses slots without mixing up names', () => {
    const trace = on(
      'pae',
      scenario(
        ['anon'],
        `C = P: fork
         C: exit
         D = P: fork
         h1 = D: gup A get R
         device: unpin h1
         h2 = P: gup A get R`,
      ),
    );
    const { mms, refs } = trace.steps.at(-1)!.state;
    expect(mms.map((m) => m.mm)).toEqual(['P', 'D']);
    expect(refs.map((r) => `${r.ref} ${r.of}`)).toEqual(['h2 A of P']);
  });
});
