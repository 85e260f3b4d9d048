/**
 * How a real kernel is made to do an operation: what an operation says of itself for programs that run there
 * (live/protocol.ts, executor.c) and for those that are exported as C (live/export). Types alone.
 */
import type { Caller } from '../domain/kinds.ts';
import type { Arg, Grammar, NameSort, StepOf, Value } from './args.ts';

/** Callers that a user program can be, without a driver (docs/live.md). */
export type LiveCaller = Extract<
  Caller,
  'vmsplice' | 'fixed_buffer' | 'process_vm_readv' | 'process_vm_writev' | 'o_direct_read' | 'o_direct_write'
>;

/** What a call says in a field of its own: numbers of mms, references, pages and files, tokens; words, yes or no. */
type Said<G extends Grammar, F> = F extends keyof G['args']
  ? G['args'][F] extends { readonly is: 'caller' }
    ? LiveCaller
    : G['args'][F] extends { readonly is: string }
      ? number
      : Value<G['args'][F]>
  : number;
type CallOf<G> = G extends { readonly call: infer C } ? C : G;
type Called<G> = G extends Grammar & { readonly sends: readonly (infer F)[] }
  ? { readonly op: G['kind'] } & { readonly [K in F & string]: Said<G, K> }
  : never;
type Flat<T> = { readonly [K in keyof T]: T[K] };
/** A step of a live program that is one of this operation, every name a number. */
export type LiveStepOf<G> = G extends Grammar
  ? string extends G['kind']
    ? AnyCall
    : Flat<Called<CallOf<G>>>
  : never;

/** A step of whatever call. */
export interface AnyCall {
  readonly op: string;
  readonly [field: string]: string | number | boolean;
}

/** A scenario that is turned into numbers, at one of its steps (live/translate.ts). */
export interface Numbering {
  number(sort: NameSort, name: string): number;
  callerOf(ref: string): Caller;
  /** The content that the step stores. */
  token(): number;
  /** If the step that follows is this one of the reference, it is told together with this one: true. */
  together(op: string, ref: string): boolean;
  /** The reference whose call was over with the step before; '' if none was. */
  readonly over: string;
  /** The call of the reference is over with this step. */
  end(ref: string): void;
  /** There is no such program. */
  cannot(why: string): never;
}

/** A live program that is turned into a scenario (live/model-kernel.ts). */
export interface Naming {
  nameOf(sort: NameSort, number: number): string;
  callerOf(ref: number): Caller;
  /** The reference is taken by this caller. */
  took(ref: number, caller: Caller): void;
  /** A name for a reference that lives for one step. */
  passing(): string;
}

/** A helper function of an exported C program, and the names of those that it needs. */
export interface Helper {
  readonly name: string;
  readonly needs: readonly string[];
  readonly code: string;
}

/**
 * Writes one step of an exported C program (live/export/story.ts). `what` says what has to succeed; `of` is the index of
 * the step of the scenario whose outcome counts: this one, if it is not given.
 */
export interface CTeller {
  /** Index of the step in the scenario; of an O_DIRECT call, its dio_end. */
  readonly at: number;
  name(sort: NameSort, number: number): string;
  /** Who took the reference, and the page. */
  gupOf(ref: number): { readonly caller: string; readonly page: number };
  /** What the step came to where the promises hold. */
  outcome(of?: number): string | undefined;
  /** The mapping forbids the step, or it changes nothing there. */
  isError(of?: number): boolean;
  /** It shows a content that is checked. */
  isChecked(): boolean;
  /** A helper called by main. */
  helper(name: string, ...args: readonly (string | number)[]): string;
  /** A helper called by a process, on a page of its own. */
  on(step: { readonly mm: number; readonly page: number }, deed: string, b: string | number): string;
  /** Marks a helper as needed. */
  uses(name: string): void;
  /** If the call fails, the program ends. */
  need(what: string, call: string): string;
  /** A call that may fail, and else gives a content. */
  sees(what: string, call: string): string;
  /** The content in `got` is checked. */
  check(): string;
  /** A call that is an error, or changes nothing, as its mapping says, or else has to succeed. */
  call(what: string, call: string): string;
  /** A device that has to be refused: what else goes wrong is that this kernel, or this user, cannot have it. */
  refused(what: string, call: string, of?: number): string;
  /** The call has the error of its step. */
  fails(call: string): string;
}

/** Bodies of C functions for executor.c, from `{` to `}` without these. */
export interface ExecutorC {
  /**
   * `static long f(const struct step *step, struct mailbox *box)`, in the process of `step->mm`: returns -errno, or not
   * negative.
   */
  readonly inProcess?: string;
  /** `static enum end f(const struct step *step)`, in the coordinator. If absent: `inProcess`, and no more. */
  readonly byCoordinator?: string;
  /** By field, the C constant of each word that may be sent. If absent: the index of the word. */
  readonly values?: { readonly [field: string]: { readonly [word: string]: string } };
}

export interface Live<G extends Grammar> {
  /** How a test program causes it, or why it cannot. */
  readonly how: string;
  /** What the probe calls what it takes, where that is not the operation's name. */
  readonly feature?: string;
  /** A request, which a kernel may leave undone. */
  readonly request?: boolean;
  /** It first writes what is dirty. */
  readonly writesFirst?: boolean;
  /** What it waits for may have come by itself. */
  readonly mayBeOver?: boolean;
  /** Its call, where not each field is the number of what is named there; undefined: it needs none here. */
  number?(step: StepOf<G>, n: Numbering, plain: () => AnyCall): AnyCall | undefined;
  /** The steps of a scenario that its call is, where not each field is the name of what is numbered there. */
  steps?(call: LiveStepOf<G>, n: Naming, plain: () => object): readonly object[];
  readonly executor?: ExecutorC;
  /** Its statements in an exported program; absent: export does not write it. */
  c?(call: LiveStepOf<G>, t: CTeller): string;
  readonly helpers?: readonly Helper[];
}

/** The letter of a field in a line of the protocol (executor.c: parse_step). */
export type FieldLetter = 'm' | 'c' | 'r' | 'p' | 'q' | 'f' | 't' | 'w';

/** By field that is sent, in order: its letter. Throws RangeError for more than two pages. */
export function lettersOf({ args, makes, sends = [] }: Grammar): FieldLetter[] {
  let pages = 0;
  return sends.map((field): FieldLetter => {
    const arg: Arg | undefined = args[field];
    if (arg === undefined) {
      if (field === 'mm') return 'm';
      if (field === 'child' && makes === 'mm') return 'c';
      if (field === 'ref' && makes === 'ref') return 'r';
      if (field === 'token') return 't';
      throw new RangeError(`no step has a field ${field}`);
    }
    if (!('is' in arg) || arg.is === 'caller') return 'w';
    if (arg.is === 'ref') return 'r';
    if (arg.is === 'file') return 'f';
    if (++pages > 2) throw new RangeError('a call has room for two pages');
    return pages === 1 ? 'p' : 'q';
  });
}
