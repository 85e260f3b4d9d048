// @slow: searches whole scopes
import { describe, expect, it } from 'vitest';
import { derive, otherwise, type Policy, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
import { anonExclusive } from '../policies/v6.2-anon-exclusive.ts';
import { cowBreak } from '../policies/v5.8-cow-break.ts';
import { longtermBan } from '../policies/v6.5-longterm-ban.ts';
import { mapcount } from '../policies/v5.7-mapcount.ts';
import { pageCount } from '../policies/v5.11-page-count.ts';
import { classId } from '../property/property.ts';
import { wayOf } from '../regression/way.ts';
import { runScenario } from '../executor/run.ts';
import { decodeClass } from '../executor/simulated.ts';
import { ChunkRunner } from '../fuzz/chunk.ts';
import { stepText } from '../scenario/scenario.ts';
import type { PageKind } from '../domain/page-kinds.ts';
import { codeOf, isDocumented, PolicyModel } from './model.ts';
import { alphabetFor, CHECK_SCOPES, LATEST, pagesOf } from './scope.ts';
import { Exploration, Search, trace } from './search.ts';

/** With these one page has few states, and in all of them each pair of operations is interleaved in every way. */
const OPS: readonly OpKind[] = ['fork', 'read', 'write', 'gup', 'unpin', 'dma_read', 'dma_write'];

/** Classes found, documented ones marked, in all states of one page, 2 mms and 1 reference. */
function found(policy: Policy, kind: PageKind, gup: number, ops: readonly OpKind[], tasks: number): string[] {
  const setup = {
    ...pagesOf([kind], 'ext4-v5.18'),
    mms: 2,
    refs: 1,
    pinBias: 1024,
    ...(tasks > 1 ? { tasks } : {}),
  };
  const whole = alphabetFor(setup, [gup]);
  const alphabet = { ...whole, ops: whole.ops.map((on, at) => on && ops.includes(OP_KINDS[at]!)) };
  const spec = { setup, policy: expandPolicy(policy), alphabet, symmetry: 'all', grain: 'class' } as const;
  const exploration = new Exploration(new PolicyModel(spec), 200_000);
  while (exploration.state === 'open') exploration.advance();
  expect(exploration.state).toBe('closed');
  // What is told is a program: it runs, and shows it.
  const policyOf = expandPolicy(policy);
  for (const [finding, note] of exploration.found) {
    const scenario = { setup, steps: trace(setup, policyOf, exploration.stepsOf(note)) };
    const { violations, documented } = runScenario(scenario, policyOf);
    expect([...violations, ...documented].map((f) => f.code)).toContain(codeOf(finding));
  }
  return [...exploration.found.keys()]
    .map((f) => classId(decodeClass(codeOf(f))) + (isDocumented(f) ? ' documented' : ''))
    .sort();
}

const ERAS: readonly Policy[] = [mapcount, cowBreak, pageCount, anonExclusive, longtermBan];
const W_PIN_FAST = gupVariant('pin', true, false, true);
const CASES: readonly (readonly [gup: string, variant: number])[] = [
  ['pin W fast', W_PIN_FAST],
  ['pin R LONGTERM fast', gupVariant('pin', false, true, true)],
  ['get R fast', gupVariant('get', false, false, true)],
  ['pin W slow', gupVariant('pin', true, false, false)],
];

/** v5.9 to v5.10.0: as v5.11, and nobody reads write_protect_seq. */
const withoutSeq: Policy = derive(
  pageCount,
  { id: 'v5.9-without-seq', title: 'without write_protect_seq', sources: [] },
  { writeProtectSeq: [table(otherwise('ignore'))] },
);

describe('all interleavings of all pairs of operations on an anonymous page', () => {
  for (const policy of ERAS)
    it.each(CASES)(`${policy.id}: %s breaks what it breaks one operation after the other`, (_, gup) => {
      expect(found(policy, 'anon', gup, OPS, 2)).toEqual(found(policy, 'anon', gup, OPS, 1));
    });

  it('finds B13 where GUP-fast does not heed write_protect_seq: nothing breaks but in a race', () => {
    expect(found(withoutSeq, 'anon', W_PIN_FAST, OPS, 1)).toEqual([]);
    expect(found(withoutSeq, 'anon', W_PIN_FAST, OPS, 2)).toContain(
      'pin-coherence/stale/anon/PIN-W/device->cpu',
    );
  });
  it('finds its shortest program, which is one of pauses', () => {
    const setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, tasks: 2, pinBias: 1024 };
    const whole = alphabetFor(setup, [W_PIN_FAST]);
    const alphabet = { ...whole, ops: whole.ops.map((on, at) => on && OPS.includes(OP_KINDS[at]!)) };
    const search = new Search({ setup, policy: expandPolicy(withoutSeq), alphabet, statesMax: 100_000 });
    search.runTo(6);
    const programs = [...search.found.values()].map((f) => search.scenarioOf(f).steps.map(stepText));
    expect(programs).toContainEqual([
      'P: write A',
      'C = P: fork ..K4',
      'h1 = P: gup A pin W fast',
      'P: go_on fork',
      'P: write A',
      'device: dma_read h1',
    ]);
  });
  it('finds B13 in campaigns that draw pauses, and nothing in the last era', () => {
    const { kinds, ops, gups: _, ...bounds } = CHECK_SCOPES.race!;
    const change = { ...bounds, pages: kinds, ops: ops!, gups: [W_PIN_FAST], flags: '' };
    const space = { seed: 3, scope: `default@${LATEST}`, profile: 'all', change } as const;
    const policies = [withoutSeq, longtermBan].map((p) => expandPolicy(p));
    const base = { policy: expandPolicy(pageCount), tells: true };
    const runner = new ChunkRunner(space, policies, [base, undefined]);
    const findings = [0, 1].flatMap((chunk) => runner.run(chunk, [new Set(), new Set()]).findings);
    const told = findings.filter((f) => f.regression !== undefined);
    expect(told.length).toBeGreaterThan(0);
    for (const f of told) expect(wayOf(f.regression!.way)?.decision).toBe('writeProtectSeq');
    expect(told.some((f) => f.scenario.steps.some((s) => s.op === 'fork' && s.until !== undefined))).toBe(
      true,
    );
    expect(findings.filter((f) => f.policy === longtermBan.id && !f.documented)).toEqual([]);
  });
  // A reference that looked while the page was the file's may have that; fork may have copied what a reference made own.
  it.each([
    CASES[1]!,
    CASES[3]!,
  ])('the last era, private-file: %s breaks nothing but what breaks anyway', (_, gup) => {
    const ops: readonly OpKind[] = [
      'fork',
      'read',
      'write',
      'gup',
      'dma_read',
      'dma_write',
      'buffered_write',
    ];
    for (const policy of [longtermBan]) {
      const [alone, both] = [1, 2].map((tasks) => found(policy, 'private-file', gup, ops, tasks));
      expect(both).toEqual(alone);
    }
  });
  it('the last era, with mprotect: nothing but what breaks anyway', () => {
    const ops: readonly OpKind[] = ['fork', 'mprotect', 'read', 'write', 'gup', 'dma_read', 'dma_write'];
    const gup = gupVariant('pin', false, false, true);
    expect(found(longtermBan, 'anon', gup, ops, 2)).toEqual(found(longtermBan, 'anon', gup, ops, 1));
  });
  it.each(['shared-file', 'shmem'] as const)('the last era, %s: nothing but what breaks anyway', (kind) => {
    const [alone, both] = [1, 2].map((tasks) => found(longtermBan, kind, W_PIN_FAST, OPS, tasks));
    expect(both).toEqual(alone);
  });
});
