import { describe, expect, it } from 'vitest';
import { KeyEncoder } from '../check/key.ts';
import { runScenario } from '../executor/run.ts';
import { World } from '../executor/simulated.ts';
import { traceScenario } from '../executor/trace.ts';
import { mutantsOf, mutationId } from '../mutate/mutants.ts';
import { differenceOf } from '../policies/difference.ts';
import { policyByName } from '../policies/index.ts';
import { decisionText } from '../report/trace.ts';
import { parseSteps } from '../scenario/parse.ts';
import { law, Without } from '../testing/key-law.ts';
import { WRONG } from '../testing/wrong-policies.ts';
import type { Changed, Note, Notes } from './notes.ts';
import { before as inFront, derive, otherwise, type Policy, rule, table } from './policy.ts';
import { tablesOf } from './ask.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from './tables.ts';

const LAST = policyByName('v6.5-longterm-ban');
const HEADER = { id: 'mine', title: 'mine', sources: ['a test'] };
const SETUP = {
  pages: [{ name: 'A', kind: 'anon', prot: 'rw' }],
  files: [],
  mms: 3,
  refs: 3,
  pinBias: 1024,
} as const;

/** Counts stores that fault on a shared page, per mm and per folio, up to `most`. */
const counting = (note: Note, change: Changed = { seen: '+1' }): Policy =>
  derive(
    LAST,
    { ...HEADER, notes: { seen: note } },
    {
      wpFault: [
        inFront(
          'otherwise',
          rule('counts', (f) => f.notes.seen! >= 0, 'copy', change),
        ),
      ],
    },
  );

function traced(policy: Policy, steps: string) {
  return traceScenario({ setup: SETUP, steps: parseSteps(steps.replaceAll('; ', '\n')) }, policy);
}

describe('notes', () => {
  // A child that stores to a page it shares faults, and gets a copy.
  const FORKS = 'P: write A; C = P: fork; C: write A; D = C: fork; C: write A';

  it('are kept per mm, saturate, and begin at 0 in a child that does not inherit', () => {
    const last = (note: Note, change?: Changed): readonly unknown[] =>
      traced(counting(note, change), FORKS)
        .steps.at(-1)!
        .state.mms.map(({ mm, notes }) => [mm, ...notes]);
    expect(last({ of: 'mm', most: 3 })).toEqual([['P'], ['C', 'seen 2'], ['D']]);
    expect(last({ of: 'mm', most: 1 })).toEqual([['P'], ['C', 'seen 1'], ['D']]);
    expect(last({ of: 'mm', most: 3, inherited: true })).toEqual([['P'], ['C', 'seen 2'], ['D', 'seen 1']]);
    expect(last({ of: 'mm', most: 3 }, { seen: '-1' })).toEqual([['P'], ['C'], ['D']]);
    expect(last({ of: 'mm', most: 3 }, { seen: 3 })).toEqual([['P'], ['C', 'seen 3'], ['D']]);
  });

  it('are kept per folio, and a folio that is allocated anew has none', () => {
    const notes = (steps: string): string[] =>
      traced(counting({ of: 'folio', most: 3 }), steps)
        .steps.at(-1)!
        .state.folios.flatMap((folio) => folio.notes);
    // The page that is copied is the one that is asked about.
    expect(notes('P: write A; C = P: fork; C: write A')).toEqual(['seen 1']);
    expect(notes('P: write A; C = P: fork; C: write A; P: exit; C: exit')).toEqual([]);
    // Its pfn is the first that is free.
    expect(
      notes('P: write A; C = P: fork; C: write A; P: munmap A; C: madvise A dontneed; C: write A'),
    ).toEqual([]);
  });

  it('are read before they are changed, and answer as things stand', () => {
    const once = derive(
      LAST,
      { ...HEADER, notes: { told: { of: 'mm', most: 1 } } },
      {
        gupKind: [
          inFront(
            'otherwise',
            rule('once', (f) => f.notes.told === 0, 'GET', { told: 1 }),
            rule('again', (f) => f.notes.told === 1, 'EFAULT'),
          ),
        ],
      },
    );
    const steps = parseSteps(
      'P: write A; h1 = P: gup A get R; h2 = P: gup A get R; C = P: fork; h3 = C: gup A get R'.replaceAll(
        '; ',
        '\n',
      ),
    );
    const { outcomes } = runScenario({ setup: SETUP, steps }, once);
    expect(outcomes).toEqual(['done', 'done', 'refused', 'done', 'done']);
  });

  it('are told where a decision is told', () => {
    const [answer] = traced(counting({ of: 'mm', most: 3 }), FORKS)
      .steps.at(-1)!
      .decisions.filter((d) => d.decision === 'wpFault');
    expect(decisionText(answer!)).toMatch(/^wpFault -> copy, seen \+1 by "counts" \(.*notes\.seen 1\)$/);
  });

  it('are in the difference to the base, and in mutants', () => {
    const expanded = (p: Policy): ExpandedPolicy => withConditions(expandPolicy(p), p);
    const policy = counting({ of: 'mm', most: 1 });
    expect(differenceOf(expanded(LAST), expanded(policy))).toMatchObject([
      { decision: 'wpFault', added: ['counts'], changes: [{ from: 'copy', to: 'copy, seen +1' }] },
    ]);
    // That it notes nothing is the smallest change of all.
    const ids = mutantsOf(expanded(policy), { rule: 'counts' }).map(({ mutation }) => mutationId(mutation));
    expect(ids).toContain('wpFault/counts: answer copy');
    // Beside a policy with other notes, facts are told apart by their names.
    const other = derive(
      LAST,
      { ...HEADER, notes: { more: { of: 'mm', most: 2 } } },
      {
        wpFault: [
          inFront(
            'otherwise',
            rule('counts', (f) => f.notes.more === 0, 'reuse', { more: 1 }),
          ),
        ],
      },
    );
    const [change] = differenceOf(expanded(other), expanded(policy))[0]!.changes;
    expect(change).toMatchObject({ from: 'reuse, more 1', to: 'copy, seen +1' });
  });

  it('of a base are kept by what derives from it', () => {
    const more = derive(
      counting({ of: 'mm', most: 1 }),
      { ...HEADER, notes: { more: { of: 'folio', most: 2 } } },
      {},
    );
    expect(expandPolicy(more).notes).toEqual([
      { name: 'seen', of: 'mm', most: 1, place: 0 },
      { name: 'more', of: 'folio', most: 2, place: 0 },
    ]);
  });

  it('cost nothing where there are none', () => {
    const [none, some] = [LAST, counting({ of: 'mm', most: 3 })].map(
      (p) => new World(SETUP, expandPolicy(p)),
    );
    expect([none!.machine.mmNotes.length, none!.machine.folioNotes.length]).toEqual([0, 0]);
    expect(some!.columns.size - none!.columns.size).toBe(SETUP.mms);
    for (const t of tablesOf(expandPolicy(LAST))) expect(t.table).not.toHaveProperty('notes');
  });
});

