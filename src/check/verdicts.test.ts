import { describe, expect, it } from 'vitest';
import { pilot } from '../campaign/pilot.ts';
import type { PageKind } from '../domain/kinds.ts';
import { runScenario } from '../executor/run.ts';
import { coarseClass } from '../executor/simulated.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
import { policyByName } from '../policies/index.ts';
import { stepText } from '../scenario/scenario.ts';
import type { Grain } from './key.ts';
import { findingOf } from './model.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';
import { conclusive, judge, searchable, type Verdicts } from './verdicts.ts';

const ANON = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 };

async function verdicts(
  policy: ExpandedPolicy,
  depth: number,
  grain: Grain = 'class',
  states?: number,
): Promise<Verdicts> {
  const spec = searchable({
    setup: ANON,
    alphabet: alphabetFor(ANON, PLAIN_GUPS),
    policy,
    grain,
    symmetry: 'all',
  });
  const { exploration, goals } = await pilot(spec, depth, states);
  const stopped = exploration.depth >= depth ? 'depth' : 'states';
  return judge(spec, exploration, stopped, goals);
}
const builtIn = (name: string): ExpandedPolicy => expandPolicy(policyByName(name));
const summary = ({ properties }: Verdicts): Record<string, string> =>
  Object.fromEntries(properties.map((p) => [p.property, p.verdict]));

