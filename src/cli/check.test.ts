/** `gupfuzz check` through the compiled command line (`npm test` builds first). */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { load } from '../testing/catalogue.ts';
import { gupfuzzIn, interrupted, oneLine, type Result } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writePolicy } from '../testing/policy.ts';

interface Data {
  readonly stopped: string;
  readonly depth: number;
  readonly states: number;
  readonly properties: readonly {
    readonly property: string;
    readonly verdict: string;
    readonly classes: readonly {
      readonly class: string;
      readonly length: number;
      readonly file: string | null;
    }[];
  }[];
  readonly beside: {
    readonly base: string;
    readonly worse?: readonly string[];
    readonly proof: {
      readonly verdict: string;
      readonly closed: boolean;
      readonly covered: number | null;
      readonly regressions: readonly {
        readonly class: string;
        readonly length: number;
        readonly file: string | null;
      }[];
      readonly common: readonly { readonly class: string; readonly closed: boolean }[];
    } | null;
  } | null;
  readonly unexpected: readonly string[];
  readonly cost: unknown;
}

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const check = (...args: string[]): Result => gupfuzz(['check', ...args]);
const data = (result: Result): Data => JSON.parse(result.out) as Data;
const comparable = (result: Result): object => ({ ...data(result), cost: null });
const verdicts = (result: Result): Record<string, string> =>
  Object.fromEntries(data(result).properties.map((p) => [p.property, p.verdict]));

/** A module whose wpFault rule is this condition. */
const policy = (name: string, condition: string): string =>
  writePolicy(
    folder,
    name,
    `wpFault: [table(rule('odd one', (f) => ${condition}, 'reuse'), otherwise('copy'))]`,
    { prelude: 'let calls = 0;' },
  );

describe('exit codes', () => {
  it('0: nothing unexpected, and everything that can be tested is decided', () => {
    const result = check('-p', 'longterm-ban', '--scope', 'anon', '--mms', '1', '--format', 'json');
    expect([result.code, result.err]).toEqual([0, '']);
    expect(data(result)).toMatchObject({ stopped: 'closed', states: 1331, unexpected: [] });
    expect(verdicts(result)).toMatchObject({ 'cpu-view': 'holds', durability: 'cannot be tested' });
  });

  it('0: what the policy is known for is no news', () => {
    const result = check('-p', 'mapcount', '--depth', '4', '--format', 'json');
    expect(result.code).toBe(0);
    expect(verdicts(result)).toMatchObject({ isolation: 'broken', 'pin-coherence': 'broken' });
  });

  it('1: a regression beside the built-in policy it derives from', () => {
    const result = check('-p', policy('reuse', 'f.refcount > 0'), '--depth', '4', '--format', 'json');
    expect(result.code).toBe(1);
    expect(data(result).unexpected.length).toBeGreaterThan(0);
    expect(verdicts(result).isolation).toBe('broken');
  });

  it('0 for a canary that is caught, 6 for one that is not', () => {
    expect(check('-p', 'canary', '--depth', '4', '-q').code).toBe(0);
    const missed = check('-p', 'canary', '--scope', 'shmem', '--depth', '3', '-q');
    expect([missed.code, missed.err]).toEqual([6, expect.stringMatching(/the canary canary was not caught/)]);
  });

  it('3: an answer that cannot be carried out, and nothing is said to hold', () => {
    const forever = writePolicy(folder, 'forever', `gupSlow: [table(otherwise('read fault'))]`);
    const result = check('-p', forever, '--depth', '3', '--format', 'json');
    expect(result.code).toBe(3);
    expect(result.err).toMatch(/^gupfuzz: policy forever: gupSlow does not converge/);
    expect(Object.values(verdicts(result))).not.toContain('holds');
  });

  it('4: no property can be tested in the scope', () => {
    const result = check('-p', 'longterm-ban', '--ops', 'fork,exit', '--format', 'json');
    expect(result.code).toBe(4);
    expect([...new Set(Object.values(verdicts(result)))]).toEqual(['cannot be tested']);
    expect(verdicts(result)).toHaveProperty(['claim: writable anon pte => exclusive']);
  });

  it('6: stopped before it was complete, and how to go on', () => {
    const result = check(
      '-p',
      'longterm-ban',
      '--scope',
      'base',
      '--states',
      '5000',
      '--checkpoint',
      'c',
      '-q',
    );
    expect(result.code).toBe(6);
    expect(result.out).toMatch(/^isolation +inconclusive: not broken by programs of up to \d steps$/m);
    expect(result.out).not.toMatch(/holds/);
    expect(result.err).toMatch(
      /to go on \(with a larger --states\): gupfuzz check --policy longterm-ban --pages anon .*--resume c --checkpoint c\n$/,
    );
    expect(existsSync(folder.at('c'))).toBe(true);
    const memory = check('-p', 'longterm-ban', '--scope', 'base', '--memory', '20M', '--force', '-q');
    expect([memory.code, memory.err]).toEqual([6, expect.stringMatching(/a larger --memory/)]);
  });
});

