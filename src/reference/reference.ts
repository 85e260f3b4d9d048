/**
 * The reference: what user space, drivers and filesystems may rely on. Logical pages and tokens; no folios, no
 * counts, no page-table bits, and nothing imported from the machine (docs/model.md).
 *
 * A *cell* is one logical page: one per private page of an mm, one per file page, and an orphan for a private page
 * that its mm replaced (munmap, MADV_DONTNEED, exit) while references were held. Every store brings a fresh token.
 * Each observer has a *row* of the contents that it may legitimately have met: every cell, every file page's disk copy,
 * every reference. A mismatch is a *leak* if the page never saw the token, else *stale*. It is decided by
 * provenance alone, never by comparing values or by who wrote.
 */
import {
  CALLERS,
  STORER_CPU,
  STORER_DEVICE_DIO,
  STORER_DEVICE_GET,
  STORER_FILE,
  STORER_INITIAL,
  ZERO_TOKEN,
} from '../domain/kinds.ts';
import { NO_FILE, type Shape } from '../domain/setup.ts';
import type { Columns } from '../state/arena.ts';
import { type Arrays, classOf, fillStart, type Sizes, sizesOf } from '../state/columns.ts';
import { CALLER_CONTRACTS, type Mapped, promiseFor } from './promises.ts';
import { Rows, wordsOf } from './rows.ts';
import {
  EXCUSE_FORK_DIO,
  EXCUSE_FORK_GET,
  EXCUSE_UNDIRTIED,
  END_AGAIN,
  END_CUT,
  FIXED,
  FLOATING,
  FORK_EXCUSES,
  HANDLE_FREE,
  HANDLE_LIVE,
  HANDLE_PENDING,
  HANDLE_VOID,
  LOSSY,
  NO_CELL,
  REF_DETACHED,
  REF_EXACT,
  REF_EXCUSES_FORK,
  REF_FOLLOWS_FILE,
  REF_HELD_OVER_FORK,
  REF_LONGTERM,
  REF_STORED,
  REF_WRITE,
  REFERENCE_COLUMNS,
  SWAP_EXCUSES,
  TRANSPARENT,
  UNSETTLED,
} from './state.ts';

export * from './state.ts';

/** How an observed token relates to the promise. */
export const MATCH = 0;
export const LEAK = 1;
export const STALE = 2;

/** The reference's columns (reference/state.ts) as fields, by their names. */
const ReferenceState: new (
  sizes: Sizes,
  columns: Columns,
  per: { readonly [name: string]: number },
) => Arrays<typeof REFERENCE_COLUMNS> = classOf(REFERENCE_COLUMNS);

export class Reference extends ReferenceState {
  readonly shape: Shape;
  /** Per observer (cells, disk copies, references) a row of bits, one per token. */
  readonly seen: Rows;

  /** Cell numbers: private cells are mm * pages + page, then file pages, then orphans. */
  readonly fileCell: number;
  readonly orphanCell: number;
  readonly cells: number;
  /** Rows come in the order of cells, disk copies, references, excused contents. */
  readonly #disk: number;
  readonly #handle: number;
  /** Rows of what a fork in flight may have copied to a cell; where there is one task, there are none. */
  readonly #may: number;
  /** Rows of what was in file pages that were cut off; where nothing is truncated, there are none. */
  readonly #past: number;
  readonly #fine: boolean;
  readonly #parted: boolean;
  /** Rows of excused contents: first those of EXCUSE_FORK_DIO for all cells, then those of the next. */
  readonly #excuses: number;
  /** Which excuses a private cell may have: each has a row per cell. */
  readonly #cellExcuses: readonly number[];
  /** Elements of `parted` per reference, of 16 cells each. */
  readonly #partedWords: number;

  constructor(shape: Shape, columns: Columns) {
    const { mms, pages, refs, files, tokens } = shape;
    const cells = mms * pages + files + refs;
    const fine = shape.tasks > 1;
    const excuses = shape.swaps > 0 ? SWAP_EXCUSES : FORK_EXCUSES;
    const may = cells + files + refs + excuses.length * cells;
    const past = may + (fine ? cells : 0);
    const row = past + (shape.truncated.includes(1) ? files : 0);
    const parted = Math.ceil((mms * pages + refs) / 16);
    super(sizesOf(shape, { row }), columns, {
      rows: wordsOf(tokens),
      parted,
      ...(shape.truncated.includes(1) ? {} : { fileEnd: 0 }),
    });
    this.shape = shape;
    this.#fine = fine;
    this.#parted = shape.parts > 1;
    this.#may = may;
    this.#past = past;
    this.#cellExcuses = excuses;
    this.#partedWords = parted;
    this.fileCell = mms * pages;
    this.orphanCell = this.fileCell + files;
    this.cells = cells;
    this.#disk = cells;
    this.#handle = cells + files;
    this.#excuses = this.#handle + refs;
    this.seen = new Rows(this.rows, tokens);
  }

