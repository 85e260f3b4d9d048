/** What commands make of files and modules that are none. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { entry } from '../testing/catalogue.ts';
import { gupfuzzIn, lines, MAIN, oneLine } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B01 = entry('b01');
const B06 = entry('b06');

describe('bad files are one line each and exit 3', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['empty', '', /x\.gup\.json: the file is empty; allowed: a counterexample/],
    ['no JSON', 'hello', /x\.gup\.json: .*is not JSON: line 1, column 1/],
    ['another JSON', '{"a": 1}', /x\.gup\.json: a is an unknown field/],
    ['a doubled field', '{"format": 1, "format": 2}', /x\.gup\.json: format is given twice/],
    ['too large', ' '.repeat(300_000), /x\.gup\.json: the file has 300000 bytes; allowed: at most 262144/],
  ];
  it.each(bad)('%s', (_, text, message) => {
    folder.write('x.gup.json', text);
    for (const command of ['replay', 'minimize', 'show'])
      expect(oneLine(gupfuzz([command, 'x.gup.json']), 3), command).toMatch(message);
  });

  it('wrong values name file, field, value and what is allowed', () => {
    const text = readFileSync(B01, 'utf8');
    folder.write('x.gup.json', text.replace('"op": "exit"', '"op": "exot"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: steps\[3\]\.op is "exot"; allowed: one of /,
    );
    folder.write('x.gup.json', text.replace('"ref": "h1"', '"ref": "h9"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: steps\[5\]\.ref is "h9"/,
    );
    folder.write('x.gup.json', text.replace(/"id": "\w+"/, '"id": "0000000000000000"'));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toMatch(
      /^gupfuzz: x\.gup\.json: id is "0{16}"; allowed: /,
    );
  });

  it('not UTF-8, not there, a folder where a file must be', () => {
    folder.write('x.gup.json', Buffer.from([0x7b, 0xff, 0x7d]));
    expect(oneLine(gupfuzz(['replay', 'x.gup.json']), 3)).toBe('gupfuzz: x.gup.json: the file is not UTF-8');
    for (const command of ['replay', 'minimize', 'show', 'compare'])
      expect(oneLine(gupfuzz([command, 'no/such']), 3)).toBe(
        'gupfuzz: no/such: there is no such file or folder',
      );
    expect(oneLine(gupfuzz(['replay', 'x.gup.json/y']), 3)).toMatch(/a part of its path is not a folder$/);
    rmSync(folder.at('x.gup.json'));
    expect(oneLine(gupfuzz(['show', '.']), 3)).toBe('gupfuzz: .: is a folder; give one file');
  });

  it('names with control characters cannot disturb the terminal', () => {
    folder.write('a\u001b[2Jb.gup.json', 'x');
    expect(oneLine(gupfuzz(['replay', 'a\u001b[2Jb.gup.json']), 3)).not.toContain('\u001b');
  });

  it('do not hide good ones', () => {
    folder.write('bad.gup.json', '{}');
    const { code, out, err } = gupfuzz(['replay', 'bad.gup.json', B01, 'missing.gup.json']);
    expect(code).toBe(3);
    expect(out).toMatch(/reproduced on v5\.7-mapcount at step 6; as expected/);
    expect(lines(err)).toEqual([
      expect.stringMatching(/^gupfuzz: bad\.gup\.json: /),
      'gupfuzz: missing.gup.json: there is no such file or folder',
    ]);
  });

  it('endless input ends', () => {
    const endless = `head -c 400000 /dev/zero | "$0" "$1" replay -`;
    const { status, stderr } = spawnSync('sh', ['-c', endless, process.execPath, MAIN], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([3, expect.stringMatching(/^gupfuzz: .*has more than 262144 bytes\n$/)]);
  });

  it.each([
    ['a FIFO', 'fifo'],
    ['a device', '/dev/zero'],
  ])('%s is not waited for', (what, path) => {
    if (path === 'fifo') execFileSync('mkfifo', [folder.at(path)]);
    const commands = [
      ['replay', path],
      ['minimize', path],
      ['live', 'run', path],
      ['compare', path],
      ['check', '--policy', 'pae', '--depth', '1', '--checkpoint', path],
      ['check', '--policy', 'pae', '--depth', '1', '--out', path],
      ['fuzz', '-n', '1', '--out', path],
    ];
    for (const command of commands) expect(oneLine(gupfuzz(command), 3)).toContain(what);
    expect(oneLine(gupfuzz(['check', '--policy', 'pae', '--resume', path]), 3)).toContain('--resume');
    expect(oneLine(gupfuzz(['policies', path === 'fifo' ? './fifo' : path]), 3)).toContain('not a file');
    if (path === 'fifo') rmSync(folder.at(path));
  });

  it('names that begin with a dash are files after --, and flags before', () => {
    cpSync(B01, folder.at('-b01.gup.json'));
    for (const command of [['replay'], ['show'], ['validate'], ['export', '--to', 'c'], ['compare']])
      expect(gupfuzz([...command, '--', '-b01.gup.json']).code, command.join(' ')).toBe(0);
    expect(oneLine(gupfuzz(['replay', '-b01.gup.json']), 2)).toMatch(/unknown flag -b01/);
    expect(oneLine(gupfuzz(['fuzz', '--', '-x']), 2)).toMatch(/argument "-x"/);
    expect(oneLine(gupfuzz(['replay', '--', '--no.gup']), 3)).toMatch(/--no\.gup: there is no such file/);
    rmSync(folder.at('-b01.gup.json'));
  });

  it('policy modules too', () => {
    expect(oneLine(gupfuzz(['policies', './no.ts']), 3)).toMatch(
      /^gupfuzz: policy \.\/no\.ts: there is no such file/,
    );
    folder.write('no.ts', 'export default 7;');
    expect(oneLine(gupfuzz(['policies', './no.ts']), 3)).toMatch(/^gupfuzz: policy \.\/no\.ts: /);
    expect(oneLine(gupfuzz(['compare', '--base', 'pae', '--cand', './no.ts']), 3)).toMatch(
      /policy \.\/no\.ts: /,
    );
    expect(oneLine(gupfuzz(['minimize', B06, '--policy', './no.ts']), 3)).toMatch(/policy \.\/no\.ts: /);
    const replayed = gupfuzz(['replay', B01, '--policy', './no.ts', '--policy', 'mapcount']);
    expect([replayed.code, lines(replayed.err).length]).toEqual([3, 1]);
    expect(replayed.out).toMatch(/reproduced on v5\.7-mapcount/);
  });

  it('outside a clone, counterexamples/ is the catalogue of the package', () => {
    const { code, out } = gupfuzz(['validate', `counterexamples/${basename(B01)}`]);
    expect([code, out]).toEqual([0, expect.stringMatching(/b01-.*: ok: /)]);
    // A folder of that name here goes before.
    mkdirSync(folder.at('counterexamples'));
    expect(gupfuzz(['validate', 'counterexamples']).code).toBe(4);
  });
});
