import { DECISIONS, MARK_FORK_COPY } from '../machine/decisions.ts';
import { NO_PTE } from '../machine/facts.ts';
import {
  F_ANON,
  F_EXCLUSIVE,
  type Machine,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  P_WRITE,
  V_ANON_VMA,
  V_DONTFORK,
  V_WRITE,
  ZERO_PFN,
} from '../machine/machine.ts';
import { END_DONE, MMAP_WRITE, procedure, PTE_LOCK } from '../machine/procedures.ts';
import { putEntry } from '../machine/swap-slots.ts';
import { aOf, drawMm, OP_KINDS, type Op, pack } from './op.ts';

const AT = OP_KINDS.indexOf('fork');
const ANSWERS = DECISIONS.forkPte.answers;

/**
 * kernel/fork.c: dup_mmap(); mm/memory.c: copy_page_range(), copy_present_pte().
 *
 * A VMA without anon_vma (pure file or shared mappings) is not copied: the child faults it in (vma_needs_copy()).
 * On an early copy the child gets the copy, but where the policy says that the parent does. Left out: the TLB flush at
 * the very end (K6), which matters only for threads of the parent that store through a stale TLB entry.
 */
const steps: { readonly [K in 'K1' | 'K2' | 'K4' | 'K5']: number } = procedure(
  'fork',
  {
    // mmap_lock is held for writing; the child's mm and VMAs come first, then write_protect_seq becomes odd.
    K1: (m, t) => {
      const { pages } = m.shape;
      const from = m.task.mm[t]! * pages;
      const child = m.task.other[t]!;
      m.alive[child] = 1;
      const pinned = m.hasPinned[m.task.mm[t]!] === 1;
      m.hasPinned[child] = pinned && m.ask.forkHasPinned(t, NO_PTE, NO_PFN) === 'inherit' ? 1 : 0;
      m.beginNotes(child, m.task.mm[t]!);
      for (let v = 0; v < pages; v++)
        m.vma[child * pages + v] = (m.vma[from + v]! & V_DONTFORK) !== 0 ? 0 : m.vma[from + v]! & ~V_DONTFORK;
      m.moveWriteProtectSeq(m.task.mm[t]!, 1);
      m.task.page[t] = 0;
      return steps.K2;
    },
    // K2, K3: under both page-table locks, one PTE is read: is it pinned? They are held until it is copied.
    K2: (m, t) => {
      const { pages } = m.shape;
      const page = m.task.page[t]!;
      const from = m.task.mm[t]! * pages + page;
      const to = m.task.other[t]! * pages + page;
      if (m.shape.isPrivate[page] === 0 || (m.vma[to]! & V_ANON_VMA) === 0) return next(m, t);
      const bits = m.pte[from]!;
      if ((bits & P_PRESENT) === 0) {
        if (m.hasEntry(from)) copyEntry(m, t, from, to);
        return next(m, t);
      }
      if ((bits & P_SPECIAL) !== 0) {
        m.pte[to] = bits;
        m.pfn[to] = ZERO_PFN;
        return next(m, t);
      }
      m.task.kind[t] = ANSWERS.indexOf(m.ask.forkPte(t, from, m.pfn[from]!));
      return steps.K4;
    },
    // Copied now, or shared and write-protected, as was decided.
    K4: (m, t) => {
      const { pages } = m.shape;
      const page = m.task.page[t]!;
      copyPte(m, t, m.task.mm[t]! * pages + page, m.task.other[t]! * pages + page);
      return next(m, t);
    },
    // write_protect_seq becomes even; mmap_lock is let go.
    K5: (m, t) => {
      m.moveWriteProtectSeq(m.task.mm[t]!, 0);
      return END_DONE;
    },
  },
  {
    K1: { takes: MMAP_WRITE },
    K2: { holds: MMAP_WRITE, takes: PTE_LOCK },
    K4: { holds: MMAP_WRITE | PTE_LOCK },
    K5: { holds: MMAP_WRITE },
  },
);

function next(m: Machine, t: number): number {
  return ++m.task.page[t]! < m.shape.pages ? steps.K2 : steps.K5;
}

