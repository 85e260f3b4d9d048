import { type Command, defineCommand } from './command.ts';
import { LIST_FORMATS, type ListOptions } from './list-options.ts';

export const ops: Command = defineCommand<ListOptions>({
  usage: 'ops [name]',
  describe: 'List the operations that programs are made of',
  builder: (yargs) =>
    yargs.positional('name', { type: 'string', describe: 'an operation' }).option('format', {
      type: 'string',
      requiresArg: true,
      describe: LIST_FORMATS.join(' or '),
      defaultDescription: 'text',
    }),
  options: (args) => ({ name: args.text('name'), format: args.oneOf('format', LIST_FORMATS) ?? 'text' }),
  run: async (options) => (await import('./list-run.ts')).runOps(options),
});
