/** What all commands share: help, usage errors, bugs of our own, colours and pipes. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, entry } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, MAIN, oneLine, start } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { COMMANDS } from './commands.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B01 = entry('b01');
const B06 = entry('b06');
const PACKAGE = new URL('../../package.json', import.meta.url);

/** How to import what one of the files of the bundle exports, by a name that the bundler chose. */
function importOf(name: string): string {
  const chunks = new URL('../../chunks/', pathToFileURL(MAIN));
  for (const file of readdirSync(chunks)) {
    const as = new RegExp(`^export \\{.*\\b${name} as (\\w+)`, 'm').exec(
      readFileSync(new URL(file, chunks), 'utf8'),
    );
    if (file.endsWith('.js') && as !== null)
      return `import { ${as[1]} as ${name} } from '${new URL(file, chunks).href}';\n`;
  }
  throw new Error(`nothing exports ${name}`);
}

/** Compiled modules that misbehave, loaded before the command line: to see what it does about our own bugs. */
function sabotage(body: string): NodeJS.ProcessEnv {
  folder.write('sabotage.mjs', `${importOf('World')}${importOf('InvariantError')}${body}\n`);
  return { NODE_OPTIONS: `--import=${pathToFileURL(folder.at('sabotage.mjs')).href}` };
}

describe('the program', () => {
  // npx links to it once and does not look again: after a build from nothing it would not be allowed to run it.
  it('can be run as it is built', () => {
    expect(() => accessSync(MAIN, constants.X_OK)).not.toThrow();
  });
});

