import { describe, expect, it } from 'vitest';
import { Rng } from '../domain/rng.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { expandPolicy } from '../machine/tables.ts';
import { OP_KINDS, type OpKind } from '../ops/op.ts';
import { BUILT_IN } from '../policies/index.ts';
import {
  alphabetFor,
  LATEST,
  OP_VERSIONS,
  operationsOf,
  PLAIN_GUPS,
  pagesOf,
  scopeName,
  setupOf,
  versionedScope,
  versionOf,
  versionWith,
} from './scope.ts';
import { Search } from './search.ts';

/** Version 1, written down apart: whatever comes, it stays. */
const FIRST: readonly OpKind[] = [
  'fork',
  'exit',
  'munmap',
  'mprotect',
  'madvise',
  'read',
  'write',
  'gup',
  'unpin',
  'dio_end',
  'dma_read',
  'dma_write',
  'wb_start',
  'wb_end',
  'fsync',
  'reclaim',
  'drop_caches',
  'buffered_read',
  'buffered_write',
];

describe('versions of scopes', () => {
  it('version 1 is what it was, and each later one begins as the one before it', () => {
    expect(operationsOf(1)).toEqual(FIRST);
    for (let version = 2; version <= LATEST; version++)
      expect(operationsOf(version).slice(0, operationsOf(version - 1).length)).toEqual(
        operationsOf(version - 1),
      );
    expect(operationsOf(LATEST)).toEqual(OP_KINDS);
    expect(new Set(OP_KINDS).size).toBe(OP_KINDS.length);
    expect(OP_VERSIONS.every((kinds) => kinds.length > 0)).toBe(true);
  });

  it('a setup to which a version adds nothing has the alphabet of the one before it', () => {
    for (const kinds of [
      ['anon'],
      ['shared-file'],
      ['anon', 'private-file', 'shared-file', 'shmem'],
    ] as const) {
      const setup = { ...pagesOf(kinds, 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 };
      const first = alphabetFor(setup, PLAIN_GUPS, 1);
      expect(first.ops).toHaveLength(FIRST.length);
      expect(versionOf(first)).toBe(1);
      for (let version = 2; version <= LATEST; version++) {
        const later = alphabetFor(setup, PLAIN_GUPS, version);
        const added = operationsOf(version).filter((_, i) => i >= FIRST.length && later.ops[i] === true);
        if (added.length === 0) expect(later).toEqual(first);
        else expect(later.ops.slice(0, FIRST.length)).toEqual(first.ops);
      }
    }
  });

  it('an operation is on where the setup has something for it', () => {
    const on = (kinds: Parameters<typeof pagesOf>[0], mms: number, refs: number): readonly OpKind[] => {
      const { ops } = alphabetFor(
        { ...pagesOf(kinds, 'ext4-v5.18'), mms, refs, pinBias: 1024 },
        PLAIN_GUPS,
        1,
      );
      return FIRST.filter((_, i) => !ops[i]);
    };
    const files = FIRST.slice(FIRST.indexOf('wb_start'));
    expect(on(['anon'], 2, 1)).toEqual(files);
    expect(on(['anon'], 1, 0)).toEqual(['fork', 'gup', ...files]);
    expect(on(['shared-file'], 1, 1)).toEqual(['fork']);
    expect(on(['shmem'], 2, 1)).toEqual([]);
  });

  it('a name is of the latest version, unless it says one', () => {
    expect(scopeName('default')).toEqual({ name: 'default', version: LATEST });
    expect(scopeName('default@1')).toEqual({ name: 'default', version: 1 });
    expect(versionedScope('base')).toBe(`base@${LATEST}`);
    expect(setupOf('base@1')).toEqual(setupOf('base'));
    expect(setupsOf('default@1', 'all')).toEqual(setupsOf('default', 'all'));
    for (const wrong of [
      'default@',
      'default@0',
      'default@01',
      'default@x',
      `default@${LATEST + 1}`,
      'default@1@1',
    ])
      expect(() => scopeName(wrong), wrong).toThrow(/ is of no version; versions: 1/);
  });

  it('steps say the first version that has them', () => {
    expect(versionWith([])).toBe(1);
    expect(versionWith([{ op: 'write' }, { op: 'fsync' }])).toBe(1);
    for (const [i, kinds] of OP_VERSIONS.entries())
      for (const op of kinds) expect(versionWith([{ op: 'fork' }, { op }])).toBe(i + 1);
  });
});

describe('version 1 goes on as it did', () => {
  it('draws the same programs', () => {
    const setups = setupsOf('default', 'all');
    const generator = new Generator(setups, undefined, 1);
    const rng = new Rng();
    rng.seed(1, 2, 3, 4);
    let sum = 0;
    for (let i = 0; i < 300; i++) {
      const { setup, steps, length } = generator.draw(rng);
      sum = (Math.imul(sum, 31) + setup) | 0;
      for (let k = 0; k < length; k++) {
        // By what they say: the packing of steps is nobody's business.
        sum = (Math.imul(sum, 31) + (steps[k]! & 63)) | 0;
      }
    }
    expect(sum).toBe(1582484909);
  });

  it('searches the same states, where nothing is renamed', () => {
    const setup = { ...pagesOf(['anon', 'anon'], ''), mms: 1, refs: 1, pinBias: 1024 };
    const policy = expandPolicy(BUILT_IN.find((p) => p.id === 'v6.5-longterm-ban')!);
    const search = new Search({
      setup,
      policy,
      alphabet: alphabetFor(setup, PLAIN_GUPS, 1),
      statesMax: 100_000,
      symmetry: false,
    });
    while (search.depth < 4) search.exploration.advance();
    expect([search.states, search.exploration.transitions]).toEqual([4_282, 18_670]);
  });
});
