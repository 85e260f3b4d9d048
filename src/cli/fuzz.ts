/** `gupfuzz fuzz`: the main job. */
import { proofsOf, statesThatFit, withBudget } from './budget.ts';
import { type CampaignFlags, campaignFlagsOf, campaignScopeOf, withCampaignScope } from './campaign-scope.ts';
import { type Command, defineCommand } from './command.ts';
import { usageError } from './exit.ts';
import { checkFolder } from './write.ts';

/** Without --runs and --time. */
const TIME_DEFAULT_MS = 8_000;
const WORKERS_MAX = 256;
const SEED_MAX = 2 ** 31 - 1;

interface Options {
  readonly policies: readonly string[];
  readonly base: string | undefined;
  readonly canary: boolean;
  readonly seed: number;
  readonly runs: number | undefined;
  readonly timeMs: number | undefined;
  readonly scope: CampaignFlags;
  readonly workers: number | undefined;
  readonly out: string | undefined;
  readonly shrink: 'shortest' | 'passes' | 'none';
  /** Per search of a proof; undefined: as many as cost little. */
  readonly states: number | undefined;
  /** A finding that is not proved to be shortest is a failure. */
  readonly prove: boolean;
  readonly documented: boolean;
  readonly shard: { readonly index: number; readonly count: number } | undefined;
  readonly format: 'text' | 'json';
  readonly show: 'shortest' | 'all' | 'none';
}

/** `i/n`, 1-based as CI matrices count. */
function shardOf(text: string | undefined): Options['shard'] {
  if (text === undefined) return undefined;
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text);
  const index = Number(match?.[1]);
  const count = Number(match?.[2]);
  if (match === null || index < 1 || index > count)
    throw usageError(`--shard is ${JSON.stringify(text)}; allowed: i/n with i from 1 to n`);
  return { index: index - 1, count };
}

export const fuzz: Command = defineCommand<Options>({
  usage: 'fuzz',
  describe: 'Run random programs on policies, shrink and keep what breaks a promise',
  builder: (yargs) =>
    withCampaignScope(withBudget(yargs))
      .option('policy', {
        alias: 'p',
        type: 'string',
        describe: 'id, alias, ./module.ts, or all; repeatable',
        defaultDescription: 'all',
      })
      .option('base', {
        type: 'string',
        describe: 'judge every policy beside this one',
        defaultDescription: 'the built-in policy that it derives from',
      })
      .option('runs', { alias: 'n', type: 'string', describe: 'programs to draw, such as 20000 or 20k' })
      .option('time', {
        alias: 't',
        type: 'string',
        describe: 'stop drawing after this long',
        defaultDescription: '8s',
      })
      .option('seed', {
        alias: 's',
        type: 'string',
        describe: 'run i depends on (seed, i) alone',
        defaultDescription: '1',
      })
      .option('workers', {
        alias: 'w',
        type: 'string',
        describe: 'worker processes; 0: none',
        defaultDescription: 'one per core',
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        describe: 'folder for findings',
        defaultDescription: 'findings',
      })
      .option('shrink', {
        type: 'string',
        describe: 'shortest (passes, then a proof of each), passes or none',
        defaultDescription: 'shortest',
      })
      .option('documented', {
        type: 'boolean',
        describe: 'also keep mismatches that are documented, not broken',
      })
      .option('shard', {
        type: 'string',
        describe: 'i/n: this part of the runs; the union is the same for every n',
      })
      .option('show', {
        type: 'string',
        describe: 'findings in full: shortest, all or none',
        defaultDescription: 'shortest',
      })
      .option('no-canary', { type: 'boolean', describe: 'leave out the policy that is wrong on purpose' })
      .option('format', { type: 'string', describe: 'text or json', defaultDescription: 'text' }),
  options: (args) => {
    const policies = args.texts('policy');
    const { prove, states } = proofsOf(args);
    const shrink = args.oneOf('shrink', ['shortest', 'passes', 'none']) ?? 'shortest';
    if (states !== undefined && shrink !== 'shortest')
      throw usageError(`${prove ? '--shortest' : '--states'} makes no sense with --shrink ${shrink}`);
    return {
      policies: policies.length === 0 ? ['all'] : policies,
      base: args.text('base'),
      canary: !args.flag('no-canary'),
      seed: args.whole('seed', 0, SEED_MAX) ?? 1,
      runs: args.whole('runs', 1, 2 ** 40),
      timeMs: args.duration('time'),
      scope: campaignFlagsOf(args),
      workers: args.whole('workers', 0, WORKERS_MAX),
      out: args.text('out') ?? 'findings',
      shrink,
      states,
      prove,
      documented: args.flag('documented'),
      shard: shardOf(args.text('shard')),
      format: args.oneOf('format', ['text', 'json']) ?? 'text',
      show: args.oneOf('show', ['shortest', 'all', 'none']) ?? 'shortest',
    };
  },
  run: async (options) => {
    const { chooseBase, choosePolicies } = await import('./choose.ts');
    const { runFuzz } = await import('./fuzz-run.ts');
    const { EXIT } = await import('./exit.ts');
    const { talk } = await import('./io.ts');
    const space = await campaignScopeOf(options.scope);
    const names = options.canary ? [...options.policies, 'canary'] : options.policies;
    const resolved = await choosePolicies(names);
    for (const { message } of resolved.broken) talk(message);
    const policies = options.canary ? resolved.policies : resolved.policies.filter((p) => !p.canary);
    if (policies.every((p) => p.canary)) {
      if (resolved.broken.length > 0) return EXIT.badInput;
      if (policies.length === 0) {
        talk('no policy is left to test');
        return EXIT.nothingTested;
      }
    }
    const { basesFor } = await import('../policies/base.ts');
    const bases = basesFor(policies, await chooseBase(options.base));
    const { runs, timeMs, shard, out, workers, states } = options;
    if (out !== undefined) checkFolder(out);
    return runFuzz({
      policies,
      bases,
      ...(options.base === undefined ? {} : { baseName: options.base }),
      broken: resolved.broken,
      seed: options.seed,
      ...(runs === undefined ? {} : { runs }),
      ...(timeMs === undefined ? (runs === undefined ? { timeMs: TIME_DEFAULT_MS } : {}) : { timeMs }),
      space,
      ...(workers === undefined ? {} : { workers }),
      ...(out === undefined ? {} : { out }),
      shrink: options.shrink,
      ...(states === undefined
        ? {}
        : { shrinkStates: states, shrinkJobs: Math.max(1, Math.floor(statesThatFit() / states)) }),
      prove: options.prove,
      documented: options.documented,
      ...(shard === undefined ? {} : { shard }),
      format: options.format,
      show: options.show,
    });
  },
});
