import { describe, expect, it } from 'vitest';
import { policyByName } from './index.ts';
import { checkedPolicy, oneLine } from './shape.ts';

const good = { ...policyByName('pae'), id: 'mine', alias: 'm' };

describe('checkedPolicy', () => {
  it('takes what derive makes', () => {
    expect(checkedPolicy('./m.ts', good)).toBe(good);
  });

  it.each([
    [null, 'its default export is null, not a policy'],
    [7, 'its default export is the number 7, not a policy'],
    [[good], 'its default export is a list, not a policy'],
    [{}, 'id is undefined; it must be a string'],
    [{ ...good, id: '-x' }, /^id "-x" must be 1 to 64 of /],
    [{ ...good, id: 'x'.repeat(65) }, /must be 1 to 64 of /],
    [{ ...good, id: 'a/b' }, /^id "a\/b" must be/],
    [{ ...good, id: 'canary' }, 'id "canary" is taken by the built-in policy canary; choose another'],
    [
      { ...good, alias: 'mapcount' },
      'alias "mapcount" is taken by the built-in policy v5.7-mapcount; choose another',
    ],
    [{ ...good, id: 'all' }, 'id "all" means all built-in policies; choose another'],
    [{ ...good, title: 'two\nlines' }, 'title must be one line of text'],
    [
      { ...good, sources: 'none' },
      'sources must be a list of lines of text: commits, releases or list posts',
    ],
    [{ ...good, keeps: { hasPinned: true } }, 'keeps must be { anonExclusive: boolean, hasPinned: boolean }'],
    [
      { ...good, keeps: { ...good.keeps, pinned: true } },
      'there is no state to keep "pinned"; there is: anonExclusive, hasPinned',
    ],
    [{ ...good, claims: undefined }, /^claims must be a list of: writable anon pte => exclusive, /],
    [{ ...good, canary: 'yes' }, 'canary must be true or false'],
    [{ ...good, name: 'x' }, /^there is no field "name"; there is: id, /],
    [{ ...good, tables: undefined }, /^tables is undefined; /],
    [
      { ...good, tables: { ...good.tables, wpfault: [] } },
      /^there is no decision point "wpfault"; there is: wpFault, /,
    ],
    [
      { ...good, tables: { wpFault: [] } },
      /^tables lack unshareFault, forkPte, gupKind, .*; derive\(\.\.\.\) from/,
    ],
  ])('refuses %#', (value, what) => {
    const message = typeof what === 'string' ? `policy ./m.ts: ${what}` : what;
    expect(() => checkedPolicy('./m.ts', value)).toThrow(
      typeof message === 'string'
        ? message
        : new RegExp(message.source.replace(/^\^/, '^policy \\./m\\.ts: ')),
    );
  });

  it('refuses a table that is no list or has more rules than a byte can number', () => {
    const rules = Array.from({ length: 256 }, (_, i) => ({ name: `${i}`, answer: 'copy' }));
    const table = (wpFault: unknown) => ({ ...good, tables: { ...good.tables, wpFault } });
    expect(() => checkedPolicy('m', table({}))).toThrow(
      'policy m, table wpFault: is an object, not a list of rules',
    );
    expect(() => checkedPolicy('m', table(rules))).toThrow(
      'policy m, table wpFault: has 256 rules; at most 255',
    );
  });
});

describe('oneLine', () => {
  it('drops stack, colours and line ends, and shortens', () => {
    expect(oneLine(new Error('a\n  b\u001b[31m\n    at f (x.ts:1:1)'))).toBe('a b');
    expect(oneLine(new TypeError(''))).toBe('TypeError');
    expect(oneLine('text')).toBe('the string "text"');
    expect(oneLine(new Error('x'.repeat(1000)))).toHaveLength(303);
    expect(oneLine({ toString: () => 7 })).toBe('an object');
  });
});
