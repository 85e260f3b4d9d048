/** `replay`: each file on its policies, beside their bases, what became of it, and what contradicts the file. */
import { type Replay, replayOn } from '../executor/replay.ts';
import { notDone, notesOf } from '../executor/run.ts';
import { observationsOf, type Trace, traceScenario } from '../executor/trace.ts';
import { doesNotApply } from '../executor/why-not.ts';
import type { BasePolicy } from '../fuzz/chunk.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { basesFor } from '../policies/base.ts';
import { classId } from '../property/property.ts';
import { BaseError } from '../regression/beside.ts';
import { type BesideResult, judgeBeside } from '../regression/scenario.ts';
import { renderColumns, wrapText } from '../report/columns.ts';
import { renderTrace } from '../report/trace.ts';
import { type Counterexample, saysNothing } from '../scenario/definition.ts';
import { plain } from '../scenario/file-error.ts';
import { chooseBase, choosePolicies } from './choose.ts';
import { EXIT, worst } from './exit.ts';
import { exitOf, loadFiles, reportProblems, shownName } from './files.ts';
import { paint, print, printJson, talk, terminalWidth, width } from './io.ts';
import type { REPLAY_FORMATS } from './replay.ts';

export interface ReplayOptions {
  readonly paths: readonly string[];
  /** Empty: the policies of each file. */
  readonly policies: readonly string[];
  /** Beside which all of them are judged; undefined: a user's policy beside the one it derives from. */
  readonly base: string | undefined;
  readonly trace: boolean;
  readonly bisect: boolean;
  readonly format: (typeof REPLAY_FORMATS)[number];
}

/** One file on one policy. */
interface PolicyReplay extends Replay {
  /** Beside the base, where regressions are news: of a user's policy, or with an explicit base. */
  readonly beside: BesideResult | undefined;
  /** Why it could not be judged beside the base: that is no policy on this program. '' otherwise. */
  readonly baseError: string;
  /** What it breaks and the base keeps. */
  readonly news: readonly { readonly classId: string; readonly what: string }[];
  /** What must not be, one line each: contradictions, regressions, and what is violated though nothing says so. */
  readonly unexpected: readonly string[];
  /** Something is violated of which neither the file nor a base says anything. */
  readonly unclaimed: boolean;
}

/** One file on all policies asked for. */
interface FileReplay {
  readonly file: string;
  readonly counterexample: Counterexample;
  readonly replays: readonly PolicyReplay[];
  /** A row per policy rather than one line: several were asked for, or the file says nothing of any. */
  readonly rows: boolean;
  /** A policy of the file that is not built in and was not given. */
  readonly missing: string | undefined;
}

export async function runReplay(options: ReplayOptions): Promise<number> {
  const given = options.policies.length > 0;
  const { policies, broken } = await choosePolicies(given ? options.policies : ['all']);
  for (const { message } of broken) talk(message);
  const bases = basesFor(policies, await chooseBase(options.base));
  const loaded = loadFiles(options.paths);
  reportProblems(loaded);
  const pairs = policies.map((policy, i) => ({ policy, base: bases[i] }));
  const results = loaded.files.map(({ file, counterexample: c }) =>
    replayFile(shownName(file), c, given ? pairs : pairsOf(c, pairs), given),
  );
  const codes = [
    exitOf(loaded),
    ...(broken.length > 0 ? [EXIT.badInput] : []),
    ...(results.some((r) => r.replays.length === 0 || r.missing !== undefined) ? [EXIT.nothingTested] : []),
    ...results.flatMap((r) => r.replays.map(codeOf)),
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
      for (const line of textOf(r).split('\n')) print(wrapText(line, terminalWidth(), '    ').join('\n'));
      if (options.trace) for (const policy of traced(r, policies, given)) print(traceText(r, policy));
    }
    if (results.length > 1) talk(summary(results));
  }
  return worst(codes);
}

