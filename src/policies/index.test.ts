import { describe, expect, it } from 'vitest';
import type { DecisionName } from '../machine/decisions.ts';
import type { Policy } from '../machine/policy.ts';
import {
  combinationsOf,
  type ExpandedTable,
  expandPolicy,
  factDomains,
  readByAny,
  recordOf,
} from '../machine/tables.ts';
import { ask } from './ask.ts';
import { BUILT_IN, findPolicy, policyByName } from './index.ts';

/** The tables in which two policies answer some question differently: their rules are asked, by all facts that either reads. */
function changed(a: Policy, b: Policy): DecisionName[] {
  const others = expandPolicy(b).tables;
  return expandPolicy(a)
    .tables.filter((table, at) => differs(a, b, table, others[at]!))
    .map(({ decision }) => decision);
}

function differs(a: Policy, b: Policy, table: ExpandedTable, other: ExpandedTable): boolean {
  const domains = factDomains(table);
  for (const chosen of combinationsOf(domains, readByAny(table, other))) {
    const facts = recordOf(domains, chosen);
    if (ask(a, table.decision, facts).answer !== ask(b, table.decision, facts).answer) return true;
  }
  return false;
}

describe('built-in policies', () => {
  it('are these, in the order of their eras', () => {
    expect(BUILT_IN.map((p) => p.id)).toEqual([
      'v5.7-mapcount',
      'v5.8-cow-break',
      'v5.11-page-count',
      'v6.2-anon-exclusive',
      'v6.5-longterm-ban',
      'canary',
    ]);
  });

  it('have unique names, sources with a commit, and a one-line title', () => {
    const names = BUILT_IN.flatMap((p) => (p.alias === undefined ? [p.id] : [p.id, p.alias]));
    expect(new Set(names).size).toBe(names.length);
    for (const p of BUILT_IN) {
      expect(p.title).toMatch(/^\S.{0,78}\S$/);
      expect(p.sources.length).toBeGreaterThan(0);
      if (!p.canary)
        expect(p.sources.filter((s) => /^[0-9a-f]{12} /.test(s)).length, p.id).toBeGreaterThan(0);
    }
  });

  it('only the canary is one', () => {
    expect(BUILT_IN.filter((p) => p.canary).map((p) => p.id)).toEqual(['canary']);
  });

  it.each(BUILT_IN.map((p) => [p.id, p] as const))('%s expands, and no rule is dead', (_, policy) => {
    for (const table of expandPolicy(policy).tables)
      expect(
        table.dead.map((i) => table.rules[i]),
        table.decision,
      ).toEqual([]);
  });

  it.each([
    ['v5.7-mapcount', 'v5.8-cow-break', ['gupSlow', 'gupFast']],
    [
      'v5.8-cow-break',
      'v5.11-page-count',
      ['wpFault', 'forkPte', 'gupSlow', 'gupFast', 'writeProtectSeq', 'addToSwap', 'freeSwap'],
    ],
    [
      'v5.11-page-count',
      'v6.2-anon-exclusive',
      [
        'wpFault',
        'unshareFault',
        'forkPte',
        'gupSlow',
        'gupFast',
        'protectUpgrade',
        'stripBuffers',
        'swapUnmap',
        'freeSwap',
        'swapinMap',
      ],
    ],
    [
      'v6.2-anon-exclusive',
      'v6.5-longterm-ban',
      ['gupKind', 'gupSlow', 'gupFast', 'zeroPagePin', 'stripBuffers'],
    ],
    ['v6.5-longterm-ban', 'canary', ['wpFault', 'unpinDirty']],
    // a308c71bf1e6 took all of 17839856fd58 back.
    ['v5.7-mapcount', 'v5.11-page-count', ['wpFault', 'forkPte', 'writeProtectSeq', 'addToSwap', 'freeSwap']],
  ])('from %s to %s exactly these tables change', (from, to, tables) => {
    expect(changed(policyByName(from), policyByName(to))).toEqual(tables);
  });

  it('keep the state that their rules read', () => {
    const keeps = BUILT_IN.map((p) => [p.keeps.hasPinned, p.keeps.anonExclusive, p.claims.length]);
    expect(keeps).toEqual([
      [false, false, 0],
      [false, false, 0],
      [true, false, 0],
      [true, true, 2],
      [true, true, 2],
      [true, true, 0],
    ]);
  });

  it('never let mprotect make a private zero or file page writable', () => {
    for (const p of BUILT_IN)
      for (const frame of ['zero', 'file'] as const)
        for (const pteDirty of [false, true])
          expect(ask(p, 'protectUpgrade', { frame, pteDirty, anonExclusive: true }).answer, p.id).toBe(
            'keep',
          );
  });

  it('never return a page that is not there, nor a R/O one for writing', () => {
    const bools = [false, true];
    for (const p of BUILT_IN)
      for (const vmaShared of bools)
        for (const pin of bools)
          for (const write of bools) {
            expect(ask(p, 'gupSlow', { frame: 'none', vmaShared, pin, write }).answer).not.toBe('return');
            if (!write) continue;
            expect(ask(p, 'gupSlow', { frame: 'file', vmaShared, pin, write }).answer).not.toBe('return');
            expect(ask(p, 'gupFast', { frame: 'file', pin, write }).answer).toBe('bail');
          }
  });
});

describe('policyByName', () => {
  it('knows ids and aliases', () => {
    expect(policyByName('pae')).toBe(policyByName('v6.2-anon-exclusive'));
    expect(findPolicy('PAE')).toBeUndefined();
  });

  it('says in one line what there is', () => {
    expect(() => policyByName('v4.9')).toThrow(
      /^there is no policy "v4\.9"; there is: v5\.7-mapcount, .*, canary$/,
    );
  });
});
