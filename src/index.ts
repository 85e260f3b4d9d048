/**
 * The library: define a policy, run a scenario, run a campaign inside somebody's own test suite. What is exported here
 * is public; index.test.ts holds the list.
 *
 * @example
 * import { derive, otherwise, policyByName, runCampaign, table } from 'gupfuzz';
 * const mine = derive(policyByName('v6.5-longterm-ban'), { id: 'mine', title: 'always copy', sources: [] },
 *   { wpFault: [table(otherwise('copy'))] });
 * const { findings } = await runCampaign({ policies: [mine], runs: 2000, seed: 1 });
 */

// A run of one scenario: the verdict, or everything that was seen.
export { PROPERTIES } from '../properties/index.ts';
// Random programs: a campaign, or fast-check in a test suite.
export { type ApiOptions, runCampaign } from './campaign/api.ts';
// Every program of a small scope.
export { type Driven, type DriveOptions, drive, type Progress } from './campaign/drive.ts';
export type { CampaignResult, Finding } from './campaign/types.ts';
export { compareWithin, PairSearch } from './check/distinguish.ts';
export { judgeEventual } from './check/eventual.ts';
export type { PolicySpec } from './check/model.ts';
export { alphabetFor, PLAIN_GUPS, pagesOf, SCOPES, setupOf } from './check/scope.ts';
export { type Found, Search, type SearchOptions, type Stopped } from './check/search.ts';
export { FILESYSTEMS, type Filesystem } from './domain/filesystems.ts';
// A scenario: what there is at the start, the steps, and the two forms of a file.
export type { FileSetup, PageSetup, Setup } from './domain/setup.ts';
export {
  type FoundInRun,
  type RunResult,
  runScenario,
  type ScenarioVerdict,
  type StepOutcome,
} from './executor/run.ts';
export { InvariantError } from './executor/simulated.ts';
export {
  type Trace,
  type TraceDecision,
  type TraceObservation,
  type TraceState,
  type TraceStep,
  traceScenario,
} from './executor/trace.ts';
export { type BrokenPromise, type GupCommandsOptions, gupCommands, modelAndReal } from './fuzz/commands.ts';
export { saveFailure } from './fuzz/save-failure.ts';
// A policy: its decision points, rules and edits.
export {
  type Answer,
  DECISION_NAMES,
  DECISIONS,
  type DecisionName,
  type DecisionPoint,
  type Facts,
  type Rule,
  type Table,
  type Tables,
} from './machine/decisions.ts';
export {
  before,
  type Changes,
  CLAIMS,
  type Claim,
  derive,
  type Edit,
  type Keeps,
  otherwise,
  type Policy,
  type PolicyHeader,
  replace,
  rule,
  table,
  without,
} from './machine/policy.ts';
export { PolicyError } from './machine/policy-error.ts';
export { type AnyPolicy, type ExpandedPolicy, expandPolicy } from './machine/tables.ts';
export type { Step } from './ops/index.ts';
export { BUILT_IN, findPolicy, policyByName } from './policies/index.ts';
export { classId, type FindingClass, type Property } from './property/property.ts';
export type { Counterexample } from './scenario/definition.ts';
export {
  counterexampleId,
  formatCounterexample,
  newCounterexample,
  parseCounterexample,
} from './scenario/file.ts';
export { FileError } from './scenario/file-error.ts';
export { parseSteps } from './scenario/parse.ts';
export { type Scenario, stepText } from './scenario/scenario.ts';
export { formatText, parseText, type ScenarioText } from './scenario/text.ts';
export { type Minimality, Shrinker, type Shrunk, type Target } from './shrink/shrink.ts';
