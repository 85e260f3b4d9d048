import type { Property } from '../src/property/property.ts';

/** G9: a mapping allows what it was made for, and nothing else. */
export const protection: Property = {
  id: 'protection',
  claim:
    'No store, load or reference succeeds where the mapping forbids it, and what the mapping allows does not fault.',
  why: 'Otherwise a read-only mapping can be written to, or a process that did nothing wrong is killed.',
  sources: ['mmap(2)', 'mprotect(2)', 'madvise(2)', 'docs/model.md G9'],
  observes: ['access'],
  needs: 'any page',
  implies: [],
  violated: (o) => {
    if (o.refused) return o.allowed ? 'refused' : '';
    return o.allowed ? '' : 'unprotected';
  },
  sometimes: {
    goal: 'a store to a mapping that forbids it ended in SIGSEGV, or a reference for writing in EFAULT',
    takes: [],
    reached: (o) => o.refused && !o.allowed,
  },
};
