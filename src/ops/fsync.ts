import { writebackSteps } from '../machine/writeback.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const FSYNC = { kind: 'fsync', task: 'other', args: { file: { is: 'file' } } } as const;

export const fsync: Op<typeof FSYNC> = {
  ...FSYNC,
  weight: 4,
  title: 'fsync(2) of the file',
  kernel: 'fs/sync.c: vfs_fsync_range(); mm/filemap.c: file_write_and_wait_range()',
  live: 'fsync(2), msync(MS_SYNC)',
  ...onFile(OP_KINDS.indexOf('fsync'), 1, () => true, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return writebackSteps.Y1;
  },
  apply: (ref, step) => {
    ref.wbStarted[aOf(step)] = 0;
  },
};
