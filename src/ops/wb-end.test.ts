import { expect, it } from 'vitest';
import { FILE, pte, run, V62 } from '../testing/op.ts';

it('wb_end: what it does to PTEs and counts', () => {
  const ran = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE\nkernel: wb_end f');
  const { machine: m } = ran.world;
  expect([pte(ran), m.disk[0]]).toEqual(['r -> 3/1/0 buffers', m.content[m.cache[0]!]]);
});
