import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CHOSEN_FILESYSTEMS, DIRECT_FILESYSTEMS, FILESYSTEMS, filesystem } from './filesystems.ts';
import {
  BACKINGS,
  backingOf,
  KIND_TRAITS,
  PAGE_KINDS,
  type PageKind,
  pageInWords,
  sharedKind,
} from './page-kinds.ts';
import { NO_FILE, type Setup, shapeOf } from './setup.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where a kind may be named, and why. A folder ends in `/`. */
const NAMED: { readonly [path: string]: string } = {
  'src/domain/page-kinds.ts': 'declares them',
  'src/domain/page-sets.ts': 'says which are drawn together, in an order of its own',
  'src/domain/filesystems.ts': 'has the profile of the same name as its backing',
  'src/policies/': 'the words of a policy: rules ask the kind of a VMA, and the frame `anon`',
  'src/machine/':
    'a frame `anon` and a fact `shmem` that policies ask; kinds are none of its business otherwise',
  'src/campaign/coverage.ts': 'that frame and that fact',
  'src/executor/trace.ts': 'the folio flag of that name',
  'src/check/scope.ts': 'named scopes are declared by their pages',
  'src/check/pair-table.ts': 'so are the scopes of docs/distinguish.md',
  'src/mutate/scopes.ts': 'and those that mutants are judged in',
  'src/testing/': 'tests speak of kinds',
  'src/cli/': 'names of scopes: defaults, help and examples',
  'properties/': 'a property may speak of a kind',
};
/** In the machine nothing but a frame and a fact may be called like a kind. */
const IN_MACHINE = /FRAMES|BOOLEAN|\bbool\b|frame|^'shmem',$/i;

function sources(folder: string): string[] {
  return readdirSync(`${root}${folder}`, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) return sources(`${path}/`);
    return /\.ts$/.test(path) && !/\.test\.ts$/.test(path) ? [path] : [];
  });
}

/** Lines of code, comments left out, in which a literal is a kind's name, or a text contains one that has a hyphen. */
function namings(text: string): { readonly line: number; readonly kind: PageKind; readonly code: string }[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
  return code.split('\n').flatMap((raw, i) => {
    const line = raw.replace(/(^|\s)\/\/.*$/, '');
    return PAGE_KINDS.filter((kind) =>
      new RegExp(kind.includes('-') ? `(?<![\\w-])${kind}(?![\\w-])` : `(['"\`])${kind}\\1`).test(line),
    ).map((kind) => ({ line: i + 1, kind, code: line.trim() }));
  });
}

describe('a page kind', () => {
  const files = [...sources('src/'), ...sources('properties/')];

  it('is named by its declaration alone', () => {
    const wrong = files.flatMap((path) => {
      const allowed = Object.keys(NAMED).find((at) => (at.endsWith('/') ? path.startsWith(at) : path === at));
      if (allowed !== undefined && allowed !== 'src/machine/') return [];
      return namings(readFileSync(`${root}${path}`, 'utf8'))
        .filter(({ code }) => allowed === undefined || !IN_MACHINE.test(code))
        .map(
          ({ line, kind, code }) =>
            `${path}:${line} names the page kind ${kind}: ask a trait (src/domain/page-kinds.ts, Shape), or say in NAMED of this test why it must: ${code}`,
        );
    });
    expect(wrong).toEqual([]);
  });

  it('is found where it is named', () => {
    const text =
      "a === 'anon' // 'shmem'\n/* 'shmem'\n 'shmem' */ x(`shmem`);\nsay('--pages shared-file or so');\nb === 'anonymous';";
    expect(namings(text).map(({ line, kind }) => [line, kind])).toEqual([
      [1, 'anon'],
      [3, 'shmem'],
      [4, 'shared-file'],
    ]);
    for (const path of Object.keys(NAMED))
      expect(
        files.some((file) => file.startsWith(path)),
        path,
      ).toBe(true);
  });

  it('has names of its own for its pages, and what its backing needs', () => {
    const names = PAGE_KINDS.flatMap((kind) => KIND_TRAITS[kind].names);
    expect(new Set(names).size).toBe(names.length);
    for (const kind of PAGE_KINDS) {
      expect(KIND_TRAITS[kind].names.length, kind).toBeGreaterThan(0);
      expect(pageInWords(kind)).toMatch(/^(an [aeiou]|a [^aeiou])[\w-]* page$/);
    }
    for (const { file, profile, live } of Object.values(BACKINGS)) {
      if (file === '') expect([profile, live]).toEqual(['', '']);
      if (profile !== '') expect(FILESYSTEMS.map((f) => f.id)).toContain(profile);
    }
  });

  it('is the kind of the pages of a file, if it is the first that is shared', () => {
    for (const { backing } of FILESYSTEMS) {
      expect(KIND_TRAITS[sharedKind(backing)]).toMatchObject({ backing, private: false });
    }
    expect(() => sharedKind('none')).toThrow('no page kind is a shared mapping of none');
  });
});

