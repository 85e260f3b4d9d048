/** `replay`: each file on its policies, what became of it, and what contradicts the file. */
import { type Replay, replayOn } from '../executor/replay.ts';
import { traceScenario } from '../executor/trace.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { renderColumns } from '../report/columns.ts';
import { renderTrace } from '../report/trace.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, worst } from './exit.ts';
import { exitOf, loadFiles, reportProblems } from './files.ts';
import { paint, print, printJson, talk, width } from './io.ts';
import type { REPLAY_FORMATS } from './replay.ts';

export interface ReplayOptions {
  readonly paths: readonly string[];
  /** Empty: the policies of each file. */
  readonly policies: readonly string[];
  readonly trace: boolean;
  readonly bisect: boolean;
  readonly format: (typeof REPLAY_FORMATS)[number];
}

/** One file on all policies asked for. */
interface FileReplay {
  readonly file: string;
  readonly counterexample: Counterexample;
  readonly replays: readonly Replay[];
  /** Per replay, in order: contradictions, and what a policy that the file does not know breaks. */
  readonly unexpected: readonly (readonly string[])[];
  /** A policy of the file that is not built in and was not given. */
  readonly missing: string | undefined;
}

export async function runReplay(options: ReplayOptions): Promise<number> {
  const given = options.policies.length > 0;
  const { policies, broken } = await choosePolicies(given ? options.policies : ['all']);
  for (const { message } of broken) talk(message);
  const loaded = loadFiles(options.paths);
  reportProblems(loaded);
  const results = loaded.files.map(({ file, counterexample }) =>
    replayFile(file, counterexample, given ? policies : policiesOf(counterexample, policies), given),
  );
  const codes = [
    exitOf(loaded),
    ...(broken.length > 0 ? [EXIT.badInput] : []),
    ...(results.some((r) => r.replays.length === 0 || r.missing !== undefined) ? [EXIT.nothingTested] : []),
    ...results.map(codeOf),
  ];
  if (options.bisect) return bisectCode(results, codes, given);

  if (options.format === 'json')
    printJson({
      files: results.map((r) => dataOf(r, policies, options.trace)),
      problems: [...loaded.problems, ...broken.map(({ name, message }) => ({ file: name, message }))],
    });
  else if (options.format === 'jsonl') {
    for (const r of results) print(JSON.stringify(dataOf(r, policies, options.trace)));
    for (const problem of loaded.problems) print(JSON.stringify(problem));
  } else {
    for (const r of results) {
      print(textOf(r, given));
      if (options.trace) for (const policy of traced(r, policies, given)) print(traceText(r, policy));
    }
    if (results.length > 1) talk(summary(results));
  }
  return worst(codes);
}

/** The file's own policy and all that it has expectations for, as far as they are loaded. */
function policiesOf(c: Counterexample, loaded: readonly ExpandedPolicy[]): ExpandedPolicy[] {
  return loaded.filter((p) => p.id === c.policy || Object.hasOwn(c.expect, p.id));
}

/** Those that were asked for; else the policy of the file, or all if it has none. */
function traced(r: FileReplay, policies: readonly ExpandedPolicy[], given: boolean): ExpandedPolicy[] {
  const run = policies.filter((p) => r.replays.some((replay) => replay.policy === p.id));
  const own = run.filter((p) => p.id === r.counterexample.policy);
  return given || own.length === 0 ? run : own;
}

function replayFile(
  file: string,
  c: Counterexample,
  policies: readonly ExpandedPolicy[],
  given: boolean,
): FileReplay {
  const replays = policies.map((policy) => replayOn(c, policy));
  return {
    file,
    counterexample: c,
    replays,
    unexpected: replays.map((r) => [...r.contradictions, ...brokenByUser(c, r)]),
    missing: !given && c.policy !== null && !policies.some((p) => p.id === c.policy) ? c.policy : undefined,
  };
}

/** A user's policy that the file does not know must break nothing. */
function brokenByUser(c: Counterexample, replay: Replay): string[] {
  const { policy, expectation, classes, status, result } = replay;
  if (expectation !== undefined || policy === c.policy || BUILT_IN.some((p) => p.id === policy)) return [];
  if (status === 'policy error') return [result.policyError];
  return classes.map((id) => `violates ${id}`);
}

