import { CALLERS, STORER_DEVICE_GET, STORER_DEVICE_PIN, STORER_DEVICE_PIN_LT } from '../domain/kinds.ts';
import { END_DONE, procedure } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_LONGTERM, REF_WRITE, type Reference } from '../reference/reference.ts';
import { TRANSFER } from './callers.ts';
import { aOf, BY_PART, OP_KINDS, type Op, onRef } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';

/** The device stores fresh content into the folio it was given; no PTE, no fault, no notification. */
const steps: { readonly [K in 'I1']: number } = procedure('dma_write', {
  I1: (m, t) => {
    m.store(m.refPfn[m.task.handle[t]!]!, m.task.token[t]!);
    return END_DONE;
  },
});

/** What the finding class calls the storer. */
function storer(ref: Reference, handle: number): number {
  const { ref: kind } = CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!];
  if (kind === 'GET') return STORER_DEVICE_GET;
  return (ref.handleFlags[handle]! & REF_LONGTERM) !== 0 ? STORER_DEVICE_PIN_LT : STORER_DEVICE_PIN;
}

/** What its steps say (args.ts). */
export const DMA_WRITE = {
  kind: 'dma_write',
  task: 'device',
  args: { ref: { is: 'ref', noun: 'reference' }, part: PART as Part },
  sends: ['ref', 'token'],
} as const;

export const dmaWrite: Op<typeof DMA_WRITE> = {
  ...DMA_WRITE,
  weight: 5,
  words: (s) =>
    `the device writes ${partOf(s.part)}${s.part === undefined ? '' : 'the page '}through ${s.ref}`,
  title: 'the device writes through the reference (never through an R reference: G6)',
  kernel: 'none: DMA, or a kernel copy through the page',
  live: {
    how: 'IORING_OP_READ_FIXED from a memfd; process_vm_writev',
    ...TRANSFER,
    executor: {
      byCoordinator: `
	struct ref *ref = usable(step->ref);
	long got;
	if (ref == NULL)
		return GOES_ON;
	switch (ref->caller) {
	case VMSPLICE:
	case PROCESS_VM_READV:
		unsupported("this caller cannot store");
		return GOES_ON;
	case FIXED_BUFFER:
		if ((got = open_pipe(&S->device)) < 0)
			break;
		memset(S->io, 0, PAGE);
		fill(S->io, step->token);
		CALL(SYS_write, S->device.in, S->io, PAGE);
		got = fixed_io(&S->ring[ref->slot], IORING_OP_READ_FIXED, S->device.out, page_address(ref->page));
		if (got != PAGE)
			drain(&S->device);
		break;
	default:
		return transfer(ref, step->token, 0);
	}
	if (got != PAGE)
		refused(got < 0 ? got : EIO);
	return GOES_ON;
`,
    },
    c: (s, t) => {
      // The reference was refused.
      if (t.outcome() === 'skipped') return '\t/* There is no reference: nothing to do. */';
      const { caller, page } = t.gupOf(s.ref);
      const ref = t.name('ref', s.ref);
      const call =
        caller === 'fixed_buffer'
          ? t.helper('dma_write_to_fixed_buffer', ref, t.name('page', page), s.token)
          : t.helper('finish_process_vm_call', ref, s.token);
      return t.need('device', call);
    },
    helpers: [
      {
        name: 'dma_write_to_fixed_buffer',
        needs: ['fixed_buffer_io'],
        code: `
static long dma_write_to_fixed_buffer(int ref, int page, long content)
{
	long data[PAGE / sizeof(long)];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = content;
	if (pwrite(ring[ref].memfd, data, PAGE, 0) != PAGE)
		return -EIO;
	return fixed_buffer_io(ref, IORING_OP_READ_FIXED, page);
}
`,
      },
    ],
  },
  shows: [],
  stores: true,
  ...onRef(
    OP_KINDS.indexOf('dma_write'),
    BY_PART,
    (ref, handle) =>
      (ref.handleFlags[handle]! & REF_WRITE) !== 0 &&
      CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].store,
  ),
  start: (m, t, step, token) => {
    m.task.handle[t] = aOf(step);
    m.task.token[t] = token;
    return steps.I1;
  },
  apply: (ref, step, token) => ref.deviceStore(aOf(step), token, storer(ref, aOf(step))),
};
