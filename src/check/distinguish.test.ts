// @slow: searches of two policies
import { describe, expect, it } from 'vitest';
import type { PageKind } from '../domain/kinds.ts';
import { REFS_MAX, type Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OP_KINDS, pack } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { stepText } from '../scenario/scenario.ts';
import { compareWithin, PairSearch, show } from './distinguish.ts';
import { ENDED } from './model.ts';
import { type Difference, differenceOf, PairModel, type PairSpec } from './pair.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const byId = (id: string): ExpandedPolicy => POLICIES.find((p) => p.id === id)!;
const PAIRS = POLICIES.flatMap((a, i) => POLICIES.slice(i + 1).map((b) => [a.id, b.id] as const));

const W_PIN = gupVariant('pin', true, false, false);
const R_PIN = gupVariant('pin', false, false, false);
const R_PIN_LT = gupVariant('pin', false, true, false);
const DIO_READ = gupVariant('o_direct_read', true, false, false);

const scope = (kinds: readonly PageKind[], mms: number, refs: number, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms,
  refs,
  pinBias: 1024,
});
const specOf = (a: string, b: string, setup: Setup, gups: readonly number[] = PLAIN_GUPS): PairSpec => ({
  setup,
  a: byId(a),
  b: byId(b),
  alphabet: alphabetFor(setup, gups),
});
const name = (d: Difference): string => (d.kind === 'observable' ? d.observer : `${d.cost}, more ${d.more}`);

/** Every program of up to `depth` steps, with nothing merged: by difference the fewest steps. */
function enumerate(spec: PairSpec, depth: number): Map<string, number> {
  const model = new PairModel(spec);
  const found = new Map<string, number>();
  const visit = (length: number): void => {
    const state = new Int32Array(model.size);
    model.save(state, 0);
    const out = new Int32Array(2 * model.stepsMax);
    const n = model.enumerate(out);
    for (let i = 0; i < n; i++) {
      model.load(state, 0);
      const became = model.step(out[i]!);
      for (const f of model.finding.subarray(0, model.findings)) {
        const difference = name(differenceOf(f));
        found.set(difference, Math.min(found.get(difference) ?? depth, length + 1));
      }
      if (became !== ENDED && length + 1 < depth) visit(length + 1);
    }
  };
  visit(0);
  return found;
}

describe('against the enumeration of all programs', () => {
  it.each(PAIRS)('%s and %s: the same differences at the same lengths', (a, b) => {
    for (const [setup, gups, depth] of [
      [scope(['anon'], 2, 1), [W_PIN], 4],
      [scope(['anon'], 1, 2), [R_PIN, R_PIN_LT], 4],
      [scope(['shared-file'], 1, 1), [W_PIN, DIO_READ], 4],
      [scope(['private-file'], 1, 1), [W_PIN, R_PIN_LT], 4],
      [scope(['private-file'], 2, 1), [R_PIN_LT], 3],
    ] as const) {
      const spec = specOf(a, b, setup, gups);
      const search = new PairSearch(spec, 1_000_000);
      search.runTo(depth);
      const told = search.told.map(({ difference, length }) => [name(difference), length] as const);
      expect(new Map(told)).toEqual(enumerate(spec, depth));
    }
  });
});

