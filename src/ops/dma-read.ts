import { CALLERS } from '../domain/kinds.ts';
import { EV_DEVICE_LOAD } from '../machine/machine.ts';
import { END_DONE, procedure } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { aOf, OP_KINDS, type Op, onRef } from './op.ts';

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
  args: { ref: { is: 'ref', noun: 'reference' } },
} as const;

export const dmaRead: Op<typeof DMA_READ> = {
  ...DMA_READ,
  weight: 5,
  title: 'the device reads through the reference',
  kernel: 'none: DMA, or a kernel copy through the page',
  live: 'read the pipe; IORING_OP_WRITE_FIXED to a memfd; the other side of process_vm_readv',
  ...onRef(
    OP_KINDS.indexOf('dma_read'),
    1,
    (ref, handle) => CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].load,
  ),
  start: (m, t, step) => {
    m.task.handle[t] = aOf(step);
    return steps.I1;
  },
  apply: () => {},
};
