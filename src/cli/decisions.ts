import { type Command, defineCommand } from './command.ts';
import { LIST_FORMATS, type ListOptions } from './list-options.ts';

export const decisions: Command = defineCommand<ListOptions>({
  usage: 'decisions [name]',
  describe: 'List the decisions that a policy answers: facts, their values, answers',
  builder: (yargs) =>
    yargs.positional('name', { type: 'string', describe: 'a decision point' }).option('format', {
      type: 'string',
      requiresArg: true,
      describe: LIST_FORMATS.join(' or '),
      defaultDescription: 'text',
    }),
  options: (args) => ({ name: args.text('name'), format: args.oneOf('format', LIST_FORMATS) ?? 'text' }),
  run: async (options) => (await import('./list-run.ts')).runDecisions(options),
});
