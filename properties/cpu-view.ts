import type { Property } from '../src/property/property.ts';

/** G2: a process reads its own last write. */
export const cpuView: Property = {
  id: 'cpu-view',
  claim:
    'A load shows the last store to the page by a CPU that may write it; read(2) and shared mappings agree.',
  why: 'Anything else is silent loss of data in a program that did nothing unusual.',
  sources: ['mmap(2)', 'docs/model.md G2'],
  observes: ['load', 'file-read'],
  needs: 'any page',
  implies: [],
  violated: (o) => {
    if (o.provenance === 'stale' && o.storedBy !== 'device') return 'stale';
    return o.provenance === 'leak' && (!o.privatePage || o.fromFile) ? 'leak' : '';
  },
  sometimes: {
    goal: 'a process loaded what a CPU had stored',
    takes: ['a load', 'a store'],
    reached: (o) => o.kind === 'load' && o.storedBy === 'cpu',
  },
};
