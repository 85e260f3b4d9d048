/**
 * A program as fast-check sees it: drawn as packed steps, shrunk as a named scenario. `repair` drops the steps that
 * no longer apply when others are taken away.
 */
import fc from 'fast-check';
import { Columns } from '../state/arena.ts';
import { Rng } from '../domain/rng.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import { OPS } from '../ops/index.ts';
import { aOf, opOf } from '../ops/op.ts';
import { HANDLE_VOID, Reference } from '../reference/reference.ts';
import { Binding, Naming, type Scenario, type Step, stepText } from '../scenario/scenario.ts';
import { advance, type Generator } from './generate.ts';

/** Names the packed steps of a program that nobody refused anything (drawn by the generator). */
export function nameSteps(setup: Setup, steps: ArrayLike<number>, length: number): Step[] {
  const columns = new Columns();
  const reference = new Reference(shapeOf(setup), columns);
  columns.bytes.fill(0);
  reference.reset();
  const naming = new Naming(setup);
  const named: Step[] = [];
  for (let i = 0; i < length; i++) named.push(naming.name(steps[i]!, advance(reference, steps[i]!)));
  return named;
}

/**
 * The steps that apply, one after the other, when each is done if it can be; the others are dropped. To a reference that
 * nobody may have one step applies: the one that gives its name up.
 */
export function repair(setup: Setup, steps: readonly Step[]): Step[] {
  const columns = new Columns();
  const reference = new Reference(shapeOf(setup), columns);
  columns.bytes.fill(0);
  reference.reset();
  const binding = new Binding(setup);
  return steps.filter((step) => {
    const packed = binding.pack(step);
    if (packed < 0 || !applies(reference, packed)) return false;
    binding.executed(step, { slot: advance(reference, packed) });
    return true;
  });
}

/** Enabled, or the end of a name that stands for nothing. */
export function applies(reference: Reference, step: number): boolean {
  const op = OPS[opOf(step)]!;
  const isVoid = op.releases === true && reference.handleState[aOf(step)] === HANDLE_VOID;
  return isVoid || op.enabled(reference, step);
}

/** One drawn or shrunk program. Packed steps are valid until the generator draws again. */
export class Program {
  readonly setup: Setup;
  readonly setupAt: number;
  /** Packed steps as drawn; undefined once shrunk. */
  readonly packed: Int32Array | undefined;
  readonly length: number;
  #scenario: Scenario | undefined;

  constructor(
    setup: Setup,
    setupAt: number,
    packed: Int32Array | undefined,
    length: number,
    scenario?: Scenario,
  ) {
    this.setup = setup;
    this.setupAt = setupAt;
    this.packed = packed;
    this.length = length;
    this.#scenario = scenario;
  }

  /** The program as a named scenario. */
  get scenario(): Scenario {
    this.#scenario ??= { setup: this.setup, steps: nameSteps(this.setup, this.packed!, this.length) };
    return this.#scenario;
  }
  /** For fast-check's own reports. */
  toString(): string {
    return this.scenario.steps.map(stepText).join('; ');
  }
}

/**
 * fast-check Arbitrary of programs. It draws enabled steps only, from a generator seeded by fast-check's; it shrinks
 * by dropping contiguous blocks of steps, larger ones first, as fc.commands does, but with the rest repaired.
 */
export class ProgramArbitrary extends fc.Arbitrary<Program> {
  readonly #generator: Generator;
  readonly #rng = new Rng();

  constructor(generator: Generator) {
    super();
    this.#generator = generator;
  }

  override generate(mrng: fc.Random): fc.Value<Program> {
    const word = (): number => mrng.nextInt(-0x80000000, 0x7fffffff);
    this.#rng.seed(word(), word(), word(), word());
    const drawn = this.#generator.draw(this.#rng);
    const program = new Program(this.#generator.setups[drawn.setup]!, drawn.setup, drawn.steps, drawn.length);
    return new fc.Value(program, undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is Program {
    return value instanceof Program;
  }

  override shrink(value: Program): fc.Stream<fc.Value<Program>> {
    return fc.stream(this.#candidates(value));
  }

  *#candidates(value: Program): IterableIterator<fc.Value<Program>> {
    const { setup, steps } = value.scenario;
    for (let size = steps.length >> 1; size >= 1; size = size >> 1)
      for (let from = steps.length - size; from >= 0; from -= size) {
        const rest = repair(setup, [...steps.slice(0, from), ...steps.slice(from + size)]);
        yield new fc.Value(
          new Program(setup, value.setupAt, undefined, rest.length, { setup, steps: rest }),
          undefined,
        );
      }
  }
}
