import { describe, expect, it } from 'vitest';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { judge, searchable } from '../check/verdicts.ts';
import type { PageKind } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { decodeClass, World } from '../executor/simulated.ts';
import { before, type Changes, derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf, mutationId } from '../mutate/mutants.ts';
import { gupVariant } from '../ops/gup.ts';
import { OPS } from '../ops/index.ts';
import { type Alphabet, aOf } from '../ops/op.ts';
import { policyByName } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { HANDLE_VOID } from '../reference/reference.ts';
import { Beside, BrokenList } from '../regression/beside.ts';
import { judgeBeside } from '../regression/scenario.ts';
import { stepText } from '../scenario/scenario.ts';
import { compiled } from '../testing/compiled.ts';
import type { ProveOptions, RegressionProof } from './prove.ts';

const { promisesOf, proveBeside } = await compiled<typeof import('./prove.ts')>('campaign/prove');
const { drive } = await compiled<typeof import('./drive.ts')>('campaign/drive');

const eraOf = (name: string): ExpandedPolicy => expandPolicy(policyByName(name));
const variant = (id: string, base: string, changes: Changes): ExpandedPolicy =>
  expandPolicy(derive(policyByName(base), { id, title: id, sources: ['a test'] }, changes));

const V65 = eraOf('longterm-ban');
const refuses = (id: string, pin: boolean): ExpandedPolicy =>
  variant(id, 'longterm-ban', {
    gupSlow: [(rows) => [rule('W', (f) => f.write && f.pin === pin, 'EFAULT'), ...rows]],
    gupFast: [(rows) => [rule('W', (f) => f.write && f.pin === pin, 'bail'), ...rows]],
  });
const neverWrites = variant('never writes', 'longterm-ban', { wbBegin: [table(otherwise('keep dirty'))] });
const copiesMore = variant('copies more', 'longterm-ban', {
  forkPte: [
    before(
      'otherwise',
      rule('anon', (f) => f.frame === 'anon', 'copy'),
    ),
  ],
});
/** Of what both break, this one breaks more: a dirty page that may be pinned is lost by reclaim too. */
const stripsPinned = variant('strips what is pinned', 'longterm-ban', {
  stripBuffers: [table(otherwise('strip'))],
});

const scope = (kinds: readonly PageKind[], mms: number, refs: number, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms,
  refs,
  pinBias: 8,
});
const GUPS = [
  gupVariant('pin', false, false, false),
  gupVariant('pin', true, false, false),
  gupVariant('get', true, false, false),
];

const OPTIONS: ProveOptions = { depthMax: Infinity, statesMax: 400_000, memoryMax: Infinity, threads: 1 };

async function prove(
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
  setup: Setup,
  alphabet: Alphabet,
  more: Partial<ProveOptions> & { grain?: 'class' | 'property' } = {},
): Promise<RegressionProof> {
  const options = { ...OPTIONS, ...more };
  const spec = searchable({
    setup,
    policy: candidate,
    alphabet,
    symmetry: 'all',
    grain: more.grain ?? 'class',
  });
  const { exploration, stopped } = await drive(spec, options);
  const { properties } = judge(spec, exploration, stopped, new Set());
  const broken = promisesOf(properties.flatMap((p) => p.classes));
  return proveBeside(spec, base, { stopped, depth: exploration.depth, broken }, options);
}

const lengths = (proof: RegressionProof): Record<string, number> =>
  Object.fromEntries(proof.regressions.map((r) => [r.classId, r.length]));

/** All programs of up to `depth` steps, unmerged, each judged by itself: per class the length of the shortest. */
function byAllPrograms(
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
  setup: Setup,
  alphabet: Alphabet,
  depth: number,
): Record<string, number> {
  const world = new World(setup, { ...candidate });
  const asItIs = new World(setup, { ...base });
  const beside = new Beside(setup, base);
  const refs: Alphabet = { ...alphabet, ops: alphabet.ops.map((on, at) => on && OPS[at]!.usesRef === true) };
  const found: Record<string, number> = {};
  const steps: number[] = [];
  const outcomes: number[] = [];
  const go = (): void => {
    const start = world.columns.snapshot();
    const startBase = asItIs.columns.snapshot();
    const [ended, endedBase] = [world.ended, asItIs.ended];
    const out = new Int32Array(512);
    const n = world.enumerate(alphabet, out);
    const enabled = [...out.subarray(0, n)];
    const more = endedBase ? 0 : asItIs.enumerate(refs, out);
    for (const step of out.subarray(0, more))
      if (world.reference.handleState[aOf(step)] === HANDLE_VOID) enabled.push(step);
    for (const step of enabled) {
      world.columns.restore(start);
      asItIs.columns.restore(startBase);
      [world.ended, asItIs.ended] = [ended, endedBase];
      steps.push(step);
      outcomes.push(world.step(step));
      if (!asItIs.ended) asItIs.step(step);
      const list = new BrokenList();
      list.add(steps.length - 1, world.violations);
      for (const j of beside.judge(steps, steps.length, outcomes, list.broken))
        if (j.verdict === 'regression') {
          const id = classId(decodeClass(j.code));
          found[id] = Math.min(found[id] ?? Infinity, steps.length);
        }
      if (steps.length < depth && !world.ended) go();
      steps.pop();
      outcomes.pop();
    }
    world.columns.restore(start);
    asItIs.columns.restore(startBase);
    [world.ended, asItIs.ended] = [ended, endedBase];
  };
  go();
  return found;
}

