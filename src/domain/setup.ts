/**
 * The start of a scenario as plain data, and the bounds (scope) within which it runs.
 */
import { filesystem } from './filesystems.ts';
import type { Prot } from './kinds.ts';
import {
  BACKINGS,
  backingOf,
  isTrackedKind,
  KIND_TRAITS,
  PAGE_KINDS,
  type PageKind,
  pageInWords,
  sharedKind,
} from './page-kinds.ts';
import { type SwapDevice, swapDevice } from './swap.ts';

/** One page of address space, mapped alike in the first mm; forks inherit it. */
export interface PageSetup {
  /** A name such as `A`; unique within the setup. */
  readonly name: string;
  readonly kind: PageKind;
  readonly prot: Prot;
  /** Which file page is mapped; required for every kind with a backing. */
  readonly file?: string;
}

/** One page of a file. */
export interface FileSetup {
  readonly name: string;
  /** A filesystem profile id (filesystems.ts). */
  readonly filesystem: string;
  /**
   * folio->index: its place in a file whose end may be moved (truncate). Pages of one file come one after the other, from
   * index 0, on one filesystem. Absent: a file of one page that nobody truncates.
   */
  readonly index?: number;
}

/** Where a scenario starts: one mm, nothing faulted in, nothing cached. */
export interface Setup {
  readonly pages: readonly PageSetup[];
  readonly files: readonly FileSetup[];
  /**
   * Filesystem profile of the file that an O_DIRECT write goes to where its gup names none: a file of its own, of which
   * nothing is mapped. Absent: a plain one, whose device needs no stable pages.
   */
  readonly aside?: string;
  /** Device to which anonymous pages may be swapped out; absent: there is no swap. */
  readonly swap?: SwapDevice;
  /** Bounds: live mms and live references at a time. */
  readonly mms: number;
  readonly refs: number;
  /** Operations that may be in flight at a time, each of a task of its own; absent: one, and each runs to its end. */
  readonly tasks?: number;
  /**
   * Parts of a page that may be stored to and looked at alone: 2, a low and a high half; absent: one, and each store fills
   * the page. Worlds follow the low half (scenario/parts.ts).
   */
  readonly parts?: number;
  /** GUP_PIN_COUNTING_BIAS: 1024 in the kernel, small in exhaustive search so that false positives are reachable. */
  readonly pinBias: number;
}

/** A setup in numbers, as the columns are sized by it. */
export interface Shape {
  readonly setup: Setup;
  /** Number of mms, pages per mm, references, file pages. */
  readonly mms: number;
  readonly pages: number;
  readonly refs: number;
  readonly files: number;
  /** Operations that may be in flight at a time. */
  readonly tasks: number;
  /** Parts of a page (Setup.parts). */
  readonly parts: number;
  /** Page frames, the zero page (pfn 0) included. */
  readonly folios: number;
  /** Swap slots: as many as pages may ever need; 0 without swap. */
  readonly swaps: number;
  /** SWP_SYNCHRONOUS_IO of the swap device. */
  readonly swapSynchronous: boolean;
  /** Per page: index in PAGE_KINDS; index of the file page or 255; 1 if mapped writable at first. */
  readonly kind: Uint8Array;
  readonly file: Uint8Array;
  readonly writable: Uint8Array;
  /**
   * Traits of the pages, 1 or 0 each (page-kinds.ts): MAP_PRIVATE; private and not of anonymous memory, so that untouched
   * it shows the page cache; shared, and its filesystem is told of stores (vma_needs_dirty_tracking()); what it maps, if
   * it is of the page cache, is shmem's; never zero but by a store.
   */
  readonly isPrivate: Uint8Array;
  readonly copiesFile: Uint8Array;
  readonly tracked: Uint8Array;
  readonly shmemMapping: Uint8Array;
  readonly neverZero: Uint8Array;
  /** Per file page: filesystem profile id. */
  readonly filesystem: readonly string[];
  /** Traits of the file pages, 1 or 0 each: dirty pages are tracked; a disk is behind it; a hole at the start. */
  readonly fileTracked: Uint8Array;
  readonly onDisk: Uint8Array;
  readonly startsZero: Uint8Array;
  /** The disk reads what is written back at a step of its own, or at the end of writeback. */
  readonly readsApart: Uint8Array;
  /** Per file page: its file may be truncated, 1 or 0; its index there; how many pages that has, said at its first. */
  readonly truncated: Uint8Array;
  readonly fileIndex: Uint8Array;
  readonly filePages: Uint8Array;
  /** Per file page: the kind as which it is told of where no page of it is concerned. */
  readonly fileKind: readonly PageKind[];
  /** Most tokens alive at a time. */
  readonly tokens: number;
}

export const NO_FILE = 255;

export const MMS_MAX = 4;
export const PAGES_MAX = 8;
export const REFS_MAX = 6;
export const FILES_MAX = 4;
export const TASKS_MAX = 2;
export const PARTS_MAX = 2;

