/**
 * The canonical key of a pair of worlds that run the same program under two policies and that nobody has told apart
 * yet. It decides what may still differ, and nothing else: provenance is left out, for nothing is judged. What it says
 * is declared here; state/key.ts makes it.
 *
 * In the key: what decides the steps of the program (living mms, mappings, references and what their callers may do,
 * writeback started); of each machine what its decisions read (PTEs, VMA flags, which folio is where, its flags,
 * has_pinned; counts follow from who holds what); and of contents which ones are the same in both machines.
 *
 * Why so few contents are compared. Two observers look at the same place in both: a page of an mm, a reference, a
 * file, the disk. Contents move between places alike in both machines: from a page to its copy, its child's page, a
 * reference. What one machine may do and the other not is to fetch a page anew: an anonymous one from the zero page,
 * one of a file from the page cache, and that from disk. Hence it takes, per page and reference: whether both show the
 * same; where one has a folio of its own and the other would fetch, whether that folio shows what is fetched; and
 * per file, which of cache, disk and bounce copy are the same, within and across. A fresh store is like nothing else.
 *
 * mms and pages are renamed, references sorted, in both worlds alike. A poor order costs duplicates, never a wrong
 * merge.
 *
 * Law (pair.test.ts): two pairs with one key have the same enabled steps, outcomes, differences and successor keys.
 */

import { filesystem } from '../domain/filesystems.ts';
import { CALLERS, ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE, type Shape } from '../domain/setup.ts';
import { InvariantError, type World } from '../executor/simulated.ts';
import { F_ANON, F_BOUNCED, F_WRITEBACK, NO_PFN, ZERO_PFN } from '../machine/machine.ts';
import { HANDLE_LIVE, REF_WRITE } from '../reference/reference.ts';
import {
  bits,
  both,
  call,
  col,
  cond,
  type Ex,
  I,
  modulo,
  not,
  or,
  type Source,
  same,
  some,
  table,
} from '../state/expression.ts';
import { type Backend, Compiled, type Field, type Lot, widthOf } from '../state/fields.ts';
import type { NoteColumn } from '../machine/notes.ts';
import { StateKey } from '../state/key.ts';
import type { KeySpec } from '../state/key-spec.ts';
import {
  ALIKE,
  checkFolios,
  endFields,
  field,
  flag,
  folioFields,
  noteFields,
  groupsOf,
  KIND_BITS,
  PTE_BITS,
  sourceOf,
  VMA_BITS,
} from './key.ts';
import { behind, framesOf, ofFolios, shown, slotFields } from './swap-key.ts';

const A = 0;
const B = 1;

/** Both worlds, with what must be so between them. */
function sourcesOf(a: World, b: World): Source[] {
  const own =
    ({ machine }: World) =>
    (pfn: number | undefined, file: number | undefined): number => {
      if (pfn === NO_PFN || pfn === machine.cache[file!]) return 0;
      // A folio that was taken out of the page cache under a reference (removeMapping) is nobody's file page any more.
      if ((machine.flags[pfn!]! & F_ANON) === 0 && machine.mapping[pfn!] !== NO_FILE)
        throw new InvariantError('a page of a file shows neither the page cache nor a copy');
      return 1;
    };
  const disk = (file: number | undefined): number => {
    if (a.machine.disk[file!] !== b.machine.disk[file!])
      throw new InvariantError('a difference on disk went unnoticed');
    return a.machine.disk[file!]!;
  };
  return [a, b].map((world) => {
    const { columns, functions } = sourceOf(world);
    return { columns, functions: { ...functions, own: own(world), disk } };
  });
}

const content = (world: number, pfn: Ex): Ex => col('machine.content', pfn, world);
const cacheOf = (world: number, file: number): Ex => col('machine.cache', file, world);
const cached = (world: number, file: number): Ex => not(same(cacheOf(world, file), NO_PFN));
const bounced = (world: number, file: number): Ex =>
  both(cached(world, file), flag('machine.flags', F_BOUNCED, cacheOf(world, file), world));

/** The disk has read what is written back, at a time of its own. */
const sent = (world: number, file: number): Ex => col('machine.sent', file, world);
const sentContent = (world: number, file: number): Ex => col('machine.sentContent', file, world);

/** Bits of `compared`, of a page without a file, with one, and with one whose disk reads at a time of its own. */
const comparedBits = ({ readsApart }: Shape, file: number): number =>
  file === NO_FILE ? 2 : readsApart[file] === 1 ? 4 : 3;

/**
 * How the contents of one page, or of one reference to it, compare in both worlds. Says nothing that follows from where
 * the folios are. By world: the folio, what it shows, and whether that is swapped out, and so a page's own.
 */
