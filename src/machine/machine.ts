/**
 * The machine: folios, PTEs and counts as the kernel keeps them, and the policy that it asks at each decision point.
 *
 * Everything is in flat columns. Tasks in the middle of an operation keep their program counter and locals in
 * columns as well (`task.*`), so that an operation is a table of atomic steps (machine/procedures.ts) and a
 * snapshot may be taken between any two of them. What an observer sees is put down as events; the machine judges
 * nothing and imports nothing from the reference.
 */
import type { Columns } from '../state/arena.ts';
import {
  type Arrays,
  type Column,
  classOf,
  fillStart,
  layOut,
  type Sizes,
  sizesOf,
} from '../state/columns.ts';
import { type Filesystem, filesystem } from '../domain/filesystems.ts';
import { ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE, type Shape } from '../domain/setup.ts';
import { type Ask, askOf, type DecisionTable, tablesOf } from './ask.ts';
import { DECISION_NAMES, type DecisionName } from './decisions.ts';
import { FRAME_ANON, FRAME_FILE, FRAME_NONE, FRAME_ZERO } from './facts.ts';
import {
  F_ANON,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  F_EXCLUSIVE,
  MACHINE_COLUMNS,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  P_WRITE,
  REF_GET,
  REF_NONE,
  REF_PIN,
  TASK_COLUMNS,
  V_ANON_VMA,
  V_MAPPED,
  V_WRITE,
  ZERO_PFN,
} from './state.ts';
import type { NoteColumn, NoteSort } from './notes.ts';
import { numberSteps, T_BY_GUP, T_FAST } from './procedures.ts';
import { dropEntry, leaveIfUnused, recountSwap } from './swap-slots.ts';
import { type ExpandedPolicy, factsOfEntry } from './tables.ts';

export * from './state.ts';

/** What observers can see of a step. `a` is an mm, file or reference; see the emitters. */
export const EVENTS = [
  'load', // a CPU load: a = mm, b = page, token
  'device-load', // a load through a reference: a = reference, token
  // an O_DIRECT write has read its buffer: a = reference, b = its target (gup.ts), token, other = token when submitted
  'dio-write',
  'file-read', // read(2): a = file page, token
  'disk', // fsync(2) has returned: a = file page, token = what the disk holds
  'writeback-end', // a = file page, token = what went out, other = what was there at the start
  'dirtied', // the folio of a file was dirtied by unpin, or by a store nobody was told of: a = file page, b = reference
  'writeback-lost', // writeback found no buffers: a = file page
  'freed', // a folio was freed while a reference still names it: a = reference
  'copy', // a folio was copied on a fault: a = mm, b = page, token = what was copied
] as const;
export const EV_LOAD = 0;
export const EV_DEVICE_LOAD = 1;
export const EV_DIO_WRITE = 2;
export const EV_FILE_READ = 3;
export const EV_DISK = 4;
export const EV_WRITEBACK_END = 5;
export const EV_DIRTIED = 6;
export const EV_WRITEBACK_LOST = 7;
export const EV_FREED = 8;
export const EV_COPY = 9;
const EVENTS_MAX = 64;

/** What a run cost, beside being right. */
export interface Costs {
  /** Folios copied, by a fault or early at fork. */
  copies: number;
  earlyCopies: number;
  /** Copies of a page that nobody else had any claim to (the executor finds out from the reference). */
  needlessCopies: number;
  /** Faults raised by GUP, and pages that those allocated. */
  gupFaults: number;
  gupAllocations: number;
  refused: number;
  blocked: number;
  /** Writebacks put off by the policy: the page stays dirty. */
  deferred: number;
}
export const COST_NAMES: readonly (keyof Costs)[] = [
  'copies',
  'earlyCopies',
  'needlessCopies',
  'gupFaults',
  'gupAllocations',
  'refused',
  'blocked',
  'deferred',
];
export const noCosts = (): Costs => ({
  copies: 0,
  earlyCopies: 0,
  needlessCopies: 0,
  gupFaults: 0,
  gupAllocations: 0,
  refused: 0,
  blocked: 0,
  deferred: 0,
});