function copyPte(m: Machine, t: number, from: number, to: number): void {
  const bits = m.pte[from]!;
  const pfn = m.pfn[from]!;
  const answer = ANSWERS[m.task.kind[t]!];
  if (answer !== 'share') {
    m.costs.copies++;
    m.costs.earlyCopies++;
    const copied = answer === 'copy' ? to : from;
    if (copied === from) {
      // The child takes over the mapping: neither count of the page moves.
      m.pte[to] = bits;
      m.pfn[to] = pfn;
    }
    const copy = m.alloc(m.content[pfn]!, F_ANON);
    m.map(copied, copy, P_DIRTY | ((m.vma[copied]! & V_WRITE) !== 0 ? P_WRITE : 0));
    m.markExclusive(t, copied, copy, MARK_FORK_COPY);
    return;
  }
  if ((m.flags[pfn]! & F_EXCLUSIVE) !== 0 && m.ask.forkExclusive(t, from, pfn) === 'clear')
    m.flags[pfn]! &= ~F_EXCLUSIVE;
  const taken = (bits & P_WRITE) === 0 ? 'both' : m.ask.forkWrprotect(t, from, pfn);
  if (taken === 'both' || taken === 'parent only') m.pte[from] = bits & ~P_WRITE;
  m.refcount[pfn]!++;
  m.map(to, pfn, bits & (taken === 'both' || taken === 'child only' ? P_DIRTY : P_DIRTY | P_WRITE));
}

/** copy_nonpresent_pte(). */
function copyEntry(m: Machine, t: number, from: number, to: number): void {
  const answer = m.swapExclusive[from] === 1 ? m.ask.forkSwapExclusive(t, from, NO_PFN) : 'clear';
  putEntry(m, to, m.swapEntry[from]! - 1, answer === 'both' ? 1 : 0);
  if (answer === 'clear') m.swapExclusive[from] = 0;
}

const enabled: Op['enabled'] = (ref, step) => ref.alive[aOf(step)] === 1 && ref.freeMm() >= 0;

/** What its steps say (args.ts). */
export const FORK = {
  kind: 'fork',
  task: 'mm',
  args: {
    until: { pause: ['K2', 'K4', 'K5'], noun: 'pause', title: 'It is left in flight before this step' },
  },
  makes: 'mm',
  sends: ['mm', 'child'],
} as const;

export const fork: Op<typeof FORK> = {
  ...FORK,
  weight: 4,
  words: (s) => `${s.task} forks ${s.result}`,
  title: 'fork(2)',
  kernel: 'kernel/fork.c: dup_mmap(); mm/memory.c: copy_present_pte()',
  live: {
    how: 'fork(2)',
    executor: {
      inProcess: `
	/* By the time that the child looks, its parent may have been told the next step. */
	int child = step->child;
	long pid = CALL(SYS_clone, CLONE_PARENT | CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		serve(child);
	return pid;
`,
      byCoordinator: `
	if (S->mm[step->child].pid != 0) {
		unsupported("that process is there already");
		return GOES_ON;
	}
	enum end end = ask(step, 0);
	long pid = SH->box[step->mm].result;
	if (end == GOES_ON && pid > 0) {
		S->mm[step->child].pid = (int)pid;
		S->mm[step->child].alive = 1;
	}
	return end;
`,
    },
    c: (s, t) => `\tfork_child(${t.name('mm', s.mm)}, ${t.name('mm', s.child)});`,
  },
  shows: [],
  copies: () => 'fork',
  whyNot: (ref) => (ref.freeMm() < 0 ? `mms is ${ref.shape.mms}, and as many live already` : ''),
  enabled,
  offered: enabled,
  enumerate: (ref, _alphabet, out, n) => {
    if (ref.freeMm() < 0) return n;
    for (let mm = 0; mm < ref.shape.mms; mm++) if (ref.alive[mm] === 1) out[n++] = pack(AT, mm);
    return n;
  },
  draw: (ref, _alphabet, rng) => (ref.freeMm() < 0 ? -1 : pack(AT, drawMm(ref, rng))),
  fine: true,
  begins: (ref, step, slot) => ref.forkBegins(aOf(step), slot),
  start: (m, t, step, _token, slot) => {
    m.task.mm[t] = aOf(step);
    m.task.other[t] = slot;
    return steps.K1;
  },
  apply: (ref, step, _token, slot) => ref.fork(aOf(step), slot),
};
