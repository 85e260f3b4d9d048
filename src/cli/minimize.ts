import { type Command, defineCommand } from './command.ts';
import type { MinimizeOptions } from './minimize-run.ts';

export const minimize: Command = defineCommand<MinimizeOptions>({
  usage: 'minimize <file>',
  describe: 'Make a counterexample as short as it gets',
  builder: (yargs) =>
    yargs
      .positional('file', { type: 'string', describe: 'A counterexample file that names a class' })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'where to write it',
        defaultDescription: 'stdout',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        requiresArg: true,
        describe: 'A policy that breaks the promise: a name or ./mine.ts',
        defaultDescription: 'that of the file',
      }),
  options: (args) => ({ file: args.text('file')!, out: args.text('out'), policy: args.text('policy') }),
  run: async (options) => (await import('./minimize-run.ts')).runMinimize(options),
});
