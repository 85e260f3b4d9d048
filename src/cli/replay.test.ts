/** `gupfuzz replay` through the compiled command line. */
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, changed, entry, load } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writeForgetful, writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B01 = entry('b01');
const B06 = entry('b06');
const B12 = entry('b12');

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
    folder.write('step.gup.json', changed(B06, { seen: { ...load(B06).seen!, step: 0 } }));
    folder.write('fixed.gup.json', changed(B06, { policy: 'v6.2-anon-exclusive', expect: {} }));
    folder.write(
      'applies.gup.json',
      changed(B06, { steps: [{ task: 'P', op: 'fork', result: 'Z' }, ...load(B06).steps] }),
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
      /^applies\.gup\.json: no longer applies on v5\.7-mapcount: step \d: mms is 2, and as many live already/,
    );
  });

  it('reports every contradiction with an expectation', () => {
    const expectation = load(B06).expect;
    const wrong = { ...expectation, 'v6.2-anon-exclusive': expectation['v5.7-mapcount']! };
    folder.write('x.gup.json', changed(B06, { expect: wrong }));
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
    writeForgetful(folder);
    const broken = gupfuzz(['replay', B06, '--policy', './forgetful.ts']);
    expect(broken.code).toBe(1);
    expect(lines(broken.out)).toEqual([
      expect.stringMatching(
        /: reproduced on forgetful at step 5, a regression: v6\.5-longterm-ban does not violate pin-coherence\/stale\/anon\/PIN-W-LT\/device->cpu; violates claim: pinned anon folio .* as well$/,
      ),
      expect.stringMatching(/^ {2}forgetful violates claim: pinned anon folio => exclusive/),
    ]);
    expect(gupfuzz(['replay', B01, '--policy', './forgetful.ts'])).toEqual({
      code: 0,
      out: `${B01}: fixed on forgetful (not violated)\n`,
      err: '',
    });
  });

  it('a saved regression is reproduced, as it says, and is one', () => {
    const policy = writeForgetful(folder);
    expect(gupfuzz(['save', B06, '--policy', policy, '--out', 'r.gup.json']).code).toBe(0);
    const { code, out, err } = gupfuzz(['replay', 'r.gup.json', '--policy', policy]);
    expect([code, err]).toEqual([1, '']);
    expect(out.split('\n')[0]).toMatch(
      /^r\.gup\.json: reproduced on forgetful at step 5, a regression: v6\.5-longterm-ban does not violate pin-\S+;.* as the file expects$/,
    );
    expect(out).not.toMatch(/unexpected|regresses/);
  });

  it('a base that fails on one file fails that one alone', () => {
    const loops = writePolicy(folder, 'loops', `gupSlow: [table(otherwise('write fault'))]`);
    const files = [B06, B01];
    const { code, out, err } = gupfuzz(['replay', ...files, '--policy', 'canary', '--base', loops]);
    expect(code).toBe(3);
    for (const file of files) expect(out).toContain(`${file}: `);
    expect(out).toMatch(/^ {2}not compared on canary: the base, policy loops, fails at step \d+: gupSlow /m);
    expect(err).toMatch(/^gupfuzz: 2 files, .*\d on which a base fails/);
    // What is broken is broken, whatever it cannot be compared with.
    expect(gupfuzz(['replay', B01, '--policy', 'canary', '--base', loops, '--bisect']).code).toBe(1);
  });

  it('a policy equal to its base passes the catalogue, and what both break is listed apart', () => {
    writePolicy(folder, 'same', '', { base: 'mapcount' });
    const { code, out, err } = gupfuzz(['replay', CATALOGUE, '--policy', './same.ts']);
    expect(code).toBe(0);
    expect(out).toMatch(/^ {2}same and v5\.7-mapcount both break the promise of pin-coherence/m);
    expect(err).toMatch(/^gupfuzz: 20 files, 0 as expected, 20 no worse than the base\n$/);
    // Beside another base it does not: that one keeps what it breaks.
    expect(gupfuzz(['replay', B06, '--policy', './same.ts', '--base', 'pae'])).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        / reproduced on same at step 5, a regression: v6\.2-anon-exclusive does not violate pin-coherence/,
      ),
    });
    expect(gupfuzz(['replay', B06, '--policy', 'mapcount', '--base', 'mapcount']).code).toBe(0);
  });

  it('what a policy refuses is told, and is no regression', () => {
    writePolicy(folder, 'strict', `gupKind: [table(otherwise('EFAULT'))]`);
    const { code, out } = gupfuzz(['replay', B06, '--policy', './strict.ts']);
    expect([code, lines(out)]).toEqual([
      0,
      [
        `${B06}: fixed on strict (not violated); step 1 refused: EFAULT; step 4 skipped`,
        '  strict does not do steps 1, 4, which v6.5-longterm-ban does',
      ],
    ]);
  });

  it('a policy that fails is no verdict: 3', () => {
    writePolicy(folder, 'loops', `gupSlow: [table(otherwise('write fault'))]`);
    const { code, out } = gupfuzz(['replay', B06, '--policy', './loops.ts']);
    expect(code).toBe(3);
    expect(out).toMatch(/policy error on loops: gupSlow does not converge/);
  });

  describe('a file that says nothing of any policy', () => {
    const LOST = `# a child
page A anon rw
P: write A
C = P: fork
h1 = P: gup A pin R LONGTERM
P: write A
device: dma_read h1
`;

    it('is run on all that stand for kernels, and 1 says that something is violated', () => {
      folder.write('lost.gup', LOST);
      const { code, out } = gupfuzz(['replay', 'lost.gup']);
      expect([code, lines(out)]).toEqual([
        1,
        [
          'lost.gup: a child',
          '! v5.7-mapcount        violated      pin-coherence/stale/anon/PIN-R-LT/cpu->device at step 5',
          '  v5.8-cow-break       not violated',
          '! v5.11-page-count     violated      pin-coherence/stale/anon/PIN-R-LT/cpu->device at step 5',
          '  v6.2-anon-exclusive  not violated',
          '  v6.5-longterm-ban    not violated',
          '! violated, of which the file says nothing',
        ],
      ]);
      expect(gupfuzz(['replay', 'lost.gup', '-p', 'pae'])).toEqual({
        code: 0,
        out: 'lost.gup: not violated on v6.2-anon-exclusive\n',
        err: '',
      });
    });

    it('is bad for bisecting where anything is violated', () => {
      folder.write('lost.gup', LOST);
      expect(gupfuzz(['replay', '--bisect', 'lost.gup', '-p', 'page-count']).code).toBe(1);
      expect(gupfuzz(['replay', '--bisect', 'lost.gup', '-p', 'pae']).code).toBe(0);
      const text = changed(B06, { policy: null, class: null, seen: null, expect: {} });
      folder.write('none.gup.json', text);
      expect(gupfuzz(['replay', '--bisect', 'none.gup.json', '-p', 'mapcount']).code).toBe(1);
    });

    it('comes from stdin too', () => {
      const { code, out } = gupfuzz(['replay', '-', '-p', 'mapcount'], { input: LOST });
      expect([code, out.split(':')[0]]).toEqual([1, 'stdin']);
      expect(oneLine(gupfuzz(['replay', '-'], { input: 'page A anon rw\nP: wirte A' }), 3)).toMatch(
        /^gupfuzz: stdin:2: operation is "wirte"; .*did you mean write\?$/,
      );
    });

    it('counts apart, in a folder: what cannot run, what is violated, what is as expected', () => {
      mkdirSync(folder.at('f'));
      folder.write('f/lost.gup', LOST);
      folder.write('f/fine.gup', 'page A anon rw\nP: write A\nP: read A\n');
      folder.write('f/never.gup', 'page A anon rw\nmms 1\nC = P: fork\n');
      cpSync(B01, folder.at('f/b01.gup.json'));
      const { code, out, err } = gupfuzz(['replay', 'f']);
      expect([code, err]).toEqual([
        1,
        'gupfuzz: 4 files, 1 as expected, 1 violated, of which the file says nothing, 1 that cannot be run, 1 not violated, of which the file says nothing\n',
      ]);
      expect(out).toMatch(
        /^ {2}v5\.7-mapcount {8}unsupported {3}step 1 does not apply: mms is 1, and as many live already$/m,
      );
      expect(gupfuzz(['replay', 'f/never.gup', 'f/fine.gup']).code).toBe(4);
    });
  });

  it('a file whose policy is not loaded was not tested: 4', () => {
    folder.write('x.gup.json', changed(B06, { policy: 'elsewhere', expect: {} }));
    const { code, out } = gupfuzz(['replay', 'x.gup.json']);
    expect([code, out]).toEqual([
      4,
      'x.gup.json: not tested: its policy elsewhere is not built in; give one with --policy\n',
    ]);
  });

  it('a folder without files: 4', () => {
    mkdirSync(folder.at('empty'));
    expect(oneLine(gupfuzz(['replay', 'empty']), 4)).toBe(
      'gupfuzz: empty: there is no .gup.json or .gup file in this folder',
    );
  });

  it('folders are read recursively, in order, each file once', () => {
    mkdirSync(folder.at('f/b'), { recursive: true });
    for (const name of ['f/z.gup.json', 'f/b/a.gup.json', 'f/a.gup.json', 'f/other.json'])
      cpSync(B01, folder.at(name));
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
              observations: [
                {
                  step: 4,
                  kind: 'load',
                  observedBy: 'cpu',
                  observer: 'P',
                  page: 'A',
                  seen: 'P@3',
                  promised: 'h1@4',
                  provenance: 'stale',
                },
              ],
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
    writeForgetful(folder);
    folder.write('bad.gup.json', '{');
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
    const text = changed(B06, { steps: [{ task: 'P', op: 'fork', result: 'Z' }, ...load(B06).steps] });
    expect(bisect(folder.write('applies.gup.json', text))).toEqual([125, '']);
  });
});
