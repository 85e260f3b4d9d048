/**
 * The decision points at which the machine asks the policy: for each, the facts that the kernel could see there and
 * the closed list of answers. A policy is ordered named rules over these facts; first match wins, the last is total.
 *
 * Facts are booleans, small enumerations and small saturating counts, so that a table can be expanded over all their
 * combinations at start-up (machine/tables.ts). A count saturates: the last value of its domain means "or more".
 */
import { CALLERS, type Caller, PAGE_KINDS, type PageKind } from '../domain/kinds.ts';
import { PolicyError } from './policy-error.ts';

/** What a PTE maps, as vm_normal_page() and the folio's flags tell it. */
export const FRAMES = ['none', 'zero', 'anon', 'file'] as const;
/** One of FRAMES. */
export type Frame = (typeof FRAMES)[number];
export const FRAME_NONE = 0;
export const FRAME_ZERO = 1;
export const FRAME_ANON = 2;
export const FRAME_FILE = 3;

/** do_wp_page() on a present R/O PTE of a private mapping that maps an anonymous folio. */
export interface WpFaultFacts {
  /** page_count(); 6 means 6 or more. */
  readonly refcount: number;
  /** page_mapcount(); 3 means 3 or more. */
  readonly mapcount: number;
  readonly anonExclusive: boolean;
}

/** FAULT_FLAG_UNSHARE on a present R/O PTE of a private mapping. */
export interface UnshareFaultFacts extends WpFaultFacts {
  readonly frame: Frame;
}

/** copy_present_page(): one present PTE of a private mapping while its mm is forked. */
export interface ForkPteFacts {
  readonly frame: Frame;
  readonly anonExclusive: boolean;
  /** mm->has_pinned or MMF_HAS_PINNED of the parent. */
  readonly hasPinned: boolean;
  /** page_maybe_dma_pinned(). */
  readonly maybeDmaPinned: boolean;
  readonly pteWrite: boolean;
}

/** Which reference a caller takes in this release, or the error it returns before it looks at the page. */
export interface GupKindFacts {
  readonly caller: Caller;
  readonly vma: PageKind;
}

/** One look at the PTE by GUP: follow_page_pte() and, for the VMA part, check_vma_flags(). */
export interface GupSlowFacts {
  readonly write: boolean;
  readonly pin: boolean;
  readonly longterm: boolean;
  readonly frame: Frame;
  readonly pteWrite: boolean;
  readonly pteDirty: boolean;
  readonly anonExclusive: boolean;
  /** VM_SHARED. */
  readonly vmaShared: boolean;
  /** vma_needs_dirty_tracking(): shared, writable and on a filesystem that tracks dirty pages. */
  readonly dirtyTracked: boolean;
  /** A write fault of this call left a R/O PTE behind because the VMA lacks VM_WRITE (FOLL_COW until v5.19). */
  readonly follCow: boolean;
  /** The folio is under writeback. */
  readonly writeback: boolean;
}

/** gup_pte_range(): lockless, no VMA at hand. Asked only for a present PTE that maps a normal page. */
export interface GupFastFacts {
  readonly write: boolean;
  readonly pin: boolean;
  readonly longterm: boolean;
  readonly frame: Frame;
  readonly pteWrite: boolean;
  readonly anonExclusive: boolean;
  /** The folio belongs to shmem: swap-backed, with a mapping. */
  readonly shmem: boolean;
  readonly writeback: boolean;
}

/** Does FOLL_PIN move the counters of the zero page? (FOLL_GET always does.) */
export interface ZeroPagePinFacts {
  readonly longterm: boolean;
}

/** change_pte_range() when mprotect adds PROT_WRITE: may the PTE become writable without a fault? */
export interface ProtectUpgradeFacts {
  readonly vmaShared: boolean;
  readonly dirtyTracked: boolean;
  readonly pteDirty: boolean;
  readonly frame: Frame;
  readonly anonExclusive: boolean;
}

/** Is the filesystem's private state taken off a clean file folio before its references are looked at? */
export interface StripBuffersFacts {
  /** shrink_folio_list(), or drop_caches and fadvise(DONTNEED). */
  readonly by: 'reclaim' | 'drop-caches';
  readonly maybeDmaPinned: boolean;
  /** References beyond page cache and private state. */
  readonly extraRefs: boolean;
}

/** folio_clear_dirty_for_io() and what follows, after mkclean. */
export interface WbBeginFacts {
  /** WB_SYNC_NONE or WB_SYNC_ALL. */
  readonly mode: 'NONE' | 'ALL';
  readonly maybeDmaPinned: boolean;
  readonly extraRefs: boolean;
}

