/** `show`: one counterexample for people, for mail, or as plain steps. */
import { basename } from 'node:path';
import { replayOn } from '../executor/replay.ts';
import { findPolicy } from '../policies/index.ts';
import { expectationOf } from '../report/counterexample.ts';
import { expectationText, renderFinding } from '../report/finding.ts';
import { renderMail } from '../report/mail.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { formatCounterexample } from '../scenario/file.ts';
import { formatText, rewriteText } from '../scenario/text.ts';
import { choosePolicies } from './choose.ts';
import { EXIT } from './exit.ts';
import { readOne } from './files.ts';
import { paint, print, talk, width } from './io.ts';
import { notesOf } from './replay-run.ts';
import type { SHOW_FORMATS } from './show.ts';

export interface ShowOptions {
  readonly file: string;
  readonly format: (typeof SHOW_FORMATS)[number];
  readonly policies: readonly string[];
}

export async function runShow(options: ShowOptions): Promise<number> {
  const { file, format } = options;
  const { counterexample: c, text } = readOne(file);
  const { policies, broken } = await choosePolicies(options.policies);
  for (const { message } of broken) talk(message);
  switch (format) {
    case 'json':
      print(formatCounterexample(c));
      break;
    case 'steps':
      print(text === undefined ? formatText(c, c) : rewriteText(text, c));
      break;
    case 'mail':
      print(renderMail(c, basename(file))); // as it is attached, not where it lies here
      break;
    case 'text':
      print(renderFinding(c, file, { paint, width: width(), full: true, notes: await notes(c) }));
  }
  if (policies.length > 0 && (format === 'text' || format === 'mail')) {
    const room = Math.max(...policies.map((p) => p.id.length));
    print(
      `\nRun just now:\n${policies
        .map((p) => `  ${p.id.padEnd(room)}  ${expectationText(expectationOf(replayOn(c, p).result))}\n`)
        .join('')}`,
    );
  }
  return broken.length > 0 ? EXIT.badInput : EXIT.ok;
}

/** What becomes of each step on the policy of the file, if that is built in. */
async function notes(c: Counterexample): Promise<string[]> {
  if (c.policy === null || findPolicy(c.policy) === undefined) return [];
  const { policies } = await choosePolicies([c.policy]);
  const { outcomes, errnos } = replayOn(c, policies[0]!).result;
  return notesOf(outcomes).map((note, i) => (errnos.has(i) ? `${note}: ${errnos.get(i)}` : note));
}
