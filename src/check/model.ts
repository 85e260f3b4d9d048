/**
 * What a search explores (docs/model.md): states that can be saved and loaded, the steps that a program can do next,
 * what is found in doing one, and the fingerprint of the state's key. One policy's world here; `pair.ts` has two
 * worlds that run the same program.
 */
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { coarseClass, INVALID, World } from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { OPS } from '../ops/index.ts';
import type { Alphabet } from '../ops/op.ts';
import { fingerprint } from './fingerprint.ts';
import { type Grain, KeyEncoder, type Symmetry } from './key.ts';

/** What became of a step. */
export const GOES_ON = 0;
/** Nothing can follow: the kernel stopped, a folio was freed under a reference, or what was asked is answered. */
export const ENDED = 1;
/** The program cannot do this step: a bug of ours if it was enumerated. */
export const NOT_A_STEP = 2;

export interface Model {
  /** 32-bit words of a saved state. */
  readonly size: number;
  /** No state has more enabled steps than this. */
  readonly stepsMax: number;
  save(target: Int32Array, offset: number): void;
  load(source: Int32Array, offset: number): void;
  /** True if the present state is the one saved there, for certain: the step was of no consequence. */
  isAt?(source: Int32Array, offset: number): boolean;
  /** The steps that the program can do now, in a fixed order. Returns how many. */
  enumerate(out: Int32Array): number;
  /** Executes one step: GOES_ON, ENDED or NOT_A_STEP. */
  step(step: number): number;
  /** What the last step found, `findingOf` numbers; `findings` of them. */
  readonly finding: Int32Array;
  findings: number;
  /** 96 bits of the present state's key, to `out[0..2]`. */
  fingerprint(out: Int32Array): void;
}

/** A finding as one number: the class code (simulated.ts), and whether it is documented. */
export const findingOf = (code: number, documented: boolean): number => code * 2 + (documented ? 1 : 0);
export const codeOf = (finding: number): number => finding >> 1;
export const isDocumented = (finding: number): boolean => (finding & 1) === 1;

/** One policy in one setup. Plain data, as it is sent to threads. */
export interface PolicySpec {
  readonly setup: Setup;
  readonly policy: ExpandedPolicy;
  readonly alphabet: Alphabet;
  readonly symmetry: Symmetry;
  readonly grain: Grain;
}

/**
 * Tokens that a search has room for: all that can be alive at a time and some to spend before they are renamed. A
 * smaller state is copied faster.
 */
export function tokensFor(setup: Setup): number {
  const cells = setup.mms * setup.pages.length + setup.files.length + setup.refs;
  const folios = setup.mms * setup.pages.length + setup.refs + setup.files.length + 1;
  const inFlight = ((setup.tasks ?? 1) - 1) * 6; // what tasks store, and the pages that they have in hand
  const slots = setup.swap === undefined ? 0 : setup.mms * setup.pages.length;
  return Math.min(64, cells + folios + slots + 2 * setup.files.length + setup.refs + 4 + inFlight);
}

/** A bound of the steps that a program of the alphabet can do in one state of the setup. */
export function stepsMaxOf(setup: Setup, alphabet: Alphabet): number {
  const many = { mm: setup.mms, page: setup.pages.length, ref: setup.refs, file: setup.files.length };
  return OPS.reduce((sum, { kind, task, args, ways }, at) => {
    // What is in flight goes on, whatever the alphabet.
    const goesOn = kind === 'go_on' && setup.tasks !== undefined;
    if (!goesOn && at >= alphabet.ops.length) return sum;
    const names = Object.values(args).flatMap((arg) =>
      'is' in arg && arg.is !== 'caller' && arg.after === undefined ? [many[arg.is]] : [],
    );
    const pauses = Object.values(args).flatMap((arg) => ('pause' in arg ? arg.pause : []));
    const parts = Object.values(args).some((arg) => 'maybe' in arg) ? (setup.parts ?? 1) : 1;
    const each = parts * (ways?.(alphabet) ?? 1) * (setup.tasks === undefined ? 1 : 1 + pauses.length);
    return (
      sum +
      (goesOn ? each * setup.tasks! : 0) +
      [task === 'mm' ? many.mm : 1, ...names].reduce((product, n) => product * n, each)
    );
  }, 0);
}

/** Most findings of one step that are kept; a step has a handful of observers. */
const FINDINGS_MAX = 256;

/**
 * While operations are in flight a state is told by all its columns, with its contents numbered by age: nothing is left
 * out, and nothing merged but that. Between operations it has its key.
 */
export class PolicyModel implements Model {
  readonly size: number;
  readonly stepsMax: number;
  readonly finding: Int32Array = new Int32Array(FINDINGS_MAX);
  findings = 0;
  readonly world: World;
  readonly key: KeyEncoder;
  readonly #alphabet: Alphabet;
  readonly #classes: boolean;
  readonly #columns: Int32Array;
  /** Words before the locals of tasks, which mean nothing between two operations. */
  readonly #lasting: number;

  constructor(spec: PolicySpec) {
    this.world = new World(spec.setup, spec.policy, tokensFor(spec.setup));
    this.world.checkInvariants = false; // campaigns check counts at each step; here the key is dear enough
    this.key = new KeyEncoder(this.world, spec.symmetry, spec.grain);
    this.#alphabet = spec.alphabet;
    this.#classes = spec.grain === 'class';
    this.#columns = this.world.columns.words;
    this.size = this.#columns.length;
    const locals = this.world.machine.task.pc.byteOffset - this.#columns.byteOffset;
    // A word that holds some of both counts: at worst a step looks as if it had changed something.
    this.#lasting = this.world.fine ? this.size : Math.ceil(locals / 4);
    this.stepsMax = stepsMaxOf(spec.setup, spec.alphabet);
  }

  save(target: Int32Array, offset: number): void {
    const from = this.#columns;
    for (let i = 0; i < from.length; i++) target[offset + i] = from[i]!;
  }
  load(source: Int32Array, offset: number): void {
    const to = this.#columns;
    for (let i = 0; i < to.length; i++) to[i] = source[offset + i]!;
    this.world.ended = false;
  }
  isAt(source: Int32Array, offset: number): boolean {
    const now = this.#columns;
    for (let i = 0; i < this.#lasting; i++) if (now[i] !== source[offset + i]) return false;
    return true;
  }
  enumerate(out: Int32Array): number {
    return this.world.enumerate(this.#alphabet, out);
  }
  step(step: number): number {
    const world = this.world;
    const outcome = world.step(step);
    this.findings = 0;
    if (outcome === INVALID) return NOT_A_STEP;
    for (const v of world.violations)
      if (this.findings < FINDINGS_MAX)
        this.finding[this.findings++] = findingOf(this.#classes ? v.code : coarseClass(v.code), v.documented);
    if (world.ended) return ENDED;
    // A refused gup leaves a name of no use: the program goes on without it.
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    return GOES_ON;
  }
  fingerprint(out: Int32Array): void {
    if (this.world.inFlight()) {
      this.world.compactTokens();
      fingerprint(this.#columns, this.#columns.length, out);
      return;
    }
    const length = this.key.encode();
    fingerprint(this.key.words, length, out);
  }
}
