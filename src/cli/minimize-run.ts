/** `minimize`: the same class on the same policy in fewer steps, as a new file; with --shortest, proved. */
import { basename, join } from 'node:path';
import { makeFolder } from '../campaign/folder.ts';
import { replayOn } from '../executor/replay.ts';
import { runScenario } from '../executor/run.ts';
import type { Costs } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { ERAS, ownBaseOf } from '../policies/base.ts';
import { findPolicy } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { regressesBy } from '../regression/scenario.ts';
import { mostTelling } from '../regression/subject.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import {
  type Counterexample,
  EXPLANATION_MAX,
  type Expectation,
  expectationFor,
} from '../scenario/definition.ts';
import { formatCounterexample, newCounterexample } from '../scenario/file.ts';
import { leftOf } from '../scenario/kin.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { formatText, rewriteText, setupLines } from '../scenario/text.ts';
import { shrinkingForAll } from '../shrink/several.ts';
import { SEARCH_STATES_MAX } from '../shrink/limit.ts';
import { type Keeping, Shrinker, type Shrunk, type Target } from '../shrink/shrink.ts';
import { chooseBase, choosePolicies } from './choose.ts';
import { EXIT, inputError, UserError, usageError, worst } from './exit.ts';
import {
  exitOf,
  loadFiles,
  type ReadFile,
  readOne,
  reportProblems,
  STDIN,
  shownName,
  TEXT_EXTENSION,
} from './files.ts';
import { print, talk } from './io.ts';
import type { KEEP } from './minimize.ts';
import { progressLine, searchText } from './progress-line.ts';
import { checkTargets, isFolder, write } from './write.ts';

export interface MinimizeOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** A file, or a folder for several; undefined: stdout. */
  readonly out: string | undefined;
  readonly inPlace: boolean;
  readonly policy: string | undefined;
  /** Beside which it is, and stays, a regression. */
  readonly base: string | undefined;
  /** What must stay besides the class. */
  readonly keep: (typeof KEEP)[number];
  /** A program that is not proved to be shortest is a failure. */
  readonly prove: boolean;
  /** Per search of a proof; undefined: as many as cost little. */
  readonly states: number | undefined;
}

export async function runMinimize(options: MinimizeOptions): Promise<number> {
  const { paths, out, inPlace } = options;
  const [path] = paths;
  const one = paths.length === 1 && (path === STDIN || !isFolder(path!));
  if (one && !(out !== undefined && isFolder(out))) {
    const to = inPlace ? path : out;
    return minimizeOne(options, readOne(path!), to, new Shrinkers(options.states));
  }
  if (!inPlace && out === undefined) {
    if (paths.length === 1) readOne(path!); // says what is wrong with it
    throw usageError('several files need --out FOLDER or --in-place');
  }
  const loaded = loadFiles(paths);
  reportProblems(loaded);
  const target = (file: string): string => (inPlace ? file : join(out!, basename(file)));
  checkTargets(new Map(loaded.files.map(({ file }) => [file, target(file)])));
  const shrinkers = new Shrinkers(options.states);
  const codes: number[] = [exitOf(loaded)];
  for (const read of loaded.files) {
    const to = target(read.file);
    try {
      if (!inPlace) makeFolder(out!);
      codes.push(await minimizeOne(options, read, to, shrinkers, true));
    } catch (error) {
      // One bad file does not hide the others.
      const { message, exitCode } = asUserError(error, to);
      talk(message);
      codes.push(exitCode);
    }
  }
  return worst(codes);
}