function codeOf(r: FileReplay): number {
  if (r.replays.some((replay) => !replay.deterministic)) return EXIT.notDeterministic;
  return r.unexpected.some((lines) => lines.length > 0) ? EXIT.finding : EXIT.ok;
}

/** bad: the class of a file is violated (or, without a class, the file is contradicted); good: it was tested, and is not. */
function bisectCode(results: readonly FileReplay[], codes: readonly number[], given: boolean): number {
  const fatal = [EXIT.badInput, EXIT.notDeterministic, EXIT.nothingTested];
  if (codes.some((code) => fatal.some((f) => f === code))) return EXIT.bisectSkip;
  const replays = results.flatMap((r) => {
    const own = r.replays.filter((x) => x.policy === r.counterexample.policy);
    return (given || own.length === 0 ? r.replays : own).map((replay) => ({
      cannot: replay.step < 0 && (replay.status === 'no longer applies' || replay.status === 'policy error'),
      bad:
        r.counterexample.class === null
          ? r.unexpected[r.replays.indexOf(replay)]!.length > 0
          : replay.step >= 0,
      file: r.file,
      policy: replay.policy,
    }));
  });
  const bad = replays.filter((r) => r.bad);
  const cannot = replays.filter((r) => r.cannot);
  if (bad.length > 0) talk(`bad: ${bad.map((r) => `${r.file} on ${r.policy}`).join(', ')}`);
  else if (cannot.length > 0)
    talk(`cannot be tested: ${cannot.map((r) => `${r.file} on ${r.policy}`).join(', ')}`);
  else talk('good');
  return bad.length > 0 ? EXIT.finding : cannot.length > 0 ? EXIT.bisectSkip : EXIT.ok;
}

// ---- Text --------------------------------------------------------------------------------------------------------

/** One line if a file was run on its own policies or on one; else a row per policy below its name. */
function textOf(r: FileReplay, given: boolean): string {
  const { file, counterexample: c, replays } = r;
  if (replays.length === 0) {
    const why =
      r.missing === undefined
        ? 'it names no policy that is loaded'
        : `its policy ${r.missing} is not built in`;
    return `${file}: ${paint.yellow('not tested')}: ${why}; give one with --policy`;
  }
  const unexpected = replays.flatMap((replay, i) =>
    r.unexpected[i]!.map((line) => ({ policy: replay.policy, line })),
  );
  const tail = [
    ...replays
      .filter((x) => !x.deterministic)
      .map((x) => `  ${paint.red('not deterministic')} on ${x.policy}: two runs differ`),
    ...unexpected.map(({ policy, line }) => `  ${paint.red('unexpected')} on ${policy}: ${line}`),
  ];
  if (given && replays.length > 1) {
    const width = Math.max(...replays.map((x) => x.policy.length));
    return [
      `${paint.bold(file)}: ${c.title}`,
      ...replays.map((replay, i) => {
        const mark = r.unexpected[i]!.length > 0 ? paint.red('! ') : '  ';
        return `${mark}${replay.policy.padEnd(width)}  ${verdictText(c, replay)}`;
      }),
      ...tail,
    ].join('\n');
  }
  const own = replays.find((x) => x.policy === c.policy) ?? (given ? replays[0] : undefined);
  const parts: string[] = [];
  if (own !== undefined) parts.push(statusText(c, own));
  if (r.missing !== undefined)
    parts.push(
      `${paint.yellow('not tested')} on ${r.missing}, which is not built in (give its module with --policy)`,
    );
  const compared = replays.filter((x) => x.expectation !== undefined);
  const fine = compared.filter((x) => x.contradictions.length === 0).length;
  if (compared.length > 0)
    parts.push(
      fine === compared.length
        ? compared.length === 1
          ? 'as expected'
          : `as expected on ${fine} policies`
        : `as expected on ${fine} of ${compared.length} policies`,
    );
  return [`${file}: ${parts.join('; ')}`, ...tail].join('\n');
}

