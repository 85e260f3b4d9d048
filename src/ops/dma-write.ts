import { CALLERS, STORER_DEVICE_GET, STORER_DEVICE_PIN, STORER_DEVICE_PIN_LT } from '../domain/kinds.ts';
import { END_DONE, procedure } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_LONGTERM, REF_WRITE, type Reference } from '../reference/reference.ts';
import { aOf, OP_KINDS, type Op, onRef } from './op.ts';

/** The device stores fresh content into the folio it was given; no PTE, no fault, no notification. */
const steps: { readonly [K in 'I1']: number } = procedure('dma_write', {
  I1: (m, t) => {
    m.content[m.refPfn[m.task.handle[t]!]!] = m.task.token[t]!;
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
  args: { ref: { is: 'ref', noun: 'reference' } },
} as const;

export const dmaWrite: Op<typeof DMA_WRITE> = {
  ...DMA_WRITE,
  weight: 5,
  title: 'the device writes through the reference (never through an R reference: G6)',
  kernel: 'none: DMA, or a kernel copy through the page',
  live: 'IORING_OP_READ_FIXED from a memfd; process_vm_writev',
  stores: true,
  ...onRef(
    OP_KINDS.indexOf('dma_write'),
    1,
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