/** unpin_user_pages_dirty_lock(): the holder says that it wrote. */
export interface UnpinDirtyFacts {
  readonly frame: Frame;
  readonly folioDirty: boolean;
  readonly writeback: boolean;
  /** The filesystem's private state is attached. */
  readonly buffers: boolean;
}

/** By decision point: the facts that a rule sees. */
export interface FactsOf {
  readonly wpFault: WpFaultFacts;
  readonly unshareFault: UnshareFaultFacts;
  readonly forkPte: ForkPteFacts;
  readonly gupKind: GupKindFacts;
  readonly gupSlow: GupSlowFacts;
  readonly gupFast: GupFastFacts;
  readonly zeroPagePin: ZeroPagePinFacts;
  readonly protectUpgrade: ProtectUpgradeFacts;
  readonly stripBuffers: StripBuffersFacts;
  readonly wbBegin: WbBeginFacts;
  readonly unpinDirty: UnpinDirtyFacts;
}

/** By decision point: what a rule may answer. */
export interface AnswerOf {
  readonly wpFault: 'reuse' | 'copy';
  readonly unshareFault: 'reuse' | 'copy' | 'none';
  readonly forkPte: 'share' | 'copy';
  /** `EOPNOTSUPP`: pinned, looked at and let go again (io_uring up to v6.4). `EFAULT`: refused at once. */
  readonly gupKind: 'GET' | 'PIN' | 'EOPNOTSUPP' | 'EFAULT';
  readonly gupSlow: 'return' | 'read fault' | 'write fault' | 'unshare fault' | 'EFAULT' | 'EOPNOTSUPP';
  readonly gupFast: 'return' | 'bail';
  readonly zeroPagePin: 'count' | 'skip';
  readonly protectUpgrade: 'upgrade' | 'keep';
  readonly stripBuffers: 'strip' | 'keep';
  /** `keep dirty`: not written now, stays dirty. `bounce`: written from a copy taken at the start. */
  readonly wbBegin: 'write' | 'keep dirty' | 'bounce';
  /** `mkwrite then dirty`: page_mkwrite is called before the folio is dirtied. */
  readonly unpinDirty: 'dirty' | 'mkwrite then dirty' | 'ignore';
}

/** `wpFault`, `forkPte`, ... */
export type DecisionName = keyof FactsOf;
/** The facts of one decision point. */
export type Facts<D extends DecisionName> = FactsOf[D];
/** The answers of one decision point. */
export type Answer<D extends DecisionName> = AnswerOf[D];

const BOOLEAN = [false, true] as const;
const counts = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Domain of each fact, in the order in which the machine writes them down (a column index each). */
export type FactDomains = readonly (readonly [
  name: string,
  domain: readonly (boolean | number | string)[],
])[];

/** Where the machine asks: who decides in the kernel, by what facts, with which answers. */
export interface DecisionPoint<D extends DecisionName> {
  readonly name: D;
  /** The kernel function that decides, and when it is asked. */
  readonly kernel: string;
  readonly facts: FactDomains;
  readonly answers: readonly Answer<D>[];
}

const WP: FactDomains = [
  ['refcount', counts(1, 6)],
  ['mapcount', counts(1, 3)],
  ['anonExclusive', BOOLEAN],
];

