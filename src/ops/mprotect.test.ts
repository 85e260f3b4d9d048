import { expect, it } from 'vitest';
import { ANON, FILE, pte, run, V62, V511 } from '../testing/op.ts';

it('mprotect: what it does to PTEs and counts', () => {
  const ro = 'P: write A\nP: mprotect A r\n';
  expect(pte(run(ANON, V62, ro))).toBe('rd -> 1/1/0 anon exclusive');
  // Exclusive pages get their write bit back at once; before v5.19 that took a fault.
  expect(pte(run(ANON, V62, `${ro}P: mprotect A rw`))).toBe('wd -> 1/1/0 anon exclusive');
  expect(pte(run(ANON, V511, `${ro}P: mprotect A rw`))).toBe('rd -> 1/1/0 anon');
  expect(pte(run(ANON, V511, `${ro}P: mprotect A rw\nP: write A`))).toBe('wd -> 1/1/0 anon');
  const shared = 'P: write A\nC = P: fork\nP: mprotect A r\nP: mprotect A rw';
  expect(pte(run(ANON, V62, shared))).toBe('rd -> 2/2/0 anon');
  // A clean page of a file must fault for page_mkwrite; a dirty one went through it.
  const clean = 'P: write F\nother: fsync f\nP: mprotect F r\nP: mprotect F rw';
  expect(pte(run(FILE, V62, clean))).toBe('r -> 3/1/0 buffers');
  const dirty = 'P: write F\nP: mprotect F r\nP: mprotect F rw';
  expect(pte(run(FILE, V62, dirty))).toBe('wd -> 3/1/0 dirty buffers covered');
});
