// @slow: walks and searches of two policies
import { describe, expect, it } from 'vitest';
import { type PageKind, ZERO_TOKEN } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { decodeClass } from '../executor/simulated.ts';
import type { Rule } from '../machine/decisions.ts';
import { type Changes, derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { type Alphabet, OP_KINDS, type OpKind, pack } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { WRONG, WRONG_SWAP } from '../testing/wrong-policies.ts';
import { keyText, OneBehaviour } from '../testing/key-law.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { nameless } from '../testing/nameless.ts';
import { ENDED, GOES_ON, NOT_A_STEP } from './model.ts';
import { differenceOf, PairModel } from './pair.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const byId = (id: string): ExpandedPolicy => POLICIES.find((p) => p.id === id)!;

/** The same policy, but at one decision point it always gives one answer: what no built-in policy does. */
function answering(id: string, decision: string, answer: number): ExpandedPolicy {
  const policy = byId(id);
  return {
    ...policy,
    id: `${id}, ${decision} ${answer}`,
    claims: [],
    tables: policy.tables.map((table) =>
      table.decision === decision ? { ...table, answer: table.answer.map(() => answer) } : table,
    ),
  };
}

const PAIRS: readonly (readonly [ExpandedPolicy, ExpandedPolicy])[] = [
  ...POLICIES.flatMap((a, i) => POLICIES.slice(i + 1).map((b) => [a, b] as const)),
  // Answers that no built-in policy gives: bounce, keep dirty, mkwrite at unpin, stores to the zero page, no bail.
  [byId('v6.5-longterm-ban'), answering('v6.5-longterm-ban', 'wbBegin', 2)],
  [byId('v5.11-page-count'), answering('v5.11-page-count', 'wbBegin', 1)],
  [byId('v6.2-anon-exclusive'), answering('v6.2-anon-exclusive', 'unpinDirty', 1)],
  [byId('v5.7-mapcount'), answering('v6.2-anon-exclusive', 'protectUpgrade', 0)],
  [answering('v6.5-longterm-ban', 'wbBegin', 2), answering('v6.2-anon-exclusive', 'protectUpgrade', 0)],
  [byId('v6.5-longterm-ban'), answering('v6.5-longterm-ban', 'forkPte', 1)],
];

const KINDS: readonly (readonly PageKind[])[] = [
  ['anon'],
  ['private-file'],
  ['shared-file'],
  ['shmem'],
  ['private-file', 'shared-file'],
  ['shmem', 'private-shmem'],
  ['anon', 'anon'],
];

const scope = (
  kinds: readonly PageKind[],
  mms: number,
  refs: number,
  filesystem = 'ext4-v5.18',
  filePages = 0,
): Setup => ({
  ...pagesOf(kinds, filesystem, filePages),
  mms,
  refs,
  pinBias: 8,
});

const keyOf = ({ key }: PairModel): string => {
  key.encode();
  return keyText(key);
};
const saved = (model: PairModel): Int32Array => {
  const state = new Int32Array(model.size);
  model.save(state, 0);
  return state;
};
const foundIn = (model: PairModel): number[] =>
  [...model.finding.subarray(0, model.findings)].sort((x, y) => x - y);

/** What a pair can do, less the names: per enabled step its kind, page, variant, what became of it, and successor. */
function behaviour(model: PairModel, out: Int32Array): string {
  const state = saved(model);
  const n = model.enumerate(out);
  const lines: string[] = [];
  for (let e = 0; e < n; e++) {
    const step = out[e]!;
    model.load(state, 0);
    const became = model.step(step);
    const found = foundIn(model).join('+');
    const next = became === ENDED ? 'end' : keyOf(model);
    lines.push(`${nameless(model.a.shape, step)} -> ${became} ${found} ${next}`);
  }
  model.load(state, 0);
  return lines.sort().join('\n');
}

/** Random walks; every revisit of a key must find the behaviour that was seen first. Returns the revisits compared. */
function law(
  [a, b]: readonly [ExpandedPolicy, ExpandedPolicy],
  setup: Setup,
  steps: number,
  seed: number,
  alphabet: Alphabet = alphabetFor(setup, PLAIN_GUPS),
): number {
  const model = new PairModel({ setup, a, b, alphabet });
  const rng = new Rng();
  rng.seed(seed, setup.pages.length, setup.mms, 78);
  const out = new Int32Array(2 * model.stepsMax);
  const start = saved(model);
  const met = new OneBehaviour({
    save: () => saved(model),
    load: (state) => model.load(state, 0),
    behaviour: () => behaviour(model, out),
  });
  for (let i = 0, ended = true, length = 0; i < steps; i++, length++) {
    if (ended || length === 14) {
      model.load(start, 0);
      length = 0;
      ended = false;
    }
    const before = saved(model);
    const step = out[rng.below(model.enumerate(out))]!;
    const became = model.step(step);
    if (became === NOT_A_STEP) expect.fail('what was enumerated is no step');
    if (became === ENDED) {
      // Told apart: go on from the state before.
      model.load(before, 0);
      continue;
    }
    met.meet(keyOf(model));
  }
  return met.compared;
}

describe('the law of the key of a pair: one key, one behaviour', () => {
  for (const pair of PAIRS)
    it(`${pair[0].id} and ${pair[1].id}`, () => {
      // Different concrete states with one key must turn up, or the test compares nothing.
      for (const kinds of KINDS)
        expect(law(pair, scope(kinds, 3, 2), 400, 4711), kinds.join()).toBeGreaterThan(20);
      for (const kinds of [['shared-file'], ['private-file', 'shared-file']] as const)
        for (const filesystem of ['ext4-v5.17-stable', 'ext4-v5.18-stable-apart'])
          expect(law(pair, scope(kinds, 2, 2, filesystem), 400, 4712)).toBeGreaterThan(20);
      for (const kinds of [['private-file', 'shared-file'], ['private-shmem']] as const)
        expect(law(pair, scope(kinds, 2, 2, undefined, 2), 400, 4715)).toBeGreaterThan(20);
    });

  it.each(WRONG_SWAP)('$policy.id and its base, pages are swapped out', ({ policy, base }) => {
    const pair = [expandPolicy(base), expandPolicy(policy)] as const;
    let compared = 0;
    for (const kinds of [['anon'], ['private-file']] as const)
      for (const swap of SWAP_DEVICES) compared += law(pair, { ...scope(kinds, 2, 2), swap }, 300, 4715);
    expect(compared).toBeGreaterThan(10);
  });
  for (const pair of PAIRS)
    it(`${pair[0].id} and ${pair[1].id}, pages are swapped out`, () => {
      for (const kinds of [['anon'], ['anon', 'anon'], ['private-file'], ['private-shmem']] as const)
        for (const swap of SWAP_DEVICES)
          expect(law(pair, { ...scope(kinds, 2, 2), swap }, 400, 4716), kinds.join()).toBeGreaterThan(20);
    });

  it.each(WRONG)('$policy.id and its base', ({ policy, base, kinds, filePages }) => {
    const pair = [expandPolicy(base), expandPolicy(policy)] as const;
    const also = kinds.includes('anon') ? (['anon', 'private-file'] as const) : (['shared-file'] as const);
    let compared = 0;
    for (const pages of [kinds, also])
      compared += law(pair, scope(pages, 3, 2, undefined, filePages), 300, 4714);
    expect(compared).toBeGreaterThan(3);
  });

  it.each(
    PAIRS.map(([a, b]) => [a.id, b.id, a, b] as const),
  )('%s and %s, O_DIRECT writes to a file that is named, and aside', (_a, _b, a, b) => {
    const ops: readonly OpKind[] = ['fork', 'exit', 'write', 'gup', 'dio_end', 'munmap'];
    let compared = 0;
    for (const kinds of [
      ['shared-file'],
      ['anon', 'shared-file'],
      ['private-file', 'shared-file'],
    ] as const) {
      const setup = { ...scope(kinds, 2, 2, 'ext4-v5.18-stable'), aside: 'ext4-v5.18' };
      const gups = [0, 1].map((to) => gupVariant('o_direct_write', false, false, false, to));
      const all = alphabetFor(setup, gups);
      const alphabet = { ...all, ops: all.ops.map((on, i) => on && ops.includes(OP_KINDS[i]!)) };
      compared += law([a, b], setup, 400, 4713, alphabet);
    }
    expect(compared).toBeGreaterThan(20);
  });
});

describe('while nobody has told two policies apart', () => {
  it.each(
    PAIRS.map(([a, b]) => [a.id, b.id, a, b] as const),
  )('%s and %s: one reference, and the same broken promises', (_a, _b, a, b) => {
    for (const kinds of KINDS) {
      const setup = scope(kinds, 2, 2, 'ext4-v5.18-stable');
      const model = new PairModel({ setup, a, b, alphabet: alphabetFor(setup, PLAIN_GUPS) });
      const out = new Int32Array(2 * model.stepsMax);
      const start = saved(model);
      const rng = new Rng();
      rng.seed(99, kinds.length, 3, 5);
      const broken = (world: PairModel['a']): string[] =>
        world.violations
          .filter(({ code }) => !decodeClass(code).property.startsWith('claim: '))
          .map(({ code, documented }) => `${code} ${documented}`)
          .sort();
      for (let run = 0; run < 40; run++) {
        model.load(start, 0);
        for (let i = 0; i < 12; i++) {
          const before = saved(model);
          const became = model.step(out[rng.below(model.enumerate(out))]!);
          if (foundIn(model).some((f) => differenceOf(f).kind === 'observable')) {
            model.load(before, 0);
            continue;
          }
          expect(broken(model.a)).toEqual(broken(model.b));
          if (became === ENDED) break;
          const reference = model.b.machine.refcount.byteOffset;
          expect(
            Buffer.compare(
              model.a.columns.bytes.slice(0, reference),
              model.b.columns.bytes.slice(0, reference),
            ),
          ).toBe(0);
          expect(model.a.machine.recount() + model.b.machine.recount()).toBe('');
        }
      }
    }
  });

  it('contents are renamed alike in both worlds when their numbers run out', () => {
    const setup = scope(['anon'], 2, 1);
    const [a, b] = [byId('v6.2-anon-exclusive'), byId('v6.5-longterm-ban')];
    const alphabet: Alphabet = alphabetFor(setup, PLAIN_GUPS);
    const model = new PairModel({ setup, a, b, alphabet });
    const write = OP_KINDS.indexOf('write');
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0, last = 0; i < 300; i++) {
      model.step(write);
      const next = model.a.reference.tokens[0]!;
      expect(model.b.reference.tokens[0]).toBe(next);
      expect(model.a.machine.content).toEqual(model.b.machine.content);
      if (next < last) least = Math.min(least, next);
      last = next;
    }
    expect(least).toBeLessThan(10); // it did run out
  });

  it('a content that one world alone holds outlasts the renaming', () => {
    const setup = scope(['anon'], 2, 1);
    const [a, b] = [byId('v5.11-page-count'), byId('v5.7-mapcount')];
    const alphabet = alphabetFor(setup, PLAIN_GUPS);
    const write = pack(OP_KINDS.indexOf('write'), 0, 0, 0);
    // B's device keeps what was stored before fork, which P has copied away from; in A nobody holds it in the end.
    const steps = [
      pack(OP_KINDS.indexOf('gup'), 0, 0, gupVariant('pin', true, false, false)),
      write,
      pack(OP_KINDS.indexOf('fork'), 0, 0, 0),
      write,
      pack(OP_KINDS.indexOf('exit'), 1, 0, 0),
      pack(OP_KINDS.indexOf('fork'), 0, 0, 0),
      pack(OP_KINDS.indexOf('exit'), 1, 0, 0),
    ];
    for (const swapped of [false, true]) {
      const model = new PairModel({ setup, a: swapped ? b : a, b: swapped ? a : b, alphabet });
      for (const step of steps) expect(model.step(step)).toBe(GOES_ON);
      const device = ({ machine }: PairModel['a']): number => machine.content[machine.refPfn[0]!]!;
      const [follows, keeps] = swapped ? [model.b, model.a] : [model.a, model.b];
      for (let i = 0; i < 300; i++) {
        expect(model.step(write)).toBe(GOES_ON);
        expect(device(follows)).toBe(follows.reference.current[0]);
        expect([ZERO_TOKEN, device(follows)]).not.toContain(device(keeps));
      }
      const load = pack(OP_KINDS.indexOf('dma_read'), 0, 0, 0);
      expect([model.step(load), foundIn(model).map((f) => differenceOf(f))]).toEqual([
        ENDED,
        [{ kind: 'observable', observer: 'device' }],
      ]);
    }
  });
});

