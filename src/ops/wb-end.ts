import { writebackSteps } from '../machine/writeback.ts';
import { aOf, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const WB_END = {
  kind: 'wb_end',
  task: 'kernel',
  args: { file: { is: 'file' } },
  sends: ['file'],
} as const;

export const wbEnd: Op<typeof WB_END> = {
  ...WB_END,
  weight: 3,
  words: (s) => `writeback of ${s.file} ends`,
  title: 'writeback ends: the data is on the disk',
  kernel: 'mm/filemap.c: folio_end_writeback()',
  live: {
    how: 'the I/O completes; cannot be held back at will',
    feature: 'wb_start',
    mayBeOver: true,
    executor: {
      byCoordinator: `
	return called(CALL(SYS_sync_file_range, SH->fd[step->file], 0, PAGE, SYNC_FILE_RANGE_WAIT_BEFORE));
`,
    },
    c: (s, t) => t.need('sync_file_range', t.helper('wait_for_writeback', t.name('file', s.file))),
    helpers: [
      {
        name: 'wait_for_writeback',
        needs: [],
        code: `
static long wait_for_writeback(int file)
{
	return sync_file_range(file_fd[file], 0, PAGE, SYNC_FILE_RANGE_WAIT_BEFORE) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: ['writeback-end'],
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
