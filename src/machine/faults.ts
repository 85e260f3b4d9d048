/**
 * The page fault (mm/memory.c: handle_mm_fault()), called by loads, stores and GUP.
 *
 * The caller sets `task.mm`, `task.page`, the fault flags and `task.ret`, the step to go on with; a fault that finds
 * nothing to do returns there at once, as the caller looks at the PTE again anyway.
 * W1..W5 are the steps of a copying write fault (docs/model.md): the copy runs without the page-table lock, and
 * W3 gives up if the PTE changed meanwhile.
 */
import { ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE } from '../domain/setup.ts';
import {
  FREE_AT_UNSHARE_FAULT,
  FREE_AT_WRITE_FAULT,
  MARK_FIRST_TOUCH,
  MARK_REUSE_UNSHARE,
  MARK_REUSE_WRITE,
  MARK_UNSHARE_COPY,
  MARK_WRITE_COPY,
} from './decisions.ts';
import { FRAME_ANON, FRAME_ZERO } from './facts.ts';
import {
  EV_COPY,
  F_ANON,
  F_DIRTY,
  F_WRITEBACK,
  type Machine,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  P_WRITE,
  V_WRITE,
  ZERO_PFN,
} from './machine.ts';
import {
  END_BLOCKED,
  END_POLICY_ERROR,
  type Locks,
  MMAP_READ,
  PTE_LOCK,
  procedure,
  refuse,
  T_BY_GUP,
  T_FAULT_UNSHARE,
  T_FAULT_WRITE,
  T_FOLL_COW,
} from './procedures.ts';
import { freeSwap, swapIn } from './swap.ts';

const pteOf = (m: Machine, t: number): number => m.task.mm[t]! * m.shape.pages + m.task.page[t]!;

/**
 * Sets up a fault of this kind and returns its first step. `ret`: the caller's step to go on with. GUP asks for what the
 * policy says; mm/memory.c: sanitize_fault_flags() ignores FAULT_FLAG_UNSHARE but on COW mappings.
 */
export function callFault(m: Machine, t: number, kind: number, ret: number): number {
  m.task.ret[t] = ret;
  const byGup = (m.task.flags[t]! & T_BY_GUP) !== 0;
  const cow = m.shape.isPrivate[m.task.page[t]!] === 1;
  m.task.flags[t] =
    (m.task.flags[t]! & ~(T_FAULT_WRITE | T_FAULT_UNSHARE)) | (cow ? kind : kind & ~T_FAULT_UNSHARE);
  if (byGup) m.costs.gupFaults++;
  return fault.enter;
}

const IN_FAULT: Locks = { holds: MMAP_READ, takes: PTE_LOCK };
const UNLOCKED: Locks = { holds: MMAP_READ };

/** PTE bits after a write fault: maybe_mkwrite() leaves a mapping without VM_WRITE read-only (FOLL_COW). */
function writeBits(m: Machine, t: number, pte: number): number {
  if ((m.vma[pte]! & V_WRITE) !== 0) return P_WRITE | P_DIRTY;
  m.task.flags[t]! |= T_FOLL_COW;
  return P_DIRTY;
}

/** pte_same(): the PTE is not the R/O one any more that the fault was taken for. */
const isElsewise = (m: Machine, pte: number): boolean => (m.pte[pte]! & (P_PRESENT | P_WRITE)) !== P_PRESENT;

function allocFor(m: Machine, t: number, token: number): number {
  if ((m.task.flags[t]! & T_BY_GUP) !== 0) m.costs.gupAllocations++;
  return m.alloc(token, F_ANON);
}