describe('what must not be taken for one pair', () => {
  type Program = readonly (readonly [op: OpKind, a: number, b?: number, c?: number])[];
  const R_GET = gupVariant('get', false, false, false);
  const W_GET = gupVariant('get', true, false, false);
  const W_PIN = gupVariant('pin', true, false, false);
  const R_PIN = gupVariant('pin', false, false, false);
  const R_PIN_LT = gupVariant('pin', false, true, false);
  const [P, C, H, A, F] = [0, 1, 0, 0, 0];

  const variant = (id: string, changes: Changes): ExpandedPolicy =>
    expandPolicy(derive(policyByName(id), { id: 'variant', title: 'variant', sources: ['a test'] }, changes));

  /** Per program: the key that it leads to, and who can tell the policies apart by what comes `then`. */
  function reached(
    [a, b]: readonly [ExpandedPolicy, ExpandedPolicy],
    kinds: readonly PageKind[],
    programs: readonly Program[],
    then: Program,
    filesystem?: string,
  ): (readonly [key: string, observers: readonly unknown[]])[] {
    const setup = scope(kinds, 2, 2, filesystem);
    return programs.map((program) => {
      const model = new PairModel({ setup, a, b, alphabet: alphabetFor(setup, PLAIN_GUPS) });
      const run = ([op, x, y, z]: Program[number]): number => model.step(pack(OP_KINDS.indexOf(op), x, y, z));
      for (const step of program) expect(run(step), step[0]).toBe(GOES_ON);
      const key = keyOf(model);
      const observers = then.flatMap((step) => {
        expect(run(step), step[0]).not.toBe(NOT_A_STEP);
        return foundIn(model).flatMap((f) => {
          const told = differenceOf(f);
          return told.kind === 'observable' ? [told.observer] : [];
        });
      });
      return [key, observers] as const;
    });
  }
  /** The first cannot be told apart by what comes then; the second can, by one observer; hence the keys differ. */
  function differ(
    policies: readonly [ExpandedPolicy, ExpandedPolicy],
    kinds: readonly PageKind[],
    programs: readonly [Program, Program],
    then: Program,
    observer: string,
    filesystem?: string,
  ): void {
    for (const pair of [policies, [policies[1], policies[0]]] as const) {
      const [same, other] = reached(pair, kinds, programs, then, filesystem);
      expect([same![1], other![1]]).toEqual([[], [observer]]);
      expect(same![0]).not.toBe(other![0]);
    }
  }

  describe('a page of its own in one world, and the file in the other', () => {
    // A R LONGTERM pin of a private page copies in one, and shows the page cache in the other.
    const M = 0;
    const SHARED = 1;
    const PAGES: readonly PageKind[] = ['private-file', 'shared-file'];
    const copies: Program = [
      ['gup', P, M, R_PIN_LT],
      ['unpin', H, 0, 0],
    ];
    const holds: Program = [
      ['gup', P, SHARED, W_GET],
      ['read', P, SHARED],
    ];
    const store: Program = [
      ['dma_write', H],
      ['unpin', H, 0, 0],
    ];

    it('whether it is what the disk holds, when the page cache holds something else', () => {
      const two: readonly [ExpandedPolicy, ExpandedPolicy] = [
        byId('v6.2-anon-exclusive'),
        byId('v5.11-page-count'),
      ];
      const end: Program = [['fsync', F], ...holds, ['fsync', F], ...store];
      differ(
        two,
        PAGES,
        [
          [['write', P, SHARED], ['write', P, SHARED], ...copies, ...end],
          [['write', P, SHARED], ...copies, ['write', P, SHARED], ...end],
        ],
        [
          ['reclaim', F],
          ['read', P, M],
        ],
        'process',
      );
    });

    it('whether it is what is on its way to the disk in a bounce copy', () => {
      const bounce: Changes = { wbBegin: [table(otherwise('bounce'))] };
      const two = [variant('v6.2-anon-exclusive', bounce), variant('v5.11-page-count', bounce)] as const;
      const end: Program = [...holds, ['wb_start', F, 0, 0], ...store];
      differ(
        two,
        PAGES,
        [
          [['write', P, SHARED], ['write', P, SHARED], ...copies, ...end],
          [['write', P, SHARED], ...copies, ['write', P, SHARED], ...end],
        ],
        [
          ['wb_end', F],
          ['reclaim', F],
          ['read', P, M],
        ],
        'process',
      );
    });
  });

  it('which page a reference is to in one world, where the other makes no difference', () => {
    const refs: Program = [
      ['gup', P, A, R_GET],
      ['gup', P, A, R_PIN_LT],
    ];
    const again: Program = [
      ['unpin', H, 0, 0],
      ['gup', P, A, R_GET],
    ];
    differ(
      [byId('v6.5-longterm-ban'), byId('v5.11-page-count')],
      ['private-file'],
      [
        [...refs, ['write', P, A]],
        [...refs, ...again, ['write', P, A]],
      ],
      [['dma_read', H]],
      'device',
    );
  });

  /** A device stores before writeback starts, or after. */
  const STORED_AROUND_START: readonly [Program, Program] = [
    [
      ['gup', P, F, W_GET],
      ['dma_write', H],
      ['wb_start', F, 0, 0],
    ],
    [
      ['gup', P, F, W_GET],
      ['wb_start', F, 0, 0],
      ['dma_write', H],
    ],
  ];

  it('whether a bounce copy is what the page cache holds', () => {
    const bounce = variant('v6.5-longterm-ban', { wbBegin: [table(otherwise('bounce'))] });
    differ(
      [bounce, byId('v6.5-longterm-ban')],
      ['shared-file'],
      STORED_AROUND_START,
      [['wb_end', F]],
      'disk',
    );
  });

  it('whether a page has changed under a writeback that the other world has put off', () => {
    const later = variant('v6.5-longterm-ban', {
      wbBegin: [
        table(
          rule('background', (f) => f.mode === 'NONE', 'keep dirty'),
          otherwise('write'),
        ),
      ],
    });
    differ(
      [later, byId('v6.5-longterm-ban')],
      ['shared-file'],
      STORED_AROUND_START,
      [['fsync', F]],
      'disk',
      'ext4-v5.18-stable',
    );
  });

  it('what a reference counts as in one world, where the other makes no difference', () => {
    const pins = variant('v6.5-longterm-ban', { gupKind: [table(otherwise('PIN'))] });
    const before: Program = [
      ['gup', P, A, W_PIN],
      ['unpin', H, 0, 0],
    ];
    differ(
      [pins, byId('v6.5-longterm-ban')],
      ['anon'],
      [
        [...before, ['gup', P, A, W_PIN]],
        [...before, ['gup', P, A, W_GET]],
      ],
      [
        ['fork', P],
        ['write', P, A],
        ['dma_read', H],
      ],
      'device',
    );
  });

  describe('stores to the zero page', () => {
    const first = (...rules: Rule<'gupSlow'>[]): Changes => ({
      gupSlow: [(rows) => [...rules, ...rows]],
    });
    const zeroPage: Rule<'gupSlow'> = rule('W of zero', (f) => f.write && f.frame === 'zero', 'return');
    const zeroPagePin: Rule<'gupSlow'> = rule(
      'W PIN of zero',
      (f) => f.write && f.pin && f.frame === 'zero',
      'return',
    );
    const begin: Program = [
      ['write', P, A],
      ['madvise', P, A, 0],
      ['read', P, A],
      ['gup', P, A, W_PIN],
    ];
    /** After a store through W_PIN to the zero page of both, and through W_GET to that of one alone. */
    const inBoth: Program = [
      ['dma_write', H],
      ['unpin', H, 0, 0],
    ];
    const inOne: Program = [['gup', P, A, W_GET], ...inBoth];
    const gone: Program = [['madvise', P, A, 0]];

    it('whether both zero pages hold the same', () => {
      differ(
        [variant('v6.5-longterm-ban', first(zeroPage)), variant('v6.5-longterm-ban', first(zeroPagePin))],
        ['anon'],
        [
          [...begin, ...inBoth, ...gone],
          [...begin, ...inBoth, ...inOne, ...gone],
        ],
        [['read', P, A]],
        'process',
      );
    });

    it('whether the one that is shown is zero, when the other world copies its own', () => {
      // A R LONGTERM pin copies in v6.5, and the copy of a zero page is zero; before, the page stays where it is.
      differ(
        [variant('v6.5-longterm-ban', first(zeroPage)), variant('v5.11-page-count', first(zeroPagePin))],
        ['anon'],
        [
          [...begin, ['unpin', H, 0, 0], ...inOne, ...gone],
          [...begin, ...inBoth, ...inOne, ...gone],
        ],
        [
          ['gup', P, A, R_PIN_LT],
          ['read', P, A],
        ],
        'process',
      );
    });

    const upgrade: Changes = { protectUpgrade: [table(otherwise('upgrade'))] };
    const upgraded = (mm: number): Program => [
      ['read', mm, A],
      ['mprotect', mm, A, 0],
      ['mprotect', mm, A, 1],
    ];
    const both: Program = [...upgraded(P), ['fork', P], ...upgraded(C)];

    it('whether a page of its own shows what the zero page of the other world does', () => {
      differ(
        [byId('v6.5-longterm-ban'), variant('v6.5-longterm-ban', upgrade)],
        ['anon'],
        [
          [...both, ['write', C, A], ['write', P, A], ['exit', C]],
          [...both, ['write', P, A], ['write', C, A], ['exit', C]],
        ],
        [['read', P, A]],
        'process',
      );
    });

    it('whether a page of its own is zero, which a copy of the other zero page will be', () => {
      const lazy = variant('v6.5-longterm-ban', {
        ...upgrade,
        ...first(
          rule('R LONGTERM of zero', (f) => !f.write && f.longterm && f.frame === 'zero', 'return'),
          rule('R PIN of zero', (f) => !f.write && f.pin && f.frame === 'zero', 'unshare fault'),
        ),
      });
      const end: Program = [
        ['fork', P],
        ...upgraded(C),
        ['gup', P, A, R_PIN_LT],
        ['unpin', H, 0, 0],
        ['write', C, A],
        ['exit', C],
      ];
      differ(
        [byId('v6.5-longterm-ban'), lazy],
        ['anon'],
        [
          [...upgraded(P), ...end],
          [...upgraded(P), ['gup', P, A, W_GET], ['dma_write', H], ['unpin', H, 0, 0], ...end],
        ],
        [
          ['mprotect', P, A, 0],
          ['gup', P, A, R_PIN],
          ['read', P, A],
        ],
        'process',
      );
    });
  });
});
