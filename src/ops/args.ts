/**
 * What a step says: its operation, who does it, and its arguments, each declared once beside the operation. From this
 * the type of the step, its bits, its text, the parser, the schema, the names that it uses and makes, and renaming are
 * derived.
 *
 * @example
 * const MPROTECT = {
 *   kind: 'mprotect',
 *   task: 'mm',
 *   args: { page: { is: 'page' }, prot: { oneOf: ['r', 'rw'], noun: 'protection' } },
 * } as const;
 * // { task: string; op: 'mprotect'; page: string; prot: 'r' | 'rw' }; `P: mprotect A r`
 */
import { CALLERS, type Caller } from '../domain/kinds.ts';
import { FILES_MAX, MMS_MAX, PAGES_MAX, REFS_MAX } from '../domain/setup.ts';

/** Who executes the step: an mm's task, the device, the kernel, or another process that has the file open. */
export type TaskKind = 'mm' | 'device' | 'kernel' | 'other';

/** What has names in a scenario. */
export type NameSort = 'mm' | 'ref' | 'page' | 'file';

interface Words {
  /** What messages call it; the field's name, if absent. */
  readonly noun?: string;
  /** For the schema. */
  readonly title?: string;
  /** In the order of simplicity: what each value costs more than the one before; a name, that it is there. 0 if absent. */
  readonly cost?: number;
}
/** A name of the setup, or of a reference. `after`: it may be left out, else it comes after this word. */
interface NameArg extends Words {
  readonly is: Exclude<NameSort, 'mm'>;
  readonly after?: string;
}
/** A word of a list that is not the operation's own. */
interface CallerArg extends Words {
  readonly is: 'caller';
}
/** One of these words. */
interface WordArg extends Words {
  readonly oneOf: readonly string[];
}
/** A boolean: a word for false, one for true. */
interface EitherArg extends Words {
  readonly either: readonly [no: string, yes: string];
}
/** A boolean: true where the word is there. */
interface FlagArg extends Words {
  readonly flag: string;
}
/** One of these words, or none. */
interface MaybeArg extends Words {
  readonly maybe: readonly string[];
}
/** Where the operation is left in flight: before its next atomic step of this name; absent: it runs to its end. */
interface PauseArg extends Words {
  readonly pause: readonly string[];
}
export type Arg = NameArg | CallerArg | WordArg | EitherArg | FlagArg | MaybeArg | PauseArg;

/** What is said of an operation's steps. */
export interface Grammar {
  readonly kind: string;
  readonly task: TaskKind;
  readonly args: { readonly [field: string]: Arg };
  /** It makes one of these, which the step names. */
  readonly makes?: 'mm' | 'ref';
  /** It ends its task's mm, or its reference. */
  readonly ends?: 'mm' | 'ref';
  /**
   * What the executor is told of a step (live.ts): `mm`; `child` or `ref` for what it makes; arguments; `token` of what
   * is stored. Absent: it has no call of its own.
   */
  readonly sends?: readonly string[];
  /** A call that is this operation together with another. */
  readonly call?: Grammar;
}

// ---- The type of a step ------------------------------------------------------------------------------------------

/** What an argument may be. */
export type Value<A> = A extends { readonly is: 'caller' }
  ? Caller
  : A extends { readonly is: string }
    ? string
    : A extends { readonly oneOf: readonly (infer W)[] }
      ? W
      : A extends { readonly pause: readonly (infer W)[] } | { readonly maybe: readonly (infer W)[] }
        ? W
        : boolean;
type Fields<A> = {
  readonly [F in keyof A as A[F] extends MayBeAbsent ? never : F]: Value<A[F]>;
} & { readonly [F in keyof A as A[F] extends MayBeAbsent ? F : never]?: Value<A[F]> };
type MayBeAbsent =
  | { readonly after: string }
  | { readonly pause: readonly string[] }
  | { readonly maybe: readonly string[] };
type Flat<T> = { readonly [K in keyof T]: T[K] };

/** A step of whatever operation, as its fields. */
export interface AnyStep {
  readonly task: string;
  readonly op: string;
  readonly [field: string]: string | boolean | undefined;
}

/** The steps of an operation. */
export type StepOf<G> = G extends Grammar
  ? string extends G['kind']
    ? AnyStep
    : Flat<
        { readonly task: G['task'] extends 'mm' ? string : G['task']; readonly op: G['kind'] } & Fields<
          G['args']
        > &
          (G extends { readonly makes: string } ? { readonly result: string } : object)
      >
  : never;

// ---- Bits --------------------------------------------------------------------------------------------------------

const OP_BITS = 6;
const ACTOR_BITS = 4;
const PAGE_BITS = 4;
const A_AT = OP_BITS;
const B_AT = A_AT + ACTOR_BITS;
const C_AT = B_AT + PAGE_BITS;
/** A step is a non-negative 32-bit integer. */
const C_BITS = 31 - C_AT;

