/**
 * The shortest program on which two policies can be told apart, by breadth-first search over pairs of worlds; or that
 * within a scope there is none. `pair.ts` says who observes what.
 */
import type { Setup } from '../domain/setup.ts';
import { decodeClass, INVALID, InvariantError, World } from '../executor/simulated.ts';
import { type Trace, type TraceDecision, type TraceStep, traceScenario } from '../executor/trace.ts';
import { type Costs, noCosts } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Alphabet } from '../ops/op.ts';
import { HANDLE_VOID } from '../reference/reference.ts';
import type { Scenario } from '../scenario/scenario.ts';
import {
  COMPARED_COSTS,
  type ComparedCost,
  type Difference,
  differenceOf,
  type Observer,
  PairModel,
  type PairSpec,
} from './pair.ts';
import { programOf } from './program.ts';
import { Exploration, type SearchState } from './search.ts';

/** A way to tell two policies apart, with a shortest program. */
export interface Told {
  readonly difference: Difference;
  /** Number of steps; no shorter program of the scope shows this difference before any observer sees another one. */
  readonly length: number;
  /** Packed steps (ops/op.ts). */
  readonly steps: readonly number[];
}

/** The search of one pair; goes on layer by layer, so that several questions share it. */
export class PairSearch {
  readonly spec: PairSpec;
  readonly exploration: Exploration;

  /** `statesMax`: states after which it gives up. */
  constructor(spec: PairSpec, statesMax: number) {
    this.spec = spec;
    this.exploration = new Exploration(new PairModel(spec), statesMax);
  }

  /** All that was told apart so far, observers first, shortest first. */
  get told(): Told[] {
    return toldIn(this.exploration);
  }
  /** All programs of up to this many steps are covered. */
  get depth(): number {
    return this.exploration.depth;
  }
  get state(): SearchState {
    return this.exploration.state;
  }
  /** `closed`: all programs of any length; else the depth that is covered. */
  get complete(): 'closed' | number {
    return this.state === 'closed' ? 'closed' : this.depth;
  }

  /** Goes on until all programs of `depth` steps are covered, `enough` says so after a layer, or no further. */
  runTo(depth: number, enough: (found: readonly Difference[]) => boolean = () => false): void {
    const { exploration } = this;
    let layer = exploration.depth;
    while (exploration.depth < depth && exploration.state === 'open') {
      exploration.advance();
      if (exploration.depth === layer) continue;
      layer = exploration.depth;
      if (enough([...exploration.found.keys()].map(differenceOf))) return;
    }
  }
}

/** All that an exploration of a PairModel told apart so far, observers first, shortest first. */
export const toldIn = (exploration: Exploration): Told[] =>
  [...exploration.found.values()]
    .map(
      (note): Told => ({
        difference: differenceOf(note.finding),
        length: note.length,
        steps: exploration.stepsOf(note),
      }),
    )
    .sort((x, y) => rank(x) - rank(y) || x.length - y.length);

const rank = ({ difference }: Told): number => (difference.kind === 'observable' ? 0 : 1);

/** What a told difference looks like when its program runs. */
export interface Shown {
  /** Its steps with names, in a setup in which they run again (executor/run.ts). */
  readonly scenario: Scenario;
  /** What differs in the last step, of each policy, in a few words: `refused: EFAULT`, `copies: 1`. */
  readonly seen: OfBoth<string>;
  /** Over the whole program: costs of which A, and of which B, has more. */
  readonly more: OfBoth<readonly ComparedCost[]>;
  /** The first decision that comes out another way; undefined where one policy only goes on to ask something else. */
  readonly parted: Parted | undefined;
}

export interface OfBoth<T> {
  readonly a: T;
  readonly b: T;
}

export interface Parted {
  /** Index of the step. */
  readonly step: number;
  readonly a: TraceDecision;
  readonly b: TraceDecision;
}

/** Runs the program of a difference on both policies. Throws InvariantError if it does not show it: a bug of ours. */
export function show(spec: PairSpec, { difference, steps }: Told): Shown {
  const scenario = scenarioOf(spec, steps);
  const traces = { a: traceScenario(scenario, spec.a, spec.b), b: traceScenario(scenario, spec.b, spec.a) };
  const costs = { a: costsOf(spec.setup, spec.a, steps), b: costsOf(spec.setup, spec.b, steps) };
  const seen =
    difference.kind === 'observable'
      ? { a: seenBy(difference.observer, traces.a), b: seenBy(difference.observer, traces.b) }
      : { a: costText(costs.a.last, difference.cost), b: costText(costs.b.last, difference.cost) };
  if (seen.a === seen.b)
    throw new InvariantError(
      `${spec.a.id} and ${spec.b.id}: a program of the search does not tell them apart`,
    );
  const { a, b } = { a: costs.a.sum, b: costs.b.sum };
  return {
    scenario,
    seen,
    more: {
      a: COMPARED_COSTS.filter((cost) => a[cost] > b[cost]),
      b: COMPARED_COSTS.filter((cost) => b[cost] > a[cost]),
    },
    parted: partedIn(traces.a, traces.b),
  };
}

