import { describe, expect, it } from 'vitest';
import { runScenario } from '../executor/run.ts';
import { derive, otherwise, type Policy, table } from '../machine/policy.ts';
import { pageCount } from '../policies/v5.11-page-count.ts';
import { longtermBan } from '../policies/v6.5-longterm-ban.ts';
import { stepText } from '../scenario/scenario.ts';
import { formatText, parseText } from '../scenario/text.ts';
import { Shrinker } from '../shrink/shrink.ts';

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
  it('is shrunk: pauses that nothing needs go, and nothing is called shortest that was not searched for', () => {
    const target = runScenario(parseText(B13, 'b13.gup').counterexample, withoutSeq).violations[0]!;
    const longer = B13.replace('P: go_on fork\n', 'P: go_on fork ..K5\nP: go_on fork\n');
    const { scenario, minimality } = new Shrinker(withoutSeq).shrink(
      parseText(longer, 'b13.gup').counterexample,
      target,
    );
    expect(scenario.steps.map(stepText)).toEqual([
      'P: write A',
      'C = P: fork ..K4',
      'h1 = P: gup A pin W fast',
      'P: go_on fork',
      'P: write A',
      'device: dma_write h1',
      'P: read A',
    ]);
    expect(minimality.kind).toBe('1-minimal');
  });
  it('says which steps there are', () => {
    expect(() => parseText(B13.replace('..K4', '..K3'), 'b13.gup')).toThrow(
      'b13.gup:4: pause of fork is "..K3"; allowed: ..K2, ..K4, ..K5',
    );
  });
});
