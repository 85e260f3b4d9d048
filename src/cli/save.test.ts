/** `gupfuzz save` and `validate` through the compiled command line. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCounterexample } from '../scenario/file.ts';
import { changed, entry, load } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writeForgetful } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B06 = entry('b06');
const B12 = entry('b12');
const LOST = `# A region is lost
# The driver holds it.
page A anon rw

h1 = P: gup A pin W LONGTERM  # registered
C = P: fork
P: write A
device: dma_write h1
P: read A  # not there!
`;

describe('save', () => {
  it('makes a file that replays: class, expectations, id, and the words of the comments', () => {
    folder.write('lost.gup', LOST);
    const { code, err } = gupfuzz(['save', 'lost.gup', '-o', 'lost.gup.json']);
    expect(code).toBe(0);
    const c = load(folder.at('lost.gup.json'));
    expect(err).toBe(
      `gupfuzz: lost.gup: written to lost.gup.json\ngupfuzz: lost.gup: ${c.id}, pin-coherence/stale/anon/PIN-W-LT/device->cpu on v5.7-mapcount; how small it can get is not known; gupfuzz minimize --shortest --in-place lost.gup.json says\n`,
    );
    const b06 = load(B06);
    expect([c.policy, c.class, c.expect, c.id]).toEqual([b06.policy, b06.class, b06.expect, b06.id]);
    expect([c.title, c.explanation]).toEqual([
      'A region is lost',
      'The driver holds it. Step 1: registered. Step 5: not there!',
    ]);
    expect([c.minimality.kind, c.provenance.found]).toEqual(['none', 'by hand']);
    expect(gupfuzz(['replay', 'lost.gup.json']).code).toBe(0);
  });

  it('without comments the words are ours; from stdin', () => {
    const { code, out } = gupfuzz(['save', '-'], { input: LOST.replace(/ *#.*/g, '') });
    expect(code).toBe(0);
    const c = parseCounterexample(out, 'stdout');
    expect(c.title).not.toBe('stdin');
    expect(c.explanation.length).toBeGreaterThan(40);
  });

  it('says nothing is violated where it has run that, and on which policy of two it is', () => {
    const text = 'page A anon rw\nP: write A\nP: read A\n';
    const { out, err } = gupfuzz(['save', '-'], { input: text });
    expect(parseCounterexample(out, 'x')).toMatchObject({ policy: null, class: null });
    expect(Object.values(parseCounterexample(out, 'x').expect).map((e) => e.verdict)).toEqual(
      Array.from({ length: 6 }, () => 'not violated'),
    );
    expect(err).toMatch(/, nothing is violated; /);
    expect(oneLine(gupfuzz(['save', '-', '-p', 'pae'], { input: LOST }), 3)).toBe(
      'gupfuzz: stdin: nothing is violated in it on v6.2-anon-exclusive',
    );
    writeForgetful(folder);
    const mine = gupfuzz(['save', '-', '-p', './forgetful.ts'], { input: LOST });
    expect(parseCounterexample(mine.out, 'x').policy).toBe('forgetful');
  });

  it('keeps what a catalogue file proves, and mends what it says of policies', () => {
    const wrong = { ...load(B06).expect, 'v6.2-anon-exclusive': load(B06).expect['v5.7-mapcount']! };
    folder.write('in/wrong.gup.json', changed(B06, { expect: wrong }));
    expect(gupfuzz(['save', 'in', B06, '-o', 'out']).code).toBe(0);
    expect(readFileSync(folder.at('out/wrong.gup.json'), 'utf8')).toBe(readFileSync(B06, 'utf8'));
    expect(readFileSync(folder.at('out', basename(B06)), 'utf8')).toBe(readFileSync(B06, 'utf8'));
    expect(oneLine(gupfuzz(['save', 'in', B06]), 2)).toBe('gupfuzz: several files need --out FOLDER');
  });
});

describe('validate', () => {
  it('says what a file claims, and of one without a class what each policy breaks', () => {
    folder.write('lost.gup', LOST);
    folder.write('never.gup', 'page A anon rw\nmms 1\nC = P: fork\n');
    const { code, out } = gupfuzz(['validate', B06, B12, 'lost.gup', 'never.gup']);
    expect(code).toBe(0);
    expect(lines(out)).toEqual([
      `${B06}: ok: 5 steps, claims pin-coherence/stale/anon/PIN-W-LT/device->cpu on v5.7-mapcount`,
      expect.stringMatching(/, no class; nothing is violated on v5\.7-mapcount, .*, v6\.5-longterm-ban$/),
      'lost.gup: ok: 5 steps, no class; v5.7-mapcount violates pin-coherence/stale/anon/PIN-W-LT/device->cpu; v5.8-cow-break violates pin-coherence/stale/anon/PIN-W-LT/device->cpu',
      expect.stringMatching(/, no class; step 1 does not apply: mms is 1, and as many live already \(on v5/),
    ]);
  });

  it('an id that does not fit is a note', () => {
    const text = changed(B12, { minimality: { kind: 'none', scope: 'a test', depth: 0 } });
    folder.write('x.gup.json', text.replace(/"id": ".*"/, '"id": "0123456789abcdef"'));
    const { code, out } = gupfuzz(['validate', 'x.gup.json']);
    expect([code, lines(out)[1]]).toEqual([
      0,
      expect.stringMatching(
        /^x\.gup\.json: id is "0123456789abcdef", which is of another program; its steps/,
      ),
    ]);
  });
});
