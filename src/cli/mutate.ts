import { DECISION_NAMES, type DecisionName } from '../machine/decisions.ts';
import { type Command, defineCommand } from './command.ts';
import { usageError } from './exit.ts';

export const MUTATE_FORMATS = ['text', 'json', 'md'] as const;

export interface MutateCommandOptions {
  readonly name: string;
  readonly table: DecisionName | undefined;
  readonly rule: string | undefined;
  readonly format: (typeof MUTATE_FORMATS)[number];
}

export const mutate: Command = defineCommand<MutateCommandOptions>({
  usage: 'mutate <name>',
  describe: 'Why is this rule here? Change each rule of a policy and show what breaks',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', describe: 'id, alias or ./module.ts' })
      .option('table', {
        type: 'string',
        requiresArg: true,
        describe: 'the rules of one decision point only, such as wpFault',
      })
      .option('rule', { type: 'string', requiresArg: true, describe: 'the rules with this name only' })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: MUTATE_FORMATS.join(', '),
        defaultDescription: 'text',
      })
      .example('$0 mutate longterm-ban', 'Every rule: dropped, negated, another answer, swapped')
      .example('$0 mutate ./mine.ts --table forkPte', 'One decision point of your own policy')
      .epilogue('A mutant that survives is no error: the exit code is 0 if all of them were judged.'),
  options: (args) => {
    const name = args.text('name');
    if (name === undefined || name === 'all')
      throw usageError('name is "all"; allowed: one policy, by id, alias or ./module.ts');
    return {
      name,
      table: args.oneOf('table', DECISION_NAMES),
      rule: args.text('rule'),
      format: args.oneOf('format', MUTATE_FORMATS) ?? 'text',
    };
  },
  run: async (options) => (await import('./mutate-run.ts')).runMutate(options),
});
