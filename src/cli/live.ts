/** `gupfuzz live`: scenarios on real kernels, next to what the policies say. */
import { PAGE_KINDS, type PageKind } from '../domain/page-kinds.ts';
import { type Command, defineCommand } from './command.ts';
import { LIVE_POLICY, LIVE_RUNS } from './defaults.ts';
import { usageError } from './exit.ts';
import { pagesFlag } from './scope-options.ts';

export const LIVE_WHAT = ['probe', 'run', 'fuzz', 'vm'] as const;
export const LIVE_FORMATS = ['text', 'json', 'junit', 'ktap'] as const;
const RUNS_MAX = 100_000_000;
const REPEAT_MAX = 100_000;
const MACHINES_MAX = 256;
export interface LiveOptions {
  readonly what: (typeof LIVE_WHAT)[number];
  readonly paths: readonly string[];
  /** Empty: all for run, the newest for fuzz. */
  readonly policies: readonly string[];
  readonly repeat: number;
  readonly runs: number | undefined;
  readonly seed: number;
  /** Of `fuzz`: these pages together, and no other setups. */
  readonly pages: readonly PageKind[] | undefined;
  readonly out: string | undefined;
  /** Of `vm`: releases in the cache, or paths. */
  readonly kernels: readonly string[];
  /** Of `vm`: virtual machines per kernel; undefined: as many as there are processors for. */
  readonly machines: number | undefined;
  readonly modules: string | undefined;
  readonly dir: string | undefined;
  readonly allowHost: boolean;
  readonly brief: boolean;
  readonly format: (typeof LIVE_FORMATS)[number];
}

export const live: Command = defineCommand<LiveOptions>({
  usage: 'live <what> [files..]',
  describe: 'Run scenarios on real kernels, this one or in a VM, and compare with policies',
  builder: (yargs) =>
    yargs
      .positional('what', { type: 'string', describe: `${LIVE_WHAT.join(', ')}` })
      .positional('files', {
        type: 'string',
        describe: 'of run and vm: files (`-`: stdin), or folders of *.gup and *.gup.json',
      })
      .option('policy', {
        alias: 'p',
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'id, alias or ./module.ts; of run may be repeated',
        defaultDescription: `run: all; fuzz: ${LIVE_POLICY}`,
      })
      .option('repeat', {
        type: 'string',
        requiresArg: true,
        describe: 'runs of each file; of fuzz: of what disagreed',
        defaultDescription: '10',
      })
      .option('runs', {
        type: 'string',
        requiresArg: true,
        describe: 'random scenarios of fuzz, or of vm instead of files',
        defaultDescription: String(LIVE_RUNS),
      })
      .option('seed', { type: 'string', requiresArg: true, describe: 'of fuzz', defaultDescription: '1' })
      .option('pages', {
        type: 'string',
        requiresArg: true,
        describe: `of fuzz: these pages together, and no other setups: ${PAGE_KINDS.join(', ')}`,
      })
      .option('out', {
        alias: 'o',
        type: 'string',
        requiresArg: true,
        describe: 'folder for what fuzz finds: a scenario to replay, and what was seen',
      })
      .option('kernel', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'of vm: release in the cache, newest, or the path of a bzImage; may be repeated',
      })
      .option('machines', {
        type: 'string',
        requiresArg: true,
        describe: 'of vm: virtual machines per kernel',
        defaultDescription: 'with --runs: as many as there are processors; else 1',
      })
      .option('modules', { type: 'string', requiresArg: true, describe: 'of vm: folder of its modules' })
      .option('dir', { type: 'string', requiresArg: true, describe: 'folder for the files of programs' })
      .option('allow-host', {
        type: 'boolean',
        describe: 'run on this machine also what may make its kernel warn',
      })
      .option('brief', { type: 'boolean', describe: 'of run and vm: no table per file' })
      .option('format', {
        type: 'string',
        requiresArg: true,
        describe: LIVE_FORMATS.join(', '),
        defaultDescription: 'text',
      })
      .example('$0 live run counterexamples/', 'Which era does this kernel belong to?')
      .example('$0 live fuzz --policy longterm-ban --runs 10k', 'Does it do what the policy says?')
      .example('$0 live run counterexamples/ --format ktap', 'As kselftest prints it')
      .example('$0 live vm --kernel 5.10 --kernel 6.1 counterexamples/', 'Old kernels, in VMs')
      .epilogue(
        'Exit code: 1 a promise is broken, or no one policy explains the kernel; 3 a bad file, or a policy that fails; ' +
          '4 nothing could be tested, or a file that should have been was not. Unsupported is never a pass.',
      ),
  options: (args) => {
    const what = args.oneOf('what', LIVE_WHAT)!;
    const words = args.texts('files');
    const paths = what === 'vm' && words[0] === 'run' ? words.slice(1) : words;
    const kernels = args.texts('kernel');
    const runs = args.whole('runs', 1, RUNS_MAX);
    if (what === 'run' && paths.length === 0) throw usageError('live run needs files');
    if ((what === 'probe' || what === 'fuzz') && paths.length > 0)
      throw usageError(`live ${what} takes no files`);
    if (what === 'vm' && kernels.length === 0) throw usageError('live vm needs --kernel');
    if (what !== 'vm' && kernels.length > 0) throw usageError('--kernel is for live vm');
    const format = args.oneOf('format', LIVE_FORMATS) ?? 'text';
    if (what === 'probe' && (format === 'junit' || format === 'ktap'))
      throw usageError(`--format is "${format}"; allowed with live probe, which judges nothing: text, json`);
    const machines = args.whole('machines', 1, MACHINES_MAX);
    if (what !== 'vm' && machines !== undefined) throw usageError('--machines is for live vm');
    if (what === 'vm' && paths.length > 0 && runs !== undefined)
      throw usageError('live vm takes files or --runs, not both');
    const pages = pagesFlag(args);
    if (pages !== undefined && what !== 'fuzz' && (what !== 'vm' || runs === undefined))
      throw usageError('--pages is for random scenarios: live fuzz, or live vm with --runs');
    return {
      what,
      paths,
      policies: args.texts('policy'),
      repeat: args.whole('repeat', 1, REPEAT_MAX) ?? 10,
      runs,
      seed: args.whole('seed', 0, 2 ** 31 - 1) ?? 1,
      pages,
      out: args.text('out'),
      kernels,
      machines,
      modules: args.text('modules'),
      dir: args.text('dir'),
      allowHost: args.flag('allow-host'),
      brief: args.flag('brief'),
      format,
    };
  },
  run: async (options) => (await import('./live-run.ts')).runLive(options),
});