describe('what it finds', () => {
  it.each(PAIRS)('%s and %s: every program runs again on both and shows the difference', (a, b) => {
    let shown = 0;
    for (const [setup, depth] of [
      [scope(['anon'], 2, 1), 5],
      [scope(['anon'], 2, 2), 4],
      [scope(['private-file'], 2, 1), 4],
      [scope(['shared-file'], 1, 2, 'ext4-v5.18-stable'), 5],
      [scope(['private-file', 'shared-file'], 1, 1), 4],
    ] as const) {
      const spec = specOf(a, b, setup);
      const search = new PairSearch(spec, 1_000_000);
      search.runTo(depth);
      shown += search.told.length;
      for (const told of search.told) {
        const { scenario, seen } = show(spec, told); // throws if both see the same
        expect(seen.a).not.toBe(seen.b);
        expect(scenario.steps.length).toBe(told.length);
        for (const policy of [spec.a, spec.b]) {
          const run = runScenario(scenario, policy);
          expect(run.notApplicable, scenario.steps.map(stepText).join('; ')).toBe(-1);
        }
      }
    }
    expect(shown).toBeGreaterThan(10);
  });

  it.each([
    // DMA after fork goes to the child's copy (B06): what early copies at fork mend.
    [
      'v5.7-mapcount',
      'v5.11-page-count',
      scope(['anon'], 2, 1),
      [W_PIN],
      'h1 = P: gup A pin W; C = P: fork; P: write A; device: dma_read h1',
      ['sees 0', 'sees P@3'],
    ],
    // An R pin taken of a page that is shared after fork: v6.2 unshares, before the next write parts them.
    [
      'v5.11-page-count',
      'v6.2-anon-exclusive',
      scope(['anon'], 2, 1),
      [R_PIN],
      'P: write A; C = P: fork; h1 = P: gup A pin R; P: write A; device: dma_read h1',
      ['sees P@1', 'sees P@4'],
    ],
    // 8ac268436e6d.
    [
      'v6.2-anon-exclusive',
      'v6.5-longterm-ban',
      scope(['shared-file'], 1, 1),
      PLAIN_GUPS,
      'h1 = P: gup F pin W LONGTERM',
      ['done', 'refused: EFAULT'],
    ],
    [
      'v6.5-longterm-ban',
      'canary',
      scope(['anon'], 2, 0),
      [],
      'P: write A; C = P: fork; P: write A; C: read A',
      ['sees P@1', 'sees P@3'],
    ],
  ] as const)('%s and %s', (a, b, setup, gups, text, seen) => {
    const spec = specOf(a, b, setup, gups);
    const found = compareWithin(spec.a, spec.b, setup, spec.alphabet, 6, 1_000_000);
    expect(found.differs).toBe('observable');
    expect(found.shown!.scenario.steps.map(stepText).join('; ')).toBe(text);
    expect([found.shown!.seen.a, found.shown!.seen.b]).toEqual(seen);
    expect(found.complete).toBe(found.steps!.length);
    // The other way round it is the same, whichever of the two refuses the last step.
    const swapped = compareWithin(spec.b, spec.a, setup, spec.alphabet, 6, 1_000_000);
    for (const { shown } of [found, swapped]) expect(shown!.scenario.setup).toEqual(setup);
    expect([swapped.steps, swapped.shown!.seen]).toEqual([found.steps, { a: seen[1], b: seen[0] }]);
  });

  it('goes on after the filesystem alone has seen something, to what is warned of', () => {
    const spec = specOf('v5.7-mapcount', 'v6.5-longterm-ban', scope(['shared-file'], 1, 1), [W_PIN]);
    const search = new PairSearch(spec, 1_000_000);
    search.runTo(99);
    expect(search.state).toBe('closed');
    const lengths = new Map(search.told.map((t) => [name(t.difference), t.length]));
    expect(lengths.get('filesystem')).toBeLessThan(lengths.get('kernel log')!);
  });
});

describe('a program in which both refuse a gup on the way', () => {
  const REFUSED = pack(OP_KINDS.indexOf('gup'), 0, 0, gupVariant('pin', true, true, false));
  const GETS = [gupVariant('get', true, false, false)];
  // Where there is room for one name more, it is kept; else it is given up at once.
  it.each([
    [scope(['shared-file'], 1, 1), 2, []],
    [scope(['shared-file'], 1, REFS_MAX), REFS_MAX, ['device: unpin h1']],
    [scope(['shared-file', 'anon', 'anon', 'anon', 'anon', 'anon'], 4, 2), 3, []],
  ] as const)('runs again: %#', (setup, roomy, given) => {
    const small = specOf('v6.5-longterm-ban', 'canary', scope(['shared-file'], 1, 1), GETS);
    const search = new PairSearch(small, 100_000);
    search.runTo(9, (found) => found.some((d) => d.kind === 'observable'));
    const told = search.told[0]!;
    const plain = show(small, told);
    const spec = { ...small, setup };
    const { scenario, seen } = show(spec, { ...told, steps: [REFUSED, ...told.steps] });
    expect(scenario.setup.refs).toBe(roomy);
    expect(scenario.steps.slice(1, 1 + given.length).map(stepText)).toEqual(given);
    expect(scenario.steps).toHaveLength(1 + given.length + told.length);
    for (const policy of [spec.a, spec.b]) expect(runScenario(scenario, policy).notApplicable).toBe(-1);
    // What is seen says when it was stored: the steps before it are more.
    const later = (text: string): string => text.replace(/@(\d+)/g, (_, at) => `@${+at - 1 - given.length}`);
    expect({ a: later(seen.a), b: later(seen.b) }).toEqual(plain.seen);
  });
});

