import { type Command, defineCommand } from './command.ts';
import type { ValidateOptions } from './validate-run.ts';

export const VALIDATE_FORMATS = ['text', 'json'] as const;

export const validate: Command = defineCommand<ValidateOptions>({
  usage: 'validate <files..>',
  describe: 'Check counterexample files, one line each',
  builder: (yargs) =>
    yargs
      .positional('files', {
        type: 'string',
        describe: 'files (`-`: stdin), or folders of *.gup and *.gup.json',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: `${VALIDATE_FORMATS.join(', ')}`,
        defaultDescription: 'text',
      }),
  options: (args) => ({
    paths: args.texts('files'),
    format: args.oneOf('format', VALIDATE_FORMATS) ?? 'text',
  }),
  run: async (options) => (await import('./validate-run.ts')).runValidate(options),
});
