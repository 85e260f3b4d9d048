import { describe, expect, it } from 'vitest';
import { Rng } from '../domain/rng.ts';
import { type RunResult, runLow, runScenario } from '../executor/run.ts';
import { observationOf, traceScenario } from '../executor/trace.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { nameSteps } from '../fuzz/program.ts';
import { COST_NAMES } from '../machine/machine.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { judgeBeside } from '../regression/scenario.ts';
import { mirrored } from './parts.ts';
import type { Scenario, Step } from './scenario.ts';
import { parseText } from './text.ts';

const scenario = (...lines: readonly string[]): Scenario =>
  parseText(`${lines.join('\n')}\n`, 'test').counterexample;

const drawn = (parts: 2 | undefined, count: number): Scenario[] => {
  const change = parts === undefined ? undefined : { parts, flags: '' };
  const setups = setupsOf('default', 'all', change);
  const generator = new Generator(setups, change);
  const rng = new Rng();
  rng.seed(5, count, 1, 1);
  return Array.from({ length: count }, () => {
    const { setup, steps, length } = generator.draw(rng);
    return { setup: setups[setup]!, steps: nameSteps(setups[setup]!, steps, length) };
  });
};
const whole = ({ setup, steps }: Scenario): Scenario => {
  const { parts: _, ...rest } = setup;
  return {
    setup: rest,
    steps: steps.map((step): Step => {
      if (!('part' in step)) return step;
      const { part: _of, ...all } = step;
      return all as Step;
    }),
  };
};
/** What the kernel did, whatever the contents. */
const deeds = ({ outcomes, errnos, costs, policyError }: RunResult): unknown => [
  outcomes,
  [...errnos],
  // Which copy nobody needed is asked of contents.
  COST_NAMES.filter((name) => name !== 'needlessCopies').map((name) => costs[name]),
  policyError,
];
const found = ({ violations, documented }: RunResult): unknown =>
  [...violations, ...documented].map((f) => `${f.at} ${f.classId} ${f.documented}`).sort();

describe('two transfers to halves of one page, one before and one after fork', () => {
  const BEGIN = ['page A anon rw', 'P: write A', 'h1 = P: gup A o_direct_read W', 'C = P: fork'];
  const END = ['P: read A'];
  const [HIGH, LOW] = ['device: dio_end h2 high', 'device: dio_end h1 low'];
  it.each([
    ['r01: in the order of LTP dma_thread_diotest', HIGH, LOW],
    ['r36: the other one', LOW, HIGH],
    ['the first to the high half', 'device: dio_end h1 high', 'device: dio_end h2 low'],
  ])('%s: data is lost up to v6.4, in any order of completion', (_name, first, second) => {
    const program = scenario(...BEGIN, 'h2 = P: gup A o_direct_read W', 'C: exit', first, second, ...END);
    const verdicts = BUILT_IN.filter((p) => p.id !== 'canary').map((p) => [
      p.alias,
      runScenario(program, p).documented.map((f) => f.classId),
    ]);
    const lost = ['pin-coherence/stale/anon/DIO-W/device->cpu'];
    expect(verdicts).toEqual([
      ['mapcount', lost],
      ['cow-break', lost],
      ['page-count', lost],
      ['pae', lost],
      ['longterm-ban', []],
    ]);
  });
  it('whole pages: what completes last is there, in one order', () => {
    const at = (...ends: readonly string[]): string[] =>
      runScenario(
        scenario(...BEGIN, 'h2 = P: gup A o_direct_read W', 'C: exit', ...ends, ...END),
        policyByName('v5.11-page-count'),
      ).documented.map((f) => f.classId);
    expect(at('device: dio_end h1', 'device: dio_end h2')).toEqual([]);
    expect(at('device: dio_end h2', 'device: dio_end h1')).not.toEqual([]);
  });
});

