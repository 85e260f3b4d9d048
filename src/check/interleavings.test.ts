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
import { decodeClass } from '../executor/simulated.ts';
import type { PageKind } from '../domain/page-kinds.ts';
import { codeOf, isDocumented, PolicyModel } from './model.ts';
import { alphabetFor, pagesOf } from './scope.ts';
import { Exploration } from './search.ts';

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
  it.each(['shared-file', 'shmem'] as const)('the last era, %s: nothing but what breaks anyway', (kind) => {
    const [alone, both] = [1, 2].map((tasks) => found(longtermBan, kind, W_PIN_FAST, OPS, tasks));
    expect(both).toEqual(alone);
  });
});
