/**
 * Breadth-first search over canonical states: every state once, so that the first scenario found for a finding class
 * is a shortest one within the alphabet and the bounds of the setup. Deterministic: same input, same result.
 */
import { BLOCKED, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { INVALID, World } from '../executor/simulated.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Alphabet } from '../ops/op.ts';
import { Naming, type Scenario, type Step } from '../scenario/scenario.ts';
import { KeyEncoder, KeySet } from './key.ts';

export interface SearchOptions {
  readonly setup: Setup;
  readonly policy: ExpandedPolicy;
  readonly alphabet: Alphabet;
  /** States after which the search gives up. */
  readonly statesMax: number;
  /** `false`: mms and references keep their slots (to cross-check). */
  readonly symmetry?: boolean;
}

export interface Found {
  readonly code: number;
  readonly documented: boolean;
  /** Number of steps; no shorter scenario of this class exists in the scope. */
  readonly length: number;
  readonly steps: readonly number[];
}

/** `open`: there are states left; `closed`: all were visited; `states`: gave up, nothing deeper is known. */
export type SearchState = 'open' | 'closed' | 'states';

/** Enabled steps of one state are far fewer; the scope's arguments bound them. */
const STEPS_MAX = 4096;

/** Tokens alive at a time are few; a smaller state is copied faster. Compaction makes room on long paths. */
const TOKENS = 24;

/** A search that goes on layer by layer, so that several questions can share one. */
export class Search {
  readonly options: SearchOptions;
  /** By class key: the first scenario found, hence a shortest one. */
  readonly found: Map<string, Found> = new Map<string, Found>();
  /** All scenarios of up to this many steps are covered. */
  depth = 0;
  state: SearchState = 'open';
  transitions = 0;

  readonly #world: World;
  readonly #key: KeyEncoder;
  readonly #seen = new KeySet();
  readonly #size: number;
  #parents = new Int32Array(1024);
  #steps = new Int32Array(1024);
  #ids: number[] = [0];
  #states: Uint8Array;
  readonly #out = new Int32Array(STEPS_MAX);

  constructor(options: SearchOptions) {
    this.options = options;
    this.#world = new World(options.setup, options.policy, TOKENS);
    this.#world.checkInvariants = false; // campaigns check counts at each step; here the key is dear enough
    this.#key = new KeyEncoder(this.#world, options.symmetry !== false);
    this.#seen.add(this.#key.bytes, this.#key.encode());
    this.#size = this.#world.columns.size;
    this.#states = this.#world.columns.snapshot();
  }

  get states(): number {
    return this.#seen.size;
  }

  /** Goes on until all scenarios of `depth` steps are covered, or no further. */
  runTo(depth: number): void {
    while (this.depth < depth && this.state === 'open') this.#layer();
  }

  /** The shortest scenario of a class within `depth` steps, if the search got that far. */
  find(code: number, documented: boolean, depth: number): Found | undefined {
    const key = foundKey(code, documented);
    while (this.depth < depth && this.state === 'open' && !this.found.has(key)) this.#layer();
    const found = this.found.get(key);
    return found !== undefined && found.length <= depth ? found : undefined;
  }

  /** The steps of a found scenario, named. */
  scenarioOf(found: Found): Scenario {
    const { setup, policy } = this.options;
    return { setup, steps: trace(setup, policy, found.steps) };
  }

  #layer(): void {
    const { alphabet, statesMax } = this.options;
    const world = this.#world;
    const size = this.#size;
    const ids: number[] = [];
    const from = new Uint8Array(size);
    let states = new Uint8Array(Math.max(size * 64, this.#states.length));
    for (let i = 0; i < this.#ids.length; i++) {
      const id = this.#ids[i]!;
      from.set(this.#states.subarray(i * size, (i + 1) * size));
      world.columns.restore(from);
      const enabled = world.enumerate(alphabet, this.#out);
      for (let e = 0; e < enabled; e++) {
        if (e > 0) world.columns.restore(from);
        world.ended = false;
        const step = this.#out[e]!;
        const outcome = world.step(step);
        if (outcome === INVALID) continue;
        this.transitions++;
        if (world.violations.length > 0) this.#note(id, step);
        if (world.ended) continue;
        // A refused gup leaves a name of no use: the program goes on without it.
        if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
        const fresh = this.#seen.add(this.#key.bytes, this.#key.encode());
        if (fresh < 0) continue;
        if (fresh >= this.#parents.length) {
          this.#parents = grow(this.#parents);
          this.#steps = grow(this.#steps);
        }
        this.#parents[fresh] = id;
        this.#steps[fresh] = step;
        if ((ids.length + 1) * size > states.length) {
          const larger = new Uint8Array(states.length * 2);
          larger.set(states);
          states = larger;
        }
        world.columns.save(states, ids.length * size);
        ids.push(fresh);
        if (this.#seen.size >= statesMax) {
          this.state = 'states';
          return;
        }
      }
    }
    this.depth++;
    this.#ids = ids;
    this.#states = states;
    if (ids.length === 0) this.state = 'closed';
  }

  #note(id: number, step: number): void {
    for (const v of this.#world.violations) {
      const key = foundKey(v.code, v.documented);
      if (this.found.has(key)) continue;
      const steps = [...path(this.#parents, this.#steps, id), step];
      this.found.set(key, { code: v.code, documented: v.documented, length: steps.length, steps });
    }
  }
}

const foundKey = (code: number, documented: boolean): string => `${code}${documented ? ' documented' : ''}`;

function path(parents: Int32Array, steps: Int32Array, id: number): number[] {
  const list: number[] = [];
  for (let at = id; at !== 0; at = parents[at]!) list.push(steps[at]!);
  return list.reverse();
}

function grow(list: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}

/** Names packed steps by running them; a refused gup's slot is released as the search did. */
export function trace(setup: Setup, policy: ExpandedPolicy, packed: readonly number[]): Step[] {
  const world = new World(setup, policy);
  const naming = new Naming(setup);
  return packed.map((step) => {
    const outcome = world.step(step);
    if (outcome === INVALID) throw new Error('a trace of the search does not replay');
    if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    return naming.name(step, world.slot);
  });
}
