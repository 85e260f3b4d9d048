/**
 * A long-term pin for writing is refused on mappings whose filesystem must hear of every write; O_DIRECT pins
 * its buffer.
 *
 * Source: 54cbbbf3faaf ("mm/mmap: separate writenotify and dirty tracking logic"), 8ac268436e6d ("mm/gup:
 *   disallow FOLL_LONGTERM GUP-nonfast writing to file-backed mappings"), a6e79df92e4a ("mm/gup: disallow
 *   FOLL_LONGTERM GUP-fast writing to file-backed mappings"), c8070b787519 ("mm: Don't pin ZERO_PAGE in
 *   pin_user_pages()"), a7e689dd1c06 ("block: Convert bio_iov_iter_get_pages to use iov_iter_extract_pages"),
 *   1ccf164ec866 ("block: Use iov_iter_extract_pages() and page pinning in direct-io.c"), v6.5; d824ec2a1546
 *   ("mm: do not reclaim private data from pinned page"), v6.4. Stands for v6.5 on; what later releases
 *   changed is outside this model.
 * Right: nobody can hold a shared ext4, xfs or btrfs page for writing for ever. O_DIRECT survives a fork
 *   (B07). A pinned folio keeps its filesystem state, so a late dirtying does not lose the data (B47, B48).
 *   Pins leave the zero page alone (B37).
 * Price: legitimate users get EFAULT (B59). Short pins and GETs still write behind the filesystem's back:
 *   O_DIRECT read into a shared file mapping, process_vm_writev (B46, B49, B51, B54, B56 are open).
 * Not modelled: hugetlb, secretmem and fsdax in the tests of 2.6; ramfs, refused by fast and accepted by
 *   slow; NFS and Ceph O_DIRECT, which stay with GET; bounced O_DIRECT (7.x); large folios (v6.9, v6.15).
 */
import { before, derive, otherwise, type Policy, rule, table, without } from '../machine/policy.ts';
import { anonExclusive } from './v6.2-anon-exclusive.ts';

export const longtermBan: Policy = derive(
  anonExclusive,
  {
    id: 'v6.5-longterm-ban',
    alias: 'longterm-ban',
    title: 'as v6.2, no long-term W pins of dirty-tracked file pages; O_DIRECT pins',
    sources: [
      '54cbbbf3faaf ("mm/mmap: separate writenotify and dirty tracking logic"), v6.5',
      '8ac268436e6d ("mm/gup: disallow FOLL_LONGTERM GUP-nonfast writing to file-backed mappings"), v6.5',
      'a6e79df92e4a ("mm/gup: disallow FOLL_LONGTERM GUP-fast writing to file-backed mappings"), v6.5',
      'c8070b787519 ("mm: Don\'t pin ZERO_PAGE in pin_user_pages()"), v6.5',
      'a7e689dd1c06 ("block: Convert bio_iov_iter_get_pages to use iov_iter_extract_pages"), v6.5',
      '1ccf164ec866 ("block: Use iov_iter_extract_pages() and page pinning in direct-io.c"), v6.5',
      'd824ec2a1546 ("mm: do not reclaim private data from pinned page"), v6.4',
      'releases v6.5 on, as far as modelled',
    ],
  },
  {
    gupKind: [
      // Files are GUP's business now (B58).
      without('io_uring: no file-backed buffers'),
      before(
        'otherwise',
        rule(
          'O_DIRECT: iov_iter_extract_pages',
          (f) => f.caller === 'o_direct_read' || f.caller === 'o_direct_write',
          'PIN',
        ),
      ),
    ],
    gupSlow: [
      // check_vma_flags(), before any look at the page.
      before(
        'no page, FOLL_WRITE',
        rule(
          'writable_file_mapping_allowed()',
          (f) => f.write && f.pin && f.longterm && f.dirtyTracked,
          'EFAULT',
        ),
      ),
    ],
    gupFast: [
      // An allow-list, and not an error: the slow path has the VMA and decides.
      before(
        'R/O pin of an anon page, not exclusive',
        rule(
          'folio_fast_pin_allowed()',
          (f) => f.write && f.pin && f.longterm && f.frame !== 'anon' && !f.shmem,
          'bail',
        ),
      ),
    ],
    zeroPagePin: [table(otherwise('skip'))],
    stripBuffers: [
      // d824ec2a1546. A GET is invisible to it.
      before(
        'otherwise',
        rule('reclaim, maybe pinned', (f) => f.by === 'reclaim' && f.maybeDmaPinned, 'keep'),
      ),
    ],
  },
);
