import type { Property } from '../src/property/property.ts';

/** F4: what was dirtied before fsync is on disk after it. */
export const durability: Property = {
  id: 'durability',
  claim:
    'After fsync(2) the disk holds what was stored to the file before it; for a device from unpin(dirty) on.',
  why: 'A database that was told its data is safe loses it.',
  sources: ['fsync(2)', 'docs/model.md F4'],
  observes: ['disk'],
  needs: 'tracked file',
  implies: [],
  violated: (o) => (o.provenance === 'match' ? '' : o.provenance),
  sometimes: {
    goal: 'fsync returned after a store to the file',
    takes: ['a store to a file'],
    reached: (o) => o.storedBy !== 'initial',
  },
};
