import { CALLERS } from '../domain/kinds.ts';
import { NO_FILE } from '../domain/setup.ts';
import { NO_PTE } from '../machine/facts.ts';
import {
  EV_DIRTIED,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  type Machine,
  NO_PFN,
  REF_GET,
  REF_NONE,
  REF_PIN,
  ZERO_PFN,
} from '../machine/machine.ts';
import { END_DONE, procedure, T_DIRTY } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_WRITE } from '../reference/reference.ts';
import { aOf, cOf, OP_KINDS, type Op, onRef } from './op.ts';

/** Variant: 0 releases without dirtying, 1 with. */
export const UNPIN_CLEAN = 0;
export const UNPIN_DIRTYING = 1;

/**
 * unpin_user_pages_dirty_lock(), put_page(). D1 test dirty; D2 if clean, lock the folio and mark it dirty (the
 * filesystem's dirty_folio, no page_mkwrite); D3 drop the reference. A folio already dirty is skipped.
 */
export const unpinSteps: { readonly [K in 'D1' | 'D3']: number } = procedure('unpin', {
  D1: (m, t) => {
    if ((m.task.flags[t]! & T_DIRTY) !== 0) dirty(m, t);
    return unpinSteps.D3;
  },
  D3: (m, t) => {
    drop(m, m.task.handle[t]!);
    return END_DONE;
  },
});

function dirty(m: Machine, t: number): void {
  const handle = m.task.handle[t]!;
  const pfn = m.refPfn[handle]!;
  if (pfn === ZERO_PFN) return;
  const flags = m.flags[pfn]!;
  const file = m.mapping[pfn]!;
  const answer = m.ask.unpinDirty(t, NO_PTE, pfn);
  if (answer === 'ignore') return;
  const tracked = file !== NO_FILE && m.filesystems[file]!.dirtyTracked;
  if (!tracked) return; // anonymous or shmem: a flag that nothing here reads
  if (answer === 'mkwrite then dirty') m.mkwrite(pfn);
  else if ((flags & F_DIRTY) !== 0) return;
  m.flags[pfn]! |= F_DIRTY;
  const covered = (m.flags[pfn]! & F_COVERED) !== 0 ? 1 : 0;
  const buffers = (m.flags[pfn]! & F_BUFFERS) !== 0 ? 2 : 0;
  m.emit(EV_DIRTIED, file, handle, 0, covered | buffers);
}

function drop(m: Machine, handle: number): void {
  const pfn = m.refPfn[handle]!;
  const kind = m.refKind[handle]!;
  m.refKind[handle] = REF_NONE;
  m.refPfn[handle] = NO_PFN;
  m.refSubmitted[handle] = 0;
  m.refWrite[handle] = 0;
  m.refTarget[handle] = 0;
  if (kind === REF_GET) m.put(pfn);
  else if (kind === REF_PIN) {
    m.pincount[pfn]!--;
    m.put(pfn, m.bias);
  }
}

/** What its steps say (args.ts). */
export const UNPIN = {
  kind: 'unpin',
  task: 'device',
  args: {
    ref: { is: 'ref', noun: 'reference' },
    dirty: { flag: 'dirty', title: 'The driver marks the page dirty' },
  },
  ends: 'ref',
} as const;

export const unpin: Op<typeof UNPIN> = {
  ...UNPIN,
  weight: 4,
  title: 'the holder releases the reference, dirtying the page or not',
  kernel: 'mm/gup.c: unpin_user_pages_dirty_lock(); mm/swap.c: __folio_put()',
  live: 'read the pipe; IORING_UNREGISTER_BUFFERS; let the process_vm call end',
  ...onRef(OP_KINDS.indexOf('unpin'), 2, (ref, handle, variant) => {
    const { release } = CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!];
    if (release === 'dio_end') return false;
    if (variant === UNPIN_DIRTYING)
      return release !== 'unpin clean' && (ref.handleFlags[handle]! & REF_WRITE) !== 0;
    return release !== 'unpin dirty';
  }),
  start: (m, t, step) => {
    m.task.handle[t] = aOf(step);
    m.task.flags[t] = cOf(step) === UNPIN_DIRTYING ? T_DIRTY : 0;
    return unpinSteps.D1;
  },
  apply: (ref, step) => ref.release(aOf(step), cOf(step) === UNPIN_DIRTYING),
};
