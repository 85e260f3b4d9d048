import type { Property } from '../src/property/property.ts';

/** F3: a dirty folio has the filesystem's private state. */
export const fsState: Property = {
  id: 'fs-state',
  claim: 'A dirty folio of a file has its buffers, reservation or delayed allocation attached.',
  why: 'Without them writeback cannot know where the data belongs: ext4 stopped with a BUG, and warns and drops it today.',
  sources: ['commit cc5095747edf', 'docs/model.md F3'],
  observes: ['dirtied'],
  needs: 'tracked file',
  implies: ['fs-notified'],
  violated: (o) => (o.buffers ? '' : 'stateless'),
  sometimes: {
    goal: 'a folio of a file was dirtied at unpin with nobody notified since it was cleaned',
    takes: ['dirtying at unpin behind its back'],
    reached: (o) => !o.covered,
  },
};
