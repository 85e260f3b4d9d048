import { ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE } from '../domain/setup.ts';
import { NO_PTE } from '../machine/facts.ts';
import { F_COVERED, F_DIRTY, F_WRITEBACK, type Machine, NO_PFN } from '../machine/machine.ts';
import { END_BLOCKED, END_DONE, END_NO_EFFECT, procedure, RMAP_LOCKS } from '../machine/procedures.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, cOf, enumerateEach, OP_KINDS, type Op, onFile } from './op.ts';

const AT = OP_KINDS.indexOf('truncate');

/** Variant, by index in what `end` may be. */
const BEHIND = 1;

/**
 * ftruncate(2), by another process that has the file open: its end comes before or behind a page of it.
 *
 * fs/ext4/inode.c: ext4_setattr() breaks layouts, sets i_size and calls truncate_pagecache(): every mm is unmapped, private
 * copies too (even_cows); then each folio leaves the page cache, for which it waits while that is under writeback, without
 * a look at references. Such a folio is an orphan: dirtying finds no mapping, nothing is written. The blocks are freed:
 * where the page is there again, it is a hole. That i_size is set and the page unmapped while it waits is not modelled.
 */
const steps: { readonly [K in 'T1' | 'T2']: number } = procedure(
  'truncate',
  {
    T1: (m, t) => {
      const [from, to] = cutBy(m, t);
      for (let f = from; f < to; f++) {
        const pfn = m.cache[f]!;
        if (pfn === NO_PFN || m.isBeyond(f)) continue;
        if ((m.flags[pfn]! & F_WRITEBACK) !== 0) return END_BLOCKED;
        if (m.ask.breakLayout(t, NO_PTE, pfn) === 'wait') return END_BLOCKED;
      }
      return steps.T2;
    },
    T2: (m, t) => {
      const [from, to, first] = cutBy(m, t);
      let moved = false;
      for (let f = from; f < to; f++) {
        if (m.isBeyond(f)) continue;
        moved = true;
        m.beyond[f] = 1;
        cutOff(m, t, f);
      }
      if (from > first && m.isBeyond(from - 1)) {
        moved = true;
        m.extendTo(from - 1);
      }
      return moved ? END_DONE : END_NO_EFFECT;
    },
  },
  { T1: { takes: RMAP_LOCKS }, T2: { takes: RMAP_LOCKS } },
);

/** The file pages from the new end of the file on, the one that is of it no more, and its first. */
function cutBy(m: Machine, t: number): readonly [from: number, to: number, first: number] {
  const { fileIndex, filePages } = m.shape;
  const at = m.task.other[t]!;
  const first = at - fileIndex[at]!;
  return [at + (m.task.kind[t] === BEHIND ? 1 : 0), first + filePages[first]!, first];
}

function cutOff(m: Machine, t: number, file: number): void {
  const { pages } = m.shape;
  for (let i = 0; i < m.pte.length; i++)
    if (m.shape.file[i % pages] === file && m.pte[i] !== 0)
      if (m.ask.truncateUnmap(t, i, m.pfn[i]!) === 'zap') m.zap(t, i);
  m.disk[file] = ZERO_TOKEN;
  const pfn = m.cache[file]!;
  if (pfn === NO_PFN || m.ask.truncateFolio(t, NO_PTE, pfn) === 'keep') return;
  m.flags[pfn]! &= ~(F_DIRTY | F_COVERED);
  m.stripBuffers(pfn);
  m.cache[file] = NO_PFN;
  m.mapping[pfn] = NO_FILE;
  m.put(pfn);
}

/** One step for each end that the file may have and has not. */
const offered = (ref: Reference, step: number): boolean =>
  aOf(step) < ref.shape.files &&
  ref.shape.truncated[aOf(step)] === 1 &&
  ref.isWithin(aOf(step)) === (cOf(step) !== BEHIND);

/** What its steps say (args.ts). */
export const TRUNCATE = {
  kind: 'truncate',
  task: 'other',
  args: {
    end: { oneOf: ['before', 'behind'], title: 'Where the file ends from now on, as seen from the page' },
    file: { is: 'file' },
  },
} as const;

export const truncate: Op<typeof TRUNCATE> = {
  ...TRUNCATE,
  weight: 2,
  words: (s) => `another process truncates the file, which ends ${s.end} ${s.file} now`,
  title: 'ftruncate(2): the file ends before or behind a page of it',
  kernel: 'mm/truncate.c: truncate_pagecache(), truncate_inode_pages_range()',
  live: {
    how: 'no file that may be truncated is made on a kernel yet',
    number: (_step, n) => n.cannot('no such file is made on a kernel yet'),
  },
  shows: [],
  means: ({ files }) => files.some(({ index }) => index !== undefined),
  whyNot: (_ref, s) =>
    `the end of the file of ${s.file} is not moved (a file page with an index may be cut off)`,
  ...onFile(AT, 2, (ref, file) => ref.shape.truncated[file] === 1),
  offered,
  enumerate: (ref, _alphabet, out, n) => enumerateEach(AT, ref, ref.shape.files, 2, offered, out, n),
  replaces: true,
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = cOf(step);
    return steps.T1;
  },
  apply: (ref, step) => {
    const at = ref.shape.fileIndex[aOf(step)]!;
    ref.truncate(aOf(step) - at, at + (cOf(step) === BEHIND ? 1 : 0));
  },
};
