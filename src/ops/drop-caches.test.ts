import { expect, it } from 'vitest';
import { cached, FILE, last, pte, run, V62, V511 } from '../testing/op.ts';

it('drop_caches: what it does to PTEs and counts', () => {
  const mapped = run(FILE, V62, 'P: write F\nother: fsync f\nkernel: drop_caches f');
  expect([last(mapped), pte(mapped)]).toEqual(['no effect', 'r -> 3/1/0 buffers']);
  const unmapped = run(FILE, V62, 'P: write F\nother: fsync f\nP: munmap F\nkernel: drop_caches f');
  expect([last(unmapped), cached(unmapped)]).toEqual(['done', 'none']);
  const held = 'h1 = P: gup F pin W\nother: fsync f\nP: munmap F\nkernel: drop_caches f';
  expect(cached(run(FILE, V62, held))).toBe('1026/0/1 buffers');
  expect(cached(run(FILE, V511, held))).toBe('1025/0/1'); // buffers went first, before v5.18
});
