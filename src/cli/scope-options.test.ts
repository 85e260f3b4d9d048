import { describe, expect, it } from 'vitest';
import { CHECK_SCOPES, PLAIN_GUPS } from '../check/scope.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import { OP_KINDS } from '../ops/op.ts';
import { refusal } from '../testing/cli.ts';
import { Args } from './command.ts';
import { type Scope, scopeFlagsOf, scopeOf } from './scope-options.ts';

const scope = (values: Record<string, string>, named = 'pin'): Promise<Scope> =>
  scopeOf(scopeFlagsOf(new Args(values)), named);
const opsOf = ({ alphabet }: Scope): string[] => OP_KINDS.filter((_, at) => alphabet.ops[at]);

describe('scope flags', () => {
  it('without any, the named scope', async () => {
    const { setup, alphabet, words } = await scope({});
    expect([setup.mms, setup.refs, setup.pinBias, setup.pages.map((p) => p.kind)]).toEqual([
      2,
      2,
      1024,
      ['anon'],
    ]);
    expect(alphabet.gups).toEqual([
      gupVariant('pin', false, false, false),
      gupVariant('pin', true, false, false),
    ]);
    expect(words).toBe('1 anon page, 2 mms, 2 references; gups pin:R,pin:W; all operations @1');
  });

  it.each(
    Object.keys(CHECK_SCOPES),
  )('--scope %s, and the flags that it prints, are the same', async (name) => {
    const one = await scope({ scope: name });
    const flags = one.flags.split(' --').map((part) => part.replace(/^--/, '').split(' ', 2));
    const again = await scope(Object.fromEntries(flags), 'anon');
    expect(again).toEqual(one);
  });

  it('flags change the named scope', async () => {
    const { setup, words, flags } = await scope({
      scope: 'base',
      pages: 'anon,shared-file',
      mms: '3',
      refs: '1',
      'pin-bias': '8',
      filesystem: 'ext4-v5.17',
      gups: 'get',
      without: 'mprotect,madvise',
    });
    expect(setup.files).toEqual([{ name: 'f', filesystem: 'ext4-v5.17' }]);
    expect(words).toBe(
      '1 anon page and 1 shared-file page (ext4-v5.17), 3 mms, 1 reference, a pin counts 8; gups get; ' +
        'all operations @1 but mprotect, madvise',
    );
    expect(flags).toBe(
      '--pages anon,shared-file --mms 3 --refs 1 --pin-bias 8 --filesystem ext4-v5.17 --gups get --without mprotect,madvise',
    );
  });

  it('--ops keeps these alone', async () => {
    const one = await scope({ ops: 'fork,read,write' });
    expect(opsOf(one)).toEqual(['fork', 'read', 'write']);
    expect(one.words).toMatch(/; only fork, read, write$/);
  });

  it.each([
    ['plain', PLAIN_GUPS],
    ['all', GUP_VARIANTS],
    ['pin:R:lt', [gupVariant('pin', false, true, false)]],
    ['get:W:fast,get:W', [gupVariant('get', true, false, true), gupVariant('get', true, false, false)]],
    ['fixed_buffer', [gupVariant('fixed_buffer', true, true, false)]],
    ['pin', [gupVariant('pin', false, false, false), gupVariant('pin', true, false, false)]],
  ])('--gups %s', async (text, gups) => {
    expect((await scope({ gups: text })).alphabet.gups).toEqual(gups);
  });

  it.each([
    [{ scope: 'pins' }, /^2: --scope has "pins"; allowed: pin, .*; did you mean pin\?$/],
    [{ pages: 'anon,file' }, /^2: --pages has "file"; allowed: anon, private-file, shared-file, shmem/],
    [{ mms: '5' }, /^2: --mms is "5"; allowed: a whole number from 1 to 4$/],
    [{ filesystem: 'shmem' }, /^2: --filesystem is "shmem"; allowed: ext4-v5.18, /],
    [{ gups: 'pn:R' }, /^2: --gups has "pn:R"; allowed: plain, all, or CALLER.*; did you mean pin\?$/],
    [{ gups: 'vmsplice:W' }, /^2: --gups has "vmsplice:W", which vmsplice never asks for; allowed: /],
    [{ gups: 'pin:X' }, /^2: --gups has "pin:X"; allowed: /],
    [{ ops: 'fork', without: 'exit' }, /^2: --ops makes no sense with --without/],
    [{ without: 'fsync' }, /^2: --without has "fsync", which means nothing in this scope; allowed: fork, /],
    [
      { mms: '4', pages: 'anon,anon,anon,anon,anon,anon,anon', refs: '6' },
      /^2: .*: a search has room for 30 folios; .* is 34 /,
    ],
  ] as const)('%j is refused in one line', async (values, message) => {
    expect(await refusal(() => scope(values))).toMatch(message);
  });
});