/** Searches go on from file to file of one policy; those of several would not fit side by side. */
class Shrinkers {
  readonly #statesMax: number;
  #last: readonly Shrinker[] = [];
  constructor(statesMax: number = SEARCH_STATES_MAX) {
    this.#statesMax = statesMax;
  }
  of(policies: readonly ExpandedPolicy[]): readonly Shrinker[] {
    const id = (list: readonly { readonly id: string }[]): string => list.map((p) => p.id).join();
    if (id(this.#last.map((s) => s.policy)) !== id(policies))
      this.#last = policies.map((p) => new Shrinker(p, this.#statesMax));
    return this.#last;
  }
}

/** What is to be shown: the class violated, or the one that is documented, and on which policies. */
interface Wanted {
  readonly classId: string;
  readonly code: number;
  readonly documented: boolean;
  /** The first is that of the new file. */
  readonly policies: readonly ExpandedPolicy[];
}

/**
 * As the file has it; of a file without a class, what tells most (mostTelling) of what the first policy that violates
 * anything in it violates, beside the base if there is one. Undefined if there is nothing of that kind. Throws UserError.
 */
async function targetsOf(
  c: Counterexample,
  name: string | undefined,
  base: ExpandedPolicy | undefined,
  file: string,
): Promise<Wanted | undefined> {
  const claimed = c.class === null ? documentedIn(c) : classId(c.class);
  const documented = c.class === null && claimed !== undefined;
  const names =
    name !== undefined ? [name] : (c.minimality.policies ?? (c.policy === null ? undefined : [c.policy]));
  if (claimed === undefined || names === undefined) {
    for (const policy of name === undefined ? await candidatesOf(c) : await policiesFor([name], file, name)) {
      const { violations } = replayOn(c, policy).result;
      const found = mostTelling(c, policy, base ?? ownBaseOf(policy), violations).find(
        (f) => base === undefined || regressesBy(c, policy, base, f.code, undefined),
      );
      if (found === undefined) continue;
      talk(`${file}: has no class; taken for it: ${found.classId}, which ${policy.id} violates`);
      return { classId: found.classId, code: found.code, documented: false, policies: [policy] };
    }
    if (base !== undefined) return undefined;
    for (const policy of name === undefined ? await candidatesOf(c) : await policiesFor([name], file, name)) {
      const [met] = replayOn(c, policy).result.documented;
      if (met === undefined) continue;
      talk(`${file}: has no class; taken for it: ${met.classId}, which is documented on ${policy.id}`);
      return { classId: met.classId, code: met.code, documented: true, policies: [policy] };
    }
    return undefined;
  }
  const policies = await policiesFor(names, file, name);
  let code = -1;
  for (const policy of policies) {
    const { documented: met, violations } = replayOn(c, policy).result;
    const found = (documented ? met : violations).find((f) => f.classId === claimed);
    if (found === undefined)
      throw new UserError(
        `${file}: ${claimed} is not ${documented ? 'met' : 'violated'} on ${policy.id}, so there is nothing to minimize`,
        EXIT.finding,
      );
    if (base !== undefined && !regressesBy(c, policy, base, found.code, undefined))
      throw new UserError(
        `${file}: ${claimed} is no regression of ${policy.id} beside ${base.id}, so there is nothing to minimize`,
        EXIT.finding,
      );
    code = found.code;
  }
  return { classId: claimed, code, documented, policies };
}

/** The one class that a file without a class shows as documented. */
function documentedIn(c: Counterexample): string | undefined {
  const [first] = c.minimality.policies ?? [];
  const documented = first === undefined ? undefined : expectationFor(c, first)?.documented;
  return documented?.length === 1 ? documented[0] : undefined;
}

/** The policies that may break something in a file without a class: those that it speaks of, else all of kernels. */
async function candidatesOf(c: Counterexample): Promise<readonly ExpandedPolicy[]> {
  const known = Object.keys(c.expect).filter((id) => findPolicy(id) !== undefined);
  return (await choosePolicies(known.length > 0 ? known : ERAS.map((p) => p.id))).policies;
}

/** Minimizes one file and writes it to `to`, or to stdout. Throws UserError. */
async function minimizeOne(
  { policy: name, base: baseName, keep, prove }: MinimizeOptions,
  read: ReadFile,
  to: string | undefined,
  shrinkers: Shrinkers,
  oneOfMany = false,
): Promise<number> {
  const { counterexample: c, text } = read;
  const file = shownName(read.file);
  const base = await chooseBase(baseName);
  const wanted = await targetsOf(c, name, base, file);
  if (wanted === undefined) {
    const on = name ?? (await candidatesOf(c)).map((p) => p.id).join(', ');
    const beside = base === undefined ? '' : ` that ${base.id} keeps`;
    const message = `${file}: nothing${beside} is violated in it on ${on}, so there is nothing to minimize`;
    if (!oneOfMany) throw inputError(message);
    talk(message);
    return EXIT.ok;
  }
  const [policy] = wanted.policies;
  // Of a base that is given stays that it keeps the promise, not what else it makes of the program.
  const verdictsOf =
    keep === 'class'
      ? []
      : [
          ...wanted.policies.filter((p) => findPolicy(p.id) === undefined),
          ...(await keptFor(c)).filter((p) => p.id !== base?.id),
        ];
  const kept = keep === 'class' && base === undefined ? undefined : keeping(c, wanted, verdictsOf, base);
  const { scenario, minimality } = search(file, shrinkers.of(wanted.policies), c, wanted, kept);
  const others = Object.keys(c.expect).filter((id) => id !== policy!.id);
  const known = others.filter((id) => findPolicy(id) !== undefined);
  const lost = others.filter((id) => !known.includes(id));
  const { policies } = await choosePolicies(known);
  const same = JSON.stringify(scenario.steps) === JSON.stringify(c.steps);
  const another = leftOf(c, scenario) === undefined;
  const plain = wanted.policies.length === 1 && !wanted.documented;
  const parts = {
    scenario,
    policy: policy!,
    code: wanted.code,
    documented: wanted.documented,
    minimality: plain ? minimality : { ...minimality, policies: wanted.policies.map((p) => p.id) },
    provenance: { ...c.provenance, found: 'minimize' as const },
    policies,
    references: c.references,
  };
  const built = another
    ? anotherProgram(buildCounterexample(parts), c)
    : buildCounterexample({
        ...parts,
        ...(text !== undefined && text.title === undefined ? {} : { title: c.title }),
        // Words about numbered steps are wrong once the steps are others.
        ...((same || !/\bsteps? \d/i.test(c.explanation)) &&
        (text === undefined || text.explanation !== undefined)
          ? { explanation: c.explanation }
          : {}),
      });
  const result = { ...built, expect: withPinnedCosts(built, c, [policy!, ...policies]) };
  const asText = to === undefined ? text !== undefined : to.endsWith(TEXT_EXTENSION);
  const written = !asText
    ? formatCounterexample(result)
    : text === undefined
      ? formatText(result, result)
      : `${another ? `# ${result.title}\n#\n` : ''}${rewriteText(text, scenario)}`;
  if (to === undefined) print(written);
  else write(to, written);

  const [before, after] = [c.steps.length, scenario.steps.length];
  const proved = minimality.kind === 'shortest';
  const how = proved ? 'shortest' : '1-minimal: no single step can be left out';
  talk(`${file}: ${before} -> ${after} steps, ${how} (${minimality.scope})`);
  // Who asked for no proof wants to know only that there is a shorter one, and why it was not taken.
  if (minimality.reason !== undefined && (prove || minimality.reason.includes('shows the class')))
    talk(`${file}: ${minimality.reason}`);
  if (same && !another) talk('the steps are as they were');
  else for (const line of difference(c, result)) talk(line);
  if (another) talk('it is another program now, not only steps left out: title and text are new');
  if (lost.length > 0) talk(`no expectation any more for ${lost.join(', ')}, which is not built in`);
  if (to !== undefined) talk(`written to ${to}`);
  return !prove || proved ? EXIT.ok : EXIT.goalsMissed;
}

/** Its own words, and where it comes from. */
function anotherProgram(built: Counterexample, from: Counterexample): Counterexample {
  const origin = `Another program than the one it was made from, "${from.title}": steps or filesystems were replaced. `;
  const { format: _format, version: _version, id: _id, ...parts } = built;
  return newCounterexample({
    ...parts,
    explanation: `${origin}${built.explanation}`.slice(0, EXPLANATION_MAX),
  });
}

/** Whose verdicts stay: of all that stand for kernels, and of what else the file speaks of. */
async function keptFor(c: Counterexample): Promise<readonly ExpandedPolicy[]> {
  const { policies } = await choosePolicies(['all']);
  return policies.filter(({ id }) => ERAS.some((p) => p.id === id) || Object.hasOwn(c.expect, id));
}

/**
 * What these policies make of the file stays, and that it is a regression, beside the base given or, of a user's policy,
 * beside its own.
 */
function keeping(
  c: Counterexample,
  wanted: Wanted,
  policies: readonly ExpandedPolicy[],
  given: ExpandedPolicy | undefined,
): Keeping {
  const verdict = (scenario: Scenario, policy: ExpandedPolicy): string => {
    const result = runScenario(scenario, { ...policy });
    const shows = (wanted.documented ? result.documented : result.violations).some(
      (f) => f.code === wanted.code,
    );
    return `${result.verdict}${shows ? `, with ${wanted.classId}` : ''}`;
  };
  const [first] = wanted.policies;
  const base = given ?? ownBaseOf(first!);
  const regresses = (scenario: Scenario): boolean =>
    base !== undefined && regressesBy(scenario, first!, base, wanted.code, undefined);
  const before = new Map(policies.map((p) => [p.id, verdict(c, p)]));
  const regressed = regresses(c);
  const why = (scenario: Scenario): string => {
    for (const policy of policies) {
      const now = verdict(scenario, policy);
      const was = before.get(policy.id)!;
      if (now !== was) return `on ${policy.id} it is ${now}; this one is ${was}`;
    }
    return regressed && !regresses(scenario) ? `${base!.id} breaks the promise as well` : '';
  };
  return { keeps: (scenario) => why(scenario) === '', why };
}

function search(
  file: string,
  shrinkers: readonly Shrinker[],
  { setup, steps }: Counterexample,
  target: Target,
  kept: Keeping | undefined,
): Shrunk {
  const screen = progressLine();
  const work = shrinkingForAll(shrinkers, { setup, steps }, target, kept);
  try {
    for (;;) {
      const { done, value } = work.next();
      if (done === true) return value;
      screen.update(() => `${file}: ${searchText(value)}`);
    }
  } finally {
    screen.clear();
  }
}

/** By name, in the order asked for; `given`: that of the command line. */
async function policiesFor(
  names: readonly string[],
  file: string,
  given: string | undefined,
): Promise<readonly ExpandedPolicy[]> {
  const stranger = given === undefined ? names.find((id) => findPolicy(id) === undefined) : undefined;
  if (stranger !== undefined)
    throw inputError(
      `${file}: its policy ${stranger} is not built in; give its module with --policy ./FILE.ts`,
    );
  const { policies, broken } = await choosePolicies(names);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  if (policies.length !== names.length)
    throw usageError(`--policy is ${JSON.stringify(given)}; allowed: one policy`);
  return names.length === 1
    ? policies
    : names.map((id) => policies.find((p) => p.id === findPolicy(id)!.id)!);
}

function asUserError(error: unknown, path: string): { readonly message: string; readonly exitCode: number } {
  if (error instanceof UserError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) throw error;
  return inputError(`${path}: cannot be written (${code})`);
}

/** Costs that the old file pins stay pinned, at what they are now. */
function withPinnedCosts(
  built: Counterexample,
  old: Counterexample,
  policies: readonly ExpandedPolicy[],
): Record<string, Expectation> {
  return Object.fromEntries(
    Object.entries(built.expect).map(([id, expectation]) => {
      const pinned = Object.keys(expectationFor(old, id)?.costs ?? {}) as (keyof Costs)[];
      const policy = policies.find((p) => p.id === id);
      if (pinned.length === 0 || policy === undefined) return [id, expectation];
      const { costs } = replayOn(built, policy).result;
      return [id, { ...expectation, costs: Object.fromEntries(pinned.map((cost) => [cost, costs[cost]])) }];
    }),
  );
}

/** Lines that went and lines that came, as in a diff without context. */
function difference(before: Counterexample, after: Counterexample): string[] {
  const linesOf = (c: Counterexample): string[] => [
    // Bounds follow the steps.
    ...setupLines(c).filter((line) => /^(?:file|page) /.test(line)),
    ...c.steps.map(stepText),
  ];
  const [old, now] = [linesOf(before), linesOf(after)];
  const less = (from: readonly string[], those: readonly string[]): string[] => {
    const left = [...those];
    return from.filter((step) => {
      const at = left.indexOf(step);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  };
  return [...less(old, now).map((s) => `- ${s}`), ...less(now, old).map((s) => `+ ${s}`)];
}
