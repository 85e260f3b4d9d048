/**
 * Why mutants of built-in rules survive: as data, found by reading the kernel's and the model's source. A reason is
 * given to survivors only, whatever their verdict. The first entry that applies counts.
 */
import type { DecisionName } from '../machine/decisions.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { findPolicy } from '../policies/index.ts';
import type { Judged } from './judge.ts';
import type { Mutation, MutationKind } from './mutants.ts';

export interface Reason {
  readonly table: DecisionName;
  /** Of that table; absent: every rule. */
  readonly rule?: string;
  readonly kind?: MutationKind;
  /** The other answers or rules (Mutation.with); absent: any. */
  readonly with?: readonly string[];
  /** Ids of the built-in policies of which it is true; absent: all that have the rule. */
  readonly policies?: readonly string[];
  readonly reason: string;
}

const REFUSALS = ['EFAULT', 'EOPNOTSUPP'];
/** Eras in which no rule reads whether a reference is a pin, nor how many there are. */
const BEFORE_PAGE_COUNT = ['v5.7-mapcount', 'v5.8-cow-break'];
const FILE_BUFFERS = 'io_uring: no file-backed buffers';
const COW_BREAK_NO_PAGE = 'should_force_cow_break(), no page';
const UNSHARE_ANON = 'R/O pin of an anon page, not exclusive';
const UNSHARE_COW = 'R/O long-term pin in a COW mapping';
const ALREADY_REUSED =
  'write faults of the canary never copy, so that no reference is ever left behind by one, exclusive page or not';