export const pack = (op: number, a: number, b = 0, c = 0): number =>
  op | (a << A_AT) | (b << B_AT) | (c << C_AT);
export const opOf = (step: number): number => step & ((1 << OP_BITS) - 1);
export const aOf = (step: number): number => (step >>> A_AT) & ((1 << ACTOR_BITS) - 1);
export const bOf = (step: number): number => (step >>> B_AT) & ((1 << PAGE_BITS) - 1);
export const cOf = (step: number): number => step >>> C_AT;

/** Numbers that a value of the argument can be packed as: 0 to this, exclusive. */
export function sizeOf(arg: Arg): number {
  if ('oneOf' in arg) return arg.oneOf.length;
  if ('pause' in arg) return 1 + arg.pause.length;
  if ('maybe' in arg) return 1 + arg.maybe.length;
  if (!('is' in arg)) return 2;
  if (arg.is === 'caller') return CALLERS.length;
  const most = { ref: REFS_MAX, page: PAGES_MAX, file: FILES_MAX }[arg.is];
  return arg.after === undefined ? most : 1 + most;
}

/** The variant is what is packed in `c`: words, flags, and names beyond the first. */
export const VARIANT_AT: number = C_AT;

/** One argument with its place in the packed step. */
export interface Field {
  readonly name: string;
  readonly arg: Arg;
  readonly shift: number;
  readonly bits: number;
}

/** An operation's grammar with the place of each argument. */
export interface Packing {
  readonly grammar: Grammar;
  readonly op: number;
  readonly fields: readonly Field[];
}

/**
 * Places: the mm of the task, else the first reference or file, in `a`; the first page in `b`; all others in `c`, in
 * order. Throws RangeError if they do not fit.
 */
export function packingOf(grammar: Grammar, op: number): Packing {
  if (op >= 1 << OP_BITS)
    throw new RangeError(`${grammar.kind}: a step has room for ${1 << OP_BITS} operations`);
  let actor = grammar.task === 'mm';
  let page = false;
  let next = 0;
  const fields = Object.entries(grammar.args).map(([name, arg]): Field => {
    const named = 'is' in arg && !('after' in arg) ? arg.is : undefined;
    if (!actor && (named === 'ref' || named === 'file')) {
      actor = true;
      return { name, arg, shift: A_AT, bits: ACTOR_BITS };
    }
    if (!page && named === 'page') {
      page = true;
      return { name, arg, shift: B_AT, bits: PAGE_BITS };
    }
    const bits = Math.ceil(Math.log2(sizeOf(arg)));
    const shift = C_AT + next;
    next += bits;
    return { name, arg, shift, bits };
  });
  if (next > C_BITS)
    throw new RangeError(`${grammar.kind}: its arguments have ${next} bits; a step has room for ${C_BITS}`);
  if (
    MMS_MAX > 1 << ACTOR_BITS ||
    REFS_MAX > 1 << ACTOR_BITS ||
    FILES_MAX > 1 << ACTOR_BITS ||
    PAGES_MAX > 1 << PAGE_BITS
  )
    throw new RangeError('a step has no room for so many mms, references, files or pages');
  return { grammar, op, fields };
}

// ---- Packed steps and steps with names ---------------------------------------------------------------------------

/** Number of a name, or undefined if it stands for nothing now; and the name of a number. */
export interface Numbers {
  number(sort: NameSort, name: string): number | undefined;
}
export interface Names {
  nameOf(sort: NameSort, number: number): string;
}

/** The packed step, or -1 if a name or a word in it stands for nothing. */
export function packStep({ grammar, op, fields }: Packing, step: AnyStep, names: Numbers): number {
  let packed = op;
  if (grammar.task === 'mm') {
    const mm = names.number('mm', step.task);
    if (mm === undefined) return -1;
    packed |= mm << A_AT;
  }
  for (const { name, arg, shift } of fields) {
    const value = packedAs(arg, step[name], names);
    if (value === undefined || value < 0) return -1;
    packed |= value << shift;
  }
  return packed;
}

function packedAs(arg: Arg, value: string | boolean | undefined, names: Numbers): number | undefined {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if ('oneOf' in arg) return arg.oneOf.indexOf(value!);
  if ('pause' in arg) return value === undefined ? 0 : wordOf(arg.pause, value);
  if ('maybe' in arg) return value === undefined ? 0 : wordOf(arg.maybe, value);
  if (!('is' in arg)) return 0;
  if (arg.is === 'caller') return (CALLERS as readonly string[]).indexOf(value!);
  if (arg.after === undefined) return names.number(arg.is, value!);
  if (value === undefined) return 0;
  const number = names.number(arg.is, value);
  return number === undefined ? undefined : 1 + number;
}

