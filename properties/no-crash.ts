import type { Property } from '../src/property/property.ts';

/** F7: no BUG and no WARN from allowed calls. */
export const noCrash: Property = {
  id: 'no-crash',
  claim: 'No interleaving of allowed calls leads to a BUG or a warning in the kernel.',
  why: 'An unprivileged user stops the machine: ext4 BUG on a page that was dirtied behind its back.',
  sources: ['commit cc5095747edf', 'docs/model.md F7'],
  observes: ['writeback-lost', 'dirtied'],
  needs: 'tracked file',
  implies: ['fs-state'],
  violated: (o) => (o.kind === 'writeback-lost' ? (o.bug ? 'bug' : 'warning') : ''),
  sometimes: {
    goal: 'a folio of a file was dirtied at unpin after its buffers were stripped, or with them',
    takes: ['dirtying at unpin'],
    reached: (o) => o.kind === 'dirtied',
  },
};
