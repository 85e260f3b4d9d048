/** `gupfuzz distinguish`: does B behave otherwise than A at all, and what is the smallest program that shows it? */
import { type Command, defineCommand } from './command.ts';
import { DISTINGUISH_SCOPE } from './defaults.ts';
import { usageError } from './exit.ts';
import { type ScopeFlags, scopeFlagsOf, withScope } from './scope-options.ts';

export const DISTINGUISH_FORMATS = ['text', 'json', 'md'] as const;
export const DISTINGUISH_BY = ['observable', 'cost'] as const;
export const DISTINGUISH_STATES = 1_000_000;
const DEPTH_MAX = 200;
const STATES_MAX = 2 ** 30;
const THREADS_MAX = 64;

export interface DistinguishOptions {
  readonly a: string;
  readonly b: string;
  readonly scope: ScopeFlags;
  readonly by: (typeof DISTINGUISH_BY)[number];
  /** undefined: until they are told apart. */
  readonly depth: number | undefined;
  readonly states: number;
  readonly threads: number | undefined;
  /** Folder for one counterexample file per difference. */
  readonly out: string | undefined;
  readonly format: (typeof DISTINGUISH_FORMATS)[number];
}

export const distinguish: Command = defineCommand<DistinguishOptions>({
  usage: 'distinguish <a> <b>',
  describe: 'The smallest program that tells two policies apart, or that there is none',
  builder: (yargs) =>
    withScope(
      yargs
        .positional('a', { type: 'string', describe: 'id, alias or ./module.ts' })
        .positional('b', { type: 'string', describe: 'the other' }),
      DISTINGUISH_SCOPE,
    )
      .option('by', {
        type: 'string',
        requiresArg: true,
        describe: 'what counts: observable or cost',
        defaultDescription: 'observable',
      })
      .option('depth', {
        type: 'string',
        requiresArg: true,
        describe: 'all programs of up to so many steps, however soon they are told apart',
        defaultDescription: 'until they are told apart',
      })
      .option('states', {
        type: 'string',
        requiresArg: true,
        describe: 'pairs of states before it gives up',
        defaultDescription: '1M',
      })
      .option('threads', {
        type: 'string',
        requiresArg: true,
        describe: 'the result does not depend on it',
        defaultDescription: 'one per core',
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'folder for one file per difference, to replay',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: DISTINGUISH_FORMATS.join(', '),
        defaultDescription: 'text',
      })
      .example('$0 distinguish page-count pae', 'What did v6.2 change, seen from outside?')
      .example(
        '$0 distinguish longterm-ban ./mine.ts --scope shared-file',
        'Does my series change behaviour?',
      )
      .epilogue(
        'Exit code: 0 equivalent within the scope (and --depth), 1 told apart, 6 inconclusive: gave up at --states.',
      ),
  options: (args) => {
    const [a, b] = [args.text('a'), args.text('b')];
    for (const [name, value] of [
      ['a', a],
      ['b', b],
    ] as const)
      if (value === undefined || value === 'all')
        throw usageError(
          `${name} is ${JSON.stringify(value ?? '')}; allowed: one policy, by id, alias or ./module.ts`,
        );
    return {
      a: a!,
      b: b!,
      scope: scopeFlagsOf(args),
      by: args.oneOf('by', DISTINGUISH_BY) ?? 'observable',
      depth: args.whole('depth', 1, DEPTH_MAX),
      states: args.whole('states', 1, STATES_MAX) ?? DISTINGUISH_STATES,
      threads: args.whole('threads', 1, THREADS_MAX),
      out: args.text('out'),
      format: args.oneOf('format', DISTINGUISH_FORMATS) ?? 'text',
    };
  },
  run: async (options) => (await import('./distinguish-run.ts')).runDistinguish(options),
});
