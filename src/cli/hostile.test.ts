/** Text that a terminal obeys, in every field and name that gets to one. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { entry } from '../testing/catalogue.ts';
import { gupfuzzIn, type Result, start } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const B06 = readFileSync(entry('b06'), 'utf8');

/** Sets a title, clears, turns text around, hides it, and begins a line that says something else. */
const EVIL = 'x\u001b]0;t\u0007\u001b[2J\u009b31m\u007f\u061c\u200e\u200f\u2028\u202e\u2066\ufeff\r\nFORGED';
const OBEYED = /(?![\n\t])\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|^FORGED/mu;
const COLOURS = /\p{Cc}\[(?:[12]|22|3[1-6]|39)m/gu;

/** Fails where a terminal would obey; returns all of it. Colours are ours where they are forced. */
function harmless({ code, out, err }: Result): string {
  for (const text of [out, err]) {
    expect(text.replace(COLOURS, '')).not.toMatch(OBEYED);
    expect(text).not.toContain('\ufffd');
  }
  expect(code).not.toBe(70);
  return out + err;
}

const evilly = (args: readonly string[]): string =>
  harmless(gupfuzz(args, { env: { FORCE_COLOR: '1', TERM: 'xterm' } }));

/** The JSON with another text in place of each of its strings and keys, one at a time. */
function variants(value: unknown): unknown[] {
  if (typeof value === 'string') return [EVIL];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value))
    return value.slice(0, 2).flatMap((v, i) => variants(v).map((w) => value.with(i, w)));
  return Object.entries(value).flatMap(([key, v]) => [
    ...variants(v).map((w) => ({ ...value, [key]: w })),
    Object.fromEntries(Object.entries(value).map(([k, w]) => [k === key ? EVIL : k, w])),
  ]);
}

describe('nothing that a terminal obeys gets there', () => {
  it.each(['replay', 'validate', 'compare'])('from any field of a file, by %s', (command) => {
    const files = variants(JSON.parse(B06));
    expect(files.length).toBeGreaterThan(60);
    files.forEach((value, i) => {
      folder.write(`d/${i}.gup.json`, JSON.stringify(value));
    });
    B06.split('\n').forEach((_, i, lines) => {
      folder.write(`d/l${i}.gup.json`, lines.with(i, `${lines[i]}${EVIL}`).join('\n'));
    });
    folder.write('d/t.gup', `page A anon rw\nP: write A # ${EVIL}\nP: ${EVIL} A\n`);
    expect(evilly([command, 'd'])).toContain('\\u001b');
    harmless(gupfuzz([command, 'd', '--format', 'json']));
  });

  const SMALL = ['--pages', 'anon', '--mms', '1', '--refs', '1', '--depth', '2'];
  const NAME = `${EVIL}.gup.json`;
  it.each([
    ['replay', NAME, '--trace', '--policy', 'all'],
    ['replay', NAME, '--policy', NAME],
    ['validate', NAME],
    ['show', NAME, '--format', 'mail'],
    ['show', NAME, '--format', 'steps'],
    ['compare', NAME, '--format', 'markdown'],
    ['compare', NAME, '--format', 'junit'],
    ['minimize', NAME],
    ['save', NAME, '--out', `${EVIL}2.gup.json`],
    ['export', 'c', NAME],
    ['replay', `${EVIL}none`],
    ['check', '--policy', `./${EVIL}.ts`],
    ['check', '--resume', NAME, '--policy', 'cow-break', ...SMALL],
    ['policies', EVIL],
    ['fuzz', '--out', NAME],
    [EVIL],
    ['replay', `--${EVIL}`],
    ['fuzz', '--seed', EVIL],
  ])('from a name: %j', (...args) => {
    folder.write(NAME, B06);
    evilly(args);
  });

  it('from a file name, in JSON, which has it as it is', () => {
    folder.write(NAME, B06);
    const result = gupfuzz(['replay', NAME, '--format', 'json']);
    harmless(result);
    expect(JSON.parse(result.out)).toMatchObject({ files: [{ file: NAME }] });
  });

  it('from the version of a checkpoint', () => {
    folder.write('c.bin', `${JSON.stringify({ magic: 'gupfuzz checkpoint', version: EVIL })}\n`);
    expect(evilly(['check', '--policy', 'cow-break', ...SMALL, '--resume', 'c.bin'])).toMatch(
      /says that it is of version x\\u001b/,
    );
  });

  const module = (fields: string, rule = '"plain"'): string =>
    `import { derive, otherwise, policyByName, table } from 'gupfuzz';
     const E = ${JSON.stringify(EVIL)};
     export default derive(policyByName('v6.5-longterm-ban'), { id: 'mine', title: 'mine', sources: [], ${fields} },
       { wpFault: [table({ ...otherwise('copy'), name: ${rule} })] });`;
  it('from modules', () => {
    const modules = {
      title: module('title: E'),
      sources: module('sources: [E]'),
      id: module('id: E'),
      alias: module('alias: E'),
      field: module('[E]: 1'),
      rule: module('', 'E'),
      thrown: `throw new Error(${JSON.stringify(EVIL)})`,
    };
    const names = Object.entries(modules).map(([name, text]) => folder.write(`${name}.ts`, text));
    const said = evilly(['fuzz', ...names.flatMap((name) => ['--policy', `./${name}`])]);
    expect(said.trimEnd().split('\n')).toEqual(
      names.map((name) => expect.stringMatching(`^gupfuzz: policy ./${name}`)),
    );
  });
});