/** What there is of a PTE, with its start. */
const PTE_COLUMNS = (
  Object.entries(MACHINE_COLUMNS) as readonly (readonly [keyof typeof MACHINE_COLUMNS, Column])[]
).flatMap(([name, { of, start = 0 }]) => (of === 'pte' ? [[name, start] as const] : []));

/** The machine's columns (machine/state.ts) as fields, by their names. */
const MachineState: new (
  sizes: Sizes,
  columns: Columns,
  per: { readonly [name: string]: number },
) => Arrays<typeof MACHINE_COLUMNS> = classOf(MACHINE_COLUMNS);

export class Machine extends MachineState {
  readonly shape: Shape;
  readonly policy: ExpandedPolicy;
  readonly filesystems: readonly Filesystem[];
  readonly #asideStable: boolean;
  /** The policy's notes. */
  readonly notes: readonly NoteColumn[];
  readonly keepsExclusive: boolean;
  readonly keepsHasPinned: boolean;
  readonly bias: number;

  readonly task: Arrays<typeof TASK_COLUMNS>;
  readonly tables: readonly DecisionTable[];
  /** `m.ask.wpFault(task, pte, pfn) === 'reuse'` */
  readonly ask: Ask;
  /** Why a page is marked exclusive (MARK_*): a fact of markExclusive, put down right before it is asked. */
  mark = 0;
  /** Where the swap cache may be dropped (FREE_AT_*): a fact of freeSwap, put down right before it is asked. */
  freeingAt = 0;
  /** Is there swap? Without, its columns have no elements. */
  readonly hasSwap: boolean;
  /** Is told of each answer: the decision (place in DECISION_NAMES) and the entry of its table. */
  onAnswer: ((decision: number, entry: number) => void) | undefined = undefined;

  /** Events of the last operation. */
  events = 0;
  readonly eventKind: Uint8Array = new Uint8Array(EVENTS_MAX);
  readonly eventA: Uint8Array = new Uint8Array(EVENTS_MAX);
  readonly eventB: Uint8Array = new Uint8Array(EVENTS_MAX);
  readonly eventToken: Uint8Array = new Uint8Array(EVENTS_MAX);
  readonly eventOther: Uint8Array = new Uint8Array(EVENTS_MAX);
  /** Errno or signal of the last refusal, for reports. */
  errno = '';
  /** What the policy did wrong in the last operation that ended as POLICY_ERROR. */
  policyError = '';
  costs: Costs = noCosts();

  constructor(shape: Shape, policy: ExpandedPolicy, columns: Columns) {
    const sizes = sizesOf(shape);
    const notes = policy.notes ?? [];
    super(sizes, columns, {
      mmNotes: notes.filter(({ of }) => of === 'mm').length,
      ...(shape.readsApart.includes(1) ? {} : { sent: 0, sentContent: 0 }),
      ...(shape.truncated.includes(1) ? {} : { beyond: 0 }),
      folioNotes: notes.filter(({ of }) => of === 'folio').length,
    });
    this.notes = notes;
    this.shape = shape;
    this.policy = policy;
    this.filesystems = shape.filesystem.map(filesystem);
    this.#asideStable = shape.setup.aside !== undefined && filesystem(shape.setup.aside).stablePages;
    this.keepsExclusive = policy.keeps.anonExclusive;
    this.keepsHasPinned = policy.keeps.hasPinned;
    this.bias = shape.setup.pinBias;
    this.hasSwap = shape.swaps > 0;
    numberSteps();
    this.tables = tablesOf(policy);
    this.ask = askOf(this, this.tables);
    this.task = layOut(TASK_COLUMNS, sizes, columns);
  }

  /** Sets the start of the scenario; the columns must be zero. */
  reset(): void {
    const { shape } = this;
    this.alive[0] = 1;
    this.refcount[ZERO_PFN] = 1;
    fillStart(MACHINE_COLUMNS, this);
    fillStart(TASK_COLUMNS, this.task);
    let next = 1;
    for (let f = 0; f < shape.files; f++) this.disk[f] = shape.startsZero[f] === 1 ? ZERO_TOKEN : next++;
    for (let v = 0; v < shape.pages; v++) this.vma[v] = V_MAPPED | (shape.writable[v] === 1 ? V_WRITE : 0);
  }

