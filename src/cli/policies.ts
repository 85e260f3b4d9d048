import { type Command, defineCommand } from './command.ts';
import { LIST_FORMATS, type ListOptions } from './list-options.ts';

export interface PoliciesOptions extends ListOptions {
  /** With no name: the rules of every policy. */
  readonly rules: boolean;
}

export const policies: Command = defineCommand<PoliciesOptions>({
  usage: 'policies [name]',
  describe: 'List the policies, or print the rules of one and what it changes in its base',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', describe: 'id, alias or ./module.ts' })
      .option('rules', { type: 'boolean', describe: 'print the rules also without a name' })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: LIST_FORMATS.join(' or '),
        defaultDescription: 'text',
      }),
  options: (args) => ({
    name: args.text('name'),
    rules: args.flag('rules'),
    format: args.oneOf('format', LIST_FORMATS) ?? 'text',
  }),
  run: async (options) => (await import('./list-run.ts')).runPolicies(options),
});
