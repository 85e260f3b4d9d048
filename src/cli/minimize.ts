import { budgetOf, withBudget } from './budget.ts';
import { type Command, defineCommand } from './command.ts';
import { usageError } from './exit.ts';
import type { MinimizeOptions } from './minimize-run.ts';

export const minimize: Command = defineCommand<MinimizeOptions>({
  usage: 'minimize <files..>',
  describe: 'Make counterexamples as short as they get',
  builder: (yargs) =>
    withBudget(yargs)
      .positional('files', { type: 'string', describe: 'files that name a class, or folders of *.gup.json' })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'where to write it; a folder for several',
        defaultDescription: 'stdout',
      })
      .option('in-place', { type: 'boolean', describe: 'write each file over itself' })
      .option('policy', {
        alias: 'p',
        type: 'string',
        requiresArg: true,
        describe: 'A policy that breaks the promise: a name or ./mine.ts',
        defaultDescription: 'that of the file',
      })
      .example(
        '$0 minimize --shortest --in-place counterexamples/',
        'Prove them; exit code 6 if one is not proved',
      ),
  options: (args) => {
    const [out, inPlace] = [args.text('out'), args.flag('in-place')];
    if (inPlace && out !== undefined) throw usageError('--in-place makes no sense with --out');
    return {
      paths: args.texts('files'),
      out,
      inPlace,
      policy: args.text('policy'),
      states: budgetOf(args),
    };
  },
  run: async (options) => (await import('./minimize-run.ts')).runMinimize(options),
});
