import { expect, it } from 'vitest';
import { ANON, cached, FILE, pte, referenced, run, V62 } from '../testing/op.ts';

it('madvise: what it does to PTEs and counts', () => {
  const ran = run(ANON, V62, 'h1 = P: gup A pin W\nP: madvise A dontneed');
  expect([pte(ran), referenced(ran)]).toEqual(['none', '1024/0/1 anon exclusive']);
  const again = run(ANON, V62, 'h1 = P: gup A pin W\nP: madvise A dontneed\nP: write A');
  expect([pte(again), referenced(again)]).toEqual(['wd -> 1/1/0 anon exclusive', '1024/0/1 anon exclusive']);
  const forked = run(ANON, V62, 'P: write A\nP: madvise A dontfork\nP: madvise A dofork\nC = P: fork');
  expect(pte(forked, 1)).toBe('rd -> 2/2/0 anon');
  expect(cached(run(FILE, V62, 'P: write F\nP: madvise F dontneed'))).toBe('2/0/0 dirty buffers covered');
});