/** Random programs of the scope, each judged by itself. Per class the length of the shortest that was met. */
function byChance(
  candidate: ExpandedPolicy,
  base: ExpandedPolicy,
  setup: Setup,
  alphabet: Alphabet,
  programs: number,
): Record<string, number> {
  const world = new World(setup, { ...candidate });
  world.checkInvariants = false;
  const beside = new Beside(setup, base);
  const rng = new Rng();
  rng.seed(7, 8, 9, 10);
  const out = new Int32Array(512);
  const found: Record<string, number> = {};
  for (let run = 0; run < programs; run++) {
    world.reset();
    const steps: number[] = [];
    const outcomes: number[] = [];
    const list = new BrokenList();
    for (let i = 0; i < 12 && !world.ended; i++) {
      const n = world.enumerate(alphabet, out);
      steps.push(out[rng.below(n)]!);
      outcomes.push(world.step(steps[i]!));
      list.add(i, world.violations);
    }
    for (const { verdict, code, at } of beside.judge(steps, steps.length, outcomes, list.broken)) {
      if (verdict !== 'regression') continue;
      const id = classId(decodeClass(code));
      found[id] = Math.min(found[id] ?? Infinity, at + 1);
    }
  }
  return found;
}

/** What `met` has is in the proof, in as few steps. */
function covers(proof: RegressionProof, met: Record<string, number>, what: string): void {
  const proved = lengths(proof);
  for (const [id, length] of Object.entries(met))
    expect(proved[id], `${what}: ${id} in ${length} steps`).toBeLessThanOrEqual(length);
}

describe('a proof says what all programs say, each judged by itself', () => {
  const cases: readonly (readonly [ExpandedPolicy, ExpandedPolicy])[] = [
    [V65, eraOf('pae')],
    [eraOf('pae'), V65],
    [eraOf('page-count'), eraOf('mapcount')],
    [eraOf('mapcount'), eraOf('page-count')],
    [eraOf('canary'), V65],
    [neverWrites, V65],
    [stripsPinned, V65],
    [refuses('refuses W pins', true), V65],
    [refuses('refuses W gets', false), V65],
    [V65, refuses('refuses W pins', true)],
  ];
  it.each(cases.map(([c, b]) => [c.id, b.id, c, b] as const))('%s beside %s', async (_c, _b, cand, base) => {
    for (const [setup, depth] of [
      [scope(['anon'], 2, 1), 4],
      [scope(['shared-file'], 1, 1, 'ext4-v5.18-stable'), 4],
    ] as const) {
      const alphabet = alphabetFor(setup, GUPS);
      const all = byAllPrograms(cand, base, setup, alphabet, depth);
      const proof = await prove(cand, base, setup, alphabet, { depthMax: depth });
      covers(proof, all, cand.id);
      expect(proof.covered).toBe(depth);
      for (const r of proof.regressions) {
        // A program of the proof may name one reference more than the scope, which was refused.
        if (r.scenario.setup.refs === setup.refs) expect(all[r.classId]).toBe(r.length);
        const { regressions } = judgeBeside(r.scenario, cand, base);
        expect(regressions.map((x) => [x.at, x.classId])).toContainEqual([r.length - 1, r.classId]);
      }
    }
  });
});

