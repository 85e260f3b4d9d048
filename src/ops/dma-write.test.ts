import { expect, it } from 'vitest';
import { ANON, FILE, pte, run, V62 } from '../testing/op.ts';

it('dma_write: what it does to PTEs and counts', () => {
  // The store reaches the folio it was given, whatever is mapped by now, and leaves no trace in any flag.
  const ran = run(FILE, V62, 'h1 = P: gup F pin W\nother: fsync f\ndevice: dma_write h1');
  const { machine: m } = ran.world;
  expect([pte(ran), m.content[m.refPfn[0]!] !== m.disk[0]]).toEqual(['r -> 1027/1/1 buffers', true]);
  const lost = run(ANON, V62, 'h1 = P: gup A pin W\nP: madvise A dontneed\nP: write A\ndevice: dma_write h1');
  const { content, refPfn, pfn } = lost.world.machine;
  expect([refPfn[0] === pfn[0], content[refPfn[0]!] === content[pfn[0]!]]).toEqual([false, false]);
});
