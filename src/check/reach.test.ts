// @slow: searches for what is met by no program
import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../../properties/index.ts';
import { CALLERS, PAGE_KINDS, type PageKind } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { DECISIONS } from '../machine/decisions.ts';
import { before, derive, rule } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf } from '../mutate/mutants.ts';
import { callerOf, GUP_VARIANTS, writeOf } from '../ops/gup.ts';
import { type Alphabet, OP_KINDS, type OpKind } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { lacking } from './goals.ts';
import { outOfReach, outOfScope } from './reach.ts';
import { alphabetFor, pagesOf } from './scope.ts';

const property = (id: string) => PROPERTIES.find((p) => p.id === id)!;
const scope = (kinds: readonly PageKind[], mms: number, refs: number): Setup => ({
  ...pagesOf(kinds, 'ext4-v5.18-stable'),
  mms,
  refs,
  pinBias: 1024,
});

const FILES = scope(['private-file', 'shared-file'], 2, 2);
const only = (setup: Setup, keep: (kind: OpKind) => boolean, gups = GUP_VARIANTS): Alphabet => {
  const { ops } = alphabetFor(setup);
  return { ops: ops.map((on, at) => on && keep(OP_KINDS[at]!)), gups };
};

/** The same policy, but at one decision point it always gives one answer. */
const answering = (policy: ExpandedPolicy, decision: string, answer: number): ExpandedPolicy => ({
  ...policy,
  id: `${policy.id}, ${decision} ${answer}`,
  claims: [],
  tables: policy.tables.map((t) =>
    t.decision === decision ? { ...t, answer: t.answer.map(() => answer) } : t,
  ),
});

/** The goals that random walks meet. */
function met(
  policy: ExpandedPolicy,
  setup: Setup,
  walks: number,
  alphabet: Alphabet = alphabetFor(setup),
): ReadonlySet<string> {
  const world = new World(setup, { ...policy });
  world.checkInvariants = false;
  const out = new Int32Array(4096);
  const rng = new Rng();
  rng.seed(3, 1, 4, 1);
  for (let walk = 0; walk < walks; walk++) {
    world.reset();
    for (let i = 0; i < 20 && !world.ended; i++) {
      const offered = world.enumerate(alphabet, out);
      if (offered === 0) break;
      world.step(out[rng.below(offered)]!);
    }
  }
  return new Set(PROPERTIES.filter((_, i) => world.goals[i] === 1).map((p) => p.id));
}

