import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { newCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import { fingerprint, type Replay, replayOn } from './replay.ts';
import { runScenario } from './run.ts';

const policy = (name: string) => expandPolicy(policyByName(name));
const MAPCOUNT = policy('mapcount');

const scenario = {
  setup: { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 },
  steps: parseSteps(`
    h1 = P: gup A pin W
    C = P: fork
    P: write A
    device: dma_read h1`),
};
const { code } = runScenario(scenario, MAPCOUNT).violations[0]!;
const FOUND: Counterexample = buildCounterexample({
  scenario,
  policy: MAPCOUNT,
  code,
  documented: false,
  minimality: { kind: 'none', scope: 'a test', depth: 0 },
  provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'by hand' },
  policies: [policy('pae')],
});

const changed = (c: Counterexample, change: Partial<Counterexample>): Counterexample => {
  const { format: _format, version: _version, id: _id, ...parts } = { ...c, ...change };
  return newCounterexample(parts);
};
const said = (replay: Replay): readonly unknown[] => [replay.status, replay.step, replay.contradictions];

describe('replayOn', () => {
  it('reproduced: the same class at the same step', () => {
    expect(said(replayOn(FOUND, MAPCOUNT))).toEqual(['reproduced', 3, []]);
  });

  it('fixed: everything runs, nothing is broken, and the file may expect that', () => {
    expect(said(replayOn(FOUND, policy('pae')))).toEqual(['fixed', -1, []]);
    expect(said(replayOn(FOUND, policy('longterm-ban')))).toEqual(['fixed', -1, []]);
  });

  it('fixed on its own policy contradicts the file', () => {
    const c = changed(FOUND, { policy: 'v6.2-anon-exclusive', expect: {} });
    expect(said(replayOn(c, policy('pae')))).toEqual([
      'fixed',
      -1,
      ['the class of the file is not violated: fixed'],
    ]);
  });

  it('differs: another step', () => {
    const c = changed(FOUND, { seen: { ...FOUND.seen!, step: 1 } });
    expect(said(replayOn(c, MAPCOUNT))).toEqual(['differs', 3, ['seen at step 4, the file says step 2']]);
  });

  it('differs: other classes instead', () => {
    const c = changed(FOUND, { class: { ...FOUND.class!, longterm: true } });
    const { status, step, contradictions } = replayOn(c, MAPCOUNT);
    expect([status, step]).toEqual(['differs', -1]);
    // The expectation of the old class still holds.
    expect(contradictions).toEqual([]);
  });

  it('no longer applies: names the step', () => {
    const steps = [...parseSteps('P: write A\nP: exit'), ...FOUND.steps];
    const c = changed(FOUND, { steps });
    const { status, result, contradictions } = replayOn(c, MAPCOUNT);
    expect([status, result.notApplicable]).toEqual(['no longer applies', 1]);
    expect(contradictions).toEqual([
      'verdict "unsupported" (step 2 does not apply: P is the last process, and one must be left), expected "violated"',
      'no longer violates pin-coherence/stale/anon/PIN-W/cpu->device, which is expected',
    ]);
  });

  it('does not apply: what the file never says to have run does so no longer', () => {
    const steps = [...parseSteps('P: write A\nP: exit'), ...FOUND.steps];
    const never = changed(FOUND, { steps, policy: null, class: null, seen: null, expect: {} });
    const { status, result } = replayOn(never, MAPCOUNT);
    expect([status, result.whyNot]).toEqual([
      'does not apply',
      'P is the last process, and one must be left',
    ]);
    // Nor what was seen before that step, or expected not to run.
    const early = changed(FOUND, { steps, expect: {}, seen: { ...FOUND.seen!, step: 0 } });
    expect(replayOn(early, MAPCOUNT).status).toBe('does not apply');
    const expected = changed(never, { expect: { [MAPCOUNT.id]: { verdict: 'unsupported', classes: [] } } });
    expect(said(replayOn(expected, MAPCOUNT))).toEqual(['does not apply', -1, []]);
  });

  it.each([
    ['h1 = P: gup A pin R\ndevice: dma_write h1', 'the caller that took h1 never does that'],
    ['C = P: fork\nC: exit\nC: read A', 'C does not live here'],
    ['C = P: fork\nD = C: fork', 'mms is 2, and as many live already'],
    ['h1 = P: gup A pin R\nh2 = P: gup A pin R', 'refs is 1, and as many are held already'],
    ['C = P: fork\nP: exit\nC: exit', 'C is the last process, and one must be left'],
  ])('says why a step does not apply: %s', (text, why) => {
    const c = changed(FOUND, { steps: parseSteps(text), policy: null, class: null, seen: null, expect: {} });
    expect(replayOn(c, MAPCOUNT).result.whyNot).toBe(why);
  });

  it('policy error: the fault loop does not converge', () => {
    const broken = expandPolicy(
      derive(
        policyByName('mapcount'),
        { id: 'broken', title: 'gup faults for ever', sources: [] },
        { gupSlow: [table(otherwise('write fault'))] },
      ),
    );
    const { status, result } = replayOn(FOUND, broken);
    expect(status).toBe('policy error');
    expect(result.policyError).toMatch(/does not converge/);
  });

  it('compares pinned costs, and documented classes where they are given', () => {
    const expectation = { ...FOUND.expect['v5.7-mapcount']!, costs: { copies: 7 } };
    const documented = ['isolation/leak/anon/GET-R/cpu->device'];
    const c = changed(FOUND, { expect: { 'v5.7-mapcount': { ...expectation, documented } } });
    expect(replayOn(c, MAPCOUNT).contradictions).toEqual([
      'no longer meets as documented isolation/leak/anon/GET-R/cpu->device, which is expected',
      'costs 1 copies, expected 7',
    ]);
  });

  it('a file without a class has nothing to reproduce', () => {
    const c = changed(FOUND, { policy: null, class: null, seen: null });
    expect(replayOn(c, MAPCOUNT).status).toBe('no class');
  });

  it('is deterministic, and would notice if not', () => {
    expect(replayOn(FOUND, MAPCOUNT).deterministic).toBe(true);
    const a = runScenario(scenario, MAPCOUNT);
    expect(fingerprint(a)).not.toBe(fingerprint({ ...a, errnos: new Map([[0, 'EFAULT']]) }));
    expect(fingerprint(a)).not.toBe(fingerprint(runScenario(scenario, policy('pae'))));
  });
});
