import { writebackSteps } from '../machine/writeback.ts';
import { aOf, cOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const WB_START = {
  kind: 'wb_start',
  task: 'kernel',
  args: { file: { is: 'file' }, mode: { oneOf: ['NONE', 'ALL'], title: 'WB_SYNC_NONE or WB_SYNC_ALL' } },
} as const;

export const wbStart: Op<typeof WB_START> = {
  ...WB_START,
  weight: 3,
  title: 'writeback starts: mkclean, clear dirty, writeback flag',
  kernel: 'mm/page-writeback.c: folio_clear_dirty_for_io(); mm/rmap.c: folio_mkclean()',
  live: 'sync_file_range(SYNC_FILE_RANGE_WRITE), the flusher',
  ...onFile(
    OP_KINDS.indexOf('wb_start'),
    2,
    () => true,
    (ref, file) => isTracked(ref, file) && ref.wbStarted[file] === 0,
  ),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = cOf(step);
    return writebackSteps.B1;
  },
  apply: (ref, step) => {
    if (isTracked(ref, aOf(step))) ref.wbStarted[aOf(step)] = 1;
  },
};
