/**
 * read(2) and write(2) of the file by another process, through the page cache.
 * mm/filemap.c: filemap_read(), generic_perform_write(); fs/ext4/inode.c: ext4_write_begin().
 */
import { EV_FILE_READ, F_COVERED, F_DIRTY, F_WRITEBACK } from '../machine/machine.ts';
import { END_BLOCKED, END_DONE, procedure } from '../machine/procedures.ts';
import { aOf, OP_KINDS, type Op, onFile } from './op.ts';

const steps: { readonly [K in 'read' | 'write']: number } = procedure('buffered', {
  read: (m, t) => {
    const file = m.task.other[t]!;
    m.emit(EV_FILE_READ, file, 0, m.content[m.cacheFolio(file)]!, 0);
    return END_DONE;
  },
  // write_begin attaches buffers and, on stable pages, waits for writeback (folio_wait_stable).
  write: (m, t) => {
    const file = m.task.other[t]!;
    const pfn = m.cacheFolio(file);
    const { dirtyTracked, stablePages } = m.filesystems[file]!;
    if (stablePages && (m.flags[pfn]! & F_WRITEBACK) !== 0) return END_BLOCKED;
    m.content[pfn] = m.task.token[t]!;
    if (dirtyTracked) {
      m.attachBuffers(pfn);
      m.flags[pfn]! |= F_DIRTY | F_COVERED;
    }
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const BUFFERED_READ = {
  kind: 'buffered_read',
  task: 'other',
  args: { file: { is: 'file' } },
} as const;

export const bufferedRead: Op = {
  ...BUFFERED_READ,
  weight: 1,
  title: 'read(2) of the file by another process',
  kernel: 'mm/filemap.c: filemap_read()',
  live: 'read(2)',
  ...onFile(OP_KINDS.indexOf('buffered_read'), 1, () => true),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return steps.read;
  },
  apply: () => {},
};

/** What its steps say (args.ts). */
export const BUFFERED_WRITE = {
  kind: 'buffered_write',
  task: 'other',
  args: { file: { is: 'file' } },
} as const;

export const bufferedWrite: Op = {
  ...BUFFERED_WRITE,
  weight: 2,
  title: 'write(2) to the file by another process',
  kernel: 'mm/filemap.c: generic_perform_write()',
  live: 'write(2)',
  stores: true,
  ...onFile(OP_KINDS.indexOf('buffered_write'), 1, () => true),
  start: (m, t, step, token) => {
    m.task.other[t] = aOf(step);
    m.task.token[t] = token;
    return steps.write;
  },
  apply: (ref, step, token) => ref.fileStore(aOf(step), token),
};
