/**
 * A GUP of a page in a private mapping breaks COW first, even if it only wants to read: it behaves like a
 * write.
 *
 * Source: 17839856fd58 ("gup: document and work around "COW can break either way" issue"), v5.8, in stable
 *   from 5.7.3, in 4.14.y and 4.19.y since 2021. Gone in v5.9.
 * Right: a reference taken after fork has a frame of its own, so the other side cannot write into it (B01),
 *   and as a by-product R/O pins of shared pages, of the zero page and of private file pages are coherent
 *   (B17, B18, B19).
 * Price: readers raise write faults: untouched pages get allocated, file and fork sharing is broken up,
 *   userfaultfd sees write-protect events from reads (B12). A reference taken before fork is as badly off as
 *   before (B02, B06).
 * Not modelled: THP, hugetlb, KSM and swap (all unprotected then); FOLL_FORCE; the IRQ-safe fast-only walk,
 *   which kept the behaviour of v5.7.
 */
import { before, derive, type Policy, rule } from '../machine/policy.ts';
import { mapcount } from './v5.7-mapcount.ts';

export const cowBreak: Policy = derive(
  mapcount,
  {
    id: 'v5.8-cow-break',
    alias: 'cow-break',
    title: 'as v5.7, but any GUP of a private page breaks COW first',
    sources: [
      '17839856fd58 ("gup: document and work around "COW can break either way" issue"), v5.8',
      'releases v5.8, 5.7.3, 4.19.y and 4.14.y of 2021',
    ],
  },
  {
    gupSlow: [
      before(
        'no page',
        rule('should_force_cow_break(), no page', (f) => f.frame === 'none' && !f.vmaShared, 'write fault'),
      ),
      before(
        'FOLL_WRITE on a R/O pte',
        // can_follow_write_pte(): the fault has copied, but the VMA lacks VM_WRITE and the PTE stays R/O.
        rule('FOLL_COW and a dirty pte', (f) => f.follCow && f.pteDirty, 'return'),
        rule('should_force_cow_break()', (f) => !f.vmaShared && !f.pteWrite, 'write fault'),
      ),
    ],
    gupFast: [
      // No VMA at hand: the walk always has FOLL_WRITE, on shared mappings too.
      before(
        'otherwise',
        rule('walk as if FOLL_WRITE', (f) => !f.pteWrite, 'bail'),
      ),
    ],
  },
);
