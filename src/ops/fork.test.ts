import { expect, it } from 'vitest';
import { ANON, FILE, pte, run, samePfn, V57, V62, V65, V511 } from '../testing/op.ts';

it('fork: what it does to PTEs and counts', () => {
  const before = run(ANON, V62, 'P: write A');
  expect(pte(before)).toBe('wd -> 1/1/0 anon exclusive');
  const shared = run(ANON, V62, 'P: write A\nC = P: fork');
  expect([pte(shared), pte(shared, 1), samePfn(shared, 0, 1)]).toEqual([
    'rd -> 2/2/0 anon',
    'rd -> 2/2/0 anon',
    true,
  ]);
  // May be pinned: the child gets a copy, the parent keeps its folio and its write bit.
  const pinned = 'h1 = P: gup A pin W\nC = P: fork';
  for (const policy of [V511, V62, V65]) {
    const copied = run(ANON, policy, pinned);
    const exclusive = policy === V511 ? '' : ' exclusive';
    expect([pte(copied), pte(copied, 1), samePfn(copied, 0, 1)]).toEqual([
      `wd -> 1025/1/1 anon${exclusive}`,
      `wd -> 1/1/0 anon${exclusive}`,
      false,
    ]);
    expect([copied.result.costs.copies, copied.result.costs.earlyCopies]).toEqual([1, 1]);
  }
  const v57 = run(ANON, V57, pinned);
  expect([pte(v57), pte(v57, 1), v57.result.costs.copies]).toEqual([
    'rd -> 1026/2/1 anon',
    'rd -> 1026/2/1 anon',
    0,
  ]);
  // MADV_DONTFORK: neither shared nor mapped. A shared mapping is left to the child's own faults.
  const dontfork = run(ANON, V62, 'P: write A\nP: madvise A dontfork\nC = P: fork');
  expect([pte(dontfork), pte(dontfork, 1)]).toEqual(['wd -> 1/1/0 anon exclusive', 'none']);
  const file = run(FILE, V62, 'P: write F\nC = P: fork');
  expect([pte(file), pte(file, 1)]).toEqual(['wd -> 3/1/0 dirty buffers covered', 'none']);
  // A private mapping without anon_vma has only what the child can fault in again; with it the zero page goes along.
  expect(pte(run(ANON, V62, 'P: read A\nC = P: fork'), 1)).toBe('none');
  const zero = run(ANON, V62, 'P: write A\nP: madvise A dontneed\nP: read A\nC = P: fork');
  expect([pte(zero), pte(zero, 1)]).toEqual(['r -> zero', 'r -> zero']);
});
