import type { Property } from '../src/property/property.ts';

/** G3: page and reference stay one, both ways. */
export const pinCoherence: Property = {
  id: 'pin-coherence',
  claim:
    'While a page is pinned, and its owner does not replace the mapping, device and process see the same memory.',
  why: 'RDMA, VFIO and io_uring buffers: the device reads old data, or what it writes never arrives.',
  sources: [
    'Documentation/core-api/pin_user_pages.rst',
    'tools/testing/selftests/mm/cow.c',
    'docs/model.md G3',
  ],
  observes: ['load', 'file-read', 'device-load'],
  needs: 'any page',
  implies: [],
  violated: (o) => {
    if (o.kind === 'device-load') {
      if (o.exact && o.provenance === 'stale') return 'stale';
      return o.exact && o.provenance === 'leak' && (!o.privatePage || o.fromFile) ? 'leak' : '';
    }
    return o.provenance === 'stale' && o.storedBy === 'device' ? 'stale' : '';
  },
  sometimes: {
    goal: 'a device read through a PIN what was stored after it was taken',
    takes: ['a load through a pin'],
    reached: (o) => o.kind === 'device-load' && o.ref === 'PIN' && o.exact && o.storedSinceTake,
  },
};