/** Names the steps, as they run under A. */
function scenarioOf({ setup, a }: PairSpec, packed: readonly number[]): Scenario {
  const world = new World(setup, a);
  return programOf(setup, packed, (step) => {
    if (world.step(step) === INVALID) throw new InvariantError('a program of the search does not run');
    const { slot } = world;
    // A gup that was the last step may be refused by one and not by the other; nothing follows it.
    const givenUp = slot >= 0 && world.reference.handleState[slot] === HANDLE_VOID;
    world.dropVoid();
    return { slot, givenUp };
  });
}

/** Costs of the last step, and of all. */
function costsOf(
  setup: Setup,
  policy: ExpandedPolicy,
  packed: readonly number[],
): { readonly last: Costs; readonly sum: Costs } {
  const world = new World(setup, policy);
  world.machine.costs = noCosts();
  let before = noCosts();
  for (const step of packed) {
    before = { ...world.machine.costs };
    world.step(step);
    world.dropVoid();
  }
  const sum = world.machine.costs;
  const last = noCosts();
  for (const cost of COMPARED_COSTS) last[cost] = sum[cost] - before[cost];
  return { last, sum };
}

const costText = (costs: Costs, cost: ComparedCost): string => `${cost}: ${costs[cost]}`;

/** What an observer sees of the last step of a run. */
function seenBy(observer: Observer, trace: Trace): string {
  const step = trace.steps.at(-1)!;
  switch (observer) {
    case 'errno':
      if (step.outcome === 'refused') return `refused: ${step.errno}`;
      return step.outcome === 'blocked' ? 'blocked' : 'done';
    case 'process':
    case 'device':
      return contentText(step);
    case 'disk': {
      const disks = step.state.files.filter(({ disk }) => disk !== '');
      const changed = step.observations.find((o) => o.kind === 'writeback-end' && o.atStart !== o.seen);
      const on = disks.map(
        ({ file, disk }) => `${disk} is on the disk${disks.length > 1 ? ` of ${file}` : ''}`,
      );
      return `${on.join(', ')}${changed === undefined ? '' : `, changed under writeback (was ${changed.atStart})`}`;
    }
    case 'filesystem': {
      const broken = step.violations.map(({ code }) => decodeClass(code).property);
      const told = [
        ...(broken.includes('fs-notified') ? ['without page_mkwrite'] : []),
        ...(broken.includes('fs-state') ? ['without buffers'] : []),
      ];
      return told.length === 0 ? 'nothing is dirtied behind its back' : `dirtied ${told.join(' and ')}`;
    }
    case 'kernel log': {
      const lost = step.observations.some((o) => o.kind === 'writeback-lost');
      const freed = step.observations.some((o) => o.kind === 'freed');
      return lost
        ? 'writeback of a dirty folio without buffers'
        : freed
          ? 'a folio in use is freed'
          : 'silence';
    }
    case 'policy error':
      return trace.result.policyError === '' ? 'goes on' : trace.result.policyError;
  }
}

function contentText({ observations }: TraceStep): string {
  const seen = observations.find((o) => ['load', 'file-read', 'device-load', 'dio-write'].includes(o.kind));
  if (seen === undefined) return 'nothing';
  const changed = seen.kind === 'dio-write' && seen.atStart !== '' && seen.atStart !== seen.seen;
  return `sees ${seen.seen}${changed ? `, changed since it was submitted (was ${seen.atStart})` : ''}`;
}

function partedIn(a: Trace, b: Trace): Parted | undefined {
  for (let step = 0; step < Math.min(a.steps.length, b.steps.length); step++) {
    const [ofA, ofB] = [a.steps[step]!.decisions, b.steps[step]!.decisions];
    for (let i = 0; i < Math.min(ofA.length, ofB.length); i++) {
      const [x, y] = [ofA[i]!, ofB[i]!];
      if (x.decision !== y.decision) return undefined;
      if (x.answer !== y.answer) return { step, a: x, b: y };
    }
    if (ofA.length !== ofB.length) return undefined;
  }
  return undefined;
}

/** How two policies compare within a scope. */
export interface Compared {
  /** `cost`: no observer can tell them apart, but costs do. */
  readonly differs: 'observable' | 'cost' | 'none';
  /** Programs of up to so many steps were compared; `closed`: all there are. */
  readonly complete: 'closed' | number;
  /** Who tells them apart by the shortest program. */
  readonly observer?: Observer;
  /** Packed steps of a shortest program that tells them apart. */
  readonly steps?: readonly number[];
  /** The same with names, what is seen, and who costs more. */
  readonly shown?: Shown;
}

/**
 * Compares two policies: stops at the first depth at which an observer tells them apart, else covers all programs of
 * up to `depth` steps, or `statesMax` states. Deterministic.
 */
export function compareWithin(
  a: ExpandedPolicy,
  b: ExpandedPolicy,
  setup: Setup,
  alphabet: Alphabet,
  depth: number,
  statesMax: number,
): Compared {
  const spec: PairSpec = { setup, a, b, alphabet };
  const search = new PairSearch(spec, statesMax);
  search.runTo(depth, (found) => found.some((d) => d.kind === 'observable'));
  const { complete } = search;
  const told = search.told[0];
  if (told === undefined) return { differs: 'none', complete };
  const { difference, steps } = told;
  return {
    differs: difference.kind,
    complete,
    ...(difference.kind === 'observable' ? { observer: difference.observer } : {}),
    steps,
    shown: show(spec, told),
  };
}
