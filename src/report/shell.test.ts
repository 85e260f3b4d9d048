import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { freshFolder } from '../testing/folder.ts';
import { command, program, replayCommand, shellWord } from './shell.ts';

const folder = freshFolder();
const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

describe('program', () => {
  it('npx where it is a dependency, in folders below, and in a clone', () => {
    folder.write('node_modules/.bin/gupfuzz', '');
    folder.write('a/b/x', '');
    expect(program(folder.path, '')).toBe('npx gupfuzz');
    expect(program(folder.at('a/b'), '')).toBe('npx gupfuzz');
    folder.write('clone/package.json', '{"name": "gupfuzz"}');
    expect(program(folder.at('clone'), '')).toBe('npx gupfuzz');
    // npm looks no further up than to the first folder that looks like a project.
    folder.write('other/node_modules/.vite/x', '');
    expect(program(folder.at('other'), '')).toBe(`node ${MAIN}`);
  });

  it('by its name where it is on PATH, but not by what npx puts there for the time being', () => {
    folder.write('project/package.json', 'not JSON');
    mkdirSync(folder.at('bin'));
    mkdirSync(folder.at('other/node_modules/.bin'), { recursive: true });
    for (const bin of ['bin', 'other/node_modules/.bin']) symlinkSync(MAIN, folder.at(bin, 'gupfuzz'));
    const project = folder.at('project');
    expect(program(project, `/nowhere:${folder.at('bin')}`)).toBe('gupfuzz');
    expect(program(project, folder.at('other/node_modules/.bin'))).toBe(`node ${MAIN}`);
  });

  it('a file that may not be run is not on PATH', () => {
    writeFileSync(folder.at('gupfuzz'), '', { mode: 0o644 });
    expect(program(folder.path, folder.path)).toBe(`node ${MAIN}`);
  });
});

describe('words', () => {
  it('are quoted for a shell', () => {
    expect(shellWord('a/b-1.gup.json')).toBe('a/b-1.gup.json');
    expect(shellWord("it's $HOME")).toBe("'it'\\''s $HOME'");
    expect(command('policies', './my mine.ts')).toBe(`${program()} policies './my mine.ts'`);
  });

  it('with what cannot be shown are still one line, and the same word to a shell', () => {
    const name = "it's\u001b[2J\n\u202e\\n";
    expect(shellWord(name)).toBe("$'it\\'s\\x1b[2J\\x0a\\xe2\\x80\\xae\\\\n'");
    expect(execFileSync('bash', ['-c', `printf %s ${shellWord(name)}`], { encoding: 'utf8' })).toBe(name);
  });

  it('a file is no flag', () => {
    expect(replayCommand('f x', { policy: './mine.ts' })).toBe(
      `${program()} replay 'f x' --policy ./mine.ts`,
    );
    expect(replayCommand('-x.gup')).toBe(`${program()} replay ./-x.gup`);
    expect(replayCommand('-')).toBe(`${program()} replay -`);
  });
});