  // ---- What the kernel can see ---------------------------------------------------------------------------------

  /** page_maybe_dma_pinned() of a small folio: false positives above the bias are intended. */
  maybeDmaPinned(pfn: number): boolean {
    return this.refcount[pfn]! >= this.bias;
  }
  frameOf(pte: number): number {
    const bits = this.pte[pte]!;
    if ((bits & P_PRESENT) === 0) return FRAME_NONE;
    if ((bits & P_SPECIAL) !== 0) return FRAME_ZERO;
    return (this.flags[this.pfn[pte]!]! & F_ANON) !== 0 ? FRAME_ANON : FRAME_FILE;
  }
  /** Does the device of an O_DIRECT write's target (as in `refTarget`) need pages that are stable? */
  targetStable(target: number): boolean {
    return target === 0 ? this.#asideStable : this.filesystems[target - 1]!.stablePages;
  }
  /** is_swap_pte(). */
  hasEntry(pte: number): boolean {
    return this.hasSwap && this.swapEntry[pte] !== 0;
  }
  /** folio_test_swapcache(). */
  inSwapCache(pfn: number): boolean {
    return this.hasSwap && this.swapSlot[pfn] !== 0;
  }
  /** The folio that is in the swap cache for the slot, or NO_PFN: filemap_get_folio(swap_address_space()). */
  folioOfSlot(slot: number): number {
    const pfn = this.swapSlot.indexOf(1 + slot);
    return pfn < 0 ? NO_PFN : pfn;
  }
  /** Swap entries that name the slot of the folio, or, where there is no such folio, that of the entry at the PTE. */
  swapEntries(pte: number, pfn: number): number {
    if (!this.hasSwap) return 0;
    const slot = pfn === NO_PFN ? this.swapEntry[pte]! : this.swapSlot[pfn]!;
    return slot === 0 ? 0 : this.swapCount[slot - 1]!;
  }
  /** References beyond page cache, swap cache and private state. */
  extraRefs(pfn: number): boolean {
    let expected = (this.mapping[pfn] === NO_FILE ? 0 : 1) + ((this.flags[pfn]! & F_BUFFERS) !== 0 ? 1 : 0);
    if (this.inSwapCache(pfn)) expected++;
    return this.refcount[pfn]! - this.mapcount[pfn]! > expected;
  }
  /** vma_needs_dirty_tracking(): shared, writable, on a filesystem that tracks dirty pages. */
  dirtyTracked(pte: number): boolean {
    const page = pte % this.shape.pages;
    return this.shape.tracked[page] === 1 && (this.vma[pte]! & V_WRITE) !== 0;
  }
  /** Does the VMA of this PTE allow a load, or a store? */
  vmaAllows(pte: number, write: boolean): boolean {
    const wanted = write ? V_MAPPED | V_WRITE : V_MAPPED;
    return (this.vma[pte]! & wanted) === wanted;
  }
  /** The facts that the table reads, as they stand: `write=true, frame=file`. */
  factsText(decision: DecisionName, task: number, pte: number, pfn: number): string {
    const table = this.tables[DECISION_NAMES.indexOf(decision)]!;
    const facts = Object.entries(factsOfEntry(table.table, table.entry(this, task, pte, pfn)));
    return facts.map(([fact, value]) => `${fact}=${value}`).join(', ') || 'all as it was';
  }

  // ---- Folios --------------------------------------------------------------------------------------------------

