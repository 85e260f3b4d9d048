import { type Command, defineCommand } from './command.ts';
import { LIST_FORMATS } from './list-options.ts';

export const KERNELS_WHAT = ['fetch', 'list'] as const;

export interface KernelsOptions {
  readonly what: (typeof KERNELS_WHAT)[number];
  /** Series, such as 6.1; empty: all. */
  readonly kernels: readonly string[];
  readonly format: (typeof LIST_FORMATS)[number];
}

export const kernels: Command = defineCommand<KernelsOptions>({
  usage: 'kernels [what]',
  describe: "Fetch Debian's kernels for `live vm` into a cache, or list those there are",
  builder: (yargs) =>
    yargs
      .positional('what', {
        type: 'string',
        describe: KERNELS_WHAT.join(' or '),
        defaultDescription: 'fetch',
      })
      .option('kernel', {
        alias: 'k',
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'of fetch: a series, such as 6.1; may be repeated',
        defaultDescription: 'all that are known',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: LIST_FORMATS.join(' or '),
        defaultDescription: 'text',
      })
      .example('$0 kernels', 'Fetch one kernel of every era; what is there is kept')
      .example('$0 kernels list', 'What live vm can boot'),
  options: (args) => ({
    what: args.oneOf('what', KERNELS_WHAT) ?? 'fetch',
    kernels: args.texts('kernel'),
    format: args.oneOf('format', LIST_FORMATS) ?? 'text',
  }),
  run: async (options) => (await import('./kernels-run.ts')).runKernels(options),
});
