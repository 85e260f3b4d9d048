import { describe, expect, it } from 'vitest';
import { ask, type Row, row, rulesOf } from './ask.ts';
import { mapcount } from './v5.7-mapcount.ts';
import { cowBreak } from './v5.8-cow-break.ts';

const ROWS: readonly Row[] = [
  row('gupSlow', 'should_force_cow_break(), no page', { frame: 'none' }, 'write fault'),
  row('gupSlow', 'FOLL_COW and a dirty pte', { frame: 'anon', follCow: true, pteDirty: true }, 'return'),
  row('gupSlow', 'should_force_cow_break()', { frame: 'zero' }, 'write fault'),
  row('gupSlow', 'should_force_cow_break()', { frame: 'file', pin: true, longterm: true }, 'write fault'),
  row('gupSlow', 'should_force_cow_break()', { frame: 'anon', pteDirty: true }, 'write fault'),
  row('gupSlow', 'should_force_cow_break()', { frame: 'anon', follCow: true }, 'write fault'),
  row('gupFast', 'walk as if FOLL_WRITE', { frame: 'anon' }, 'bail'),
  // Also on a shared mapping: the fast walk does not know.
  row('gupFast', 'walk as if FOLL_WRITE', { frame: 'file', shmem: true }, 'bail'),
  // What v5.7 answered, for shared mappings and writable PTEs.
  row('gupSlow', 'no page, FOLL_WRITE', { frame: 'none', vmaShared: true, write: true }, 'write fault'),
  row('gupSlow', 'no page', { frame: 'none', vmaShared: true }, 'read fault'),
  row('gupSlow', 'FOLL_WRITE on a R/O pte', { frame: 'file', vmaShared: true, write: true }, 'write fault'),
  row('gupSlow', 'otherwise', { frame: 'file', vmaShared: true }, 'return'),
  row('gupSlow', 'otherwise', { frame: 'anon', pteWrite: true }, 'return'),
  row('gupFast', 'otherwise', { frame: 'anon', pteWrite: true }, 'return'),
];

describe('v5.8-cow-break', () => {
  it.each(ROWS)('$title', (r) => {
    expect(r.ask(cowBreak)).toEqual(r.expected);
  });

  it('has a row for every new rule', () => {
    expect(ROWS.map((r) => r.rule)).toEqual(expect.arrayContaining(rulesOf(cowBreak, mapcount)));
  });

  it('17839856fd58 (B01): the child that wants to splice a shared page gets a copy of its own first', () => {
    expect(ask(cowBreak, 'gupFast', { frame: 'anon' }).answer).toBe('bail');
    expect(ask(cowBreak, 'gupSlow', { frame: 'anon' }).answer).toBe('write fault');
    expect(ask(cowBreak, 'wpFault', { mapcount: 2, refcount: 2 }).answer).toBe('copy');
    expect(ask(cowBreak, 'gupSlow', { frame: 'anon', pteWrite: true, pteDirty: true }).answer).toBe('return');
  });

  it('converges in a mapping without PROT_WRITE: the fault leaves a dirty R/O pte, and FOLL_COW accepts it', () => {
    expect(ask(cowBreak, 'gupSlow', { frame: 'file' }).answer).toBe('write fault');
    expect(ask(cowBreak, 'gupSlow', { frame: 'anon', pteDirty: true, follCow: true }).answer).toBe('return');
  });

  it('B02 stays: a reference taken before fork does not keep the child from reusing the page', () => {
    expect(ask(cowBreak, 'wpFault', { mapcount: 1, refcount: 2 }).answer).toBe('reuse');
  });
});
