import { CALLERS } from '../domain/kinds.ts';
import { NO_FILE } from '../domain/setup.ts';
import { NO_PTE } from '../machine/facts.ts';
import { EV_DIRTIED, F_BUFFERS, F_COVERED, F_DIRTY, type Machine, ZERO_PFN } from '../machine/machine.ts';
import { END_DONE, procedure, T_DIRTY } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_WRITE } from '../reference/reference.ts';
import { dirties } from './callers.ts';
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
    const handle = m.task.handle[t]!;
    const pfn = m.refPfn[handle]!;
    if (pfn !== ZERO_PFN) m.ask.putRef(t, NO_PTE, pfn);
    m.letGo(handle);
    m.refTarget[handle] = 0;
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
  if (m.inSwapCache(pfn)) m.flags[pfn]! |= F_DIRTY;
  const tracked = file !== NO_FILE && m.filesystems[file]!.dirtyTracked;
  if (!tracked) return; // shmem, or anonymous and not in the swap cache: a flag that nothing here reads
  if (answer === 'mkwrite then dirty') m.mkwrite(pfn);
  else if ((flags & F_DIRTY) !== 0) return;
  m.flags[pfn]! |= F_DIRTY;
  const covered = (m.flags[pfn]! & F_COVERED) !== 0 ? 1 : 0;
  const buffers = (m.flags[pfn]! & F_BUFFERS) !== 0 ? 2 : 0;
  m.emit(EV_DIRTIED, file, handle, 0, covered | buffers);
}

/** What its steps say (args.ts). */
export const UNPIN = {
  kind: 'unpin',
  task: 'device',
  args: {
    ref: { is: 'ref', noun: 'reference' },
    dirty: { flag: 'dirty', title: 'The driver marks the page dirty', cost: 1 },
  },
  ends: 'ref',
  sends: ['ref'],
} as const;

const LET_GO: { readonly [caller: string]: string } = {
  vmsplice: 'empty_pipe',
  fixed_buffer: 'unregister_fixed_buffer',
};

export const unpin: Op<typeof UNPIN> = {
  ...UNPIN,
  weight: 4,
  words: (s) => `the device lets go of ${s.ref}`,
  title: 'the holder releases the reference, dirtying the page or not',
  kernel: 'mm/gup.c: unpin_user_pages_dirty_lock(); mm/swap.c: __folio_put()',
  live: {
    how: 'read the pipe; IORING_UNREGISTER_BUFFERS; let the process_vm call end',
    // A call that ended with its transfer has let go by itself.
    number: (s, n, plain) => (n.over === s.ref ? undefined : plain()),
    steps: (s, n, plain) => [{ ...plain(), dirty: dirties(n.callerOf(s.ref)) }],
    executor: {
      byCoordinator: `
	struct ref *ref = held(step->ref);
	long error;
	if (ref == NULL)
		return GOES_ON;
	int over = ref->state == OVER;
	ref->state = RELEASED;
	switch (ref->caller) {
	case VMSPLICE:
		drain(&S->pipe[ref->slot]);
		return GOES_ON;
	case FIXED_BUFFER:
		S->ring[ref->slot].busy = 0;
		if ((error = unregister(&S->ring[ref->slot])) < 0)
			refused(error);
		return GOES_ON;
	default:
		S->helper[ref->slot].busy = 0;
		/* After its transfer the call has let go already. */
		return over || cancel(&S->helper[ref->slot], S->deadline) == 0 ? GOES_ON : TIMEOUT;
	}
`,
    },
    c: (s, t) => {
      // The reference was refused.
      if (t.outcome() === 'skipped') return '\t/* There is no reference: nothing to do. */';
      const { caller } = t.gupOf(s.ref);
      return t.need('let go', t.helper(LET_GO[caller] ?? 'cancel_process_vm_call', t.name('ref', s.ref)));
    },
    helpers: [
      {
        name: 'empty_pipe',
        needs: ['pipes'],
        code: `
static long empty_pipe(int ref)
{
	char rest[PAGE];

	return read(held_in_pipe[ref][0], rest, sizeof(rest)) < 0 ? -errno : 0;
}
`,
      },
      {
        name: 'unregister_fixed_buffer',
        needs: ['ring'],
        code: `
static long unregister_fixed_buffer(int ref)
{
	return syscall(__NR_io_uring_register, ring[ref].fd, IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
}
`,
      },
      {
        name: 'cancel_process_vm_call',
        needs: ['held_call'],
        code: `
/* Takes our page away: the call ends with EFAULT, lets go, and has moved nothing. */
static long cancel_process_vm_call(int ref)
{
	struct held_call *call = &held_call[ref];
	struct uffdio_range area = { (unsigned long)call->ours, PAGE };
	long result;

	if (munmap(call->ours, PAGE) || ioctl(call->uffd, UFFDIO_WAKE, &area))
		return -errno;
	if (read(call->done[0], &result, sizeof(result)) != sizeof(result))
		return -EIO;
	pthread_join(call->thread, NULL);
	return 0;
}
`,
      },
    ],
  },
  shows: ['dirtied'],
  ways: () => 2,
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
