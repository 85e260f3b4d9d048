import { BY_DROPPING, reclaimSteps } from '../machine/reclaim.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const DROP_CACHES = { kind: 'drop_caches', task: 'kernel', args: { file: { is: 'file' } } } as const;

export const dropCaches: Op<typeof DROP_CACHES> = {
  ...DROP_CACHES,
  weight: 2,
  title: 'drop_caches or fadvise(DONTNEED) takes the clean unmapped page',
  kernel: 'mm/truncate.c: invalidate_mapping_pages(), mapping_evict_folio()',
  live: '/proc/sys/vm/drop_caches, posix_fadvise(POSIX_FADV_DONTNEED)',
  ...onFile(OP_KINDS.indexOf('drop_caches'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_DROPPING;
    return reclaimSteps.V1;
  },
  apply: () => {},
};
