import { type Command, defineCommand } from './command.ts';
import type { ReplayOptions } from './replay-run.ts';

export const REPLAY_FORMATS = ['text', 'json', 'jsonl'] as const;

export const replay: Command = defineCommand<ReplayOptions>({
  usage: 'replay <files..>',
  describe: 'Run counterexamples again and compare with what they expect',
  builder: (yargs) =>
    yargs
      .positional('files', {
        type: 'string',
        describe: 'files (`-`: stdin), or folders of *.gup and *.gup.json',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'id, alias, ./module.ts, or all; may be repeated',
        defaultDescription: 'those of the file',
      })
      .option('base', {
        type: 'string',
        requiresArg: true,
        describe: 'judge every policy beside this one',
        defaultDescription: 'a policy of yours beside the built-in one it derives from',
      })
      .option('trace', {
        type: 'boolean',
        describe: 'show the state after each step, and which rules decided',
      })
      .option('bisect', {
        type: 'boolean',
        describe: 'for git bisect run: exit 0 good, 1 bad, 125 cannot be tested',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: `${REPLAY_FORMATS.join(', ')}`,
        defaultDescription: 'text',
      })
      .example('$0 replay counterexamples/', 'Is everything still as expected?')
      .example('$0 replay FILE --policy ./mine.ts', 'Does my policy break this promise?')
      .example('git bisect run $0 replay --bisect FILE -p ./mine.ts', 'Which commit broke it?'),
  options: (args) => ({
    paths: args.texts('files'),
    policies: args.texts('policy'),
    base: args.text('base'),
    trace: args.flag('trace'),
    bisect: args.flag('bisect'),
    format: args.oneOf('format', REPLAY_FORMATS) ?? 'text',
  }),
  run: async (options) => (await import('./replay-run.ts')).runReplay(options),
});
