import { writebackSteps } from '../machine/writeback.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const FSYNC = {
  kind: 'fsync',
  task: 'other',
  args: { file: { is: 'file' } },
  sends: ['file'],
} as const;

export const fsync: Op<typeof FSYNC> = {
  ...FSYNC,
  weight: 4,
  words: (s) => `fsync of ${s.file}; what the disk holds then`,
  title: 'fsync(2) of the file',
  kernel: 'fs/sync.c: vfs_fsync_range(); mm/filemap.c: file_write_and_wait_range()',
  live: {
    how: 'fsync(2), msync(MS_SYNC)',
    executor: {
      byCoordinator: `
	long result = CALL(SYS_fsync, SH->fd[step->file]);
	/* What the disk has. A direct read first writes what is dirty: nothing is, right after fsync. */
	if (result >= 0 && !S->is_shmem[step->file] && S->file[step->file].direct > 0 &&
	    read_direct(S->file[step->file].direct) == PAGE)
		saw(word_of(S->io));
	return called(result);
`,
    },
    c: (s, t) => {
      const file = t.name('file', s.file);
      // shmem has no disk.
      return t.isChecked()
        ? t.sees('fsync', t.helper('fsync_and_read_disk', file))
        : t.need('fsync', t.helper('sync_file', file));
    },
    helpers: [
      {
        name: 'sync_file',
        needs: [],
        code: `
static long sync_file(int file)
{
	return fsync(file_fd[file]) ? -errno : 0;
}
`,
      },
      {
        name: 'fsync_and_read_disk',
        needs: ['direct'],
        code: `
/* Returns what the disk holds then. Nothing is dirty right after fsync(), so that the direct read writes nothing. */
static long fsync_and_read_disk(int file)
{
	static int disk_fd[FILES];
	ssize_t n;

	if (disk_fd[file] == 0)
		disk_fd[file] = reopen_direct(file_fd[file]);
	if (disk_fd[file] < 0)
		return disk_fd[file];
	if (fsync(file_fd[file]))
		return -errno;
	n = pread(disk_fd[file], direct_buffer, PAGE, 0);
	return n == PAGE ? direct_buffer[0] : n < 0 ? -errno : -EIO;
}
`,
      },
    ],
  },
  shows: ['disk', 'writeback-end', 'writeback-lost'],
  ...onFile(OP_KINDS.indexOf('fsync'), 1, () => true, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return writebackSteps.Y1;
  },
  apply: (ref, step) => {
    ref.wbStarted[aOf(step)] = 0;
  },
};
