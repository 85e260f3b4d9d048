import { BY_DROPPING, reclaimSteps } from '../machine/reclaim.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const DROP_CACHES = {
  kind: 'drop_caches',
  task: 'kernel',
  args: { file: { is: 'file' } },
  sends: ['file'],
} as const;

export const dropCaches: Op<typeof DROP_CACHES> = {
  ...DROP_CACHES,
  weight: 2,
  words: (s) => `the page of ${s.file} is dropped from the cache, if it can be`,
  title: 'drop_caches or fadvise(DONTNEED) takes the clean unmapped page',
  kernel: 'mm/truncate.c: invalidate_mapping_pages(), mapping_evict_folio()',
  live: {
    how: '/proc/sys/vm/drop_caches, posix_fadvise(POSIX_FADV_DONTNEED)',
    request: true,
    writesFirst: true,
    executor: {
      byCoordinator: `
	return called(CALL(SYS_fadvise64, SH->fd[step->file], 0, 0, POSIX_FADV_DONTNEED));
`,
    },
    c: (s, t) => t.need('posix_fadvise', t.helper('drop_caches', t.name('file', s.file))),
    helpers: [
      {
        name: 'drop_caches',
        needs: [],
        code: `
/* Drops the page of this file, if it is clean and nobody uses it. */
static long drop_caches(int file)
{
	return -posix_fadvise(file_fd[file], 0, 0, POSIX_FADV_DONTNEED);
}
`,
      },
    ],
  },
  shows: [],
  cost: 1,
  plainer: (s) => [{ task: 'kernel', op: 'reclaim', file: s.file }],
  whyNot: ({ shape }, s) =>
    `${s.file} is ${shape.setup.files.find((f) => f.name === s.file)!.filesystem}, which stays in memory`,
  ...onFile(OP_KINDS.indexOf('drop_caches'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_DROPPING;
    return reclaimSteps.V1;
  },
  apply: () => {},
};
