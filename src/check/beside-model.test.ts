// @slow: walks and searches of two policies
import { describe, expect, it } from 'vitest';
import type { PageKind } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { promiseOf } from '../executor/simulated.ts';
import { type Changes, derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OP_KINDS, type OpKind, opOf, pack } from '../ops/op.ts';
import { policyByName } from '../policies/index.ts';
import { keyText, OneBehaviour } from '../testing/key-law.ts';
import { nameless } from '../testing/nameless.ts';
import { HANDLE_FREE } from '../reference/reference.ts';
import { BesideModel, type BesideSpec } from './beside-model.ts';
import { KeyEncoder } from './key.ts';
import { ENDED, GOES_ON, NOT_A_STEP } from './model.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

const eraOf = (name: string): ExpandedPolicy => expandPolicy(policyByName(name));
const variant = (id: string, base: string, changes: Changes): ExpandedPolicy =>
  expandPolicy(derive(policyByName(base), { id, title: id, sources: ['a test'] }, changes));

const bans = variant('refuses W pins', 'longterm-ban', {
  gupSlow: [(rows) => [rule('W pin', (f) => f.write && f.pin, 'EFAULT'), ...rows]],
  gupFast: [(rows) => [rule('W pin', (f) => f.write && f.pin, 'bail'), ...rows]],
});
const neverWrites = variant('never writes', 'longterm-ban', { wbBegin: [table(otherwise('keep dirty'))] });
const sharesPinned = variant('shares what is pinned', 'pae', { forkPte: [table(otherwise('share'))] });
const bounces = variant('bounces', 'longterm-ban', { wbBegin: [table(otherwise('bounce'))] });
const storesToZero = variant('stores to the zero page', 'pae', {
  gupSlow: [(rows) => [rule('W of zero', (f) => f.write && f.frame === 'zero', 'return'), ...rows]],
});

/** Candidate and base. */
const PAIRS: readonly (readonly [ExpandedPolicy, ExpandedPolicy])[] = [
  [eraOf('longterm-ban'), eraOf('pae')],
  [eraOf('pae'), eraOf('longterm-ban')],
  [eraOf('pae'), eraOf('page-count')],
  [eraOf('page-count'), eraOf('mapcount')],
  [eraOf('canary'), eraOf('longterm-ban')],
  [bans, eraOf('longterm-ban')],
  [neverWrites, eraOf('longterm-ban')],
  [sharesPinned, eraOf('pae')],
  [bounces, eraOf('page-count')],
  [storesToZero, bans],
];

const KINDS: readonly (readonly PageKind[])[] = [
  ['anon'],
  ['private-file'],
  ['shared-file'],
  ['private-file', 'shared-file'],
];

const scope = (kinds: readonly PageKind[], mms: number, refs: number, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms,
  refs,
  pinBias: 8,
});

const specOf = (
  [candidate, base]: readonly [ExpandedPolicy, ExpandedPolicy],
  setup: Setup,
  more: Partial<BesideSpec> = {},
): BesideSpec => ({
  setup,
  candidate,
  base,
  alphabet: alphabetFor(setup, PLAIN_GUPS),
  symmetry: 'all',
  grain: 'class',
  ...more,
});

const keyOf = (model: BesideModel): string => {
  const print = new Int32Array(3);
  model.fingerprint(print); // sets how many worlds count
  return keyText(model.key);
};
const saved = (model: BesideModel): Int32Array => {
  const state = new Int32Array(model.size);
  model.save(state, 0);
  return state;
};
const foundIn = (model: BesideModel): number[] =>
  [...model.finding.subarray(0, model.findings)].sort((x, y) => x - y);

/** What can be done, less the names: per enabled step its kind, page, variant, what became of it, and successor. */
function behaviour(model: BesideModel, out: Int32Array): string {
  const state = saved(model);
  const n = model.enumerate(out);
  const lines: string[] = [];
  for (let e = 0; e < n; e++) {
    const step = out[e]!;
    model.load(state, 0);
    const became = model.step(step);
    const next = became === ENDED ? 'end' : keyOf(model);
    lines.push(`${nameless(model.candidate.shape, step)} -> ${became} ${foundIn(model).join('+')} ${next}`);
  }
  model.load(state, 0);
  return lines.sort().join('\n');
}

/** The promises that a model of both, at one step, found in a few random walks: what is worth asking for. */
function promisesIn(spec: BesideSpec): number[] {
  const model = new BesideModel(spec);
  const promises = new Set<number>();
  walk(model, 400, 3, () => {
    for (const finding of foundIn(model)) promises.add(promiseOf(finding));
  });
  return [...promises].sort((x, y) => x - y);
}

