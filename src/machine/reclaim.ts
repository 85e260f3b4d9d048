/**
 * Taking a clean file page out of the page cache: memory pressure (mm/vmscan.c: shrink_folio_list()), or
 * drop_caches and fadvise (mm/truncate.c: mapping_evict_folio()). All of it is the policy's: whether it is unmapped
 * (`reclaimUnmap`), whether private state goes first (`stripBuffers`), and which references stop it (`removeMapping`).
 */
import { NO_FILE } from '../domain/setup.ts';
import { NO_PTE } from './facts.ts';
import { F_BUFFERS, F_DIRTY, F_WRITEBACK, NO_PFN } from './machine.ts';
import { END_DONE, END_NO_EFFECT, RMAP_LOCKS, procedure } from './procedures.ts';

/** Who takes the page: a fact of stripBuffers. */
export const BY_PRESSURE = 0;
export const BY_DROPPING = 1;

/** What reclaim and drop_caches start at: V1, with who takes the page in the task's `kind`. */
export const reclaimSteps: { readonly [K in 'V1' | 'V2']: number } = procedure(
  'reclaim',
  {
    // shrink_folio_list(): not under writeback; try_to_unmap() first, which may find dirty PTEs.
    V1: (m, t) => {
      const pfn = m.cache[m.task.other[t]!]!;
      if (pfn === NO_PFN || (m.flags[pfn]! & F_WRITEBACK) !== 0) return END_NO_EFFECT;
      if (m.ask.reclaimUnmap(t, NO_PTE, pfn) === 'keep') return END_NO_EFFECT;
      for (let i = 0; i < m.pte.length; i++) if (m.pfn[i] === pfn) m.zap(t, i);
      return reclaimSteps.V2;
    },
    // filemap_release_folio(), then __remove_mapping().
    V2: (m, t) => {
      const file = m.task.other[t]!;
      const pfn = m.cache[file]!;
      if ((m.flags[pfn]! & F_DIRTY) !== 0) return END_NO_EFFECT;
      if ((m.flags[pfn]! & F_BUFFERS) !== 0) {
        if (m.ask.stripBuffers(t, NO_PTE, pfn) === 'keep') return END_DONE;
        m.stripBuffers(pfn);
      }
      if (m.ask.removeMapping(t, NO_PTE, pfn) === 'keep') return END_DONE;
      m.cache[file] = NO_PFN;
      m.mapping[pfn] = NO_FILE;
      m.put(pfn);
      return END_DONE;
    },
  },
  { V1: { takes: RMAP_LOCKS } },
);
