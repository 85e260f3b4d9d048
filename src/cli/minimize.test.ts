/** `gupfuzz minimize` through the compiled command line. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classId } from '../property/property.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { changed, entry, load } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writeForgetful, writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B02 = entry('b02');
const B51 = entry('b51');
const B06 = entry('b06');
const B12 = entry('b12');

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
    folder.write('long.gup.json', padded());
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
    folder.write('long.gup.json', padded());
    const { code, out } = gupfuzz(['minimize', 'long.gup.json', '--out', 'short.gup.json']);
    expect([code, out]).toEqual([0, '']);
    expect(gupfuzz(['replay', 'short.gup.json']).code).toBe(0);
    expect(readdirSync(folder.path).sort()).toEqual(['long.gup.json', 'short.gup.json']);
    expect(oneLine(gupfuzz(['minimize', 'long.gup.json', '--out', 'no/such/x']), 3)).toBe(
      'gupfuzz: no/such/x: cannot be written (ENOENT)',
    );
  });

  it("on a user's policy", () => {
    writeForgetful(folder);
    folder.write('long.gup.json', padded());
    const { code, out } = gupfuzz(['minimize', 'long.gup.json', '--policy', './forgetful.ts']);
    expect(code).toBe(0);
    expect(parseCounterexample(out, 'stdout').policy).toBe('forgetful');
  });

  it('of a program without a class takes the loss, not the claim that breaks before it; so does save', () => {
    const fast = writePolicy(folder, 'fast', `gupFast: [without('R/O pin of an anon page, not exclusive')]`);
    folder.write(
      'gf.gup',
      'page A anon rw\nP: write A\nC = P: fork\nh1 = P: gup A pin R fast\nP: write A\ndevice: dma_read h1\n',
    );
    const stale = 'pin-coherence/stale/anon/PIN-R/cpu->device';
    const minimized = gupfuzz(['minimize', 'gf.gup', '-p', fast]);
    expect(minimized.code).toBe(0);
    expect(lines(minimized.err)[0]).toBe(
      `gupfuzz: gf.gup: has no class; taken for it: ${stale}, which fast violates`,
    );
    expect(minimized.out).toContain('device: dma_read h1');
    const saved = parseCounterexample(gupfuzz(['save', 'gf.gup', '-p', fast]).out, 'stdout');
    expect([saved.policy, classId(saved.class!)]).toEqual(['fast', stale]);
    expect(saved.expect.fast!.classes.filter((id) => id.startsWith('claim: '))).toHaveLength(1);
  });

  it('--shortest proves, or says in the file why not: exit 0 or 6', () => {
    folder.write('long.gup.json', padded());
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
    folder.write('poor.gup.json', poor.out);
    expect(gupfuzz(['show', 'poor.gup.json']).out.replace(/\s+/g, ' ')).toContain(minimality.reason);
  });

  it('several files: to a folder or in place, the same bytes; what has nothing to minimize stays', () => {
    mkdirSync(folder.at('in'));
    folder.write('in/long.gup.json', padded());
    for (const path of [B12, B02, B51]) cpSync(path, folder.at('in', basename(path)));
    const { code, out, err } = gupfuzz(['minimize', '--shortest', 'in', '--out', 'out']);
    expect([code, out]).toEqual([0, '']);
    expect(err).toMatch(
      /^gupfuzz: in\/b12-.*: nothing is violated in it on .*v6\.5-longterm-ban.*, so there is nothing to minimize$/m,
    );
    expect(readdirSync(folder.at('out')).sort()).toEqual([basename(B02), basename(B51), 'long.gup.json']);
    expect(gupfuzz(['minimize', '--shortest', '--in-place', 'in']).code).toBe(0);
    for (const name of readdirSync(folder.at('out')))
      expect(readFileSync(folder.at('in', name), 'utf8')).toBe(readFileSync(folder.at('out', name), 'utf8'));
    // Files of several policies, and of what is documented, come out as the catalogue has them.
    for (const path of [B02, B51])
      expect(readFileSync(folder.at('out', basename(path)), 'utf8')).toBe(readFileSync(path, 'utf8'));
    expect(readFileSync(folder.at('in', basename(B12)), 'utf8')).toBe(readFileSync(B12, 'utf8'));
    expect(gupfuzz(['replay', 'in', 'out']).code).toBe(0);
  });

  it('several files: one bad file does not hide the others', () => {
    folder.write('bad.gup.json', '{}');
    folder.write('long.gup.json', padded());
    const { code, err } = gupfuzz(['minimize', 'bad.gup.json', 'long.gup.json', '--in-place']);
    expect(code).toBe(3);
    expect(err).toMatch(/^gupfuzz: bad\.gup\.json: /m);
    expect(load(folder.at('long.gup.json')).steps).toHaveLength(5);
  });

  // After a report: unmapped, dropped by drop_caches, then dirtied.
  const DROPPED = `# pinned, unmapped, dropped, dirtied
file f ext4-v5.17
page F shared-file rw f

h1 = P: gup F pin W     # the driver
other: fsync f
P: munmap F
kernel: drop_caches f
device: dma_write h1    # RDMA
device: unpin h1 dirty
other: fsync f
`;

  it('what each policy makes of it stays, steps are only left out, and a text keeps its comments', () => {
    folder.write('dropped.gup', DROPPED);
    const { code, out, err } = gupfuzz(['minimize', 'dropped.gup', '-p', 'mapcount']);
    expect(code).toBe(0);
    expect(out).toBe(`# pinned, unmapped, dropped, dirtied
file f ext4-v5.17
page F shared-file rw f

h1 = P: gup F pin W     # the driver
other: fsync f
P: munmap F
kernel: drop_caches f
device: unpin h1 dirty
`);
    expect(err).toMatch(/: a program of 4 steps shows the class as well, but on v6\.2-anon-exclusive it is /);
    folder.write('short.gup', out);
    const verdicts = (name: string): string[] =>
      lines(gupfuzz(['replay', name]).out).flatMap((l) => /v\S+ +(?:not )?violated/.exec(l) ?? []);
    expect(verdicts('short.gup')).toEqual(verdicts('dropped.gup'));
  });

  it('--keep class: another program says so, in its title and text', () => {
    folder.write('dropped.gup', DROPPED);
    const { code, err } = gupfuzz([
      'minimize',
      'dropped.gup',
      '-p',
      'mapcount',
      '--keep',
      'class',
      '-o',
      'x.gup.json',
    ]);
    expect(code).toBe(0);
    expect(err).toMatch(/^gupfuzz: - file f ext4-v5\.17\n/m);
    expect(err).toMatch(/it is another program now, .*: title and text are new/);
    const c = load(folder.at('x.gup.json'));
    expect(c.title).not.toContain('dropped');
    expect(c.explanation).toMatch(
      /^Another program than the one it was made from, "pinned, unmapped, dropped, d/,
    );
    expect(gupfuzz(['replay', 'x.gup.json']).code).toBe(0);
  });

  it('of a file without a class, what is violated is taken for it', () => {
    folder.write(
      'none.gup.json',
      changed(B06, {
        policy: null,
        class: null,
        seen: null,
        expect: {},
        minimality: { kind: 'none', scope: 'a test', depth: 0 },
      }),
    );
    const { code, out, err } = gupfuzz(['minimize', 'none.gup.json']);
    expect(code).toBe(0);
    expect(err).toContain(
      'has no class; taken for it: pin-coherence/stale/anon/PIN-W-LT/device->cpu, which v5.7-mapcount',
    );
    expect(parseCounterexample(out, 'stdout').class).toEqual(load(B06).class);
    expect(oneLine(gupfuzz(['minimize', 'none.gup.json', '-p', 'pae']), 3)).toMatch(
      /nothing is violated in it on pae/,
    );
  });

  it("a user's policy goes on regressing", () => {
    // Lets device stores be lost like v5.7, which breaks more than that: with the wrong base nothing would regress.
    writeForgetful(folder);
    const { code, out } = gupfuzz(['minimize', B06, '-p', './forgetful.ts']);
    expect(code).toBe(0);
    folder.write('short.gup.json', out);
    expect(gupfuzz(['replay', 'short.gup.json', '-p', './forgetful.ts']).out).toMatch(
      /a regression: \S+ does not violate pin-coh|regression on \S+: violates pin-coh/,
    );
  });

  it('--base: it stays a regression beside it, by the class that the base keeps', () => {
    folder.write(
      'two.gup',
      `page A anon rw
page B anon rw
P: write B
h1 = P: gup A pin W LONGTERM
C = P: fork
P: write A
device: dma_write h1
P: read A
h2 = C: gup B get R
C: exit
P: write B
device: dma_read h2
`,
    );
    const beside = (base: string, ...args: string[]) =>
      gupfuzz(['minimize', 'two.gup', '-p', 'mapcount', '--base', base, ...args]);
    // Both eras lose what the device writes: left is what v5.8 mended.
    for (const more of [[], ['--keep', 'class']]) {
      const { code, out, err } = beside('cow-break', ...more);
      expect([code, err]).toEqual([
        0,
        expect.stringContaining('taken for it: isolation/leak/anon/GET-R/cpu->device'),
      ]);
      expect(out.trim().split('\n')).toHaveLength(7);
      expect(out).not.toContain('dma_write');
    }
    expect(beside('pae').out).toContain('device: dma_write h1\n');
    expect(oneLine(beside('mapcount'), 3)).toMatch(/nothing that v5\.7-mapcount keeps is violated in it/);
    expect(oneLine(gupfuzz(['minimize', B06, '--base', 'cow-break']), 1)).toMatch(
      /is no regression of v5\.7-mapcount beside v5\.8-cow-break, so there is nothing to minimize$/,
    );
    expect(oneLine(beside('all'), 2)).toMatch(/allowed: one policy/);
  });

  it('of a file without a class that breaks nothing what is documented', () => {
    folder.write(
      'fork.gup',
      `page A anon rw
       h1 = P: gup A o_direct_read W
       C = P: fork
       P: read A
       P: write A
       device: dio_end h1
       P: read A\n`,
    );
    const { code, out, err } = gupfuzz(['minimize', 'fork.gup', '-p', 'pae', '--keep', 'class']);
    expect(code, err).toBe(0);
    expect(err).toContain(
      'taken for it: pin-coherence/stale/anon/DIO-W/device->cpu, which is documented on v6.2-anon-exclusive',
    );
    expect(out.split('\n').length).toBeLessThan(8); // one step of six is gone
  });

  it('refuses two files that would become one, before anything is written', () => {
    const text = readFileSync(B06, 'utf8');
    folder.write('one/x.gup.json', text);
    folder.write('two/x.gup.json', text);
    const both = ['one/x.gup.json', 'two/x.gup.json', '--out', 'same'];
    for (const command of ['minimize', 'save'])
      expect(oneLine(gupfuzz([command, ...both]), 3)).toMatch(
        /two\/x\.gup\.json and one\/x\.gup\.json would both be written to same\/x\.gup\.json/,
      );
    folder.write('one/x.gup', 'page A anon rw\nP: read A\n');
    expect(oneLine(gupfuzz(['save', 'one', '--out', 'same']), 3)).toMatch(/would both be written to/);
    expect(existsSync(folder.at('same'))).toBe(false);
  });

  it('says when there is nothing to minimize', () => {
    expect(oneLine(gupfuzz(['minimize', B12]), 3)).toMatch(
      /nothing is violated in it on .*v6\.5-longterm-ban.*, so there is nothing to minimize/,
    );
    expect(oneLine(gupfuzz(['minimize', B06, '-p', 'pae']), 1)).toMatch(
      /is not violated on v6\.2-anon-exclusive/,
    );
    folder.write('x.gup.json', changed(B06, { policy: 'elsewhere', expect: {} }));
    expect(oneLine(gupfuzz(['minimize', 'x.gup.json']), 3)).toMatch(/its policy elsewhere is not built in/);
  });
});
