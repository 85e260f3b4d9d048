/** Walks of the graph as programs that run: with names, and each step as the one state that is met can do it. */

import { asked } from './eventual-asked.ts';
import { isRefusal, type StateGraph } from './eventual-graph.ts';
import type { Trap } from './eventual-properties.ts';
import type { Cycle } from './graph.ts';
import { trace } from './search.ts';

/** As a trap has them. */
export type Program = Pick<Trap, 'steps' | 'loop' | 'refused'>;

/** A shortest program to this state, and `last`, steps that it can do there. */
export const programTo = (s: StateGraph, node: number, ...last: readonly number[]): Program =>
  program(s, [...pathTo(s, node), ...last], []);

/** A shortest program into the loop, and one round of it. Throws where it does not replay: a bug of ours. */
export function programInto(s: StateGraph, { entry, edges }: Cycle): Program {
  const stem = pathTo(s, entry);
  return program(s, stem, along(s, stem, edges));
}

const pathTo = (s: StateGraph, node: number): number[] => s.exploration.table.path(node);

function program(s: StateGraph, stem: readonly number[], loop: readonly number[]): Program {
  const all = [...stem, ...loop];
  const named = trace(s.options.setup, s.options.policy, all);
  const refused: number[] = [];
  s.toStart();
  all.forEach((step, i) => {
    if (isRefusal(run(s, step))) refused.push(i);
  });
  return { steps: named.slice(0, stem.length), loop: named.slice(stem.length), refused };
}

/**
 * Steps along a walk from where `stem` leads, as one concrete run does them: where merged states differ in who is
 * which mm or reference, so do its steps from those of the graph.
 */
function along(s: StateGraph, stem: readonly number[], edges: readonly number[]): number[] {
  const { model } = s;
  const { world } = model;
  const state = new Int32Array(model.size);
  const out = new Int32Array(model.stepsMax);
  s.toStart();
  for (const step of stem) run(s, step);
  return edges.map((edge) => {
    const wanted = s.steps[edge]!;
    model.save(state, 0);
    const enabled = model.enumerate(out);
    for (let e = -1; e < enabled; e++) {
      const step = e < 0 ? wanted : out[e]!;
      if (asked(step) !== asked(wanted) || !world.enabled(step)) continue;
      const outcome = run(s, step);
      if (!world.ended && outcome === s.outcomes[edge] && s.number() === s.graph.targets[edge]) return step;
      model.load(state, 0);
    }
    throw new Error('a loop of the graph does not replay');
  });
}

/** Does a step in the model's present state. Returns what became of it. */
function run({ model: { world } }: StateGraph, step: number): number {
  const outcome = world.step(step);
  if (isRefusal(outcome)) world.dropVoid();
  return outcome;
}
