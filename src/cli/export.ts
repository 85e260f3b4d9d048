import { type Command, defineCommand } from './command.ts';
import type { ExportOptions } from './export-run.ts';

export const EXPORT_FORMATS = ['c'] as const;

export const exportCommand: Command = defineCommand<ExportOptions>({
  usage: 'export <file>',
  describe: 'Write a counterexample as a C program in the style of the kernel selftests',
  builder: (yargs) =>
    yargs
      .positional('file', { type: 'string', describe: 'A counterexample file' })
      .option('to', { type: 'string', requiresArg: true, describe: 'c', defaultDescription: 'c' })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'write to this file',
        defaultDescription: 'stdout',
      }),
  options: (args) => {
    args.oneOf('to', EXPORT_FORMATS);
    return { file: args.text('file')!, out: args.text('out') };
  },
  run: async (options) => (await import('./export-run.ts')).runExport(options),
});
