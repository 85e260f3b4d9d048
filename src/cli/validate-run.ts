/** `validate`: one line per file. What is wrong is the result here, so it goes to stdout like what is right. */
import { replayOn } from '../executor/replay.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { ERAS } from '../policies/base.ts';
import { classId } from '../property/property.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { choosePolicies } from './choose.ts';
import { exitOf, loadFiles, shownName } from './files.ts';
import { paint, printJson, printLine, talk } from './io.ts';
import type { VALIDATE_FORMATS } from './validate.ts';

export interface ValidateOptions {
  readonly paths: readonly string[];
  readonly format: (typeof VALIDATE_FORMATS)[number];
}

export async function runValidate(options: ValidateOptions): Promise<number> {
  const loaded = loadFiles(options.paths);
  const { files, problems, empty, notes } = loaded;
  const { policies } = await choosePolicies(ERAS.map((p) => p.id));
  if (options.format === 'json')
    printJson({
      files: files.map(({ file, counterexample: c }) => ({
        file: shownName(file),
        id: c.id,
        title: c.title,
        claims: c.class === null ? null : { policy: c.policy, class: classId(c.class) },
        breaks: c.class === null ? Object.fromEntries(breaks(c, policies)) : null,
      })),
      problems,
      notes,
    });
  else {
    for (const { file, counterexample: c } of files)
      printLine(
        `${shownName(file)}: ${paint.green('ok')}: ${c.steps.length} ${c.steps.length === 1 ? 'step' : 'steps'}, ${saysText(c, policies)}`,
      );
    for (const note of notes) printLine(note);
    for (const { file, message } of problems)
      printLine(
        message.startsWith(`${file}: `)
          ? `${file}: ${paint.red('bad')}: ${message.slice(file.length + 2)}`
          : message,
      );
  }
  for (const folder of empty) talk(`${folder}: there is no counterexample in this folder`);
  if (files.length + problems.length > 1) talk(`${files.length} good, ${problems.length} bad`);
  return exitOf(loaded);
}

/** A class is what the file claims, `replay` says whether it is so; without one, what the policies of kernels break. */
function saysText(c: Counterexample, policies: readonly ExpandedPolicy[]): string {
  if (c.class !== null) return `claims ${classId(c.class)} on ${c.policy}`;
  const found = breaks(c, policies);
  const broken = found.filter(([, { classes }]) => classes.length > 0);
  const cannot = found.filter(([, { whyNot }]) => whyNot !== null);
  const parts = [
    ...broken.map(([id, { classes }]) => `${id} violates ${classes.join(', ')}`),
    ...(cannot.length === 0 ? [] : [`${cannot[0]![1].whyNot} (on ${cannot.map(([id]) => id).join(', ')})`]),
  ];
  return `no class; ${parts.length === 0 ? `nothing is violated on ${policies.map((p) => p.id).join(', ')}` : parts.join('; ')}`;
}

interface Breaks {
  readonly classes: readonly string[];
  readonly whyNot: string | null;
}

const breaks = (c: Counterexample, policies: readonly ExpandedPolicy[]): [string, Breaks][] =>
  policies.map((policy) => {
    const { classes, result } = replayOn(c, policy);
    const { notApplicable: at, whyNot } = result;
    return [policy.id, { classes, whyNot: at < 0 ? null : `step ${at + 1} does not apply: ${whyNot}` }];
  });
