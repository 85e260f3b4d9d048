import { expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { ANON, cached, FILE, pte, run, V62 } from '../testing/op.ts';

it('write: what it does to PTEs and counts', () => {
  expect(pte(run(ANON, V62, 'P: read A\nP: write A'))).toBe('wd -> 1/1/0 anon exclusive');
  expect(pte(run(FILE, V62, 'P: read F\nP: write F'))).toBe('wd -> 3/1/0 dirty buffers covered');
  const copy = { ...FILE, ...pagesOf(['private-file'], 'ext4-v5.18') };
  const ran = run(copy, V62, 'P: read M\nP: write M');
  expect([pte(ran), cached(ran)]).toEqual(['wd -> 1/1/0 anon exclusive', '1/0/0']);
  // The copy after fork; then the other side is alone and reuses its folio.
  const forked = run(ANON, V62, 'P: write A\nC = P: fork\nP: write A');
  expect([pte(forked), pte(forked, 1), forked.result.costs.copies]).toEqual([
    'wd -> 1/1/0 anon exclusive',
    'rd -> 1/1/0 anon',
    1,
  ]);
  const both = run(ANON, V62, 'P: write A\nC = P: fork\nP: write A\nC: write A');
  expect([pte(both, 1), both.result.costs.copies]).toEqual(['wd -> 1/1/0 anon exclusive', 1]);
});
