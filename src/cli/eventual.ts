/** `gupfuzz eventual`: what may never happen again, or never happens, in a small scope. */
import { type Command, defineCommand } from './command.ts';
import { EVENTUAL_SCOPE } from './defaults.ts';
import { usageError } from './exit.ts';
import { type ScopeFlags, scopeFlagsOf, withScope } from './scope-options.ts';

export const EVENTUAL_FORMATS = ['text', 'json'] as const;
/** The whole graph is kept, about 200 bytes a state with its steps. */
const STATES_DEFAULT = 1_000_000;
const STATES_MAX = 20_000_000;

export interface EventualCommandOptions {
  readonly policies: readonly string[];
  readonly scope: ScopeFlags;
  /** States after which it gives up. */
  readonly states: number;
  readonly format: (typeof EVENTUAL_FORMATS)[number];
}

export const eventual: Command = defineCommand<EventualCommandOptions>({
  usage: 'eventual',
  describe: 'Does a page get clean again, is what was refused ever granted: traps and livelocks',
  builder: (yargs) =>
    withScope(
      yargs.option('policy', {
        alias: 'p',
        type: 'string',
        requiresArg: true,
        describe: 'id, alias, ./module.ts or all; repeatable',
      }),
      EVENTUAL_SCOPE,
    )
      .option('states', {
        type: 'string',
        requiresArg: true,
        describe: 'give up after so many states',
        defaultDescription: '1M',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: EVENTUAL_FORMATS.join(' or '),
        defaultDescription: 'text',
      })
      .example('$0 eventual -p longterm-ban', 'One shared file page, one process, one reference')
      .example('$0 eventual -p ./mine.ts --refs 2 --filesystem ext4-v5.18-stable', '')
      .epilogue(
        'Exit code 6: the scope has more states than --states allows, and nothing is said of it. docs/eventual.md defines the properties.',
      ),
  options: (args) => {
    const policies = args.texts('policy');
    if (policies.length === 0)
      throw usageError('--policy is missing; allowed: id, alias, ./module.ts or all');
    return {
      policies,
      scope: scopeFlagsOf(args),
      states: args.whole('states', 1, STATES_MAX) ?? STATES_DEFAULT,
      format: args.oneOf('format', EVENTUAL_FORMATS) ?? 'text',
    };
  },
  run: async (options) => (await import('./eventual-run.ts')).runEventual(options),
});