interface Pair {
  readonly policy: ExpandedPolicy;
  readonly base: BasePolicy | undefined;
}

/**
 * The file's own policy and all that it has expectations for, as far as they are loaded; for a file that says nothing
 * of any policy, all that stand for kernels.
 */
function pairsOf(c: Counterexample, loaded: readonly Pair[]): Pair[] {
  if (saysNothing(c)) return loaded.filter(({ policy }) => policy.canary !== true);
  return loaded.filter(({ policy: { id } }) => id === c.policy || Object.hasOwn(c.expect, id));
}

/** Those that were asked for; else the policy of the file, or all if it has none. */
function traced(r: FileReplay, policies: readonly ExpandedPolicy[], given: boolean): ExpandedPolicy[] {
  const run = policies.filter((p) => r.replays.some((replay) => replay.policy === p.id));
  const own = run.filter((p) => p.id === r.counterexample.policy);
  return given || own.length === 0 ? run : own;
}

function replayFile(file: string, c: Counterexample, pairs: readonly Pair[], given: boolean): FileReplay {
  const foreign = !given && c.policy !== null && !pairs.some(({ policy }) => policy.id === c.policy);
  return {
    file,
    counterexample: c,
    replays: pairs.map((pair) => replayPair(c, pair)),
    rows: pairs.length > 1 && (given || saysNothing(c)),
    missing: foreign ? c.policy! : undefined,
  };
}

function replayPair(c: Counterexample, { policy, base }: Pair): PolicyReplay {
  const replay = replayOn(c, policy);
  let beside: BesideResult | undefined;
  let baseError = '';
  try {
    if (base?.tells === true) beside = judgeBeside(c, policy, base.policy);
  } catch (error) {
    if (!(error instanceof BaseError)) throw error;
    baseError = error.message;
  }
  // A policy that fails says nothing of promises.
  const says = replay.status !== 'policy error';
  const news = says
    ? (beside?.regressions ?? []).map(({ classId: id, at }) => ({
        classId: id,
        what: `violates ${id} at step ${at + 1}, which ${beside!.base} does not`,
      }))
    : [];
  return {
    ...replay,
    beside,
    baseError,
    news,
    unexpected: [...replay.contradictions, ...news.map(({ what }) => `regresses: ${what}`)],
    unclaimed:
      says && beside === undefined && baseError === '' && !isClaimed(c, replay) && replay.classes.length > 0,
  };
}

/** Does the file say what this policy makes of it? */
const isClaimed = (c: Counterexample, { policy, expectation }: Replay): boolean =>
  expectation !== undefined || (policy === c.policy && c.class !== null);

/** It could not be run to its end, and the file does not expect that. */
const cannotRun = ({ result, expectation }: Replay): boolean =>
  result.notApplicable >= 0 && expectation?.verdict !== 'unsupported';

const failed = ({ status }: Replay): boolean => status === 'policy error';

function codeOf(replay: PolicyReplay): number {
  if (!replay.deterministic) return EXIT.notDeterministic;
  if (failed(replay) || replay.baseError !== '') return EXIT.badInput;
  if (replay.unexpected.length > 0 || replay.unclaimed) return EXIT.finding;
  return cannotRun(replay) ? EXIT.nothingTested : EXIT.ok;
}

/**
 * bad: the promise of the file's class is broken (the property, towards the same observer), or without a class any, or
 * the file is contradicted; good: it was tested, and is not.
 */
