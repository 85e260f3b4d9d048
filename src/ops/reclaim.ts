import { BY_PRESSURE, reclaimSteps } from '../machine/reclaim.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const RECLAIM = { kind: 'reclaim', task: 'kernel', args: { file: { is: 'file' } } } as const;

export const reclaim: Op<typeof RECLAIM> = {
  ...RECLAIM,
  weight: 4,
  title: 'memory pressure takes the clean page: unmap, strip buffers, free',
  kernel: 'mm/vmscan.c: shrink_folio_list()',
  live: 'memory pressure in a cgroup; MADV_PAGEOUT of a file mapping',
  ...onFile(OP_KINDS.indexOf('reclaim'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_PRESSURE;
    return reclaimSteps.V1;
  },
  apply: () => {},
};
