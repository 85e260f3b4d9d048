/**
 * A chunk of a campaign: a fixed number of runs under fast-check's runner, each program on every policy. Run i of a
 * campaign is run i % CHUNK_RUNS of chunk floor(i / CHUNK_RUNS), and a chunk's seed follows from the campaign's seed
 * and its number: so run i depends on (seed, i) alone, however chunks are spread over workers and shards.
 */
import fc from 'fast-check';
import { PROPERTIES } from '../../properties/index.ts';
import { scopeName } from '../check/scope.ts';
import type { Setup } from '../domain/setup.ts';
import { INVALID, InvariantError, World } from '../executor/simulated.ts';
import { COST_NAMES, type Costs, noCosts } from '../machine/machine.ts';
import { tablesOf } from '../machine/ask.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { OP_KINDS, opOf } from '../ops/op.ts';
import { BaseError, Beside, BrokenList, type Judged } from '../regression/beside.ts';
import { WAYS, Ways } from '../regression/way.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { Generator, PROGRAM_MAX, type Profile, type ScopeChange, setupsOf } from './generate.ts';
import { type Program, ProgramArbitrary } from './program.ts';

export const CHUNK_RUNS = 256;
/** A canary is run in the first chunks of a campaign only: it is caught there or not at all. */
export const CANARY_CHUNKS = 8;

/** What a campaign draws from; part of its identity. */
export interface CampaignSpace {
  readonly seed: number;
  /** Name and version: `default@1`. */
  readonly scope: string;
  readonly profile: Profile;
  /** What differs from scope and profile. */
  readonly change?: ScopeChange;
}

/** Beside which policy the findings of another are judged (regression/beside.ts). */
export interface BasePolicy {
  readonly policy: ExpandedPolicy;
  /** Its regressions are findings of their own, one per class and way; else they are only counted. */
  readonly tells: boolean;
}

/** A class first met by a policy in this chunk. */
export interface RawFinding {
  readonly policy: string;
  readonly code: number;
  readonly documented: boolean;
  /** The policy regresses beside its base: by which way (regression/way.ts), and after what the base had broken. */
  readonly regression?: { readonly way: number; readonly follows: boolean };
  /** Index of the run in the campaign. */
  readonly run: number;
  readonly scenario: Scenario;
}

export interface PolicyCounts {
  /** Steps executed (sweep included), runs in which a promise was broken, runs with documented mismatches. */
  steps: number;
  violatedRuns: number;
  documentedRuns: number;
  /** Steps skipped as they name the result of a refused one; no effect, or an error that no policy has a say in. */
  skipped: number;
  noEffect: number;
  readonly costs: Costs;
  /** By index in OP_KINDS: executed to the end. */
  readonly ops: number[];
  /** Per table, per rule: times it was first match. */
  readonly rules: number[][];
  /** By index in PROPERTIES: its `sometimes` goal was reached. */
  readonly goals: number[];
  /** Codes of the classes by which the policy regresses beside its base in some run, ascending. */
  readonly regressed: number[];
  /** Codes of the classes that the base broke in runs in which the policy broke something, ascending. */
  readonly baseCodes: number[];
  /** Codes of the classes that the policy and its base break in one run; and that it breaks after the base had stopped. */
  readonly common: number[];
  readonly afterStop: number[];
  /** First run on which the base is no policy, and what it did; else -1. */
  baseErrorRun: number;
  baseError: string;
  /** First run that ended as the policy is not one (does not converge, ...), and what it did; else -1. */
  errorRun: number;
  error: string;
}

export interface ChunkResult {
  readonly chunk: number;
  readonly runs: number;
  readonly findings: readonly RawFinding[];
  readonly counts: readonly PolicyCounts[];
}

export const noCounts = (policy: ExpandedPolicy): PolicyCounts => ({
  steps: 0,
  violatedRuns: 0,
  documentedRuns: 0,
  skipped: 0,
  noEffect: 0,
  costs: noCosts(),
  ops: OP_KINDS.map(() => 0),
  rules: policy.tables.map((t) => t.rules.map(() => 0)),
  goals: PROPERTIES.map(() => 0),
  regressed: [],
  baseCodes: [],
  common: [],
  afterStop: [],
  baseErrorRun: -1,
  baseError: '',
  errorRun: -1,
  error: '',
});

