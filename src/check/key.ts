/**
 * The canonical key of a state (docs/model.md, "The key"): states that differ only by a renaming of contents, frames,
 * references, mms or pages that nothing tells apart have one key. It is a projection; searches go on from stored concrete
 * states, so traces replay. What it says is declared here; state/key.ts makes it.
 *
 * Contents enter only as relations, and only where content and observer meet: each PTE and each reference says how
 * the content of its folio relates to its logical page (never seen, past, current); each file says how the contents
 * that may yet be read from it relate to the file page and to the private pages that map it. Where a policy let
 * something be stored to the zero page, it says that of every page that may be faulted in. A content that no path leads
 * to is not described. Counts are left out as they follow from who holds what (Machine.recount checks that).
 *
 * Law (key.test.ts): two states with one key have the same enabled steps, outcomes, findings and successor keys.
 * With three or more references, those that tie keep the order of their slots: a successor may then have several keys,
 * which costs duplicates and merges nothing wrongly.
 */
import { CALLERS, STORER_DEVICE_DIO, STORER_DEVICE_GET, STORERS, ZERO_TOKEN } from '../domain/kinds.ts';
import { NO_FILE, type Setup, type Shape } from '../domain/setup.ts';
import type { World } from '../executor/simulated.ts';
import {
  F_ANON,
  F_BOUNCED,
  F_EXCLUSIVE,
  F_WRITEBACK,
  MACHINE_COLUMNS,
  NO_PFN,
  ZERO_PFN,
} from '../machine/machine.ts';
import type { NoteColumn, NoteSort } from '../machine/notes.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import {
  EXCUSES,
  HANDLE_LIVE,
  HANDLE_VOID,
  LOSSY,
  REF_EXACT,
  REF_EXCUSES_FORK,
  REF_FOLLOWS_FILE,
  REF_HELD_OVER_FORK,
  REF_LONGTERM,
  REF_WRITE,
  REFERENCE_COLUMNS,
} from '../reference/reference.ts';
import { sourceColumns, type Value } from '../state/columns.ts';
import {
  bits,
  both,
  CELL,
  call,
  col,
  cond,
  type Ex,
  I,
  less,
  modulo,
  not,
  plus,
  type Source,
  same,
  some,
  TOKEN,
  table,
} from '../state/expression.ts';
import { type Backend, Compiled, type Field, type Lot, widthOf } from '../state/fields.ts';
import { StateKey } from '../state/key.ts';
import { type Fetched, FOLIOS_MAX, type KeySpec, type Symmetry } from '../state/key-spec.ts';
import {
  behind,
  CACHED_FLAGS,
  framesOf,
  ifFolio,
  inSwapCache,
  ofFolios,
  shown,
  slotFields,
} from './swap-key.ts';

export type { Symmetry } from '../state/key-spec.ts';

/**
 * What two states with one key agree on. `class`: findings to the last part of their class. `property`: which
 * property breaks, with what damage, on which page kind, and whether it is documented; not whose store or which kind
 * of reference was concerned. The latter has far fewer states, and is enough for a proof.
 */
export type Grain = 'class' | 'property';
export const GRAINS: readonly Grain[] = ['class', 'property'];

/** Throws RangeError if a search in this setup could meet more folios than a key can number. */
export function checkFolios({ mms, pages, refs, files }: Setup): void {
  const folios = mms * pages.length + refs + files.length;
  if (folios > FOLIOS_MAX)
    throw new RangeError(
      `a search has room for ${FOLIOS_MAX} folios; mms x pages + references + files is ${folios} (make the scope smaller in one of them)`,
    );
}

/** A cell that its reference follows still: of a file, of a living mm, or an orphan. */
const FIXED = 2;

/** Callers that end, load, store and count alike, as a property-grained key sees them. */
export const ALIKE: readonly number[] = CALLERS.map((caller) => {
  const { ref: _, write: _w, longterm: _l, ...uses } = CALLER_CONTRACTS[caller];
  return CALLERS.findIndex((other) => {
    const { ref: _r, write: _w2, longterm: _l2, ...others } = CALLER_CONTRACTS[other];
    return JSON.stringify(others) === JSON.stringify(uses);
  });
});

const O_DIRECT_WRITE = CALLERS.indexOf('o_direct_write');

// ---- What expressions are about ----------------------------------------------------------------------------------

