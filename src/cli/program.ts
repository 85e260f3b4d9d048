/**
 * The command line. Parses, calls one command, sets the exit code. Data goes to stdout, talk to stderr. Commands are
 * loaded when they are called: `--help` loads yargs and this file.
 */
import { readFileSync } from 'node:fs';
import yargs, { type Argv } from 'yargs';
import { packageFile } from '../installed.ts';
import { hint, nearest } from '../policies/nearest.ts';
import { program } from '../report/shell.ts';
import { isOutOfFiles, TOO_MANY_FILES } from '../campaign/too-many-files.ts';
import { Args, type Command, hideStdin, shownWord } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, EXIT_HELP, UserError, usageError } from './exit.ts';
import { print, talk, talkText } from './io.ts';

const EPILOGUE = (): string => `${EXIT_HELP}

Data goes to stdout, everything else to stderr. NO_COLOR is respected.
Examples:
  ${program()} fuzz --policy ./mine.ts --policy longterm-ban
  ${program()} check --policy ./mine.ts --scope pin
  ${program()} replay counterexamples/ --policy ./mine.ts
  ${program()} compare --base longterm-ban --cand ./mine.ts --runs 20000`;

interface Selected {
  readonly command: Command;
  readonly args: Args;
}

/** The command and its arguments, or undefined if help, version or the completion script was printed. */
async function parse(argv: readonly string[]): Promise<Selected | undefined> {
  let selected: Selected | undefined;
  if (argv[0] === '--get-yargs-completions') {
    // The words so far, the program's name first; the last is what is typed.
    const values = await valuesFor(argv.slice(2));
    if (values !== undefined) {
      print(values.join('\n'));
      return undefined;
    }
  }
  let parser: Argv = yargs(hideStdin(argv))
    .scriptName(argv[0] === 'completion' ? 'gupfuzz' : program())
    .usage(
      '$0 <command>\n\nFuzzes the rules by which Linux decides copy-on-write, GUP, pins, fork and writeback.',
    )
    .detectLocale(false)
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-positional-numbers': false,
      'parse-numbers': false,
      'boolean-negation': false,
      'short-option-groups': false,
      'strip-aliased': true,
    })
    .exitProcess(false)
    .strict()
    .help('help')
    .alias('help', 'h')
    .version(version())
    .alias('version', 'V')
    .wrap(Math.min(100, process.stdout.columns ?? 100))
    .epilogue(EPILOGUE())
    .demandCommand(1, 'NO COMMAND')
    .fail((message, error) => {
      throw error ?? new YargsError(message);
    });
  // yargs forgets them once it is done.
  let flags = knownFlags(parser);
  for (const { usage, describe, load } of COMMANDS)
    parser = parser.command(
      usage,
      describe,
      async (y) => {
        const built = (await load()).builder(
          y.usage(`${program()} ${usage}\n\n${describe}`).epilogue(EXIT_HELP),
        );
        flags = knownFlags(built);
        return built;
      },
      async (args) => {
        const { _: words, $0: _script, ...values } = args;
        if (words.length > 1)
          throw usageError(`${String(words[0])} takes no argument ${JSON.stringify(shownWord(words[1]))}`);
        selected = { command: await load(), args: new Args(values) };
      },
    );
  keepNoHelp(parser);
  try {
    await parser.completion('completion', 'Print a completion script for bash or zsh').parseAsync();
  } catch (error) {
    if (error instanceof Error && error.name === 'YError')
      throw usageError(explain(error.message, beforeDashes(argv), flags));
    throw error;
  }
  return selected;
}

/** The words that may be flags. */
const beforeDashes = (argv: readonly string[]): readonly string[] =>
  argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;

/** Undefined: the command is typed. */
async function valuesFor(words: readonly string[]): Promise<readonly string[] | undefined> {
  const entry = COMMANDS.find((c) => c.usage.split(' ')[0] === words[0]);
  if (entry === undefined) return undefined;
  const { flagsOf, completions } = await import('./complete.ts');
  return completions(words, flagsOf((await entry.load()).builder));
}

/** What yargs has to say about the command line; it throws some of it itself, under this name. */
class YargsError extends Error {
  override name = 'YError';
}

