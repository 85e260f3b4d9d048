/**
 * Where commands print: data to stdout, talk to stderr; colours only on a terminal (main.ts sees to that). Nothing
 * else writes there, and nothing gets there that a terminal obeys (clean.ts).
 */
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