describe('a goal that is said to be out of reach', () => {
  it('is met by no program, of built-in policies, their mutants, and tables of one answer', () => {
    const policies = ['longterm-ban', 'page-count'].flatMap((name): ExpandedPolicy[] => {
      const era = expandPolicy(policyByName(name));
      return [
        era,
        ...mutantsOf(withConditions(era, policyByName(name))).flatMap((m) => m.policy ?? []),
        ...(['wbBegin', 'unpinDirty', 'protectUpgrade', 'gupKind', 'gupSlow', 'gupFast'] as const).flatMap(
          (decision) => DECISIONS[decision].answers.map((_, answer) => answering(era, decision, answer)),
        ),
      ];
    });
    let said = 0;
    for (const policy of policies)
      for (const setup of [scope(['shared-file'], 1, 1), scope(['private-file', 'shared-file'], 2, 2)]) {
        const reached = met(policy, setup, 60);
        for (const p of PROPERTIES) {
          const why = outOfReach(p, policy, setup, alphabetFor(setup));
          if (why !== undefined) said++;
          if (reached.has(p.id)) expect(why, `${policy.id}: ${p.id}`).toBeUndefined();
        }
      }
    expect(said).toBeGreaterThan(20);
  });

  it('is met by no program of a scope without what it takes', () => {
    const era = expandPolicy(policyByName('pae'));
    for (const setup of [
      scope(['shared-file'], 2, 1),
      scope(['anon'], 1, 1),
      scope(['anon'], 2, 0),
      scope(['anon', 'shared-file'], 2, 1),
    ]) {
      const reached = met(era, setup, 400);
      for (const p of PROPERTIES)
        if (reached.has(p.id)) expect(outOfScope(p, setup, alphabetFor(setup)), p.id).toBeUndefined();
    }
    const shared = scope(['shared-file'], 2, 1);
    expect(outOfScope(property('isolation'), shared, alphabetFor(shared))).toMatch(/private page/);
  });

  it('is met by no program of some operations and kinds of gup', () => {
    const bold = answering(expandPolicy(policyByName('pae')), 'protectUpgrade', 0);
    const policies = [
      ...['longterm-ban', 'mapcount', 'canary'].map((n) => expandPolicy(policyByName(n))),
      bold,
    ];
    const rng = new Rng();
    rng.seed(2, 7, 1, 8);
    let said = 0;
    for (let n = 0; n < 150; n++) {
      const kinds = (['anon', 'private-file', 'shared-file'] as const).filter(() => rng.below(3) > 0);
      const setup = scope(kinds.length > 0 ? kinds : ['shmem'], 2, 2);
      const keep = OP_KINDS.filter(() => rng.below(4) > 0);
      const gups = GUP_VARIANTS.filter(() => rng.below(4) === 0);
      const alphabet = only(setup, (kind) => keep.includes(kind), gups);
      for (const policy of policies) {
        const reached = met(policy, setup, 30, alphabet);
        for (const p of PROPERTIES) {
          const why = outOfScope(p, setup, alphabet) ?? outOfReach(p, policy, setup, alphabet);
          if (why !== undefined) said++;
          if (reached.has(p.id)) expect(why, `${policy.id}, ${keep}: ${p.id}`).toBeUndefined();
        }
      }
    }
    expect(said).toBeGreaterThan(500);
  });

  // Who leaves out what a goal takes is not told to try more runs.
  it.each([
    ...OP_KINDS.map((kind) => [`without ${kind}`, FILES, only(FILES, (k) => k !== kind)] as const),
    ...(
      [
        ['of GETs', (v: number) => callerOf(v) === CALLERS.indexOf('get')],
        ['of PINs', (v: number) => callerOf(v) === CALLERS.indexOf('pin')],
        ['of references for reading', (v: number) => !writeOf(v)],
      ] as const
    ).map(([name, test]) => [name, FILES, only(FILES, () => true, GUP_VARIANTS.filter(test))] as const),
    ...PAGE_KINDS.filter((kind) => kind !== 'shmem').map(
      (kind) => [`of ${kind} pages`, scope([kind], 2, 2), alphabetFor(scope([kind], 2, 2))] as const,
    ),
    [
      'without references',
      scope(['anon', 'shared-file'], 2, 0),
      alphabetFor(scope(['anon', 'shared-file'], 2, 0)),
    ],
  ] as const)('is said of all that are not met %s', (_, setup, alphabet) => {
    const era = expandPolicy(policyByName('longterm-ban'));
    const reached = met(era, setup, 3000, alphabet);
    const silent = PROPERTIES.filter(
      (p) =>
        !reached.has(p.id) &&
        (lacking(p, setup, alphabet) ??
          outOfScope(p, setup, alphabet) ??
          outOfReach(p, era, setup, alphabet)) === undefined,
    );
    expect(silent.map((p) => p.id)).toEqual([]);
  });

  it('says why: a policy that tells the filesystem of every folio that it dirties', () => {
    const tells = expandPolicy(
      derive(
        policyByName('longterm-ban'),
        { id: 'tells', title: 'tells', sources: ['a test'] },
        {
          unpinDirty: [
            before(
              'otherwise',
              rule('tell', (f) => f.frame === 'file' && !f.folioDirty, 'mkwrite then dirty'),
            ),
          ],
        },
      ),
    );
    expect(outOfReach(property('fs-state'), tells, FILES, alphabetFor(FILES))).toMatch(
      /without a notification/,
    );
    expect(outOfReach(property('fs-notified'), tells, FILES, alphabetFor(FILES))).toBeUndefined();
  });

  it('is none of the built-in policies, but of the canary, which never dirties', () => {
    const said = BUILT_IN.map((p) => {
      const policy = expandPolicy(p);
      return PROPERTIES.filter((x) => outOfReach(x, policy, FILES, alphabetFor(FILES)) !== undefined).map(
        (x) => x.id,
      );
    });
    expect(said).toEqual([[], [], [], [], [], ['no-crash', 'fs-state', 'fs-notified']]);
  });
});
