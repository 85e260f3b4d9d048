import { type Command, defineCommand } from './command.ts';
import type { SaveOptions } from './save-run.ts';

export const save: Command = defineCommand<SaveOptions>({
  usage: 'save <files..>',
  describe: 'Make catalogue files: id, class, expectation per policy, in JSON',
  builder: (yargs) =>
    yargs
      .positional('files', {
        type: 'string',
        describe: 'files (`-`: stdin), or folders of *.gup and *.gup.json',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        requiresArg: true,
        describe: 'the policy whose broken promise the file is about: a name or ./mine.ts',
        defaultDescription: 'that of the file, else the first that breaks one',
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'where to write it; a folder for several',
        defaultDescription: 'stdout',
      })
      .example('$0 save lost.gup -o counterexamples/lost.gup.json', 'From eight lines to a regression test')
      .example('$0 show FILE --format steps', 'The other way round'),
  options: (args) => ({ paths: args.texts('files'), policy: args.text('policy'), out: args.text('out') }),
  run: async (options) => (await import('./save-run.ts')).runSave(options),
});
