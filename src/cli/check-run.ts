/** `check`: an exhaustive search with its pilot, progress, verdicts, files and exit code. */
import { type Stats, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { PROPERTIES } from '../../properties/index.ts';
import { CheckpointError } from '../campaign/checkpoint.ts';
import { type Driven, drive, type Progress } from '../campaign/drive.ts';
import { type Pilot, pilot } from '../campaign/pilot.ts';
import { promisesOf, proveBeside, type RegressionProof, regressesAtLast } from '../campaign/prove.ts';
import { FindingStore, slugOf } from '../campaign/store.ts';
import { whatIs } from '../campaign/whole.ts';
import { bytesFor, deepestWithin, estimate } from '../check/estimate.ts';
import { goalsOfWalks, lacking } from '../check/goals.ts';
import type { PolicySpec } from '../check/model.ts';
import type { Exploration, FoundNote } from '../check/search.ts';
import {
  conclusive,
  type FoundClass,
  foundIn,
  goalOutOfReach,
  judge,
  searchable,
  type Verdicts,
} from '../check/verdicts.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { basesFor } from '../policies/base.ts';
import { BUILT_IN } from '../policies/index.ts';
import { isKnown } from '../policies/known.ts';
import { BaseError } from '../regression/beside.ts';
import { bytesText, type CheckReport, checkData, checkText } from '../report/check.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { program, shellWord } from '../report/shell.ts';
import { formatCounterexample } from '../scenario/file.ts';
import type { CheckOptions } from './check.ts';
import { checkScreen } from './check-screen.ts';
import { chooseBase, choosePolicies } from './choose.ts';
import { CHECK_SCOPE } from './defaults.ts';
import { EXIT, inputError, usageError, worst } from './exit.ts';
import { EXTENSION } from './files.ts';
import { paint, printJson, printResult, talk, talkText, whereKept, width } from './io.ts';
import { memoryForStates } from './memory.ts';
import { type Scope, scopeOf } from './scope-options.ts';
import { onStop } from './stop.ts';
import { checkFolder } from './write.ts';

const CHECKPOINT_MS = 5 * 60_000;
/** States are numbered in 32 bits. */
const STATES_MAX = 2 ** 30;
/** Without --depth a search may run until a limit, unless even the low estimate is so many times too large. */
const HOPELESS = 4;

export async function runCheck(options: CheckOptions): Promise<number> {
  checkPaths(options);
  const scope = await scopeOf(options.scope, CHECK_SCOPE);
  const { policies, broken } = await choosePolicies([options.policy]);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  const policy = policies[0]!;
  const beside = basesFor([policy], await chooseBase(options.base))[0];
  const base = beside?.tells === true ? beside.policy : undefined;
  const spec = searchable({
    setup: scope.setup,
    alphabet: scope.alphabet,
    policy,
    grain: options.grain,
    symmetry: options.symmetry ? 'all' : 'none',
  });

  const screen = checkScreen(options.quiet);
  const stop = onStop(() => {
    screen.clear();
    talk('stopping; what was found so far is told (again to stop at once)');
  });
  const started = performance.now();
  let searched: Searched;
  let proof: RegressionProof | undefined;
  let verdicts: Verdicts;
  try {
    searched = await search(spec, base, options, stop.signal, screen.update);
    const { exploration, stopped } = searched.driven;
    verdicts = judge(spec, exploration, stopped, goalsMet(spec, searched));
    if (base !== undefined) {
      const alone = { stopped, depth: exploration.depth, broken: promisesOf(classesIn(verdicts)) };
      proof = await proveBeside(spec, base, alone, {
        depthMax: options.depth,
        ...limitsOf(options),
        first: options.first,
        signal: stop.signal,
        onProgress: screen.update,
      });
    }
  } finally {
    screen.clear();
    stop.off();
  }
  const seconds = (performance.now() - started) / 1000;

  const { exploration: x, stopped } = searched.driven;
  const report: CheckReport = {
    policy,
    setup: scope.setup,
    words: scope.words,
    flags: scope.flags,
    grain: options.grain,
    symmetry: options.symmetry,
    depthAsked: options.depth,
    stopped,
    depth: x.depth,
    states: x.complete.states,
    transitions: x.complete.transitions,
    ...verdicts,
    beside:
      beside === undefined
        ? undefined
        : {
            base: beside.policy,
            proof,
            worse: proof === undefined ? worseIn(verdicts, policy, beside.policy) : new Set(),
            name: options.base,
          },
    unexpected: proof === undefined ? unexpectedIn(verdicts, policy) : new Set(proof.regressions),
    counterexamples: counterexamplesOf(verdicts, proof, policy, scope, options),
    cost: {
      seconds,
      threads: searched.threads,
      states: x.states,
      statesPerSecond: searched.rate,
      bytes: x.bytes,
      bytesPerState: x.bytes / x.states,
    },
  };
  if (options.format === 'json') printJson(checkData(report));
  else
    printResult(
      checkText(report, { paint, width: Math.min(100, width()), documented: options.documented }),
      stop.code !== undefined,
      whereKept(options.out),
    );
  const { notWritten } = searched.driven;
  if (notWritten !== '') talk(notWritten);
  else for (const line of notices(report, options)) talk(line);
  const code = stop.code ?? exitOf(report);
  return code === EXIT.ok && notWritten !== '' ? EXIT.badInput : code;
}

/** Throws UserError for files that cannot be written in the end, before hours went into them. */
function checkPaths({ checkpoint, resume, out }: CheckOptions): void {
  const stat = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });
  if (checkpoint !== undefined) {
    const there = stat(checkpoint);
    if (there !== undefined && !there.isFile())
      throw inputError(`--checkpoint is ${JSON.stringify(checkpoint)}, ${whatIs(there)}; allowed: a file`);
    if (stat(dirname(checkpoint))?.isDirectory() !== true)
      throw inputError(
        `--checkpoint is ${JSON.stringify(checkpoint)}: there is no folder ${dirname(checkpoint)}`,
      );
  }
  if (resume !== undefined && stat(resume)?.isFile() !== true)
    throw inputError(`--resume is ${JSON.stringify(resume)}: there is no such file`);
  if (out !== undefined) checkFolder(out);
}