describe('help', () => {
  it('lists commands and exit codes', () => {
    const { code, out, err } = gupfuzz(['--help']);
    expect([code, err]).toEqual([0, '']);
    for (const { usage, describe: what } of COMMANDS) {
      expect(out).toContain(`gupfuzz ${usage}`);
      expect(out.replace(/\s+/g, ' ')).toContain(what);
    }
    expect(out).toContain('1  a finding or a regression');
    expect(out.split('\n').every((line) => line.length <= 100)).toBe(true);
  });

  it.each(COMMANDS.map((c) => c.usage.split(' ')[0]!))('of %s has its flags and the exit codes', (name) => {
    const { code, out, err } = gupfuzz([name, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(`gupfuzz ${name}`);
    expect(out).toContain('Exit codes:');
  });

  it('loads no heavy module', () => {
    const env = { NODE_DEBUG: 'esm' };
    const { code, err } = gupfuzz(['--help'], { env });
    expect(code).toBe(0);
    const loaded = [...new Set([...err.matchAll(/file:\/\/\S+?\/dist\/\S+?\.js\b/g)].map(([url]) => url))];
    const mapped = loaded.filter((url) => existsSync(new URL(`${url}.map`)));
    const sources = mapped.flatMap((url) => {
      const { sources: own } = JSON.parse(readFileSync(new URL(`${url}.map`), 'utf8')) as {
        sources: string[];
      };
      return own;
    });
    expect(sources.some((file) => file.includes('/yargs/'))).toBe(true);
    // The dear ones; the second is no part of the bundle.
    expect(sources.filter((file) => file.includes('/zod/'))).toEqual([]);
    expect(err).not.toContain('fast-check');
  });

  it('prints the version', () => {
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
    expect(gupfuzz(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });
});

describe('usage errors are one line and exit 2', () => {
  it.each<readonly [readonly string[], RegExp]>([
    [[], /^gupfuzz: which command\? There is: fuzz, check, /],
    [['replat', B01], /^gupfuzz: there is no command "replat"; did you mean replay\?/],
    [['xyzzy'], /^gupfuzz: there is no command "xyzzy"\. There is: /],
    [['replay'], /^gupfuzz: replay <files\.\.>: an argument is missing; see gupfuzz replay --help$/],
    [['replay', B01, '--polcy', 'pae'], /^gupfuzz: unknown flag --polcy; did you mean --policy\?/],
    [['replay', B01, '--xyzzy=1'], /^gupfuzz: unknown flag --xyzzy; see gupfuzz replay --help$/],
    [['replay', '-x', B01], /^gupfuzz: unknown flag -x; see gupfuzz replay --help$/],
    [['replay', B01, '--format'], /^gupfuzz: --format needs a value; see gupfuzz replay --help$/],
    [['replay', B01, '--format', 'xml'], /^gupfuzz: --format is "xml"; allowed: text, json, jsonl$/],
    [
      ['replay', B01, '--format=json', '--format=text'],
      /^gupfuzz: --format is given 2 times; allowed: once$/,
    ],
    [['replay', ''], /^gupfuzz: files needs a value that is not empty$/],
    [['replay', B01, '--policy', 'pea'], /^gupfuzz: there is no policy "pea"; did you mean pae\?/],
    [['show', B01, B06], /^gupfuzz: unknown argument /],
    [['show', B01, '--format', 'htm'], /^gupfuzz: --format is "htm"; allowed: text, mail, json, steps/],
    [['minimize', B06, '--policy', 'all'], /^gupfuzz: --policy is "all"; allowed: one policy$/],
    [['minimize', B06, '--states', '0'], /^gupfuzz: --states is "0"; allowed: a whole number from 1 to \d+$/],
    [
      ['minimize', B06, '--shortest', '--states', 'all'],
      /^gupfuzz: --states is "all"; allowed: a whole number/,
    ],
    [['minimize', B06, '--in-place', '--out', 'x'], /^gupfuzz: --in-place makes no sense with --out$/],
    [['minimize', B06, B01], /^gupfuzz: several files need --out FOLDER or --in-place$/],
    [['compare', '--base', 'pae'], /^gupfuzz: --cand is missing/],
    [['compare', '--cand', 'pae'], /^gupfuzz: --base is missing/],
    [
      ['compare', '--base', 'pae', '--cand', 'v6.2-anon-exclusive'],
      /are the same policy, v6\.2-anon-exclusive$/,
    ],
    [['compare', '--base', 'all', '--cand', 'pae'], /^gupfuzz: --base is "all"; allowed: one policy$/],
    [
      ['compare', '--base', 'pae', '--cand', 'canary', '-p', 'all'],
      /^gupfuzz: --policy makes no sense with --base/,
    ],
    [['compare', '--runs', 'many'], /^gupfuzz: --runs is "many"; allowed: a whole number/],
    [['compare', '--runs', '-1'], /^gupfuzz: --runs is "-1"; allowed: a whole number/],
    [['policies', 'nope'], /^gupfuzz: there is no policy "nope"\. There is: v5\.7-mapcount/],
    [['properties', 'isolatoin'], /^gupfuzz: there is no property "isolatoin"; did you mean isolation\?/],
    [['ops', 'frok'], /^gupfuzz: there is no operation "frok"; did you mean fork\?/],
    [['init', 'policy'], /^gupfuzz: init <what> <name>: an argument is missing/],
    [['init', 'property', 'x'], /^gupfuzz: init property: there is only init policy NAME$/],
    [['init', 'policy', '../x'], /^gupfuzz: init policy "\.\.\/x": id "\.\.\/x" must be/],
    [['init', 'policy', 'pae'], /is taken by the built-in policy/],
  ])('%j', (args, message) => {
    expect(oneLine(gupfuzz(args), 2)).toMatch(message);
  });
});

describe('our own bugs', () => {
  it('70: one line, and the stack for whoever asks', () => {
    const env = sabotage(`World.prototype.step = () => { throw new InvariantError('counts differ'); };`);
    const quiet = gupfuzz(['replay', B01], { env });
    expect([quiet.code, quiet.out]).toEqual([70, '']);
    expect(lines(quiet.err)).toEqual([
      'gupfuzz: invariant broken: counts differ; this is a bug of gupfuzz, please report it',
      'gupfuzz: GUPFUZZ_DEBUG=1 shows where',
    ]);
    const loud = gupfuzz(['replay', B01], { env: { ...env, GUPFUZZ_DEBUG: '1' } });
    expect(loud.code).toBe(70);
    expect(loud.err).toMatch(/\n\s+at /);
    // A bisection must not take it for bad.
    expect(gupfuzz(['replay', '--bisect', B01], { env }).code).toBe(125);
  });

  it('5: two runs of one scenario that differ', () => {
    const env = sabotage(`
      const step = World.prototype.step;
      let worlds = 0;
      const numbers = new WeakMap();
      World.prototype.step = function (packed) {
        if (!numbers.has(this)) numbers.set(this, worlds++);
        const outcome = step.call(this, packed);
        if (numbers.get(this) % 2 === 1) this.violations = [];
        return outcome;
      };`);
    const { code, out } = gupfuzz(['replay', B01, '-p', 'mapcount'], { env });
    expect(code).toBe(5);
    expect(out).toMatch(/not deterministic on v5\.7-mapcount: two runs differ/);
  });
});

describe('terminals and pipes', () => {
  it('completion', () => {
    const { code, out } = gupfuzz(['completion']);
    expect(code).toBe(0);
    expect(out).toContain('gupfuzz');
    expect(lines(gupfuzz(['--get-yargs-completions', 'gupfuzz', 'rep']).out)).toContain('replay');
    const completed = (...words: readonly string[]) => {
      const { out, err } = gupfuzz(['--get-yargs-completions', 'gupfuzz', ...words]);
      expect(err).toBe('');
      return lines(out);
    };
    expect(completed('replay', 'x', '--policy', 'long')).toEqual(['longterm-ban']);
    expect(completed('replay', 'x', '--format', 'js')).toEqual(['json', 'jsonl']);
    expect(completed('fuzz', '--profile', '')).toEqual(['anon', 'file', 'all']);
    expect(completed('check', '--scope', 'pi')).toEqual(['pin']);
    expect(completed('properties', 'pin')).toEqual(['pin-coherence']);
    expect(completed('decisions', 'wp')).toEqual(['wpFault']);
    // Files are left to the shell.
    expect(completed('replay', './')).toEqual([]);
    expect(completed('replay', 'x', '--policy', './m')).toEqual([]);
    expect(lines(gupfuzz(['--get-yargs-completions', 'gupfuzz', 'replay', '--']).out)).toContain('--bisect');
  });

  it('no colour without a terminal, whatever CI says; colour if it is forced; NO_COLOR wins', () => {
    const colour = '\u001b[';
    expect(gupfuzz(['replay', B01], { env: { CI: '1', TERM: 'xterm-256color' } }).out).not.toContain(colour);
    expect(gupfuzz(['replay', B01], { env: { FORCE_COLOR: '1' } }).out).toContain(colour);
    expect(gupfuzz(['replay', B01], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }).out).not.toContain(colour);
  });

  it.each([
    ['policies', '--rules'],
    ['replay', '--trace', '-p', 'all', CATALOGUE],
  ])('a reader that goes away is no error: %s', async (...args) => {
    const { child, ended } = start(args, { cwd: folder.path });
    child.stdout.destroy();
    const { code, err } = await ended;
    expect(err).not.toMatch(/EPIPE|bug|at /);
    expect(code).toBe(0);
  });

  it.each([
    [[], 71],
    [['--bisect'], 125],
  ] as const)('too few open files are said in one line: %j', (flags, code) => {
    const { status, stderr, stdout } = spawnSync(
      'sh',
      ['-c', 'ulimit -n 24; exec "$@"', 'sh', process.execPath, MAIN, 'replay', B01, ...flags],
      { encoding: 'utf8' },
    );
    expect([status, stdout, stderr]).toEqual([
      code,
      '',
      'gupfuzz: too many open files; more must be allowed (ulimit -n 256)\n',
    ]);
  });

  it('a full disk is said in one line', () => {
    const { status, stderr } = spawnSync('sh', [
      '-c',
      `exec "$0" "$1" show "$2" > /dev/full`,
      process.execPath,
      MAIN,
      B01,
    ]);
    expect([status, stderr.toString()]).toEqual([3, 'gupfuzz: the output cannot be written: ENOSPC\n']);
  });
});
