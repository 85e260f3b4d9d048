/**
 * What a command is. yargs parses words into flags; `options` turns them into a typed object once, at the edge, and
 * `run` never sees yargs. A command file imports light modules only: `run` loads the rest when it is called.
 */
import type { Argv } from 'yargs';
import { hint } from '../policies/nearest.ts';
import { usageError } from './exit.ts';

/** One command, its options type hidden. */
export interface Command {
  /** Its first word. */
  readonly name: string;
  /** As yargs wants it: the name, then `<required>`, `[optional]`, `<several..>`. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly describe: string;
  readonly builder: (yargs: Argv) => Argv;
  /** Checks the arguments and runs. Throws UserError. */
  readonly execute: (args: Args) => Promise<number>;
}

export interface Definition<Options> {
  readonly usage: string;
  readonly describe: string;
  readonly builder: (yargs: Argv) => Argv;
  /** Throws UserError for a value that is not allowed. */
  readonly options: (args: Args) => Options;
  /** Returns an exit code (exit.ts). Throws UserError. */
  readonly run: (options: Options) => Promise<number>;
}

export function defineCommand<Options>(definition: Definition<Options>): Command {
  const { usage, describe, builder, options, run } = definition;
  return {
    name: usage.split(' ')[0]!,
    usage,
    describe,
    builder,
    execute: async (args) => run(options(args)),
  };
}

/** yargs loses an argument that is a lone `-`: stdin goes through it under this name, which no file has. */
const STDIN_WORD = '\u0000stdin';
export const hideStdin = (argv: readonly string[]): string[] => {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const hidden = argv.map((a, i) => {
    if (a === '-') return STDIN_WORD;
    return i > end && a.startsWith('-') ? `${FILE_WORD}${a}` : a;
  });
  // yargs keeps what follows `--` from a command's arguments.
  return hidden.filter((_, i) => i !== end);
};
/** Put before what follows `--` and begins with a dash: yargs reads positionals once more, and would take it for flags. */
const FILE_WORD = '\u0000file';
/** As it was typed. */
export const shownWord = (value: unknown): string => {
  if (value === STDIN_WORD) return '-';
  const text = String(value);
  return text.startsWith(FILE_WORD) ? text.slice(FILE_WORD.length) : text;
};

/** Arguments as yargs leaves them, read by type. Declare number flags as strings, so that messages can quote them. */
export class Args {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#once(name) === true;
  }

  /** A flag or positional with a value, given at most once. */
  text(name: string): string | undefined {
    const value = this.#once(name);
    if (value === undefined) return undefined;
    const text = shownWord(value);
    if (text === '') throw usageError(`${shown(name)} needs a value that is not empty`);
    return text;
  }

  /** A repeatable flag or the files of a command, in order. */
  texts(name: string): string[] {
    const value = this.#values[name];
    const list = value === undefined ? [] : Array.isArray(value) ? value.map(shownWord) : [shownWord(value)];
    if (list.includes('')) throw usageError(`${shown(name)} needs a value that is not empty`);
    return list;
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = allowed.find((a) => a === text);
    if (found === undefined)
      throw usageError(
        `${shown(name)} is ${JSON.stringify(text)}; allowed: ${allowed.join(', ')}${hint(text, allowed).replace(/^\.$/, '')}`,
      );
    return found;
  }

  /** A whole number within bounds; `1e6`, `10k` and `2M` are understood. */
  whole(name: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const parts = /^([+-]?\d+(?:\.\d+)?(?:e\d+)?)([kM]?)$/.exec(text);
    const value =
      parts === null ? Number.NaN : Number(parts[1]) * { '': 1, k: 1e3, M: 1e6 }[parts[2] as '' | 'k' | 'M'];
    if (!Number.isSafeInteger(value) || value < min || value > max)
      throw usageError(
        `${shown(name)} is ${JSON.stringify(text)}; allowed: a whole number ${range(min, max)}${parts === null ? ', such as 20000, 20k or 2M' : ''}`,
      );
    return value;
  }

  /** A time in ms: `500ms`, `30s`, `5m`, `1h`, `1h30m`; a plain number is seconds. */
  duration(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
    let ms = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 : Number.NaN;
    if (/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text))
      ms = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)].reduce(
        (sum, [, n, u]) => sum + Number(n) * unit[u as keyof typeof unit],
        0,
      );
    if (!(ms >= 1 && ms < 2 ** 31 * 1000))
      throw usageError(
        `${shown(name)} is ${JSON.stringify(text)}; allowed: a time such as 500ms, 30s, 5m, 1h`,
      );
    return ms;
  }

  #once(name: string): unknown {
    const value = this.#values[name];
    if (Array.isArray(value))
      throw usageError(`${shown(name)} is given ${value.length} times; allowed: once`);
    return value;
  }
}

/** Arguments that are no flags. */
const POSITIONALS = ['file', 'files', 'name', 'what', 'a', 'b'];

const shown = (name: string): string => (POSITIONALS.includes(name) ? name : `--${name}`);

const range = (min: number, max: number): string =>
  max === Number.MAX_SAFE_INTEGER ? (min === -max ? '' : `from ${min} on`) : `from ${min} to ${max}`;
