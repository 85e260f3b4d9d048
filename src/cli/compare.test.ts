/** `gupfuzz compare` through the compiled command line. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, changed, entry, load } from '../testing/catalogue.ts';
import { environment, gupfuzzIn } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writeForgetful, writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B06 = entry('b06');
const B12 = entry('b12');

describe('compare', () => {
  it('policies x counterexamples', () => {
    const { code, out } = gupfuzz(['compare', CATALOGUE]);
    expect(code).toBe(0);
    expect(out).toMatch(/^b01-reference-of-child-sees-later-store-of-parent +X +- +- +- +- +X$/m);
  });

  it('takes counterexamples/ here, else the catalogue of the package', () => {
    expect(gupfuzz(['compare', '-p', 'pae']).out).toMatch(/^b01-/m);
    mkdirSync(folder.at('counterexamples'));
    cpSync(B12, folder.at('counterexamples/mine.gup.json'));
    expect(gupfuzz(['compare', '-p', 'pae']).out).toMatch(/^mine +-$/m);
  });

  it('contradictions with the files are marked and give 1', () => {
    const wrong = { 'v6.2-anon-exclusive': load(B06).expect['v5.7-mapcount']! };
    folder.write('x.gup.json', changed(B06, { expect: wrong, policy: null, class: null }));
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
    writeForgetful(folder);
    const pair = ['compare', CATALOGUE, '--base', 'longterm-ban', '--cand', './forgetful.ts'];
    const { code, out } = gupfuzz([...pair, '--runs', '512', '--workers', '0', '--out', 'new']);
    expect(code).toBe(1);
    expect(out).toMatch(/^\d+ new: broken by forgetful, kept by v6\.5-longterm-ban on the same program$/m);
    expect(out).toMatch(/b06-\S+: violates pin-coherence\/stale\/anon\/PIN-W-LT\/device->cpu at step 5$/m);
    // One story for all that parts from the base by one decision, told by its shortest program.
    expect(out.match(/^new: .*$/gm)!.length).toBeLessThan(4);
    expect(out).toMatch(/^The same way, \d+ more:$/m);
    expect(out).toMatch(/^better: nothing that was met\nworse: broken by forgetful on programs/m);
    expect(out).toMatch(
      /^gupfuzz replay new\/\S+\.gup\.json --policy \.\/forgetful\.ts --base longterm-ban$/m,
    );
    expect(out).toContain('Costs more (no failure):');
    // What v6.5 breaks as well is no news.
    expect(out).not.toMatch(/stable-writeback|fs-notified/);
    const written = readdirSync(folder.at('new'));
    expect(written.length).toBeGreaterThan(3);
    // Each replays to the verdict that it was saved with: a regression.
    const replayed = gupfuzz(['replay', 'new', '-p', './forgetful.ts']);
    expect(replayed.code).toBe(1);
    expect(replayed.out.match(/reproduced on forgetful at step \d+, a regression: /g)!.length).toBe(
      written.length,
    );
    // The same again gives the same.
    expect(gupfuzz([...pair, '--runs', '512', '--workers', '1', '--out', 'new']).out).toBe(out);
  });

  it('without --out, each regression has the command that replays it, which works as pasted', () => {
    writeForgetful(folder);
    // Beside v6.2, which is not what it derives from.
    const { code, out } = gupfuzz(['compare', 'pae', './forgetful.ts', '-n', '256', '--workers', '0']);
    expect(code).toBe(1);
    const pasted = out.match(/^gupfuzz replay - [\s\S]*?^EOF$/gm)!;
    const told =
      Number(/^(\d+) new:/m.exec(out)![1]) - (out.match(/^ {2}\S*b\d\d-\S+: violates/gm) ?? []).length;
    expect(pasted.length).toBe(told);
    const last = spawnSync('sh', ['-c', pasted.at(-1)!], {
      cwd: folder.path,
      env: environment(),
      encoding: 'utf8',
    });
    expect(last.status).toBe(1);
    expect(last.stdout).toMatch(/^ {2}regression on forgetful: violates /m);
    expect(last.stdout).toContain('which v6.2-anon-exclusive does not');
  });

  it('a base that fails is no base that breaks nothing: exit 3, in words', () => {
    const loops = writePolicy(
      folder,
      'loops-on-fork',
      `gupSlow: [before('otherwise', rule('no', (f) => f.frame === 'anon' && f.pin && f.write, 'write fault'))],
       gupFast: [before('otherwise', rule('no', (f) => f.frame === 'anon' && f.pin && f.write, 'bail'))]`,
    );
    folder.write('p.gup', 'page A anon rw\nP: write A\nh1 = P: gup A pin W LONGTERM\n');
    const text = gupfuzz(['compare', '--base', loops, '--cand', 'pae', 'p.gup']);
    expect(text.code).toBe(3);
    expect(text.out).toContain('failed: loops-on-fork: gupSlow does not converge');
    const drawn = gupfuzz([
      'fuzz',
      '-p',
      'canary',
      '--base',
      loops,
      '-n',
      '300',
      '-w',
      '0',
      '--shrink',
      'none',
    ]);
    expect(drawn.out).toContain('programs on which the base is no policy were not judged');
    expect(drawn.out).not.toMatch(/^no regression found:/m);
  });

  it('--base --cand: nothing new is 0', () => {
    const { code, out } = gupfuzz(['compare', CATALOGUE, '--base', 'mapcount', '--cand', 'longterm-ban']);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^nothing new: v6\.5-longterm-ban breaks nothing that v5\.7-mapcount keeps, of\s+what\s+was\s+tried\s+\(\d+\s+counterexamples\s+replayed\)\n/,
    );
  });

  it('two policies in place of files; in words what got better', () => {
    const { code, out } = gupfuzz(['compare', 'pae', 'longterm-ban', '-n', '2000', '--workers', '0']);
    expect(code).toBe(0);
    // Random programs never show that nothing is worse.
    expect(out).toMatch(
      /^nothing new: v6\.5-longterm-ban breaks nothing that v6\.2-anon-exclusive keeps, of\s+what\s+was\s+tried\s+\(\d+\s+counterexamples\s+replayed,\s+2,000\s+random\s+programs\)\n/,
    );
    expect(out).toMatch(/^better: broken by v6\.2-anon-exclusive on programs on which v6\.5-longterm-ban/m);
    expect(out).toMatch(/^worse: nothing that was met$/m);
  });

  it('a policy that fails fails in every format, in words', () => {
    folder.write(
      'loops.ts',
      `import { before, derive, policyByName, rule } from 'gupfuzz';
       export default derive(policyByName('longterm-ban'), { id: 'loops', title: 't', sources: [] }, {
         gupSlow: [before('otherwise', rule('wb', (f) => f.write && f.writeback && f.frame === 'file', 'write fault'))],
         gupFast: [before('otherwise', rule('wb', (f) => f.write && f.writeback && f.frame === 'file', 'bail'))],
       });`,
    );
    const args = ['compare', 'longterm-ban', './loops.ts', '-n', '512', '--workers', '0', '--format'];
    for (const format of ['text', 'json', 'markdown', 'junit']) {
      const { code, out } = gupfuzz([...args, format]);
      expect(code).toBe(3);
      expect(out.replace(/\s+/g, ' ')).toMatch(
        /loops: gupSlow does not converge: write fault again after 8 rounds, as the fault leaves write=true, .*writeback=true; for these facts another answer is missing/,
      );
      expect(out).not.toMatch(/nothing new|Nothing new is broken/);
      if (format === 'junit') expect(out).toMatch(/errors="1"/);
    }
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

  it('scope flags are of the campaign: said with it, refused without', () => {
    const pair = ['compare', 'pae', 'longterm-ban', '--pages', 'shared-file', '--gups', 'get:W'];
    const { code, out } = gupfuzz([...pair, '-n', '256', '--workers', '0']);
    expect(code).toBe(0);
    expect(out).toMatch(/scope default@\d+, profile all, with --pages shared-file --gups get:W$/m);
    expect(gupfuzz(pair).code).toBe(2);
    expect(gupfuzz(['compare', 'pae', 'canary', '--check', 'anon', '--mms', '1']).code).toBe(2);
  });

  it('--check: every program of a small scope, instead', () => {
    const { code, out } = gupfuzz(['compare', 'pae', 'canary', '--check', 'shared-file', '--format', 'json']);
    expect(code).toBe(1);
    const told = JSON.parse(out) as { beside: { base: string; proof: { regressions: { class: string }[] } } };
    expect(told.beside.base).toBe('v6.2-anon-exclusive');
    expect(told.beside.proof.regressions[0]!.class).toMatch(/^durability\//);
    expect(gupfuzz(['compare', '--check', 'shared-file']).code).toBe(2);
    expect(gupfuzz(['compare', 'pae', 'canary', '--check', 'shared-file', '--format', 'junit']).code).toBe(2);
  });

  it('nothing to compare: 4', () => {
    mkdirSync(folder.at('empty'));
    expect(gupfuzz(['compare', 'empty']).code).toBe(4);
  });
});
