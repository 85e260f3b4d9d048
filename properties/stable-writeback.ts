import type { Property } from '../src/property/property.ts';

/** F2: on stable mappings contents do not change under writeback. */
export const stableWriteback: Property = {
  id: 'stable-writeback',
  claim:
    'On a filesystem that needs stable pages, a folio does not change between the start and the end of writeback.',
  why: 'The checksum or parity was computed at the start: a later read fails, or a mirror differs.',
  sources: ['Documentation/core-api/pin_user_pages.rst', 'docs/model.md F2'],
  observes: ['writeback-end', 'dio-write'],
  needs: 'stable pages',
  implies: [],
  violated: (o) => (o.stablePages && o.changed ? 'unstable' : ''),
  sometimes: {
    goal: 'writeback of stable pages ended',
    takes: ['writeback'],
    reached: (o) => o.kind === 'writeback-end' && o.stablePages,
  },
};
