/**
 * `npm run bench`: how fast, and where the time goes. Medians over several rounds; what is compared is measured in
 * turn within one process, so that ratios hold when the machine's speed drifts. Nothing here is a test.
 *
 * Usage: node dist/bench/bench.js [ROUNDS]
 */
import fc from 'fast-check';
import { runCampaign } from '../src/campaign/campaign.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf, setupOf } from '../src/check/scope.ts';
import { Search } from '../src/check/search.ts';
import { Rng } from '../src/domain/rng.ts';
import { World } from '../src/executor/simulated.ts';
import { CHUNK_RUNS, ChunkRunner } from '../src/fuzz/chunk.ts';
import { gupCommands, modelAndReal } from '../src/fuzz/commands.ts';
import { Generator, setupsOf } from '../src/fuzz/generate.ts';
import { type ExpandedPolicy, expandPolicy } from '../src/machine/tables.ts';
import { BUILT_IN } from '../src/policies/index.ts';

const ROUNDS = Number(process.argv[2] ?? 7);
const LAST = expandPolicy(BUILT_IN.find((p) => p.alias === 'longterm-ban')!);
const ALL = BUILT_IN.map(expandPolicy);

/** Million units per second of one call. */
interface Sample {
  readonly units: number;
  readonly ms: number;
}
const timed = (work: () => number): Sample => {
  const start = performance.now();
  const units = work();
  return { units, ms: performance.now() - start };
};
const rate = ({ units, ms }: Sample): number => units / ms / 1000;
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

class NoOp implements fc.Command<object, object> {
  check(): boolean {
    return true;
  }
  run(): void {}
}

function noOpCommands(): number {
  let steps = 0;
  const commands = fc.commands(
    Array.from({ length: 12 }, () => fc.constant(new NoOp())),
    { size: 'max', maxCommands: 40 },
  );
  const property = fc.property(commands, (list) => {
    for (const _ of list) steps++;
    fc.modelRun(() => ({ model: {}, real: {} }), list);
  });
  fc.assert(property, { numRuns: 400, seed: 1 });
  return steps;
}

function ourCommands(scope: string): number {
  let steps = 0;
  const setup = setupOf(scope);
  const start = modelAndReal(setup, LAST);
  const property = fc.property(gupCommands(setup), (list) => {
    try {
      fc.modelRun(start, list);
    } catch {
      // A finding ends the run; it was executed all the same.
    }
    for (const _ of list) steps++;
  });
  fc.assert(property, { numRuns: 400, seed: 1 });
  return steps;
}

const runners = new Map<string, ChunkRunner>();
let chunk = 0;
function campaign(scope: string, policies: readonly ExpandedPolicy[]): number {
  const key = `${scope} ${policies.length}`;
  let runner = runners.get(key);
  if (runner === undefined) {
    runner = new ChunkRunner({ seed: 1, scope, profile: 'all' }, policies);
    runners.set(key, runner);
  }
  const known = policies.map(() => new Set<number>());
  let steps = 0;
  for (let i = 0; i < 12; i++) {
    const { counts } = runner.run(1000 + (chunk++ % 500), known);
    for (const c of counts) steps += c.steps;
  }
  return steps;
}

/** The same programs with a part of the work left out, to see what the part costs. */
function parts(scope: string): { draw: Sample; run: Sample; unchecked: Sample } {
  const setups = setupsOf(scope, 'all');
  const generator = new Generator(setups);
  const rng = new Rng();
  rng.seed(1, 2, 3, 4);
  const programs = Array.from({ length: 3000 }, () => {
    const p = generator.draw(rng);
    return { setup: p.setup, steps: p.steps.slice(0, p.length) };
  });
  const worlds = setups.map((s) => new World(s, LAST));
  const execute = (check: boolean): number => {
    let steps = 0;
    for (const { setup, steps: list } of programs) {
      const world = worlds[setup]!;
      world.checkInvariants = check;
      world.reset();
      for (const step of list) world.step(step);
      steps += list.length;
    }
    return steps;
  };
  return {
    draw: timed(() => {
      let steps = 0;
      for (let i = 0; i < 3000; i++) steps += generator.draw(rng).length;
      return steps;
    }),
    run: timed(() => execute(true)),
    unchecked: timed(() => execute(false)),
  };
}

function search(): Sample & { readonly states: number } {
  const setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
  const s = new Search({ setup, policy: LAST, alphabet: alphabetFor(setup, PLAIN_GUPS), statesMax: 1e6 });
  const sample = timed(() => {
    s.runTo(7);
    return s.transitions;
  });
  return { ...sample, states: s.states };
}

const rows = new Map<string, number[]>();
const note = (name: string, value: number): void => {
  rows.set(name, [...(rows.get(name) ?? []), value]);
};
for (let round = -1; round < ROUNDS; round++) {
  const noOp = rate(timed(noOpCommands));
  const base = rate(timed(() => campaign('base', [LAST])));
  const rich = rate(timed(() => campaign('default', [LAST])));
  const all = rate(timed(() => campaign('default', ALL)));
  const ourBase = rate(timed(() => ourCommands('base')));
  const ourRich = rate(timed(() => ourCommands('default')));
  const p = parts('default');
  const found = search();
  if (round < 0) continue; // warm-up
  note('fc.commands, no-op commands, M steps/s', noOp);
  note('fc.commands over gupfuzz, base scope, M steps/s', ourBase);
  note('fc.commands over gupfuzz, default scope, M steps/s', ourRich);
  note('campaign, base scope, 1 policy, M steps/s', base);
  note('campaign, default scope, 1 policy, M steps/s', rich);
  note('campaign, default scope, all policies, M steps/s', all);
  note('  ratio campaign base / no-op fc.commands', base / noOp);
  note('  ratio campaign default / no-op fc.commands', rich / noOp);
  note('default scope: drawing alone, M steps/s', rate(p.draw));
  note('default scope: executing and judging alone, M steps/s', rate(p.run));
  note('default scope: the same without recounting, M steps/s', rate(p.unchecked));
  note('search, 2 mms 1 anon page 1 ref, M transitions/s', rate(found));
  note('search, states to depth 7', found.states);
}
for (const [name, values] of rows)
  process.stdout.write(
    `${name.padEnd(62)} ${median(values)
      .toFixed(values.every(Number.isInteger) ? 0 : 2)
      .padStart(9)}\n`,
  );

// Two workers against one, whole campaigns without shrinking.
const wall = async (workers: number): Promise<number> => {
  const start = performance.now();
  await runCampaign({
    seed: 5,
    scope: 'default',
    profile: 'all',
    policies: ALL,
    runs: 512 * CHUNK_RUNS,
    workers,
    shrink: 'none',
    documented: false,
  });
  return performance.now() - start;
};
const speedups: number[] = [];
for (let i = 0; i < 3; i++) {
  const one = await wall(1);
  speedups.push(one / (await wall(2)));
}
process.stdout.write(
  `${'two workers over one, wall clock of a campaign'.padEnd(62)} ${median(speedups).toFixed(2).padStart(9)}\n`,
);
