import { expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { cached, FILE, pte, run, V62 } from '../testing/op.ts';

it('buffered_write: what it does to PTEs and counts', () => {
  const ran = run(FILE, V62, 'P: read F\nother: buffered_write f');
  const { machine: m } = ran.world;
  expect([pte(ran), m.content[m.cache[0]!] === m.disk[0]]).toEqual([
    'r -> 3/1/0 dirty buffers covered',
    false,
  ]);
  const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
  expect(cached(run(shmem, V62, 'other: buffered_write s'))).toBe('1/0/0');
});
