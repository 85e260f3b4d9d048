/** The compiled command line (`npm test` builds first): each command, each exit code, each kind of bad input. */
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Counterexample,
  formatCounterexample,
  newCounterexample,
  parseCounterexample,
} from '../scenario/file.ts';
import { COMMANDS } from './commands.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(ROOT, 'dist/src/cli/main.js');
const CATALOGUE = join(ROOT, 'counterexamples');
const B01 = join(CATALOGUE, 'b01-reference-of-child-sees-later-store-of-parent.gup.json');
const B02 = join(CATALOGUE, 'b02-reference-taken-before-fork-sees-store-of-child.gup.json');
const B51 = join(CATALOGUE, 'b51-driver-does-not-dirty.gup.json');
const B06 = join(CATALOGUE, 'b06-dma-into-pinned-page-is-lost-after-fork.gup.json');
const B12 = join(CATALOGUE, 'b12-reading-through-gup-allocates.gup.json');

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let dir = '';
let count = 0;
const made: string[] = [];
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'gupfuzz-cli-'));
  made.push(dir);
});
beforeEach(() => {
  dir = join(made[0]!, `t${count++}`);
  mkdirSync(dir);
});
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true });
});

/** Runs it in a fresh folder, without a terminal. */
function gupfuzz(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}): Result {
  const { FORCE_COLOR: _, NO_COLOR: __, ...env } = process.env;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? dir,
    encoding: 'utf8',
    env: { ...env, ...options.env },
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined) throw error;
  return { code: status, out: stdout, err: stderr };
}

/** Writes a file into the folder of the test. */
function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return name;
}

const load = (path: string): Counterexample => parseCounterexample(readFileSync(path, 'utf8'), path);

/** A catalogue entry with changes, and with the content id that belongs to it. */
function changed(path: string, change: Partial<Counterexample>): string {
  const { format: _format, version: _version, id: _id, ...parts } = { ...load(path), ...change };
  return formatCounterexample(newCounterexample(parts));
}

/** Lines that a person reads; nothing but one such line may come of bad input. */
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
function oneLine(result: Result, code: number): string {
  expect(result.out).toBe('');
  expect(result.code).toBe(code);
  expect(lines(result.err), result.err).toHaveLength(1);
  expect(result.err).not.toMatch(/\n\s+at /);
  return lines(result.err)[0]!;
}

/** Compiled modules that misbehave, loaded before the command line: to see what it does about our own bugs. */
function sabotage(body: string): NodeJS.ProcessEnv {
  const simulated = pathToFileURL(join(ROOT, 'dist/src/executor/simulated.js')).href;
  file('sabotage.mjs', `import { World, InvariantError } from '${simulated}';\n${body}\n`);
  return { NODE_OPTIONS: `--import=${pathToFileURL(join(dir, 'sabotage.mjs')).href}` };
}

