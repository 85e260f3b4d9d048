import { expect, it } from 'vitest';
import { cached, FILE, pte, run, V62 } from '../testing/op.ts';

it('buffered_read: what it does to PTEs and counts', () => {
  const ran = run(FILE, V62, 'other: buffered_read f');
  expect([cached(ran), ran.world.machine.content[1]]).toEqual(['1/0/0', ran.world.machine.disk[0]]);
  expect(pte(ran)).toBe('none');
});
