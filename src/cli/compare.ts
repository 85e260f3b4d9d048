import { findPolicy } from '../policies/index.ts';
import { campaignFlagsOf, SCOPE_FLAGS, withCampaignScope } from './campaign-scope.ts';
import { type Command, defineCommand } from './command.ts';
import type { CompareOptions } from './compare-run.ts';
import { usageError } from './exit.ts';

export const COMPARE_FORMATS = ['text', 'json', 'markdown', 'junit'] as const;
const RUNS_MAX = 2 ** 40;
const SEED_MAX = 2 ** 31 - 1;
const WORKERS_MAX = 256;

/** `compare pae longterm-ban`: two policies where files could be. No counterexample has such a name. */
const isPolicyName = (text: string): boolean => findPolicy(text) !== undefined || /\.[cm]?[jt]s$/.test(text);

export const compare: Command = defineCommand<CompareOptions & { readonly check: string | undefined }>({
  usage: 'compare [files..]',
  describe: 'Policies against counterexamples and campaigns; what is new in a candidate',
  builder: (yargs) =>
    withCampaignScope(yargs)
      .positional('files', {
        type: 'string',
        describe:
          'files (`-`: stdin), or folders of *.gup and *.gup.json; or two policies: base and candidate',
        defaultDescription: 'counterexamples/ here, or the catalogue of gupfuzz',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'id, alias, ./module.ts, or all; may be repeated',
        defaultDescription: 'all',
      })
      .option('base', {
        type: 'string',
        requiresArg: true,
        describe: 'only what --cand breaks and this does not',
      })
      .option('cand', { type: 'string', requiresArg: true, describe: 'the candidate' })
      .option('runs', {
        alias: 'n',
        type: 'string',
        requiresArg: true,
        describe: 'also run a campaign of so many programs',
        defaultDescription: '0',
      })
      .option('seed', {
        alias: 's',
        type: 'string',
        requiresArg: true,
        describe: 'of the campaign',
        defaultDescription: '1',
      })
      .option('check', {
        type: 'string',
        requiresArg: true,
        describe:
          'instead: every program of a small scope of check (anon, shared-file, ...), of two policies',
      })
      .option('workers', {
        alias: 'w',
        type: 'string',
        requiresArg: true,
        describe: 'worker processes; 0: none',
        defaultDescription: 'one per core',
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'folder for new findings of a candidate',
      })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: COMPARE_FORMATS.join(', '),
        defaultDescription: 'text',
      })
      .example('$0 compare pae longterm-ban -n 20k', 'What got better, what got worse?')
      .example('$0 compare pae longterm-ban --check shared-file', 'Is any program of that scope worse?')
      .example('$0 compare', 'All built-in policies against the catalogue')
      .example('$0 compare --base longterm-ban --cand ./mine.ts --runs 20k', 'Does my rule break anything?'),
  options: (args) => {
    let paths = args.texts('files');
    let [base, cand] = [args.text('base'), args.text('cand')];
    const policies = args.texts('policy');
    if (base === undefined && cand === undefined && paths.length === 2 && paths.every(isPolicyName)) {
      [base, cand] = [paths[0]!, paths[1]!];
      paths = [];
    }
    if ((base === undefined) !== (cand === undefined))
      throw usageError(
        `--${base === undefined ? 'base' : 'cand'} is missing; allowed: --base and --cand, or neither`,
      );
    if (base !== undefined && policies.length > 0)
      throw usageError('--policy makes no sense with --base and --cand, which are the two policies');
    const check = args.text('check');
    if (check !== undefined && base === undefined)
      throw usageError('--check makes no sense without --base and --cand, which are the two policies');
    if (check !== undefined && !['text', 'json'].includes(args.text('format') ?? 'text'))
      throw usageError(
        `--format is ${JSON.stringify(args.text('format'))}; allowed with --check: text, json`,
      );
    const runs = args.whole('runs', 0, RUNS_MAX) ?? 0;
    const scope = campaignFlagsOf(args);
    const given = SCOPE_FLAGS.find((flag) => args.text(flag) !== undefined);
    if (given !== undefined && (runs === 0 || check !== undefined))
      throw usageError(
        `--${given} makes no sense ${check === undefined ? 'without --runs: it is of the campaign' : 'with --check, which names a small scope of its own'}`,
      );
    const workers = args.whole('workers', 0, WORKERS_MAX);
    return {
      paths,
      policies: policies.length === 0 ? ['all'] : policies,
      pair: base === undefined || cand === undefined ? undefined : { base, cand },
      runs,
      seed: args.whole('seed', 0, SEED_MAX) ?? 1,
      scope,
      workers,
      out: args.text('out'),
      format: args.oneOf('format', COMPARE_FORMATS) ?? 'text',
      check,
    };
  },
  run: async ({ check, ...options }) => {
    if (check === undefined || options.pair === undefined)
      return (await import('./compare-run.ts')).runCompare(options);
    const { base, cand } = options.pair;
    const format = options.format === 'json' ? 'json' : 'text';
    const { besideOptions } = await import('./check.ts');
    const { runCheck } = await import('./check-run.ts');
    return runCheck(besideOptions(cand, base, check, { out: options.out, format }));
  },
});