// ---- The search --------------------------------------------------------------------------------------------------

interface Searched {
  readonly driven: Driven;
  readonly pilot: Pilot;
  readonly threads: number;
  /** States visited now, without those of a checkpoint, a second. */
  readonly rate: number;
}

/** What bounds every search of this run. */
const limitsOf = (options: CheckOptions): { statesMax: number; memoryMax: number; threads: number } => ({
  statesMax: options.states ?? STATES_MAX,
  memoryMax: options.memory ?? memoryForStates(),
  threads: options.threads ?? availableParallelism(),
});

async function search(
  spec: PolicySpec,
  base: ExpandedPolicy | undefined,
  options: CheckOptions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Searched> {
  const { depth, checkpoint, resume } = options;
  const { statesMax, memoryMax, threads } = limitsOf(options);
  const enough = options.first ? firstFound(spec, base) : undefined;
  let started = performance.now();
  const first = await pilot(spec, depth, undefined, signal, enough);
  const x = first.exploration;
  const done =
    x.state === 'closed'
      ? 'closed'
      : x.depth >= depth
        ? 'depth'
        : enough?.(x) === true
          ? 'enough'
          : undefined;
  if (done !== undefined && x.states <= statesMax && checkpoint === undefined && resume === undefined)
    return {
      driven: { exploration: x, stopped: done, notWritten: '' },
      pilot: first,
      threads: 1,
      rate: rateSince(started, x.states),
    };
  if (!signal.aborted && resume === undefined && !options.force)
    refuseHopeless(first, depth, options.states ?? Infinity, memoryMax);
  let had: number | undefined;
  started = performance.now();
  try {
    const driven = await drive(spec, {
      depthMax: depth,
      statesMax,
      memoryMax,
      threads,
      signal,
      ...(enough === undefined ? {} : { enough }),
      onProgress: (progress) => {
        had ??= progress.states;
        onProgress(progress);
      },
      ...(checkpoint === undefined ? {} : { checkpoint: { path: checkpoint, everyMs: CHECKPOINT_MS } }),
      ...(resume === undefined ? {} : { resume }),
    });
    const { states } = driven.exploration;
    const rate = rateSince(started, resume === undefined ? states : states - (had ?? states));
    return { driven, pilot: first, threads, rate };
  } catch (error) {
    if (error instanceof CheckpointError) throw inputError(error.message);
    throw error;
  }
}

/**
 * With --first: is there a broken promise, and beside a base one whose program is a regression? A base that fails on such
 * a program ends the search as well: the proof meets it again, and tells it.
 */
function firstFound(
  spec: PolicySpec,
  base: ExpandedPolicy | undefined,
): (exploration: Exploration) => boolean {
  const worth = (c: FoundClass): boolean => {
    try {
      return base === undefined || regressesAtLast(c, spec.policy, base);
    } catch (error) {
      if (error instanceof BaseError) return true;
      throw error;
    }
  };
  const asked = new Set<FoundNote>();
  let found = false;
  return (x) => {
    for (const note of x.found.values()) {
      if (found) break;
      if (asked.has(note)) continue;
      asked.add(note);
      found = promisesOf(foundIn(spec, x, [note])).some((c) => !c.documented && worth(c));
    }
    return found;
  };
}

const rateSince = (started: number, states: number): number =>
  (1000 * states) / Math.max(1, performance.now() - started);

/** Throws UserError if even the low estimate does not fit. */
function refuseHopeless(
  { exploration, layers, next }: Pilot,
  depth: number,
  statesMax: number,
  memory: number,
): void {
  const low = estimate(layers, next, depth, 'low');
  if (low === undefined) return;
  const words = exploration.size;
  const bytes = bytesFor(
    { states: Math.min(low.states, statesMax), peak: Math.min(low.peak, statesMax) },
    words,
  );
  if (bytes <= memory) return;
  const size =
    low.states === Infinity
      ? 'more than 10^15 states'
      : `at least ${roughly(low.states)} states and ${bytesText(bytes)}`;
  const fit = deepestWithin(memory, layers, next, depth, words);
  const advice = fit === undefined ? '' : `; --depth ${fit.depth} would need about ${bytesText(fit.bytes)}`;
  const what = depth === Infinity ? 'all programs of any length' : `--depth ${depth}`;
  const line = `${what} would need ${size}, with ${bytesText(memory)} allowed (--memory)${advice}`;
  if (depth !== Infinity || bytes > HOPELESS * memory)
    throw usageError(`${line}; --grain property needs less; --force starts anyway and stops at the limit`);
  talk(`${line}; going on until a limit`);
}

/** Two digits: an estimate has no more. */
function roughly(n: number): string {
  const unit = n >= 1e9 ? 1e9 : n >= 1e6 ? 1e6 : 1;
  const name = unit === 1e9 ? ' billion' : unit === 1e6 ? ' million' : '';
  return `${Number((n / unit).toPrecision(2)).toLocaleString('en-US')}${name}`;
}

/** Of the pilot, and of walks where the pilot did not meet one that can be met and matters. */
function goalsMet(spec: PolicySpec, { pilot: { goals }, driven }: Searched): ReadonlySet<string> {
  const { exploration, stopped } = driven;
  if (!conclusive(stopped)) return goals; // nothing will be said to hold
  const unmet = PROPERTIES.filter(
    (p) =>
      !goals.has(p.id) &&
      lacking(p, spec.setup, spec.alphabet) === undefined &&
      goalOutOfReach(p.id, spec) === undefined,
  ).map((p) => p.id);
  return new Set([...goals, ...goalsOfWalks(spec, exploration.depth, unmet)]);
}

// ---- What it came to ---------------------------------------------------------------------------------------------

const classesIn = ({ properties }: Verdicts): FoundClass[] => properties.flatMap((p) => p.classes);

/** Of a built-in policy that is judged beside nothing, the classes of a kind that history does not know of it. */
function unexpectedIn(verdicts: Verdicts, policy: ExpandedPolicy): Set<FoundClass> {
  return new Set(
    policy.canary
      ? []
      : classesIn(verdicts).filter((c) => !isKnown(policy.id, c.class.property, c.class.page)),
  );
}

/** The classes whose shortest program is a regression beside the predecessor: what became worse in this era. */
const worseIn = (verdicts: Verdicts, policy: ExpandedPolicy, base: ExpandedPolicy): Set<FoundClass> =>
  new Set(promisesOf(classesIn(verdicts)).filter((c) => regressesAtLast(c, policy, base)));

/** Builds all, and writes them below `out`. */
function counterexamplesOf(
  { properties }: Verdicts,
  proof: RegressionProof | undefined,
  policy: ExpandedPolicy,
  { words }: Scope,
  options: CheckOptions,
): CheckReport['counterexamples'] {
  const policies = BUILT_IN.map(expandPolicy);
  if (proof !== undefined && policies.every((p) => p.id !== proof.base.id)) policies.push(proof.base);
  const store = new FindingStore(options.out, talk, talkText);
  const regressions = new Set(proof?.regressions);
  const classes = properties.flatMap((p) => [...p.classes, ...(options.documented ? p.documented : [])]);
  return new Map(
    [...new Set([...regressions, ...classes])].map((c) => {
      const content = buildCounterexample({
        scenario: c.scenario,
        policy,
        code: c.code,
        documented: c.documented,
        minimality: {
          kind: 'shortest',
          scope: words,
          depth: c.length,
          ...(c.documented ? { policies: [policy.id] } : {}),
        },
        provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'check' },
        policies,
      });
      const kind = c.documented ? 'documented-' : regressions.has(c) ? 'regression-' : '';
      const name = `${policy.id}/${kind}${slugOf(c.classId)}${EXTENSION}`;
      const file = store.write(name, formatCounterexample(content));
      return [c, file === undefined ? { content } : { content, file }] as const;
    }),
  );
}

