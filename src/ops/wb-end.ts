import { writebackSteps } from '../machine/writeback.ts';
import { aOf, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const WB_END = { kind: 'wb_end', task: 'kernel', args: { file: { is: 'file' } } } as const;

export const wbEnd: Op<typeof WB_END> = {
  ...WB_END,
  weight: 3,
  title: 'writeback ends: the data is on the disk',
  kernel: 'mm/filemap.c: folio_end_writeback()',
  live: 'the I/O completes; cannot be held back at will',
  ...onFile(
    OP_KINDS.indexOf('wb_end'),
    1,
    () => true,
    (ref, file) => ref.wbStarted[file] === 1,
  ),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return writebackSteps.B6;
  },
  apply: (ref, step) => {
    ref.wbStarted[aOf(step)] = 0;
  },
};
