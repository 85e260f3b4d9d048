/**
 * The library: define a policy, run a scenario, run a campaign inside somebody's own test suite.
 *
 * @example
 * import { derive, expandPolicy, otherwise, policyByName, runCampaign, table } from 'gupfuzz';
 * const mine = derive(policyByName('v6.5-longterm-ban'), { id: 'mine', title: 'always copy', sources: [] },
 *   { wpFault: [table(otherwise('copy'))] });
 * const { findings } = await runCampaign({ policies: [expandPolicy(mine)], runs: 2000, seed: 1 });
 */

export { PROPERTIES } from '../properties/index.ts';
export { type ApiOptions, runCampaign } from './campaign/api.ts';
export { type Driven, type DriveOptions, drive, type Progress } from './campaign/drive.ts';
export type { CampaignResult, Finding } from './campaign/types.ts';
export { compareWithin, PairSearch } from './check/distinguish.ts';
export { judgeEventual } from './check/eventual.ts';
export type { PolicySpec } from './check/model.ts';
export { alphabetFor, PLAIN_GUPS, pagesOf, SCOPES, setupOf } from './check/scope.ts';
export { type Found, Search, type SearchOptions, type Stopped } from './check/search.ts';
export type { FileSetup, PageSetup, Setup } from './domain/setup.ts';
export { type RunResult, runScenario } from './executor/run.ts';
export { type Trace, type TraceObservation, type TraceStep, traceScenario } from './executor/trace.ts';
export {
  type BrokenPromise,
  type GupCommandsOptions,
  gupCommands,
  modelAndReal,
} from './fuzz/commands.ts';
export { saveFailure } from './fuzz/save-failure.ts';
export * from './machine/decisions.ts';
export { FILESYSTEMS, type Filesystem } from './machine/filesystems.ts';
export { type AnyPolicy, type ExpandedPolicy, expandPolicy, PolicyError } from './machine/tables.ts';
export { BUILT_IN, findPolicy, policyByName } from './policies/index.ts';
export { classId, type FindingClass, type Property } from './property/property.ts';
export type { Counterexample } from './scenario/definition.ts';
export { FileError, formatCounterexample, parseCounterexample } from './scenario/file.ts';
export { parseSteps } from './scenario/parse.ts';
export { formatText, parseText, type ScenarioText } from './scenario/text.ts';
export { type Scenario, type Step, stepText } from './scenario/scenario.ts';
export { type Minimality, Shrinker, type Shrunk, type Target } from './shrink/shrink.ts';
