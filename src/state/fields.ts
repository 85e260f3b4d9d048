/**
 * Fields of so many bits, packed into words: their places follow from their widths. A list of fields is interpreted, or
 * compiled to one function; both give the same words (fields.test.ts).
 */
import { Emitter, type Ex, evaluate, type Source, valuesFor, type Written } from './expression.ts';

/** One part of a key: a value of an element, 0 to 2^bits - 1. */
export interface Field {
  readonly name: string;
  readonly bits: number;
  readonly value: Ex;
}

/** What is said of an element. */
export interface Lot {
  /** All is 0 where this is. */
  readonly when?: Ex;
  /** The content that its fields are about: TOKEN. */
  readonly token?: Ex;
  readonly fields: readonly Field[];
}

/** A field with its place. */
export interface Placed extends Field {
  readonly word: number;
  readonly shift: number;
}

/** Fields with their places: so many words, of the last so many bits. */
export interface Plan {
  readonly fields: readonly Placed[];
  readonly words: number;
  readonly used: number;
}

const WORD_BITS = 32;

/** Bits that a value of 0 to `most` takes. */
export const widthOf = (most: number): number => (most <= 0 ? 0 : 32 - Math.clz32(most));

/** Places fields in order, each where the word at hand has room. Throws RangeError for a field wider than a word. */
export function planOf(fields: readonly Field[]): Plan {
  let word = 0;
  let used = 0;
  const out: Placed[] = [];
  for (const field of fields) {
    if (field.bits > WORD_BITS)
      throw new RangeError(`${field.name}: ${field.bits} bits are more than a word has`);
    if (field.bits === 0) continue;
    if (used + field.bits > WORD_BITS) {
      word++;
      used = 0;
    }
    out.push({ ...field, word, shift: used });
    used += field.bits;
  }
  return { fields: out, words: out.length === 0 ? 0 : word + 1, used };
}

/** Bits of fields that go into one word. Throws RangeError if they do not fit. */
export function bitsOf(fields: readonly Field[]): number {
  const { words, used } = planOf(fields);
  if (words > 1) throw new RangeError(`${fields.map((f) => f.name).join(', ')}: more bits than one word has`);
  return used;
}

/** Writes the words of element `i`, and of those that follow it, to `out` from `at` on. */
export type Writer = (i: number, out: Int32Array, at: number) => void;
/** A value of element `i` and what it is asked about. */
export type Asked = (i: number, j: number) => number;

/** How lots are carried out. */
export interface Backend {
  /** Lot k is of element `i + k`, `stride` words each. */
  writer(lots: readonly Lot[], stride: number): Writer;
  /** The fields as one word of at most 32 bits. */
  word(fields: readonly Field[]): Asked;
}

/** Does what lots say, and checks that each value fits. */
export class Interpreted implements Backend {
  readonly #sources: readonly Source[];
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  writer(lots: readonly Lot[], stride: number): Writer {
    const plans = lots.map((lot) => planOf(lot.fields));
    return (first, out, at) => {
      lots.forEach(({ when, token }, k) => {
        const i = first + k;
        const from = at + k * stride;
        out.fill(0, from, from + stride);
        if (when !== undefined && this.#ask(when, i, 0) === 0) return;
        const content = token === undefined ? 0 : this.#ask(token, i, 0);
        for (const field of plans[k]!.fields)
          out[from + field.word]! |= this.#value(field, i, content) << field.shift;
      });
    };
  }
  word(fields: readonly Field[]): Asked {
    bitsOf(fields);
    const plan = planOf(fields);
    return (i, j) => plan.fields.reduce((word, f) => word | (this.#value(f, i, j) << f.shift), 0);
  }

  #ask(ex: Ex, i: number, token: number): number {
    return evaluate(ex, this.#sources, i, token);
  }
  #value(field: Field, i: number, token: number): number {
    const value = this.#ask(field.value, i, token);
    if (field.bits < WORD_BITS && (value & ~((1 << field.bits) - 1)) !== 0)
      throw new RangeError(`${field.name}: ${value} does not fit into ${field.bits} bits`);
    return value;
  }
}

type Write = (values: readonly unknown[], i: number, out: Int32Array, at: number) => void;
type Ask = (values: readonly unknown[], i: number, j: number) => number;

const WRITERS: WeakMap<object, Written<Write>> = new WeakMap<object, Written<Write>>();
const WORDS: WeakMap<object, Written<Ask>> = new WeakMap<object, Written<Ask>>();

function once<T>(known: WeakMap<object, T>, of: object, make: () => T): T {
  let made = known.get(of);
  if (made === undefined) {
    made = make();
    known.set(of, made);
  }
  return made;
}

/** Writes the same as code; the same list of lots, or of fields, is compiled once. */
export class Compiled implements Backend {
  readonly #sources: readonly Source[];
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  writer(lots: readonly Lot[], stride: number): Writer {
    const { code, wanted } = once(WRITERS, lots, () => {
      const emitter = new Emitter();
      const parts = lots.map((lot, k) => lotText(emitter, lot, stride, k * stride));
      return emitter.written<Write>(['i', 'out', 'at'], parts.join('\ni++;\n'));
    });
    const values = valuesFor(wanted, this.#sources);
    return (i, out, at) => code(values, i, out, at);
  }
  word(fields: readonly Field[]): Asked {
    const { code, wanted } = once(WORDS, fields, () => {
      bitsOf(fields);
      const emitter = new Emitter();
      const text = wordText(emitter, planOf(fields), 0);
      return emitter.written<Ask>(['i', 'j'], `return ${text};`);
    });
    const values = valuesFor(wanted, this.#sources);
    return (i, j) => code(values, i, j);
  }
}

function lotText(emitter: Emitter, { when, token, fields }: Lot, stride: number, offset: number): string {
  const plan = planOf(fields);
  const words = Array.from({ length: stride }, (_, w) => w);
  const zero = words.map((w) => `out[at + ${offset + w}] = 0;`).join(' ');
  const lines = token === undefined ? [] : [`const j = ${emitter.value(token)};`];
  for (const w of words) lines.push(`out[at + ${offset + w}] = ${wordText(emitter, plan, w)};`);
  const body = `{\n${lines.join('\n')}\n}`;
  return when === undefined ? body : `if (${emitter.test(when)}) ${body} else { ${zero} }`;
}

function wordText(emitter: Emitter, plan: Plan, word: number): string {
  const parts = plan.fields
    .filter((f) => f.word === word)
    .map((f) => (f.shift === 0 ? emitter.value(f.value) : `(${emitter.value(f.value)} << ${f.shift})`));
  return parts.length === 0 ? '0' : parts.join(' | ');
}