describe('verdicts', () => {
  it('hold, break, or cannot be tested', async () => {
    const found = await verdicts(builtIn('mapcount'), 5);
    expect(summary(found)).toEqual({
      isolation: 'broken',
      'pin-coherence': 'broken',
      'cpu-view': 'holds',
      'get-lifetime': 'holds',
      protection: 'holds',
      'no-crash': 'cannot be tested',
      'fs-state': 'cannot be tested',
      'fs-notified': 'cannot be tested',
      'stable-writeback': 'cannot be tested',
      durability: 'cannot be tested',
    });
    expect(found.policyError).toBeUndefined();
    const { classes } = found.properties[1]!;
    expect(classes.map((c) => c.length)).toEqual([3, 4, 4, 5, 5, 5]);
    expect(classes[0]!.classId).toBe('pin-coherence/stale/anon/PIN-R-LT/cpu->device');
    expect(classes[0]!.scenario.steps.map(stepText)).toEqual([
      'h1 = P: gup A pin R LONGTERM',
      'P: write A',
      'device: dma_read h1',
    ]);
  });

  it('include the claims of the policy', async () => {
    expect(summary(await verdicts(builtIn('pae'), 3))).toMatchObject({
      'claim: writable anon pte => exclusive': 'holds',
    });
  });

  it('never say that something holds whose goal was not met', async () => {
    const { properties } = await verdicts(builtIn('pae'), 1);
    expect(properties.filter((p) => p.verdict === 'holds').map((p) => p.property)).toEqual([
      'claim: writable anon pte => exclusive',
      'claim: pinned anon folio => exclusive',
    ]);
    expect(properties[2]).toMatchObject({
      verdict: 'not tested',
      goalMet: false,
      reason:
        'nothing broke it, and nothing was seen to meet its goal: a process loaded what a CPU had stored',
    });
  });

  it('are inconclusive where the search stopped early, but for what is broken', async () => {
    const found = summary(await verdicts(builtIn('mapcount'), 9, 'class', 2000));
    expect(found).toMatchObject({ 'pin-coherence': 'broken', 'cpu-view': 'inconclusive' });
    expect(Object.values(found)).not.toContain('holds');
  });

  it.each([
    ['closed', true],
    ['depth', true],
    ['states', false],
    ['memory', false],
    ['interrupted', false],
  ] as const)('stopped by %s: that something holds may be said: %s', async (stopped, may) => {
    const spec = searchable({
      setup: ANON,
      alphabet: alphabetFor(ANON, PLAIN_GUPS),
      policy: builtIn('pae'),
      grain: 'class',
      symmetry: 'all',
    });
    const { exploration, goals } = await pilot(spec, 3);
    const said = new Set(Object.values(summary(judge(spec, exploration, stopped, goals))));
    expect(said.has('holds')).toBe(may);
    expect(said.has('inconclusive')).toBe(!may);
    expect(conclusive(stopped)).toBe(may);
  });

  it('say of a claim that it cannot be tested where no page, reference or store is one that it is about', async () => {
    const [writable, pinned] = [
      'claim: writable anon pte => exclusive',
      'claim: pinned anon folio => exclusive',
    ] as const;
    const of = async (kind: PageKind, refs: number, ...without: OpKind[]): Promise<readonly string[]> => {
      const setup = { ...pagesOf([kind], 'ext4-v5.18'), mms: 1, refs, pinBias: 1024 };
      const { ops, gups } = alphabetFor(setup, PLAIN_GUPS);
      const alphabet = { gups, ops: ops.map((on, at) => on && !without.includes(OP_KINDS[at]!)) };
      const spec = searchable({ setup, alphabet, policy: builtIn('pae'), grain: 'class', symmetry: 'all' });
      const { exploration, goals } = await pilot(spec, 2);
      const told = summary(judge(spec, exploration, 'depth', goals));
      return [told[writable]!, told[pinned]!];
    };
    expect(await of('anon', 1)).toEqual(['holds', 'holds']);
    expect(await of('private-file', 1)).toEqual(['holds', 'holds']);
    expect(await of('shared-file', 1)).toEqual(['cannot be tested', 'cannot be tested']);
    expect(await of('shmem', 1)).toEqual(['cannot be tested', 'cannot be tested']);
    expect(await of('anon', 0)).toEqual(['holds', 'cannot be tested']);
    expect(await of('anon', 1, 'write')).toEqual(['holds', 'holds']);
    expect(await of('anon', 1, 'write', 'gup')).toEqual(['cannot be tested', 'cannot be tested']);
  });

  it('with grain property: the same properties break in as few steps, with an exact class', async () => {
    const fine = await verdicts(builtIn('mapcount'), 5);
    const coarse = await verdicts(builtIn('mapcount'), 5, 'property');
    expect(summary(coarse)).toEqual(summary(fine));
    for (const [i, p] of coarse.properties.entries()) {
      const all = [...fine.properties[i]!.classes, ...fine.properties[i]!.documented];
      expect(p.classes.length).toBeLessThanOrEqual(fine.properties[i]!.classes.length);
      for (const c of [...p.classes, ...p.documented]) {
        const same = all.find((f) => f.classId === c.classId && f.documented === c.documented);
        expect(same?.length, c.classId).toBe(c.length);
      }
      if (p.verdict === 'broken') expect(p.classes[0]!.length).toBe(fine.properties[i]!.classes[0]!.length);
    }
  });

  it('with grain property: of several promises that one step breaks each has its own class', async () => {
    const setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 };
    const alphabet = alphabetFor(setup, PLAIN_GUPS);
    const spec = searchable({
      setup,
      alphabet,
      policy: builtIn('pae'),
      grain: 'property',
      symmetry: 'all',
    });
    const { exploration, goals } = await pilot(spec, 5);
    const { properties } = judge(spec, exploration, 'depth', goals);
    const classes = properties.flatMap((p) => [...p.classes, ...p.documented]);
    const codes = new Set(classes.map((c) => findingOf(coarseClass(c.code), c.documented)));
    expect(codes).toEqual(new Set(exploration.found.keys()));
    expect(classes.some((c) => runScenario(c.scenario, spec.policy).violations.length > 1)).toBe(true);
  });

  it('what a program breaks is broken, also where the scope seems to lack what it takes', async () => {
    const alphabet = alphabetFor(ANON, PLAIN_GUPS);
    const spec = searchable({
      setup: ANON,
      alphabet,
      policy: builtIn('mapcount'),
      grain: 'class',
      symmetry: 'all',
    });
    const { exploration, goals } = await pilot(spec, 3);
    const none = { ...spec, alphabet: { ...alphabet, ops: alphabet.ops.map(() => false) } };
    expect(summary(judge(none, exploration, 'depth', goals))).toMatchObject({
      'pin-coherence': 'broken',
      'cpu-view': 'cannot be tested',
    });
  });

  it('every counterexample shows its class, at its last step', async () => {
    for (const grain of ['class', 'property'] as const) {
      const policy = builtIn('mapcount');
      const { properties } = await verdicts(policy, 5, grain);
      for (const c of properties.flatMap((p) => [...p.classes, ...p.documented])) {
        const result = runScenario(c.scenario, policy);
        const list = c.documented ? result.documented : result.violations;
        expect(list.find((f) => f.classId === c.classId)?.at).toBe(c.length - 1);
      }
    }
  });

  it('do not say that anything holds if the policy cannot be carried out', async () => {
    const policy = expandPolicy(
      derive(
        policyByName('longterm-ban'),
        { id: 'forever', title: 'faults for ever', sources: [] },
        { gupSlow: [table(otherwise('read fault'))] },
      ),
    );
    const found = await verdicts(policy, 3);
    expect(found.policyError?.message).toMatch(/^gupSlow does not converge/);
    expect(found.policyError?.scenario.steps.map(stepText)).toEqual(['h1 = P: gup A get R']);
    expect(Object.values(summary(found))).not.toContain('holds');
  });
});