/** All decision points, in the order in which a policy is shown. */
export const DECISIONS: { readonly [D in DecisionName]: DecisionPoint<D> } = {
  wpFault: {
    name: 'wpFault',
    kernel: 'mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()',
    facts: WP,
    answers: ['reuse', 'copy'],
  },
  unshareFault: {
    name: 'unshareFault',
    kernel: 'mm/memory.c: do_wp_page() with FAULT_FLAG_UNSHARE',
    facts: [...WP, ['frame', FRAMES]],
    answers: ['reuse', 'copy', 'none'],
  },
  forkPte: {
    name: 'forkPte',
    kernel: 'mm/memory.c: copy_present_pte(), folio_needs_cow_for_dma()',
    facts: [
      ['frame', FRAMES],
      ['anonExclusive', BOOLEAN],
      ['hasPinned', BOOLEAN],
      ['maybeDmaPinned', BOOLEAN],
      ['pteWrite', BOOLEAN],
    ],
    answers: ['share', 'copy'],
  },
  gupKind: {
    name: 'gupKind',
    kernel: 'the caller: get_user_pages*(), pin_user_pages*(), iov_iter_extract_pages()',
    facts: [
      ['caller', CALLERS],
      ['vma', PAGE_KINDS],
    ],
    answers: ['GET', 'PIN', 'EOPNOTSUPP', 'EFAULT'],
  },
  gupSlow: {
    name: 'gupSlow',
    kernel: 'mm/gup.c: check_vma_flags(), follow_page_pte(), gup_must_unshare()',
    facts: [
      ['write', BOOLEAN],
      ['pin', BOOLEAN],
      ['longterm', BOOLEAN],
      ['frame', FRAMES],
      ['pteWrite', BOOLEAN],
      ['pteDirty', BOOLEAN],
      ['anonExclusive', BOOLEAN],
      ['vmaShared', BOOLEAN],
      ['dirtyTracked', BOOLEAN],
      ['follCow', BOOLEAN],
      ['writeback', BOOLEAN],
    ],
    answers: ['return', 'read fault', 'write fault', 'unshare fault', 'EFAULT', 'EOPNOTSUPP'],
  },
  gupFast: {
    name: 'gupFast',
    kernel: 'mm/gup.c: gup_fast_pte_range(), gup_fast_folio_allowed()',
    facts: [
      ['write', BOOLEAN],
      ['pin', BOOLEAN],
      ['longterm', BOOLEAN],
      ['frame', FRAMES],
      ['pteWrite', BOOLEAN],
      ['anonExclusive', BOOLEAN],
      ['shmem', BOOLEAN],
      ['writeback', BOOLEAN],
    ],
    answers: ['return', 'bail'],
  },
  zeroPagePin: {
    name: 'zeroPagePin',
    kernel: 'mm/gup.c: try_grab_folio() on the zero page',
    facts: [['longterm', BOOLEAN]],
    answers: ['count', 'skip'],
  },
  protectUpgrade: {
    name: 'protectUpgrade',
    kernel: 'mm/mprotect.c: can_change_pte_writable()',
    facts: [
      ['vmaShared', BOOLEAN],
      ['dirtyTracked', BOOLEAN],
      ['pteDirty', BOOLEAN],
      ['frame', FRAMES],
      ['anonExclusive', BOOLEAN],
    ],
    answers: ['upgrade', 'keep'],
  },
  stripBuffers: {
    name: 'stripBuffers',
    kernel: 'mm/vmscan.c: shrink_folio_list(); mm/truncate.c: mapping_evict_folio()',
    facts: [
      ['by', ['reclaim', 'drop-caches']],
      ['maybeDmaPinned', BOOLEAN],
      ['extraRefs', BOOLEAN],
    ],
    answers: ['strip', 'keep'],
  },
  wbBegin: {
    name: 'wbBegin',
    kernel: 'mm/page-writeback.c: folio_clear_dirty_for_io(), __folio_start_writeback()',
    facts: [
      ['mode', ['NONE', 'ALL']],
      ['maybeDmaPinned', BOOLEAN],
      ['extraRefs', BOOLEAN],
    ],
    answers: ['write', 'keep dirty', 'bounce'],
  },
  unpinDirty: {
    name: 'unpinDirty',
    kernel: 'mm/gup.c: unpin_user_pages_dirty_lock()',
    facts: [
      ['frame', FRAMES],
      ['folioDirty', BOOLEAN],
      ['writeback', BOOLEAN],
      ['buffers', BOOLEAN],
    ],
    answers: ['dirty', 'mkwrite then dirty', 'ignore'],
  },
};

/** In the order of DECISIONS. */
export const DECISION_NAMES = Object.keys(DECISIONS) as readonly DecisionName[];

/** One row of a table. A rule without `when` is total. */
export interface Rule<D extends DecisionName> {
  readonly name: string;
  readonly when?: (facts: Facts<D>) => boolean;
  readonly answer: Answer<D>;
}
/** Rules in order: the first that matches answers. */
export type Table<D extends DecisionName> = readonly Rule<D>[];
/** One table per decision point. */
export type Tables = { readonly [D in DecisionName]: Table<D> };

/** State that an era keeps beside the tables; the machine maintains it, and leaves it zero for those that do not. */
export interface Keeps {
  /** PG_anon_exclusive. */
  readonly anonExclusive: boolean;
  /** mm->has_pinned, MMF_HAS_PINNED. */
  readonly hasPinned: boolean;
}

/** Statements that a policy makes about its own state; a breach is a finding about the policy itself. */
export const CLAIMS = ['writable anon pte => exclusive', 'pinned anon folio => exclusive'] as const;
/** One of CLAIMS. */
export type Claim = (typeof CLAIMS)[number];

