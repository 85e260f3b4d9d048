/**
 * The reference's state: what is promised, of each mm, mapping, logical page (cell), file page and reference. Each column
 * is declared here and nowhere else (state/columns.ts).
 */
import { CALLERS, STORERS } from '../domain/kinds.ts';
import { PAGES_MAX } from '../domain/setup.ts';
import type { NotInKey, Value } from '../state/columns.ts';

/** A private cell shows the file (transparent), some inherited content not pinned down (floating), or `current`. */
export const TRANSPARENT = 0;
export const FLOATING = 1;
export const FIXED = 2;
/** Copied by a fork while its parent was stored to: one of the contents of its `may` row, until one is seen. */
export const UNSETTLED = 3;

export const HANDLE_FREE = 0;
export const HANDLE_LIVE = 1;
/** The gup was refused by this policy: the slot stays taken until the program releases it, and is of no use. */
export const HANDLE_VOID = 2;
/** The gup is in flight: the name is taken and of no use yet. */
export const HANDLE_PENDING = 3;

export const NO_CELL = 255;
/** `undirtied`: the holder of the last device store let go without dirtying. */
export const LOSSY = 255;

/** Why a mismatch is documented and not a broken promise. */
export const EXCUSES = [
  '',
  'stored while an O_DIRECT read was held over fork(2) without MADV_DONTFORK: open(2)',
  'stored while a driver held a W GET over fork(2), where it should pin: pin_user_pages.rst',
  'the driver did not dirty the page it wrote: pin_user_pages.rst',
  'the buffer of an O_DIRECT write was modified in flight: open(2)',
] as const;
/** By whose reference: each has a row of contents of its own per private cell. */
export const EXCUSE_FORK_DIO = 1;
export const EXCUSE_FORK_GET = 2;
export const FORK_EXCUSES: readonly number[] = [EXCUSE_FORK_DIO, EXCUSE_FORK_GET];
export const EXCUSE_UNDIRTIED = 3;
/** Those of private cells where pages may be swapped out. */
export const SWAP_EXCUSES: readonly number[] = [...FORK_EXCUSES, EXCUSE_UNDIRTIED];
export const EXCUSE_DIO_SOURCE = 4;

/** Flags of a reference in the `handleFlags` column. */
export const REF_WRITE = 1;
export const REF_LONGTERM = 2;
/** exact, else since-take. */
export const REF_EXACT = 4;
/** Taken while the private file page was transparent: follows the file as well. */
export const REF_FOLLOWS_FILE = 8;
/** The owner replaced the page since. */
export const REF_DETACHED = 16;
/** The page was stored to since the reference was taken. */
export const REF_STORED = 32;
/** Where it is held over fork, what is stored meanwhile is excused. */
export const REF_EXCUSES_FORK = 64;
/** It was held over fork: what is stored to its page, or to one that parted from it, is excused until it is let go. */
export const REF_HELD_OVER_FORK = 128;

/** What became of a file page. */
export const END_CUT = 1;
export const END_AGAIN = 2;

const FOLLOWS_VMA: NotInKey = { derived: 'machine.vma' };

