/** `save`: a catalogue file from steps. What is said of policies comes from running them, never from the person. */
import { basename, join } from 'node:path';
import { makeFolder } from '../campaign/folder.ts';
import { replayOn } from '../executor/replay.ts';
import type { FoundInRun } from '../executor/run.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { ERAS, ownBaseOf } from '../policies/base.ts';
import { findPolicy } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { mostTelling } from '../regression/subject.ts';
import { buildCounterexample } from '../report/counterexample.ts';
import { command } from '../report/shell.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { remarksOf } from '../scenario/text.ts';
import { choosePolicies } from './choose.ts';
import { inputError, usageError, worst } from './exit.ts';
import { EXTENSION, exitOf, loadFiles, type ReadFile, reportProblems, shownName } from './files.ts';
import { print, talk } from './io.ts';
import { checkTargets, isFolder, write } from './write.ts';

export interface SaveOptions {
  readonly paths: readonly string[];
  readonly policy: string | undefined;
  /** A file, or a folder for several; undefined: stdout. */
  readonly out: string | undefined;
}

export async function runSave({ paths, policy, out }: SaveOptions): Promise<number> {
  const { policies, broken } = await choosePolicies(policy === undefined ? ['all'] : ['all', policy]);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  if (policy === 'all') throw usageError('--policy is "all"; allowed: one policy');
  const loaded = loadFiles(paths);
  const folder = out !== undefined && isFolder(out);
  if (loaded.files.length > 1 && (out === undefined || !(folder || !out.endsWith(EXTENSION))))
    throw usageError('several files need --out FOLDER');
  reportProblems(loaded);
  const several = loaded.files.length > 1 || folder;
  if (out !== undefined && several)
    checkTargets(new Map(loaded.files.map(({ file }) => [file, inFolder(out, file)])));
  const asked =
    policy === undefined
      ? undefined
      : policies.find((p) => p.id === (findPolicy(policy)?.id ?? policies.at(-1)!.id));
  for (const read of loaded.files) {
    const c = saved(read, policies, asked);
    const text = formatCounterexample(c);
    const name = shownName(read.file);
    let written: string | undefined;
    if (out === undefined) print(text);
    else {
      const to = several ? inFolder(out, read.file) : out;
      if (several && !folder) makeFolder(out);
      write(to, text);
      written = to;
      talk(`${name}: written to ${to}`);
    }
    const what = c.class !== null ? `${classId(c.class)} on ${c.policy}` : 'nothing is violated';
    talk(`${name}: ${c.id}, ${what}; ${provedText(c, written)}`);
  }
  return worst([exitOf(loaded)]);
}

const inFolder = (folder: string, file: string): string =>
  join(folder, basename(shownName(file)).replace(/(?:\.gup)?(?:\.json)?$/, EXTENSION));

/** `file`: where it was written, if anywhere. */
function provedText({ minimality: { kind } }: Counterexample, file: string | undefined): string {
  if (kind === 'shortest') return 'proved to be shortest';
  const how = file === undefined ? '' : `; ${command('minimize', '--shortest', '--in-place', file)} says`;
  return `how small it can get is not known${how}`;
}

/** The whole file: what it says of policies is what they do now. */
function saved(
  { file, counterexample: c, text }: ReadFile,
  policies: readonly ExpandedPolicy[],
  asked: ExpandedPolicy | undefined,
): Counterexample {
  const found = subject(c, policies, asked);
  if (asked !== undefined && found?.policy !== asked)
    throw inputError(`${shownName(file)}: nothing is violated in it on ${asked.id}`);
  const policy = found?.policy ?? policies.find((p) => p.id === ERAS.at(-1)!.id)!;
  const words =
    text === undefined
      ? { title: c.title, explanation: c.explanation }
      : {
          ...(text.title === undefined ? {} : { title: text.title }),
          ...wordsOf([text.explanation ?? '', ...remarksOf(text)]),
        };
  const expected = policies.filter((p) => p === policy || findPolicy(p.id) !== undefined);
  const built = buildCounterexample({
    scenario: c,
    policy,
    ...(found === undefined ? {} : { code: found.code }),
    documented: found?.documented ?? false,
    minimality: { kind: 'none', scope: 'as written', depth: 0 },
    provenance: c.provenance,
    policies: expected,
    references: c.references,
    ...words,
  });
  // A proof is of the class, the policies and the steps.
  const proved = built.class !== null && c.class !== null && classId(built.class) === classId(c.class);
  return proved && built.policy === c.policy ? { ...built, minimality: c.minimality } : built;
}

const wordsOf = (parts: readonly string[]): { readonly explanation?: string } => {
  const explanation = parts.filter((part) => part !== '').join(' ');
  return explanation === '' ? {} : { explanation };
};

interface Subject {
  readonly policy: ExpandedPolicy;
  readonly code: number;
  readonly documented: boolean;
}

/** What the file is about: its own class where that is still violated, else what tells most, else documented. */
function subject(
  c: Counterexample,
  policies: readonly ExpandedPolicy[],
  asked: ExpandedPolicy | undefined,
): Subject | undefined {
  const own = policies.find((p) => p.id === c.policy);
  const candidates =
    asked !== undefined
      ? [asked]
      : [...(own === undefined ? [] : [own]), ...policies.filter((p) => ERAS.some(({ id }) => id === p.id))];
  const results = candidates.map((policy) => ({ policy, result: replayOn(c, policy).result }));
  const take = (list: readonly FoundInRun[]): FoundInRun | undefined =>
    list.find((f) => c.class !== null && f.classId === classId(c.class)) ?? list[0];
  for (const documented of [false, true])
    for (const { policy, result } of results) {
      const { violations } = result;
      const found = take(
        documented ? result.documented : mostTelling(c, policy, ownBaseOf(policy), violations),
      );
      if (found !== undefined) return { policy, code: found.code, documented };
    }
  return undefined;
}
