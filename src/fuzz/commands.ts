/**
 * The same programs as fast-check's model-based commands: the reference is the model, machine and policy are the
 * real thing. For use with fc.modelRun in somebody's own test suite; campaigns draw with fuzz/program.ts, which is
 * faster as it knows the state.
 *
 * A command is drawn before the state is known. So it names its page and variant, but its mm or reference only as
 * the k-th that can do the step when its turn comes.
 */
import fc from 'fast-check';
import { PROPERTIES } from '../../properties/index.ts';
import { alphabetFor } from '../check/scope.ts';
import { POLICY_ERROR } from '../domain/kinds.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import { decodeClass, INVALID, PROMISE_CLAIM, promiseOf, World } from '../executor/simulated.ts';
import { type AnyPolicy, expanded } from '../machine/tables.ts';
import { sizeOf, VARIANT_AT } from '../ops/args.ts';
import { GUP_VARIANTS } from '../ops/gup.ts';
import { OPS, type RegisteredOp } from '../ops/index.ts';
import { pack } from '../ops/op.ts';
import { isGoOn } from '../ops/pauses.ts';
import { classId } from '../property/property.ts';
import { HANDLE_VOID, type Reference } from '../reference/reference.ts';
import { Naming, type Scenario, type Step, stepText } from '../scenario/scenario.ts';
import { releaseOf } from './generate.ts';

/** What may be relied on. It advances with the world that it was made with. */
export interface Model {
  readonly reference: Reference;
}

/** Machine and policy, judged by the reference; and the steps taken so far, packed, with the slots they filled. */
export interface Real {
  readonly world: World;
  readonly taken: { readonly step: number; readonly slot: number }[];
}

/** What gupCommands draws, and what counts as broken. */
export interface GupCommandsOptions {
  /** Most commands per program; those that do not apply when their turn comes count as well. Default 60. */
  readonly maxCommands?: number;
  /** Ways to take a reference (ops/gup.ts: gupVariant), plainest first. Default: all. */
  readonly gups?: readonly number[];
  /** Ids of the properties that count; a breach of another does not throw. Default: all. */
  readonly properties?: readonly string[];
  /**
   * A breach of what the policy claims about itself counts too. Default: false: a claim is no promise, it breaks before
   * the promise that depends on it, and a program that ends there, or is shrunk to that, shows no loss.
   */
  readonly claims?: boolean;
  /** fast-check's replayPath, to repeat a failure that it printed. */
  readonly replayPath?: string;
}

/** `cause` of the error that is thrown when a promise is broken. */
export interface BrokenPromise {
  readonly classId: string;
  /** The steps up to and including the one that showed it. */
  readonly scenario: Scenario;
}

const COMMANDS_MAX_DEFAULT = 60;

/** Per argument that is packed in the variant: its place, and how many values it may have in the setup. */
const variantFields = (
  setup: Setup,
  { packing }: RegisteredOp,
): readonly { readonly at: number; readonly size: number }[] =>
  packing.fields.flatMap(({ arg, shift }) => {
    if ('pause' in arg && setup.tasks === undefined) return [];
    if ('maybe' in arg && setup.parts === undefined) return [];
    if (shift < VARIANT_AT || ('after' in arg && arg.after !== undefined)) return [];
    const size = 'is' in arg && arg.is === 'page' ? setup.pages.length : sizeOf(arg);
    return [{ at: shift - VARIANT_AT, size }];
  });

/** The variants of an operation; gup's are those that a program is to draw from. */
function anyVariant(setup: Setup, op: RegisteredOp, gups: readonly number[]): fc.Arbitrary<number> {
  if (op.makes === 'ref') return fc.constantFrom(...gups);
  const fields = variantFields(setup, op);
  const ways = fields.reduce((product, { size }) => product * size, 1);
  return fc.nat({ max: ways - 1 }).map((way) => {
    let left = way;
    return fields.reduce((variant, { at, size }) => {
      const value = left % size;
      left = Math.floor(left / size);
      return variant | (value << at);
    }, 0);
  });
}

/** What all commands of one program agree on: the setup, and whether a breach of this class counts. */
interface Terms {
  readonly setup: Setup;
  readonly counts: (code: number) => boolean;
}

/** Whose number the first argument of a step is: known only when its turn comes, but for file pages. */
type Actor = 'mm' | 'ref' | 'file';
const actorOf = (op: RegisteredOp): Actor => (op.task === 'mm' ? 'mm' : op.usesRef ? 'ref' : 'file');

const actorsOf = (setup: Setup, op: RegisteredOp): number =>
  ({ mm: setup.mms, ref: setup.refs, file: setup.files.length })[actorOf(op)];

/** The k-th mm or reference that can do this to that page, or file page k. One class serves all operations. */
class OpCommand implements fc.Command<Model, Real> {
  readonly #setup: Setup;
  readonly #op: number;
  readonly #actor: Actor;
  readonly #k: number;
  readonly #page: number;
  readonly #variant: number;
  readonly #counts: (code: number) => boolean;

  constructor({ setup, counts }: Terms, op: RegisteredOp, k: number, page: number, variant: number) {
    this.#setup = setup;
    this.#counts = counts;
    this.#op = OPS.indexOf(op);
    this.#actor = actorOf(op);
    this.#k = k;
    this.#page = page;
    this.#variant = variant;
  }

  check(model: Readonly<Model>): boolean {
    return this.#resolve(model.reference) >= 0;
  }