function bisectCode(results: readonly FileReplay[], codes: readonly number[], given: boolean): number {
  const fatal = [EXIT.badInput, EXIT.notDeterministic, EXIT.nothingTested];
  const replays = results.flatMap((r) => {
    const { class: wanted, policy } = r.counterexample;
    const own = r.replays.filter((x) => x.policy === policy);
    return (given || own.length === 0 ? r.replays : own).map((replay) => {
      const { violations } = replay.result;
      const cannot = failed(replay) || replay.baseError !== '' || replay.result.notApplicable >= 0;
      const bad =
        wanted === null
          ? violations.length > 0 || (replay.unexpected.length > 0 && !cannot)
          : violations.some(
              (f) => f.class.property === wanted.property && f.class.observedBy === wanted.observedBy,
            );
      const others = wanted === null || bad ? [] : replay.classes;
      return { bad, cannot, others, replay, name: `${r.file} on ${replay.policy}` };
    });
  });
  const bad = replays.filter((r) => r.bad);
  // What is broken is broken, whatever could not be run besides.
  if (bad.length > 0) {
    talk(`bad: ${bad.map((r) => r.name).join(', ')}`);
    return EXIT.finding;
  }
  const cannot = replays.filter((r) => r.cannot);
  if (replays.length === 0 || cannot.length > 0 || codes.some((code) => fatal.some((f) => f === code))) {
    const why = cannot.map(
      ({ name, replay }) => `${name}: ${replay.result.policyError || replay.baseError || stopped(replay)}`,
    );
    talk(['cannot be tested', ...why].join(': '));
    return EXIT.bisectSkip;
  }
  talk('good');
  for (const { name, others } of replays)
    if (others.length > 0)
      talk(`${name}: violates ${others.join(', ')}, which is not what the file is about`);
  return EXIT.ok;
}

/** Where and why a program ended early. */
const stopped = ({ result }: Replay): string => doesNotApply(result.notApplicable, result.whyNot);

// ---- Text --------------------------------------------------------------------------------------------------------

/** One line if a file was run on its own policies or on one; else a row per policy below its name. */
function textOf(r: FileReplay): string {
  const { counterexample: c, replays } = r;
  const file = plain(r.file);
  if (replays.length === 0) {
    const why =
      r.missing === undefined
        ? 'it names no policy that is loaded'
        : `its policy ${r.missing} is not built in`;
    return `${file}: ${paint.yellow('not tested')}: ${why}; give one with --policy`;
  }
  const own = r.rows
    ? undefined
    : (replays.find((x) => x.policy === c.policy) ?? (replays.length === 1 ? replays[0] : undefined));
  // What the file is about and what is worse than the base is one thing, said in one sentence.
  const regressed =
    own?.status === 'reproduced' && own.news.some((n) => n.classId === classId(c.class!))
      ? classId(c.class!)
      : undefined;
  const tail = replays.flatMap((x) => [
    ...(x.deterministic ? [] : [`  ${paint.red('not deterministic')} on ${x.policy}: two runs differ`]),
    ...x.contradictions.map((line) => `  ${paint.red('unexpected')} on ${x.policy}: ${line}`),
    ...x.news.flatMap(({ classId: id, what }) =>
      x === own && id === regressed ? [] : [`  ${paint.red('regression')} on ${x.policy}: ${what}`],
    ),
    ...(x.baseError === '' ? [] : [`  ${paint.red('not compared')} on ${x.policy}: ${x.baseError}`]),
    ...besideLines(x).map((line) => `  ${x.policy} ${line}`),
  ]);
  if (r.rows) {
    const room = Math.max(...replays.map((x) => x.policy.length));
    return [
      `${paint.bold(file)}: ${c.title}`,
      ...replays.map((x) => {
        const mark = x.unexpected.length > 0 || x.unclaimed || failed(x) ? paint.red('! ') : '  ';
        return `${mark}${x.policy.padEnd(room)}  ${verdictText(c, x)}`;
      }),
      ...tail,
      ...(replays.some((x) => x.unclaimed) ? [paint.red(`! ${UNCLAIMED}`)] : []),
    ].join('\n');
  }
  const parts: string[] = [];
  if (own !== undefined) {
    const worse =
      regressed === undefined ? '' : `, a regression: ${own.beside!.base} does not violate ${regressed}`;
    parts.push(`${statusText(c, own)}${worse}`);
    if (own.status !== 'no class') parts.push(...also(c, own));
    const skipped = notDone(own.result);
    if (skipped !== '') parts.push(skipped);
    if (own.unclaimed) parts.push(UNCLAIMED);
  }
  if (r.missing !== undefined)
    parts.push(
      `${paint.yellow('not tested')} on ${r.missing}, which is not built in (give its module with --policy)`,
    );
  const compared = replays.filter((x) => x.expectation !== undefined);
  const fine = compared.filter((x) => x.contradictions.length === 0).length;
  if (compared.length > 0) {
    const as = regressed === undefined ? 'as expected' : 'as the file expects';
    parts.push(
      fine === compared.length
        ? compared.length === 1
          ? as
          : `${as} on ${fine} policies`
        : `${as} on ${fine} of ${compared.length} policies`,
    );
  }
  return [`${file}: ${parts.join('; ')}`, ...tail].join('\n');
}

