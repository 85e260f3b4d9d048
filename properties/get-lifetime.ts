import type { Property } from '../src/property/property.ts';

/** G4, G5: the folio of a reference is not freed, and held its page's content when the reference was taken. */
export const getLifetime: Property = {
  id: 'get-lifetime',
  claim:
    'A reference keeps its folio from being freed, and shows nothing older than what its page held when it was taken.',
  why: 'A folio freed under a reference is a use-after-free by DMA.',
  sources: ['CVE-2019-11487', 'Documentation/core-api/pin_user_pages.rst', 'docs/model.md G4, G5'],
  observes: ['device-load', 'dio-write', 'freed'],
  needs: 'any page',
  implies: [],
  violated: (o) => {
    if (o.kind === 'freed') return 'use-after-free';
    if (o.kind === 'device-load' && o.exact) return '';
    if (o.provenance === 'leak' && (!o.privatePage || o.fromFile)) return 'leak';
    return o.provenance === 'stale' ? 'stale' : '';
  },
  sometimes: {
    goal: 'a device read through a reference whose mapping was gone',
    takes: ['a reference to a private page', 'a load by a device'],
    reached: (o) => o.kind === 'device-load' && o.detached,
  },
};