const oneOf = (kind: PageKind, profile: string): Setup => {
  const { file } = backingOf(kind);
  return {
    pages: [{ name: 'X', kind, prot: 'rw', ...(file === '' ? {} : { file }) }],
    files: file === '' ? [] : [{ name: file, filesystem: profile }],
    mms: 1,
    refs: 0,
    pinBias: 1024,
  };
};

describe('the flat traits of a setup', () => {
  it.each(PAGE_KINDS)('%s', (kind) => {
    const { private: isPrivate } = KIND_TRAITS[kind];
    const backing = backingOf(kind);
    const shape = shapeOf(oneOf(kind, backing.profile || CHOSEN_FILESYSTEMS[0]!));
    const onFile = backing.file !== '';
    expect({
      isPrivate: shape.isPrivate[0] === 1,
      copiesFile: shape.copiesFile[0] === 1,
      tracked: shape.tracked[0] === 1,
      onFile: shape.file[0] !== NO_FILE,
      startsZero: shape.neverZero[0] === 0,
    }).toEqual({
      isPrivate,
      copiesFile: isPrivate && onFile,
      tracked: !isPrivate && backing.dirtyTracked,
      onFile,
      startsZero: backing.startsZero,
    });
    if (!onFile) return;
    expect(shape.fileTracked[0] === 1).toBe(backing.dirtyTracked);
    expect(shape.onDisk[0] === 1).toBe(backing.disk);
    expect(shape.startsZero[0] === 1).toBe(backing.startsZero);
  });

  it('are of the profiles that fit, and what is allowed is said', () => {
    const file = PAGE_KINDS.find((kind) => backingOf(kind).profile === '' && backingOf(kind).file !== '')!;
    expect(() => shapeOf(oneOf(file, 'shmem'))).toThrow(
      `${pageInWords(file)} cannot map f (filesystem shmem)`,
    );
    expect(() => shapeOf(oneOf(file, 'zfs'))).toThrow(
      `filesystem "zfs" is not one of: ${FILESYSTEMS.map((f) => f.id).join(', ')}`,
    );
    const strange = { ...oneOf(file, CHOSEN_FILESYSTEMS[0]!) };
    const pages = strange.pages.map((p) => ({ ...p, kind: 'swap' as PageKind }));
    expect(() => shapeOf({ ...strange, pages })).toThrow(
      `setup.pages X: kind "swap" is not one of: ${PAGE_KINDS.join(', ')}`,
    );
  });
});

describe('a filesystem profile', () => {
  it('has the traits of its backing', () => {
    for (const f of FILESYSTEMS) expect(f).toMatchObject({ dirtyTracked: BACKINGS[f.backing].dirtyTracked });
    expect(DIRECT_FILESYSTEMS).toEqual(
      FILESYSTEMS.filter((f) => BACKINGS[f.backing].directIo).map((f) => f.id),
    );
    expect(CHOSEN_FILESYSTEMS.map((id) => filesystem(id).disk)).not.toContain(false);
  });
});
