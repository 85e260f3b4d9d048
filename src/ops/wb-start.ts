import { writebackSteps } from '../machine/writeback.ts';
import { aOf, cOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const WB_START = {
  kind: 'wb_start',
  task: 'kernel',
  args: {
    file: { is: 'file' },
    mode: { oneOf: ['NONE', 'ALL'], title: 'WB_SYNC_NONE or WB_SYNC_ALL', cost: 1 },
  },
  sends: ['file', 'mode'],
} as const;

export const wbStart: Op<typeof WB_START> = {
  ...WB_START,
  weight: 3,
  words: (s) => `writeback of ${s.file} starts (WB_SYNC_${s.mode})`,
  title: 'writeback starts: mkclean, clear dirty, writeback flag',
  kernel: 'mm/page-writeback.c: folio_clear_dirty_for_io(); mm/rmap.c: folio_mkclean()',
  live: {
    how: 'sync_file_range(SYNC_FILE_RANGE_WRITE), the flusher',
    executor: {
      byCoordinator: `
	/* WB_SYNC_ALL is what sync_file_range() does with all three flags and never else (fs/sync.c). */
	return called(CALL(SYS_sync_file_range, SH->fd[step->file], 0, PAGE,
			   step->word ? SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
				      : SYNC_FILE_RANGE_WRITE));
`,
    },
    c: (s, t) =>
      t.need(
        'sync_file_range',
        t.helper('start_writeback', t.name('file', s.file), s.mode === 'ALL' ? 1 : 0),
      ),
    helpers: [
      {
        name: 'start_writeback',
        needs: [],
        code: `
/* WB_SYNC_ALL if all three flags are given, else WB_SYNC_NONE. */
static long start_writeback(int file, int all)
{
	unsigned int flags = SYNC_FILE_RANGE_WRITE;

	if (all)
		flags |= SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
	return sync_file_range(file_fd[file], 0, PAGE, flags) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: ['writeback-lost'],
  ways: () => 2,
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
