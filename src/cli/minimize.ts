import { proofsOf, withBudget } from './budget.ts';
import { type Command, defineCommand } from './command.ts';
import { usageError } from './exit.ts';
import type { MinimizeOptions } from './minimize-run.ts';

export const KEEP = ['verdicts', 'class'] as const;

export const minimize: Command = defineCommand<MinimizeOptions>({
  usage: 'minimize <files..>',
  describe: 'Make counterexamples as short as they get',
  builder: (yargs) =>
    withBudget(yargs)
      .positional('files', {
        type: 'string',
        describe: 'files (`-`: stdin), or folders of *.gup and *.gup.json',
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'where to write it, as text if it ends in .gup; a folder for several',
        defaultDescription: 'stdout',
      })
      .option('keep', {
        type: 'string',
        requiresArg: true,
        describe: 'verdicts: what each policy makes of it stays as it was; class: the class alone',
        defaultDescription: 'verdicts',
      })
      .option('base', {
        type: 'string',
        requiresArg: true,
        describe: 'what the policy breaks, this one keeps: the program stays a regression beside it',
        defaultDescription: 'of a policy of yours the built-in one it derives from',
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
    const [paths, out, inPlace] = [args.texts('files'), args.text('out'), args.flag('in-place')];
    if (inPlace && paths.includes('-')) throw usageError('--in-place makes no sense with stdin');
    if (inPlace && out !== undefined) throw usageError('--in-place makes no sense with --out');
    return {
      paths,
      out,
      inPlace,
      policy: args.text('policy'),
      base: args.text('base'),
      keep: args.oneOf('keep', KEEP) ?? 'verdicts',
      ...proofsOf(args),
    };
  },
  run: async (options) => (await import('./minimize-run.ts')).runMinimize(options),
});
