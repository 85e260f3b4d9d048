/**
 * The promise table: what the holder of a reference may rely on, one row per kind of reference x mapping x flags.
 * This is the written contract of the reference (docs/model.md, G3 and G4); the code in reference.ts looks it up
 * and adds nothing. Rows are tried in order, the first match counts; every row has a test.
 *
 * - `exact`: a load through the reference shows the page's last store, and the page shows the reference's stores.
 * - `since-take`: a load shows what the page held when the reference was taken, or anything it held later.
 * - `overFork: 'excused'`: held over fork on a private mapping without MADV_DONTFORK, what is stored to either copy of
 *   the page until the reference is let go is excused (open(2), O_DIRECT): a mismatch by it is documented, not a broken
 *   promise. What was stored before, or is stored later, is under promise.
 */
import type { Caller, RefKind } from '../domain/kinds.ts';

/** What is mapped at the moment the reference is taken, as the promise sees it. */
export type Mapped =
  | 'anon, written' // this mm, or an ancestor before fork, has stored to the page
  | 'anon, untouched'
  | 'private file, own' // the mm has stored to it or taken a W reference: it no longer follows the file
  | 'private file, transparent'
  | 'shared';

export type Promise_ = 'exact' | 'since-take';

export interface PromiseRow {
  readonly name: string;
  readonly refs: readonly RefKind[];
  /** FOLL_WRITE, FOLL_LONGTERM: true, false, or any. */
  readonly write: boolean | 'any';
  readonly longterm: boolean | 'any';
  /** The caller copies from or to the page at some time between its begin and its end; nobody goes on using it. */
  readonly copies: boolean | 'any';
  readonly mapped: readonly Mapped[] | 'any';
  readonly promise: Promise_;
  readonly overFork: 'kept' | 'excused';
  /** Where this is promised. */
  readonly source: string;
}

const PRIVATE: readonly Mapped[] = [
  'anon, written',
  'anon, untouched',
  'private file, own',
  'private file, transparent',
];

export const PROMISES: readonly PromiseRow[] = [
  {
    name: 'R reference of a call that copies: process_vm_readv, O_DIRECT write',
    refs: ['GET', 'PIN', 'DIO'],
    write: false,
    longterm: 'any',
    copies: true,
    mapped: 'any',
    promise: 'since-take',
    overFork: 'kept',
    source: 'process_vm_readv(2): transfers are not atomic; what is stored before the call must be seen',
  },
  {
    name: 'any reference to a shared mapping',
    refs: ['GET', 'PIN', 'DIO'],
    write: 'any',
    longterm: 'any',
    copies: 'any',
    mapped: ['shared'],
    promise: 'exact',
    overFork: 'kept',
    source: 'docs/model.md, G3: shared mappings are coherent until truncate, punch or invalidation',
  },
  {
    name: 'W PIN of a private mapping',
    refs: ['PIN'],
    write: true,
    longterm: 'any',
    copies: 'any',
    mapped: PRIVATE,
    promise: 'exact',
    overFork: 'kept',
    source: 'docs/model.md G3; Documentation/core-api/pin_user_pages.rst',
  },
  {
    name: 'W GET or O_DIRECT read into a private mapping',
    refs: ['GET', 'DIO'],
    write: true,
    longterm: 'any',
    copies: 'any',
    mapped: PRIVATE,
    promise: 'exact',
    overFork: 'excused',
    source: 'docs/model.md, G3; open(2): not concurrently with fork(2) unless MADV_DONTFORK',
  },
  {
    name: 'R PIN LONGTERM of a private mapping',
    refs: ['PIN'],
    write: false,
    longterm: true,
    copies: 'any',
    mapped: PRIVATE,
    promise: 'exact',
    overFork: 'kept',
    source:
      'docs/model.md, G3; commit 84209e87c696 ("mm/gup: reliable R/O long-term pinning in COW mappings")',
  },
  {
    name: 'R PIN of a private page that was written',
    refs: ['PIN'],
    write: false,
    longterm: false,
    copies: 'any',
    mapped: ['anon, written', 'private file, own'],
    promise: 'exact',
    overFork: 'kept',
    source: 'docs/model.md, G3; commit a7f226604170 (R/O-pinning a possibly shared anonymous page)',
  },
  {
    name: 'R PIN of a zero page or an unwritten private file page',
    refs: ['PIN'],
    write: false,
    longterm: false,
    copies: 'any',
    mapped: ['anon, untouched', 'private file, transparent'],
    promise: 'since-take',
    overFork: 'kept',
    source:
      'docs/model.md: the unshare rule excludes short pins of the zero page and of cache pages on purpose',
  },
  {
    name: 'R GET or vmsplice of a private mapping',
    refs: ['GET', 'DIO'],
    write: false,
    longterm: 'any',
    copies: 'any',
    mapped: PRIVATE,
    promise: 'since-take',
    overFork: 'kept',
    source: 'docs/model.md G4; vmsplice(2): later writes may or may not be seen',
  },
];