/** Adds `from` to `into`; the earlier error counts. */
export function addCounts(into: PolicyCounts, from: PolicyCounts): void {
  into.steps += from.steps;
  into.violatedRuns += from.violatedRuns;
  into.documentedRuns += from.documentedRuns;
  into.skipped += from.skipped;
  into.noEffect += from.noEffect;
  for (const name of COST_NAMES) into.costs[name] += from.costs[name];
  from.ops.forEach((n, i) => {
    into.ops[i]! += n;
  });
  from.rules.forEach((rules, t) => {
    rules.forEach((n, i) => {
      into.rules[t]![i]! += n;
    });
  });
  from.goals.forEach((n, i) => {
    into.goals[i] = Math.max(into.goals[i]!, n);
  });
  for (const code of from.regressed) addSorted(into.regressed, code);
  for (const code of from.baseCodes) addSorted(into.baseCodes, code);
  for (const code of from.common) addSorted(into.common, code);
  for (const code of from.afterStop) addSorted(into.afterStop, code);
  if (from.baseErrorRun >= 0 && (into.baseErrorRun < 0 || from.baseErrorRun < into.baseErrorRun)) {
    into.baseErrorRun = from.baseErrorRun;
    into.baseError = from.baseError;
  }
  if (from.errorRun >= 0 && (into.errorRun < 0 || from.errorRun < into.errorRun)) {
    into.errorRun = from.errorRun;
    into.error = from.error;
  }
}

function addSorted(list: number[], value: number): void {
  const at = list.findIndex((other) => other >= value);
  if (at < 0) list.push(value);
  else if (list[at] !== value) list.splice(at, 0, value);
}

/** fast-check's seed of a chunk: a 32-bit mix of campaign seed and chunk number. */
export function chunkSeed(seed: number, chunk: number): number {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(chunk + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) | 0;
}

const AS_DRAWN = { endOnFailure: true, numRuns: CHUNK_RUNS, verbose: 0 } as const;

/** Executes chunks of one campaign; keeps its worlds between chunks. */
export class ChunkRunner {
  readonly space: CampaignSpace;
  readonly policies: readonly ExpandedPolicy[];
  readonly setups: readonly Setup[];
  readonly #arbitrary: ProgramArbitrary;
  readonly #worlds: (readonly World[])[];
  /** Per policy. */
  readonly #bases: readonly (BasePolicy | undefined)[];
  /** Per policy and setup, made when first needed. */
  readonly #besides: Beside[][];
  readonly #ways: Ways[][];
  readonly #outcomes = new Uint8Array(PROGRAM_MAX);
  readonly #broken = new BrokenList();

