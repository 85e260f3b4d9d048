/** `gupfuzz check`: every program of a small scope, up to a depth or for any. */
import { type Command, defineCommand } from './command.ts';
import { CHECK_SCOPE } from './defaults.ts';
import { usageError } from './exit.ts';
import { type ScopeFlags, scopeFlagsOf, withScope } from './scope-options.ts';

export const CHECK_FORMATS = ['text', 'json'] as const;
const GRAIN_NAMES = ['class', 'property'] as const;
/** As many steps as a counterexample file may have. */
const DEPTH_MAX = 200;
/** States are numbered in 32 bits. */
const STATES_MAX = 2 ** 30;
const THREADS_MAX = 64;
const MEMORY_MIN = 16 * 2 ** 20;

export interface CheckOptions {
  readonly policy: string;
  /** Undefined: the built-in policy that it derives from. */
  readonly base: string | undefined;
  /** Stop at the first regression; of a built-in policy without `base`, at the first broken promise. */
  readonly first: boolean;
  readonly scope: ScopeFlags;
  /** Steps; Infinity: until every state was visited. */
  readonly depth: number;
  readonly grain: (typeof GRAIN_NAMES)[number];
  readonly symmetry: boolean;
  /** Undefined: as many as can be numbered. */
  readonly states: number | undefined;
  /** Bytes; undefined: a share of what is free. */
  readonly memory: number | undefined;
  readonly threads: number | undefined;
  readonly checkpoint: string | undefined;
  readonly resume: string | undefined;
  readonly force: boolean;
  /** Folder for counterexamples. */
  readonly out: string | undefined;
  /** Show and keep documented exceptions like counterexamples. */
  readonly documented: boolean;
  readonly format: (typeof CHECK_FORMATS)[number];
  readonly quiet: boolean;
}

/** `512M`, `4G`, `1.5GiB`: bytes. */
function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)([KMGT])(?:i?B)?$/i.exec(text);
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * 1024 ** (1 + 'KMGT'.indexOf(match[2]!.toUpperCase()));
  if (!(bytes >= MEMORY_MIN && bytes <= 2 ** 50))
    throw usageError(
      `--memory is ${JSON.stringify(text)}; allowed: a size from ${MEMORY_MIN / 2 ** 20}M on, such as 512M or 4G`,
    );
  return Math.floor(bytes);
}

export const check: Command = defineCommand<CheckOptions>({
  usage: 'check',
  describe: 'Run every program of a small scope on a policy: what breaks, what holds',
  builder: (yargs) =>
    withScope(
      yargs.option('policy', {
        alias: 'p',
        type: 'string',
        requiresArg: true,
        describe: 'id, alias or ./module.ts',
      }),
      CHECK_SCOPE,
    )
      .option('base', {
        type: 'string',
        requiresArg: true,
        describe: 'judge it beside this one: is there a program on which it is worse?',
        defaultDescription: 'of a policy that is not built in, the built-in one it derives from',
      })
      .option('first', {
        type: 'boolean',
        describe: 'stop at the first regression (beside nothing: at the first broken promise)',
      })
      .option('depth', {
        type: 'string',
        requiresArg: true,
        describe: 'programs of up to so many steps',
        defaultDescription: 'any number',
      })
      .option('grain', {
        type: 'string',
        requiresArg: true,
        describe: 'property: far fewer states, says which property breaks but not each class',
        defaultDescription: 'class',
      })
      .option('no-symmetry', { type: 'boolean', describe: 'keep what differs by names alone apart (slow)' })
      .option('states', { type: 'string', requiresArg: true, describe: 'give up after so many states' })
      .option('memory', {
        type: 'string',
        requiresArg: true,
        describe: 'give up if states take more, such as 4G; threads need some on top',
        defaultDescription: '60 % of what is free',
      })
      .option('threads', {
        type: 'string',
        requiresArg: true,
        describe: 'the result does not depend on it',
        defaultDescription: 'one per core',
      })
      .option('checkpoint', {
        type: 'string',
        requiresArg: true,
        describe: 'file: written every five minutes and when the search stops',
      })
      .option('resume', { type: 'string', requiresArg: true, describe: 'go on from this checkpoint' })
      .option('force', { type: 'boolean', describe: 'start although it looks too large to end' })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'folder: every counterexample as a file',
      })
      .option('documented', {
        type: 'boolean',
        describe: 'also show and keep mismatches that are documented, not broken',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: CHECK_FORMATS.join(' or '),
        defaultDescription: 'text',
      })
      .option('quiet', { alias: 'q', type: 'boolean', describe: 'no progress' })
      .example('$0 check -p longterm-ban --scope anon', 'One anonymous page, two processes, any depth')
      .example(
        '$0 check -p ./mine.ts --base longterm-ban --scope shared-file',
        'The shortest programs on which it breaks what v6.5 keeps, or none',
      )
      .example('$0 check -p ./mine.ts --scope shared-file --refs 2 --depth 6', '')
      .epilogue(
        '1: a regression beside the base; of a built-in policy without --base, what history does not know of it. ' +
          '6: a search stopped before it was complete and found no such thing. 4: no property of it could be tested.',
      ),
  options: (args) => {
    const policy = args.text('policy');
    if (policy === undefined) throw usageError('--policy is missing; allowed: id, alias or ./module.ts');
    if (policy === 'all') throw usageError('--policy is "all"; allowed: one policy');
    return {
      policy,
      base: args.text('base'),
      first: args.flag('first'),
      scope: scopeFlagsOf(args),
      depth: args.whole('depth', 1, DEPTH_MAX) ?? Infinity,
      grain: args.oneOf('grain', GRAIN_NAMES) ?? 'class',
      symmetry: !args.flag('no-symmetry'),
      states: args.whole('states', 1, STATES_MAX),
      memory: bytesOf(args.text('memory')),
      threads: args.whole('threads', 1, THREADS_MAX),
      checkpoint: args.text('checkpoint'),
      resume: args.text('resume'),
      force: args.flag('force'),
      out: args.text('out'),
      documented: args.flag('documented'),
      format: args.oneOf('format', CHECK_FORMATS) ?? 'text',
      quiet: args.flag('quiet'),
    };
  },
  run: async (options) => (await import('./check-run.ts')).runCheck(options),
});

/** `compare --check`: the candidate beside the base on a named scope, with all else as `check` has it without flags. */
export const besideOptions = (
  policy: string,
  base: string,
  scope: string,
  more: Pick<CheckOptions, 'out' | 'format'>,
): CheckOptions => ({
  policy,
  base,
  first: false,
  scope: {
    scope,
    pages: undefined,
    mms: undefined,
    refs: undefined,
    tasks: undefined,
    parts: undefined,
    pinBias: undefined,
    filesystem: undefined,
    filePages: undefined,
    swap: undefined,
    gups: undefined,
    ops: undefined,
    without: [],
  },
  depth: Infinity,
  grain: 'class',
  symmetry: true,
  states: undefined,
  memory: undefined,
  threads: undefined,
  checkpoint: undefined,
  resume: undefined,
  force: false,
  documented: false,
  quiet: false,
  ...more,
});
