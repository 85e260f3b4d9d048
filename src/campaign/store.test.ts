import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { PROPERTIES } from '../../properties/index.ts';
import { PAGE_KINDS, REF_KINDS } from '../domain/kinds.ts';
import { CLAIM_PROPERTIES } from '../executor/simulated.ts';
import { DECISION_NAMES } from '../machine/decisions.ts';
import { classId, DAMAGES, OBSERVED_BY, STORED_BY } from '../property/property.ts';
import { wayOf } from '../regression/way.ts';
import { FindingStore, findingName, slugOf } from './store.ts';

const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

it('names regressions apart by all that tells their ways apart', () => {
  const ways = Array.from({ length: DECISION_NAMES.length << 6 }, (_, at) => wayOf(at + 1)).filter(
    (w) => w?.base !== undefined && w.candidate !== undefined,
  );
  expect(ways.length).toBeGreaterThan(50);
  const told = new Set(ways.map((w) => JSON.stringify(w)));
  expect(new Set(ways.map((w) => findingName('a/b/c/-/x->y', w))).size).toBe(told.size);
});

describe('a store of findings', () => {
  it('writes a whole file, and nothing beside it', () => {
    const store = new FindingStore(join(temp, 'out'), expect.unreachable, expect.unreachable);
    expect(store.write('p/one.json', 'text')).toBe(join(temp, 'out/p/one.json'));
    linkSync(join(temp, 'out/p/one.json'), join(temp, 'kept'));
    expect(store.write('p/one.json', 'other')).toBe(join(temp, 'out/p/one.json'));
    expect(readFileSync(join(temp, 'kept'), 'utf8')).toBe('text'); // the old one was not written over
    expect(readdirSync(join(temp, 'out/p'))).toEqual(['one.json']);
    expect(readFileSync(join(temp, 'out/p/one.json'), 'utf8')).toBe('other');
    // What cannot be put in place leaves no part of itself.
    mkdirSync(join(temp, 'out/p/two.json/x'), { recursive: true });
    const full = new FindingStore(join(temp, 'out'), () => {}, expect.unreachable);
    const moved = full.write('p/two.json', 'text')!;
    expect(readFileSync(moved, 'utf8')).toBe('text');
    expect(readdirSync(join(temp, 'out/p')).sort()).toEqual(['one.json', 'two.json']);
    rmSync(full.dir!, { recursive: true });
  });

  it('moves once, and all that follows goes there', () => {
    writeFileSync(join(temp, 'file'), '');
    const notices: string[] = [];
    const store = new FindingStore(join(temp, 'file'), (line) => notices.push(line), expect.unreachable);
    const files = ['one', 'two'].map((name) => store.write(name, name)!);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['one', 'two']);
    expect(files).toEqual(['one', 'two'].map((name) => join(store.dir!, name)));
    expect(notices).toHaveLength(1);
    store.remove('one');
    expect(files.map((file) => existsSync(file))).toEqual([false, true]);
    rmSync(store.dir!, { recursive: true });
  });

  it('hands over the text of what it can write nowhere', () => {
    writeFileSync(join(temp, 'no-folder'), '');
    vi.stubEnv('TMPDIR', join(temp, 'no-folder'));
    const notices: string[] = [];
    const texts: string[] = [];
    const store = new FindingStore(
      join(temp, 'no-folder', 'x'),
      (line) => notices.push(line),
      (text) => texts.push(text),
    );
    expect([store.write('one', 'first'), store.write('two', 'second')]).toEqual([undefined, undefined]);
    expect(texts).toEqual(['first', 'second']);
    expect(notices).toEqual([
      expect.stringMatching(/^cannot write one \(.*\); the finding is printed instead$/),
      expect.stringMatching(/^cannot write two \(.*\); the finding is printed instead$/),
    ]);
  });
});

describe('the file name of a class', () => {
  it('is of one class alone: no finding takes the place of another', () => {
    const slugs = new Map<string, string>();
    let classes = 0;
    for (const property of [...PROPERTIES.map((p) => p.id), ...CLAIM_PROPERTIES])
      for (const damage of DAMAGES)
        for (const page of PAGE_KINDS)
          for (const ref of ['-', ...REF_KINDS] as const)
            for (const access of ref === '-' ? (['-'] as const) : (['R', 'W'] as const))
              for (const longterm of ref === 'PIN' ? [false, true] : [false])
                for (const storedBy of STORED_BY)
                  for (const observedBy of OBSERVED_BY) {
                    const id = classId({
                      property,
                      damage,
                      page,
                      ref,
                      access,
                      longterm,
                      storedBy,
                      observedBy,
                    });
                    slugs.set(slugOf(id), id);
                    classes++;
                  }
    expect(slugs.size).toBe(classes);
    expect([...slugs.keys()].filter((slug) => !/^[a-z0-9-]+$/.test(slug))).toEqual([]);
  });
});
