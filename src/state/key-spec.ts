/**
 * What a key says, as lists of fields, and what follows from that alone: how many words each part takes, where ids are
 * put in them, how long a key may become. state/key.ts makes keys by it.
 */
import { TOKEN } from './expression.ts';
import { bitsOf, type Field, type Lot, planOf, widthOf } from './fields.ts';

/** What may be renamed: mms, references and pages; all but pages, where they are asked about by name; nothing. */
export type Symmetry = 'all' | 'but pages' | 'none';

/** A content that pages may yet be filled from. */
export interface Fetched {
  /** Whether there is such a content. The rest of the key must tell. */
  readonly when: Field['value'];
  readonly token: Field['value'];
  readonly head: readonly Field[];
  /** Pages that may be filled from it. */
  readonly pages: readonly number[];
  /** Said of each of these, per mm. */
  readonly cell: readonly Field[];
  /** Likewise, in the rare part. */
  readonly rare: readonly Field[];
}

/** A part of the key that is there where `when` is, and anything in it is not 0. One bit: `when`, `held`, `member`. */
export interface Rare {
  readonly when: readonly Field[];
  /** By page. */
  readonly slots: readonly (readonly Field[])[];
  readonly ref: readonly Field[];
  /** Of reference `i`: whether it has the set `member`. */
  readonly held: readonly Field[];
  /** Is cell `j` in the set of reference `i`? */
  readonly member: readonly Field[];
}

/** What a key says. Worlds 0 to `worlds` - 1 number their folios; they have mms, pages and references in common. */
export interface KeySpec {
  readonly sizes: {
    readonly mms: number;
    readonly pages: number;
    readonly refs: number;
    readonly files: number;
    /** Folios, and what else has numbers as they do: see `frames`. */
    readonly folios: number;
  };
  readonly worlds: number;
  /** Of index 0. */
  readonly header: readonly Field[];
  readonly mm: readonly Field[];
  /** By page; of index mm * pages + page. */
  readonly slots: readonly Lot[];
  /** By file page. */
  readonly files: readonly Lot[];
  readonly ref: Lot;
  /** References that count: those of which `handleState` is one of these. */
  readonly refStates: readonly number[];
  /** References say where their cell is. */
  readonly cells: boolean;
  /** A page may be at the place of another: of the cell of a reference, the page too is in the key. */
  readonly moves: boolean;
  /**
   * By world, of index mm * pages + page: the number of what a PTE leads to, where that may be something else than the
   * folio that it maps; one field each. Absent: `machine.pfn`.
   */
  readonly frames?: readonly Field[];
  /** By world; of index pfn, or of what else `frames` gives. */
  readonly folio: readonly (readonly Field[])[];
  readonly fetched: readonly Fetched[];
  readonly rare?: Rare;
  /** By page: pages of one group are exchangeable. */
  readonly groups: readonly number[];
}

/** First canonical number of a folio: 0 is none, 1 the zero page. */
export const FOLIO_FIRST = 2;
export const FOLIO_BITS = 5;
/** Most folios that a key can number. */
export const FOLIOS_MAX: number = (1 << FOLIO_BITS) - FOLIO_FIRST;

/** In the header: how many mms, how many references, which slots where none are renamed, that the rare part is there. */
export const COUNT_BITS = 3;
export const HELD_AT: number = COUNT_BITS;
export const RARE_AT: number = 2 * COUNT_BITS;
export const SLOTS_AT: number = RARE_AT + 1;
export const SLOTS_BITS: number = 4;
export const HEADER_AT: number = SLOTS_AT + SLOTS_BITS;

/** In the word of a fetched content: whether there is one, the content, and from here on its head. */
export const TOKEN_AT: number = 1;
export const TOKEN_BITS: number = 8;
export const HEAD_AT: number = TOKEN_AT + TOKEN_BITS;

/** Words of an element, and where its ids are put: the rest of the last word, or one more. */
export interface Words {
  readonly words: number;
  readonly stride: number;
  readonly idWord: number;
  readonly idShift: number;
}

