/**
 * The machine's state: what the kernel keeps per folio, PTE, VMA, mm, file page and reference, and what a task has in
 * hand between two atomic steps. Each column is declared here and nowhere else (state/columns.ts).
 */
import { NO_FILE } from '../domain/setup.ts';
import type { NotInKey, Value } from '../state/columns.ts';

export const ZERO_PFN = 0;
export const NO_PFN = 255;
/** In events: no reference is concerned. */
export const NO_REF = 255;

/** Folio flags. */
export const F_ANON = 1;
export const F_DIRTY = 2;
export const F_WRITEBACK = 4;
/** PG_private: the filesystem's buffers. */
export const F_BUFFERS = 8;
/** PG_anon_exclusive. */
export const F_EXCLUSIVE = 16;
/** page_mkwrite or write(2) ran since the folio was last cleaned (docs/model.md, "covered"). */
export const F_COVERED = 32;
/** Under writeback from a bounce copy. */
export const F_BOUNCED = 64;

/** PTE flags. */
export const P_PRESENT = 1;
export const P_WRITE = 2;
export const P_DIRTY = 4;
/** The zero page: no normal page behind it. */
export const P_SPECIAL = 8;

/** VMA flags. */
export const V_MAPPED = 1;
export const V_WRITE = 2;
export const V_DONTFORK = 4;
/** vma->anon_vma is set: fork copies the page table of the mapping. */
export const V_ANON_VMA = 8;

/** State of a reference slot in the machine. */
export const REF_NONE = 0;
export const REF_GET = 1;
export const REF_PIN = 2;
/** A FOLL_PIN that moved no counter (zero page from v6.5). */
export const REF_PIN_UNCOUNTED = 3;

/** Greatest value of a note (notes.ts): searches tell all values apart. */
export const NOTE_MOST = 3;

/** Folios, PTEs, VMAs, mms, file pages, references. */
export const MACHINE_COLUMNS = {
  /** page_count(). 6 references of bias 1024 and all mappings stay far below what it can hold. */
  refcount: {
    of: 'folio',
    is: { count: 32767 },
    in: 'i16',
    key: { derived: 'who holds what: Machine.recount()' },
    source: 'folio->_refcount',
  },
  mapcount: {
    of: 'folio',
    is: { count: 255 },
    key: { derived: 'the PTEs that map it: Machine.recount()' },
    source: 'folio->_mapcount + 1',
  },
  pincount: {
    of: 'folio',
    is: { count: 255 },
    key: { derived: 'the counted pins: Machine.recount()' },
    source: 'none for small folios: FOLL_PIN references, for tests',
  },
  flags: {
    of: 'folio',
    is: {
      flags: {
        anon: F_ANON,
        dirty: F_DIRTY,
        writeback: F_WRITEBACK,
        buffers: F_BUFFERS,
        exclusive: F_EXCLUSIVE,
        covered: F_COVERED,
        bounced: F_BOUNCED,
      },
    } as Value,
    source: 'folio->flags, folio->mapping (anon); covered and bounced: docs/model.md',
  },
  /** File page whose cache this folio is, or NO_FILE. */
  mapping: {
    of: 'folio',
    is: { id: 'file', none: NO_FILE } as Value,
    start: NO_FILE as number,
    source: 'folio->mapping, folio->index',
  },
  content: { of: 'folio', is: { content: true }, source: 'the bytes of the folio' },
  pte: {
    of: 'pte',
    is: { flags: { present: P_PRESENT, write: P_WRITE, dirty: P_DIRTY, zero: P_SPECIAL } } as Value,
    source: 'pte_present(), pte_write(), pte_dirty(), is_zero_pfn()',
  },
  pfn: {
    of: 'pte',
    is: { id: 'folio', none: NO_PFN } as Value,
    start: NO_PFN as number,
    source: 'pte_pfn()',
  },
  vma: {
    of: 'vma',
    is: { flags: { mapped: V_MAPPED, write: V_WRITE, dontfork: V_DONTFORK, anonVma: V_ANON_VMA } } as Value,
    source: 'VM_READ, VM_WRITE, VM_DONTCOPY, vma->anon_vma',
  },
  alive: {
    of: 'mm',
    is: { count: 1 },
    key: { derived: 'the mms that the program has' },
    source: 'mm_struct',
  },
  hasPinned: { of: 'mm', is: { count: 1 }, source: 'MMF_HAS_PINNED, mm->has_pinned' },
  /** By note of the policy, then mm. */
  mmNotes: {
    of: 'mm',
    is: { count: NOTE_MOST } as Value,
    source: 'nothing: what the policy notes (machine/notes.ts)',
  },
  /** By note of the policy, then pfn. */
  folioNotes: {
    of: 'folio',
    is: { count: NOTE_MOST } as Value,
    source: 'nothing: what the policy notes (machine/notes.ts)',
  },
  /** 1 while it is odd: fork copies the page table. That it moved is noted with the tasks that wait for that. */
  writeProtectSeq: { of: 'mm', is: { count: 1 }, only: 'fine' as const, source: 'mm->write_protect_seq & 1' },
  /** The swap entry in place of a page: 1 + its slot, or 0. A PTE is present, or has one, or is none. */
  swapEntry: {
    of: 'pte',
    only: 'swap' as const,
    is: { id: 'swap', from: 1, none: 0 } as Value,
    source: 'is_swap_pte(), pte_to_swp_entry()',
  },
  swapExclusive: { of: 'pte', only: 'swap' as const, is: { count: 1 }, source: 'pte_swp_exclusive()' },
  /** Of a folio in the swap cache: 1 + the slot, or 0. Machine.folioOfSlot() looks from the other side. */
  swapSlot: {
    of: 'folio',
    only: 'swap' as const,
    is: { id: 'swap', from: 1, none: 0 } as Value,
    source: 'PG_swapcache, folio->swap, swap_address_space()->i_pages',
  },
  /** Swap entries that name the slot. */
  swapCount: {
    of: 'swap',
    is: { count: 255 },
    key: { derived: 'the swap entries that name it: Machine.recount()' },
    source: 'swap_info_struct.swap_map[]',
  },
  swapContent: { of: 'swap', is: { content: true }, source: 'the slot on the device' },
  /** Folio in the page cache, or NO_PFN. */
  cache: {
    of: 'file',
    is: { id: 'folio', none: NO_PFN } as Value,
    start: NO_PFN as number,
    source: 'mapping->i_pages',
  },
  /** Where the file may be truncated. */
  beyond: {
    of: 'file',
    is: { count: 1 },
    key: { derived: 'reference.fileEnd' },
    source: 'folio->index << PAGE_SHIFT >= i_size_read(inode)',
  },
  disk: { of: 'file', is: { content: true }, source: 'the block on disk' },
  /** What the folio held when writeback began; the bounce copy. */
  submitted: { of: 'file', is: { content: true }, source: 'the bio' },
  /** The disk has read what is written back; where a disk reads at a time of its own. */
  sent: { of: 'file', is: { count: 1 }, source: 'the end of DMA' },
  sentContent: { of: 'file', is: { content: true }, source: 'what the disk has read' },
  refKind: {
    of: 'ref',
    is: { oneOf: ['none', 'GET', 'PIN', 'PIN uncounted'] },
    source: 'FOLL_GET, FOLL_PIN; uncounted: of the zero page from v6.5',
  },
  refPfn: {
    of: 'ref',
    is: { id: 'folio', none: NO_PFN } as Value,
    start: NO_PFN as number,
    source: 'the page that was returned',
  },
  refSubmitted: {
    of: 'ref',
    is: { content: true },
    source: 'what the folio held when the reference was taken',
  },
  refWrite: {
    of: 'ref',
    is: { count: 1 },
    key: { derived: 'the access that its caller asked for' },
    source: 'FOLL_WRITE',
  },
  /** Where an O_DIRECT write goes: 0 for the file aside, else 1 + file. */
  refTarget: { of: 'ref', is: { id: 'file', from: 1, none: 0 }, source: 'kiocb->ki_filp' },
} as const;

