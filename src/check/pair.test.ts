import { describe, expect, it } from 'vitest';
import { type PageKind, ZERO_TOKEN } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { decodeClass } from '../executor/simulated.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { type Alphabet, bOf, cOf, OP_KINDS, opOf, pack } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';
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
  ['anon', 'anon'],
];

const scope = (kinds: readonly PageKind[], mms: number, refs: number, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms,
  refs,
  pinBias: 8,
});

const keyText = ({ key }: PairModel): string => {
  key.encode();
  return key.words.subarray(0, key.length).join(' ');
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
    const next = became === ENDED ? 'end' : keyText(model);
    lines.push(`${OP_KINDS[opOf(step)]} ${bOf(step)} ${cOf(step)} -> ${became} ${found} ${next}`);
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
): number {
  const alphabet = alphabetFor(setup, PLAIN_GUPS);
  const model = new PairModel({ setup, a, b, alphabet });
  const rng = new Rng();
  rng.seed(seed, setup.pages.length, setup.mms, 78);
  const out = new Int32Array(2 * model.stepsMax);
  const start = saved(model);
  const seen = new Map<string, { behaviour: string; state: string }>();
  let compared = 0;
  for (let i = 0, ended = true, length = 0; i < steps; i++, length++) {
    if (ended || length === 14) {
      model.load(start, 0);
      length = 0;
      ended = false;
    }
    const before = saved(model);
    const step = out[rng.below(model.enumerate(out))]!;
    const became = model.step(step);
    expect(became).not.toBe(NOT_A_STEP);
    if (became === ENDED) {
      // Told apart: go on from the state before.
      model.load(before, 0);
      continue;
    }
    const id = keyText(model);
    const state = Buffer.from(saved(model).buffer).toString('base64');
    const first = seen.get(id);
    if (first === undefined) seen.set(id, { behaviour: behaviour(model, out), state });
    else if (first.state !== state) {
      compared++;
      expect(behaviour(model, out)).toBe(first.behaviour);
    }
  }
  return compared;
}

describe('the law of the key of a pair: one key, one behaviour', () => {
  for (const pair of PAIRS)
    it(`${pair[0].id} and ${pair[1].id}`, () => {
      // Different concrete states with one key must turn up, or the test compares nothing.
      for (const kinds of KINDS)
        expect(law(pair, scope(kinds, 3, 2), 400, 4711), kinds.join()).toBeGreaterThan(20);
      for (const kinds of [['shared-file'], ['private-file', 'shared-file']] as const)
        expect(law(pair, scope(kinds, 2, 2, 'ext4-v5.17-stable'), 400, 4712)).toBeGreaterThan(20);
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