describe('parts', () => {
  it('a program that names none is the program that it is without', () => {
    for (const plain of drawn(undefined, 60)) {
      const inTwo = { setup: { ...plain.setup, parts: 2 }, steps: plain.steps };
      for (const policy of BUILT_IN) {
        const [one, two] = [runScenario(plain, policy), runScenario(inTwo, policy)];
        expect(found(two)).toEqual(found(one));
        expect([deeds(two), two.verdict]).toEqual([deeds(one), one.verdict]);
      }
    }
  });

  it('the kernel does the same whichever part is moved', () => {
    let elsewhere = 0;
    let apart = 0;
    for (const program of drawn(2, 60)) {
      elsewhere += program.steps.filter((step) => 'part' in step).length;
      for (const policy of BUILT_IN) {
        const run = runScenario(program, policy);
        // A program ends where a folio is freed under a reference or the kernel stops, and that is no matter of contents.
        expect(deeds(run)).toEqual(deeds(runScenario(whole(program), policy)));
        // Of what only one half shows the other run must tell; together they say what the program says.
        const [low, high] = [program, mirrored(program)!].map((p) => runLow(p, policy).violations);
        const codes = [...low!, ...high!].map(({ code }) => code);
        expect(new Set(run.violations.map(({ code }) => code))).toEqual(new Set(codes));
        apart += low!.length !== high!.length ? 1 : 0;
      }
    }
    expect(elsewhere).toBeGreaterThan(100);
    expect(apart).toBeGreaterThan(5);
  });

  it('of one page go their own ways, and a copy has both', () => {
    const pinned = ['page A anon rw', 'h = P: gup A pin W', 'device: dma_write h low'];
    const on = (policy: string, ...lines: readonly string[]): string[] =>
      runScenario(scenario(...pinned, ...lines), policyByName(policy)).violations.map((f) => f.classId);
    // Neither takes from the other what it stored.
    expect(on('v6.5-longterm-ban', 'P: write A high', 'P: read A', 'device: dma_read h')).toEqual([]);
    // v5.8: after fork the store to the high half moves P to a copy; what the device stores to the low one is lost.
    const parted = ['C = P: fork', 'P: write A high', 'device: dma_write h low'];
    expect(on('v5.8-cow-break', ...parted, 'P: read A high')).toEqual([]);
    expect(on('v5.8-cow-break', ...parted, 'P: read A low')).not.toEqual([]);
    expect(on('v6.5-longterm-ban', ...parted, 'P: read A low')).toEqual([]);
  });

  it('a page that was stored to in one half is not untouched in the other', () => {
    // The promise is of the page: a R pin of one that was stored to is exact. v5.8 copies here, and the pin stays behind.
    const lines = ['h = P: gup A pin R', 'C = P: fork', 'P: write A low', 'device: dma_read h low'];
    for (const half of ['high', 'low'])
      expect(
        runScenario(
          scenario('page A anon rw', `P: write A ${half}`, ...lines),
          policyByName('v5.8-cow-break'),
        ).violations.map((f) => f.class.property),
      ).toEqual(['pin-coherence']);
  });

  it('a finding is explained by the half that shows it', () => {
    const leaks = scenario(
      'page A anon rw',
      ...[
        'P: write A',
        'C = P: fork',
        'C: write A high',
        'P: read A high',
        'C: write A low',
        'P: read A low',
      ],
    );
    const canary = expandPolicy(policyByName('canary'));
    const { code } = runScenario(leaks, canary).violations[0]!;
    const trace = traceScenario(leaks, canary, undefined, code);
    expect(trace.part).toBe('high');
    expect(observationOf(trace, trace.result.violations[0]!)?.seen).toBe('C@3');
  });

  it('what is broken in the high half alone is found, told and judged beside a base', () => {
    const leak = scenario('page A anon rw', 'P: write A', 'C = P: fork', 'C: write A high', 'P: read A');
    const canary = policyByName('canary');
    expect(runScenario(leak, canary).violations.map((f) => [f.at, f.class.property])).toEqual([
      [3, 'isolation'],
    ]);
    const trace = traceScenario(leak, canary);
    expect(trace.part).toBe('high');
    expect(trace.steps[3]!.violations).toHaveLength(1);
    expect(trace.steps[3]!.observations[0]!.seen).toBe('C@3');
    expect(judgeBeside(leak, canary, policyByName('v6.5-longterm-ban')).regressions).toHaveLength(1);
    expect(judgeBeside(leak, canary, canary).regressions).toHaveLength(0);
  });
});