/** What a person has to be told beside the report. */
function notices(r: CheckReport, options: CheckOptions): string[] {
  const lines: string[] = [];
  if (r.policyError !== undefined) lines.push(`policy ${r.policy.id}: ${r.policyError.message}`);
  const baseError = r.beside?.proof?.baseError ?? '';
  if (baseError !== '') lines.push(baseError);
  if (r.policy.canary && r.properties.every((p) => p.classes.length === 0))
    lines.push(`the canary ${r.policy.id} was not caught: this search proves nothing`);
  const files = [...r.counterexamples.values()].flatMap(({ file }) => file ?? []);
  if (files.length > 0)
    lines.push(
      `${files.length} ${files.length === 1 ? 'counterexample is' : 'counterexamples are'} in ${dirname(files[0]!)}/`,
    );
  else if (r.beside?.proof !== undefined && r.unexpected.size > 0)
    lines.push(`each regression as a file to replay: ${againCommand(r, options)} --out regressions`);
  const stopped = conclusive(r.stopped) ? (r.beside?.proof?.stopped ?? r.stopped) : r.stopped;
  if (conclusive(stopped) || stopped === 'enough') return lines;
  const flag = stopped === 'states' ? '--states' : stopped === 'memory' ? '--memory' : undefined;
  const grain = r.grain === 'class' ? ', --grain property' : '';
  if (options.checkpoint !== undefined)
    lines.push(
      `inconclusive; to go on${flag === undefined ? '' : ` (with a larger ${flag})`}: ${resumeCommand(r, options)}`,
    );
  else if (flag === undefined)
    lines.push('inconclusive; with --checkpoint FILE a search can be gone on with');
  else
    lines.push(
      `inconclusive; what may help: a larger ${flag}, a smaller scope${grain}, --depth ${Math.max(1, r.depth)}; ` +
        'with --checkpoint FILE a search can be gone on with',
    );
  return lines;
}