export const REASONS: readonly Reason[] = [
  {
    table: 'wpFault',
    rule: 'only reference',
    reason:
      'with one reference there is nobody else who could tell a copy from the page itself: the rule saves the copy',
  },

  {
    table: 'unshareFault',
    rule: 'no unshare fault',
    reason: 'no rule of this era asks for an unshare fault',
  },
  {
    table: 'unshareFault',
    rule: 'exclusive',
    reason:
      'gupSlow asks for an unshare fault of an anonymous page only if it is not exclusive; in the kernel another ' +
      'thread may make it so in between, here an operation is not interrupted',
  },
  {
    table: 'unshareFault',
    rule: 'only reference',
    reason:
      'with one reference there is nobody else who could tell a copy from the page itself: the rule saves the copy',
  },

  {
    table: 'forkPte',
    rule: 'otherwise',
    with: ['copy'],
    reason:
      'a child with a copy of every page has what fork promises, and its parent keeps its pages: sharing saves ' +
      'memory, and the copies of pages that nobody stores to',
  },

  {
    table: 'forkPte',
    rule: 'otherwise',
    with: ['copy to parent'],
    policies: ['canary'],
    reason:
      'write faults of the canary never copy, so that sharing at fork breaks as much, and more, than to leave the child ' +
      'the page with its references',
  },

  {
    table: 'gupKind',
    with: REFUSALS,
    reason: 'no caller is promised that it gets a reference: a refusal breaks nothing, it only refuses more',
  },
  {
    table: 'gupKind',
    rule: FILE_BUFFERS,
    reason:
      'what a fixed buffer of file pages can then break is broken by a long-term pin of the caller `pin` as well, ' +
      'which this rule does not stop; a finding class does not tell them apart',
  },
  {
    table: 'gupKind',
    policies: BEFORE_PAGE_COUNT,
    reason: 'no rule of this era tells a pin from a GET: only the name of the reference changes',
  },
  {
    table: 'gupKind',
    rule: 'otherwise',
    with: ['PIN'],
    reason:
      'a pin keeps more promises than a GET. It costs copies at fork, and each caller would have to release with ' +
      'unpin what it now releases with put_page, which is why the kernel changes one caller at a time',
  },
  {
    table: 'gupKind',
    rule: 'O_DIRECT: iov_iter_extract_pages',
    policies: ['canary'],
    reason:
      'a pin saves O_DIRECT from fork, where open(2) promises nothing, and keeps the buffers of a file page until ' +
      'the late dirtying; unpin of the canary never dirties',
  },

  {
    table: 'gupSlow',
    with: REFUSALS,
    reason: 'no caller is promised that it gets a reference: a refusal breaks nothing, it only refuses more',
  },
  {
    table: 'gupSlow',
    rule: 'writable_file_mapping_allowed()',
    kind: 'swap',
    reason:
      'the write fault comes first and the refusal after it: a fault for nothing, which also tells the filesystem ' +
      'of a store that never comes',
  },
  {
    table: 'gupSlow',
    rule: 'no page, FOLL_WRITE',
    reason:
      'an unshare fault without a page is a read fault, and after a read fault the PTE is there and read-only, ' +
      'so that the rule for that case (or, on shmem, nothing) comes next: the rule saves a fault',
  },
  {
    table: 'gupSlow',
    rule: COW_BREAK_NO_PAGE,
    reason:
      'after a read fault the PTE of a private mapping is there and read-only, and should_force_cow_break() sends ' +
      'it to the write fault: the rule saves a fault',
  },
  {
    table: 'gupSlow',
    rule: 'no page',
    with: ['unshare fault'],
    reason: 'without a page an unshare fault is a read fault',
  },
  {
    table: 'gupSlow',
    rule: 'no page',
    kind: 'swap',
    reason: 'an empty PTE is never dirty: the two rules exclude each other',
  },
  {
    table: 'gupSlow',
    rule: 'no page',
    with: ['write fault'],
    reason:
      'reading through GUP then allocates the page, or tells the filesystem of a store that never comes: a price ' +
      '(B12), no broken promise',
  },
  {
    table: 'gupSlow',
    rule: 'FOLL_WRITE on a R/O pte',
    policies: ['canary'],
    kind: 'swap',
    reason: 'the unshare fault copies where its write faults do not: it breaks less',
  },
  {
    table: 'gupSlow',
    rule: 'FOLL_WRITE on a R/O pte',
    kind: 'swap',
    reason:
      'a W pin of a page that is not exclusive then unshares first and finds the PTE still read-only: the write ' +
      'fault comes second and reuses the page. One fault more',
  },
  {
    table: 'gupSlow',
    rule: UNSHARE_ANON,
    policies: ['canary'],
    kind: 'drop',
    reason: ALREADY_REUSED,
  },
  {
    table: 'gupSlow',
    rule: UNSHARE_ANON,
    policies: ['canary'],
    with: ['return'],
    reason: ALREADY_REUSED,
  },
  {
    table: 'gupSlow',
    rule: UNSHARE_ANON,
    with: ['write fault'],
    reason:
      'a write fault makes the page exclusive as well. The unshare fault spares the reader a dirty page and a ' +
      'write event of userfaultfd; neither is modelled',
  },
  {
    table: 'gupSlow',
    rule: UNSHARE_COW,
    with: ['write fault'],
    reason:
      'a write fault replaces the zero or file page as well. The unshare fault spares the reader a dirty page and ' +
      'a write event of userfaultfd; neither is modelled',
  },

  {
    table: 'gupFast',
    rule: 'otherwise',
    with: ['bail'],
    reason: 'the slow path does the same for every caller; speed is not modelled',
  },
  {
    table: 'gupFast',
    rule: 'FOLL_WRITE on a R/O pte',
    policies: ['v5.8-cow-break'],
    kind: 'negate',
    reason:
      'with "walk as if FOLL_WRITE" after it GUP-fast then always bails, and the slow path does the same',
  },
  {
    table: 'gupFast',
    rule: UNSHARE_ANON,
    policies: ['canary'],
    reason: ALREADY_REUSED,
  },

  {
    table: 'zeroPagePin',
    reason:
      'no rule reads the counters of the zero page. The kernel stopped counting because they could overflow (B37); ' +
      'no counter overflows here',
  },

  {
    table: 'protectUpgrade',
    with: ['keep'],
    reason: 'the next store faults and makes the PTE writable: the rule saves a fault',
  },
  {
    table: 'protectUpgrade',
    kind: 'drop',
    reason: 'the next store faults and makes the PTE writable: the rule saves a fault',
  },

  {
    table: 'stripBuffers',
    rule: 'otherwise',
    with: ['keep'],
    reason:
      'a page that was ever stored to then stays in the page cache: nothing is lost, but memory pressure does not ' +
      'get it back, which is neither a promise nor a cost here',
  },
  {
    table: 'stripBuffers',
    rule: 'invalidation, extra references',
    policies: ['v6.2-anon-exclusive'],
    reason:
      'reclaim takes the buffers from under a reference as well (until v6.4) and breaks the same classes in fewer ' +
      'steps; with the rule of v6.4 for reclaim the same mutant is killed',
  },

  {
    table: 'stripBuffers',
    policies: ['canary'],
    kind: 'negate',
    reason:
      'negated, the rule keeps the buffers where nobody holds the page, so it is not reclaimed: as "otherwise: keep"',
  },
  {
    table: 'stripBuffers',
    policies: ['canary'],
    reason:
      'buffers taken from under a reference are missed when its holder dirties the page; unpin of the canary never ' +
      'dirties, and a store by a CPU attaches them again',
  },

  {
    table: 'wbBegin',
    with: ['bounce'],
    reason:
      'a proposal that breaks less: what goes out is what was there at the start. Copying each page that is ' +
      'written back is not counted as a cost',
  },
  {
    table: 'unpinDirty',
    with: ['mkwrite then dirty'],
    reason:
      'a proposal that breaks less. page_mkwrite may sleep, and may fail where nobody is left to be told; it ' +
      'never fails here',
  },
];

/** The first that applies to a survivor of a built-in policy, or ''. */
export function reasonFor(policy: ExpandedPolicy, { mutation, verdict }: Judged): string {
  if (verdict === 'killed' || verdict === 'policy error' || verdict === 'same table') return '';
  // The rules of a user's policy may have the same names and say something else.
  if (findPolicy(policy.id) === undefined) return '';
  return REASONS.find((r) => applies(r, policy.id, mutation))?.reason ?? '';
}

/** Is the reason meant for this mutant? */
export function applies(r: Reason, policy: string, mutation: Mutation): boolean {
  return (
    r.table === mutation.table &&
    (r.rule === undefined || r.rule === mutation.rule) &&
    (r.kind === undefined || r.kind === mutation.kind) &&
    (r.with === undefined || r.with.includes(mutation.with)) &&
    (r.policies === undefined || r.policies.includes(policy))
  );
}
