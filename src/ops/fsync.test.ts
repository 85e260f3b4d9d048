import { expect, it } from 'vitest';
import { FILE, pte, run, V62 } from '../testing/op.ts';

it('fsync: what it does to PTEs and counts', () => {
  const ran = run(FILE, V62, 'P: write F\nC = P: fork\nC: read F\nC: write F\nother: fsync f');
  const { machine: m } = ran.world;
  expect([pte(ran), pte(ran, 1)]).toEqual(['r -> 4/2/0 buffers', 'r -> 4/2/0 buffers']);
  expect([m.disk[0], m.submitted[0]]).toEqual([m.content[m.cache[0]!], 0]);
  // Writeback that was in flight is waited for, and what was stored since is written as well.
  const twice = run(FILE, V62, 'P: write F\nkernel: wb_start f NONE\nP: write F\nother: fsync f');
  expect([pte(twice), twice.result.verdict]).toEqual(['r -> 3/1/0 buffers', 'not violated']);
  const { disk, content, cache } = twice.world.machine;
  expect(disk[0]).toBe(content[cache[0]!]);
});