/** One era, or yours: a table per decision point, and what it keeps and claims. */
export interface Policy {
  /** `v6.5-longterm-ban`: release and idea. */
  readonly id: string;
  readonly alias?: string;
  /** One line for lists. */
  readonly title: string;
  /** Commits (12 hex digits and title) and releases this stands for. */
  readonly sources: readonly string[];
  readonly keeps: Keeps;
  readonly claims: readonly Claim[];
  readonly tables: Tables;
  /** Wrong on purpose: every campaign must catch it. */
  readonly canary?: boolean;
  /** Ids of its predecessors, oldest first; set by derive(). What they break is not news. */
  readonly derivedFrom?: readonly string[];
}

/** A row of a table. */
export function rule<D extends DecisionName>(
  name: string,
  when: (facts: Facts<D>) => boolean,
  answer: Answer<D>,
): Rule<D> {
  return { name, when, answer };
}
/** The last row of a table. */
export function otherwise<D extends DecisionName>(answer: Answer<D>, name = 'otherwise'): Rule<D> {
  return { name, answer };
}

/** One edit of a predecessor's table, by the name of the rule it concerns. */
export type Edit<D extends DecisionName> = (table: Table<D>) => Table<D>;

/** New rules directly before the named one. */
export function before<D extends DecisionName>(name: string, ...rules: Rule<D>[]): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...rules, ...table.slice(at)];
  };
}
/** Other rules in place of the named one. */
export function replace<D extends DecisionName>(name: string, ...rules: Rule<D>[]): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...rules, ...table.slice(at + 1)];
  };
}
/** The table less the named rule. */
export function without<D extends DecisionName>(name: string): Edit<D> {
  return (table) => {
    const at = indexOfRule(table, name);
    return [...table.slice(0, at), ...table.slice(at + 1)];
  };
}
/** A whole new table. */
export function table<D extends DecisionName>(...rules: Rule<D>[]): Edit<D> {
  return () => rules;
}

function indexOfRule<D extends DecisionName>(rules: Table<D>, name: string): number {
  const at = rules.findIndex((r) => r.name === name);
  if (at < 0)
    throw new PolicyError('', undefined, undefined, {
      kind: 'rule',
      typed: name,
      known: rules.map((r) => r.name),
    });
  return at;
}

/** What derive() changes: per decision point, the edits in order. */
export type Changes = { readonly [D in DecisionName]?: readonly Edit<D>[] };

/** What derive() takes beside the edits: the rest of a policy, which the base fills in where it may. */
export type PolicyHeader = Omit<Policy, 'keeps' | 'claims' | 'tables' | 'derivedFrom'> &
  Partial<Pick<Policy, 'keeps' | 'claims'>>;

const HEADER_FIELDS: readonly string[] = [
  'id',
  'alias',
  'title',
  'sources',
  'keeps',
  'claims',
  'canary',
] satisfies readonly (keyof PolicyHeader)[];
/** All that a policy may say. */
export const POLICY_FIELDS: readonly string[] = [...HEADER_FIELDS, 'tables', 'derivedFrom'];

/**
 * A later era: its predecessor plus changed rules. Throws PolicyError for a decision point, a field of `meta` or the
 * name of a rule that nothing has, as plain JavaScript and modules that nobody type checks may have them.
 */
export function derive(base: Policy, meta: PolicyHeader, changes: Changes): Policy {
  const wrong = (
    table: string | undefined,
    what: ConstructorParameters<typeof PolicyError>[3],
  ): PolicyError => new PolicyError(String(meta.id), table, undefined, what);
  for (const field of Object.keys(meta))
    if (!HEADER_FIELDS.includes(field))
      throw wrong(undefined, { kind: 'field', typed: field, known: HEADER_FIELDS });
  for (const name of Object.keys(changes))
    if (!(DECISION_NAMES as readonly string[]).includes(name))
      throw wrong(undefined, { kind: 'decision point', typed: name, known: DECISION_NAMES });

  const apply = <D extends DecisionName>(name: D): Table<D> => {
    const edits: unknown = changes[name] ?? [];
    if (!Array.isArray(edits) || edits.some((edit) => typeof edit !== 'function'))
      throw wrong(
        name,
        'is no list of edits; write [before(...), replace(...), without(...)] or [table(...)]',
      );
    try {
      return (edits as readonly Edit<D>[]).reduce<Table<D>>((rules, edit) => edit(rules), base.tables[name]);
    } catch (error) {
      if (error instanceof PolicyError) throw wrong(name, error.unknown ?? error.what);
      throw error;
    }
  };
  const tables = Object.fromEntries(DECISION_NAMES.map((name) => [name, apply(name)]));
  return {
    keeps: base.keeps,
    claims: base.claims,
    ...meta,
    derivedFrom: [...(base.derivedFrom ?? []), base.id],
    tables: tables as unknown as Tables,
  };
}
