import { describe, expect, it } from 'vitest';
import { PROPERTIES } from '../../properties/index.ts';
import type { PageKind } from '../domain/kinds.ts';
import { Rng } from '../domain/rng.ts';
import type { Setup } from '../domain/setup.ts';
import { World } from '../executor/simulated.ts';
import { before, DECISIONS, derive, rule } from '../machine/decisions.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from '../machine/tables.ts';
import { mutantsOf } from '../mutate/mutants.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { outOfReach, outOfScope } from './reach.ts';
import { alphabetFor, pagesOf } from './scope.ts';

const property = (id: string) => PROPERTIES.find((p) => p.id === id)!;
const scope = (kinds: readonly PageKind[], mms: number, refs: number): Setup => ({
  ...pagesOf(kinds, 'ext4-v5.18-stable'),
  mms,
  refs,
  pinBias: 1024,
});

/** The same policy, but at one decision point it always gives one answer. */
const answering = (policy: ExpandedPolicy, decision: string, answer: number): ExpandedPolicy => ({
  ...policy,
  id: `${policy.id}, ${decision} ${answer}`,
  claims: [],
  tables: policy.tables.map((t) =>
    t.decision === decision ? { ...t, answer: t.answer.map(() => answer) } : t,
  ),
});

/** Random walks over the goals that they meet. */
function met(policy: ExpandedPolicy, setup: Setup, walks: number): ReadonlySet<string> {
  const world = new World(setup, { ...policy });
  world.checkInvariants = false;
  const alphabet = alphabetFor(setup);
  const out = new Int32Array(4096);
  const rng = new Rng();
  rng.seed(3, 1, 4, 1);
  for (let walk = 0; walk < walks; walk++) {
    world.reset();
    for (let i = 0; i < 20 && !world.ended; i++) world.step(out[rng.below(world.enumerate(alphabet, out))]!);
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
          const why = outOfReach(p, policy);
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
    expect(outOfReach(property('fs-state'), tells)).toMatch(/without a notification/);
    expect(outOfReach(property('fs-notified'), tells)).toBeUndefined();
  });

  it('is none of the built-in policies, but of the canary, which never dirties', () => {
    const said = BUILT_IN.map((p) => {
      const policy = expandPolicy(p);
      return PROPERTIES.filter((x) => outOfReach(x, policy) !== undefined).map((x) => x.id);
    });
    expect(said).toEqual([[], [], [], [], [], ['no-crash', 'fs-state', 'fs-notified']]);
  });
});
