/**
 * A write fault reuses an anonymous page that one page table maps, whoever else holds a reference to it.
 *
 * Source: the rule is older than git; releases up to v5.7 (the fault code is still that of v5.8). The
 *   references are those of eddb1c228f79 ("mm/gup: introduce pin_user_pages*() and FOLL_PIN"), v5.6, and
 *   3faa52c03f44 ("mm/gup: track FOLL_PIN pages"), v5.7: a pin is counted, but no decision looks at it. Facts
 *   2.2.
 * Right: a page that its owner write-protected by whatever means (mprotect, clear_refs) and that nobody else
 *   maps is written in place, so a pin taken before stays coherent. No needless copies.
 * Price: a GUP reference keeps the frame of a page that was unmapped on its own side, and the other side goes
 *   on writing into it: CVE-2020-29374 in both directions (B01, B02). A pin held over fork is on the wrong
 *   side of the copy (B06). A R/O pin of a page shared after fork goes stale at the next write (B17), of the
 *   zero page or a private file page likewise (B18, B19). The filesystem's state is taken off a clean folio
 *   under a pin (B47).
 * Not modelled: swap counts (nothing is swapped out, so map + swap count is the map count); KSM; the
 *   stable-write test of swap; THP and hugetlb, which had the same idea in code of their own; fsdax.
 */
import { otherwise, type Policy, rule } from '../machine/policy.ts';

export const mapcount: Policy = {
  id: 'v5.7-mapcount',
  alias: 'mapcount',
  title: 'reuse on a write fault by map count; GUP and fork look at nothing',
  sources: [
    'eddb1c228f79 ("mm/gup: introduce pin_user_pages*() and FOLL_PIN"), v5.6',
    '3faa52c03f44 ("mm/gup: track FOLL_PIN pages"), v5.7',
    'releases up to v5.7',
  ],
  keeps: { anonExclusive: false, hasPinned: false },
  claims: [],
  tables: {
    wpFault: [
      // reuse_swap_page(): map count plus swap count.
      rule('only mapping', (f) => f.mapcount === 1 && f.swapCount === 0, 'reuse'),
      otherwise('copy'),
    ],

    // FAULT_FLAG_UNSHARE does not exist and nothing asks for it.
    unshareFault: [otherwise('none', 'no unshare fault')],

    // copy_one_pte(): pins are not looked at.
    forkPte: [otherwise('share')],

    gupKind: [
      rule('pin_user_pages', (f) => f.caller === 'pin', 'PIN'),
      rule(
        'process_vm_access',
        (f) => f.caller === 'process_vm_readv' || f.caller === 'process_vm_writev',
        'PIN',
      ),
      // io_sqe_buffer_register() refuses file-backed memory, shmem and hugetlb excepted.
      rule(
        'io_uring: no file-backed buffers',
        (f) => f.caller === 'fixed_buffer' && (f.vma === 'private-file' || f.vma === 'shared-file'),
        'EOPNOTSUPP',
      ),
      rule('io_uring: fixed buffer', (f) => f.caller === 'fixed_buffer', 'PIN'),
      // get_user_pages, vmsplice, O_DIRECT.
      otherwise('GET'),
    ],

    gupSlow: [
      rule('no page, FOLL_WRITE', (f) => f.frame === 'none' && f.write, 'write fault'),
      rule('no page', (f) => f.frame === 'none', 'read fault'),
      rule('FOLL_WRITE on a R/O pte', (f) => f.write && !f.pteWrite, 'write fault'),
      otherwise('return'),
    ],

    gupFast: [rule('FOLL_WRITE on a R/O pte', (f) => f.write && !f.pteWrite, 'bail'), otherwise('return')],

    zeroPagePin: [otherwise('count')],

    protectUpgrade: [
      // No page_mkwrite and no dirty accounting to be told: the VMA's protection itself is writable.
      rule('shared, no writenotify', (f) => f.vmaShared && !f.dirtyTracked, 'upgrade'),
      // dirty_accountable: page_mkwrite has run for this PTE and the folio was not cleaned since.
      rule('shared, already dirty', (f) => f.vmaShared && f.pteDirty, 'upgrade'),
      otherwise('keep'),
    ],

    // pageout and invalidation call try_to_release_page() before they look at references.
    stripBuffers: [otherwise('strip')],

    wbBegin: [otherwise('write')],

    unpinDirty: [otherwise('dirty')],

    // reuse_swap_page() asks for nothing but map count and swap count, and what is reused leaves the swap cache.
    freeSwap: [
      rule(
        'reuse_swap_page()',
        (f) => f.faultWrite && f.swapCount === 0 && f.mapcount === (f.at === 'swap-in' ? 0 : 1),
        'free',
      ),
      otherwise('keep'),
    ],
    swapinMap: [
      rule('reuse_swap_page()', (f) => f.faultWrite && f.mapcount === 0 && f.swapCount === 0, 'own'),
      otherwise('read-only'),
    ],
  },
};
