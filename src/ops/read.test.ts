import { expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { ANON, FILE, pte, run, V62 } from '../testing/op.ts';

it('read: what it does to PTEs and counts', () => {
  expect(pte(run(ANON, V62, 'P: read A'))).toBe('r -> zero');
  expect(pte(run(FILE, V62, 'P: read F'))).toBe('r -> 2/1/0');
  const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
  expect(pte(run(shmem, V62, 'P: read S'))).toBe('w -> 2/1/0');
  const copy = { ...FILE, ...pagesOf(['private-file'], 'ext4-v5.18') };
  expect(pte(run(copy, V62, 'P: read M'))).toBe('r -> 2/1/0');
});