  run(model: Model, real: Real): void {
    const { world, taken } = real;
    if (world.ended) return; // by a breach that does not count
    const step = this.#resolve(model.reference);
    const outcome = world.step(step);
    if (outcome === INVALID) throw new Error(`${this}: enabled on the reference, yet it cannot be done`);
    taken.push({ step, slot: world.slot });
    const broken = world.violations.find((v) => !v.documented && this.#counts(v.code));
    if (broken !== undefined) {
      const cause: BrokenPromise = {
        classId: classId(decodeClass(broken.code)),
        scenario: scenarioOf(this.#setup, real),
      };
      throw new Error(`${cause.classId} at ${stepText(cause.scenario.steps.at(-1)!)}`, { cause });
    }
    if (outcome === POLICY_ERROR) {
      const { policy, policyError } = world.machine;
      throw new Error(
        `policy ${policy.id}: ${policyError} at ${stepText(scenarioOf(this.#setup, real).steps.at(-1)!)}`,
      );
    }
    if (world.slot < 0 || model.reference.handleState[world.slot] !== HANDLE_VOID) return;
    // The program goes on without the reference that it did not get: it gives up the name at once.
    const gup = isGoOn(step) ? taken.findLast((t) => t.slot === world.slot && !isGoOn(t.step))!.step : step;
    const release = releaseOf(gup, world.slot);
    world.step(release);
    taken.push({ step: release, slot: -1 });
  }

  /** From the arguments alone: `mm#1: gup A pin R`, `device: dma_read ref#0`; #k reads "the k-th that can". */
  toString(): string {
    const a = this.#actor === 'file' ? this.#k : 0;
    const step = new Naming(this.#setup).name(pack(this.#op, a, this.#page, this.#variant), 0);
    const actor = { mm: { task: `mm#${this.#k}` }, ref: { ref: `ref#${this.#k}` }, file: {} }[this.#actor];
    return stepText({ ...step, ...actor } as Step).replace(/^\w+ = /, '');
  }

  /** The packed step, or -1 if nobody can do it now. */
  #resolve(reference: Reference): number {
    const op = OPS[this.#op]!;
    const { mms, refs } = reference.shape;
    if (this.#actor === 'file') {
      const step = pack(this.#op, this.#k, 0, this.#variant);
      return op.offered(reference, step) ? step : -1;
    }
    const can: number[] = [];
    for (let a = 0; a < (this.#actor === 'mm' ? mms : refs); a++) {
      const step = pack(this.#op, a, this.#page, this.#variant);
      if (isGoOn(step) ? op.enabled(reference, step) : op.offered(reference, step)) can.push(step);
    }
    return can.length === 0 ? -1 : can[this.#k % can.length]!;
  }
}

/** What was done so far, with names. */
function scenarioOf(setup: Setup, { taken }: Real): Scenario {
  const naming = new Naming(setup);
  return { setup, steps: taken.map(({ step, slot }) => naming.name(step, slot)) };
}

/**
 * Programs for fc.modelRun: iterables of commands over the reference (model) and machine with policy (real). A
 * command throws when a promise is broken; documented mismatches do not throw, nor do breached claims unless `claims`
 * is set. With `tasks: 2` in the setup operations pause, and others run meanwhile. Throws RangeError if the setup is
 * inconsistent.
 *
 * @example
 * const start = modelAndReal(setup, policy);
 * fc.assert(fc.property(gupCommands(setup), (commands) => fc.modelRun(start, commands)));
 */
export function gupCommands(
  setup: Setup,
  options: GupCommandsOptions = {},
): fc.Arbitrary<Iterable<fc.Command<Model, Real>>> {
  const {
    maxCommands = COMMANDS_MAX_DEFAULT,
    gups = GUP_VARIANTS,
    properties,
    claims = false,
    replayPath,
  } = options;
  shapeOf(setup); // says what is wrong with it
  const known = PROPERTIES.map((p) => p.id);
  const unknown = properties?.find((id) => !known.includes(id));
  if (unknown !== undefined)
    throw new RangeError(`property ${JSON.stringify(unknown)} is not one of: ${known.join(', ')}`);
  if (gups.some((variant) => !GUP_VARIANTS.includes(variant)))
    throw new RangeError(`gups: not all of ${gups.join(', ')} are variants of gup (GUP_VARIANTS)`);
  const terms: Terms = {
    setup,
    counts: (code) => {
      if (promiseOf(code) === PROMISE_CLAIM) return claims;
      return properties?.includes(decodeClass(code).property) ?? true;
    },
  };
  const { ops } = alphabetFor(setup, gups);
  const weighted = OPS.filter(
    (op, at) => ops[at] === true && actorsOf(setup, op) > 0 && (op.kind !== 'gup' || gups.length > 0),
  ).map((op) => ({ weight: op.weight, arbitrary: commandOf(terms, op, gups) }));
  return fc.commands([fc.oneof(...weighted)], {
    maxCommands,
    size: 'max',
    ...(replayPath === undefined ? {} : { replayPath }),
  });
}

function commandOf(
  terms: Terms,
  op: RegisteredOp,
  gups: readonly number[],
): fc.Arbitrary<fc.Command<Model, Real>> {
  const { setup } = terms;
  const below = (n: number): fc.Arbitrary<number> => fc.nat({ max: n - 1 });
  const pages = 'page' in op.args ? setup.pages.length : 1;
  return fc
    .tuple(below(actorsOf(setup, op)), below(pages), anyVariant(setup, op, gups))
    .map(([k, page, variant]) => new OpCommand(terms, op, k, page, variant));
}

/** The start of each run, for fc.modelRun: a world of the policy as real, its reference as model. */
export function modelAndReal(setup: Setup, policy: AnyPolicy): () => { model: Model; real: Real } {
  const tables = expanded(policy);
  return () => {
    const world = new World(setup, tables);
    return { model: { reference: world.reference }, real: { world, taken: [] } };
  };
}