  /** A store to a folio; ZERO_TOKEN: to a part of it that is not followed (ops/parts.ts). */
  store(pfn: number, token: number): void {
    if (token !== ZERO_TOKEN) this.content[pfn] = token;
  }
  /** A free folio with content `token`, refcount 1. The lowest free pfn, so that frames are reused at once. */
  alloc(token: number, flags: number): number {
    for (let pfn = 1; pfn < this.shape.folios; pfn++) {
      if (this.refcount[pfn] !== 0) continue;
      this.refcount[pfn] = 1;
      this.mapcount[pfn] = 0;
      this.flags[pfn] = flags;
      this.mapping[pfn] = NO_FILE;
      this.content[pfn] = token;
      return pfn;
    }
    throw new Error('out of folios: the shape has too few');
  }
  put(pfn: number, refs = 1): void {
    if (pfn === ZERO_PFN) {
      this.refcount[pfn]! -= refs;
      return;
    }
    const left = this.refcount[pfn]! - refs;
    this.refcount[pfn] = left;
    if (left > 0) return;
    for (let h = 0; h < this.shape.refs; h++)
      if (this.refKind[h] !== REF_NONE && this.refPfn[h] === pfn) this.emit(EV_FREED, h, 0, 0, 0);
    this.refcount[pfn] = 0;
    this.flags[pfn] = 0;
    this.mapping[pfn] = NO_FILE;
    this.content[pfn] = 0;
    for (let at = pfn; at < this.folioNotes.length; at += this.shape.folios) this.folioNotes[at] = 0;
  }
  /** Notes that are not 0, of an mm or a folio: `pins 2`. */
  notesOf(sort: NoteSort, at: number): string[] {
    const [array, size] =
      sort === 'mm' ? [this.mmNotes, this.shape.mms] : [this.folioNotes, this.shape.folios];
    return this.notes.flatMap(({ of, name, place }) => {
      const value = of === sort ? array[place * size + at]! : 0;
      return value === 0 ? [] : [`${name} ${value}`];
    });
  }
  /** The notes of an mm that begins or ends; of a child, those that are inherited are its parent's. */
  beginNotes(mm: number, parent = -1): void {
    const { mms } = this.shape;
    for (const { of, place, inherited } of this.notes)
      if (of === 'mm')
        this.mmNotes[place * mms + mm] =
          parent >= 0 && inherited === true ? this.mmNotes[place * mms + parent]! : 0;
  }