describe('a proof finds whatever random programs find', () => {
  for (const [name, kinds] of [
    ['longterm-ban', 'shared-file'],
    ['pae', 'anon'],
  ] as const)
    it(`of the mutants of ${name}, on ${kinds}`, async () => {
      const base = eraOf(name);
      const mutants = mutantsOf(withConditions(base, policyByName(name))).flatMap((m) =>
        m.policy === undefined || m.changed.length === 0 ? [] : [{ ...m, policy: m.policy }],
      );
      const setup = scope([kinds], kinds === 'anon' ? 2 : 1, 1);
      const alphabet = alphabetFor(setup, GUPS);
      let worse = 0;
      // A third of them, as it takes long.
      for (const { mutation, policy } of mutants.filter((_, i) => i % 3 === 0)) {
        const candidate = { ...policy, id: mutationId(mutation), claims: [] };
        const met = byChance(candidate, base, setup, alphabet, 400);
        if (Object.keys(met).length === 0) continue;
        worse++;
        const near = Object.fromEntries(Object.entries(met).filter(([, length]) => length <= 7));
        const depthMax = Math.max(1, ...Object.values(near));
        covers(await prove(candidate, base, setup, alphabet, { depthMax }), near, candidate.id);
      }
      expect(worse).toBeGreaterThanOrEqual(3);
    });
});

describe('none, for any number of steps', () => {
  it.each([
    ['copies more at fork', copiesMore, ['anon']],
    ['refuses W pins', refuses('refuses W pins', true), ['anon']],
    ['refuses W pins', refuses('refuses W pins', true), ['shared-file']],
    ['refuses W gets', refuses('refuses W gets', false), ['shared-file']],
    ['is the base', V65, ['shared-file']],
  ] as const)('of one that %s', async (_, candidate, kinds) => {
    const setup = scope(kinds, 1, 1);
    const proof = await prove(candidate, V65, setup, alphabetFor(setup, GUPS));
    expect([proof.regressions, proof.covered, proof.stopped]).toEqual([[], Infinity, undefined]);
    // There is something to prove, as both break promises there.
    if (kinds[0] === 'shared-file') expect(proof.common.length).toBeGreaterThan(0);
  });

  it('v6.5 beside v6.2 on a shared file page, where both break promises', async () => {
    const setup = scope(['shared-file'], 1, 1);
    const proof = await prove(V65, eraOf('pae'), setup, alphabetFor(setup, GUPS));
    expect(lengths(proof)).toEqual({});
    expect(proof.covered).toBe(Infinity);
    expect(proof.common.length).toBeGreaterThan(5);
    expect(proof.states).toBeGreaterThan(1000);
  });
});

describe('a proof', () => {
  const setup = scope(['shared-file'], 1, 1);
  const alphabet = alphabetFor(setup, GUPS);

  it('is the same with threads', async () => {
    const one = await prove(stripsPinned, eraOf('pae'), setup, alphabet, { depthMax: 7 });
    const two = await prove(stripsPinned, eraOf('pae'), setup, alphabet, {
      depthMax: 7,
      threads: 2,
      threadsFrom: 10,
    });
    const told = (p: RegressionProof): unknown => [
      p.regressions.map((r) => [r.classId, r.scenario.steps.map(stepText)]),
      p.common.map((c) => [c.found.classId, c.covered]),
      p.covered,
      p.states,
    ];
    expect(told(two)).toEqual(told(one));
  });

  it('with grain property finds the same promises in as few steps', async () => {
    const shortest = (p: RegressionProof): Record<string, number> => {
      const least: Record<string, number> = {};
      for (const { class: c, length } of p.regressions) {
        const name = `${c.property} ${c.observedBy}`;
        least[name] = Math.min(least[name] ?? Infinity, length);
      }
      return least;
    };
    const all = await prove(eraOf('mapcount'), eraOf('page-count'), setup, alphabet);
    const coarse = await prove(eraOf('mapcount'), eraOf('page-count'), setup, alphabet, {
      grain: 'property',
    });
    expect(shortest(coarse)).toEqual(shortest(all));
  });

  it('says how far it got where it gave up', async () => {
    const proof = await prove(V65, eraOf('pae'), setup, alphabet, { depthMax: 6 });
    expect([proof.covered, proof.stopped]).toEqual([6, undefined]);
  });

  it('is none beside a base that is no policy, and says so', async () => {
    const loops = variant('loops', 'longterm-ban', { gupSlow: [table(otherwise('write fault'))] });
    const proof = await prove(V65, loops, setup, alphabet, { depthMax: 6 });
    expect(proof.baseError).toMatch(/^the base, policy loops, fails at step \d+: gupSlow does not converge/);
  });

  it('and so where the candidate breaks nothing on the program on which the base fails', async () => {
    const reuses = variant('reuses', 'longterm-ban', { wpFault: [table(otherwise('reuse'))] });
    const fails = variant('fails', 'longterm-ban', {
      wpFault: [table(otherwise('reuse'))],
      unshareFault: [table(otherwise('none'))],
    });
    const anon = scope(['anon'], 2, 1);
    const proof = await prove(reuses, fails, anon, alphabetFor(anon, PLAIN_GUPS), { depthMax: 5 });
    expect(proof.baseError).toMatch(/^the base, policy fails, fails at step \d+: /);
  });
});