/** Columns of a world and the relations that keys ask for. */
export function sourceOf(world: World): Source {
  const { machine, reference } = world;
  return {
    columns: {
      ...sourceColumns('machine', MACHINE_COLUMNS, machine),
      ...sourceColumns('reference', REFERENCE_COLUMNS, reference),
    },
    functions: {
      relation: (cell, token) => reference.relation(cell!, token!),
      allowed: (ref, token) => reference.handleAllowed(ref!, token!),
      onDisk: (file, token) => reference.onDiskAllowed(file!, token!),
      excuse: (cell, token) => reference.excuseOf(cell!, token!),
      parted: (ref, cell) => (reference.hasParted(ref!, cell!) ? 1 : 0),
      cutOff: (token) => (reference.wasCutOff(token!) ? 1 : 0),
      folioOfSlot: (slot) => machine.folioOfSlot(slot!),
      targetStable: (target) => (machine.targetStable(target!) ? 1 : 0),
    },
  };
}

export const field = (name: string, bits: number, value: Ex): Field => ({ name, bits, value });
/** Bits of a column of flags. */
const flagBits = ({ is }: { readonly is: Value }): number =>
  'flags' in is ? widthOf(Object.values(is.flags).reduce((all, mask) => all | mask, 0)) : 0;
export const VMA_BITS: number = flagBits(MACHINE_COLUMNS.vma);
export const PTE_BITS: number = flagBits(MACHINE_COLUMNS.pte);

export const KIND_BITS: number = widthOf(MACHINE_COLUMNS.refKind.is.oneOf.length - 1);
const CELL_BITS = widthOf(REFERENCE_COLUMNS.cellState.is.oneOf.length - 1);
const RELATION_BITS = 2;
const EXCUSE_BITS = widthOf(EXCUSES.length - 1);

export const flag = (column: string, mask: number, at: Ex = I, world = 0): Ex =>
  some(bits(col(column, at, world), mask));

/**
 * Flags of a folio that anything reads, and its file. What nothing maps is never mapped again, so that a free-floating
 * anonymous folio has none but that it is one.
 */
export function folioFields(world: number, shape: Shape): Field[] {
  const { files, swaps } = shape;
  const flags = col('machine.flags', I, world);
  const mapped = col('machine.mapcount', I, world);
  const alone = cond(mapped, bits(flags, F_ANON | F_EXCLUSIVE), F_ANON);
  const anon = swaps === 0 ? alone : cond(inSwapCache(world), bits(flags, CACHED_FLAGS), alone);
  return [
    field('flags', flagBits(MACHINE_COLUMNS.flags), ifFolio(shape, cond(bits(flags, F_ANON), anon, flags))),
    // None is the last.
    field(
      'file',
      widthOf(files),
      ifFolio(
        shape,
        cond(less(col('machine.mapping', I, world), files), col('machine.mapping', I, world), files),
      ),
    ),
  ];
}

/** What became of a file page whose file may be truncated. */
export const endFields = ({ truncated }: Shape, file: number): Field[] =>
  truncated[file] === 1
    ? [field('end', widthOf(REFERENCE_COLUMNS.fileEnd.is.oneOf.length - 1), col('reference.fileEnd', file))]
    : [];

/** Where files may be truncated: whether the content was cut off, and whether it is what a page is after that. */
const cutFields = ({ truncated }: Shape, when: Ex = 1, token: Ex = TOKEN): Field[] =>
  truncated.includes(1)
    ? [
        field('was cut off', 1, cond(when, call('cutOff', [token]))),
        field('is zero', 1, cond(when, same(token, ZERO_TOKEN))),
      ]
    : [];

/** What the policy has noted of each mm, or of each folio; there are `count` of them. */
export const noteFields = (sort: NoteSort, notes: readonly NoteColumn[], count: number, world = 0): Field[] =>
  notes
    .filter(({ of }) => of === sort)
    .map(({ name, most, place }) =>
      field(`note ${name}`, widthOf(most), col(`machine.${sort}Notes`, plus(I, place * count), world)),
    );

/**
 * By page, the number of its group: pages of one group are exchangeable. Those of one kind and protection are, unless
 * they map a file: two pages of one file share a folio, and fork takes them in the order of their addresses.
 */
export function groupsOf({ pages, kind, file, writable }: Shape): number[] {
  const groups: string[] = [];
  return range(pages).map((v) => {
    const name = file[v] === NO_FILE ? `${kind[v]} ${writable[v]}` : `page ${v}`;
    if (!groups.includes(name)) groups.push(name);
    return groups.indexOf(name);
  });
}

// ---- The key of one world ----------------------------------------------------------------------------------------

