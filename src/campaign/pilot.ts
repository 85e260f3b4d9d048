/** The first states of a search, on one thread: which goals they meet, and how large the whole may become. */
import { PROPERTIES } from '../../properties/index.ts';
import { PolicyModel, type PolicySpec } from '../check/model.ts';
import { Exploration } from '../check/search.ts';

/** A second or two. */
export const PILOT_STATES = 100_000;
/** Milliseconds of work between two turns of the event loop. */
const TURN_MS = 40;

export interface Pilot {
  readonly exploration: Exploration;
  /** New states after 0, 1, 2, ... steps, complete layers only. */
  readonly layers: readonly number[];
  /** States known of the layer after them. */
  readonly next: number;
  /** Ids of the properties whose goal was met. */
  readonly goals: ReadonlySet<string>;
}

/**
 * Goes to `depth` steps or `states` states, whichever is first; or until it is told to stop, or `enough`, asked after
 * each layer, says that all that was wanted was found.
 */
export async function pilot(
  spec: PolicySpec,
  depth: number,
  states: number = PILOT_STATES,
  signal?: AbortSignal,
  enough?: (exploration: Exploration) => boolean,
): Promise<Pilot> {
  const model = new PolicyModel(spec);
  const x = new Exploration(model, states);
  const layers = [1];
  let turned = performance.now(); // for the event loop's turn alone; what is explored is the same
  while (!x.gaveUp() && x.depth < depth && signal?.aborted !== true) {
    const before = x.depth;
    x.advance();
    if (x.depth > before) {
      layers.push(x.layer.count);
      if (enough?.(x) === true) break;
    }
    if (performance.now() - turned < TURN_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    turned = performance.now();
  }
  return {
    exploration: x,
    layers,
    next: x.at === 0 ? 0 : x.next.count,
    goals: new Set(PROPERTIES.filter((_, i) => model.world.goals[i] === 1).map((p) => p.id)),
  };
}