describe('compareWithin', () => {
  it.each(POLICIES.map((p) => p.id))('%s is equivalent to itself, for good', (id) => {
    const setup = scope(['shared-file'], 1, 1);
    const compared = compareWithin(byId(id), byId(id), setup, alphabetFor(setup, PLAIN_GUPS), 99, 1_000_000);
    expect(compared).toEqual({ differs: 'none', complete: 'closed' });
  });

  it('says which of two costs more where nobody can tell them apart', () => {
    const setup = scope(['anon'], 1, 1);
    const alphabet = alphabetFor(setup, [R_PIN_LT]);
    const without = { ...alphabet, ops: alphabet.ops.map((on, at) => on && OP_KINDS[at] !== 'dma_read') };
    const [a, b] = [byId('v5.11-page-count'), byId('v6.2-anon-exclusive')];
    const compared = compareWithin(a, b, setup, without, 99, 1_000_000);
    expect([compared.differs, compared.complete]).toEqual(['cost', 'closed']);
    expect(compared.steps).toEqual([pack(OP_KINDS.indexOf('gup'), 0, 0, R_PIN_LT)]);
    expect(compared.shown!.more.b).toContain('gupFaults');
    const swapped = compareWithin(b, a, setup, without, 99, 1_000_000);
    expect(swapped.shown!.more.a).toEqual(compared.shown!.more.b);
  });

  it('an answer that cannot be carried out tells a policy from one that goes on, and not from itself', () => {
    const setup = scope(['anon'], 1, 1);
    const alphabet = alphabetFor(setup, [R_PIN]);
    const stuck = expandPolicy(
      derive(
        policyByName('v6.5-longterm-ban'),
        { id: 'stuck', title: 'faults for ever', sources: [] },
        { gupSlow: [table(otherwise('read fault'))] },
      ),
    );
    const found = compareWithin(byId('v6.5-longterm-ban'), stuck, setup, alphabet, 3, 100_000);
    expect([found.differs, found.observer, found.steps?.length]).toEqual(['observable', 'policy error', 1]);
    expect(found.shown!.seen).toEqual({
      a: 'goes on',
      b: expect.stringMatching(/^gupSlow does not converge/),
    });
    expect(compareWithin(stuck, stuck, setup, alphabet, 99, 100_000)).toEqual({
      differs: 'none',
      complete: 'closed',
    });
  });

  it('says how far it got when it gave up', () => {
    const setup = scope(['anon'], 2, 1);
    const [a, b] = [byId('v6.2-anon-exclusive'), byId('v6.5-longterm-ban')];
    const compared = compareWithin(a, b, setup, alphabetFor(setup, [W_PIN]), 99, 300);
    expect(compared.differs).toBe('none');
    expect(compared.complete).toBeGreaterThan(0);
    expect(compared.complete).toBeLessThan(99);
  });
});

describe('refusals are costs as well', () => {
  it('which tell v6.5 from v6.2 by a pin that it refuses', () => {
    const setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 };
    const [a, b] = ['pae', 'longterm-ban'].map((name) => expandPolicy(policyByName(name)));
    const spec = { setup, a: a!, b: b!, alphabet: alphabetFor(setup, PLAIN_GUPS) };
    const search = new PairSearch(spec, 100_000);
    search.runTo(3);
    const refused = search.told.find((t) => t.difference.kind === 'cost' && t.difference.cost === 'refused')!;
    expect([refused.difference, refused.length]).toEqual([{ kind: 'cost', cost: 'refused', more: 'b' }, 1]);
    expect(show(spec, refused).seen).toEqual({ a: 'refused: 0', b: 'refused: 1' });
  });
});
