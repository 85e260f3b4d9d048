import { expect, it } from 'vitest';
import { FILE, pte, run, V62 } from '../testing/op.ts';

it('wb_start: what it does to PTEs and counts', () => {
  const ran = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE');
  const { machine: m } = ran.world;
  expect(pte(ran)).toBe('r -> 3/1/0 buffers writeback');
  expect([m.submitted[0] === m.content[m.cache[0]!], m.disk[0] === m.submitted[0]]).toEqual([true, false]);
  // mkclean looks at every mm, and at no pin.
  const pinned = 'P: write F\nC = P: fork\nC: write F\nh1 = P: gup F pin W\nkernel: wb_start f ALL';
  const two = run(FILE, V62, pinned);
  expect([pte(two), pte(two, 1)]).toEqual(['r', 'r'].map((bits) => `${bits} -> 1028/2/1 buffers writeback`));
});