function resumeCommand(r: CheckReport, options: CheckOptions): string {
  const file = shellWord(options.checkpoint!);
  return `${againCommand(r, options)} --resume ${file} --checkpoint ${file}`;
}

/** The command that searches the same. */
function againCommand(r: CheckReport, options: CheckOptions): string {
  return [
    `${program()} check --policy ${shellWord(options.policy)} ${r.flags}`,
    ...(options.base === undefined ? [] : [`--base ${shellWord(options.base)}`]),
    ...(options.first ? ['--first'] : []),
    ...(options.depth === Infinity ? [] : [`--depth ${options.depth}`]),
    ...(options.grain === 'class' ? [] : [`--grain ${options.grain}`]),
    ...(options.symmetry ? [] : ['--no-symmetry']),
  ].join(' ');
}

function exitOf(r: CheckReport): number {
  const broken = r.properties.some((p) => p.classes.length > 0);
  const tested = r.properties.some((p) => p.verdict === 'holds' || p.verdict === 'broken');
  const proof = r.beside?.proof;
  const complete = conclusive(r.stopped) && (proof === undefined || proof.stopped === undefined);
  // With --first what was wanted was found.
  const answered = complete || (r.stopped === 'enough' && broken);
  return worst([
    ...(r.policyError === undefined && (proof?.baseError ?? '') === '' ? [] : [EXIT.badInput]),
    ...(r.unexpected.size > 0 ? [EXIT.finding] : []),
    ...(r.policy.canary && !broken ? [EXIT.goalsMissed] : []),
    ...(answered ? (tested && proof?.unasked === undefined ? [] : [EXIT.nothingTested]) : [EXIT.goalsMissed]),
  ]);
}