  /** Sets the start of the scenario; the columns must be zero. Token 0 is zero, token 1 + f the content of file f. */
  reset(): void {
    const { shape } = this;
    this.alive[0] = 1;
    for (let row = 0; row < this.#excuses; row++) this.seen.add(row, ZERO_TOKEN);
    let next = 1;
    for (let f = 0; f < shape.files; f++) {
      const cell = this.fileCell + f;
      this.cellState[cell] = FIXED;
      if (shape.startsZero[f] === 1) continue;
      this.seen.remove(this.#disk + f, ZERO_TOKEN);
      this.current[cell] = next;
      this.seen.add(cell, next);
      this.seen.add(this.#disk + f, next);
      next++;
    }
    this.tokens[0] = next;
    for (let v = 0; v < shape.pages; v++) {
      this.mapped[v] = 1;
      this.writable[v] = shape.writable[v]!;
      this.#freshPage(0, v);
    }
    fillStart(REFERENCE_COLUMNS, this);
  }

  // ---- Tokens -------------------------------------------------------------------------------------------------

  /** A token that nobody has met. The caller keeps within `shape.tokens`. */
  freshToken(): number {
    const token = this.tokens[0]!++;
    this.seen.forget(token);
    this.storer[token] = STORER_INITIAL;
    return token;
  }

  /** Renames tokens: what was `t` is `to[t]`, and there are `count`; those that are not `used` are gone. */
  renameTokens(used: Uint8Array, to: Uint8Array, count: number): void {
    const had = this.tokens[0]!;
    this.seen.rename(used, to, had);
    for (let t = 0; t < had; t++) if (used[t] === 1) this.storer[to[t]!] = this.storer[t]!;
    this.storer.fill(0, count);
    this.tokens[0] = count;
  }

  // ---- What a program can do next (the same for every policy) -------------------------------------------------

  aliveCount(): number {
    let n = 0;
    for (let m = 0; m < this.shape.mms; m++) n += this.alive[m]!;
    return n;
  }
  /** The mm slot that the next fork takes, or -1. */
  freeMm(): number {
    for (let m = 0; m < this.shape.mms; m++)
      if (this.alive[m] === 0 && !(this.#fine && this.forking[m] !== 0)) return m;
    return -1;
  }
  /** The reference slot that the next gup takes, or -1. */
  freeHandle(): number {
    for (let h = 0; h < this.shape.refs; h++) if (this.handleState[h] === HANDLE_FREE) return h;
    return -1;
  }
  isMapped(mm: number, page: number): boolean {
    return this.alive[mm] === 1 && this.mapped[mm * this.shape.pages + page] === 1;
  }
  isWritable(mm: number, page: number): boolean {
    return this.isMapped(mm, page) && this.writable[mm * this.shape.pages + page] === 1;
  }

  /** Is the file page within its file? */
  isWithin(file: number): boolean {
    return this.shape.truncated[file] !== 1 || this.fileEnd[file] !== END_CUT;
  }
  /** Is there something behind the page: anonymous memory, or a page of a file that has not been cut off? */
  isThere(page: number): boolean {
    const file = this.shape.file[page]!;
    return file === NO_FILE || this.isWithin(file);
  }

  // ---- Operations in flight, where there are several tasks -------------------------------------------------------

  /**
   * fork(2) has begun: until it ends, the child may get whatever the parent's pages hold at some time. References that
   * excuse count from here on.
   */
  forkBegins(parent: number, child: number): void {
    this.forking[child] = 1 + parent;
    for (let v = 0; v < this.shape.pages; v++) {
      const from = parent * this.shape.pages + v;
      const to = child * this.shape.pages + v;
      if (this.shape.isPrivate[v] === 0 || this.mapped[from] === 0 || this.dontfork[from] === 1) continue;
      this.#forgetMay(to);
      const missed = this.missed(from);
      this.current[to] = missed < 0 ? ZERO_TOKEN : missed;
      if (this.cellState[from] === FIXED) this.seen.add(this.#may + to, this.current[from]!);
      else if (this.cellState[from] === UNSETTLED) this.seen.copy(this.#may + from, this.#may + to);
      else if (this.cellState[from] === FLOATING) this.seen.copy(from, this.#may + to);
      // A copy that a reference made, say; what is the file's still is that of both.
      else this.seen.copy(this.fileCell + this.shape.file[v]!, this.#may + to);
      this.#part(from, to);
    }
  }

  /** A gup has begun: its name is taken, and it may return what its page holds from here on. */
  reserve(handle: number, mm: number, page: number): void {
    const cell = this.#cellOf(mm, page);
    this.handleCell[handle] = cell;
    this.handlePage[handle] = mm * this.shape.pages + page;
    this.handleFlags[handle] =
      this.shape.isPrivate[page] === 1 && this.cellState[cell] === TRANSPARENT ? REF_FOLLOWS_FILE : 0;
    this.#showFromNow(handle, cell, page); // and nothing of what the name stood for before
    this.handleState[handle] = HANDLE_PENDING;
  }

  /** A page that fork copied has shown this content: it has no other until it is stored to. */
  settle(cell: number, token: number): void {
    if (this.cellState[cell] !== UNSETTLED) return;
    this.cellState[cell] = FIXED;
    this.current[cell] = token;
    this.#forgetMay(cell);
  }
  /** Cell of a reference, or of a page of an mm. */
  cellOfLoad(mm: number, page: number): number {
    return this.#cellOf(mm, page);
  }

  // ---- Effects ------------------------------------------------------------------------------------------------

  /** fork(2): a private page has one copy per mm from here on; shared mappings stay one. */
  fork(parent: number, child: number): void {
    const { pages } = this.shape;
    this.alive[child] = 1;
    const from = parent * pages;
    const to = child * pages;
    for (let v = 0; v < pages; v++) {
      const copied = this.mapped[from + v] === 1 && this.dontfork[from + v] === 0;
      this.mapped[to + v] = copied ? 1 : 0;
      this.writable[to + v] = copied ? this.writable[from + v]! : 0;
      this.dontfork[to + v] = 0;
      if (!copied || this.shape.isPrivate[v] === 0) {
        this.seen.clear(to + v);
        continue;
      }
      this.seen.copy(from + v, to + v);
      this.#part(from + v, to + v, this.#fine);
      if (this.forked[from + v] === 0) this.forked[from + v] = 1 + v;
      this.forked[to + v] = this.forked[from + v]!;
      if (this.#parted) this.storedElsewhere[to + v] = this.storedElsewhere[from + v]!;
      this.cellState[to + v] = this.cellState[from + v]!;
      const settled = this.cellState[to + v] === TRANSPARENT || this.cellState[to + v] === FLOATING;
      if (!this.#fine || settled) this.current[to + v] = this.current[from + v]!;
      if (!this.#fine || settled) continue;
      this.cellState[to + v] = UNSETTLED;
      const only = this.seen.only(this.#may + to + v);
      if (only >= 0) this.settle(to + v, only);
    }
    if (this.#fine) this.forking[child] = 0;
  }

  exit(mm: number): void {
    for (let v = 0; v < this.shape.pages; v++)
      if (this.mapped[mm * this.shape.pages + v] === 1) this.munmap(mm, v);
    this.alive[mm] = 0;
  }

  munmap(mm: number, page: number): void {
    const at = mm * this.shape.pages + page;
    if (this.shape.isPrivate[page] === 1) this.#dropCell(at);
    this.mapped[at] = 0;
    this.writable[at] = 0;
    this.dontfork[at] = 0;
  }

  /**
   * mremap(2) of a page to the place of another of its kind and file: what is there is unmapped, and nothing is where it
   * was. The page is the one that it was, to its references too.
   */
  mremap(mm: number, page: number, to: number): void {
    const from = mm * this.shape.pages + page;
    const at = mm * this.shape.pages + to;
    if (this.mapped[at] === 1) this.munmap(mm, to);
    for (const column of [this.mapped, this.writable, this.dontfork]) {
      column[at] = column[from]!;
      column[from] = 0;
    }
    if (this.shape.isPrivate[page] === 1) this.#moveCell(from, at);
  }

  mprotect(mm: number, page: number, writable: boolean): void {
    this.writable[mm * this.shape.pages + page] = writable ? 1 : 0;
  }

  /** MADV_DONTNEED: a private page starts afresh (zero, or the file); a shared one is refaulted unchanged. */
  dontneed(mm: number, page: number): void {
    if (this.shape.isPrivate[page] === 0) return;
    this.#dropCell(mm * this.shape.pages + page);
    this.#freshPage(mm, page);
  }

  setDontfork(mm: number, page: number, on: boolean): void {
    this.dontfork[mm * this.shape.pages + page] = on ? 1 : 0;
  }

  /**
   * A store by a CPU of this mm. Of this and other stores, ZERO_TOKEN: to a part of the page that is not followed; then no
   * content changes, and nothing more is promised of the part that is. A private file page becomes the mm's own with both.
   */
  store(mm: number, page: number, token: number): void {
    const file = this.shape.file[page]!;
    if (token === ZERO_TOKEN) {
      const own = mm * this.shape.pages + page;
      if (this.shape.isPrivate[page] === 0) return;
      if (this.cellState[own] === TRANSPARENT) this.#own(own, file);
      this.storedElsewhere[own] = 1;
      return;
    }
    this.storer[token] = STORER_CPU;
    if (this.shape.isPrivate[page] === 0) {
      this.#setFileCurrent(file, token);
      this.#contractDisk(file);
      return;
    }
    const cell = mm * this.shape.pages + page;
    if (this.cellState[cell] === TRANSPARENT) this.#own(cell, file);
    this.#setCurrent(cell, token);
  }

  /**
   * ftruncate(2): of the file of which `first` is the first page there are `pages` from now on. What is cut off is gone
   * from every mapping, from private copies too; where it is there again, it is zero. References keep what they have, of
   * which nothing is ever in the file again.
   */
  truncate(first: number, pages: number): void {
    for (let i = 0; i < this.shape.filePages[first]!; i++)
      if (i < pages) {
        if (!this.isWithin(first + i)) this.fileEnd[first + i] = END_AGAIN;
      } else if (this.isWithin(first + i)) this.#cutOff(first + i);
  }

  #cutOff(file: number): void {
    const { shape } = this;
    const cell = this.fileCell + file;
    // Who took a private page that showed the file has the file's page, with those who took it through a shared mapping.
    for (let h = 0; h < shape.refs; h++) if (this.#followsFile(h, file)) this.handleCell[h] = cell;
    for (let mm = 0; mm < shape.mms; mm++)
      for (let v = 0; v < shape.pages; v++) {
        if (shape.file[v] !== file || shape.isPrivate[v] === 0 || !this.isMapped(mm, v)) continue;
        this.#dropCell(mm * shape.pages + v);
        this.#freshPage(mm, v);
      }
    // What was lost to its references before, as nobody had dirtied it, they may show as well.
    if (this.undirtied[file] !== 0)
      for (let h = 0; h < shape.refs; h++)
        if (this.handleCell[h] === cell) this.seen.unite(this.#disk + file, this.#handle + h);
    this.#orphan(cell);
    this.seen.unite(cell, this.#past + file);
    this.seen.clear(cell);
    this.current[cell] = ZERO_TOKEN;
    for (let h = 0; h < shape.refs; h++)
      if (this.#followsFile(h, file)) this.handleFlags[h]! &= ~REF_FOLLOWS_FILE;
    this.fileEnd[file] = END_CUT;
    this.#contractDisk(file);
  }

  /** write(2) to the file by another process; beyond its end, it is extended. */
  fileStore(file: number, token: number): void {
    const at = this.shape.fileIndex[file]!;
    if (!this.isWithin(file)) this.truncate(file - at, at + 1);
    if (token === ZERO_TOKEN) return;
    this.storer[token] = STORER_FILE;
    this.#setFileCurrent(file, token);
    this.#contractDisk(file);
  }

  /**
   * A gup that was granted. Fixes the promise from the table (promises.ts).
   * `page` is the page of `mm` that is referenced, `caller` an index in CALLERS.
   */
  take(handle: number, mm: number, page: number, caller: number, write: boolean, longterm: boolean): void {
    const contract = CALLER_CONTRACTS[CALLERS[caller]!];
    const shared = this.shape.isPrivate[page] === 0;
    const cell = this.#cellOf(mm, page);
    // One that looked while the page was the file's may have taken that, whatever the page is by now.
    const begun =
      !write &&
      this.handleState[handle] === HANDLE_PENDING &&
      this.handleCell[handle] === cell &&
      (this.handleFlags[handle]! & REF_FOLLOWS_FILE) !== 0;
    const mapped = begun ? 'private file, transparent' : this.#mappedAs(page, cell);
    const row = promiseFor(contract.ref, write, longterm, contract.copies, mapped);
    let flags = 0;
    if (write) flags |= REF_WRITE;
    if (longterm) flags |= REF_LONGTERM;
    if (row.promise === 'exact') flags |= REF_EXACT;
    if (row.overFork === 'excused') flags |= REF_EXCUSES_FORK;
    if (!shared && this.cellState[cell] === TRANSPARENT) {
      if (write) {
        this.#own(cell, this.shape.file[page]!);
        this.cellState[cell] = FLOATING;
      } else flags |= REF_FOLLOWS_FILE;
    } else if (begun) flags |= REF_FOLLOWS_FILE;
    this.handleFlags[handle] = flags;
    // What it may show: the content of this instant, and of a gup that was in flight all since it began.
    this.#showFromNow(handle, cell, page);
    if (begun && this.cellState[cell] === FIXED) this.seen.add(this.#handle + handle, this.current[cell]!);
    this.takenExcused[handle] =
      !shared && row.promise === 'since-take' && this.cellState[cell] === FIXED
        ? this.excuseOf(cell, this.current[cell]!)
        : 0;
    this.handleState[handle] = HANDLE_LIVE;
    this.handleCell[handle] = cell;
    this.handleCaller[handle] = caller;
    this.handlePage[handle] = mm * this.shape.pages + page;
    if (!this.#fine || shared || (flags & REF_EXCUSES_FORK) === 0) return;
    // Held while a fork is in flight, whenever that copies the page.
    for (let child = 0; child < this.shape.mms; child++)
      if (this.forking[child] === 1 + mm && this.dontfork[cell] === 0)
        this.#holdOverFork(handle, child * this.shape.pages + page);
  }

  /** The policy refused the gup: the program's later uses of the name are skipped. */
  takeRefused(handle: number): void {
    if (this.handleState[handle] === HANDLE_PENDING) this.release(handle, false);
    this.handleState[handle] = HANDLE_VOID;
  }

  /** The holder lets go; `dirty`: it reports that it wrote. From then on the data is under contract (F4). */
  release(handle: number, dirty: boolean): void {
    const cell = this.handleCell[handle]!;
    const file = cell - this.fileCell;
    if (this.handleState[handle] === HANDLE_LIVE && file >= 0 && file < this.shape.files) {
      // What may be gone already cannot come under contract by somebody else's dirtying.
      if (dirty) {
        if (this.undirtied[file] !== LOSSY) this.#contractDisk(file);
      } else if (this.undirtied[file] === 1 + handle) this.undirtied[file] = LOSSY;
    }
    if (this.shape.swaps > 0 && !dirty && this.#isLiveWriter(handle)) this.#leaveUnreported(handle);
    this.handleState[handle] = HANDLE_FREE;
    this.handleCell[handle] = NO_CELL;
    this.handleFlags[handle] = 0;
    this.handleCaller[handle] = 0;
    this.handlePage[handle] = 0;
    this.#partFromNobody(handle);
    this.takenExcused[handle] = 0;
    if (
      this.excusing[0] === 1 &&
      cell >= this.orphanCell &&
      cell < this.cells &&
      !this.handleCell.includes(cell)
    )
      for (let h = 0; h < this.shape.refs; h++) this.#setParted(h, cell, false);
  }

  /** A store by the device through a W reference. `storer`: who the finding class will name (STORERS). */
  deviceStore(handle: number, token: number, storer: number): void {
    if (token === ZERO_TOKEN) {
      const own = this.handleCell[handle]!;
      if (own < this.fileCell) this.storedElsewhere[own] = 1;
      return;
    }
    this.storer[token] = storer;
    const cell = this.handleCell[handle]!;
    const file = cell - this.fileCell;
    if (file >= 0 && file < this.shape.files) {
      this.#setFileCurrent(file, token);
      // Acceptable on disk, but the older content is too until the holder dirties.
      this.seen.add(this.#disk + file, token);
      this.undirtied[file] = 1 + handle;
      return;
    }
    this.#setCurrent(cell, token);
  }

  // ---- Judging what was observed ------------------------------------------------------------------------------

  /** A CPU load of a page. Returns MATCH, LEAK or STALE. */
  judgeLoad(mm: number, page: number, token: number): number {
    return this.shape.isPrivate[page] === 1
      ? this.#judgeCell(mm * this.shape.pages + page, this.shape.file[page]!, token)
      : this.judgeFile(this.shape.file[page]!, token);
  }

  /** read(2) of the file. */
  judgeFile(file: number, token: number): number {
    const cell = this.fileCell + file;
    if (token === this.current[cell]) return MATCH;
    return this.seen.has(cell, token) ? STALE : LEAK;
  }

  /** What is on the disk once fsync(2) has returned. */
  judgeDisk(file: number, token: number): number {
    if (this.seen.has(this.#disk + file, token)) return MATCH;
    return this.seen.has(this.fileCell + file, token) ? STALE : LEAK;
  }

  /** A load through a reference. */
  judgeDevice(handle: number, token: number): number {
    const flags = this.handleFlags[handle]!;
    const cell = this.handleCell[handle]!;
    const page = this.handlePage[handle]! % this.shape.pages;
    if ((flags & REF_EXACT) !== 0) {
      const file = cell - this.fileCell;
      if (file >= 0 && file < this.shape.files) return this.judgeFile(file, token);
      return this.#judgeCell(cell, this.shape.file[page]!, token);
    }
    if (this.seen.has(this.#handle + handle, token)) return MATCH;
    if (this.seen.has(cell, token)) return STALE;
    const followed = (flags & REF_FOLLOWS_FILE) !== 0 ? this.fileCell + this.shape.file[page]! : cell;
    return this.seen.has(followed, token) ? STALE : LEAK;
  }

  /** EXCUSES index for a mismatch seen by a load of this page, else 0. */
  excuseLoad(mm: number, page: number, token: number): number {
    if (this.shape.isPrivate[page] === 0) return this.excuseFile(this.shape.file[page]!, token);
    const cell = mm * this.shape.pages + page;
    // No reference takes from a process what its own CPU stored: that it reads in any kernel.
    const own = this.seen.has(cell, token) && this.storer[this.current[cell]!] === STORER_CPU;
    return own ? 0 : this.#excuseCell(cell, token);
  }
  /** EXCUSES index for a mismatch seen by a reader of the file: older data that may still be on disk. */
  excuseFile(file: number, token: number): number {
    return this.undirtied[file] !== 0 && this.seen.has(this.#disk + file, token) ? EXCUSE_UNDIRTIED : 0;
  }
  /** EXCUSES index for a mismatch seen through a reference. */
  excuseDevice(handle: number, token: number): number {
    const cell = this.handleCell[handle]!;
    const file = cell - this.fileCell;
    if (file >= 0 && file < this.shape.files) return this.excuseFile(file, token);
    // The content seen, if it leaked; else the content missed: at the take, or what the page holds now.
    if (!this.seen.has(cell, token)) return this.excuseOf(cell, token);
    return (this.handleFlags[handle]! & REF_EXACT) === 0
      ? this.takenExcused[handle]!
      : this.#excuseCell(cell, token);
  }
  /** A mismatch in a private cell: a leak is excused by the content seen, stale by the content missed. */
  #excuseCell(cell: number, token: number): number {
    if (!this.seen.has(cell, token)) return this.excuseOf(cell, token);
    return this.cellState[cell] === FIXED ? this.excuseOf(cell, this.current[cell]!) : 0;
  }
  /** EXCUSES index under which this content is excused in a private cell or an orphan, else 0. */
  excuseOf(cell: number, token: number): number {
    for (const excuse of this.#cellExcuses)
      if (this.seen.has(this.#excuseRow(excuse, cell), token)) return excuse;
    return 0;
  }

  /** Token that a load of this page must show, or -1 where several may be shown. */
  expectedLoad(mm: number, page: number): number {
    if (this.shape.isPrivate[page] === 0) return this.current[this.fileCell + this.shape.file[page]!]!;
    const cell = mm * this.shape.pages + page;
    return this.cellState[cell] === FIXED ? this.current[cell]! : -1;
  }
  /**
   * What a cell lost that shows another content: the only one that it may have; of those that fork may have copied that of
   * its begin, as its copy is no older. -1 where nobody can say.
   */
  missed(cell: number): number {
    const state = this.cellState[cell]!;
    return state === FIXED || state === UNSETTLED ? this.current[cell]! : -1;
  }
  /** Token that a load through this reference must show, or -1 where several may be shown. */
  expectedDevice(handle: number): number {
    const cell = this.handleCell[handle]!;
    if ((this.handleFlags[handle]! & REF_EXACT) === 0) return -1;
    return this.cellState[cell] === FIXED ? this.current[cell]! : -1;
  }

  /** True if the token ever was the content of a file page. */
  wasInFile(token: number): boolean {
    if (token === ZERO_TOKEN) return false;
    for (let f = 0; f < this.shape.files; f++) if (this.seen.has(this.fileCell + f, token)) return true;
    return this.wasCutOff(token);
  }
  /** True if it had been in a file page when that was cut off; zero had been in each. */
  wasCutOff(token: number): boolean {
    for (let f = 0; f < this.shape.files; f++)
      if (this.shape.truncated[f] === 1 && this.seen.has(this.#past + f, token)) return true;
    return false;
  }

  /** How many living pages and shared file pages have this token as their current content. */
  ownersOf(token: number): number {
    let owners = 0;
    const { mms, pages, files } = this.shape;
    for (let i = 0; i < mms * pages; i++)
      if (
        this.mapped[i] === 1 &&
        this.shape.isPrivate[i % pages] === 1 &&
        this.cellState[i] === FIXED &&
        this.current[i] === token
      )
        owners++;
    for (let f = 0; f < files; f++) if (this.current[this.fileCell + f] === token) owners++;
    return owners;
  }

  /** True if another mm's copy of this page, parted by fork, has other content by now. */
  diverged(mm: number, page: number): boolean {
    const { mms, pages } = this.shape;
    const cell = mm * pages + page;
    const lineage = this.forked[cell]!;
    if (lineage === 0) return false;
    for (let other = 0; other < mms * pages; other++)
      if (
        this.forked[other] === lineage &&
        Math.floor(other / pages) !== mm &&
        this.alive[Math.floor(other / pages)] === 1 &&
        this.current[other] !== this.current[cell]
      )
        return true;
    return false;
  }

  /** Relation of a token to a cell for the canonical key: 0 never seen, 1 past, 2 what it must show now. */
  relation(cell: number, token: number): number {
    // A transparent page, or an orphan that was one, is judged by the file's bit alone.
    const copies =
      cell < this.fileCell ? this.shape.copiesFile[cell % this.shape.pages] === 1 : cell >= this.orphanCell;
    if (copies && this.cellState[cell] === TRANSPARENT) return 0;
    if (this.cellState[cell] === FIXED && this.current[cell] === token) return 2;
    if (this.cellState[cell] === UNSETTLED && this.seen.has(this.#may + cell, token)) return 2;
    return this.seen.has(cell, token) ? 1 : 0;
  }
  /** True if this file page's disk copy may hold the token. */
  onDiskAllowed(file: number, token: number): number {
    return this.seen.has(this.#disk + file, token) ? 1 : 0;
  }
  /** True if a since-take reference may show the token. */
  handleAllowed(handle: number, token: number): number {
    return this.seen.has(this.#handle + handle, token) ? 1 : 0;
  }

  /** True if this cell parted from the page of a reference that is held over fork. */
  hasParted(handle: number, cell: number): boolean {
    if (cell >= this.fileCell && cell < this.orphanCell) return false;
    const at = this.#partedAt(cell);
    return (this.parted[handle * this.#partedWords + (at >> 4)]! & (1 << (at & 15))) !== 0;
  }

  // ---- Pieces -------------------------------------------------------------------------------------------------

  /** The cell that a page of an mm shows, that of its file if it is shared. */
  #cellOf(mm: number, page: number): number {
    return this.shape.isPrivate[page] === 0
      ? this.fileCell + this.shape.file[page]!
      : mm * this.shape.pages + page;
  }

  /** A reference may show the content of this instant; where that is not pinned down, all candidates. */
  #showFromNow(handle: number, cell: number, page: number): void {
    const own = this.#handle + handle;
    const since = this.handleState[handle] === HANDLE_PENDING && this.handleCell[handle] === cell;
    const isPrivate = this.shape.isPrivate[page] === 1;
    const candidates =
      (this.handleFlags[handle]! & REF_FOLLOWS_FILE) !== 0
        ? this.fileCell + this.shape.file[page]!
        : isPrivate && this.cellState[cell] === FLOATING
          ? cell
          : isPrivate && this.cellState[cell] === UNSETTLED
            ? this.#may + cell
            : -1;
    const zero = since && this.seen.has(own, ZERO_TOKEN);
    if (!since) this.seen.clear(own);
    if (candidates >= 0) {
      if (since) this.seen.unite(candidates, own);
      else this.seen.copy(candidates, own);
    } else this.seen.add(own, this.current[cell]!);
    // Every page has seen the zero token, but a reference may show it only if the page may have been zero when it was
    // taken.
    if (zero) return;
    const mayBeZero =
      candidates < 0
        ? this.current[cell] === ZERO_TOKEN
        : candidates >= this.#may
          ? this.seen.has(candidates, ZERO_TOKEN)
          : this.#mayShowZero(page);
    if (!mayBeZero) this.seen.remove(own, ZERO_TOKEN);
  }

  /** Has the file page ever been zero, for all that the reference knows: a hole, or cut off and there again? */
  #mayBeZero(file: number): boolean {
    return (
      this.shape.startsZero[file] !== 0 || (this.shape.truncated[file] === 1 && this.fileEnd[file] !== 0)
    );
  }
  /** Likewise of what a page shows that was not stored to. */
  #mayShowZero(page: number): boolean {
    return this.shape.neverZero[page] === 0 || this.#mayBeZero(this.shape.file[page]!);
  }

  /** Nothing is left open of what fork copied here. */
  #forgetMay(cell: number): void {
    if (!this.#fine) return;
    this.seen.clear(this.#may + cell);
    this.seen.remove(this.#may + cell, ZERO_TOKEN);
  }

  #mappedAs(page: number, cell: number): Mapped {
    if (this.shape.isPrivate[page] === 0) return 'shared';
    if (this.shape.copiesFile[page] === 1)
      return this.cellState[cell] === TRANSPARENT ? 'private file, transparent' : 'private file, own';
    if (this.cellState[cell] === UNSETTLED && this.seen.has(this.#may + cell, ZERO_TOKEN))
      return 'anon, untouched';
    // Whatever is stored is fresh: only a page to which neither this mm nor an ancestor has stored is zero.
    const zero = this.current[cell] === ZERO_TOKEN && (!this.#parted || this.storedElsewhere[cell] === 0);
    return zero ? 'anon, untouched' : 'anon, written';
  }

  #judgeCell(cell: number, file: number, token: number): number {
    const state = this.cellState[cell];
    if (state === FIXED) {
      if (token === this.current[cell]) return MATCH;
    } else if (state === UNSETTLED) {
      if (this.seen.has(this.#may + cell, token)) return MATCH;
    } else {
      if (token === ZERO_TOKEN && !this.#mayBeZero(file)) return STALE; // the file never held zeroes
      return this.seen.has(state === TRANSPARENT ? this.fileCell + file : cell, token) ? MATCH : LEAK;
    }
    return this.seen.has(cell, token) ? STALE : LEAK;
  }

  /** The cell starts afresh, or is gone: nothing in it is excused, and it parted from nobody. */
  #forgetExcuses(cell: number): void {
    if (this.excusing[0] === 0) return;
    for (const excuse of this.#cellExcuses) this.seen.clear(this.#excuseRow(excuse, cell));
    for (let h = 0; h < this.shape.refs; h++) this.#setParted(h, cell, false);
  }

  /** Number of a private cell or an orphan in `parted`: private ones first. */
  #partedAt(cell: number): number {
    return cell < this.fileCell ? cell : cell - this.shape.files;
  }
  #setParted(handle: number, cell: number, on: boolean): void {
    const at = this.#partedAt(cell);
    const word = handle * this.#partedWords + (at >> 4);
    if (on) this.parted[word]! |= 1 << (at & 15);
    else this.parted[word]! &= ~(1 << (at & 15));
  }
  #partFromNobody(handle: number): void {
    for (let w = 0; w < this.#partedWords; w++) this.parted[handle * this.#partedWords + w] = 0;
  }

  /** A new page in place of whatever was there: zero, or the file. */
  #freshPage(mm: number, page: number): void {
    const cell = mm * this.shape.pages + page;
    this.seen.clear(cell);
    this.#forgetExcuses(cell);
    this.current[cell] = ZERO_TOKEN;
    this.cellState[cell] = this.shape.copiesFile[page] === 1 ? TRANSPARENT : FIXED;
    this.forked[cell] = 0;
    if (this.#parted) this.storedElsewhere[cell] = 0;
    this.#forgetMay(cell);
  }

  /** The first store or W reference makes a private file page the mm's own, with the file's history. */
  #own(cell: number, file: number): void {
    if (file === NO_FILE) throw new Error('a transparent page maps a file');
    this.seen.unite(this.fileCell + file, cell);
    this.cellState[cell] = FLOATING;
    // An exact reference that follows the file is with the page from the start.
    for (let h = 0; h < this.shape.refs; h++)
      if (this.handleCell[h] === cell && (this.handleFlags[h]! & REF_EXACT) !== 0)
        this.handleFlags[h]! &= ~REF_FOLLOWS_FILE;
  }

  #setCurrent(cell: number, token: number): void {
    this.cellState[cell] = FIXED;
    this.current[cell] = token;
    if (this.#fine) this.#mayCopy(cell, token);
    if (cell < this.fileCell || cell >= this.orphanCell) this.#excuseStore(cell, token);
    this.seen.add(cell, token);
    for (let h = 0; h < this.shape.refs; h++)
      if (this.handleCell[h] === cell) {
        this.seen.add(this.#handle + h, token);
        this.handleFlags[h]! |= REF_STORED;
      }
  }

  /** A store settles a page; and a fork in flight may copy it. */
  #mayCopy(cell: number, token: number): void {
    this.#forgetMay(cell);
    if (cell >= this.fileCell) return;
    const { pages, mms } = this.shape;
    const mm = Math.floor(cell / pages);
    for (let child = 0; child < mms; child++)
      if (this.forking[child] === 1 + mm) this.seen.add(this.#may + child * pages + (cell % pages), token);
  }

  #setFileCurrent(file: number, token: number): void {
    const cell = this.fileCell + file;
    this.#setCurrent(cell, token);
    for (let h = 0; h < this.shape.refs; h++)
      if (this.#followsFile(h, file)) {
        this.seen.add(this.#handle + h, token);
        this.handleFlags[h]! |= REF_STORED;
      }
  }

  /** Taken of a private page that showed this file page, and its promise follows that. */
  #followsFile(handle: number, file: number): boolean {
    return (
      (this.handleFlags[handle]! & REF_FOLLOWS_FILE) !== 0 &&
      this.shape.file[this.handlePage[handle]! % this.shape.pages] === file
    );
  }

  /** From now on only the current content may be found on disk after fsync. */
  #contractDisk(file: number): void {
    const disk = this.#disk + file;
    this.seen.clear(disk);
    this.seen.remove(disk, ZERO_TOKEN);
    this.seen.add(disk, this.current[this.fileCell + file]!);
    this.undirtied[file] = 0;
  }

  #isLiveWriter(handle: number): boolean {
    return this.handleState[handle] === HANDLE_LIVE && (this.handleFlags[handle]! & REF_WRITE) !== 0;
  }
  /**
   * The last who may store to a private page through a reference lets go and does not say that it did: what the device
   * stored there, or in a page that parted from it, may be replaced by what is on swap (pin_user_pages.rst).
   */
  #leaveUnreported(handle: number): void {
    for (let cell = 0; cell < this.fileCell; cell++) {
      if (this.handleCell[handle] !== cell && !this.hasParted(handle, cell)) continue;
      const token = this.current[cell]!;
      const storer = this.storer[token]!;
      if (this.cellState[cell] !== FIXED || storer < STORER_DEVICE_GET || storer > STORER_DEVICE_DIO)
        continue;
      let others = false;
      for (let h = 0; h < this.shape.refs; h++)
        if (h !== handle && this.handleCell[h] === cell && this.#isLiveWriter(h)) others = true;
      if (others) continue;
      this.excusing[0] = 1;
      this.seen.add(this.#excuseRow(EXCUSE_UNDIRTIED, cell), token);
    }
  }

  #excuseRow(excuse: number, cell: number): number {
    return this.#excuses + (excuse - EXCUSE_FORK_DIO) * this.cells + cell;
  }
  #excuseBy(handle: number): number {
    return CALLERS[this.handleCaller[handle]!] === 'o_direct_read' ? EXCUSE_FORK_DIO : EXCUSE_FORK_GET;
  }

  /**
   * fork(2) copies a private page: the child inherits which contents are excused, as it inherits the contents. What is
   * stored from here on, to any of the copies, is excused as long as a reference is held that excuses (open(2)).
   */
  #part(cell: number, child: number, again = false): void {
    if (this.excusing[0] === 1)
      for (const excuse of this.#cellExcuses) {
        const to = this.#excuseRow(excuse, child);
        if (again) this.seen.unite(this.#excuseRow(excuse, cell), to);
        else this.seen.copy(this.#excuseRow(excuse, cell), to);
      }
    for (let h = 0; h < this.shape.refs; h++) {
      if (this.handleCell[h] === cell && (this.handleFlags[h]! & REF_EXCUSES_FORK) !== 0)
        this.#holdOverFork(h, child);
      if (this.hasParted(h, cell)) this.#setParted(h, child, true);
    }
  }
  #holdOverFork(handle: number, child: number): void {
    this.handleFlags[handle]! |= REF_HELD_OVER_FORK;
    this.excusing[0] = 1;
    this.#setParted(handle, child, true);
  }

  /** A store to a private cell, by whomever, while references are held over fork: which kernel shows it whom is open. */
  #excuseStore(cell: number, token: number): void {
    if (this.excusing[0] === 0) return;
    for (let h = 0; h < this.shape.refs; h++) {
      if ((this.handleFlags[h]! & REF_HELD_OVER_FORK) === 0) continue;
      const own = this.handleCell[h]!;
      const excuse = this.#excuseBy(h);
      if (own === cell) {
        this.seen.add(this.#excuseRow(excuse, own), token);
        for (let other = 0; other < this.cells; other++)
          if (this.hasParted(h, other)) this.seen.add(this.#excuseRow(excuse, other), token);
      } else if (this.hasParted(h, cell)) {
        this.seen.add(this.#excuseRow(excuse, cell), token);
        this.seen.add(this.#excuseRow(excuse, own), token);
      }
    }
  }

  /** A private page that is replaced, or gone. */
  #dropCell(cell: number): void {
    this.#orphan(cell);
    this.#emptyCell(cell);
  }

  /** References to a page that is replaced keep the old one, as an orphan; their promise is lowered. */
  #orphan(cell: number): void {
    let orphan = -1;
    for (let h = 0; h < this.shape.refs; h++) {
      if (this.handleCell[h] !== cell) continue;
      if (orphan < 0) orphan = this.#moveToOrphan(cell);
      this.handleCell[h] = orphan;
      if ((this.handleFlags[h]! & REF_EXACT) !== 0) this.#lowerPromise(h, cell);
      this.handleFlags[h] = (this.handleFlags[h]! & ~(REF_EXACT | REF_EXCUSES_FORK)) | REF_DETACHED;
    }
  }

  /** Nothing is mapped here. */
  #emptyCell(cell: number): void {
    this.seen.clear(cell);
    this.#forgetExcuses(cell);
    this.cellState[cell] = 0;
    this.current[cell] = 0;
    this.forked[cell] = 0;
    if (this.#parted) this.storedElsewhere[cell] = 0;
    this.#forgetMay(cell);
  }

  /** A private page at another place of its mm, where none is: with its contents, excuses and references. */
  #moveCell(from: number, to: number): void {
    this.seen.copy(from, to);
    if (this.#fine) this.seen.copy(this.#may + from, this.#may + to);
    for (const column of [this.cellState, this.current, this.forked]) column[to] = column[from]!;
    if (this.#parted) this.storedElsewhere[to] = this.storedElsewhere[from]!;
    if (this.excusing[0] === 1)
      for (const excuse of this.#cellExcuses)
        this.seen.copy(this.#excuseRow(excuse, from), this.#excuseRow(excuse, to));
    for (let h = 0; h < this.shape.refs; h++) {
      if (this.hasParted(h, from)) this.#setParted(h, to, true);
      if (this.handleCell[h] === from) this.handleCell[h] = to;
    }
    this.#emptyCell(from);
  }

  /** An exact promise becomes: anything that the page has held so far, or will. */
  #lowerPromise(handle: number, cell: number): void {
    const own = this.#handle + handle;
    const page = this.handlePage[handle]! % this.shape.pages;
    // What never held zeroes does not show them, though every page has seen the zero token.
    const zero = this.seen.has(own, ZERO_TOKEN) || this.#mayShowZero(page);
    this.seen.unite(cell, own);
    if ((this.handleFlags[handle]! & REF_FOLLOWS_FILE) !== 0)
      this.seen.unite(this.fileCell + this.shape.file[page]!, own);
    if (!zero) this.seen.remove(own, ZERO_TOKEN);
  }

  #moveToOrphan(cell: number): number {
    for (let i = 0; i < this.shape.refs; i++) {
      const orphan = this.orphanCell + i;
      if (this.handleCell.includes(orphan)) continue;
      this.seen.copy(cell, orphan);
      if (this.#fine) this.seen.copy(this.#may + cell, this.#may + orphan);
      this.cellState[orphan] = this.cellState[cell]!;
      this.current[orphan] = this.current[cell]!;
      for (const excuse of this.#cellExcuses)
        this.seen.copy(this.#excuseRow(excuse, cell), this.#excuseRow(excuse, orphan));
      for (let h = 0; h < this.shape.refs; h++) this.#setParted(h, orphan, this.hasParted(h, cell));
      this.forked[orphan] = 0;
      return orphan;
    }
    throw new Error('more orphans than references');
  }
}