export const REFERENCE_COLUMNS = {
  /** Per observer (cells, disk copies, references, excused contents) the contents that it may have met (rows.ts). */
  rows: { of: 'row', is: { set: 'content' }, in: 'i32', source: 'which stores an observer has met' },
  /** Per reference with REF_HELD_OVER_FORK: which cells parted from its page by fork (Reference.hasParted). */
  parted: { of: 'ref', is: { set: 'cell' }, in: 'i16', source: 'open(2), O_DIRECT and fork' },
  /** Who stored it (STORERS). */
  storer: { of: 'content', is: { oneOf: STORERS } as Value, source: 'whose store made the content' },
  /** Contents in use, the next fresh one. */
  tokens: {
    of: 'world',
    is: { count: 255 },
    key: { derived: 'which contents are held: World.compactTokens()' },
    source: 'how many contents there are',
  },
  alive: { of: 'mm', is: { count: 1 }, source: 'the processes of the program' },
  /** 1 + the parent, while the fork that makes it is in flight. */
  forking: {
    of: 'mm',
    is: { id: 'mm', from: 1, none: 0 } as Value,
    only: 'fine' as const,
    source: 'fork(2)',
  },
  mapped: { of: 'vma', is: { count: 1 }, key: FOLLOWS_VMA as NotInKey, source: 'mmap(2), munmap(2)' },
  writable: { of: 'vma', is: { count: 1 }, key: FOLLOWS_VMA as NotInKey, source: 'PROT_WRITE' },
  dontfork: { of: 'vma', is: { count: 1 }, key: FOLLOWS_VMA as NotInKey, source: 'MADV_DONTFORK' },
  cellState: {
    of: 'cell',
    is: { oneOf: ['transparent', 'floating', 'fixed', 'unsettled'] },
    source:
      'shows the file; what it inherited, not pinned down; its current content; one of what fork may have copied',
  },
  current: { of: 'cell', is: { content: true }, source: 'the last store to the page' },
  /** A private page that is followed in part: the other part was stored to, by whomever had it since it was fresh. */
  storedElsewhere: {
    of: 'cell',
    is: { count: 1 },
    only: 'parts' as const,
    source: 'the last store to the page',
  },
  /** Took part in a fork: 1 + the page that it was then, by which its copies are known wherever they are moved. */
  forked: {
    of: 'cell',
    is: { count: PAGES_MAX as number },
    key: { unread: 'only the goal of a property asks for it' },
    source: 'fork(2)',
  },
  /**
   * 0, or 1 + the reference through which a device stored what is current and whose holder has not dirtied since, or
   * LOSSY once that holder has let go without: from then on the content may be gone at any time.
   */
  undirtied: {
    of: 'file',
    is: { id: 'ref', from: 1, none: LOSSY } as Value,
    source: 'pin_user_pages.rst: set_page_dirty_lock() by the driver',
  },
  /** Where the file may be truncated. A page that was cut off is zero from then on, until somebody stores to it. */
  fileEnd: {
    of: 'file',
    is: { oneOf: ['as it was', 'cut off', 'there again'] },
    source: 'ftruncate(2): the page is beyond the end; or it was',
  },
  wbStarted: { of: 'file', is: { count: 1 }, source: 'the program started writeback' },
  handleState: {
    of: 'ref',
    is: { oneOf: ['free', 'live', 'void', 'pending'] },
    source: 'the program has the name',
  },
  handleCell: {
    of: 'ref',
    is: { id: 'cell', none: NO_CELL } as Value,
    start: NO_CELL as number,
    source: 'the page it is of',
  },
  handleFlags: {
    of: 'ref',
    is: {
      flags: {
        write: REF_WRITE,
        longterm: REF_LONGTERM,
        exact: REF_EXACT,
        followsFile: REF_FOLLOWS_FILE,
        detached: REF_DETACHED,
        stored: REF_STORED,
        excusesFork: REF_EXCUSES_FORK,
        heldOverFork: REF_HELD_OVER_FORK,
      },
    } as Value,
    source: 'what is promised to its holder (promises.ts)',
  },
  handleCaller: { of: 'ref', is: { oneOf: CALLERS } as Value, source: 'who took it' },
  /** mm * pages + page at the time it was taken. */
  handlePage: { of: 'ref', is: { id: 'vma' }, source: 'the address it was taken at' },
  /** EXCUSES index of what its page held when it was taken since-take, else 0. */
  takenExcused: { of: 'ref', is: { oneOf: EXCUSES } as Value, source: 'open(2), O_DIRECT and fork' },
  /** 1 once a reference that excuses was held over fork. */
  excusing: { of: 'world', is: { count: 1 }, source: 'whether anything may be excused' },
} as const;
