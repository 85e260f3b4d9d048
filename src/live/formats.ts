/** What came of kernels, for programs: JSON, and the suites of JUnit and KTAP. */
import type { JunitCase, JunitSuite } from '../report/junit.ts';
import { stepText } from '../scenario/scenario.ts';
import type { LiveFinding, LiveFuzzResult } from './fuzz.ts';
import type { Capabilities } from './protocol.ts';
import {
  countsOf,
  detailLines,
  differences,
  findingText,
  fuzzLine,
  fuzzVerdict,
  type LiveReport,
  reportText,
} from './report.ts';
import { bestFits, isExplained, judgedAs, type LiveVerdict, verdictText } from './verdict.ts';

/** A kernel, and what came of scenarios on it. */
export interface KernelReports {
  readonly kernel: string;
  readonly capabilities: Capabilities;
  readonly reports: readonly LiveReport[];
  /** Per report: the command that runs it again, or ''. */
  readonly again: readonly string[];
}

/** A kernel, and what came of random scenarios against a policy. */
export interface KernelFuzz {
  readonly kernel: string;
  readonly capabilities: Capabilities;
  readonly policy: string;
  readonly result: LiveFuzzResult;
  /** Per finding: where it was written (undefined: nowhere), and the command that runs it again. */
  readonly files: readonly (string | undefined)[];
  readonly again: readonly string[];
}

// ---- JSON --------------------------------------------------------------------------------------------------------

const verdictData = (v: LiveVerdict): object => ({
  verdict: v.kind,
  judged: judgedAs(v),
  by: v.by,
  why: v.why === '' ? null : v.why,
});

export const probeData = (
  kernel: string,
  { release, filesystem, callers, features }: Capabilities,
): object => ({
  kernel,
  release,
  filesystem,
  callers,
  features,
});

export function reportsData({ kernel, capabilities, reports, again }: KernelReports): object {
  const { release, filesystem } = capabilities;
  const fit = bestFits(reports);
  return {
    kernel,
    release,
    filesystem,
    verdicts: Object.fromEntries(countsOf(reports)),
    bestFit: { ...fit, explained: isExplained(fit) },
    scenarios: reports.map((r, i) => reportData(r, again[i]!)),
  };
}

function reportData(r: LiveReport, again: string): object {
  return {
    file: r.name,
    ...verdictData(r.verdict),
    runs: r.runs,
    substitutions: r.substitutions,
    steps: r.seen.map((seen, at) => ({
      step: stepText(r.scenario.steps[at]!),
      seen: Object.fromEntries(seen),
      predicted: Object.fromEntries(r.fits.map((f) => [f.policy, f.predicted[at]!])),
    })),
    policies: r.fits.map((f) => ({
      policy: f.policy,
      agrees: f.agrees,
      disagreements: f.disagreements,
      freedoms: f.freedoms,
      incomplete: f.incomplete === '' ? null : f.incomplete,
      policyError: f.failed === '' ? null : f.failed,
    })),
    broken: r.broken,
    log: r.log,
    replay: again === '' ? null : again,
  };
}

/** By kernel, what came of each policy. */
export function fuzzData(all: readonly KernelFuzz[]): object[] {
  return namesOf(all).map((kernel) => {
    const own = all.filter((f) => f.kernel === kernel);
    const { release, filesystem } = own[0]!.capabilities;
    return { kernel, release, filesystem, policies: own.map(fuzzOfPolicy) };
  });
}

const namesOf = (all: readonly KernelFuzz[]): string[] => [...new Set(all.map((f) => f.kernel))];

/** As they are. No times: they are of no kernel. */
const COUNTS = [
  'runs',
  'asked',
  'agreed',
  'disagreed',
  'incomplete',
  'trouble',
  'blind',
  'observed',
] as const;

function fuzzOfPolicy({ policy, result, files, again }: KernelFuzz): object {
  const { firstAt, broken, failed } = result;
  return {
    policy,
    ...verdictData(fuzzVerdict(policy, result)),
    ...Object.fromEntries(COUNTS.map((name) => [name, result[name]])),
    brokenAsPredicted: broken,
    first: firstAt < 0 ? null : firstAt,
    policyError: failed === '' ? null : failed,
    reasons: Object.fromEntries(result.reasons),
    freedoms: Object.fromEntries(result.freedoms),
    classes: Object.fromEntries(result.classes),
    findings: result.findings.map((f, i) => findingData(f, files[i], again[i]!)),
    log: result.log,
  };
}

function findingData(f: LiveFinding, file: string | undefined, again: string): object {
  const { setup, steps } = f.shrunk;
  return {
    class: f.class,
    run: f.run,
    repeats: f.repeats,
    hits: f.hits,
    shrunkHits: f.shrunkHits,
    setup,
    steps,
    disagreements: f.comparison.disagreements,
    broken: f.broken,
    log: f.result.steps.flatMap((s) => s.log),
    file: file ?? null,
    replay: again,
  };
}

// ---- JUnit and KTAP ----------------------------------------------------------------------------------------------

/** The name of the case that asks whether a kernel is one that a policy describes. */
const ONE_POLICY = 'one policy explains all that was tested';

export function reportsSuite({ kernel, reports, again }: KernelReports): JunitSuite {
  const fit = bestFits(reports);
  const best = `best fit: ${fit.policies.join(', ')} (${fit.agrees} of ${fit.of})`;
  return {
    name: kernel,
    cases: [
      ...reports.map((r, i): JunitCase => {
        const text = [reportText(r, again[i]), ...differences(r, r.verdict.by)].join('\n');
        return caseOf(r.name, kernel, r.verdict, text, detailLines(r));
      }),
      {
        name: ONE_POLICY,
        classname: kernel,
        ...(fit.of === 0
          ? { skipped: 'nothing could be tested' }
          : isExplained(fit)
            ? { note: best }
            : { failure: { message: best, text: '' } }),
      },
    ],
  };
}

export function fuzzSuites(all: readonly KernelFuzz[]): JunitSuite[] {
  return namesOf(all).map((kernel) => ({
    name: kernel,
    cases: all
      .filter((f) => f.kernel === kernel)
      .map(({ policy, result, again }) => {
        const found = result.findings.flatMap((f, i) => [findingText(kernel, policy, f), again[i]!]);
        const text = [fuzzLine(kernel, policy, result), ...found].join('\n');
        return caseOf(policy, kernel, fuzzVerdict(policy, result), text, []);
      }),
  }));
}

function caseOf(
  name: string,
  classname: string,
  verdict: LiveVerdict,
  text: string,
  details: readonly string[],
): JunitCase {
  const message = verdictText(verdict);
  const named = { name, classname };
  switch (judgedAs(verdict)) {
    case 'pass':
      return { ...named, note: [message, ...details].join('; ') };
    case 'fail':
      return { ...named, failure: { message, text } };
    case 'skip':
      return { ...named, skipped: message };
    case 'error':
      return { ...named, error: message };
  }
}