/** The step with names. `result`: of what it makes. */
export function unpackStep(
  { grammar, fields }: Packing,
  packed: number,
  names: Names,
  result: string | undefined,
): AnyStep {
  const step: Record<string, string | boolean> = {
    task: grammar.task === 'mm' ? names.nameOf('mm', aOf(packed)) : grammar.task,
    op: grammar.kind,
  };
  for (const { name, arg, shift, bits } of fields) {
    const value = saidBy(arg, (packed >>> shift) & ((1 << bits) - 1), names);
    if (value !== undefined) step[name] = value;
  }
  if (result !== undefined) step.result = result;
  return step as unknown as AnyStep;
}

/** As packed, where none is 0: -1 if there is no such word. */
const wordOf = (words: readonly string[], word: string): number => {
  const at = words.indexOf(word);
  return at < 0 ? -1 : 1 + at;
};

function saidBy(arg: Arg, number: number, names: Names): string | boolean | undefined {
  if ('oneOf' in arg) return arg.oneOf[number]!;
  if ('pause' in arg) return number === 0 ? undefined : arg.pause[number - 1];
  if ('maybe' in arg) return number === 0 ? undefined : arg.maybe[number - 1];
  if (!('is' in arg)) return number === 1;
  if (arg.is === 'caller') return CALLERS[number]!;
  if (arg.after === undefined) return names.nameOf(arg.is, number);
  return number === 0 ? undefined : names.nameOf(arg.is, number - 1);
}

// ---- Names -------------------------------------------------------------------------------------------------------

/** A name in a step. */
export interface Named {
  readonly sort: NameSort;
  readonly name: string;
  /** Where it stands. */
  readonly field: string;
}

/** The names that a step uses; what it makes is not among them. */
export function namesIn(grammar: Grammar, step: AnyStep): Named[] {
  const names: Named[] = grammar.task === 'mm' ? [{ sort: 'mm', name: step.task, field: 'task' }] : [];
  for (const [field, arg] of Object.entries(grammar.args)) {
    const name = step[field];
    if ('is' in arg && arg.is !== 'caller' && typeof name === 'string')
      names.push({ sort: arg.is, name, field });
  }
  return names;
}

/** The step with other names; `made` for the name of what it makes. */
export function renamed<S extends object>(
  grammar: Grammar,
  step: S,
  to: (sort: NameSort, name: string) => string,
): S {
  const said = step as unknown as AnyStep;
  const changed: Record<string, string> = {};
  for (const { sort, name, field } of namesIn(grammar, said)) changed[field] = to(sort, name);
  if (grammar.makes !== undefined) changed.result = to(grammar.makes, said.result as string);
  return { ...step, ...changed };
}

// ---- Text --------------------------------------------------------------------------------------------------------

/** Stands before the place where an operation pauses: `..K4`. */
export const PAUSE = '..';

/** The words of an argument: none for a flag that is not set, or a name that is left out. */
export function wordsOf(arg: Arg, value: string | boolean | undefined): readonly string[] {
  if ('flag' in arg) return value === true ? [arg.flag] : [];
  if ('either' in arg) return [arg.either[value === true ? 1 : 0]];
  if (value === undefined) return [];
  if ('pause' in arg) return [`${PAUSE}${value}`];
  return 'after' in arg && arg.after !== undefined ? [arg.after, String(value)] : [String(value)];
}

export function textOf(grammar: Grammar, step: AnyStep): string {
  const words = Object.entries(grammar.args).flatMap(([field, arg]) => wordsOf(arg, step[field]));
  const made = grammar.makes === undefined ? '' : `${step.result} = `;
  return `${made}${[`${step.task}: ${step.op}`, ...words].join(' ')}`;
}

// ---- The order of simplicity -------------------------------------------------------------------------------------

/** How many values are plainer. */
const rankOf = (arg: Arg, value: string | boolean | undefined): number => {
  if ('oneOf' in arg) return arg.oneOf.indexOf(value as string);
  if ('is' in arg && arg.is === 'caller') return CALLERS.indexOf(value as Caller);
  return value === undefined || value === false ? 0 : 1;
};

/** How far the arguments of a step are from the plainest. */
export const argumentsCost = (grammar: Grammar, step: AnyStep): number =>
  Object.entries(grammar.args).reduce(
    (sum, [field, arg]) => sum + (arg.cost === undefined ? 0 : arg.cost * rankOf(arg, step[field])),
    0,
  );

/** The step with plainer words, plainest first: of each argument that has a cost, one after the other. */
export function plainerWords(grammar: Grammar, step: AnyStep): AnyStep[] {
  return Object.entries(grammar.args).flatMap(([field, arg]): AnyStep[] => {
    if ('pause' in arg || 'maybe' in arg) {
      const { [field]: said, ...without } = step;
      return said === undefined ? [] : [without as AnyStep];
    }
    if (arg.cost === undefined || 'is' in arg) return [];
    const values: readonly (string | boolean)[] = 'oneOf' in arg ? arg.oneOf : [false, true];
    return values.slice(0, rankOf(arg, step[field])).map((value) => ({ ...step, [field]: value }));
  });
}