describe('names that every object has are names', () => {
  it('of pages, processes, references and policies', () => {
    const { id: _, ...c } = JSON.parse(
      readFileSync(entry('b01'), 'utf8')
        .replaceAll('"A"', '"constructor"')
        .replaceAll('"C"', '"valueOf"')
        .replaceAll('"h1"', '"isPrototypeOf"'),
    );
    c.minimality = { kind: 'none', scope: 'as written', depth: 0 };
    for (const id of ['constructor', 'toString', 'hasOwnProperty'])
      c.expect[id] = { verdict: 'not violated', classes: [] };
    folder.write('b.gup.json', JSON.stringify(c));
    for (const [args, want] of [
      [['replay', 'b.gup.json'], /reproduced on v5\.7-mapcount/],
      [['show', 'b.gup.json'], /\n {2}hasOwnProperty +not violated\n/],
      [['show', 'b.gup.json', '--format', 'mail'], /\n {2}constructor +not violated\n/],
    ] as const) {
      const { code, out, err } = gupfuzz(args);
      expect([code, err]).toEqual([0, '']);
      expect(out).toMatch(want);
    }
  });

  it.each([
    ['check', '--policy', 'cow-break', '--scope', 'constructor'],
    ['fuzz', '--scope', 'toString'],
    ['fuzz', '--policy', 'constructor'],
    ['compare', '--base', 'valueOf', '--cand', 'cow-break'],
    ['check', '--policy', 'cow-break', '--filesystem', 'constructor'],
    ['decisions', 'constructor'],
  ])('but not of what there is: %j', (...args) => {
    const { code, out, err } = gupfuzz(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^gupfuzz: .*"(?:constructor|toString|valueOf)"[^\n]*\n$/);
  });
});

describe('kill -9', () => {
  it('leaves no process that loads a module for nobody', async () => {
    folder.write(
      'loops.ts',
      `import { writeFileSync } from 'node:fs';
      writeFileSync('pid', String(process.pid));
      for (;;);`,
    );
    const { child, ended } = start(['policies', './loops.ts'], { cwd: folder.path });
    while (!existsSync(folder.at('pid'))) await sleep(20);
    await sleep(50); // until it is written
    child.kill('SIGKILL');
    await ended;
    const stat = `/proc/${readFileSync(folder.at('pid'), 'utf8')}/stat`;
    const lives = (): boolean => {
      try {
        return !/\) Z /.test(readFileSync(stat, 'utf8'));
      } catch {
        return false;
      }
    };
    // Loading may take 10 s: less than that.
    for (let n = 0; n < 80 && lives(); n++) await sleep(50);
    expect(lives()).toBe(false);
  });
});