/** What became of the class of the file, on one policy. */
function statusText(c: Counterexample, replay: Replay): string {
  const { policy, status, step, result, classes } = replay;
  const on = ` on ${policy}`;
  switch (status) {
    case 'reproduced':
      return `${paint.green('reproduced')}${on} at step ${step + 1}`;
    case 'fixed':
      return `${paint.yellow('fixed')}${on} (${result.verdict})`;
    case 'differs':
      return `${paint.yellow('differs')}${on}: ${
        step >= 0
          ? `seen at step ${step + 1} instead of step ${c.seen!.step + 1}`
          : `violates ${classes.join(', ')} instead`
      }`;
    case 'no longer applies':
      return `${paint.yellow('no longer applies')}${on} at step ${result.notApplicable + 1}`;
    case 'policy error':
      return `${paint.red('policy error')}${on}: ${result.policyError}`;
    case 'no class':
      return `${result.verdict}${on}`;
  }
}

/** One cell of the row of verdicts. */
function verdictText(c: Counterexample, replay: Replay): string {
  const { result, classes, documented, status, step } = replay;
  if (status === 'policy error') return paint.red(`policy error: ${result.policyError}`);
  switch (result.verdict) {
    case 'violated': {
      const same = c.class !== null && classes.includes(classId(c.class));
      const others = classes.filter((id) => c.class === null || id !== classId(c.class));
      const words = [...(same ? [`the class of the file at step ${step + 1}`] : []), ...others];
      return `${paint.red('violated')}      ${words.join(', ')}`;
    }
    case 'documented':
      return `${paint.yellow('documented')}    ${documented.join(', ')}`;
    case 'unsupported':
      return `${paint.yellow('unsupported')}   step ${result.notApplicable + 1} does not apply`;
    case 'not violated': {
      const refused = [...result.errnos].map(([at, errno]) => `step ${at + 1} refused: ${errno}`);
      return `not violated${refused.length === 0 ? '' : `  ${refused.join(', ')}`}`;
    }
  }
}

function summary(results: readonly FileReplay[]): string {
  const unexpected = results.filter((r) => r.unexpected.some((lines) => lines.length > 0)).length;
  const untested = results.filter((r) => r.replays.length === 0 || r.missing !== undefined).length;
  const flaky = results.filter((r) => r.replays.some((x) => !x.deterministic)).length;
  return [
    `${results.length} files`,
    `${results.length - unexpected - untested} as expected`,
    ...(unexpected > 0 ? [`${unexpected} unexpected`] : []),
    ...(untested > 0 ? [`${untested} not tested`] : []),
    ...(flaky > 0 ? [`${flaky} not deterministic`] : []),
  ].join(', ');
}

function traceText(r: FileReplay, policy: ExpandedPolicy): string {
  const { counterexample: c } = r;
  const trace = traceScenario(c, policy);
  const head = `${paint.bold(`Trace on ${policy.id}`)}: ${policy.title}\n\n${renderColumns(c, { notes: notesOf(trace.result.outcomes) })}\n`;
  return `\n${head}${renderTrace(trace, { paint, width: width() })}`;
}

/** What became of each step, where it is not simply done. */
export function notesOf(outcomes: readonly string[]): string[] {
  return outcomes.map((outcome) => (outcome === 'done' ? '' : outcome));
}

// ---- Data --------------------------------------------------------------------------------------------------------

function dataOf(r: FileReplay, policies: readonly ExpandedPolicy[], withTrace: boolean): object {
  const { counterexample: c } = r;
  return {
    file: r.file,
    id: c.id,
    title: c.title,
    policy: c.policy,
    class: c.class === null ? null : classId(c.class),
    replays: r.replays.map((replay, i) => {
      const { policy, status, step, result, classes, documented, expectation, deterministic } = replay;
      return {
        policy,
        status,
        verdict: result.verdict,
        step: step < 0 ? null : step,
        classes,
        documented,
        costs: result.costs,
        outcomes: result.outcomes,
        errnos: Object.fromEntries(result.errnos),
        notApplicable: result.notApplicable < 0 ? null : result.notApplicable,
        policyError: result.policyError === '' ? null : result.policyError,
        expected: expectation ?? null,
        unexpected: r.unexpected[i],
        deterministic,
        ...(withTrace ? { trace: traceData(c, policies.find((p) => p.id === policy)!) } : {}),
      };
    }),
  };
}

function traceData(c: Counterexample, policy: ExpandedPolicy): object {
  const { start, steps, origins } = traceScenario(c, policy);
  return { start, steps, origins: Object.fromEntries(origins) };
}
