/**
 * Writeback of one file page: wb_start (B1-B4), wb_io (B5), wb_end (B6) and fsync, which is both with a wait.
 * mm/page-writeback.c: folio_clear_dirty_for_io(); mm/rmap.c: folio_mkclean(); fs/ext4/inode.c: ext4_writepages().
 */
import { NO_PTE } from './facts.ts';
import {
  EV_DISK,
  EV_WRITEBACK_END,
  EV_WRITEBACK_LOST,
  F_BOUNCED,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  F_WRITEBACK,
  type Machine,
  NO_PFN,
  P_DIRTY,
  P_WRITE,
} from './machine.ts';
import { END_BLOCKED, END_DONE, END_NO_EFFECT, RMAP_LOCKS, procedure } from './procedures.ts';

/** Modes, by index in what `mode` of wb_start may be: WB_SYNC_ALL. */
const ALL = 1;

/** B1, B2: folds the dirtiness of every PTE into the folio and, unless they are left, write-protects and cleans them. */
function mkclean(m: Machine, pfn: number, leave: boolean): void {
  const { mms, pages } = m.shape;
  for (let i = 0; i < mms * pages; i++) {
    if (m.pfn[i] !== pfn || m.shape.tracked[i % pages] === 0) continue;
    if ((m.pte[i]! & P_DIRTY) !== 0) m.flags[pfn]! |= F_DIRTY;
    if (!leave) m.pte[i]! &= ~(P_WRITE | P_DIRTY);
  }
}

/** Starts writeback if the page is dirty. Returns false if there is nothing to write or the policy put it off. */
function begin(m: Machine, t: number): boolean {
  const file = m.task.other[t]!;
  const pfn = m.cache[file]!;
  // fs/ext4/inode.c: ext4_bio_write_folio() writes nothing beyond i_size, if a policy left a page there.
  if (pfn === NO_PFN || m.isBeyond(file)) return false;
  const cleaning = m.ask.wbClean(t, NO_PTE, pfn);
  if (cleaning === 'put off') {
    if (m.isDirty(pfn)) m.costs.deferred++;
    return false;
  }
  mkclean(m, pfn, cleaning === 'leave');
  if ((m.flags[pfn]! & F_DIRTY) === 0) return false;
  const answer = m.ask.wbBegin(t, NO_PTE, pfn);
  if (answer === 'keep dirty') {
    m.costs.deferred++;
    return false;
  }
  m.flags[pfn]! &= ~(F_DIRTY | F_COVERED);
  if ((m.flags[pfn]! & F_BUFFERS) === 0 && m.filesystems[file]!.withoutBuffers !== 'write') {
    // ext4: BUG up to v5.17; from v5.18 a warning, and the page is not written (cc5095747edf).
    m.emit(EV_WRITEBACK_LOST, file, 0, 0, 0);
    return true;
  }
  m.flags[pfn]! |= F_WRITEBACK | (answer === 'bounce' ? F_BOUNCED : 0);
  m.submitted[file] = m.content[pfn]!;
  return true;
}

/** What the disk reads if it does so now: the page, or the bounce copy. */
const read = (m: Machine, file: number, pfn: number): number =>
  (m.flags[pfn]! & F_BOUNCED) !== 0 ? m.submitted[file]! : m.content[pfn]!;

/** B5: the disk reads the data, once. Returns false if no writeback is in flight, or it has read them. */
function send(m: Machine, file: number): boolean {
  const pfn = m.cache[file]!;
  if (pfn === NO_PFN || (m.flags[pfn]! & F_WRITEBACK) === 0 || m.sent[file] === 1) return false;
  m.sent[file] = 1;
  m.sentContent[file] = read(m, file, pfn);
  return true;
}

/** B5 where the disk has not read the data yet, and B6: writeback ends. */
function finish(m: Machine, t: number): boolean {
  const file = m.task.other[t]!;
  const pfn = m.cache[file]!;
  if (pfn === NO_PFN || (m.flags[pfn]! & F_WRITEBACK) === 0) return false;
  const sent = m.shape.readsApart[file] === 1 && m.sent[file] === 1;
  const out = sent ? m.sentContent[file]! : read(m, file, pfn);
  if (sent) {
    m.sent[file] = 0;
    m.sentContent[file] = 0;
  }
  m.flags[pfn]! &= ~F_WRITEBACK;
  if (m.ask.wbEnd(t, NO_PTE, pfn) === 'redirty') m.flags[pfn]! |= F_DIRTY;
  m.flags[pfn]! &= ~F_BOUNCED;
  m.disk[file] = out;
  m.emit(EV_WRITEBACK_END, file, 0, out, m.submitted[file]!);
  m.submitted[file] = 0;
  return true;
}

/** What the operations start at: wb_start at B1, wb_io at B5, wb_end at B6, fsync at Y1. */
export const writebackSteps: { readonly [K in 'B1' | 'B5' | 'B6' | 'Y1' | 'Y2' | 'Y3']: number } = procedure(
  'writeback',
  {
    B1: (m, t) => {
      const file = m.task.other[t]!;
      if (!m.filesystems[file]!.dirtyTracked) return END_NO_EFFECT;
      const pfn = m.cache[file]!;
      if (pfn !== NO_PFN && (m.flags[pfn]! & F_WRITEBACK) !== 0)
        return m.task.kind[t] === ALL ? END_BLOCKED : END_NO_EFFECT;
      return begin(m, t) ? END_DONE : END_NO_EFFECT;
    },
    B5: (m, t) => (send(m, m.task.other[t]!) ? END_DONE : END_NO_EFFECT),
    B6: (m, t) => (finish(m, t) ? END_DONE : END_NO_EFFECT),

    // fsync(2): wait for writeback in flight, write what is dirty, wait again. Without a disk: noop_fsync().
    Y1: (m, t) => {
      if (!m.filesystems[m.task.other[t]!]!.dirtyTracked) return END_NO_EFFECT;
      finish(m, t);
      m.task.kind[t] = ALL;
      return writebackSteps.Y2;
    },
    Y2: (m, t) => {
      if (begin(m, t)) finish(m, t);
      return writebackSteps.Y3;
    },
    Y3: (m, t) => {
      const file = m.task.other[t]!;
      if (!m.isBeyond(file)) m.emit(EV_DISK, file, 0, m.disk[file]!, 0);
      return END_DONE;
    },
  },
  { B1: { takes: RMAP_LOCKS }, Y1: { takes: RMAP_LOCKS } },
);
