import { describe, expect, it } from 'vitest';
import { pilot } from '../campaign/pilot.ts';
import type { Grain } from '../check/key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { judge, searchable } from '../check/verdicts.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { bytesText, type CheckReport, checkData, checkText, unaskedText } from './check.ts';
import { buildCounterexample } from './counterexample.ts';

const ANON = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 };

async function report(
  name: string,
  depth: number,
  options: { grain?: Grain; states?: number; news?: boolean; mms?: number } = {},
): Promise<CheckReport> {
  const { grain = 'class', states, news = false, mms = 2 } = options;
  const policy = expandPolicy(policyByName(name));
  const setup = { ...ANON, mms };
  const alphabet = alphabetFor(setup, PLAIN_GUPS);
  const spec = searchable({ setup, alphabet, policy, grain, symmetry: 'all' });
  const { exploration: x, goals } = await pilot(spec, depth, states);
  const stopped = x.state === 'closed' ? 'closed' : x.depth >= depth ? 'depth' : 'states';
  const verdicts = judge(spec, x, stopped, goals);
  const classes = verdicts.properties.flatMap((p) => p.classes);
  return {
    policy,
    setup,
    words: '1 anon page, 2 mms, 1 reference; gups plain; all operations',
    flags: '--pages anon --mms 2 --refs 1 --gups plain',
    grain,
    symmetry: true,
    depthAsked: depth,
    stopped,
    depth: x.depth,
    states: x.complete.states,
    transitions: x.complete.transitions,
    ...verdicts,
    beside: undefined,
    unexpected: new Set(news ? classes.slice(0, 1) : []),
    counterexamples: new Map(
      classes.map((c) => [
        c,
        {
          content: buildCounterexample({
            scenario: c.scenario,
            policy,
            code: c.code,
            documented: false,
            minimality: { kind: 'shortest', scope: 'a scope', depth: c.length },
            provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'check' },
            policies: [],
          }),
          file: `out/${c.length}.gup.json`,
        },
      ]),
    ),
    cost: {
      seconds: 75.2,
      threads: 2,
      states: x.states,
      statesPerSecond: 1234,
      bytes: 3e6,
      bytesPerState: 99.6,
    },
  };
}