const UNCLAIMED = 'violated, of which the file says nothing';

/** What is no regression, but worth a line: what the base breaks too, and what only one of them refuses. */
function besideLines({ beside }: PolicyReplay): string[] {
  if (beside === undefined) return [];
  const { base, broken: all, refusedMore, refusedLess } = beside;
  const ids = (verdict: string): string =>
    all.flatMap((b) => (b.verdict === verdict ? [b.classId] : [])).join(', ');
  const steps = (at: readonly number[]): string =>
    `${at.length === 1 ? 'step' : 'steps'} ${at.map((i) => i + 1).join(', ')}`;
  const [common, claims, after] = ['common', 'claim', 'after stop'].map(ids);
  return [
    ...(common === '' ? [] : [`and ${base} both break the promise of ${common}`]),
    ...(claims === '' ? [] : [`violates ${claims}`]),
    ...(after === '' ? [] : [`violates ${after}, after ${base} has stopped`]),
    ...(refusedMore.length === 0 ? [] : [`does not do ${steps(refusedMore)}, which ${base} does`]),
    ...(refusedLess.length === 0 ? [] : [`does ${steps(refusedLess)}, which ${base} does not`]),
  ];
}

/** What is violated besides the class of the file. */
function also(c: Counterexample, { status, step, classes }: Replay): string[] {
  if (status !== 'reproduced' && !(status === 'differs' && step >= 0)) return [];
  const others = classes.filter((id) => c.class === null || id !== classId(c.class));
  return others.length === 0 ? [] : [`violates ${others.join(', ')} as well`];
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
    case 'does not apply':
      return `${paint.yellow(status)}${on}: step ${result.notApplicable + 1}: ${result.whyNot}`;
    case 'policy error':
      return `${paint.red('policy error')}${on}: ${result.policyError}`;
    case 'no class':
      return result.verdict === 'violated'
        ? `${paint.red('violated')}${on}: ${violated(result)}`
        : `${result.verdict}${on}`;
  }
}

/** Each class with the step at which it is met first. */
const violated = ({ violations }: Replay['result']): string =>
  violations.map((f) => `${f.classId} at step ${f.at + 1}`).join(', ');

/** One cell of the row of verdicts. */
function verdictText(c: Counterexample, replay: Replay): string {
  const { result, classes, documented, step } = replay;
  if (failed(replay)) return paint.red(`policy error: ${result.policyError}`);
  const parts: string[] = [];
  switch (result.verdict) {
    case 'violated': {
      const same = c.class !== null && classes.includes(classId(c.class));
      parts.push(
        ...(same ? [`the class of the file at step ${step + 1}`] : []),
        ...result.violations.flatMap((f) =>
          c.class !== null && f.classId === classId(c.class) ? [] : [`${f.classId} at step ${f.at + 1}`],
        ),
      );
      break;
    }
    case 'documented': {
      const reasons = new Set(result.documented.map((f) => f.excuse));
      parts.push(...documented, ...[...reasons].map((why) => `(${why})`));
    }
  }
  // The run may have broken a promise before it came to that step.
  if (result.notApplicable >= 0) parts.push(stopped(replay));
  const skipped = notDone(result);
  if (skipped !== '') parts.push(skipped);
  const tint = {
    violated: paint.red,
    documented: paint.yellow,
    unsupported: paint.yellow,
    'not violated': String,
  };
  return `${tint[result.verdict](result.verdict)}${' '.repeat(12 - result.verdict.length)}  ${parts.join(', ')}`.trimEnd();
}