describe('beside a base', () => {
  const shared = ['--scope', 'shared-file', '--gups', 'pin:W,get:W', '--format', 'json', '-q'];

  it('1 for one that loses every store, where its base breaks promises too', () => {
    const never = writePolicy(folder, 'never-write', `wbBegin: [table(otherwise('keep dirty'))]`);
    const result = check('-p', never, ...shared, '--out', 'lost');
    expect(result.code, result.err).toBe(1);
    const { beside } = data(result);
    expect(beside!.base).toBe('v6.5-longterm-ban');
    expect(beside!.proof).toMatchObject({ verdict: 'regression', closed: true });
    expect(beside!.proof!.regressions[0]).toMatchObject({
      class: 'durability/stale/shared-file/-/cpu->disk',
      length: 2,
    });
    const files = beside!.proof!.regressions.map((r) => r.file!);
    const { out } = gupfuzz(['replay', ...files, '--policy', never]);
    expect(out.match(/^.*: reproduced on never-write/gm)).toHaveLength(files.length);
    for (const file of files) expect(out).toContain(`${file}: reproduced on never-write`);
    const text = check('-p', never, '--scope', 'shared-file', '--gups', 'pin:W,get:W', '-q');
    expect(text.out).toMatch(/^Regression: never-write breaks durability, v6\.5-longterm-ban keeps it/m);
    expect(text.err).toMatch(/gupfuzz check --policy \.\/never-write\.ts .* --out regressions\n$/);
  });

  it('0 for one that is its base, or refuses more, though both break promises', () => {
    const equal = writePolicy(folder, 'equal', '');
    const refuses = writePolicy(
      folder,
      'refuses',
      `gupSlow: [(rows) => [rule('W pin', (f) => f.write && f.pin, 'EFAULT'), ...rows]],
       gupFast: [(rows) => [rule('W pin', (f) => f.write && f.pin, 'bail'), ...rows]]`,
    );
    for (const module of [equal, refuses]) {
      const result = check('-p', module, ...shared);
      expect(result.code, result.err).toBe(0);
      const { beside, unexpected } = data(result);
      expect(unexpected).toEqual([]);
      expect(beside!.proof).toMatchObject({ verdict: 'none', closed: true, regressions: [] });
      expect(beside!.proof!.common.length).toBeGreaterThan(0);
      expect(beside!.proof!.common.every((c) => c.closed)).toBe(true);
    }
  });

  it('says, with exit code 4, that no program of the scope asks what the rules answer differently', () => {
    const fast = writePolicy(folder, 'fast', "gupFast: [without('R/O pin of an anon page, not exclusive')]");
    const flags = ['-p', fast, '--pages', 'anon', '--refs', '1', '-q', '--format', 'json'];
    const slow = check(...flags, '--gups', 'pin:R');
    expect(slow.code, slow.err).toBe(4);
    expect(data(slow).beside!.proof).toMatchObject({ verdict: 'not tested', unasked: ['gupFast'] });
    expect(check(...flags, '--gups', 'pin:R:fast').code).toBe(1);
  });

  it('a base that fails: with --first too it is said, and what was found is kept', () => {
    const loops = writePolicy(folder, 'loops', "gupSlow: [table(otherwise('write fault'))]");
    const flags = ['-p', 'mapcount', '--base', loops, '--pages', 'anon', '--refs', '1', '--depth', '5', '-q'];
    for (const first of [[], ['--first']]) {
      const { code, out, err } = check(...flags, ...first);
      expect([code, err.match(/^gupfuzz: the base, policy loops, fails at step \d+: /gm)?.length]).toEqual([
        3, 1,
      ]);
      expect(out).toMatch(/broken/);
    }
  });

  it('prints a command that shows the regression beside the base that was asked for', () => {
    const flags = [
      '-p',
      'mapcount',
      '--base',
      'longterm-ban',
      '--pages',
      'anon',
      '--refs',
      '1',
      '--depth',
      '4',
      '-q',
    ];
    const { code, out } = check(...flags, '--first', '--out', 'beside');
    expect(code).toBe(1);
    const [, words] = /gupfuzz replay (beside\/\S+ --policy v5\.7-mapcount --base longterm-ban)$/m.exec(out)!;
    const again = gupfuzz(['replay', ...words!.split(' ')]);
    expect([again.code, again.out]).toEqual([1, expect.stringContaining('regression')]);
  });

  it('of built-in policies with --base; without, what became worse is shown and is no failure', () => {
    const flags = ['-p', 'page-count', '--depth', '4', '--format', 'json', '-q'];
    const history = check(...flags);
    expect(history.code).toBe(0);
    expect(data(history).beside).toMatchObject({ base: 'v5.8-cow-break', proof: null });
    const beside = check(...flags, '--base', 'pae');
    expect(beside.code).toBe(1);
    expect(data(beside).beside!.proof!.regressions[0]).toMatchObject({ length: 3 });
    expect(check('-p', 'pae', '--base', 'page-count', '--depth', '4', '-q').code).toBe(0);
  });

  it('--first stops at the first regression, or broken promise', () => {
    const flags = ['-p', 'page-count', '--format', 'json', '-q', '--first'];
    const alone = check(...flags);
    expect([alone.code, data(alone).stopped, data(alone).depth]).toEqual([0, 'enough', 3]);
    const beside = check(...flags, '--base', 'pae');
    expect([beside.code, data(beside).stopped, data(beside).depth]).toEqual([1, 'enough', 3]);
    expect(data(beside).beside!.proof!.regressions).toHaveLength(1);
  });

  it('6 where the search beside it gave up', () => {
    const result = check('-p', 'longterm-ban', '--base', 'pae', ...shared, '--states', '3000');
    expect(result.code).toBe(6);
    expect(data(result).beside!.proof).toMatchObject({ verdict: 'inconclusive', closed: false });
  });

  it('3 where the base is no policy', () => {
    const loops = writePolicy(folder, 'loops', `gupSlow: [table(otherwise('write fault'))]`);
    const result = check('-p', 'longterm-ban', '--base', loops, ...shared);
    expect(result.code).toBe(3);
    expect(result.err).toMatch(/^gupfuzz: the base, policy loops, fails at step \d+: gupSlow does not/);
  });
});