describe('as text', () => {
  it('says what breaks, with steps, and how far the rest goes', async () => {
    expect(checkText(await report('mapcount', 3))).toBe(`v5.7-mapcount: every program of up to 3 steps
scope  1 anon page, 2 mms, 1 reference; gups plain; all operations
grain  class

isolation         holds for up to 3 steps
pin-coherence     broken: 1 class, in 3 steps
cpu-view          holds for up to 3 steps
get-lifetime      holds for up to 3 steps
no-crash          cannot be tested
fs-state          cannot be tested
fs-notified       cannot be tested
stable-writeback  cannot be tested
durability        cannot be tested
protection        holds for up to 3 steps

Cannot be tested in this scope: no-crash, fs-state, fs-notified, stable-writeback, durability: needs
a page of a file that tracks dirty pages (--pages private-file or shared-file).

pin-coherence is broken.
While a page is pinned, and its owner does not replace the mapping, device and process see the same
memory.

  pin-coherence/stale/anon/PIN-R-LT/cpu->device  3 steps
    Initially:
      A  anon  rw

         P                         | device
         --------------------------+------------
      1  h1 = gup A pin R LONGTERM |
      2  write A                   |
    > 3                            | dma_read h1
    seen: the device read through h1 zeroes; promised: what P stored in step 2
    npx gupfuzz replay out/3.gup.json

1 class of broken promises, all of a kind known for it.
Complete to depth 3: 443 states, 1,089 transitions.
1 min 15 s in all, 1,234 states/s searched on 2 threads; 3 MiB, 100 bytes per state
`);
  });

  it('flags what is unexpected', async () => {
    const text = checkText(await report('mapcount', 4, { news: true }));
    expect(text).toMatch(/^isolation +broken: 2 classes, the shortest in 4 steps; 1 unexpected$/m);
    expect(text).toMatch(/cpu {2}4 steps {2}unexpected$/m);
    expect(text).toMatch(/1 of a kind not known for it\.$/m);
  });

  it('lists documented exceptions apart', async () => {
    const r = await report('longterm-ban', 4);
    expect(checkText(r)).toContain(
      'Documented exceptions (nothing that was promised is broken; --documented shows them)\n' +
        '  isolation      1 class, in 4 steps\n  pin-coherence  1 class, in 4 steps\n',
    );
    expect(checkText(r)).toMatch(/^isolation +holds for up to 4 steps$/m);
    expect(checkText(r, { documented: true })).toContain(
      '  isolation/leak/anon/GET-W/device->cpu  4 steps\n' +
        '    h1 = P: gup A get W; C = P: fork; device: dma_write h1; C: read A\n',
    );
  });

  it('says for any number of steps only of a closed state space', async () => {
    const closed = checkText(await report('longterm-ban', Infinity, { mms: 1 }));
    expect(closed).toMatch(/^cpu-view +holds for any number of steps$/m);
    expect(closed).toContain(
      'The state space is closed: 1,331 states, 11,180 transitions, the last new state after 10 steps.',
    );
    const stopped = checkText(await report('longterm-ban', Infinity, { states: 1000 }));
    expect(stopped).toMatch(/^cpu-view +inconclusive: not broken by programs of up to \d steps$/m);
    expect(stopped.replace(/\s+/g, ' ')).toMatch(
      / Complete to depth \d: [^.]*; the limit of states was reached, [\d,]+ states visited\. /,
    );
    expect(stopped).not.toMatch(/holds/);
  });

  it('says what the coarse grain does not tell', async () => {
    const text = checkText(await report('mapcount', 4, { grain: 'property' }));
    expect(text).toContain('grain  property: one counterexample per kind of damage stands for all classes');
    expect(text).toMatch(/^isolation +broken: one kind of damage, in 4 steps$/m);
  });

  it('keeps to its width', async () => {
    for (const width of [60, 80, 100])
      for (const line of checkText(await report('mapcount', 5), { width }).split('\n'))
        expect(line.length, line).toBeLessThanOrEqual(width);
  });
});

describe('as data', () => {
  it('has all of it, and what depends on the machine in `cost`', async () => {
    const r = await report('mapcount', 4, { news: true });
    const data = JSON.parse(JSON.stringify(checkData(r))) as Record<string, unknown>;
    expect(data).toMatchObject({
      policy: 'v5.7-mapcount',
      depthAsked: 4,
      stopped: 'depth',
      depth: 4,
      module: null,
    });
    const [isolation, pins] = data.properties as { classes: Record<string, unknown>[] }[];
    expect(isolation).toMatchObject({ property: 'isolation', verdict: 'broken', reason: null });
    expect(pins!.classes[0]).toEqual({
      class: 'pin-coherence/stale/anon/PIN-R-LT/cpu->device',
      length: 3,
      unexpected: false,
      steps: ['h1 = P: gup A pin R LONGTERM', 'P: write A', 'device: dma_read h1'],
      observed: 'the device read through h1 zeroes',
      promised: 'what P stored in step 2',
      file: 'out/3.gup.json',
    });
    const { cost: _, ...rest } = data;
    const other = checkData({ ...r, cost: { ...r.cost, seconds: 1, statesPerSecond: 9, bytes: 5 } });
    const { cost: __, ...same } = JSON.parse(JSON.stringify(other)) as Record<string, unknown>;
    expect(same).toEqual(rest);
  });
});

it('bytes are told in a unit that fits', () => {
  expect([500, 2 ** 20, 61 * 2 ** 20, 3.21 * 2 ** 30, 695 * 2 ** 30].map(bytesText)).toEqual([
    '1 KiB',
    '1 MiB',
    '61 MiB',
    '3.2 GiB',
    '695 GiB',
  ]);
});

describe('what no program asks', () => {
  it.each([
    ['wpFault', 'another --scope, --gups all, or --pin-bias 2 may'],
    ['writeProtectSeq', 'only interleaved operations ask: --scope race, or --tasks 2'],
  ] as const)('%s', (decision, may) => {
    expect(unaskedText({ decisions: [decision], steps: 3 })).toBe(
      `no program of up to 3 steps asks ${decision} for facts by which the answers differ (${may}).`,
    );
  });
});
