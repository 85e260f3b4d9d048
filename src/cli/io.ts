/** Where commands print. Data to stdout, talk to stderr; colours only on a terminal (main.ts sees to that). */
import pc from 'picocolors';
import type { Paint } from '../report/paint.ts';

/** Data. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** One line to the person at the terminal. */
export function talk(line: string): void {
  process.stderr.write(`gupfuzz: ${line}\n`);
}

export const paint: Paint = pc;

/** Columns of the terminal; 100 elsewhere. */
export const width = (): number => Math.max(60, Math.min(process.stdout.columns ?? 100, 140));