describe('the result', () => {
  it('is the same for any number of threads, but for the cost', () => {
    const flags = ['-p', 'mapcount', '--scope', 'anon', '--depth', '8', '--format', 'json', '-q'];
    const run = (threads: string): Result => check(...flags, '--threads', threads);
    const one = run('1');
    expect(data(one).states).toBeGreaterThan(80_000);
    expect(comparable(run('3'))).toEqual(comparable(one));
  });

  it('with grain property: fewer states, the same properties broken', () => {
    const run = (grain: string): Result =>
      check('-p', 'mapcount', '--depth', '6', '--grain', grain, '--format', 'json', '-q');
    const [fine, coarse] = [run('class'), run('property')];
    expect(verdicts(coarse)).toEqual(verdicts(fine));
    expect(data(coarse).states).toBeLessThan(data(fine).states);
    const slow = check('-p', 'mapcount', '--depth', '4', '--no-symmetry', '--format', 'json', '-q');
    expect(verdicts(slow).isolation).toBe('broken');
  });

  it('--out: a file per class, which replays, and the command that does it', () => {
    const result = check('-p', policy('reuse', 'f.refcount > 0'), '--depth', '4', '--out', 'found');
    const files = readdirSync(folder.at('found/reuse')).sort();
    const commands = [...result.out.matchAll(/^ +gupfuzz replay (\S+) --policy \.\/reuse\.ts$/gm)].map(
      (m) => m[1],
    );
    expect(commands.sort()).toEqual(files.map((f) => `found/reuse/${f}`));
    for (const file of commands) {
      const c = load(folder.at(file!));
      expect(c.minimality).toMatchObject({ kind: 'shortest', depth: c.steps.length });
      expect(c.provenance).toMatchObject({ found: 'check' });
    }
    const replayed = gupfuzz(['replay', 'found', '--policy', './reuse.ts']);
    // Each file says so itself; that its base keeps the promise makes it a regression all the same.
    expect(replayed.code, replayed.err).toBe(1);
    expect(replayed.out.match(/reproduced on reuse at step/g)).toHaveLength(files.length);
    expect(replayed.out.match(/reproduced on reuse at step \d+, a regression: /g)).toHaveLength(files.length);
  });

  it('--documented: exceptions too', () => {
    const result = check('-p', 'longterm-ban', '--depth', '4', '--out', 'found', '--documented');
    expect(result.code).toBe(0);
    expect(readdirSync(folder.at('found/v6.5-longterm-ban')).sort()).toEqual([
      'documented-isolation--leak-anon-get-w-device-to-cpu.gup.json',
      'documented-pin-coherence--stale-anon-get-w-cpu-to-device.gup.json',
    ]);
  });
});