function walk(model: BesideModel, steps: number, seed: number, after: (became: number) => void): void {
  const rng = new Rng();
  rng.seed(seed, 5, 6, 78);
  const out = new Int32Array(2 * model.stepsMax);
  const start = saved(model);
  for (let i = 0, ended = true, length = 0; i < steps; i++, length++) {
    if (ended || length === 14) {
      model.load(start, 0);
      length = 0;
    }
    const became = model.step(out[rng.below(model.enumerate(out))]!);
    if (became === NOT_A_STEP) expect.fail('what was enumerated is no step');
    after(became);
    ended = became === ENDED;
  }
  model.load(start, 0);
}

/** Random walks; every revisit of a key must find the behaviour that was seen first. Returns the revisits compared. */
function law(spec: BesideSpec, steps: number, seed: number): number {
  const model = new BesideModel(spec);
  const out = new Int32Array(2 * model.stepsMax);
  const met = new OneBehaviour({
    save: () => saved(model),
    load: (state) => model.load(state, 0),
    behaviour: () => behaviour(model, out),
  });
  walk(model, steps, seed, (became) => {
    if (became !== ENDED) met.meet(keyOf(model));
  });
  return met.compared;
}

/** Candidates that regress at one step in these scopes: only they have promises to look for up to there. */
const REGRESS: readonly string[] = ['never writes', 'shares what is pinned', 'stores to the zero page'];

describe('the law of the key of a candidate beside its base: one key, one behaviour', () => {
  for (const pair of PAIRS)
    it(`${pair[0].id} beside ${pair[1].id}`, () => {
      // Different concrete states with one key must turn up, or the test compares nothing.
      let ofPromises = 0;
      for (const kinds of KINDS) {
        const spec = specOf(pair, scope(kinds, 3, 2));
        expect(law(spec, 250, 4711), kinds.join()).toBeGreaterThan(10);
        expect(law({ ...spec, grain: 'property' }, 150, 4712), kinds.join()).toBeGreaterThan(5);
        for (const promise of promisesIn(spec).slice(0, 2))
          ofPromises += law({ ...spec, promise }, 250, 4713);
      }
      const stable = specOf(pair, scope(['shared-file'], 2, 2, 'ext4-v5.17-stable'));
      expect(law(stable, 250, 4714)).toBeGreaterThan(10);
      for (const promise of promisesIn(stable).slice(0, 2))
        ofPromises += law({ ...stable, promise }, 250, 4715);
      expect(ofPromises > 20).toBe(REGRESS.includes(pair[0].id));
    });

  it('also where the base, as it is, has come to be elsewhere', () => {
    let parted = 0;
    for (const pair of [
      [bans, eraOf('longterm-ban')],
      [eraOf('longterm-ban'), eraOf('pae')],
    ] as const)
      for (const kinds of KINDS) {
        const setup = scope(kinds, 2, 2);
        // A promise that none of them breaks, so that nothing ends a walk.
        const spec = specOf(pair, setup, { promise: 4095 });
        expect(law(spec, 400, 4716)).toBeGreaterThan(20);
        const model = new BesideModel(spec);
        walk(model, 400, 4716, () => {
          if (model.parted) parted++;
        });
      }
    expect(parted).toBeGreaterThan(500);
  });

  it('in all worlds the same names are free, and counts follow from who holds what', () => {
    for (const promise of [undefined, 4095]) {
      const spec = specOf([bans, eraOf('longterm-ban')], scope(['anon'], 2, 2), promise ? { promise } : {});
      const model = new BesideModel(spec);
      walk(model, 2000, 9, (became) => {
        if (became === ENDED) return;
        const worlds = [model.candidate, model.without, ...(model.parted ? [model.asItIs] : [])];
        const free = worlds.map(({ reference }) =>
          [...reference.handleState].map((state) => state === HANDLE_FREE).join(),
        );
        expect(new Set(free).size).toBe(1);
        expect(new Set(worlds.map(({ reference }) => [...reference.alive].join())).size).toBe(1);
        for (const { machine } of worlds) expect(machine.recount()).toBe('');
      });
    }
  });

  it('a state that was saved is the same when it is loaded', () => {
    const model = new BesideModel(
      specOf([bans, eraOf('longterm-ban')], scope(['private-file'], 2, 2), { promise: 4095 }),
    );
    walk(model, 600, 31, () => {
      const state = saved(model);
      const key = keyOf(model);
      expect(model.isAt(state, 0)).toBe(true);
      model.load(state, 0);
      expect(keyOf(model)).toBe(key);
    });
  });
});

