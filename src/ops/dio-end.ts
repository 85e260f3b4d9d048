import { CALLERS, STORER_DEVICE_DIO } from '../domain/kinds.ts';
import { EV_DIO_WRITE } from '../machine/machine.ts';
import { procedure, T_DIRTY } from '../machine/procedures.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { REF_WRITE } from '../reference/reference.ts';
import { aOf, OP_KINDS, type Op, onRef } from './op.ts';
import { unpinSteps } from './unpin.ts';

/**
 * The end of an O_DIRECT read or write: the device moves the data, the bio completes, the pages are released
 * (block/bio.c: bio_release_pages(), fs/iomap/direct-io.c). A read marks its pages dirty. For a write, what was in
 * the buffer when it was submitted (a checksum is taken there) is compared with what the device reads. Its data goes to
 * a block of the target file that is none of the setup's pages: no content of those changes.
 */
const steps: { readonly [K in 'E1']: number } = procedure('dio_end', {
  E1: (m, t) => {
    const handle = m.task.handle[t]!;
    const pfn = m.refPfn[handle]!;
    if (m.refWrite[handle] === 1) {
      m.content[pfn] = m.task.token[t]!;
      m.task.flags[t] = T_DIRTY;
    } else m.emit(EV_DIO_WRITE, handle, m.refTarget[handle]!, m.content[pfn]!, m.refSubmitted[handle]!);
    return unpinSteps.D1;
  },
});

/** What its steps say (args.ts). */
export const DIO_END = {
  kind: 'dio_end',
  task: 'device',
  args: { ref: { is: 'ref', noun: 'reference' } },
  ends: 'ref',
} as const;

export const dioEnd: Op<typeof DIO_END> = {
  ...DIO_END,
  weight: 3,
  title: 'an O_DIRECT read or write moves its data and completes',
  kernel: 'fs/iomap/direct-io.c: iomap_dio_bio_end_io(); block/bio.c: __bio_release_pages()',
  live: 'the end of pread(2) or pwrite(2) with O_DIRECT; cannot be held open at will',
  stores: true,
  ...onRef(
    OP_KINDS.indexOf('dio_end'),
    1,
    (ref, handle) => CALLER_CONTRACTS[CALLERS[ref.handleCaller[handle]!]!].release === 'dio_end',
  ),
  start: (m, t, step, token) => {
    const handle = aOf(step);
    m.task.handle[t] = handle;
    m.task.token[t] = token;
    m.task.flags[t] = 0;
    return steps.E1;
  },
  apply: (ref, step, token) => {
    const handle = aOf(step);
    const read = (ref.handleFlags[handle]! & REF_WRITE) !== 0;
    if (read) ref.deviceStore(handle, token, STORER_DEVICE_DIO);
    ref.release(handle, read);
  },
};