  /** `bases`: per policy, in order, what it is judged beside. */
  constructor(
    space: CampaignSpace,
    policies: readonly ExpandedPolicy[],
    bases: readonly (BasePolicy | undefined)[] = [],
  ) {
    this.space = space;
    this.policies = policies;
    this.#bases = bases;
    this.#besides = policies.map(() => []);
    this.#ways = policies.map(() => []);
    this.setups = setupsOf(space.scope, space.profile, space.change);
    this.#arbitrary = new ProgramArbitrary(
      new Generator(this.setups, space.change, scopeName(space.scope).version),
    );
    this.#worlds = policies.map((policy) => this.setups.map((setup) => new World(setup, policy)));
  }

  /** The first `runs` runs of a chunk. `known`: per policy, class keys not to report again (see `classKey`). */
  run(chunk: number, known: readonly ReadonlySet<number>[], runs: number = CHUNK_RUNS): ChunkResult {
    const counts = this.policies.map(noCounts);
    const findings: RawFinding[] = [];
    const met = known.map((set) => new Set(set));
    for (const policy of this.policies) for (const table of tablesOf(policy)) table.fired.fill(0);
    let run = chunk * CHUNK_RUNS;
    let bug: InvariantError | undefined;
    const property = fc.property(this.#arbitrary, (program) => {
      this.policies.forEach((policy, at) => {
        if (bug !== undefined) return;
        try {
          this.#execute(program, run, policy, at, counts[at]!, met[at]!, findings);
        } catch (error) {
          const what = error instanceof Error ? error.message : String(error);
          bug = new InvariantError(`${what} (seed ${this.space.seed}, run ${run}, policy ${policy.id})`);
        }
      });
      run++;
      return true;
    });
    fc.assert(property, { ...AS_DRAWN, numRuns: runs, seed: chunkSeed(this.space.seed, chunk) });
    if (bug !== undefined) throw bug;
    this.policies.forEach((policy, at) => {
      counts[at]!.rules.forEach((rules, t) => {
        rules.forEach((_, i) => {
          rules[i] = tablesOf(policy)[t]!.fired[i]!;
        });
      });
    });
    return { chunk, runs: run - chunk * CHUNK_RUNS, findings, counts };
  }

  /** How fast-check replays run `run` of the campaign. */
  address(run: number): {
    readonly arbitrary: ProgramArbitrary;
    readonly seed: number;
    readonly path: string;
  } {
    return {
      arbitrary: this.#arbitrary,
      seed: chunkSeed(this.space.seed, Math.floor(run / CHUNK_RUNS)),
      path: String(run % CHUNK_RUNS),
    };
  }

  /** Draws run `run` of the campaign again, as fast-check drew it then. */
  redraw(run: number): Program {
    const { arbitrary, seed, path } = this.address(run);
    let drawn: Program | undefined;
    const keep = fc.property(arbitrary, (program) => {
      drawn = program;
      return true;
    });
    fc.check(keep, { ...AS_DRAWN, numRuns: 1, seed, path });
    if (drawn === undefined) throw new Error(`run ${run} cannot be drawn again`);
    return drawn;
  }

  #execute(
    program: Program,
    run: number,
    policy: ExpandedPolicy,
    at: number,
    counts: PolicyCounts,
    met: Set<number>,
    findings: RawFinding[],
  ): void {
    if (policy.canary && run >= CANARY_CHUNKS * CHUNK_RUNS) return;
    const world = this.#worlds[at]![program.setupAt]!;
    world.reset();
    world.machine.costs = counts.costs;
    const steps = program.packed!;
    const judged = this.#bases[at] !== undefined;
    const broken = this.#broken;
    broken.clear();
    let violated = false;
    let documented = false;
    let i = 0;
    for (; i < program.length && !world.ended; i++) {
      const step = steps[i]!;
      const { refused } = counts.costs;
      const outcome = world.step(step);
      this.#outcomes[i] = outcome;
      if (outcome === 0) counts.ops[opOf(step)]!++;
      else if (outcome === 1 || (outcome === 2 && counts.costs.refused === refused)) counts.noEffect++;
      else if (outcome === 4) counts.skipped++;
      else if (outcome === INVALID)
        throw new Error(`run ${run}: step ${i} cannot be done under ${policy.id}`);
      else if (outcome === 5 && counts.errorRun < 0) {
        counts.errorRun = run;
        counts.error = world.machine.policyError;
      }
      if (world.violations.length === 0) continue;
      if (judged) broken.add(i, world.violations);
      for (const v of world.violations) {
        if (v.documented) documented = true;
        else violated = true;
        const key = classKey(v.code, v.documented);
        if (met.has(key)) continue;
        met.add(key);
        findings.push({
          policy: policy.id,
          code: v.code,
          documented: v.documented,
          run,
          scenario: program.scenario,
        });
      }
    }
    counts.steps += i;
    if (judged && violated) this.#judge(program, i, run, policy, at, counts, met, findings);
    if (violated) counts.violatedRuns++;
    if (documented) counts.documentedRuns++;
    for (let p = 0; p < counts.goals.length; p++) counts.goals[p]! |= world.goals[p]!;
  }

  /** What the policy broke in the first `length` steps of a run, beside its base. */
  #judge(
    program: Program,
    length: number,
    run: number,
    policy: ExpandedPolicy,
    at: number,
    counts: PolicyCounts,
    met: Set<number>,
    findings: RawFinding[],
  ): void {
    const base = this.#bases[at]!;
    const { setup, setupAt } = program;
    const steps = program.packed!;
    this.#besides[at]![setupAt] ??= new Beside(setup, base.policy);
    let judged: readonly Judged[];
    try {
      judged = this.#besides[at]![setupAt]!.judge(steps, length, this.#outcomes, this.#broken.broken);
    } catch (error) {
      if (!(error instanceof BaseError)) throw error;
      this.#besides[at]![setupAt]!.codes.clear();
      if (counts.baseErrorRun >= 0) return;
      counts.baseErrorRun = run;
      counts.baseError = error.message;
      return;
    }
    const { codes } = this.#besides[at]![setupAt]!;
    for (const code of codes) addSorted(counts.baseCodes, code);
    codes.clear();
    let way = -1;
    for (const { code, verdict, follows } of judged) {
      if (verdict === 'common') addSorted(counts.common, code);
      if (verdict === 'after stop') addSorted(counts.afterStop, code);
      if (verdict !== 'regression') continue;
      addSorted(counts.regressed, code);
      if (!base.tells) continue;
      this.#ways[at]![setupAt] ??= new Ways(setup, base.policy, policy);
      if (way < 0) way = this.#ways[at]![setupAt]!.find(steps, length);
      const key = classKey(code, false, way);
      if (met.has(key)) continue;
      met.add(key);
      findings.push({
        policy: policy.id,
        code,
        documented: false,
        regression: { way, follows },
        run,
        scenario: program.scenario,
      });
    }
  }
}

/** One number for a class, whether it is documented, and the way of a regression; -1: it is not told as one. */
export const classKey = (code: number, documented: boolean, way = -1): number =>
  (code * 2 + (documented ? 1 : 0)) * (WAYS + 1) + way + 1;
