/**
 * What reaches a terminal. Names, titles, rules, messages and file names come from others and may hold whatever a
 * terminal obeys: controls and what hides or turns text around are shown as escapes, in JSON and in text alike. Only
 * our own colours are left, which carry a number that nobody outside this process knows.
 */
import { randomInt } from 'node:crypto';
import pc from 'picocolors';
import { type Paint, PLAIN } from '../report/paint.ts';
import { plain } from '../scenario/file-error.ts';

// As terminals write colours, so that who measures text knows them: groups of at most four digits.
const OURS = [1, 2, 3].map(() => randomInt(1000, 10_000)).join(';');
const MARK = new RegExp(`\\u001b\\[${OURS};(\\d+)m`);

const style =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${OURS};${on}m${text}\u001b[${OURS};${off}m`;

/** Ours to put colours into text; they become colours in `clean`. */
export const paint: Paint = isColourWanted()
  ? {
      bold: style(1, 22),
      dim: style(2, 22),
      red: style(31, 39),
      green: style(32, 39),
      yellow: style(33, 39),
      cyan: style(36, 39),
    }
  : PLAIN;

/** A file or a pipe never gets colours unless they are forced, whatever CI and TERM say. */
function isColourWanted(): boolean {
  return pc.isColorSupported && (process.stdout.isTTY === true || process.env.FORCE_COLOR !== undefined);
}

/** One line: what would break it is an escape too. */
export const cleanLine = (line: string): string => restored(line, plain);

/** Text of several lines, which may have tabs. Text without anything strange stays as it is, JSON of equal value. */
export const cleanText = (text: string): string => restored(text, (part) => part.replace(/[^\n\t]+/g, plain));

/** Splitting by MARK leaves text at even places and the numbers of our colours at odd ones. */
const restored = (text: string, clean: (part: string) => string): string =>
  text
    .split(MARK)
    .map((part, i) => (i % 2 === 1 ? `\u001b[${part}m` : clean(part)))
    .join('');