/** The row that applies; the table is total over the callers that exist. */
export function promiseFor(
  ref: RefKind,
  write: boolean,
  longterm: boolean,
  copies: boolean,
  mapped: Mapped,
): PromiseRow {
  for (const row of PROMISES)
    if (
      row.refs.includes(ref) &&
      (row.write === 'any' || row.write === write) &&
      (row.longterm === 'any' || row.longterm === longterm) &&
      (row.copies === 'any' || row.copies === copies) &&
      (row.mapped === 'any' || row.mapped.includes(mapped))
    )
      return row;
  throw new Error(`no promise for ${ref} write=${write} longterm=${longterm} copies=${copies} on ${mapped}`);
}

/** What a caller asks for and how its reference is used and released (docs/model.md). */
export interface CallerContract {
  readonly ref: RefKind;
  /** FOLL_WRITE: fixed by the caller, or free for `get` and `pin`. */
  readonly write: boolean | 'free';
  readonly longterm: boolean | 'free';
  /** A call that copies once, at some time before it ends; else a device goes on using the page. */
  readonly copies: boolean;
  /** May the device load or store through the reference while it is held? */
  readonly load: boolean;
  readonly store: boolean;
  /** How it ends: by `unpin` with or without dirtying the page, or by `dio_end`. */
  readonly release: 'unpin' | 'unpin dirty' | 'unpin clean' | 'dio_end';
}

export const CALLER_CONTRACTS: { readonly [C in Caller]: CallerContract } = {
  get: {
    ref: 'GET',
    write: 'free',
    longterm: false,
    copies: false,
    load: true,
    store: true,
    release: 'unpin',
  },
  pin: {
    ref: 'PIN',
    write: 'free',
    longterm: 'free',
    copies: false,
    load: true,
    store: true,
    release: 'unpin',
  },
  vmsplice: {
    ref: 'GET',
    write: false,
    longterm: false,
    copies: false,
    load: true,
    store: false,
    release: 'unpin clean',
  },
  o_direct_read: {
    ref: 'DIO',
    write: true,
    longterm: false,
    copies: true,
    load: false,
    store: false,
    release: 'dio_end',
  },
  o_direct_write: {
    ref: 'DIO',
    write: false,
    longterm: false,
    copies: true,
    load: false,
    store: false,
    release: 'dio_end',
  },
  fixed_buffer: {
    ref: 'PIN',
    write: true,
    longterm: true,
    copies: false,
    load: true,
    store: true,
    release: 'unpin clean',
  },
  process_vm_readv: {
    ref: 'PIN',
    write: false,
    longterm: false,
    copies: true,
    load: true,
    store: false,
    release: 'unpin clean',
  },
  process_vm_writev: {
    ref: 'PIN',
    write: true,
    longterm: false,
    copies: true,
    load: true,
    store: true,
    release: 'unpin dirty',
  },
};
