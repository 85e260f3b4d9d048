import { expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { ANON, cached, FILE, pte, referenced, run, V62 } from '../testing/op.ts';

it('munmap: what it does to PTEs and counts', () => {
  const pinned = run(ANON, V62, 'h1 = P: gup A pin W\nP: munmap A');
  expect([pte(pinned), referenced(pinned), pinned.world.machine.vma[0]]).toEqual([
    'none',
    '1024/0/1 anon exclusive',
    0,
  ]);
  // Zapping the PTE of a file moves its dirty bit to the folio.
  const file = run(FILE, V62, 'P: write F\nP: munmap F');
  expect([pte(file), cached(file)]).toEqual(['none', '2/0/0 dirty buffers covered']);
  const shmem = { ...FILE, ...pagesOf(['shmem'], '') };
  expect(pte(run(shmem, V62, 'P: write S'))).toBe('wd -> 2/1/0');
  expect(cached(run(shmem, V62, 'P: write S\nP: munmap S'))).toBe('1/0/0 dirty');
});
