import type { Property } from '../src/property/property.ts';

/** F1: the filesystem is told before a clean page is written to. */
export const fsNotified: Property = {
  id: 'fs-notified',
  claim: 'No folio of a file becomes dirty unless page_mkwrite or write(2) ran since it was last cleaned.',
  why: 'Allocation, reservation, reflink breaking and journalling happen in page_mkwrite alone. Known and unsolved for short pins.',
  sources: [
    'Documentation/core-api/pin_user_pages.rst',
    'LWN 2018 "The trouble with get_user_pages()"',
    'docs/model.md F1',
  ],
  observes: ['dirtied'],
  needs: 'tracked file',
  implies: [],
  violated: (o) => (o.covered ? '' : 'unnotified'),
  sometimes: {
    goal: 'a folio of a file was dirtied at unpin',
    takes: ['dirtying at unpin'],
    reached: () => true,
  },
};
