import { type Command, defineCommand } from './command.ts';
import type { ShowOptions } from './show-run.ts';

export const SHOW_FORMATS = ['text', 'mail', 'json', 'steps'] as const;

export const show: Command = defineCommand<ShowOptions>({
  usage: 'show <file>',
  describe: 'Show a counterexample as columns, mail text, steps or JSON',
  builder: (yargs) =>
    yargs
      .positional('file', { type: 'string', describe: 'A counterexample file' })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: `${SHOW_FORMATS.join(', ')}`,
        defaultDescription: 'text',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'also what this policy makes of it (a name, ./mine.ts or all); may be repeated',
      }),
  options: (args) => ({
    file: args.text('file')!,
    format: args.oneOf('format', SHOW_FORMATS) ?? 'text',
    policies: args.texts('policy'),
  }),
  run: async (options) => (await import('./show-run.ts')).runShow(options),
});
