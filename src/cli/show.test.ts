/** `gupfuzz show` and `gupfuzz validate` through the compiled command line. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CATALOGUE, entry, load } from '../testing/catalogue.ts';
import { environment, gupfuzzIn, lines } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writePolicy } from '../testing/policy.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B06 = entry('b06');

describe('show and validate', () => {
  it('text: columns, what was seen, why, what others do', () => {
    const { code, out, err } = gupfuzz(['show', B06]);
    expect([code, err]).toEqual([0, '']);
    for (const part of [
      'B06: RDMA or VFIO writes into a pinned page are lost after fork',
      '> 5  read A',
      'Seen:     in step 5 ',
      'Promised: what the device stored through h1 in step 4',
      'v6.2-anon-exclusive  not violated',
      'See:      B06',
      `gupfuzz replay ${B06}`,
    ])
      expect(out).toContain(part);
  });

  it('of a policy that is not built in the command names its module, or says that one is needed', () => {
    const mine = writePolicy(folder, 'mine', "gupFast: [without('R/O pin of an anon page, not exclusive')]");
    folder.write(
      'lost.gup',
      'page A anon rw\nP: write A\nC = P: fork\nh1 = P: gup A pin R fast\nP: write A\ndevice: dma_read h1\n',
    );
    expect(gupfuzz(['save', 'lost.gup', '-p', mine, '-o', 'lost.gup.json']).code).toBe(0);
    expect(gupfuzz(['show', 'lost.gup.json', '-p', mine]).out).toMatch(
      / replay lost\.gup\.json --policy \.\/mine\.ts$/m,
    );
    const unknown = gupfuzz(['show', 'lost.gup.json']).out;
    expect(unknown).toContain('mine is not built in: --policy names the module that has it.');
    const mail = gupfuzz(['show', 'lost.gup.json', '--format', 'mail']).out;
    const program = /^gupfuzz (replay -p .\/mine\.ts -) <<'EOF'\n([\s\S]*)\nEOF\n$/m.exec(mail)!;
    expect(gupfuzz(program[1]!.split(' '), { input: `${program[2]}\n` }).code).toBe(1);
  });

  it('mail is at most 72 columns wide, and what it says to paste into a shell works', () => {
    const { code, out } = gupfuzz(['show', '--format', 'mail', B06]);
    expect(code).toBe(0);
    expect(out).toContain('> 5  read A');
    expect(lines(out).filter((line) => line.length > 72)).toEqual([]);
    const pasted = spawnSync('sh', {
      input: out.slice(out.indexOf('\ngupfuzz replay')),
      env: environment(),
      encoding: 'utf8',
    });
    expect(pasted.stderr).toBe('');
    expect(pasted.stdout).toMatch(
      /violated on v5\.7-mapcount: pin-coherence\/stale\/anon\/PIN-W-LT\/device->cpu/,
    );
  });

  it('json is the file itself, steps is the text form', () => {
    expect(gupfuzz(['show', B06, '--format', 'json']).out).toBe(readFileSync(B06, 'utf8'));
    const { out } = gupfuzz(['show', B06, '--format', 'steps']);
    expect(out.startsWith(`# ${load(B06).title}\n`)).toBe(true);
    expect(out.replace(/^#.*\n/gm, '')).toBe(
      '\npage A anon rw\n\nh1 = P: gup A pin W LONGTERM\nC = P: fork\nP: write A\ndevice: dma_write h1\nP: read A\n',
    );
  });

  it('--policy: what this one makes of it', () => {
    const { out } = gupfuzz(['show', B06, '-p', 'pae', '-p', 'mapcount']);
    expect(out).toMatch(
      /Run just now:\n {2}v6\.2-anon-exclusive {2}not violated\n {2}v5\.7-mapcount +violated: /,
    );
  });

  const REFUSALS = `page A anon rw
page F shared-file rw f
file f ext4-v5.18-stable

P: write F
kernel: wb_start f NONE
P: write F
P: munmap A
P: read A
P: mprotect A r
P: munmap A
h1 = P: gup F fixed_buffer W LONGTERM
device: dma_read h1
`;
  const NOTES = [
    ['3', 'blocked'],
    ['5', 'refused: SIGSEGV'],
    ['6', 'refused: ENOMEM'],
    ['7', 'no effect'],
    ['9', 'skipped'],
  ] as const;
  /** By number of the step: what stands beside or below it. */
  const notesIn = (text: string): Map<string, string> => {
    const notes = new Map<string, string>();
    let step = '';
    for (const line of text.slice(text.indexOf('---\n')).split('\n\n')[0]!.split('\n')) {
      step = /^>? *(\d+) /.exec(line)?.[1] ?? step;
      const note = /(?:^|; )((?:refused|blocked|skipped|no effect|on v|v\d|EFAULT).*)$/.exec(
        line.trim(),
      )?.[1];
      if (note !== undefined) notes.set(step, `${notes.has(step) ? `${notes.get(step)} ` : ''}${note}`);
    }
    return notes;
  };
  it.each([
    'text',
    'mail',
  ])('%s: what becomes of a step stands at the step, under which policies if not all', (format) => {
    folder.write('refusals.gup', REFUSALS);
    const notes = notesIn(gupfuzz(['show', 'refusals.gup', '--format', format]).out);
    expect([...notes].filter(([step]) => step !== '8')).toEqual(NOTES);
    expect(notes.get('8')).toBe(
      'blocked on v5.7-mapcount, v5.8-cow-break, v5.11-page-count, v6.2-anon-exclusive; ' +
        'refused: EFAULT on v6.5-longterm-ban',
    );
    const one = notesIn(gupfuzz(['show', 'refusals.gup', '--format', format, '-p', 'longterm-ban']).out);
    expect(one.get('8')).toBe('refused: EFAULT');
  });
  it('a file that expects something of policies: under these', () => {
    expect(gupfuzz(['show', entry('b58'), '--format', 'mail']).out).toMatch(
      / 2 {2}h1 = gup F fixed_buffer W LONGTERM\n +; refused: EOPNOTSUPP on v5\.7-mapcount,/,
    );
  });

  it('validate: one line per file, 3 if any is bad', () => {
    expect(gupfuzz(['validate', CATALOGUE]).code).toBe(0);
    folder.write('bad.gup.json', '{}');
    const { code, out } = gupfuzz(['validate', B06, 'bad.gup.json', 'missing']);
    expect(code).toBe(3);
    expect(lines(out)).toEqual([
      `${B06}: ok: 5 steps, claims pin-coherence/stale/anon/PIN-W-LT/device->cpu on v5.7-mapcount`,
      expect.stringMatching(/^bad\.gup\.json: bad: /),
      'missing: bad: there is no such file or folder',
    ]);
    expect(JSON.parse(gupfuzz(['validate', B06, 'missing', '--format', 'json']).out)).toMatchObject({
      files: [{ file: B06 }],
      problems: [{ file: 'missing' }],
    });
  });
});
