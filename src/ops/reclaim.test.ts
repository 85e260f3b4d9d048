import { expect, it } from 'vitest';
import { cached, FILE, last, pte, run, V62, V65 } from '../testing/op.ts';

it('reclaim: what it does to PTEs and counts', () => {
  const mapped = run(FILE, V62, 'P: write F\nother: fsync f\nkernel: reclaim f');
  expect([last(mapped), pte(mapped), cached(mapped)]).toEqual(['done', 'none', 'none']);
  // A reference keeps the folio; before v6.4 its buffers go all the same.
  const held = 'h1 = P: gup F pin W\nother: fsync f\nkernel: reclaim f';
  const v62 = run(FILE, V62, held);
  expect([pte(v62), cached(v62)]).toEqual(['none', '1025/0/1']);
  const v65 = run(FILE, V65, held);
  expect([pte(v65), cached(v65)]).toEqual(['none', '1026/0/1 buffers']);
  const dirty = run(FILE, V62, 'P: write F\nkernel: reclaim f');
  expect([last(dirty), pte(dirty)]).toEqual(['no effect', 'wd -> 3/1/0 dirty buffers covered']);
});