const LOCAL: NotInKey = { unread: 'nothing is in hand between two operations' };

/**
 * Locals of a task between two atomic steps. `held` is a folio on which it holds an extra reference, `pfn` one that it
 * allocated and has not installed yet. `pc` is for fine execution; a coarse run keeps its counter to itself.
 */
export const TASK_COLUMNS = {
  pc: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'the next atomic step' },
  ret: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'the step that a fault returns to' },
  mm: { of: 'task', is: { id: 'mm' }, key: LOCAL as NotInKey, source: 'current->mm' },
  page: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'the address' },
  handle: { of: 'task', is: { id: 'ref' }, key: LOCAL as NotInKey, source: 'the reference at hand' },
  other: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'child, file page or PTE seen' },
  kind: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'caller, mode or protection' },
  flags: {
    of: 'task',
    is: { count: 255 },
    key: LOCAL as NotInKey,
    source: 'gup_flags, fault flags (machine/procedures.ts)',
  },
  rounds: { of: 'task', is: { count: 255 }, key: LOCAL as NotInKey, source: 'rounds of the fault loop' },
  token: { of: 'task', is: { content: true }, key: LOCAL as NotInKey, source: 'the content to store' },
  held: {
    of: 'task',
    is: { id: 'folio', none: NO_PFN } as Value,
    start: NO_PFN as number,
    key: LOCAL as NotInKey,
    source: 'folio_get()',
  },
  pfn: {
    of: 'task',
    is: { id: 'folio', none: NO_PFN } as Value,
    start: NO_PFN as number,
    key: LOCAL as NotInKey,
    source: 'the new folio',
  },
  raced: {
    of: 'task',
    is: { count: 1 },
    only: 'fine' as const,
    key: LOCAL as NotInKey,
    source: 'read_seqcount_retry(): write_protect_seq of its mm has moved since the task has read it',
  },
} as const;