describe('interrupted', () => {
  it('says what it knows, exits 130, and goes on to the same result', async () => {
    const scope = ['-p', 'mapcount', '--scope', 'base'];
    // Any progress: the search is under way.
    const { code, out, err } = await interrupted(
      ['check', ...scope, '--force', '--memory', '4G', '--checkpoint', 'c.bin', '--format', 'json'],
      { cwd: folder.path },
      /./,
    );
    expect(code, err).toBe(130);
    expect(err).toMatch(/gupfuzz: stopping; what was found so far is told/);
    expect(err).toMatch(/inconclusive; to go on: gupfuzz check .* --resume c\.bin --checkpoint c\.bin\n$/);
    const stopped = JSON.parse(out) as Data;
    expect(stopped.stopped).toBe('interrupted');
    expect(stopped.properties.map((p) => p.verdict)).not.toContain('holds');

    const to = ['--depth', String(stopped.depth + 1), '--format', 'json', '-q'];
    const resumed = check(...scope, ...to, '--resume', 'c.bin');
    expect(resumed.code, resumed.err).toBe(0);
    expect(comparable(resumed)).toEqual(comparable(check(...scope, ...to)));

    expect(oneLine(check('-p', 'pae', '--scope', 'base', '--resume', 'c.bin'), 3)).toMatch(
      /c\.bin: is of another search/,
    );
    folder.write('c.bin', 'no checkpoint\n');
    expect(oneLine(check(...scope, '--resume', 'c.bin'), 3)).toMatch(/c\.bin: /);
  });
});

describe('a scope that cannot fit is refused before it starts', () => {
  it('with an estimate and what fits', () => {
    expect(oneLine(check('-p', 'pae', '--scope', 'base', '--depth', '20', '--memory', '1G'), 2)).toMatch(
      /^gupfuzz: --depth 20 would need at least \d+ million states and \d+\.\d GiB, with 1\.0 GiB allowed \(--memory\); --depth \d+ would need about \d+ MiB; .*--force starts anyway/,
    );
    expect(oneLine(check('-p', 'pae', '--scope', 'default', '--memory', '1G'), 2)).toMatch(
      /^gupfuzz: all programs of any length would need /,
    );
  });

  it('but not if a limit of states keeps it small', () => {
    const result = check(
      '-p',
      'pae',
      '--scope',
      'base',
      '--depth',
      '20',
      '--memory',
      '1G',
      '--states',
      '1000',
      '-q',
    );
    expect(result.code).toBe(6);
  });
});