  /** Maps a folio; takes over one reference of the caller. */
  map(pte: number, pfn: number, bits: number): void {
    this.pte[pte] = P_PRESENT | bits;
    this.pfn[pte] = pfn;
    this.mapcount[pfn]!++;
  }
  /** zap_pte_range(): drops one mapping and its reference; never looks at pins. */
  zap(task: number, pte: number): void {
    const bits = this.pte[pte]!;
    if ((bits & P_PRESENT) === 0) {
      if (this.hasEntry(pte)) dropEntry(this, pte);
      return;
    }
    const pfn = this.pfn[pte]!;
    const normal = (bits & P_SPECIAL) === 0;
    if (normal && (bits & P_DIRTY) !== 0 && (this.flags[pfn]! & F_ANON) === 0)
      if (this.ask.zapDirty(task, pte, pfn) === 'fold') this.flags[pfn]! |= F_DIRTY;
    this.pte[pte] = 0;
    this.pfn[pte] = NO_PFN;
    if (!normal) return;
    this.#unmapped(pfn);
  }
  /** One mapping less, and its reference. free_swap_cache(): what nobody can find any more leaves the swap cache. */
  #unmapped(pfn: number): void {
    this.mapcount[pfn]!--;
    if (this.inSwapCache(pfn)) leaveIfUnused(this, this.swapSlot[pfn]! - 1);
    this.put(pfn);
  }
  /** All that there is at one PTE is at another, of which nothing was left. */
  movePte(from: number, to: number): void {
    for (const [name, start] of PTE_COLUMNS) {
      const column = this[name];
      if (column.length === 0) continue;
      column[to] = column[from]!;
      column[from] = start;
    }
  }
  /** A new anonymous folio in place of whatever the PTE maps. `mark`: MARK_*. */
  install(task: number, pte: number, pfn: number, bits: number, mark: number): void {
    const old = this.pte[pte]!;
    const oldPfn = this.pfn[pte]!;
    this.vma[pte]! |= V_ANON_VMA;
    this.map(pte, pfn, bits);
    this.markExclusive(task, pte, pfn, mark);
    if ((old & P_PRESENT) === 0 || (old & P_SPECIAL) !== 0) return;
    this.#unmapped(oldPfn);
  }

  /** The anonymous folio belongs to this mm alone. `mark`: MARK_*. */
  markExclusive(task: number, pte: number, pfn: number, mark: number): void {
    if (!this.keepsExclusive) return;
    this.mark = mark;
    if (this.ask.markExclusive(task, pte, pfn) === 'set') this.flags[pfn]! |= F_EXCLUSIVE;
  }
  /** Is the folio dirty, or a PTE that maps it? */
  isDirty(pfn: number): boolean {
    if ((this.flags[pfn]! & F_DIRTY) !== 0) return true;
    for (let i = 0; i < this.pte.length; i++)
      if (this.pfn[i] === pfn && (this.pte[i]! & P_DIRTY) !== 0) return true;
    return false;
  }

  /** Is the page beyond the end of its file? */
  isBeyond(file: number): boolean {
    return this.shape.truncated[file] === 1 && this.beyond[file] === 1;
  }
  /** i_size_write(): the file ends behind this page, which is written to and may have been beyond the end. */
  extendTo(file: number): void {
    if (this.isBeyond(file))
      for (let f = file; f >= file - this.shape.fileIndex[file]!; f--) this.beyond[f] = 0;
  }

  /** The folio of a file page, read from disk if it is not in the page cache; a zeroed page of a hole. */
  cacheFolio(file: number): number {
    const cached = this.cache[file]!;
    if (cached !== NO_PFN) return cached;
    const pfn = this.alloc(this.disk[file]!, 0);
    this.mapping[pfn] = file;
    this.cache[file] = pfn;
    return pfn;
  }
  /** Attaches the filesystem's private state. */
  attachBuffers(pfn: number): void {
    if ((this.flags[pfn]! & F_BUFFERS) !== 0) return;
    this.flags[pfn]! |= F_BUFFERS;
    this.refcount[pfn]!++;
  }
  stripBuffers(pfn: number): void {
    if ((this.flags[pfn]! & F_BUFFERS) === 0) return;
    this.flags[pfn]! &= ~F_BUFFERS;
    this.put(pfn);
  }
  /** page_mkwrite: the filesystem is told, attaches its state, and the folio becomes dirty. */
  mkwrite(pfn: number): void {
    this.attachBuffers(pfn);
    this.flags[pfn]! |= F_DIRTY | F_COVERED;
  }

  /** A reference lets go of its folio; what it is of is forgotten, where its data goes is not. */
  letGo(handle: number): void {
    const pfn = this.refPfn[handle]!;
    const kind = this.refKind[handle]!;
    this.refKind[handle] = REF_NONE;
    this.refPfn[handle] = NO_PFN;
    this.refSubmitted[handle] = 0;
    this.refWrite[handle] = 0;
    if (kind === REF_GET) this.put(pfn);
    else if (kind === REF_PIN) {
      this.pincount[pfn]!--;
      this.put(pfn, this.bias);
    }
  }
  /** raw_write_seqcount_begin(), raw_write_seqcount_end() of mm->write_protect_seq: it is odd from `odd` 1 to 0. */
  moveWriteProtectSeq(mm: number, odd: number): void {
    if (this.shape.tasks < 2) return;
    this.writeProtectSeq[mm] = odd;
    const { raced, mm: of, flags } = this.task;
    for (let t = 0; t < raced.length; t++) if (of[t] === mm && (flags[t]! & T_FAST) !== 0) raced[t] = 1;
  }

  // ---- Events --------------------------------------------------------------------------------------------------

  emit(kind: number, a: number, b: number, token: number, other: number): void {
    const at = this.events++;
    if (at >= EVENTS_MAX) throw new Error('too many events in one operation');
    this.eventKind[at] = kind;
    this.eventA[at] = a;
    this.eventB[at] = b;
    this.eventToken[at] = token;
    this.eventOther[at] = other;
  }

  // ---- Invariants ----------------------------------------------------------------------------------------------

  readonly #left: Int32Array = new Int32Array(64);

  /**
   * Re-derives all counts from who holds what. Returns '' or what differs: that is a bug of ours, never a finding.
   * After every step, so it is made to be fast: the three counts of a folio are one number (refcount below 2^16, then
   * mapcount, then pincount), from which every holder takes its share; nothing may be left.
   */
  recount(): string {
    const { folios, mms, pages, refs, files } = this.shape;
    const { flags, pte, pfn: mapped, refcount, mapcount, pincount, refKind, refPfn, cache } = this;
    const left = this.#left;
    for (let pfn = 0; pfn < folios; pfn++)
      left[pfn] =
        refcount[pfn]! +
        (mapcount[pfn]! << 16) +
        (pincount[pfn]! << 24) -
        ((flags[pfn]! & F_BUFFERS) !== 0 ? 1 : 0);
    left[ZERO_PFN]!--;
    for (let i = 0; i < mms * pages; i++)
      if ((pte[i]! & (P_PRESENT | P_SPECIAL)) === P_PRESENT) left[mapped[i]!]! -= 0x10001;
    for (let f = 0; f < files; f++) {
      const pfn = cache[f]!;
      if (pfn === NO_PFN) continue;
      left[pfn]!--;
      if (this.mapping[pfn] !== f)
        return `page cache of file ${f} holds pfn ${pfn}, whose mapping is ${this.mapping[pfn]}`;
    }
    for (let h = 0; h < refs; h++) {
      const kind = refKind[h]!;
      if (kind === REF_GET) left[refPfn[h]!]!--;
      else if (kind === REF_PIN) left[refPfn[h]!]! -= 0x1000000 + this.bias;
    }
    if (this.hasSwap) {
      const wrong = recountSwap(this, left);
      if (wrong !== '') return wrong;
    }
    const { held, pfn: fresh } = this.task;
    for (let t = 0; t < held.length; t++) {
      if (held[t] !== NO_PFN) left[held[t]!]!--;
      if (fresh[t] !== NO_PFN) left[fresh[t]!]!--; // allocated, not yet installed
    }
    let wrong = 0;
    for (let pfn = 0; pfn < folios; pfn++) wrong |= left[pfn]!;
    if (wrong === 0) return '';
    const pfn = left.findIndex((n, i) => i < folios && n !== 0);
    return (
      `pfn ${pfn}: refcount ${refcount[pfn]}, mapcount ${mapcount[pfn]} and pincount ${pincount[pfn]} ` +
      `do not add up with its holders (left over: ${left[pfn]})`
    );
  }

  /**
   * The policy's claims about its own state (docs/model.md, I1 and I2). Returns the index of the first claim that
   * is breached, or -1.
   */
  breachedClaim(): number {
    for (const claim of this.policy.claims) {
      if (claim === 0) {
        for (let i = 0; i < this.pte.length; i++)
          if (
            (this.pte[i]! & (P_PRESENT | P_WRITE | P_SPECIAL)) === (P_PRESENT | P_WRITE) &&
            this.shape.isPrivate[i % this.shape.pages] === 1 &&
            (this.flags[this.pfn[i]!]! & (F_ANON | F_EXCLUSIVE)) === F_ANON
          )
            return claim;
      } else {
        for (let h = 0; h < this.refKind.length; h++)
          if (
            this.refKind[h] === REF_PIN &&
            !this.#isTaking(h) &&
            (this.flags[this.refPfn[h]!]! & (F_ANON | F_EXCLUSIVE)) === F_ANON &&
            this.mapcount[this.refPfn[h]!]! > 0
          )
            return claim;
      }
    }
    return -1;
  }

  /** Is a gup in flight that has not decided yet whether it keeps what it grabbed? */
  #isTaking(handle: number): boolean {
    const { pc, flags, handle: of } = this.task;
    if (pc.length < 2) return false;
    return pc.some((at, t) => at !== 0 && of[t] === handle && (flags[t]! & T_BY_GUP) !== 0);
  }

  /** shmem_mapping() of the folio of this PTE: in the page cache of shmem, and no copy of it. */
  mapsShmem(pte: number): boolean {
    return this.shape.shmemMapping[pte % this.shape.pages] === 1 && this.frameOf(pte) === FRAME_FILE;
  }
}
