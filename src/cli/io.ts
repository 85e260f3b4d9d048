/**
 * Where commands print: data to stdout, talk to stderr; colours only on a terminal (program.ts sees to that). Nothing
 * else writes there, and nothing gets there that a terminal obeys (clean.ts).
 */
import { stripVTControlCharacters } from 'node:util';
import { plain } from '../scenario/file-error.ts';
import { cleanLine, cleanText, paint } from './clean.ts';

export { paint };

const ended = (text: string): string => (text.endsWith('\n') || text === '' ? text : `${text}\n`);

/** Data. */
export function print(text: string): void {
  process.stdout.write(cleanText(ended(text)));
}

/** Data of one line, such as what is said of a file. */
export function printLine(line: string): void {
  process.stdout.write(`${cleanLine(line)}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** One line to the person at the terminal. */
export function talk(line: string): void {
  process.stderr.write(`gupfuzz: ${cleanLine(line)}\n`);
}

/** Text of several lines to the person at the terminal. */
export function talkText(text: string): void {
  process.stderr.write(cleanText(ended(text)));
}

/** Columns of the terminal; 100 elsewhere. Nothing is made for less than 40. */
export const width = (): number => Math.max(40, Math.min(process.stdout.columns ?? 100, 140));

/** For tables, and lines that scripts look for: columns of the terminal; elsewhere as many as it takes. */
export const terminalWidth = (): number => (process.stdout.isTTY ? width() : Number.POSITIVE_INFINITY);

/** For printResult: what keeps what is found, and where. */
export const whereKept = (out: string | undefined): string =>
  out === undefined ? '--out FOLDER keeps what is found' : `what was found is in ${plain(out)}/`;

/** Lines that a screen must have left for what is said on stderr, and for the shell. */
const SPARE = 6;

/**
 * What a command has to tell. To a person who stopped it, at a terminal: as much as one screen holds, then `rest`, which
 * says where there is more.
 */
export function printResult(text: string, stopped: boolean, rest: string): void {
  const lines = ended(text).split('\n').slice(0, -1);
  const { columns = 80, rows = 24, isTTY } = process.stdout;
  let room = stopped && isTTY ? Math.max(1, rows - SPARE) : Number.POSITIVE_INFINITY;
  const shown = lines.findIndex((line) => {
    room -= Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns));
    return room < 0;
  });
  if (shown < 0) print(text);
  else print([...lines.slice(0, shown), `... and ${lines.length - shown} more lines; ${rest}`].join('\n'));
}
