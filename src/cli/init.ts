import { type Command, defineCommand } from './command.ts';
import { usageError } from './exit.ts';
import type { InitOptions } from './init-run.ts';

export const init: Command = defineCommand<InitOptions>({
  usage: 'init <what> <name>',
  describe: 'Write a policy of your own to start from, with its test',
  builder: (yargs) =>
    yargs
      .positional('what', { type: 'string', describe: 'policy' })
      .positional('name', { type: 'string', describe: 'its id; the files are NAME.ts and NAME.test.ts' })
      .option('dir', {
        type: 'string',
        requiresArg: true,
        describe: 'where to write',
        defaultDescription: '.',
      })
      .option('force', { type: 'boolean', describe: 'overwrite files that are there' }),
  options: (args) => {
    const what = args.text('what')!;
    if (what !== 'policy') throw usageError(`init ${what}: there is only init policy NAME`);
    return { name: args.text('name')!, dir: args.text('dir') ?? '.', force: args.flag('force') };
  },
  run: async (options) => (await import('./init-run.ts')).runInit(options),
});
