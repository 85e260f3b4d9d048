import { type Command, defineCommand } from './command.ts';
import { LIST_FORMATS, type ListOptions } from './list-options.ts';

export const properties: Command = defineCommand<ListOptions>({
  usage: 'properties [name]',
  describe: 'List the properties that are judged',
  builder: (yargs) =>
    yargs.positional('name', { type: 'string', describe: 'id of a property' }).option('format', {
      type: 'string',
      requiresArg: true,
      describe: LIST_FORMATS.join(' or '),
      defaultDescription: 'text',
    }),
  options: (args) => ({ name: args.text('name'), format: args.oneOf('format', LIST_FORMATS) ?? 'text' }),
  run: async (options) => (await import('./list-run.ts')).runProperties(options),
});