function compared(shape: Shape, file: number, a: Place, b: Place): Ex {
  const alike = same(a.content, b.content);
  const either = (ownA: Ex, ownB: Ex, onlyA: Ex, onlyB: Ex): Ex =>
    cond(ownA, cond(ownB, alike, onlyA), cond(ownB, onlyB, 0));
  return either(
    ownOf(file, a, A),
    ownOf(file, b, B),
    fetchedBy(shape, file, a.content, B),
    fetchedBy(shape, file, b.content, A),
  );
}

/** A folio with what it shows; `swapped`: it is that of a swap entry. */
interface Place {
  readonly pfn: Ex;
  readonly content: Ex;
  readonly swapped: Ex;
}
const inFolio = (pfn: Ex, w: number): Place => ({ pfn, content: content(w, pfn), swapped: 0 });

/** Is it a folio of the page's own, a copy? Else it shows the zero page or the file, or will when it is faulted in. */
function ownOf(file: number, { pfn, swapped }: Place, w: number): Ex {
  const own =
    file === NO_FILE ? both(not(same(pfn, NO_PFN)), not(same(pfn, ZERO_PFN))) : call('own', [pfn, file], w);
  return swapped === 0 ? own : cond(swapped, 1, own);
}

/** Is it what the other world would fetch there? Of the zero page, with the header; of a file, from cache, disk, bounce. */
function fetchedBy({ readsApart }: Shape, file: number, mine: Ex, other: number): Ex {
  const twice = (ex: Ex): Ex => cond(ex, 2, 0);
  if (file === NO_FILE) return or(same(mine, ZERO_TOKEN), twice(same(mine, content(other, ZERO_PFN))));
  return or(
    or(
      both(cached(other, file), same(mine, content(other, cacheOf(other, file)))),
      twice(same(mine, col('machine.disk', file, other))),
    ),
    or(
      cond(both(bounced(other, file), same(mine, col('machine.submitted', file, other))), 4, 0),
      readsApart[file] === 1 ? cond(both(sent(other, file), same(mine, sentContent(other, file))), 8, 0) : 0,
    ),
  );
}

/**
 * What the device has of a page that is in the swap cache, once that is dropped: how it compares with what both worlds
 * show, and with what one of them would fetch.
 */
function swapFields(shape: Shape, file: number, places: readonly [Place, Place]): Field[] {
  const worlds = [A, B].map((w) => ({
    own: ownOf(file, places[w]!, w),
    shows: places[w]!.content,
    ...behind(w),
  }));
  const sames = worlds.flatMap((mine, w) => {
    const other = worlds[1 - w]!;
    return [
      field('swap as shown', 1, both(mine.there, same(mine.content, mine.shows))),
      field('swap as shown there', 1, both(both(mine.there, other.own), same(mine.content, other.shows))),
      field(
        'swap as fetched there',
        comparedBits(shape, file),
        cond(mine.there, cond(other.own, 0, fetchedBy(shape, file, mine.content, 1 - w))),
      ),
    ];
  });
  const both2 = both(worlds[A]!.there, worlds[B]!.there);
  return [
    ...[A, B].map((w) => field('swap exclusive', 1, col('machine.swapExclusive', I, w))),
    // A slot to which nothing was written yet has zeroes.
    ...worlds.map(({ own, shows }) => field('zeroes', 1, both(own, same(shows, ZERO_TOKEN)))),
    ...worlds.map(({ there, content }) => field('swap zeroes', 1, both(there, same(content, ZERO_TOKEN)))),
    ...sames,
    field('swap alike', 1, both(both2, same(worlds[A]!.content, worlds[B]!.content))),
  ];
}

/** `compared` for a page that is known by its number only. */
function comparedByPage(shape: Shape, page: Ex, a: Ex, b: Ex): { bits: number; value: Ex } {
  const { file, pages, isPrivate } = shape;
  const privates = range(pages).filter((v) => isPrivate[v] === 1);
  const files = [...new Set(privates.map((v) => file[v]!))];
  let value: Ex = 0;
  for (const f of files) {
    const isOf = table(
      range(pages).map((v) => (privates.includes(v) && file[v] === f ? 1 : 0)),
      page,
    );
    value = cond(isOf, compared(shape, f, inFolio(a, A), inFolio(b, B)), value);
  }
  return { bits: Math.max(0, ...files.map((f) => comparedBits(shape, f))), value };
}

