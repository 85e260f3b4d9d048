/** What becomes of the steps of a scenario, to stand beside them wherever steps are shown. */
import { notesOf, runScenario } from '../executor/run.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { fresh } from './counterexample.ts';

/** By step: refused, skipped, blocked or without effect under these policies; '' where it is done under all. */
export const notesUnder = (scenario: Scenario, policies: readonly ExpandedPolicy[]): string[] =>
  notesOf(...policies.map((policy) => runScenario(scenario, fresh(policy))));