function wordsFor(lots: readonly Lot[], idBits: number): Words {
  const plans = lots.map((lot) => planOf(lot.fields));
  const words = Math.max(0, ...plans.map((p) => p.words));
  const used = Math.max(0, ...plans.filter((p) => p.words === words).map((p) => p.used));
  const fits = words > 0 && used + idBits <= 32;
  return {
    words,
    stride: fits || idBits === 0 ? words : words + 1,
    idWord: fits ? words - 1 : words,
    idShift: fits ? used : 0,
  };
}

/** What follows from a spec alone. */
export interface Prepared {
  readonly slot: Words;
  readonly file: Words;
  readonly ref: Words;
  readonly refLots: readonly Lot[];
  readonly fetchedLots: readonly Lot[];
  readonly fetched: readonly {
    readonly pages: readonly number[];
    readonly headBits: number;
    readonly cellBits: number;
    readonly rareBits: number;
  }[];
  readonly headerBits: number;
  readonly mmBits: number;
  /** What is said of mms is in the header; else each has a word after it. */
  readonly mmInHeader: boolean;
  readonly folioBits: readonly number[];
  readonly rareSlotBits: readonly number[];
  readonly rareRefBits: number;
  readonly cellBits: number;
  /** Words that a key never exceeds. */
  readonly bound: number;
}

const PREPARED: WeakMap<KeySpec, Prepared> = new WeakMap<KeySpec, Prepared>();

export function prepared(spec: KeySpec): Prepared {
  let known = PREPARED.get(spec);
  if (known === undefined) {
    known = prepare(spec);
    PREPARED.set(spec, known);
  }
  return known;
}

function prepare(spec: KeySpec): Prepared {
  const { mms, pages, refs, files, folios } = spec.sizes;
  const places = mms * pages;
  const cellBits = spec.cells ? widthOf((spec.moves ? places : mms) + refs) : 0;
  const folioBits = spec.folio.map(bitsOf);
  const rareSlotBits = spec.rare?.slots.map(bitsOf) ?? [];
  const rareRefBits = bitsOf(spec.rare?.ref ?? []);
  const fetched = spec.fetched.map((f) => ({
    pages: f.pages,
    headBits: bitsOf(f.head),
    cellBits: bitsOf(f.cell),
    rareBits: bitsOf(f.rare),
  }));
  const slot = wordsFor(spec.slots, spec.worlds * FOLIO_BITS);
  const file = wordsFor(spec.files, spec.worlds * FOLIO_BITS);
  const ref = wordsFor([spec.ref], spec.worlds * FOLIO_BITS + cellBits + widthOf(pages - 1));
  const rareBits =
    mms * rareSlotBits.reduce((sum, bits) => sum + bits, 0) +
    refs * rareRefBits +
    fetched.reduce((sum, f) => sum + mms * f.pages.length * f.rareBits, 0) +
    refs * (places + refs);
  // A word of a stream may stay empty by as much as its widest part less one.
  const words = (bits: number): number => Math.ceil(bits / 16) + 1;
  const headerBits = bitsOf(spec.header);
  const mmBits = bitsOf(spec.mm);
  const mmInHeader = HEADER_AT + headerBits + mms * mmBits <= 32;
  return {
    slot,
    file,
    ref,
    refLots: [spec.ref],
    fetchedLots: spec.fetched.map(({ when, token, head }) => ({
      when,
      token,
      fields: [
        { name: 'there', bits: TOKEN_AT, value: 1 },
        { name: 'content', bits: TOKEN_BITS, value: TOKEN },
        ...head,
      ],
    })),
    fetched,
    headerBits,
    mmBits,
    mmInHeader,
    folioBits,
    rareSlotBits,
    rareRefBits,
    cellBits,
    bound:
      1 +
      (mmInHeader ? 0 : mms) +
      places * slot.stride +
      files * file.stride +
      refs * (1 + ref.stride) +
      fetched.reduce((sum, f) => sum + words(f.headBits + mms * f.pages.length * f.cellBits), 0) +
      spec.worlds * words(folios * Math.max(0, ...folioBits)) +
      (spec.rare === undefined ? 0 : words(rareBits)),
  };
}