export const fault: {
  readonly [K in 'enter' | 'none' | 'swapin' | 'mkwrite' | 'W1' | 'W2' | 'W3' | 'W5' | 'unshare']: number;
} = procedure(
  'fault',
  {
    // Under mmap_lock for reading, as all of the fault. A CPU's fault where the VMA forbids the access, or there is none,
    // ends in SIGSEGV (arch/x86/mm/fault.c: access_error(), bad_area()). GUP has looked at the VMA by itself:
    // sanitize_fault_flags() refuses a write fault without VM_WRITE but on COW mappings, which faultin_page() makes EFAULT.
    enter: (m, t) => {
      const pte = pteOf(m, t);
      const bits = m.pte[pte]!;
      const flags = m.task.flags[t]!;
      const write = (flags & T_FAULT_WRITE) !== 0;
      if ((flags & T_BY_GUP) !== 0) {
        if (write && m.shape.isPrivate[m.task.page[t]!] === 0 && !m.vmaAllows(pte, true))
          return refuse(m, 'EFAULT');
      } else if (!m.vmaAllows(pte, write)) return refuse(m, 'SIGSEGV');
      if ((bits & P_PRESENT) === 0) return m.hasEntry(pte) ? fault.swapin : fault.none;
      if (write && (bits & P_WRITE) === 0) return fault.W1;
      if ((flags & T_FAULT_UNSHARE) !== 0 && (bits & P_WRITE) === 0) return fault.unshare;
      return m.task.ret[t]!;
    },

    // do_anonymous_page(), do_read_fault(), do_cow_fault(), do_shared_fault().
    none: (m, t) => {
      const pte = pteOf(m, t);
      if ((m.pte[pte]! & P_PRESENT) !== 0 || m.hasEntry(pte)) return m.task.ret[t]!; // pte_none(), pte_same(): somebody was faster
      const page = m.task.page[t]!;
      const write = (m.task.flags[t]! & T_FAULT_WRITE) !== 0;
      const file = m.shape.file[page]!;
      if (file === NO_FILE) {
        if (write) m.install(t, pte, allocFor(m, t, ZERO_TOKEN), writeBits(m, t, pte), MARK_FIRST_TOUCH);
        else if (m.ask.anonRead(t, pte, NO_PFN) === 'fresh page') {
          const bits = (m.vma[pte]! & V_WRITE) !== 0 ? P_WRITE | P_DIRTY : 0;
          m.install(t, pte, allocFor(m, t, ZERO_TOKEN), bits, MARK_FIRST_TOUCH);
        } else {
          m.pte[pte] = P_PRESENT | P_SPECIAL;
          m.pfn[pte] = ZERO_PFN;
        }
        return m.task.ret[t]!;
      }
      // filemap_fault(), shmem_fault(): the page is beyond i_size, of a private mapping too.
      if (m.isBeyond(file)) return refuse(m, (m.task.flags[t]! & T_BY_GUP) !== 0 ? 'EFAULT' : 'SIGBUS');
      const cached = m.cacheFolio(file);
      if (write && m.shape.isPrivate[page] === 1) {
        m.costs.copies++;
        const fresh = allocFor(m, t, m.content[cached]!);
        m.install(t, pte, fresh, writeBits(m, t, pte), MARK_WRITE_COPY);
        return m.task.ret[t]!;
      }
      m.refcount[cached]!++;
      if (m.shape.isPrivate[page] === 1 || m.shape.tracked[page] === 1) {
        m.map(pte, cached, 0);
        return write ? fault.mkwrite : m.task.ret[t]!;
      }
      // Without page_mkwrite: vm_page_prot is writable, also on a read fault.
      m.map(pte, cached, ((m.vma[pte]! & V_WRITE) !== 0 ? P_WRITE : 0) | (write ? P_DIRTY : 0));
      return m.task.ret[t]!;
    },

    // do_swap_page(). A store that may not go on yet is do_wp_page()'s.
    swapin: (m, t) => {
      const pte = pteOf(m, t);
      if (!m.hasEntry(pte)) return m.task.ret[t]!;
      const write = (m.task.flags[t]! & T_FAULT_WRITE) !== 0;
      const done = swapIn(m, t, pte, write, {
        alloc: (token) => allocFor(m, t, token),
        bits: () => writeBits(m, t, pte),
      });
      return write && !done ? fault.W1 : m.task.ret[t]!;
    },

    // do_page_mkwrite(), wp_page_shared(): the filesystem is told; on stable pages it waits for writeback.
    mkwrite: (m, t) => {
      const pte = pteOf(m, t);
      const pfn = m.pfn[pte]!;
      const file = m.shape.file[m.task.page[t]!]!;
      if (isElsewise(m, pte)) return m.task.ret[t]!;
      // ext4_page_mkwrite(): the page of a file that was truncated, if a policy left it mapped. The kernel faults again.
      if (m.mapping[pfn] === NO_FILE)
        return refuse(m, (m.task.flags[t]! & T_BY_GUP) !== 0 ? 'EFAULT' : 'SIGBUS');
      if (m.ask.mkwrite(t, pte, pfn) === 'skip') {
        m.flags[pfn]! |= F_DIRTY; // fault_dirty_shared_page()
        m.pte[pte]! |= P_WRITE | P_DIRTY;
        return m.task.ret[t]!;
      }
      if (m.filesystems[file]!.stablePages && (m.flags[pfn]! & F_WRITEBACK) !== 0) return END_BLOCKED;
      m.mkwrite(pfn);
      m.pte[pte]! |= P_WRITE | P_DIRTY;
      return m.task.ret[t]!;
    },

    // do_wp_page(): decide under the page-table lock, take a reference, unlock.
    W1: (m, t) => {
      const pte = pteOf(m, t);
      const page = m.task.page[t]!;
      if (isElsewise(m, pte)) return m.task.ret[t]!;
      if (m.shape.tracked[page] === 1) return fault.mkwrite;
      if (m.shape.isPrivate[page] === 0) {
        m.pte[pte]! |= P_WRITE | P_DIRTY;
        return m.task.ret[t]!;
      }
      const frame = m.frameOf(pte);
      const pfn = m.pfn[pte]!;
      if (frame === FRAME_ANON) {
        if (m.inSwapCache(pfn)) freeSwap(m, t, pte, pfn, FREE_AT_WRITE_FAULT);
        if (m.ask.wpFault(t, pte, pfn) === 'reuse') {
          m.markExclusive(t, pte, pfn, MARK_REUSE_WRITE);
          m.pte[pte]! |= writeBits(m, t, pte);
          return m.task.ret[t]!;
        }
        m.emit(EV_COPY, m.task.mm[t]!, page, m.content[pfn]!, 0);
      }
      m.task.other[t] = m.pte[pte]!;
      m.task.held[t] = frame === FRAME_ZERO ? NO_PFN : pfn;
      if (frame !== FRAME_ZERO) m.refcount[pfn]!++;
      return fault.W2;
    },

    // do_wp_page() with FAULT_FLAG_UNSHARE: an exclusive anonymous folio, still read-only.
    unshare: (m, t) => {
      const pte = pteOf(m, t);
      if (isElsewise(m, pte)) return m.task.ret[t]!;
      const frame = m.frameOf(pte);
      const pfn = m.pfn[pte]!;
      if (frame === FRAME_ANON && m.inSwapCache(pfn)) freeSwap(m, t, pte, pfn, FREE_AT_UNSHARE_FAULT);
      const answer = m.ask.unshareFault(t, pte, pfn);
      if (answer === 'none') return m.task.ret[t]!;
      if (answer === 'reuse') {
        if (frame !== FRAME_ANON) {
          m.policyError = 'unshareFault answered reuse for a page that is not anonymous';
          return END_POLICY_ERROR;
        }
        m.markExclusive(t, pte, pfn, MARK_REUSE_UNSHARE);
        return m.task.ret[t]!;
      }
      if (frame === FRAME_ANON) m.emit(EV_COPY, m.task.mm[t]!, m.task.page[t]!, m.content[pfn]!, 0);
      m.task.other[t] = m.pte[pte]!;
      m.task.held[t] = frame === FRAME_ZERO ? NO_PFN : pfn;
      if (frame !== FRAME_ZERO) m.refcount[pfn]!++;
      return fault.W2;
    },

    // wp_page_copy(): allocate and copy without the page-table lock.
    W2: (m, t) => {
      const held = m.task.held[t]!;
      if (held !== NO_PFN) m.costs.copies++;
      m.task.pfn[t] = allocFor(m, t, held === NO_PFN ? ZERO_TOKEN : m.content[held]!);
      return fault.W3;
    },

    // wp_page_copy(): relock; if the PTE is unchanged, clear and flush it and install the copy.
    W3: (m, t) => {
      const pte = pteOf(m, t);
      const held = m.task.held[t]!;
      const fresh = m.task.pfn[t]!;
      m.task.pfn[t] = NO_PFN;
      if (m.pte[pte] !== m.task.other[t] || m.pfn[pte] !== (held === NO_PFN ? ZERO_PFN : held)) m.put(fresh);
      else if ((m.task.flags[t]! & T_FAULT_WRITE) !== 0)
        m.install(t, pte, fresh, writeBits(m, t, pte), MARK_WRITE_COPY);
      else m.install(t, pte, fresh, 0, MARK_UNSHARE_COPY);
      return fault.W5;
    },

    // wp_page_copy(): drop the reference on the old folio.
    W5: (m, t) => {
      const held = m.task.held[t]!;
      m.task.held[t] = NO_PFN;
      if (held !== NO_PFN) m.put(held);
      return m.task.ret[t]!;
    },
  },
  {
    enter: { takes: MMAP_READ },
    none: IN_FAULT,
    swapin: IN_FAULT,
    mkwrite: IN_FAULT,
    W1: IN_FAULT,
    unshare: IN_FAULT,
    W2: UNLOCKED,
    W3: IN_FAULT,
    W5: UNLOCKED,
  },
);