/** Each file under the worst of what it is. */
function summary(results: readonly FileReplay[]): string {
  const has = (r: FileReplay, test: (x: PolicyReplay) => boolean): boolean => r.replays.some(test);
  const kinds: readonly (readonly [string, (r: FileReplay) => boolean])[] = [
    ['not deterministic', (r) => has(r, (x) => !x.deterministic)],
    ['on which a policy fails', (r) => has(r, failed)],
    ['on which a base fails', (r) => has(r, (x) => x.baseError !== '')],
    ['with a regression', (r) => has(r, (x) => (x.beside?.regressions.length ?? 0) > 0)],
    ['unexpected', (r) => has(r, (x) => x.unexpected.length > 0)],
    [UNCLAIMED, (r) => has(r, (x) => x.unclaimed)],
    ['that cannot be run', (r) => has(r, cannotRun)],
    ['not tested', (r) => r.replays.length === 0 || r.missing !== undefined],
    ['no worse than the base', (r) => has(r, (x) => x.beside !== undefined)],
    ['not violated, of which the file says nothing', (r) => !has(r, (x) => isClaimed(r.counterexample, x))],
    ['as expected', () => true],
  ];
  const counts = new Map(kinds.map(([kind]) => [kind, 0]));
  for (const r of results) {
    const [kind] = kinds.find(([, test]) => test(r))!;
    counts.set(kind, counts.get(kind)! + 1);
  }
  return [
    `${results.length} files`,
    `${counts.get('as expected')} as expected`,
    ...[...counts].flatMap(([kind, n]) => (n === 0 || kind === 'as expected' ? [] : [`${n} ${kind}`])),
  ].join(', ');
}

function traceText(r: FileReplay, policy: ExpandedPolicy): string {
  const { counterexample: c } = r;
  const trace = traceScenario(c, policy);
  const head = `${paint.bold(`Trace on ${policy.id}`)}: ${policy.title}\n\n${renderColumns(c, { notes: notesOf(trace.result) })}\n`;
  return `\n${head}${renderTrace(trace, { paint, width: width() })}`;
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
    replays: r.replays.map((replay) => {
      const { policy, status, step, result, classes, documented, expectation, deterministic, beside } =
        replay;
      const trace = traceScenario(c, policies.find((p) => p.id === policy)!);
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
        observations: observationsOf(trace),
        notApplicable: result.notApplicable < 0 ? null : result.notApplicable,
        whyNot: result.whyNot === '' ? null : result.whyNot,
        policyError: result.policyError === '' ? null : result.policyError,
        expected: expectation ?? null,
        beside: beside === undefined ? null : besideData(beside),
        baseError: replay.baseError === '' ? null : replay.baseError,
        unexpected: replay.unexpected,
        unclaimed: replay.unclaimed,
        deterministic,
        ...(withTrace ? { trace: traceData(trace) } : {}),
      };
    }),
  };
}

function besideData({ base, broken: all, refusedMore, refusedLess }: BesideResult): object {
  return {
    base,
    broken: all.map(({ classId: id, at, verdict }) => ({ class: id, step: at, verdict })),
    refusedMore,
    refusedLess,
  };
}

function traceData({ start, steps, origins }: Trace): object {
  return { start, steps, origins: Object.fromEntries(origins) };
}
