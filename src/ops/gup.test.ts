import { expect, it } from 'vitest';
import { ANON, cached, FILE, pte, referenced, run, V62, V65, V511 } from '../testing/op.ts';

it('gup: what it does to PTEs and counts', () => {
  expect(referenced(run(ANON, V62, 'P: write A\nh1 = P: gup A get R'))).toBe('2/1/0 anon exclusive');
  expect(referenced(run(ANON, V62, 'P: write A\nh1 = P: gup A pin R fast'))).toBe('1025/1/1 anon exclusive');
  const get = run(ANON, V62, 'h1 = P: gup A get W');
  expect([pte(get), get.world.machine.hasPinned[0]]).toEqual(['wd -> 2/1/0 anon exclusive', 0]);
  const pin = run(ANON, V62, 'h1 = P: gup A pin W');
  expect([pte(pin), pin.world.machine.hasPinned[0]]).toEqual(['wd -> 1025/1/1 anon exclusive', 1]);
  // O_DIRECT took a GET up to v6.4; pins of the zero page are not counted from v6.5 on.
  expect(referenced(run(ANON, V62, 'h1 = P: gup A o_direct_read W'))).toBe('2/1/0 anon exclusive');
  expect(referenced(run(ANON, V65, 'h1 = P: gup A o_direct_read W'))).toBe('1025/1/1 anon exclusive');
  expect(referenced(run(ANON, V62, 'h1 = P: gup A pin R'))).toBe('1025/0/1');
  expect(referenced(run(ANON, V65, 'h1 = P: gup A pin R'))).toBe('1/0/0');
  // R pin of a page that may be shared: unshared from v5.19 on.
  const unshared = 'P: write A\nC = P: fork\nh1 = P: gup A pin R';
  const v62 = run(ANON, V62, unshared);
  expect([pte(v62), pte(v62, 1)]).toEqual(['r -> 1025/1/1 anon exclusive', 'rd -> 1/1/0 anon']);
  expect(pte(run(ANON, V511, unshared))).toBe('rd -> 1026/2/1 anon');
  // W through a file's page tells the filesystem.
  expect(cached(run(FILE, V62, 'h1 = P: gup F get W'))).toBe('4/1/0 dirty buffers covered');
  expect(cached(run(FILE, V62, 'h1 = P: gup F get R'))).toBe('3/1/0');
});
