import { EV_FILE_READ } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, procedure } from '../machine/procedures.ts';
import { aOf, BY_PART, OP_KINDS, type Op, onFile } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';

/** read(2) of the file by another process, through the page cache. mm/filemap.c: filemap_read(). */
const steps: { readonly [K in 'R1']: number } = procedure('buffered_read', {
  R1: (m, t) => {
    const file = m.task.other[t]!;
    if (m.isBeyond(file)) return END_NO_EFFECT; // at the end of the file: it returns 0
    m.emit(EV_FILE_READ, file, 0, m.content[m.cacheFolio(file)]!, 0);
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const BUFFERED_READ = {
  kind: 'buffered_read',
  task: 'other',
  args: { file: { is: 'file' }, part: PART as Part },
  sends: ['file'],
} as const;

export const bufferedRead: Op<typeof BUFFERED_READ> = {
  ...BUFFERED_READ,
  weight: 1,
  words: (s) => `another process read(2)s ${partOf(s.part)}${s.file}`,
  title: 'read(2) of the file by another process',
  kernel: 'mm/filemap.c: filemap_read()',
  live: {
    how: 'read(2)',
    executor: {
      byCoordinator: `
	long result = CALL(SYS_pread64, SH->fd[step->file], S->io, PAGE, 0);
	if (result >= 8)
		saw(word_of(S->io));
	return called(result);
`,
    },
    c: (s, t) => t.sees('read', t.helper('buffered_read', t.name('file', s.file))),
    helpers: [
      {
        name: 'buffered_read',
        needs: [],
        code: `
static long buffered_read(int file)
{
	long data[PAGE / sizeof(long)];
	ssize_t n = pread(file_fd[file], data, PAGE, 0);

	return n == PAGE ? data[0] : n < 0 ? -errno : -EIO;
}
`,
      },
    ],
  },
  shows: ['file-read'],
  cost: 1,
  ...onFile(OP_KINDS.indexOf('buffered_read'), BY_PART, () => true),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return steps.R1;
  },
  apply: () => {},
};
