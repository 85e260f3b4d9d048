import { expect, it } from 'vitest';
import { ANON, cached, FILE, folio, pte, run, V62 } from '../testing/op.ts';

it('unpin: what it does to PTEs and counts', () => {
  expect(pte(run(ANON, V62, 'h1 = P: gup A pin W\ndevice: unpin h1'))).toBe('wd -> 1/1/0 anon exclusive');
  const held = 'h1 = P: gup F get W\nother: fsync f\n';
  expect(cached(run(FILE, V62, held))).toBe('4/1/0 buffers');
  expect(cached(run(FILE, V62, `${held}device: unpin h1`))).toBe('3/1/0 buffers');
  expect(cached(run(FILE, V62, `${held}device: unpin h1 dirty`))).toBe('3/1/0 dirty buffers'); // not covered
  // The last reference frees the folio.
  const freed = run(ANON, V62, 'h1 = P: gup A pin W\nP: munmap A\ndevice: unpin h1');
  expect([...freed.world.machine.refcount].filter((n) => n !== 0)).toEqual([1]); // the zero page
  const zero = run(ANON, V62, 'h1 = P: gup A pin R\ndevice: unpin h1');
  expect(folio(zero, 0)).toBe('1/0/0');
});
