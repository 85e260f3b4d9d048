/** `minimize`: the same class on the same policy in fewer steps, as a new file; with --shortest, proved. */
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeFolder } from '../campaign/folder.ts';
import { replayOn } from '../executor/replay.ts';
import type { Costs } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { findPolicy } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import type { Counterexample, Expectation } from '../scenario/definition.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { stepText } from '../scenario/scenario.ts';
import { shrinkingForAll } from '../shrink/several.ts';
import { SEARCH_STATES_MAX, Shrinker, type Shrunk, type Target } from '../shrink/shrink.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, UserError, usageError, worst } from './exit.ts';
import { exitOf, loadFiles, loadOne, type ReadFile, reportProblems } from './files.ts';
import { print, talk } from './io.ts';
import { progressLine, searchText } from './progress-line.ts';

export interface MinimizeOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  /** A file, or a folder for several; undefined: stdout. */
  readonly out: string | undefined;
  readonly inPlace: boolean;
  readonly policy: string | undefined;
  /** States per search if a proof is asked for. */
  readonly states: number | undefined;
}

export async function runMinimize(options: MinimizeOptions): Promise<number> {
  const { paths, out, inPlace } = options;
  const [path] = paths;
  const one = paths.length === 1 && !isFolder(path!);
  if (one && !(out !== undefined && isFolder(out))) {
    const to = inPlace ? path : out;
    return minimizeOne(
      options,
      { file: path!, counterexample: loadOne(path!) },
      to,
      new Shrinkers(options.states),
    );
  }
  if (!inPlace && out === undefined) {
    if (paths.length === 1) loadOne(path!); // says what is wrong with it
    throw usageError('several files need --out FOLDER or --in-place');
  }
  const loaded = loadFiles(paths);
  reportProblems(loaded);
  const shrinkers = new Shrinkers(options.states);
  const codes: number[] = [exitOf(loaded)];
  for (const read of loaded.files) {
    if (targetOf(read.counterexample) === undefined) {
      talk(`${read.file}: nothing is violated in it, so there is nothing to minimize`);
      continue;
    }
    const to = inPlace ? read.file : join(out!, basename(read.file));
    try {
      if (!inPlace) makeFolder(out!);
      codes.push(await minimizeOne(options, read, to, shrinkers));
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

/** What is to be shown, as the file has it: the class violated, or the one that is documented. */
function targetOf(c: Counterexample): { readonly classId: string; readonly documented: boolean } | undefined {
  if (c.class !== null) return { classId: classId(c.class), documented: false };
  const documented =
    c.minimality.policies === undefined ? [] : c.expect[c.minimality.policies[0]!]?.documented;
  return documented?.length === 1 ? { classId: documented[0]!, documented: true } : undefined;
}

/** Minimizes one file and writes it to `to`, or to stdout. */
async function minimizeOne(
  { policy: name, states }: MinimizeOptions,
  { file, counterexample: c }: ReadFile,
  to: string | undefined,
  shrinkers: Shrinkers,
): Promise<number> {
  const target = targetOf(c);
  if (target === undefined)
    throw inputError(`${file}: has no class (nothing is violated in it), so nothing to minimize`);
  const wanted = await policiesFor(c, file, name);
  const [policy] = wanted;
  let code = -1;
  for (const { result, id } of wanted.map((p) => ({ result: replayOn(c, p).result, id: p.id }))) {
    const list = target.documented ? result.documented : result.violations;
    const found = list.find((f) => f.classId === target.classId);
    if (found === undefined) {
      const how = target.documented ? 'met' : 'violated';
      talk(`${file}: ${target.classId} is not ${how} on ${id}, so there is nothing to minimize`);
      return EXIT.finding;
    }
    code = found.code;
  }
  const { scenario, minimality } = search(file, shrinkers.of(wanted), c, {
    code,
    documented: target.documented,
  });
  const others = Object.keys(c.expect).filter((id) => id !== policy!.id);
  const known = others.filter((id) => findPolicy(id) !== undefined);
  const lost = others.filter((id) => !known.includes(id));
  const { policies } = await choosePolicies(known);
  const same = JSON.stringify(scenario.steps) === JSON.stringify(c.steps);
  // Words about numbered steps are wrong once the steps are others.
  const words = same || !/\bstep \d/.test(c.explanation) ? { explanation: c.explanation } : {};
  const plain = wanted.length === 1 && !target.documented;
  const built = buildCounterexample({
    scenario,
    policy: policy!,
    code,
    documented: target.documented,
    minimality: plain ? minimality : { ...minimality, policies: wanted.map((p) => p.id) },
    provenance: { ...c.provenance, found: 'minimize' },
    policies,
    title: c.title,
    references: c.references,
    ...words,
  });
  const text = formatCounterexample({ ...built, expect: withPinnedCosts(built, c, [policy!, ...policies]) });
  if (to === undefined) print(text);
  else write(to, text);

  const [before, after] = [c.steps.length, scenario.steps.length];
  const proved = minimality.kind === 'shortest';
  const how = proved ? 'shortest' : '1-minimal: no single step can be left out';
  talk(`${file}: ${before} -> ${after} steps, ${how} (${minimality.scope})`);
  if (states !== undefined && minimality.reason !== undefined) talk(`${file}: ${minimality.reason}`);
  if (same) talk('the steps are as they were');
  else for (const line of difference(c, built)) talk(line);
  if (lost.length > 0) talk(`no expectation any more for ${lost.join(', ')}, which is not built in`);
  if (to !== undefined) talk(`written to ${to}`);
  return states === undefined || proved ? EXIT.ok : EXIT.goalsMissed;
}

function search(
  file: string,
  shrinkers: readonly Shrinker[],
  { setup, steps }: Counterexample,
  target: Target,
): Shrunk {
  const screen = progressLine();
  const work = shrinkingForAll(shrinkers, { setup, steps }, target);
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

/** That of the command line, or those that the file asks for. */
async function policiesFor(
  c: Counterexample,
  file: string,
  name: string | undefined,
): Promise<readonly ExpandedPolicy[]> {
  const names = name === undefined ? (c.minimality.policies ?? [c.policy!]) : [name];
  const stranger = name === undefined ? names.find((id) => findPolicy(id) === undefined) : undefined;
  if (stranger !== undefined)
    throw inputError(
      `${file}: its policy ${stranger} is not built in; give its module with --policy ./FILE.ts`,
    );
  const { policies, broken } = await choosePolicies(names);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  if (policies.length !== names.length)
    throw usageError(`--policy is ${JSON.stringify(name)}; allowed: one policy`);
  // In the order asked for: the first is that of the file.
  return names.length === 1
    ? policies
    : names.map((id) => policies.find((p) => p.id === findPolicy(id)!.id)!);
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

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
      const pinned = Object.keys(old.expect[id]?.costs ?? {}) as (keyof Costs)[];
      const policy = policies.find((p) => p.id === id);
      if (pinned.length === 0 || policy === undefined) return [id, expectation];
      const { costs } = replayOn(built, policy).result;
      return [id, { ...expectation, costs: Object.fromEntries(pinned.map((cost) => [cost, costs[cost]])) }];
    }),
  );
}

/** Steps that went and steps that came, as in a diff without context. */
function difference(before: Counterexample, after: Counterexample): string[] {
  const [old, now] = [before.steps.map(stepText), after.steps.map(stepText)];
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

/** The whole file or none of it. */
function write(out: string, text: string): void {
  const partial = `${out}.partial`;
  try {
    writeFileSync(partial, text);
    renameSync(partial, out);
  } catch (error) {
    rmSync(partial, { force: true });
    throw inputError(`${out}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}
