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
  /** Longest scenario, in steps. */
  readonly depthMax: number;
  /** States after which the search gives up. */
  readonly statesMax: number;
  /** Stop at the first scenario of this class (code of executor/simulated.ts), documented or not. */
  readonly target?: { readonly code: number; readonly documented: boolean };
  readonly symmetry?: boolean;
}

export interface Found {
  readonly code: number;
  readonly documented: boolean;
  readonly scenario: Scenario;
}

export interface SearchResult {
  /** One shortest scenario per class, in order of discovery. */
  readonly found: readonly Found[];
  readonly states: number;
  readonly transitions: number;
  /** All scenarios of up to this many steps were covered. */
  readonly depth: number;
  /** `closed`: no new state was left; `depth`: depthMax was reached; `states`: gave up; `found`: the target. */
  readonly ended: 'closed' | 'depth' | 'states' | 'found';
}

/** Enabled steps of one state are far fewer; the scope's arguments bound them. */
const STEPS_MAX = 4096;

export function search(options: SearchOptions): SearchResult {
  const { setup, alphabet, depthMax, statesMax, target } = options;
  const world = new World(setup, options.policy);
  world.checkInvariants = false; // counts are checked by every campaign; here a key per transition is dear enough
  const key = new KeyEncoder(world, options.symmetry !== false);
  const seen = new KeySet();
  const size = world.columns.size;
  let parents = new Int32Array(1024);
  let steps = new Int32Array(1024);
  const found = new Map<number, Found>();
  let transitions = 0;

  seen.add(key.bytes, key.encode());
  let layer = { ids: [0], states: world.columns.snapshot() };
  const out = new Int32Array(STEPS_MAX);

  for (let depth = 0; depth < depthMax; depth++) {
    const ids: number[] = [];
    let states = new Uint8Array(Math.max(size * 64, layer.states.length));
    for (let i = 0; i < layer.ids.length; i++) {
      const id = layer.ids[i]!;
      world.columns.restore(layer.states, i * size);
      const enabled = world.enumerate(alphabet, out);
      for (let e = 0; e < enabled; e++) {
        if (e > 0) world.columns.restore(layer.states, i * size);
        world.ended = false;
        const step = out[e]!;
        const outcome = world.step(step);
        if (outcome === INVALID) continue;
        transitions++;
        for (const v of world.violations) {
          const which = v.documented ? -1 - v.code : v.code;
          if (found.has(which)) continue;
          found.set(which, {
            code: v.code,
            documented: v.documented,
            scenario: { setup, steps: trace(setup, options.policy, [...path(parents, steps, id), step]) },
          });
          if (target !== undefined && v.code === target.code && v.documented === target.documented)
            return result(found, seen, transitions, depth, 'found');
        }
        if (world.ended) continue;
        // A refused gup leaves a name of no use: the program goes on without it.
        if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
        const fresh = seen.add(key.bytes, key.encode());
        if (fresh < 0) continue;
        if (fresh >= parents.length) {
          parents = grow(parents);
          steps = grow(steps);
        }
        parents[fresh] = id;
        steps[fresh] = step;
        if ((ids.length + 1) * size > states.length) {
          const larger = new Uint8Array(states.length * 2);
          larger.set(states);
          states = larger;
        }
        world.columns.save(states, ids.length * size);
        ids.push(fresh);
        if (seen.size >= statesMax) return result(found, seen, transitions, depth, 'states');
      }
    }
    if (ids.length === 0) return result(found, seen, transitions, depth + 1, 'closed');
    layer = { ids, states };
  }
  return result(found, seen, transitions, depthMax, 'depth');
}

function result(
  found: ReadonlyMap<number, Found>,
  seen: KeySet,
  transitions: number,
  depth: number,
  ended: SearchResult['ended'],
): SearchResult {
  return { found: [...found.values()], states: seen.size, transitions, depth, ended };
}

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
