import { expect, it } from 'vitest';
import { ANON, run, V62 } from '../testing/op.ts';

it('dma_read: what it does to PTEs and counts', () => {
  const held = 'P: write A\nh1 = P: gup A pin W\nP: munmap A\n';
  const before = run(ANON, V62, held);
  const ran = run(ANON, V62, `${held}device: dma_read h1`);
  expect(Buffer.compare(ran.world.columns.bytes, before.world.columns.bytes)).toBe(0);
  const { machine: m } = ran.world;
  expect([m.events, m.eventToken[0]]).toEqual([1, m.content[m.refPfn[0]!]]);
});