/** What the parts of a key have in common. */
interface Said {
  /** Findings are told apart by class, not by property alone. */
  readonly classes: boolean;
  readonly privates: readonly number[];
  readonly copiesFile: (page: number) => boolean;
  /** Whose store a content is; where classes do not matter, a device's (1) or not: properties ask no more. */
  readonly store: (token: Ex) => Ex;
  readonly storeBits: number;
}

function saidOf(shape: Shape, grain: Grain): Said {
  const classes = grain === 'class';
  return {
    classes,
    privates: range(shape.pages).filter((v) => shape.isPrivate[v] === 1),
    copiesFile: (v) => shape.copiesFile[v] === 1,
    storeBits: classes ? widthOf(STORERS.length - 1) : 1,
    store: (token) => {
      const storer = col('reference.storer', token);
      if (classes) return storer;
      return both(less(STORER_DEVICE_GET - 1, storer), less(storer, STORER_DEVICE_DIO + 1));
    },
  };
}

const relation = (cell: Ex, token: Ex): Ex => call('relation', [cell, token]);

function slotLot(v: number, shape: Shape, { privates, copiesFile, storeBits, store }: Said): Lot {
  const fileCell = shape.mms * shape.pages;
  const { there, content } = shown(shape);
  const fields = [field('vma', 4, col('machine.vma')), field('pte', 4, col('machine.pte'))];
  if (shape.swaps > 0) fields.push(field('swap exclusive', 1, col('machine.swapExclusive')));
  // A shared page shows the page cache, whose content is with the file.
  if (!privates.includes(v)) return { fields };
  const fixed = same(col('reference.cellState'), FIXED);
  const current = col('reference.current');
  fields.push(
    field('cell', CELL_BITS, col('reference.cellState')),
    // Of what fork may have copied, what its page held at the begin.
    field('current', storeBits, cond(less(FIXED - 1, col('reference.cellState')), store(current))),
    field('current is zero', 1, cond(fixed, same(current, ZERO_TOKEN))),
    ...(shape.parts > 1 ? [field('stored elsewhere', 1, col('reference.storedElsewhere'))] : []),
    field('content', RELATION_BITS, cond(there, relation(I, TOKEN))),
    ...cutFields(shape, there),
  );
  const ofFile = (token: Ex): Ex => some(relation(fileCell + shape.file[v]!, token));
  if (copiesFile(v)) fields.push(field('content of file', 1, cond(there, ofFile(TOKEN))));
  if (shape.swaps > 0) {
    const { there: cached, content: device } = behind();
    fields.push(
      field('content on swap', RELATION_BITS, cond(cached, relation(I, device))),
      ...cutFields(shape, cached, device),
    );
    if (copiesFile(v)) fields.push(field('content on swap of file', 1, cond(cached, ofFile(device))));
  }
  return { token: cond(there, content), fields };
}

function refLot(shape: Shape, { classes, privates, copiesFile }: Said): Lot {
  const { mms, pages, files } = shape;
  const fileCell = mms * pages;
  const orphanCell = fileCell + files;
  const flags = col('reference.handleFlags');
  const caller = col('reference.handleCaller');
  const cell = col('reference.handleCell');
  const page = modulo(col('reference.handlePage'), pages);
  const fileOf = table([...shape.file], page);
  const fields = [
    field('live', 1, 1),
    field('caller', widthOf(CALLERS.length - 1), classes ? caller : table(ALIKE, caller)),
    field('write', 1, some(bits(flags, REF_WRITE))),
    field('exact', 1, some(bits(flags, REF_EXACT))),
    field('follows file', 1, some(bits(flags, REF_FOLLOWS_FILE))),
    field('excuses fork', 1, some(bits(flags, REF_EXCUSES_FORK))),
    field('kind', KIND_BITS, col('machine.refKind')),
    // Of an orphan nothing is current any more.
    field(
      'content',
      RELATION_BITS,
      cond(less(cell, orphanCell), relation(cell, TOKEN), some(relation(cell, TOKEN))),
    ),
    field('allowed', 1, cond(bits(flags, REF_EXACT), 0, call('allowed', [I, TOKEN]))),
    ...cutFields(shape),
  ];
  if (classes) fields.push(field('longterm', 1, some(bits(flags, REF_LONGTERM))));
  if (privates.some(copiesFile)) {
    const privateFile = table(
      range(pages).map((v) => (copiesFile(v) ? 1 : 0)),
      page,
    );
    fields.push(
      field('content of file', 1, cond(privateFile, some(relation(plus(fileCell, fileOf), TOKEN)))),
    );
  }
  const shared = range(pages).filter((v) => !privates.includes(v));
  if (shared.length > 0) {
    const isShared = table(
      range(pages).map((v) => (shared.includes(v) ? 1 : 0)),
      page,
    );
    fields.push(
      field('on disk', 1, cond(isShared, call('onDisk', [fileOf, TOKEN]))),
      field('stored undirtied', 1, cond(isShared, same(col('reference.undirtied', fileOf), plus(I, 1)))),
    );
  }
  // Only the end of an O_DIRECT write asks whether its buffer changed, and whether that matters.
  const writes = same(caller, O_DIRECT_WRITE);
  fields.push(
    field('buffer unchanged', 1, cond(writes, same(TOKEN, col('machine.refSubmitted')))),
    field('target stable', 1, cond(writes, call('targetStable', [col('machine.refTarget')]))),
  );
  return {
    // What the slot of a name of no use was before is nothing to it.
    when: same(col('reference.handleState'), HANDLE_LIVE),
    token: col('machine.content', col('machine.refPfn')),
    fields,
  };
}

