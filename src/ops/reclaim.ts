/**
 * Taking a clean file page out of the page cache: memory pressure (mm/vmscan.c: shrink_folio_list()), or
 * drop_caches and fadvise (mm/truncate.c: mapping_evict_folio()). Both need the reference count to be what page
 * cache and private state explain; whether private state goes first is the policy's `stripBuffers`.
 */
import { DECISION_NAMES } from '../machine/decisions.ts';
import { F_BUFFERS, F_DIRTY, F_WRITEBACK, type Machine, NO_PFN, P_DIRTY } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, procedure } from '../machine/procedures.ts';
import { aOf, isTracked, OP_KINDS, type Op, onFile } from './op.ts';

const STRIP_BUFFERS = DECISION_NAMES.indexOf('stripBuffers');
/** Who takes the page: a fact of stripBuffers. */
const BY_PRESSURE = 0;
const BY_DROPPING = 1;

const steps: { readonly [K in 'V1' | 'V2']: number } = procedure('reclaim', {
  // shrink_folio_list(): not under writeback; try_to_unmap() first, which may find dirty PTEs.
  V1: (m, t) => {
    const pfn = m.cache[m.task.other[t]!]!;
    if (pfn === NO_PFN || (m.flags[pfn]! & F_WRITEBACK) !== 0) return END_NO_EFFECT;
    if (m.task.kind[t] === BY_DROPPING) return m.mapcount[pfn]! > 0 ? END_NO_EFFECT : steps.V2;
    // A dirty page is left to the flusher and stays mapped.
    if (isDirty(m, pfn)) return END_NO_EFFECT;
    for (let i = 0; i < m.pte.length; i++) if (m.pfn[i] === pfn) m.zap(i);
    return steps.V2;
  },
  // filemap_release_folio(), then __remove_mapping().
  V2: (m, t) => {
    const file = m.task.other[t]!;
    const pfn = m.cache[file]!;
    if ((m.flags[pfn]! & F_DIRTY) !== 0) return END_NO_EFFECT;
    if ((m.flags[pfn]! & F_BUFFERS) !== 0) {
      m.facts[0] = m.task.kind[t]!;
      m.facts[1] = m.maybeDmaPinned(pfn) ? 1 : 0;
      m.facts[2] = m.extraRefs(pfn) ? 1 : 0;
      if (m.ask(STRIP_BUFFERS) === 1) return END_DONE;
      m.stripBuffers(pfn);
    }
    if (m.extraRefs(pfn)) return END_DONE;
    m.cache[file] = NO_PFN;
    m.put(pfn);
    return END_DONE;
  },
});

function isDirty(m: Machine, pfn: number): boolean {
  if ((m.flags[pfn]! & F_DIRTY) !== 0) return true;
  for (let i = 0; i < m.pte.length; i++) if (m.pfn[i] === pfn && (m.pte[i]! & P_DIRTY) !== 0) return true;
  return false;
}

/** What its steps say (args.ts). */
export const RECLAIM = { kind: 'reclaim', task: 'kernel', args: { file: { is: 'file' } } } as const;

export const reclaim: Op = {
  ...RECLAIM,
  weight: 4,
  title: 'memory pressure takes the clean page: unmap, strip buffers, free',
  kernel: 'mm/vmscan.c: shrink_folio_list()',
  live: 'memory pressure in a cgroup; MADV_PAGEOUT of a file mapping',
  ...onFile(OP_KINDS.indexOf('reclaim'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_PRESSURE;
    return steps.V1;
  },
  apply: () => {},
};

/** What its steps say (args.ts). */
export const DROP_CACHES = { kind: 'drop_caches', task: 'kernel', args: { file: { is: 'file' } } } as const;

export const dropCaches: Op = {
  ...DROP_CACHES,
  weight: 2,
  title: 'drop_caches or fadvise(DONTNEED) takes the clean unmapped page',
  kernel: 'mm/truncate.c: invalidate_mapping_pages(), mapping_evict_folio()',
  live: '/proc/sys/vm/drop_caches, posix_fadvise(POSIX_FADV_DONTNEED)',
  ...onFile(OP_KINDS.indexOf('drop_caches'), 1, isTracked),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    m.task.kind[t] = BY_DROPPING;
    return steps.V1;
  },
  apply: () => {},
};
