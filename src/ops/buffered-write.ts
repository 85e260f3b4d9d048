import { F_COVERED, F_DIRTY, F_WRITEBACK } from '../machine/machine.ts';
import { END_BLOCKED, END_DONE, procedure } from '../machine/procedures.ts';
import { aOf, BY_PART, OP_KINDS, type Op, onFile } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';

/**
 * write(2) of the file by another process, through the page cache.
 * mm/filemap.c: generic_perform_write(); fs/ext4/inode.c: ext4_write_begin() attaches buffers and, on stable pages,
 * waits for writeback (folio_wait_stable()).
 */
const steps: { readonly [K in 'W1']: number } = procedure('buffered_write', {
  W1: (m, t) => {
    const file = m.task.other[t]!;
    const pfn = m.cacheFolio(file);
    const { dirtyTracked, stablePages } = m.filesystems[file]!;
    if (stablePages && (m.flags[pfn]! & F_WRITEBACK) !== 0) return END_BLOCKED;
    m.extendTo(file);
    m.store(pfn, m.task.token[t]!);
    if (dirtyTracked) {
      m.attachBuffers(pfn);
      m.flags[pfn]! |= F_DIRTY | F_COVERED;
    }
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const BUFFERED_WRITE = {
  kind: 'buffered_write',
  task: 'other',
  args: { file: { is: 'file' }, part: PART as Part },
  sends: ['file', 'token'],
} as const;

export const bufferedWrite: Op<typeof BUFFERED_WRITE> = {
  ...BUFFERED_WRITE,
  weight: 2,
  words: (s) => `another process write(2)s ${partOf(s.part)}${s.file}`,
  title: 'write(2) to the file by another process',
  kernel: 'mm/filemap.c: generic_perform_write()',
  live: {
    how: 'write(2)',
    executor: {
      byCoordinator: `
	memset(S->io, 0, PAGE);
	fill(S->io, step->token);
	return called(CALL(SYS_pwrite64, SH->fd[step->file], S->io, PAGE, 0));
`,
    },
    c: (s, t) => t.need('write', t.helper('buffered_write', t.name('file', s.file), s.token)),
    helpers: [
      {
        name: 'buffered_write',
        needs: [],
        code: `
static long buffered_write(int file, long content)
{
	long data[PAGE / sizeof(long)];
	ssize_t n;
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = content;
	n = pwrite(file_fd[file], data, PAGE, 0);
	return n == PAGE ? 0 : n < 0 ? -errno : -EIO;
}
`,
      },
    ],
  },
  shows: [],
  cost: 1,
  storer: 'write(2)',
  stores: true,
  ...onFile(OP_KINDS.indexOf('buffered_write'), BY_PART, () => true),
  start: (m, t, step, token) => {
    m.task.other[t] = aOf(step);
    m.task.token[t] = token;
    return steps.W1;
  },
  apply: (ref, step, token) => ref.fileStore(aOf(step), token),
};