/** A user's policy that says pins are no pins. */
const FORGETFUL = `import { derive, otherwise, policyByName, table } from 'gupfuzz';
export default derive(
  policyByName('longterm-ban'),
  { id: 'forgetful', title: 'fork never copies', sources: [] },
  { forkPte: [table(otherwise('share'))] },
);
`;

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
    // Whatever is loaded is resolved from its folder; zod and fast-check are the dear ones.
    const { code, err } = gupfuzz(['--help'], { env });
    expect(code).toBe(0);
    expect(err).toMatch(/yargs/);
    expect(err).not.toMatch(/zod|fast-check/);
  });

  it('prints the version', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
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
    [['minimize', B06, '--states', '5'], /^gupfuzz: --states makes no sense without --shortest$/],
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

describe('bad files are one line each and exit 3', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['empty', '', /x\.gup\.json: .*is not JSON: line 1, column 1 has the end of the file/],
    ['no JSON', 'hello', /x\.gup\.json: .*is not JSON: line 1, column 1/],
    ['another JSON', '{"a": 1}', /x\.gup\.json: a is an unknown field/],
    ['a doubled field', '{"format": 1, "format": 2}', /x\.gup\.json: format is given twice/],
    ['too large', ' '.repeat(300_000), /x\.gup\.json: the file has 300000 bytes; allowed: at most 262144/],
  ];
  it.each(bad)('%s', (_, text, message) => {
    file('x.gup.json', text);
    for (const command of ['replay', 'minimize', 'show'])
      expect(oneLine(gupfuzz([command, 'x.gup.json']), 3), command).toMatch(message);
  });

  it('wrong values name file, field, value and what is allowed', () => {
    const text = readFileSync(B01, 'utf8');
    file('x.gup.json', text.replace('"op": "exit"', '"op": "exot"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: steps\[3\]\.op is "exot"; allowed: one of /,
    );
    file('x.gup.json', text.replace('"ref": "h1"', '"ref": "h9"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: steps\[5\]\.ref is "h9"/,
    );
    file('x.gup.json', text.replace(/"id": "\w+"/, '"id": "0000000000000000"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: id is "0{16}"; allowed: /,
    );
  });

  it('not UTF-8, not there, a folder where a file must be', () => {
    writeFileSync(join(dir, 'x.gup.json'), Buffer.from([0x7b, 0xff, 0x7d]));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toBe('gupfuzz: x.gup.json: the file is not UTF-8');
    for (const command of ['replay', 'minimize', 'show', 'compare'])
      expect(oneLine(gupfuzz([command, 'no/such']), 3)).toBe(
        'gupfuzz: no/such: there is no such file or folder',
      );
    expect(oneLine(gupfuzz(['replay', 'x.gup.json/y']), 3)).toMatch(/a part of its path is not a folder$/);
    rmSync(join(dir, 'x.gup.json'));
    expect(oneLine(gupfuzz(['show', '.']), 3)).toBe('gupfuzz: .: is a folder; give one file');
  });

  it('names with control characters cannot disturb the terminal', () => {
    file('a\u001b[2Jb.gup.json', 'x');
    expect(gupfuzz(['replay', 'a\u001b[2Jb.gup.json']).err).not.toContain('\u001b');
  });

  it('do not hide good ones', () => {
    file('bad.gup.json', '{}');
    const { code, out, err } = gupfuzz(['replay', 'bad.gup.json', B01, 'missing.gup.json']);
    expect(code).toBe(3);
    expect(out).toMatch(/reproduced on v5\.7-mapcount at step 6; as expected/);
    expect(lines(err)).toEqual([
      expect.stringMatching(/^gupfuzz: bad\.gup\.json: /),
      'gupfuzz: missing.gup.json: there is no such file or folder',
    ]);
  });

  it('endless input ends', () => {
    expect(oneLine(gupfuzz(['replay', '/dev/zero']), 3)).toMatch(/has more than 262144 bytes/);
  });

  it('policy modules too', () => {
    expect(oneLine(gupfuzz(['policies', './no.ts']), 3)).toMatch(
      /^gupfuzz: policy \.\/no\.ts: there is no such file/,
    );
    file('no.ts', 'export default 7;');
    expect(oneLine(gupfuzz(['policies', './no.ts']), 3)).toMatch(/^gupfuzz: policy \.\/no\.ts: /);
    expect(oneLine(gupfuzz(['compare', '--base', 'pae', '--cand', './no.ts']), 3)).toMatch(
      /policy \.\/no\.ts: /,
    );
    expect(oneLine(gupfuzz(['minimize', B06, '--policy', './no.ts']), 3)).toMatch(/policy \.\/no\.ts: /);
    const replayed = gupfuzz(['replay', B01, '--policy', './no.ts', '--policy', 'mapcount']);
    expect([replayed.code, lines(replayed.err).length]).toEqual([3, 1]);
    expect(replayed.out).toMatch(/reproduced on v5\.7-mapcount/);
  });
});

describe('replay', () => {
  it('the whole catalogue is as expected', () => {
    const { code, out, err } = gupfuzz(['replay', CATALOGUE]);
    const files = readdirSync(CATALOGUE).filter((name) => name.endsWith('.gup.json'));
    expect(code).toBe(0);
    expect(lines(out).map((line) => line.split(': ')[0])).toEqual(
      files.sort().map((f) => join(CATALOGUE, f)),
    );
    expect(out).not.toMatch(/unexpected/);
    expect(err).toBe(`gupfuzz: ${files.length} files, ${files.length} as expected\n`);
  });

  it('says what became of the class, and 1 if that contradicts the file', () => {
    file('step.gup.json', changed(B06, { seen: { ...load(B06).seen!, step: 0 } }));
    file('fixed.gup.json', changed(B06, { policy: 'v6.2-anon-exclusive', expect: {} }));
    file(
      'applies.gup.json',
      changed(B06, { steps: [{ task: 'P', op: 'munmap', page: 'A' }, ...load(B06).steps] }),
    );
    const verdict = (name: string): unknown[] => {
      const { code, out, err } = gupfuzz(['replay', name]);
      return [code, err, lines(out)[0]];
    };
    expect(verdict('step.gup.json')).toEqual([
      1,
      '',
      'step.gup.json: differs on v5.7-mapcount: seen at step 5 instead of step 1; as expected on 5 of 6 policies',
    ]);
    expect(verdict('fixed.gup.json')).toEqual([
      1,
      '',
      'fixed.gup.json: fixed on v6.2-anon-exclusive (not violated)',
    ]);
    expect(verdict('applies.gup.json')[2]).toMatch(
      /^applies\.gup\.json: no longer applies on v5\.7-mapcount at step 2/,
    );
  });

  it('reports every contradiction with an expectation', () => {
    const expectation = load(B06).expect;
    const wrong = { ...expectation, 'v6.2-anon-exclusive': expectation['v5.7-mapcount']! };
    file('x.gup.json', changed(B06, { expect: wrong }));
    const { code, out } = gupfuzz(['replay', 'x.gup.json']);
    expect(code).toBe(1);
    expect(lines(out)).toEqual([
      'x.gup.json: reproduced on v5.7-mapcount at step 5; as expected on 5 of 6 policies',
      '  unexpected on v6.2-anon-exclusive: verdict "not violated", expected "violated"',
      '  unexpected on v6.2-anon-exclusive: no longer violates pin-coherence/stale/anon/PIN-W-LT/device->cpu, which is expected',
    ]);
    // The others are as expected.
    expect(gupfuzz(['replay', 'x.gup.json', '-p', 'mapcount', '-p', 'canary']).code).toBe(0);
  });

  it('--policy all prints the row of verdicts', () => {
    const { code, out } = gupfuzz(['replay', B01, '--policy', 'all']);
    expect(code).toBe(0);
    expect(lines(out).slice(1)).toEqual([
      '  v5.7-mapcount        violated      the class of the file at step 6',
      '  v5.8-cow-break       not violated',
      '  v5.11-page-count     not violated',
      '  v6.2-anon-exclusive  not violated',
      '  v6.5-longterm-ban    not violated',
      '  canary               violated      the class of the file at step 6',
    ]);
  });

  it("a user's policy that breaks the promise gives 1, one that keeps it 0", () => {
    file('forgetful.ts', FORGETFUL);
    const broken = gupfuzz(['replay', B06, '--policy', './forgetful.ts']);
    expect(broken.code).toBe(1);
    expect(lines(broken.out)).toEqual([
      `${B06}: reproduced on forgetful at step 5`,
      expect.stringMatching(/^ {2}unexpected on forgetful: violates claim: /),
      '  unexpected on forgetful: violates pin-coherence/stale/anon/PIN-W-LT/device->cpu',
    ]);
    expect(gupfuzz(['replay', B01, '--policy', './forgetful.ts'])).toEqual({
      code: 0,
      out: `${B01}: fixed on forgetful (not violated)\n`,
      err: '',
    });
  });

  it('a file whose policy is not loaded was not tested: 4', () => {
    file('x.gup.json', changed(B06, { policy: 'elsewhere', expect: {} }));
    const { code, out } = gupfuzz(['replay', 'x.gup.json']);
    expect([code, out]).toEqual([
      4,
      'x.gup.json: not tested: its policy elsewhere is not built in; give one with --policy\n',
    ]);
  });

  it('a folder without files: 4', () => {
    mkdirSync(join(dir, 'empty'));
    expect(oneLine(gupfuzz(['replay', 'empty']), 4)).toBe(
      'gupfuzz: empty: there is no .gup.json file in this folder',
    );
  });

  it('folders are read recursively, in order, each file once', () => {
    mkdirSync(join(dir, 'f/b'), { recursive: true });
    for (const name of ['f/z.gup.json', 'f/b/a.gup.json', 'f/a.gup.json', 'f/other.json'])
      cpSync(B01, join(dir, name));
    const { out } = gupfuzz(['replay', 'f', 'f/z.gup.json']);
    expect(lines(out).map((line) => line.split(':')[0])).toEqual([
      'f/a.gup.json',
      'f/b/a.gup.json',
      'f/z.gup.json',
    ]);
  });

  it('--trace shows states, decisions and observations on the policy of the file', () => {
    const { code, out } = gupfuzz(['replay', '--trace', B06]);
    expect(code).toBe(0);
    expect(out.match(/^Trace on .*/gm)).toEqual([expect.stringMatching(/^Trace on v5\.7-mapcount: /)]);
    expect(out).toContain('asked:  wpFault -> copy by "otherwise" (mapcount 2)');
    expect(out).toContain('BROKEN: pin-coherence/stale/anon/PIN-W-LT/device->cpu');
    expect(out).toMatch(
      /^ {4}\* folio 1: refcount 1026, mapcount 2, pincount 1, anon, holds 0 \(was refcount 1025/m,
    );
  });

  it('--format json is one document, jsonl one line per file and problem', () => {
    const { code, out, err } = gupfuzz([
      'replay',
      B06,
      'missing',
      '--format',
      'json',
      '--trace',
      '-p',
      'mapcount',
    ]);
    expect([code, lines(err).length]).toEqual([3, 1]);
    expect(JSON.parse(out)).toMatchObject({
      files: [
        {
          file: B06,
          policy: 'v5.7-mapcount',
          replays: [
            {
              policy: 'v5.7-mapcount',
              status: 'reproduced',
              step: 4,
              verdict: 'violated',
              unexpected: [],
              deterministic: true,
              trace: { steps: { length: 5 } },
            },
          ],
        },
      ],
      problems: [{ file: 'missing' }],
    });
    const jsonl = lines(gupfuzz(['replay', B06, B12, 'missing', '--format', 'jsonl']).out);
    expect(jsonl.map((line) => (JSON.parse(line) as { file: string }).file)).toEqual([B06, B12, 'missing']);
  });

  it('--bisect: 0 good, 1 bad, 125 whatever cannot be tested', () => {
    file('forgetful.ts', FORGETFUL);
    file('bad.gup.json', '{');
    const bisect = (...args: string[]): unknown[] => {
      const { code, out } = gupfuzz(['replay', '--bisect', ...args]);
      return [code, out];
    };
    expect(bisect(B06)).toEqual([1, '']);
    expect(bisect(B06, '-p', 'pae')).toEqual([0, '']);
    expect(bisect(B06, '-p', './forgetful.ts')).toEqual([1, '']);
    expect(bisect(B01, '-p', './forgetful.ts')).toEqual([0, '']);
    // Costs are as the file expects.
    expect(bisect(B12)).toEqual([0, '']);
    for (const args of [
      ['missing'],
      ['bad.gup.json'],
      [B06, '-p', './no.ts'],
      [B06, '-p', 'no'],
      ['--no'],
      [],
    ])
      expect(bisect(...args), args.join(' ')).toEqual([125, '']);
    const text = changed(B06, { steps: [{ task: 'P', op: 'munmap', page: 'A' }, ...load(B06).steps] });
    expect(bisect(file('applies.gup.json', text))).toEqual([125, '']);
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

describe('minimize', () => {
  const padded = (): string =>
    changed(B06, {
      steps: [
        { task: 'P', op: 'read', page: 'A' },
        { task: 'P', op: 'mprotect', page: 'A', prot: 'r' },
        { task: 'P', op: 'mprotect', page: 'A', prot: 'rw' },
        ...load(B06).steps,
      ],
      seen: { ...load(B06).seen!, step: 7 },
    });

  it('writes the shortest to stdout, and tells what it did on stderr', () => {
    file('long.gup.json', padded());
    const { code, out, err } = gupfuzz(['minimize', 'long.gup.json']);
    expect(code).toBe(0);
    const c = parseCounterexample(out, 'stdout');
    expect(c.steps).toHaveLength(5);
    expect(c.minimality.kind).toBe('shortest');
    expect(c.provenance.found).toBe('minimize');
    expect(c.expect).toEqual(load(B06).expect);
    expect([c.title, c.references]).toEqual([load(B06).title, load(B06).references]);
    expect(lines(err)[0]).toMatch(/^gupfuzz: long\.gup\.json: 8 -> 5 steps, shortest \(/);
    expect(err).toContain('- P: mprotect A r\n');
  });

  it('--out writes a file that replays', () => {
    file('long.gup.json', padded());
    const { code, out } = gupfuzz(['minimize', 'long.gup.json', '--out', 'short.gup.json']);
    expect([code, out]).toEqual([0, '']);
    expect(gupfuzz(['replay', 'short.gup.json']).code).toBe(0);
    expect(readdirSync(dir).sort()).toEqual(['long.gup.json', 'short.gup.json']);
    expect(oneLine(gupfuzz(['minimize', 'long.gup.json', '--out', 'no/such/x']), 3)).toBe(
      'gupfuzz: no/such/x: cannot be written (ENOENT)',
    );
  });

  it("on a user's policy", () => {
    file('forgetful.ts', FORGETFUL);
    file('long.gup.json', padded());
    const { code, out } = gupfuzz(['minimize', 'long.gup.json', '--policy', './forgetful.ts']);
    expect(code).toBe(0);
    expect(parseCounterexample(out, 'stdout').policy).toBe('forgetful');
  });

  it('--shortest proves, or says in the file why not: exit 0 or 6', () => {
    file('long.gup.json', padded());
    const proved = gupfuzz(['minimize', '--shortest', 'long.gup.json']);
    expect(proved.code).toBe(0);
    expect(parseCounterexample(proved.out, 'stdout').minimality).toMatchObject({
      kind: 'shortest',
      depth: 5,
    });

    const poor = gupfuzz(['minimize', '--shortest', '--states', '100', 'long.gup.json']);
    expect(poor.code).toBe(6);
    const { steps, minimality } = parseCounterexample(poor.out, 'stdout');
    expect(steps).toHaveLength(5);
    expect(minimality.kind).toBe('1-minimal');
    expect(minimality.reason).toMatch(/^not proved: 100 states reached at depth \d of 5$/);
    expect(poor.err).toContain(`gupfuzz: long.gup.json: ${minimality.reason}\n`);
    // Whoever does not ask for a proof has no reason to complain.
    expect(gupfuzz(['minimize', 'long.gup.json']).code).toBe(0);
    file('poor.gup.json', poor.out);
    expect(gupfuzz(['show', 'poor.gup.json']).out.replace(/\s+/g, ' ')).toContain(minimality.reason);
  });

  it('several files: to a folder or in place, the same bytes; what has nothing to minimize stays', () => {
    mkdirSync(join(dir, 'in'));
    file('in/long.gup.json', padded());
    for (const path of [B12, B02, B51]) cpSync(path, join(dir, 'in', basename(path)));
    const { code, out, err } = gupfuzz(['minimize', '--shortest', 'in', '--out', 'out']);
    expect([code, out]).toEqual([0, '']);
    expect(err).toMatch(/^gupfuzz: in\/b12-.*: nothing is violated in it, so there is nothing to minimize$/m);
    expect(readdirSync(join(dir, 'out')).sort()).toEqual([basename(B02), basename(B51), 'long.gup.json']);
    expect(gupfuzz(['minimize', '--shortest', '--in-place', 'in']).code).toBe(0);
    for (const name of readdirSync(join(dir, 'out')))
      expect(readFileSync(join(dir, 'in', name), 'utf8')).toBe(readFileSync(join(dir, 'out', name), 'utf8'));
    // Files of several policies, and of what is documented, come out as the catalogue has them.
    for (const path of [B02, B51])
      expect(readFileSync(join(dir, 'out', basename(path)), 'utf8')).toBe(readFileSync(path, 'utf8'));
    expect(readFileSync(join(dir, 'in', basename(B12)), 'utf8')).toBe(readFileSync(B12, 'utf8'));
    expect(gupfuzz(['replay', 'in', 'out']).code).toBe(0);
  });

  it('several files: one bad file does not hide the others', () => {
    file('bad.gup.json', '{}');
    file('long.gup.json', padded());
    const { code, err } = gupfuzz(['minimize', 'bad.gup.json', 'long.gup.json', '--in-place']);
    expect(code).toBe(3);
    expect(err).toMatch(/^gupfuzz: bad\.gup\.json: /m);
    expect(load(join(dir, 'long.gup.json')).steps).toHaveLength(5);
  });

  it('says when there is nothing to minimize', () => {
    expect(oneLine(gupfuzz(['minimize', B12]), 3)).toMatch(/has no class \(nothing is violated in it\)/);
    expect(oneLine(gupfuzz(['minimize', B06, '-p', 'pae']), 1)).toMatch(
      /is not violated on v6\.2-anon-exclusive/,
    );
    file('x.gup.json', changed(B06, { policy: 'elsewhere', expect: {} }));
    expect(oneLine(gupfuzz(['minimize', 'x.gup.json']), 3)).toMatch(/its policy elsewhere is not built in/);
  });
});

describe('compare', () => {
  it('policies x counterexamples', () => {
    const { code, out } = gupfuzz(['compare', CATALOGUE]);
    expect(code).toBe(0);
    expect(out).toMatch(/^b01-reference-of-child-sees-later-store-of-parent +X +- +- +- +- +X$/m);
  });

  it('takes counterexamples/ here, else the catalogue of the package', () => {
    expect(gupfuzz(['compare', '-p', 'pae']).out).toMatch(/^b01-/m);
    mkdirSync(join(dir, 'counterexamples'));
    cpSync(B12, join(dir, 'counterexamples/mine.gup.json'));
    expect(gupfuzz(['compare', '-p', 'pae']).out).toMatch(/^mine +-$/m);
  });

  it('contradictions with the files are marked and give 1', () => {
    const wrong = { 'v6.2-anon-exclusive': load(B06).expect['v5.7-mapcount']! };
    file('x.gup.json', changed(B06, { expect: wrong, policy: null, class: null }));
    const { code, out } = gupfuzz(['compare', 'x.gup.json', '-p', 'pae']);
    expect(code).toBe(1);
    expect(out).toMatch(/^x +!-$/m);
    expect(out).toContain(
      'unexpected: x on v6.2-anon-exclusive: verdict "not violated", expected "violated"',
    );
  });

  it('with a campaign: policies x properties', () => {
    const { code, out } = gupfuzz([
      'compare',
      B12,
      '--runs',
      '256',
      '--workers',
      '0',
      '-p',
      'mapcount',
      '-p',
      'pae',
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/finished 256 runs on 2 policies/);
    expect(out).toMatch(/^v5\.7-mapcount +\d+\/\d+ /m);
  });

  it('--base --cand: only what is new, with the program that shows it', () => {
    file('forgetful.ts', FORGETFUL);
    const pair = ['compare', CATALOGUE, '--base', 'longterm-ban', '--cand', './forgetful.ts'];
    const { code, out } = gupfuzz([...pair, '--runs', '512', '--workers', '0', '--out', 'new']);
    expect(code).toBe(1);
    expect(out).toMatch(/^\d+ new: broken by forgetful, not by v6\.5-longterm-ban$/m);
    expect(out).toMatch(/b06-\S+: violates pin-coherence\/stale\/anon\/PIN-W-LT\/device->cpu/);
    expect(out).toMatch(/^gupfuzz replay new\/\S+\.gup\.json --policy \.\/forgetful\.ts$/m);
    expect(out).toContain('Costs more (no failure):');
    // What v6.5 breaks as well is no news.
    expect(out).not.toMatch(/stable-writeback|fs-notified/);
    const written = readdirSync(join(dir, 'new'));
    expect(written.length).toBeGreaterThan(3);
    expect(gupfuzz(['replay', 'new', '-p', './forgetful.ts']).code).toBe(0);
    // The same again gives the same.
    expect(gupfuzz([...pair, '--runs', '512', '--workers', '1', '--out', 'new']).out).toBe(out);
  });

  it('--base --cand: nothing new is 0', () => {
    const { code, out } = gupfuzz(['compare', CATALOGUE, '--base', 'mapcount', '--cand', 'longterm-ban']);
    expect(code).toBe(0);
    expect(out).toMatch(/^nothing new: v6\.5-longterm-ban breaks nothing that v5\.7-mapcount keeps/);
  });

  it('--format json, markdown, junit', () => {
    const pair = ['compare', B06, B12, '--base', 'pae', '--cand', 'mapcount'];
    const json = JSON.parse(gupfuzz([...pair, '--format', 'json']).out) as object;
    expect(json).toMatchObject({
      base: 'v6.2-anon-exclusive',
      cand: 'v5.7-mapcount',
      new: [{ where: B06, class: 'pin-coherence/stale/anon/PIN-W-LT/device->cpu' }],
      campaign: null,
      problems: [],
    });
    expect(gupfuzz([...pair, '--format', 'markdown']).out).toMatch(
      /^### gupfuzz: v5\.7-mapcount against v6\.2-anon-exclusive\n\n\| where \| new \|\n/,
    );
    const junit = gupfuzz([...pair, '--format', 'junit']);
    expect(junit.code).toBe(1);
    expect(junit.out).toContain('tests="2" failures="1" errors="0" skipped="0"');
    const all = gupfuzz(['compare', B06, B12, 'missing', '--format', 'junit']);
    expect(all.code).toBe(3);
    expect(all.out).toContain('<error message="missing: there is no such file or folder"/>');
  });

  it('nothing to compare: 4', () => {
    mkdirSync(join(dir, 'empty'));
    expect(gupfuzz(['compare', 'empty']).code).toBe(4);
  });
});

describe('show and validate', () => {
  it('text: columns, what was seen, why, what others do', () => {
    const { code, out, err } = gupfuzz(['show', B06]);
    expect([code, err]).toEqual([0, '']);
    for (const part of [
      'B06: RDMA or VFIO writes into a pinned page are lost after fork',
      '> 5  read A',
      'Step 5: ',
      'Promised: what the device stored through h1 in step 4',
      'v6.2-anon-exclusive  not violated',
      'See:      B06',
      `gupfuzz replay ${B06}`,
    ])
      expect(out).toContain(part);
  });

  it('mail is at most 72 columns wide', () => {
    const { out } = gupfuzz(['show', '--format', 'mail', B06], { cwd: CATALOGUE });
    expect(lines(out).filter((line) => line.length > 72 && !line.includes(B06))).toEqual([]);
  });

  it('json is the file itself, steps one line each', () => {
    expect(gupfuzz(['show', B06, '--format', 'json']).out).toBe(readFileSync(B06, 'utf8'));
    expect(gupfuzz(['show', B06, '--format', 'steps']).out).toBe(
      'h1 = P: gup A pin W LONGTERM\nC = P: fork\nP: write A\ndevice: dma_write h1\nP: read A\n',
    );
  });

  it('--policy: what this one makes of it', () => {
    const { out } = gupfuzz(['show', B06, '-p', 'pae', '-p', 'mapcount']);
    expect(out).toMatch(
      /Run just now:\n {2}v6\.2-anon-exclusive {2}not violated\n {2}v5\.7-mapcount +violated: /,
    );
  });

  it('validate: one line per file, 3 if any is bad', () => {
    expect(gupfuzz(['validate', CATALOGUE]).code).toBe(0);
    file('bad.gup.json', '{}');
    const { code, out } = gupfuzz(['validate', B06, 'bad.gup.json', 'missing']);
    expect(code).toBe(3);
    expect(lines(out)).toEqual([
      `${B06}: ok: 5 steps, pin-coherence/stale/anon/PIN-W-LT/device->cpu on v5.7-mapcount`,
      expect.stringMatching(/^bad\.gup\.json: bad: /),
      'missing: bad: there is no such file or folder',
    ]);
    expect(JSON.parse(gupfuzz(['validate', B06, 'missing', '--format', 'json']).out)).toMatchObject({
      files: [{ file: B06 }],
      problems: [{ file: 'missing' }],
    });
  });
});

describe('what is built in', () => {
  it('policies: a list, and the rules of one', () => {
    expect(lines(gupfuzz(['policies']).out)[0]).toMatch(
      /^v5\.7-mapcount +mapcount +reuse on a write fault by map count/,
    );
    const { out } = gupfuzz(['policies', 'pae']);
    expect(out).toContain('6c287605fd56');
    expect(out).toContain(
      `wpFault  mm/memory.c: do_wp_page(), wp_can_reuse_anon_folio()
  reuse  exclusive       if anonExclusive
  reuse  only reference  if refcount 1
  copy   otherwise
`,
    );
    expect(gupfuzz(['policies', '--rules']).out.match(/^wpFault /gm)?.length).toBe(6);
    const json = JSON.parse(gupfuzz(['policies', 'pae', '--format', 'json']).out) as {
      policies: { id: string; tables: { rules: object[] }[] }[];
    };
    expect(json.policies.map((p) => p.id)).toEqual(['v6.2-anon-exclusive']);
    expect(json.policies[0]!.tables[0]!.rules[0]).toEqual({
      name: 'exclusive',
      answer: 'reuse',
      when: 'anonExclusive',
    });
  });

  it("policies: the rules of a user's module", () => {
    file('forgetful.ts', FORGETFUL);
    expect(gupfuzz(['policies', './forgetful.ts']).out).toMatch(
      /^forgetful\n[\s\S]*forkPte .*\n {2}share {2}otherwise\n/,
    );
  });

  it('properties and ops, each with where it comes from', () => {
    expect(gupfuzz(['properties']).out).toMatch(/^isolation +In a private mapping/);
    expect(gupfuzz(['properties', 'isolation']).out).toContain('CVE-2020-29374');
    expect(gupfuzz(['ops']).out).toMatch(/^fork +mm +fork\(2\)$/m);
    expect(gupfuzz(['ops', 'fork']).out).toContain('mm/memory.c: copy_present_pte()');
    const { properties } = JSON.parse(gupfuzz(['properties', '--format', 'json']).out) as {
      properties: object[];
    };
    const { ops } = JSON.parse(gupfuzz(['ops', '--format', 'json']).out) as { ops: object[] };
    expect([properties.length > 5, ops.length > 15]).toEqual([true, true]);
  });
});

describe('init', () => {
  it('writes a policy that is one, with its test, and never over a file', () => {
    const { code, out, err } = gupfuzz(['init', 'policy', 'mine']);
    expect([code, lines(out)]).toEqual([0, ['mine.ts', 'mine.test.ts']]);
    expect(err).toContain('gupfuzz compare --base longterm-ban --cand ./mine.ts');
    expect(gupfuzz(['policies', './mine.ts']).code).toBe(0);
    expect(gupfuzz(['replay', CATALOGUE, '-p', './mine.ts', '-p', 'longterm-ban']).code).toBeLessThan(2);
    file('mine.ts', 'precious');
    expect(oneLine(gupfuzz(['init', 'policy', 'mine']), 2)).toBe(
      'gupfuzz: mine.ts and mine.test.ts are there already; --force overwrites',
    );
    expect(readFileSync(join(dir, 'mine.ts'), 'utf8')).toBe('precious');
    expect(gupfuzz(['init', 'policy', 'mine', '--force']).code).toBe(0);
    expect(readFileSync(join(dir, 'mine.ts'), 'utf8')).toContain('derive(');
  });

  it('--dir', () => {
    expect(gupfuzz(['init', 'policy', 'mine', '--dir', 'a/b']).code).toBe(0);
    expect(existsSync(join(dir, 'a/b/mine.test.ts'))).toBe(true);
    file('blocked', '');
    expect(oneLine(gupfuzz(['init', 'policy', 'mine', '--dir', 'blocked']), 3)).toMatch(
      /cannot be written \(/,
    );
  });
});

describe('terminals and pipes', () => {
  it('completion', () => {
    const { code, out } = gupfuzz(['completion']);
    expect(code).toBe(0);
    expect(out).toContain('gupfuzz');
    expect(lines(gupfuzz(['--get-yargs-completions', 'gupfuzz', 'rep']).out)).toContain('replay');
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
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.stdout.destroy();
    const code = await new Promise((done) => child.once('close', done));
    expect(err).not.toMatch(/EPIPE|bug|at /);
    expect(code).toBe(0);
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
