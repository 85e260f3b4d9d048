/** From a scenario and a policy that breaks a promise in it to a counterexample file's content, words included. */

import { PROPERTIES } from '../../properties/index.ts';
import { type FoundInRun, type RunResult, runScenario } from '../executor/run.ts';
import { traceScenario } from '../executor/trace.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import {
  type Counterexample,
  EXPLANATION_MAX,
  type Expectation,
  type Minimality,
  type ProvenanceOfFile,
  REASON_MAX,
  TITLE_MAX,
} from '../scenario/definition.ts';
import { newCounterexample } from '../scenario/file.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { type Explanation, explainFinding, explainQuiet } from './explain.ts';

export interface CounterexampleParts {
  readonly scenario: Scenario;
  readonly policy: ExpandedPolicy;
  /** Class code (executor/simulated.ts); undefined: nothing is violated and that is the point. */
  readonly code?: number;
  /** The class is one that is documented as not guaranteed: the file then has no policy and no class. */
  readonly documented: boolean;
  readonly minimality: Minimality;
  readonly provenance: ProvenanceOfFile;
  /** For `expect`; `policy` is added if it is not among them. */
  readonly policies: readonly ExpandedPolicy[];
  readonly title?: string;
  readonly explanation?: string;
  readonly references?: readonly string[];
}

/** Characters that the format allows. */
const SEEN_MAX = 300;
const SCOPE_MAX = 200;

/** Throws RangeError if the policy does not show the class in the scenario. */
export function buildCounterexample(parts: CounterexampleParts): Counterexample {
  const { scenario, policy, code, documented, minimality, provenance, policies } = parts;
  const trace = traceScenario(scenario, policy, undefined, code);
  const { result } = trace;
  const found =
    code === undefined
      ? undefined
      : (documented ? result.documented : result.violations).find((f) => f.code === code);
  if (code !== undefined && found === undefined)
    throw new RangeError(`policy ${policy.id} does not show this class in the scenario`);
  const words: Explanation =
    found === undefined ? explainQuiet(trace) : explainFinding(scenario, trace, found);
  const others = policies.filter(({ id }) => id !== policy.id);
  const expect = Object.fromEntries<Expectation>([
    [policy.id, expectationOf(result)],
    ...others.map((other) => [other.id, expectationOf(runScenario(scenario, fresh(other)))] as const),
  ]);
  const violated = found !== undefined && !documented;
  return newCounterexample({
    title: cut(parts.title ?? words.title, TITLE_MAX),
    setup: scenario.setup,
    steps: scenario.steps,
    policy: violated ? policy.id : null,
    class: violated ? found.class : null,
    seen:
      found === undefined
        ? null
        : {
            step: found.at,
            observed: cut(words.observed, SEEN_MAX),
            expected: cut(words.expected, SEEN_MAX),
          },
    expect,
    minimality: {
      ...minimality,
      scope: cut(minimality.scope, SCOPE_MAX),
      ...(minimality.reason === undefined ? {} : { reason: cut(minimality.reason, REASON_MAX) }),
    },
    provenance,
    references: parts.references ?? (found === undefined ? [] : referencesOf(found)),
    explanation: cut(parts.explanation ?? words.text, EXPLANATION_MAX),
  });
}

/** What a run says, as a file expects it. */
export function expectationOf(result: RunResult): Expectation {
  const ids = (found: readonly FoundInRun[]): string[] => [...new Set(found.map((f) => f.classId))].sort();
  const documented = ids(result.documented);
  return {
    verdict: result.verdict,
    classes: ids(result.violations),
    ...(documented.length === 0 || result.verdict === 'not violated' ? {} : { documented }),
  };
}

/** The same tables as an object of its own, so that a run for a report does not count as rule coverage. */
export function fresh(policy: ExpandedPolicy): ExpandedPolicy {
  return { ...policy };
}

/** Public sources of the broken property. */
function referencesOf(found: FoundInRun): readonly string[] {
  const property = PROPERTIES.find((p) => p.id === found.class.property);
  return (property?.sources ?? []).filter((s) => !s.startsWith('docs/model.md'));
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 3)}...`;
}