describe('what must not be taken for one state', () => {
  type Program = readonly (readonly [op: OpKind, a: number, b?: number, c?: number])[];
  const W_PIN = gupVariant('pin', true, false, false);

  function reached(spec: BesideSpec, program: Program): { key: string; model: BesideModel } {
    const model = new BesideModel(spec);
    for (const [op, a, b, c] of program)
      expect(model.step(pack(OP_KINDS.indexOf(op), a, b, c)), op).toBe(GOES_ON);
    return { key: keyOf(model), model };
  }

  it('which mm of the candidate is which of the base', () => {
    // Each marks the mm by its own pin: one counts `get`, the other vmsplice.
    const pins = (caller: string): ExpandedPolicy =>
      variant(`pins by ${caller}`, 'longterm-ban', {
        gupKind: [
          table(
            rule(caller, (f) => f.caller === caller, 'PIN'),
            otherwise('GET'),
          ),
        ],
      });
    const spec = specOf([pins('get'), pins('vmsplice')], scope(['anon'], 2, 1));
    const marked = (byVmsplice: number): Program => [
      ['read', 0, 0],
      ['fork', 0],
      ['read', 1, 0],
      ['gup', 0, 0, gupVariant('get', false, false, false)],
      ['unpin', 0, 0, 0],
      ['gup', byVmsplice, 0, gupVariant('vmsplice', false, false, false)],
      ['unpin', 0, 0, 0],
    ];
    const [same, other] = [reached(spec, marked(0)), reached(spec, marked(1))];
    const bits = ({ model }: { model: BesideModel }): unknown => [
      [...model.candidate.machine.hasPinned],
      [...model.without.machine.hasPinned],
    ];
    expect([bits(same), bits(other)]).toEqual([
      [
        [1, 0],
        [1, 0],
      ],
      [
        [1, 0],
        [0, 1],
      ],
    ]);
    expect(same.key).not.toBe(other.key);
  });

  it('which reference of the candidate is which of the base', () => {
    // Two references alike in all but their folio. The candidate's later store leaves the first behind; the base refuses
    // one of them, and fork leaves the other behind.
    const keep: Changes = { protectUpgrade: [table(otherwise('keep'))] };
    const copies = variant('copies', 'pae', { ...keep, wpFault: [table(otherwise('copy'))] });
    const refusesReadOnly = variant('refuses what is read-only', 'pae', {
      ...keep,
      gupSlow: [
        (rows) => [rule('R/O', (f) => f.write && f.frame === 'anon' && !f.pteWrite, 'EFAULT'), ...rows],
      ],
      forkPte: [table(otherwise('share'))],
    });
    const spec = specOf([copies, refusesReadOnly], scope(['anon'], 2, 2));
    const write: Program[number] = ['write', 0, 0];
    const pin: Program[number] = ['gup', 0, 0, W_PIN];
    const readOnly: Program = [
      ['mprotect', 0, 0, 0],
      ['mprotect', 0, 0, 1],
    ];
    const end: Program = [['fork', 0], write, ['exit', 1]];
    const first = reached(spec, [write, ...readOnly, pin, ...readOnly, write, pin, ...end]);
    const second = reached(spec, [write, pin, ...readOnly, pin, ...end]);
    // World by world they look the same: one stale, one current; one refused, one stale.
    const worlds = ({ model }: { model: BesideModel }): unknown =>
      [model.candidate, model.without].map((world) => {
        const key = new KeyEncoder(world);
        key.encode();
        return [...key.words.subarray(0, key.length)];
      });
    expect(worlds(second)).toEqual(worlds(first));
    const foundBy = ({ model }: { model: BesideModel }): number => {
      model.step(pack(OP_KINDS.indexOf('dma_read'), 0, 0, 0));
      return model.findings;
    };
    expect(second.key).not.toBe(first.key);
    expect([foundBy(first), foundBy(second)]).toEqual([1, 0]);
  });

  it('that the base as it is holds what the candidate was refused', () => {
    const spec = specOf([bans, eraOf('longterm-ban')], scope(['anon'], 2, 2), { promise: 4095 });
    const with_ = reached(spec, [
      ['write', 0, 0],
      ['gup', 0, 0, W_PIN],
    ]);
    const without = reached(spec, [['write', 0, 0]]);
    expect([with_.model.parted, without.model.parted]).toEqual([true, false]);
    expect(with_.key).not.toBe(without.key);
    // It goes on using it until it lets go.
    const out = new Int32Array(2 * with_.model.stepsMax);
    const ops = [...out.subarray(0, with_.model.enumerate(out))].map((s) => OP_KINDS[opOf(s)]);
    expect(ops).toContain('dma_write');
    with_.model.step(pack(OP_KINDS.indexOf('unpin'), 0, 0, 0));
    expect(with_.model.candidate.reference.handleState[0]).toBe(HANDLE_FREE);
  });
});
