/** `show`: one counterexample for people, for mail, or as plain steps. */
import { replayOn } from '../executor/replay.ts';
import { notDone } from '../executor/run.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { ERAS } from '../policies/base.ts';
import { findPolicy } from '../policies/index.ts';
import { WIDTH_DEFAULT as MAIL_WIDTH, wrapText } from '../report/columns.ts';
import { expectationOf } from '../report/counterexample.ts';
import { expectationText, renderFinding } from '../report/finding.ts';
import { renderMail } from '../report/mail.ts';
import { notesUnder } from '../report/notes.ts';
import type { ReplayBy } from '../report/shell.ts';
import { type Counterexample, saysNothing } from '../scenario/definition.ts';
import { byNumbers, formatCounterexample } from '../scenario/file.ts';
import { formatText, rewriteText } from '../scenario/text.ts';
import { choosePolicies } from './choose.ts';
import { EXIT } from './exit.ts';
import { readOne, STDIN } from './files.ts';
import { paint, print, talk, width } from './io.ts';
import type { SHOW_FORMATS } from './show.ts';

export interface ShowOptions {
  readonly file: string;
  readonly format: (typeof SHOW_FORMATS)[number];
  readonly policies: readonly string[];
}

export async function runShow(options: ShowOptions): Promise<number> {
  const { file, format } = options;
  const { counterexample: c, text } = readOne(file);
  const asked = options.policies.length > 0 ? options.policies : saysNothing(c) ? ERAS.map((p) => p.id) : [];
  const { policies, broken } = await choosePolicies(asked);
  for (const { message } of broken) talk(message);
  switch (format) {
    case 'json':
      print(formatCounterexample(c));
      break;
    case 'steps':
      print(text === undefined ? formatText(c, c) : rewriteText(text, c));
      break;
    case 'mail': {
      const policy = await breakerOf(c, options.policies);
      print(
        renderMail(c, {
          ...(policy === undefined ? {} : { policy }),
          notes: await notes(c, policies),
          more: justNow(c, policies, MAIL_WIDTH),
        }),
      );
      break;
    }
    case 'text':
      print(
        renderFinding(c, file === STDIN ? '' : file, {
          paint,
          width: width(),
          full: true,
          notes: await notes(c, policies),
          by: replayBy(c, policies),
        }),
      );
      if (isForeign(c) && policies.every((p) => p.id !== c.policy))
        print(`${c.policy} is not built in: --policy names the module that has it.\n`);
  }
  if (policies.length > 0 && format === 'text')
    print(`\n${justNow(c, policies, Number.POSITIVE_INFINITY).join('\n')}\n`);
  return broken.length > 0 ? EXIT.badInput : EXIT.ok;
}

const isForeign = ({ policy }: Counterexample): boolean =>
  policy !== null && findPolicy(policy) === undefined;

/** Of a policy that is not built in the module: the one that was given, else a name that it may have. */
function replayBy(c: Counterexample, given: readonly ExpandedPolicy[]): ReplayBy {
  if (!isForeign(c)) return {};
  return { policy: given.find((p) => p.id === c.policy)?.module ?? `./${c.policy}.ts` };
}

/** The policy that the file says breaks it, with the conditions of its rules, if it is a module that was asked for. */
async function breakerOf(c: Counterexample, asked: readonly string[]): Promise<ExpandedPolicy | undefined> {
  const { policies } = await choosePolicies(asked, { conditions: true });
  return policies.find((p) => p.id === c.policy);
}

function justNow(c: Counterexample, policies: readonly ExpandedPolicy[], most: number): string[] {
  if (policies.length === 0) return [];
  const room = Math.max(...policies.map((p) => p.id.length));
  return [
    'Run just now:',
    ...policies.flatMap((p) => wrapText(`  ${p.id.padEnd(room)}  ${madeOf(c, p)}`, most, '    ')),
  ];
}

/** What a policy makes of it, and which steps do not happen under it. */
function madeOf(c: Counterexample, policy: ExpandedPolicy): string {
  const { result } = replayOn(c, policy);
  if (result.policyError !== '') return `policy error: ${result.policyError}`;
  return [
    expectationText(expectationOf(result)),
    ...(result.notApplicable >= 0
      ? [`step ${result.notApplicable + 1} does not apply: ${result.whyNot}`]
      : []),
    ...(notDone(result) === '' ? [] : [notDone(result)]),
  ].join('; ');
}

/**
 * What becomes of each step under the policy of the file and those that were asked for; if there are none, under those
 * of which the file expects something.
 */
async function notes(c: Counterexample, asked: readonly ExpandedPolicy[]): Promise<string[]> {
  const named = c.policy === null && asked.length === 0 ? Object.keys(c.expect).sort(byNumbers) : [c.policy];
  const built = named.filter(
    (id): id is string => id !== null && findPolicy(id) !== undefined && asked.every((p) => p.id !== id),
  );
  const own = c.policy === null ? built.filter((id) => findPolicy(id)?.canary !== true) : built;
  return notesUnder(c, [...(own.length === 0 ? [] : (await choosePolicies(own)).policies), ...asked]);
}
