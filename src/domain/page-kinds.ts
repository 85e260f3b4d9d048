/**
 * Page kinds: what a page of the address space is mapped from, each one record of traits. One page per VMA. Nothing else
 * names a kind, but policies, properties and scopes that speak of it on purpose (page-kinds.test.ts): reference, machine,
 * keys and reports ask traits, which a Shape has in flat columns (setup.ts).
 */

/** What is behind a mapping, of the page cache or none. */
export interface BackingTraits {
  readonly title: string;
  /** Name of its file page in drawn setups; '': it has none. */
  readonly file: string;
  /** Its only filesystem profile; '': there is none, or the setup chooses one. */
  readonly profile: string;
  /**
   * Untouched content is zero: anonymous memory, a hole of shmem. Else it is of the file's own and never zero, so that
   * zeroes are stale wherever they are seen.
   */
  readonly startsZero: boolean;
  /** The filesystem is told of stores: page_mkwrite, mkclean and writeback apply (vma_needs_dirty_tracking()). */
  readonly dirtyTracked: boolean;
  /** How the executor of live runs makes its file (live/protocol.ts); '': not at all, or there is none. */
  readonly live: '' | 'dir' | 'shmem';
  /** There is a disk behind it, from which content is read and to which it is written. */
  readonly disk: boolean;
  /** O_DIRECT goes to it: shmem has none before v6.6, and falls back to a copy since (mm/shmem.c). */
  readonly directIo: boolean;
  /** mm/shmem.c: shmem_mapping(): in the page cache, but swap-backed. */
  readonly shmemMapping: boolean;
}

const BACKING_RECORDS = {
  none: {
    title: 'anonymous memory',
    file: '',
    profile: '',
    live: '',
    startsZero: true,
    dirtyTracked: false,
    disk: false,
    directIo: false,
    shmemMapping: false,
  },
  file: {
    title: 'a file on a filesystem that tracks dirty pages',
    file: 'f',
    profile: '',
    live: 'dir',
    startsZero: false,
    dirtyTracked: true,
    disk: true,
    directIo: true,
    shmemMapping: false,
  },
  shmem: {
    title: 'tmpfs, memfd and MAP_SHARED|MAP_ANONYMOUS',
    file: 's',
    profile: 'shmem',
    live: 'shmem',
    startsZero: true,
    dirtyTracked: false,
    disk: false,
    directIo: false,
    shmemMapping: true,
  },
} as const;
export type Backing = keyof typeof BACKING_RECORDS;
export const BACKINGS: { readonly [B in Backing]: BackingTraits } = BACKING_RECORDS;

export interface PageKindTraits {
  /** In legends: `page of a private mapping of a file`. */
  readonly title: string;
  /** MAP_PRIVATE: a COW mapping (is_cow_mapping()); else MAP_SHARED. */
  readonly private: boolean;
  readonly backing: Backing;
  /** Names of such pages in drawn setups; more of them are numbered after the first. */
  readonly names: readonly string[];
}

const KIND_RECORDS = {
  anon: {
    title: 'page of a private anonymous mapping',
    private: true,
    backing: 'none',
    names: ['A', 'B'],
  },
  'private-file': {
    title: 'page of a private mapping of a file',
    private: true,
    backing: 'file',
    names: ['M'],
  },
  'shared-file': {
    title: 'page of a shared mapping of a file that tracks dirty pages',
    private: false,
    backing: 'file',
    names: ['F'],
  },
  shmem: {
    title: 'page of a shared mapping of shmem',
    private: false,
    backing: 'shmem',
    names: ['S'],
  },
  'private-shmem': {
    title: 'page of a private mapping of shmem',
    private: true,
    backing: 'shmem',
    names: ['N'],
  },
} as const;
export type PageKind = keyof typeof KIND_RECORDS;
export const KIND_TRAITS: { readonly [K in PageKind]: PageKindTraits } = KIND_RECORDS;

/** In their canonical order, which is that of the index in Shape.kind. */
export const PAGE_KINDS: readonly [PageKind, ...PageKind[]] = Object.keys(KIND_RECORDS) as [
  PageKind,
  ...PageKind[],
];

/** The plainest: where a page is needed and it does not matter which, and as which a claim about anonymous folios is told. */
export const PLAIN_KIND: PageKind = 'anon';

/** In sentences: `a private-file page`. */
export const pageInWords = (kind: PageKind): string => `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind} page`;

/** The backing's record of a kind. */
export const backingOf = (kind: PageKind): BackingTraits => BACKINGS[KIND_TRAITS[kind].backing];

/** The filesystem is told of stores to such a page. */
export const isTrackedKind = (kind: PageKind): boolean =>
  !KIND_TRAITS[kind].private && backingOf(kind).dirtyTracked;

/** The setup chooses the filesystem of its file. */
export const choosesFilesystem = (kind: PageKind): boolean =>
  backingOf(kind).file !== '' && backingOf(kind).profile === '';

/** The kinds with these traits. */
export const kindsWith = (test: (traits: PageKindTraits, backing: BackingTraits) => boolean): PageKind[] =>
  PAGE_KINDS.filter((kind) => test(KIND_TRAITS[kind], backingOf(kind)));

/** By backing: the kind of a shared mapping of it, as which its file pages are told of. */
export function sharedKind(backing: Backing): PageKind {
  const kind = PAGE_KINDS.find((k) => !KIND_TRAITS[k].private && KIND_TRAITS[k].backing === backing);
  if (kind === undefined) throw new RangeError(`no page kind is a shared mapping of ${backing}`);
  return kind;
}