/** Under what contents of a private page are excused: that it should have, that it shows, that its slot has. */
function rareSlot(shape: Shape): Field[] {
  const current = col('reference.current');
  const { there, content } = shown(shape);
  const excuse = (name: string, when: Ex, token: Ex): Field =>
    field(name, EXCUSE_BITS, cond(when, call('excuse', [I, token])));
  const fields = [
    excuse('excuse of current', same(col('reference.cellState'), FIXED), current),
    excuse('excuse of content', there, content),
  ];
  if (shape.swaps === 0) return fields;
  const device = behind();
  return [...fields, excuse('excuse of content on swap', device.there, device.content)];
}

function specOf(shape: Shape, notes: readonly NoteColumn[], grain: Grain, pagesToo: boolean): KeySpec {
  const { mms, pages, refs, files, folios, swaps } = shape;
  const fileCell = mms * pages;
  const orphanCell = fileCell + files;
  const said = saidOf(shape, grain);
  const { classes, privates, copiesFile, store, storeBits } = said;
  /**
   * Whose store a folio holds matters to classes. To properties it does not: they ask who stored what was missed, and
   * that is what the cell or the file expects, or zero. It stays where a page shows one of several contents, to be safe.
   */
  const folioStores = classes || privates.some(copiesFile);

  /** What the disk gets if writeback ends now. */
  const out = (f: Ex, apart: boolean): Ex => {
    const content = col('machine.content', col('machine.cache', f));
    return apart ? cond(col('machine.sent', f), col('machine.sentContent', f), content) : content;
  };
  const file = (f: number): Lot => {
    const apart = shape.readsApart[f] === 1;
    const pfn = col('machine.cache');
    const undirtied = col('reference.undirtied');
    const inFlight = both(not(same(pfn, NO_PFN)), flag('machine.flags', F_WRITEBACK, pfn));
    return {
      fields: [
        field('writeback started', 1, col('reference.wbStarted')),
        // Whose: with the reference.
        field('undirtied', 2, cond(undirtied, cond(same(undirtied, LOSSY), 2, 1))),
        field(
          'changed in flight',
          2,
          cond(inFlight, cond(same(col('machine.submitted'), out(I, apart)), 1, 2)),
        ),
        field('current', storeBits, store(col('reference.current', plus(I, fileCell)))),
        ...(apart ? [field('read by the disk', 1, col('machine.sent'))] : []),
        ...endFields(shape, f),
      ],
    };
  };

  // What may yet be read from a file, as the file and the private pages that map it see it.
  const cellOf = (token: Ex): Pick<Fetched, 'cell' | 'rare'> => ({
    cell: [field('content', RELATION_BITS, relation(I, token))],
    rare: [field('excuse', EXCUSE_BITS, call('excuse', [I, token]))],
  });
  const ofFiles = range(files).flatMap((f): Fetched[] => {
    const common = {
      pages: privates.filter((v) => copiesFile(v) && shape.file[v] === f),
      head: [
        field('content', RELATION_BITS, relation(fileCell + f, TOKEN)),
        field('on disk', 1, call('onDisk', [f, TOKEN])),
        field('store', storeBits, store(TOKEN)),
        ...cutFields(shape),
      ],
      ...cellOf(TOKEN),
    };
    const pfn = col('machine.cache', f);
    const cached = not(same(pfn, NO_PFN));
    return [
      { ...common, when: cached, token: col('machine.content', pfn) },
      ...(shape.onDisk[f] === 0 ? [] : [{ ...common, when: 1, token: col('machine.disk', f) }]),
      {
        ...common,
        when: both(cached, flag('machine.flags', F_BOUNCED, pfn)),
        token: col('machine.submitted', f),
      },
      ...(shape.readsApart[f] === 1
        ? [{ ...common, when: col('machine.sent', f), token: col('machine.sentContent', f) }]
        : []),
    ];
  });
  // What was stored to the zero page, as every anonymous page sees it that may yet be faulted in.
  const zero: Fetched = {
    when: col('machine.content', ZERO_PFN),
    token: col('machine.content', ZERO_PFN),
    head: [field('store', storeBits, store(TOKEN))],
    pages: privates,
    ...cellOf(TOKEN),
  };

  const heldOverFork = both(
    same(col('reference.handleState'), HANDLE_LIVE),
    bits(col('reference.handleFlags'), REF_HELD_OVER_FORK),
  );
  return {
    sizes: { mms, pages, refs, files, folios: folios + swaps },
    ...(swaps === 0 ? {} : { frames: framesOf(shape, 1) }),
    worlds: 1,
    header: [field('zero page stored to', 1, some(col('machine.content', ZERO_PFN)))],
    mm: [field('has pinned', 1, col('machine.hasPinned')), ...noteFields('mm', notes, mms)],
    slots: range(pages).map((v) => slotLot(v, shape, said)),
    files: range(files).map(file),
    ref: refLot(shape, said),
    refStates: [HANDLE_LIVE, HANDLE_VOID],
    cells: true,
    moves: range(pages).some((v) =>
      range(v).some((u) => shape.kind[u] === shape.kind[v] && shape.file[u] === shape.file[v]),
    ),
    folio: [
      [
        ...folioFields(0, shape),
        ...ofFolios(shape, noteFields('folio', notes, folios)),
        ...(folioStores ? [field('store', storeBits, ifFolio(shape, store(col('machine.content'))))] : []),
        ...(swaps === 0
          ? []
          : slotFields(shape, 0, folioStores ? { bits: storeBits, of: store } : undefined)),
      ],
    ],
    fetched: [...ofFiles, ...(privates.length > 0 ? [zero] : [])],
    rare: {
      when: [field('excusing', 1, col('reference.excusing', 0))],
      slots: range(pages).map((v) => (privates.includes(v) ? rareSlot(shape) : [])),
      ref: rareRef(fileCell, orphanCell, heldOverFork),
      held: [field('held over fork', 1, heldOverFork)],
      member: [field('parted', 1, call('parted', [I, CELL]))],
    },
    groups: pagesToo ? groupsOf(shape) : range(pages),
  };
}

