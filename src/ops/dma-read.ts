import { CALLERS } from '../domain/kinds.ts';
import { EV_DEVICE_LOAD } from '../machine/machine.ts';
import { END_DONE, procedure } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { TRANSFER } from './callers.ts';
import { aOf, BY_PART, OP_KINDS, type Op, onRef } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';

/** The device reads the folio it was given, whatever it is mapped to by now. */
const steps: { readonly [K in 'I1']: number } = procedure('dma_read', {
  I1: (m, t) => {
    const handle = m.task.handle[t]!;
    m.emit(EV_DEVICE_LOAD, handle, 0, m.content[m.refPfn[handle]!]!, 0);
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const DMA_READ = {
  kind: 'dma_read',
  task: 'device',
  args: { ref: { is: 'ref', noun: 'reference' }, part: PART as Part },
  sends: ['ref'],
} as const;

export const dmaRead: Op<typeof DMA_READ> = {
  ...DMA_READ,
  weight: 5,
  words: (s) =>
    `the device reads ${partOf(s.part)}${s.part === undefined ? '' : 'the page '}through ${s.ref}`,
  title: 'the device reads through the reference',
  kernel: 'none: DMA, or a kernel copy through the page',
  live: {
    how: 'read the pipe; IORING_OP_WRITE_FIXED to a memfd; the other side of process_vm_readv',
    ...TRANSFER,
    executor: {
      byCoordinator: `
	struct ref *ref = usable(step->ref);
	long got;
	if (ref == NULL)
		return GOES_ON;
	switch (ref->caller) {
	case PROCESS_VM_WRITEV:
		unsupported("this caller cannot load");
		return GOES_ON;
	case VMSPLICE:
		if ((got = open_pipe(&S->tee)) >= 0)
			got = CALL(SYS_tee, S->pipe[ref->slot].out, S->tee.in, PAGE, 2 /* SPLICE_F_NONBLOCK */);
		if (got == PAGE)
			got = CALL(SYS_read, S->tee.out, S->io, PAGE);
		break;
	case FIXED_BUFFER:
		if ((got = open_pipe(&S->device)) < 0)
			break;
		got = fixed_io(&S->ring[ref->slot], IORING_OP_WRITE_FIXED, S->device.in, page_address(ref->page));
		if (got == PAGE)
			got = CALL(SYS_read, S->device.out, S->io, PAGE);
		if (got != PAGE)
			drain(&S->device);
		break;
	default:
		return transfer(ref, 0, 1);
	}
	if (got != PAGE)
		refused(got < 0 ? got : EIO);
	else
		saw(word_of(S->io));
	return GOES_ON;
`,
    },
    c: (s, t) => {
      // The reference was refused.
      if (t.outcome() === 'skipped') return '\t/* There is no reference: nothing to do. */';
      const { caller, page } = t.gupOf(s.ref);
      const ref = t.name('ref', s.ref);
      if (caller === 'vmsplice') return t.sees('device', t.helper('dma_read_through_pipe', ref));
      if (caller === 'fixed_buffer')
        return t.sees('device', t.helper('dma_read_from_fixed_buffer', ref, t.name('page', page)));
      return t.sees('device', t.helper('finish_process_vm_call', ref, -1));
    },
    helpers: [
      {
        name: 'dma_read_through_pipe',
        needs: ['pipes', 'sector'],
        code: `
/* Reads one sector only: the rest stays in the pipe, and so does the page. */
static long dma_read_through_pipe(int ref)
{
	long sector[SECTOR / sizeof(long)];
	ssize_t n = read(held_in_pipe[ref][0], sector, sizeof(sector));

	return n == sizeof(sector) ? sector[0] : n < 0 ? -errno : -EIO;
}
`,
      },
      {
        name: 'dma_read_from_fixed_buffer',
        needs: ['fixed_buffer_io'],
        code: `
static long dma_read_from_fixed_buffer(int ref, int page)
{
	long content, error = fixed_buffer_io(ref, IORING_OP_WRITE_FIXED, page);

	if (error)
		return error;
	return pread(ring[ref].memfd, &content, sizeof(content), 0) == sizeof(content) ? content : -EIO;
}
`,
      },
    ],
  },
  shows: ['device-load'],
  ...onRef(
    OP_KINDS.indexOf('dma_read'),
    BY_PART,
    (ref, handle) => CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].load,
  ),
  start: (m, t, step) => {
    m.task.handle[t] = aOf(step);
    return steps.I1;
  },
  apply: () => {},
};