describe('the key', () => {
  const noting = WRONG.filter(({ policy }) => policy.notes !== undefined);
  const without = ({ policy }: (typeof noting)[number]) => {
    const [name] = Object.keys(policy.notes!);
    return (...[sources]: Parameters<NonNullable<Parameters<typeof law>[3]>>) =>
      new Without(sources, `note ${name}`);
  };
  it.each(noting)('that leaves out the notes of $policy.id merges too much', (one) => {
    const walk = { kinds: ['anon'], policy: one.policy, grain: 'class' } as const;
    expect(() => law(walk, 1500, 77, without(one))).toThrow();
  });
  it('has a word for each mm where the header has no room', () => {
    const notes: Notes = Object.fromEntries(['a', 'b', 'c', 'd'].map((n) => [n, { of: 'mm', most: 3 }]));
    const noted = derive(LAST, { ...HEADER, notes }, {});
    const length = (policy: Policy): number => {
      const world = new World(SETUP, expandPolicy(policy));
      const key = new KeyEncoder(world);
      key.encode();
      return key.length;
    };
    expect(length(noted)).toBe(length(LAST) + 1);
  });
});

describe('is refused in one line', () => {
  const expanding = (notes: unknown, change?: unknown): (() => unknown) => {
    const policy = counting({ of: 'mm', most: 3 }, (change ?? { seen: 1 }) as Changed);
    return () => expandPolicy({ ...policy, notes: notes as Notes });
  };
  const SEEN = { seen: { of: 'mm', most: 1 } };
  it.each([
    [[], "policy mine: notes must be like { pins: { of: 'folio', most: 3 } }"],
    [
      { Seen: SEEN.seen },
      'policy mine: notes.Seen: a name is 1 to 32 letters and digits, and begins with a small letter',
    ],
    [{ seen: { of: 'vma', most: 1 } }, 'policy mine: notes.seen.of: "vma" is not one of: mm, folio'],
    [{ seen: { of: 'mm', most: 4 } }, 'policy mine: notes.seen.most: 4 is not a whole number from 1 to 3'],
    [
      { seen: { of: 'mm', most: 1, start: 1 } },
      'policy mine: notes.seen: there is no field "start"; there is: of, most, inherited',
    ],
    [
      { seen: { of: 'folio', most: 1, inherited: true } },
      'policy mine: notes.seen.inherited: must be true or false, and of a note of an mm',
    ],
    [
      Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, SEEN.seen])),
      'policy mine: notes: 5 are of mm; at most 4',
    ],
    [
      { other: SEEN.seen },
      'policy mine, table wpFault, rule "counts": it changes the note "seen"; here there is: other',
    ],
  ])('%j', (notes, message) => {
    expect(expanding(notes)).toThrow(message);
  });
  it.each([
    [{ seen: 2 }, `it changes seen to 2, which is not one of: 0 to 1, '+1', '-1'`],
    [{ seen: '+2' }, `it changes seen to "+2", which is not one of: 0 to 1, '+1', '-1'`],
    [['seen'], "what it changes must be like { pins: '+1' }"],
  ])('%j', (change, message) => {
    expect(expanding(SEEN, change)).toThrow(`policy mine, table wpFault, rule "counts": ${message}`);
  });
  it('a note that is not at hand, or not declared', () => {
    const reads = (notes: Notes): (() => unknown) => {
      const policy = derive(
        LAST,
        { ...HEADER, notes },
        {
          wbEnd: [
            table(
              rule('noted', (f) => f.notes.seen === 1, 'redirty'),
              otherwise('clean'),
            ),
          ],
        },
      );
      return () => expandPolicy(policy);
    };
    expect(reads({ seen: { of: 'mm', most: 1 } })).toThrow(
      'table wbEnd, rule "noted": it reads the note "seen"; here no note of the policy is at hand',
    );
    expect(reads({ pins: { of: 'folio', most: 1 } })).toThrow(
      'table wbEnd, rule "noted": it reads the note "seen"; here there is: pins',
    );
  });
});
