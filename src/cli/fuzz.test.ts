/** `gupfuzz fuzz` through the compiled command line. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gupfuzzIn, interrupted, oneLine, type Result } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const fuzz = (...args: string[]): Result => gupfuzz(['fuzz', ...args]);

describe('gupfuzz fuzz', () => {
  it('over built-in policies: a table, costs, coverage, findings that replay; exit 0 as all is known', () => {
    const { code, out } = fuzz('--runs', '1500', '--shrink', 'passes', '--out', 'all');
    expect(out).toMatch(
      /^finished 1,500 runs on 6 policies, [\d,]+ steps, seed 1, scope default@\d+, profile all\n/,
    );
    for (const heading of ['Policies x properties', 'Cost', 'Coverage', 'Findings'])
      expect(out).toContain(heading);
    expect(out).not.toContain('holds');
    const replay = /gupfuzz replay (\S+)/.exec(out)![1]!;
    const again = gupfuzz(['replay', replay]);
    expect(again.out).toContain('reproduced');
    expect(again.code).toBe(0);
    const data = JSON.parse(readFileSync(folder.at('all/campaign.json'), 'utf8')) as {
      readonly findings: readonly { readonly policy: string; readonly file: string }[];
    };
    for (const { file } of data.findings)
      expect(readdirSync(folder.at('all', file, '..'))).toContain(file.split('/')[1]);
    expect(code).toBe(0);
  });

  it('a policy that breaks what its base keeps: exit 1, and the module is in the replay command', () => {
    const copy = writePolicy(folder, 'copy', `wpFault: [table(otherwise('copy'))]`, { base: 'pae' });
    const { code, out } = fuzz(
      '-p',
      copy,
      '--profile',
      'anon',
      '--runs',
      '600',
      '--shrink',
      'passes',
      '--out',
      'copy',
    );
    expect(out).toMatch(/pin-coherence\/stale\/anon\/PIN-R-LT\/cpu->device\n {2}breaks copy/);
    expect(out).toContain('--policy ./copy.ts');
    expect(code).toBe(1);
  });

  it('a broken module is named and does not end the campaign for the others: exit 3', () => {
    folder.write('broken.ts', 'export default { id: "broken" };');
    const { code, out, err } = fuzz(
      '-p',
      './broken.ts',
      '-p',
      'pae',
      '--runs',
      '300',
      '--shrink',
      'passes',
      '--show',
      'none',
      '--out',
      'b',
    );
    expect(err).toMatch(/^gupfuzz: policy \.\/broken\.ts/m);
    expect(out).toContain('v6.2-anon-exclusive');
    expect(code).toBe(3);
  });

  it('scope flags: what shows only there, found there', () => {
    const never = writePolicy(folder, 'never', `wbBegin: [table(otherwise('keep dirty'))]`);
    const flags = ['--pages', 'shared-file', '--mms', '1', '--ops', 'write,fsync', '--no-canary'];
    const { code, out } = fuzz('-p', never, '-n', '256', ...flags, '--workers', '0', '--out', 'never');
    expect(code).toBe(1);
    expect(out).toContain('profile all, with --pages shared-file --mms 1 --ops write,fsync\n');
    expect(out).toMatch(/^operations executed: 2 of/m);
    expect(out).toMatch(/^durability\/stale\/shared-file\/-\/cpu->disk\n {2}breaks never; 2 steps/m);
  });

  it('too few runs to mean anything: exit 6', () => {
    const { code, err } = fuzz(
      '--runs',
      '1',
      '-p',
      'pae',
      '--profile',
      'anon',
      '--out',
      'few',
      '--show',
      'none',
    );
    expect(err).toContain('goals not reached');
    expect(code).toBe(6);
  });

  it.each([
    [['--runs', '-3'], 'gupfuzz: --runs is "-3"; allowed: a whole number from 1'],
    [['--time', 'soon'], 'gupfuzz: --time is "soon"; allowed: a time such as'],
    [['--shard', '4/3'], 'gupfuzz: --shard is "4/3"; allowed: i/n with i from 1 to n'],
    [['--scope', 'huge'], 'gupfuzz: --scope has "huge"; allowed: pin, race, parts, '],
    [['--pages', 'anon', '--profile', 'anon'], 'gupfuzz: --profile makes no sense with --pages'],
    [['--pages', 'anon', '--ops', 'fsync'], 'gupfuzz: --ops has "fsync", which means nothing in this scope'],
    [['--pages', 'anon', '--filesystem', 'ext4-v5.17'], 'gupfuzz: --filesystem makes no sense'],
    [['--policy', 'papcount'], 'gupfuzz: there is no policy "papcount"; did you mean mapcount?'],
    [['--states', '5', '--shrink', 'none'], 'gupfuzz: --states makes no sense with --shrink none'],
    [['--shortest', '--states', '0'], 'gupfuzz: --states is "0"; allowed: a whole number from 1 to'],
    [['--shortest', '--shrink', 'passes'], 'gupfuzz: --shortest makes no sense with --shrink passes'],
    [['--sed', '1'], 'gupfuzz: unknown flag --sed; did you mean --seed?'],
  ])('%j: one line, exit 2', (args, line) => {
    expect(oneLine(fuzz(...args), 2)).toContain(line);
  });

  it('--shortest: what is not proved is named, with the reason; exit 6', () => {
    const { code, out } = fuzz(
      ...['--runs', '400', '-p', 'mapcount', '--profile', 'anon', '--out', 'proofs', '--show', 'none'],
      ...['--shortest', '--states', '2000'],
    );
    expect(out).toMatch(/^\d+ of \d+ findings are proved to be shortest in their scope$/m);
    expect(out).toMatch(
      /^ {2}v5\.7-mapcount \S+: not proved: 2,000 states reached\s+at depth\s+\d\s+of \d+$/m,
    );
    expect(code).toBe(6);
  });

  it('tells what is found before the proofs, then what they changed; Ctrl-C in between ends with what was found', async () => {
    const copy = writePolicy(folder, 'pinned', `wpFault: [table(otherwise('copy'))]`, { base: 'pae' });
    const flags = [
      'fuzz',
      '-p',
      copy,
      '--profile',
      'anon',
      '--runs',
      '400',
      '--states',
      '20k',
      '--no-canary',
    ];
    const whole = gupfuzz([...flags, '--out', 'whole']);
    const stopped = await interrupted([...flags, '--out', 'stopped'], { cwd: folder.path }, /^prove: /m);
    expect([whole.code, stopped.code]).toEqual([1, 1]);
    expect(stopped.err).toContain('gupfuzz: no more proofs; all that was found is kept');
    const [told, proofs] = whole.out.split('\nProofs\n');
    expect(told).toMatch(/ steps \(1-minimal\)/);
    expect(told).not.toContain('(shortest)');
    expect(proofs).toMatch(/^\d+ of \d+ findings are proved to be shortest in their scope$/m);
    const [first, rest] = stopped.out.split('\nProofs (stopped)\n');
    expect(first!.replaceAll('stopped/', 'whole/')).toBe(told);
    expect(rest).toMatch(/^\d+ of \d+ findings are proved/);
  });

  it('the same seed gives the same JSON, another seed another', () => {
    const flags = ['--runs', '300', '-p', 'mapcount', '--shrink', 'none', '--format', 'json', '--out', 'j'];
    const run = (seed: string): string => fuzz(...flags, '--seed', seed).out;
    expect(run('5')).toBe(run('5'));
    expect(run('5')).not.toBe(run('6'));
  });

  it('Ctrl-C: findings are kept, the summary is printed, exit 130', async () => {
    const { code, out } = await interrupted(
      ['fuzz', '--time', '60s', '--out', 'int', '--show', 'none'],
      { cwd: folder.path },
      /^fuzz: \d+/m,
    );
    expect(code).toBe(130);
    expect(out).toMatch(/^interrupted after [\d,]+ runs/);
    expect(readdirSync(folder.at('int/v5.7-mapcount')).length).toBeGreaterThan(5);
  });
});