/** What was made before: specs are compiled once. */
const SPECS: Map<string, KeySpec> = new Map<string, KeySpec>();

function specFor({ shape, machine }: World, grain: Grain, pagesToo: boolean): KeySpec {
  const { notes } = machine;
  const name = `${grain} ${pagesToo} ${shape.tokens} ${JSON.stringify([shape.setup, notes])}`;
  let spec = SPECS.get(name);
  if (spec === undefined) {
    spec = specOf(shape, notes, grain, pagesToo);
    SPECS.set(name, spec);
  }
  return spec;
}

/** Excuse of what its folio holds, of what its page held when it was taken, and whether it was held over fork. */
function rareRef(fileCell: number, orphanCell: number, heldOverFork: Ex): Field[] {
  const live = same(col('reference.handleState'), HANDLE_LIVE);
  const cell = col('reference.handleCell');
  const ofPage = not(both(less(fileCell - 1, cell), less(cell, orphanCell)));
  return [
    field(
      'excuse of content',
      EXCUSE_BITS,
      cond(both(live, ofPage), call('excuse', [cell, col('machine.content', col('machine.refPfn'))])),
    ),
    field('excuse when taken', EXCUSE_BITS, cond(live, col('reference.takenExcused'))),
    field('held over fork', 1, heldOverFork),
  ];
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Encodes the state of one world. */
export class KeyEncoder extends StateKey {
  readonly groups: readonly number[];
  constructor(
    world: World,
    symmetry: Symmetry = 'all',
    grain: Grain = 'class',
    backend: (sources: readonly Source[]) => Backend = (sources) => new Compiled(sources),
  ) {
    checkFolios(world.shape.setup);
    const spec = specFor(world, grain, symmetry === 'all');
    const sources = [sourceOf(world)];
    super(spec, sources, backend(sources), symmetry);
    this.groups = spec.groups;
  }
}
