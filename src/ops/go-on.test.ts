import { describe, expect, it } from 'vitest';
import { runScenario } from '../executor/run.ts';
import { observationsOf, traceScenario } from '../executor/trace.ts';
import { derive, otherwise, type Policy, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { pageCount } from '../policies/v5.11-page-count.ts';
import { longtermBan } from '../policies/v6.5-longterm-ban.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { formatText, parseText } from '../scenario/text.ts';
import { runPasses, Shrinker, type Target } from '../shrink/shrink.ts';

/** B13: fork finds A not pinned; a thread of P pins it; fork goes on and shares it. */
const B13 = `page A anon rw

P: write A
C = P: fork ..K4
h1 = P: gup A pin W fast
P: go_on fork
P: go_on gup
P: write A
device: dma_write h1
P: read A
`;
const withoutSeq: Policy = derive(
  pageCount,
  { id: 'v5.9-without-seq', title: 'without write_protect_seq', sources: [] },
  { writeProtectSeq: [table(otherwise('ignore'))] },
);
/** B13 with a pause more, and what it shows. */
const longer = (): { scenario: Scenario; target: Target } => {
  const text = B13.replace('P: go_on fork\n', 'P: go_on fork ..K5\nP: go_on fork\n');
  const scenario = parseText(text, 'b13.gup').counterexample;
  return { scenario, target: runScenario(scenario, withoutSeq).violations[0]! };
};
const run = (text: string, policy: Policy): { outcomes: readonly string[]; found: readonly string[] } => {
  const { outcomes, violations } = runScenario(parseText(text, 'b13.gup').counterexample, policy);
  return { outcomes, found: violations.map((v) => v.classId) };
};

describe('go_on', () => {
  it('lets what is in flight go on; what has ended already it leaves alone', () => {
    expect(run(B13, withoutSeq)).toEqual({
      outcomes: ['done', 'in flight', 'done', 'done', 'no effect', 'done', 'done', 'done'],
      found: ['pin-coherence/stale/anon/PIN-W/device->cpu'],
    });
  });
  it.each([
    pageCount,
    longtermBan,
  ])('a gup that waits for the lock of fork is in flight until then ($id)', (policy) => {
    expect(run(B13, policy)).toEqual({
      outcomes: ['done', 'in flight', 'in flight', 'done', 'done', 'done', 'done', 'done'],
      found: [],
    });
  });
  it('pauses once more where it is told to', () => {
    const { outcomes } = run(
      B13.replace('P: go_on fork\n', 'P: go_on fork ..K5\nP: go_on fork\n'),
      withoutSeq,
    );
    expect(outcomes.slice(1, 5)).toEqual(['in flight', 'done', 'in flight', 'done']);
  });
  it('is read and written as text; its file is of version 2', () => {
    const { counterexample } = parseText(B13, 'b13.gup');
    expect(counterexample.version).toBe(2);
    expect(counterexample.setup.tasks).toBe(2);
    expect(formatText(counterexample)).toBe(B13);
    expect(parseText('page A anon rw\nP: write A\n', 'x.gup').counterexample.version).toBe(1);
  });
  it('is shrunk: pauses that nothing needs go', () => {
    const { scenario, target } = longer();
    expect(runPasses(scenario, expandPolicy(withoutSeq), target).steps.map(stepText)).toEqual([
      'P: write A',
      'C = P: fork ..K4',
      'h1 = P: gup A pin W fast',
      'P: go_on fork',
      'P: write A',
      'device: dma_write h1',
      'P: read A',
    ]);
  });
  it('is shrunk: a program without pauses that shows the same wins', () => {
    const { scenario, target } = longer();
    const { scenario: least, minimality } = new Shrinker(withoutSeq).shrink(scenario, target);
    expect(least.setup.tasks).toBeUndefined();
    expect(least.steps.map(stepText)).toContain('P: mprotect A rw');
    expect(minimality.kind).toBe('shortest');
  });
  it('goes on by itself as far as a step has to wait for it', () => {
    const waiting = B13.replace('P: go_on fork\nP: go_on gup\nP: write A\n', 'C: write A\n');
    expect(run(waiting, withoutSeq)).toMatchObject({
      outcomes: ['done', 'in flight', 'done', 'done', 'done', 'done'],
    });
  });
  it('lets the later of two go on before the other', () => {
    const text = `page A anon rw

P: write A ..enter
P: write A ..enter
P: go_on write later
P: read A
P: go_on write
P: read A
`;
    const { counterexample } = parseText(text, 'later.gup');
    expect(formatText(counterexample)).toBe(text);
    const seen = observationsOf(traceScenario(counterexample, longtermBan)).map((o) => o.seen);
    expect(seen).toEqual(['P@2', 'P@1']);
    expect(run(text, longtermBan).found).toEqual([]);
  });
  it('says which steps there are', () => {
    expect(() => parseText(B13.replace('..K4', '..K3'), 'b13.gup')).toThrow(
      'b13.gup:4: pause of fork is "..K3"; allowed: ..K2, ..K4, ..K5',
    );
  });
});