describe('a policy that is no function of its facts: one line with module, table and rule', () => {
  it.each([
    ['flips', 'calls++ % 2 === 0'],
    ['counts', 'calls++ > 60 && f.refcount === 1'],
    ['throws-dice', 'f.refcount > 0 && f.mapcount > 0 && Math.random() < 0.5'],
    ['watches-the-clock', 'f.refcount > 0 && f.mapcount > 0 && process.hrtime.bigint() % 2n === 0n'],
  ])('%s', (name, condition) => {
    const line = oneLine(check('-p', policy(name, condition), '--depth', '3'), 3);
    expect(line).toBe(
      `gupfuzz: policy ./${name}.ts, table wpFault, rule "odd one": answers differently for the same facts`,
    );
  });

  it('and one that throws', () => {
    const line = oneLine(check('-p', policy('throws', 'f.nothing.at.all'), '--depth', '3'), 3);
    expect(line).toMatch(/^gupfuzz: policy \.\/throws\.ts, table wpFault, rule "odd one": /);
  });
});

describe('bad input is one line', () => {
  it.each<readonly [readonly string[], RegExp]>([
    [[], /^gupfuzz: --policy is missing; allowed: /],
    [['-p', 'all'], /^gupfuzz: --policy is "all"; allowed: one policy$/],
    [['-p', 'pea'], /^gupfuzz: there is no policy "pea"; did you mean pae\?/],
    [['-p', 'pae', '-p', 'mapcount'], /^gupfuzz: --policy is given 2 times; allowed: once$/],
    [['-p', 'pae', '--depth', '0'], /^gupfuzz: --depth is "0"; allowed: a whole number from 1 to 200$/],
    [['-p', 'pae', '--depth', 'deep'], /^gupfuzz: --depth is "deep"; allowed: /],
    [['-p', 'pae', '--grain', 'fine'], /^gupfuzz: --grain is "fine"; allowed: class, property/],
    [['-p', 'pae', '--states', '-3'], /^gupfuzz: --states is "-3"; allowed: /],
    [['-p', 'pae', '--memory', '4'], /^gupfuzz: --memory is "4"; allowed: a size from 16M on, such as/],
    [['-p', 'pae', '--memory', '1K'], /^gupfuzz: --memory is "1K"; allowed: /],
    [['-p', 'pae', '--threads', '0'], /^gupfuzz: --threads is "0"; allowed: a whole number from 1 to 64$/],
    [['-p', 'pae', '--scope', 'tiny'], /^gupfuzz: --scope has "tiny"; allowed: /],
    [['-p', 'pae', '--pages', 'hugetlb'], /^gupfuzz: --pages has "hugetlb"; allowed: anon, /],
    [['-p', 'pae', '--format', 'xml'], /^gupfuzz: --format is "xml"; allowed: text, json/],
    [['-p', 'pae', '--dept', '3'], /^gupfuzz: unknown flag --dept; did you mean --depth\?/],
    [['x', '-p', 'pae'], /^gupfuzz: .*"x"/],
  ])('%j', (args, message) => {
    expect(oneLine(check(...args), 2)).toMatch(message);
  });

  it.each<readonly [readonly string[], RegExp]>([
    [['--checkpoint', '.'], /^gupfuzz: --checkpoint is "\.", a folder; allowed: a file$/],
    [['--checkpoint', 'no/such/c'], /^gupfuzz: --checkpoint is "no\/such\/c": there is no folder no\/such$/],
    [['--resume', 'none'], /^gupfuzz: --resume is "none": there is no such file$/],
    [['--policy=./no.ts'], /^gupfuzz: policy \.\/no\.ts: there is no such file/],
  ])('%j', (args, message) => {
    const policies = args[0]!.startsWith('--policy') ? [] : ['-p', 'pae'];
    expect(oneLine(check(...policies, ...args), 3)).toMatch(message);
  });
});
