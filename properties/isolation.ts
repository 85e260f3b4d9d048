import type { Property } from '../src/property/property.ts';

/** G1: what one process writes after fork stays with it. */
export const isolation: Property = {
  id: 'isolation',
  claim:
    'In a private mapping, data written after fork(2) by one process is never seen by another, by no path.',
  why: 'A child that keeps a reference reads the secrets of its parent, or the other way round (Android zygote, CVE-2020-29374).',
  sources: ['CVE-2020-29374', 'fork(2)', 'tools/testing/selftests/mm/cow.c', 'docs/model.md G1'],
  observes: ['load', 'device-load', 'dio-write'],
  needs: 'any page',
  implies: [],
  violated: (o) => (o.privatePage && o.provenance === 'leak' && !o.fromFile ? 'leak' : ''),
  sometimes: {
    goal: 'a page was looked at after fork when the copies had parted',
    takes: ['copies of a private page', 'a load'],
    reached: (o) => o.kind === 'load' && o.privatePage && o.reference.diverged(o.a, o.b),
  },
};