/** yargs' messages in our words: one line that names the flag, and the one that was meant. */
function explain(message: string, argv: readonly string[], flags: readonly string[]): string {
  const name = argv.find((a) => !a.startsWith('-'));
  const command = COMMANDS.find((c) => c.usage.split(' ')[0] === name);
  const help = `see ${program()} ${command === undefined ? '' : `${name} `}--help`;
  if (message === 'NO COMMAND' || (command === undefined && name !== undefined && /^Unknown/.test(message))) {
    const names = [...COMMANDS.map((c) => c.usage.split(' ')[0]!), 'completion'];
    if (name === undefined) return `which command? There is: ${names.join(', ')}; ${help}`;
    return `there is no command ${JSON.stringify(name)}${hint(name, names)} There is: ${names.join(', ')}`;
  }
  const unknown = /^Unknown (?:argument|command)s?: (.*)$/.exec(message)?.[1]?.split(', ')[0];
  if (unknown !== undefined) {
    const typed = argv.find((a) => a.startsWith('-') && flagName(a) === unknown);
    return typed === undefined
      ? `unknown argument ${JSON.stringify(shownWord(unknown))}; ${help}`
      : unknownFlag(typed, flags, help);
  }
  // yargs takes the word after an unknown flag for its value and then misses an argument.
  const stranger = argv.find(
    (a) => /^--?[a-zA-Z]/.test(a) && flags.length > 0 && !flags.includes(flagName(a)),
  );
  if (stranger !== undefined) return unknownFlag(stranger, flags, help);
  const lacking = /^Not enough arguments following: (.*)$/.exec(message)?.[1];
  if (lacking !== undefined) return `--${lacking} needs a value; ${help}`;
  if (/^Not enough non-option arguments/.test(message))
    return `${command?.usage ?? ''}: an argument is missing; ${help}`;
  return `${message.replace(/\s+/g, ' ').trim()}; ${help}`;
}

const flagName = (word: string): string => word.replace(/^-+/, '').split('=')[0]!;

function unknownFlag(typed: string, flags: readonly string[], help: string): string {
  const near = nearest(
    flagName(typed),
    flags.filter((f) => f.length > 1),
  );
  return `unknown flag ${typed.split('=')[0]}; ${near === undefined ? help : `did you mean --${near}? (${help})`}`;
}

/** Flags of the command at hand. yargs knows them, its types do not say so. */
function knownFlags(parser: Argv): string[] {
  const { getOptions } = parser as unknown as {
    getOptions?: () => { readonly key: Readonly<Record<string, unknown>> };
  };
  if (typeof getOptions !== 'function') return [];
  return Object.keys(getOptions.call(parser).key);
}

/** yargs makes the text of `--help` whenever a command is called, to keep it: a tenth of the time that `replay` takes. */
function keepNoHelp(parser: Argv): void {
  const { getInternalMethods } = parser as unknown as {
    getInternalMethods?: () => { getUsageInstance?: () => { cacheHelpMessage?: () => void } };
  };
  const usage = getInternalMethods?.call(parser).getUsageInstance?.();
  if (usage !== undefined) usage.cacheHelpMessage = () => {};
}

function version(): string {
  try {
    const { version: found } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
      readonly version?: string;
    };
    return found ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const selected = await parse(argv);
    return selected === undefined ? EXIT.ok : await selected.command.execute(selected.args);
  } catch (error) {
    return report(error);
  }
}

/** One line on stderr; a stack only for whoever debugs us. */
function report(error: unknown): number {
  if (error instanceof UserError) {
    talk(error.message);
    return error.exitCode;
  }
  if (isOutOfFiles(error)) {
    talk(TOO_MANY_FILES);
    return EXIT.system;
  }
  const what = error instanceof Error ? error.message : String(error);
  talk(`${what.split('\n')[0]}; this is a bug of gupfuzz, please report it`);
  if (process.env.GUPFUZZ_DEBUG === '1' && error instanceof Error) talkText(String(error.stack));
  else talk('GUPFUZZ_DEBUG=1 shows where');
  return EXIT.bug;
}

/** A reader that went away (`| head`) is no error: the command goes on unheard, for its exit code. */
function onWriteError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  talk(`the output cannot be written: ${error.code ?? error.message}`);
  process.exit(ended(EXIT.badInput));
}
process.stdout.on('error', onWriteError);
process.stderr.on('error', onWriteError);
// Libraries look at CI and TERM too; a file or a pipe never gets colours unless they are forced.
if (process.stdout.isTTY !== true && process.env.FORCE_COLOR === undefined) process.env.NO_COLOR = '1';
// git bisect run: whatever is not a verdict means that this version cannot be tested.
const bisect = process.argv.includes('--bisect');
const ended = (code: number): number =>
  bisect && code !== EXIT.ok && code !== EXIT.finding ? EXIT.bisectSkip : code;
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error: unknown) => process.exit(ended(report(error))));
process.exitCode = ended(await main(process.argv.slice(2)));