/** `notes`: by world. */
function specOf(shape: Shape, notes: readonly (readonly NoteColumn[])[]): KeySpec {
  const { mms, pages, refs, files, folios, swaps } = shape;

  const slot = (v: number): Lot => {
    const fields: Field[] = [A, B].flatMap((w) => [
      field('vma', VMA_BITS, col('machine.vma', I, w)),
      field('pte', PTE_BITS, col('machine.pte', I, w)),
    ]);
    if (shape.isPrivate[v] === 1) {
      const file = shape.file[v]!;
      const place = (w: number): Place => ({
        pfn: col('machine.pfn', I, w),
        content: shown(shape, w).content,
        swapped: swaps === 0 ? 0 : some(col('machine.swapEntry', I, w)),
      });
      const how = compared(shape, file, place(A), place(B));
      const width = comparedBits(shape, file);
      fields.push(field('compared', width, cond(col('machine.vma'), how)));
      if (swaps > 0) fields.push(...swapFields(shape, file, [place(A), place(B)]));
    }
    return { fields };
  };

  const apart = (f: number): boolean => shape.readsApart[f] === 1;
  const out = (w: number, f: number): Ex =>
    apart(f) ? cond(sent(w, f), sentContent(w, f), content(w, cacheOf(w, f))) : content(w, cacheOf(w, f));
  const file = (f: number): Lot => {
    // Where pages must be stable: whether a page under writeback has changed since it began.
    const changed = (w: number): Ex =>
      filesystem(shape.filesystem[f]!).stablePages
        ? both(
            both(cached(w, f), flag('machine.flags', F_WRITEBACK, cacheOf(w, f), w)),
            not(same(out(w, f), col('machine.submitted', f, w))),
          )
        : 0;
    // Which contents are the same: disk (one, or somebody had seen it), cache and bounce copy of both.
    const contents: readonly { readonly there: Ex; readonly content: Ex }[] = [
      { there: 1, content: call('disk', [f]) },
      ...[A, B].flatMap((w) => [
        { there: cached(w, f), content: content(w, cacheOf(w, f)) },
        { there: bounced(w, f), content: col('machine.submitted', f, w) },
        ...(apart(f) ? [{ there: sent(w, f), content: sentContent(w, f) }] : []),
      ]),
    ];
    return {
      fields: [
        field('writeback started', 1, col('reference.wbStarted', f)),
        field('changed', 1, changed(A)),
        field('changed', 1, changed(B)),
        ...(apart(f) ? [A, B].map((w) => field('read by the disk', 1, sent(w, f))) : []),
        ...endFields(shape, f),
        ...contents.flatMap((one, i) =>
          contents
            .slice(i + 1)
            .map((other) =>
              field('same', 1, both(both(one.there, other.there), same(one.content, other.content))),
            ),
        ),
      ],
    };
  };

  const ref = (): Lot => {
    const page = modulo(col('reference.handlePage'), pages);
    const how = comparedByPage(shape, page, col('machine.refPfn', I, A), col('machine.refPfn', I, B));
    // Whether the buffer of an O_DIRECT write has changed since it was submitted is left out: where both worlds show
    // the same content it was stored after the submission in both, or in neither; where they do not, the contents tell.
    return {
      when: same(col('reference.handleState'), HANDLE_LIVE),
      fields: [
        field('live', 1, 1),
        field('caller', widthOf(CALLERS.length - 1), table(ALIKE, col('reference.handleCaller'))),
        field('write', 1, some(bits(col('reference.handleFlags'), REF_WRITE))),
        field('kind', KIND_BITS, col('machine.refKind', I, A)),
        field('kind', KIND_BITS, col('machine.refKind', I, B)),
        field('compared', how.bits, how.value),
      ],
    };
  };

  const zero = (w: number): Ex => content(w, ZERO_PFN);
  return {
    sizes: { mms, pages, refs, files, folios: folios + swaps },
    ...(swaps === 0 ? {} : { frames: framesOf(shape, 2) }),
    worlds: 2,
    header: [
      field('zero page stored to', 1, some(zero(A))),
      field('zero page stored to', 1, some(zero(B))),
      field('zero pages differ', 1, not(same(zero(A), zero(B)))),
    ],
    mm: [A, B].flatMap((w) => [
      field('has pinned', 1, col('machine.hasPinned', I, w)),
      ...noteFields('mm', notes[w]!, mms, w),
    ]),
    slots: range(pages).map(slot),
    files: range(files).map(file),
    ref: ref(),
    refStates: [HANDLE_LIVE],
    cells: false,
    moves: false,
    folio: [A, B].map((w) => [
      ...folioFields(w, shape),
      ...ofFolios(shape, noteFields('folio', notes[w]!, folios, w)),
      ...(swaps === 0 ? [] : slotFields(shape, w)),
    ]),
    fetched: [],
    groups: groupsOf(shape),
  };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Encodes the state of two worlds of one setup. */
export class PairKeyEncoder extends StateKey {
  constructor(
    a: World,
    b: World,
    backend: (sources: readonly Source[]) => Backend = (sources) => new Compiled(sources),
  ) {
    checkFolios(a.shape.setup);
    const sources = sourcesOf(a, b);
    super(specOf(a.shape, [a.machine.notes, b.machine.notes]), sources, backend(sources));
  }
}
