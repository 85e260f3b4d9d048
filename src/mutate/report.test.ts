import { describe, expect, it } from 'vitest';
import { PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import type { Scenario } from '../scenario/scenario.ts';
import type { Judged } from './judge.ts';
import { mutantsData, mutantsMarkdown, mutantsText } from './report.ts';
import type { Explained, MutationResult } from './run.ts';
import { LADDER } from './scopes.ts';

const SETUP = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
const LEAK: Scenario = {
  setup: SETUP,
  steps: [
    { task: 'P', op: 'write', page: 'A' },
    { task: 'P', op: 'fork', result: 'C' },
    { task: 'P', op: 'write', page: 'A' },
    { task: 'C', op: 'read', page: 'A' },
  ],
};
const [S1, S2] = [
  { name: 'first scope', setup: SETUP, gups: PLAIN_GUPS, depth: 7, statesMax: 100 },
  { name: 'second scope', setup: SETUP, gups: PLAIN_GUPS, depth: 5, statesMax: 100 },
];

const mutant = (
  rule: string,
  kind: Judged['mutation']['kind'],
  other: string,
  rest: Partial<Explained> & Pick<Explained, 'verdict'>,
): Explained => ({
  mutation: { table: 'wpFault', rule, kind, with: other },
  class: '',
  detail: '',
  scenario: undefined,
  scope: '',
  covered: [],
  reason: '',
  ...rest,
});
const killed = {
  verdict: 'killed',
  class: 'isolation/leak/anon/-/cpu->cpu',
  scenario: LEAK,
  scope: 'first scope',
  covered: [{ scope: 'first scope', depth: 4, how: 'searched' }],
} as const;
const survivor = {
  verdict: 'not killed',
  covered: [
    { scope: 'first scope', depth: 6, how: 'states' },
    { scope: 'second scope', depth: 5, how: 'all' },
  ],
} as const;

const RESULT: MutationResult = {
  policy: 'mine',
  module: './mine.ts',
  ladder: { ...LADDER, wpFault: [S1, S2] },
  mutants: [
    mutant('exclusive', 'drop', '', killed),
    mutant('exclusive', 'answer', 'copy', killed),
    mutant('exclusive', 'swap', 'only reference', { verdict: 'same table' }),
    mutant('only reference', 'drop', '', { ...survivor, reason: 'it saves a copy' }),
    mutant('only reference', 'negate', '', {
      verdict: 'policy error',
      detail: 'gupSlow does not converge',
      scenario: { ...LEAK, steps: LEAK.steps.slice(0, 1) },
      scope: 'second scope',
    }),
    mutant('otherwise', 'answer', 'reuse', survivor),
  ],
};

describe('as text', () => {
  const text = mutantsText(RESULT, { width: 80 });

  it('says a rule once, its mutants that come to the same in one row, and how each is shown', () => {
    expect(text).toBe(`wpFault
mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()
rule            mutant         verdict       shown by
exclusive       dropped;       killed        isolation/leak/anon/-/cpu->cpu
                answer copy                  P: write A; C = P: fork; P: write
                                             A; C: read A [S1]
                after only     same table
                reference
only reference  dropped        not killed    not killed up to 6 steps in S1,
                                             all of S2
                                             explained: it saves a copy
                negated        policy error  gupSlow does not converge
                                             P: write A [S2]
otherwise       answer reuse   not killed    not killed up to 6 steps in S1,
                                             all of S2
                                             unexplained
S1: first scope
S2: second scope

6 mutants: 3 killed (1 of them policy error), 1 same table, 0 equivalent, 0 worse only in cost, 2 not killed, 1 unexplained
`);
  });

  it.each([60, 80, 100, 140])('its table fits in %d columns, and no line ends in a space', (width) => {
    for (const line of mutantsText(RESULT, { width }).split('\n').slice(0, -2)) {
      expect(line.length).toBeLessThanOrEqual(width);
      expect(line).not.toMatch(/ $/);
    }
  });

  it('a class is never cut short', () => {
    const long = { ...killed, class: 'pin-coherence/stale/private-file/PIN-R-LT/device->cpu' };
    const result = { ...RESULT, mutants: [mutant('exclusive', 'drop', '', long)] };
    expect(mutantsText(result, { width: 60 }).replace(/\s+/g, '')).toContain('PIN-R-LT/device->cpu');
  });

  it('how far a survivor was compared, where that is less; what was covered otherwise is another row', () => {
    const covered = (compared: number) => [{ ...survivor.covered[0], compared }];
    const of = (kind: 'drop' | 'negate', compared: number): Explained =>
      mutant('exclusive', kind, '', { verdict: 'cost', covered: covered(compared), reason: 'why' });
    const said = mutantsMarkdown({ ...RESULT, mutants: [of('drop', 2), of('negate', 6)] });
    expect(said).toContain(
      '| dropped | cost | not killed up to 6 steps in S1 (compared up to 2). explained: why |',
    );
    expect(said).toContain('| negated | cost | not killed up to 6 steps in S1. explained: why |');
  });

  it('rows of a rule stay together, and decision points have the order in which the machine has them', () => {
    const at = (table: 'wpFault' | 'forkPte', one: Explained): Explained => ({
      ...one,
      mutation: { ...one.mutation, table },
    });
    const mutants = [
      at('forkPte', mutant('pinned', 'drop', '', killed)),
      at('wpFault', mutant('exclusive', 'drop', '', killed)),
      at('wpFault', mutant('otherwise', 'answer', 'reuse', killed)),
      at('wpFault', mutant('exclusive', 'negate', '', survivor)),
    ];
    const lines = mutantsMarkdown({ ...RESULT, mutants }).split('\n');
    const starts = lines
      .filter((l) => /^(### |\| (?!rule|---))/.test(l))
      .map((l) => l.split(' ')[l[0] === '#' ? 2 : 1]);
    expect(starts).toEqual(['wpFault', 'exclusive', 'exclusive', 'otherwise', 'forkPte', 'pinned']);
  });

  it('of an equivalent mutant that is never asked, up to where', () => {
    const covered = [{ scope: 'first scope', depth: 7, how: 'never asked' }] as const;
    const equivalent = mutant('exclusive', 'drop', '', { verdict: 'equivalent', detail: 'never', covered });
    expect(mutantsText({ ...RESULT, mutants: [equivalent] })).toContain('up to 7 steps in S1\n');
  });
});

describe('as markdown', () => {
  it('is a section with a table per decision point', () => {
    expect(mutantsMarkdown(RESULT)).toBe(`## mine

6 mutants: 3 killed (1 of them policy error), 1 same table, 0 equivalent, 0 worse only in cost, 2 not killed, 1 unexplained.

### mine: wpFault

S1: first scope; S2: second scope.

| rule | mutant | verdict | shown by |
| --- | --- | --- | --- |
| exclusive | dropped; answer copy | killed | isolation/leak/anon/-/cpu-\\>cpu. P: write A; C = P: fork; P: write A; C: read A [S1] |
| exclusive | after only reference | same table |  |
| only reference | dropped | not killed | not killed up to 6 steps in S1, all of S2. explained: it saves a copy |
| only reference | negated | policy error | gupSlow does not converge. P: write A [S2] |
| otherwise | answer reuse | not killed | not killed up to 6 steps in S1, all of S2. unexplained |
`);
  });
});

describe('as JSON', () => {
  it('has every mutant with all that is known of it', () => {
    const data = JSON.parse(JSON.stringify(mutantsData(RESULT)));
    expect(Object.keys(data)).toEqual(['policy', 'module', 'summary', 'mutants']);
    expect([data.policy, data.module]).toEqual(['mine', './mine.ts']);
    expect(data.summary).toEqual({
      mutants: 6,
      killed: 2,
      'policy error': 1,
      'same table': 1,
      equivalent: 0,
      cost: 0,
      differs: 0,
      'not killed': 2,
      unexplained: 1,
    });
    expect(data.mutants[1]).toEqual({
      table: 'wpFault',
      rule: 'exclusive',
      mutation: 'answer',
      with: 'copy',
      verdict: 'killed',
      class: 'isolation/leak/anon/-/cpu->cpu',
      detail: null,
      steps: ['P: write A', 'C = P: fork', 'P: write A', 'C: read A'],
      scope: 'first scope',
      covered: [{ scope: 'first scope', depth: 4, how: 'searched' }],
      reason: null,
    });
    expect(data.mutants[3]).toMatchObject({
      with: null,
      steps: null,
      scope: null,
      reason: 'it saves a copy',
    });
  });
});
