import { expect, it } from 'vitest';
import { ANON, pte, referenced, run, V62 } from '../testing/op.ts';

it('exit: what it does to PTEs and counts', () => {
  const ran = run(ANON, V62, 'P: write A\nC = P: fork\nh1 = P: gup A pin R LONGTERM\nP: exit');
  expect([pte(ran), pte(ran, 1)]).toEqual(['none', 'rd -> 1/1/0 anon']);
  expect([referenced(ran), [...ran.world.machine.alive]]).toEqual(['1024/0/1 anon exclusive', [0, 1]]);
});