/** Throws RangeError with one clear line if the setup is inconsistent or beyond what the columns can hold. */
export function shapeOf(setup: Setup, tokens = 64): Shape {
  const { pages, files, mms, refs, pinBias, tasks = 1, parts = 1 } = setup;
  bounded('mms', mms, 1, MMS_MAX);
  bounded('pages', pages.length, 1, PAGES_MAX);
  bounded('refs', refs, 0, REFS_MAX);
  bounded('files', files.length, 0, FILES_MAX);
  bounded('tasks', tasks, 1, TASKS_MAX);
  bounded('parts', parts, 1, PARTS_MAX);
  bounded('pinBias', pinBias, 2, 1024);
  const names = new Map(files.map((f, i) => [f.name, i]));
  if (names.size !== files.length) throw new RangeError('setup.files: a name is used twice');
  if (new Set(pages.map((p) => p.name)).size !== pages.length)
    throw new RangeError('setup.pages: a name is used twice');
  const profiles = files.map((f) => filesystem(f.filesystem));
  const filePages = pagesOfFiles(files);
  const kind = new Uint8Array(pages.length);
  const file = new Uint8Array(pages.length).fill(NO_FILE);
  const writable = new Uint8Array(pages.length);
  pages.forEach((page, i) => {
    kind[i] = PAGE_KINDS.indexOf(page.kind);
    if (!PAGE_KINDS.includes(page.kind))
      throw new RangeError(
        `setup.pages ${page.name}: kind ${JSON.stringify(page.kind)} is not one of: ${PAGE_KINDS.join(', ')}`,
      );
    writable[i] = page.prot === 'rw' ? 1 : 0;
    const { backing } = KIND_TRAITS[page.kind];
    if (BACKINGS[backing].file === '') {
      if (page.file !== undefined)
        throw new RangeError(`setup.pages ${page.name}: ${pageInWords(page.kind)} has no file`);
      return;
    }
    const at = page.file === undefined ? undefined : names.get(page.file);
    if (at === undefined)
      throw new RangeError(
        `setup.pages ${page.name}: file ${JSON.stringify(page.file ?? null)} is not in setup.files`,
      );
    if (backing !== profiles[at]!.backing)
      throw new RangeError(
        `setup.pages ${page.name}: ${pageInWords(page.kind)} cannot map ${files[at]!.name} (filesystem ${files[at]!.filesystem})`,
      );
    file[i] = at;
  });
  return {
    setup,
    mms,
    pages: pages.length,
    refs,
    files: files.length,
    tasks,
    parts,
    // Each task may hold a fresh page that it has not installed, and keep one that nothing maps any more.
    folios: 1 + mms * pages.length + refs + files.length + 1 + 2 * (tasks - 1),
    // A slot in use is named by a PTE, or its folio is mapped by one; no PTE accounts for two.
    swaps: setup.swap === undefined ? 0 : mms * pages.length,
    swapSynchronous: setup.swap !== undefined && swapDevice(setup.swap).synchronous,
    kind,
    file,
    writable,
    isPrivate: flags(pages, ({ kind }) => KIND_TRAITS[kind].private),
    copiesFile: flags(pages, ({ kind }) => KIND_TRAITS[kind].private && backingOf(kind).file !== ''),
    tracked: flags(pages, ({ kind }) => isTrackedKind(kind)),
    shmemMapping: flags(pages, ({ kind }) => backingOf(kind).shmemMapping),
    neverZero: flags(pages, ({ kind }) => !backingOf(kind).startsZero),
    filesystem: files.map((f) => f.filesystem),
    fileTracked: flags(profiles, (f) => f.dirtyTracked),
    onDisk: flags(profiles, (f) => f.disk),
    startsZero: flags(profiles, (f) => f.startsZero),
    readsApart: flags(profiles, (f) => f.readsApart),
    truncated: flags(files, ({ index }) => index !== undefined),
    fileIndex: Uint8Array.from(files, ({ index = 0 }) => index),
    filePages,
    fileKind: profiles.map((f) => sharedKind(f.backing)),
    tokens,
  };
}

/** How many pages the file has whose first page is this; 0 of others. */
function pagesOfFiles(files: readonly FileSetup[]): Uint8Array {
  const counts = new Uint8Array(files.length);
  let first = 0;
  files.forEach(({ name, index = 0, filesystem: id }, i) => {
    bounded(`files ${name}: index`, index, 0, FILES_MAX - 1);
    if (index === 0) first = i;
    else if (files[i - 1]?.index !== index - 1 || files[first]!.filesystem !== id)
      throw new RangeError(
        `setup.files ${name}: index ${index} is not behind page ${index - 1} of a file on ${id} (pages of one file come one after the other, from index 0)`,
      );
    counts[first]!++;
  });
  return counts;
}

function bounded(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`setup.${what}: ${value} is not a whole number from ${min} to ${max}`);
}

const flags = <T>(list: readonly T[], has: (one: T) => boolean): Uint8Array =>
  Uint8Array.from(list, (one) => (has(one) ? 1 : 0));
