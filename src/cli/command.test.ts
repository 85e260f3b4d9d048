import { describe, expect, it } from 'vitest';
import { hint, nearest } from '../policies/nearest.ts';
import { refusal } from '../testing/cli.ts';
import { Args } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, EXIT_HELP, UserError, worst } from './exit.ts';

describe('Args', () => {
  const args = new Args({
    files: ['a', 'b'],
    one: 'x',
    empty: '',
    twice: ['json', 'text'],
    on: true,
    n: '20k',
    bad: '1.5',
    t: '1h30m',
  });

  it('reads by type', () => {
    expect([args.flag('on'), args.flag('absent')]).toEqual([true, false]);
    expect([args.text('one'), args.text('absent')]).toEqual(['x', undefined]);
    expect([args.texts('files'), args.texts('one'), args.texts('absent')]).toEqual([['a', 'b'], ['x'], []]);
    expect(args.oneOf('one', ['x', 'y'])).toBe('x');
    expect([args.whole('n', 0), args.whole('absent', 0)]).toEqual([20_000, undefined]);
    expect(args.duration('t')).toBe(5_400_000);
  });

  it.each([
    ['7', 7],
    ['1e3', 1000],
    ['2M', 2_000_000],
    ['1.5k', 1500],
  ])('%s is the whole number %d', (text, value) => {
    expect(new Args({ n: text }).whole('n', 0)).toBe(value);
  });

  it.each([
    ['250ms', 250],
    ['10', 10_000],
    ['0.5s', 500],
    ['2m', 120_000],
  ])('%s is a time of %d ms', (text, ms) => {
    expect(new Args({ t: text }).duration('t')).toBe(ms);
  });

  it('refuses in one line that names flag, value and what is allowed', async () => {
    expect(await refusal(() => args.text('empty'))).toBe('2: --empty needs a value that is not empty');
    expect(await refusal(() => args.text('twice'))).toBe('2: --twice is given 2 times; allowed: once');
    expect(await refusal(() => args.oneOf('one', ['json', 'text']))).toBe(
      '2: --one is "x"; allowed: json, text',
    );
    expect(await refusal(() => new Args({ f: 'jsom' }).oneOf('f', ['json', 'text']))).toBe(
      '2: --f is "jsom"; allowed: json, text; did you mean json?',
    );
    expect(await refusal(() => args.whole('bad', 1, 9))).toBe(
      '2: --bad is "1.5"; allowed: a whole number from 1 to 9',
    );
    expect(await refusal(() => new Args({ n: '20kk' }).whole('n', 0))).toMatch(
      /^2: --n is "20kk"; allowed: a whole number .*, such as 20000, 20k or 2M$/,
    );
    expect(await refusal(() => args.whole('n', 0, 9))).toBe(
      '2: --n is "20k"; allowed: a whole number from 0 to 9',
    );
    expect(await refusal(() => args.duration('one'))).toBe(
      '2: --one is "x"; allowed: a time such as 500ms, 30s, 5m, 1h',
    );
    expect(await refusal(() => new Args({ files: ['a', ''] }).texts('files'))).toBe(
      '2: files needs a value that is not empty',
    );
  });

  it.each([
    '',
    ' ',
    '1 2',
    '0x10',
    '--1',
    '1e999',
    'NaN',
    'Infinity',
    '9007199254740993',
    '1kk',
  ])('does not take "%s" for a whole number', (text) => {
    expect(() => new Args({ n: text }).whole('n', 0)).toThrow(UserError);
  });
});

describe('did you mean', () => {
  it('finds slips, beginnings and parts', () => {
    expect(nearest('replat', ['fuzz', 'replay'])).toBe('replay');
    expect(nearest('polcy', ['policy', 'out'])).toBe('policy');
    expect(nearest('ufzz', ['fuzz', 'replay'])).toBe('fuzz');
    expect(nearest('anon', ['v6.2-anon-exclusive'])).toBe('v6.2-anon-exclusive');
  });
  it('and is silent where nothing is near', () => {
    expect(hint('xyzzy', ['fuzz', 'replay'])).toBe('.');
    expect(nearest('', ['fuzz'])).toBeUndefined();
  });
});

describe('exit codes', () => {
  it('are all in the help', () => {
    for (const code of Object.values(EXIT).filter((c) => c !== EXIT.bisectSkip))
      expect(EXIT_HELP).toMatch(new RegExp(`\\b${code}\\b`));
  });
  it('of several the worst counts', () => {
    expect(worst([])).toBe(0);
    expect(worst([EXIT.ok, EXIT.finding, EXIT.nothingTested])).toBe(EXIT.finding);
    expect(worst([EXIT.finding, EXIT.badInput])).toBe(EXIT.badInput);
    expect(worst([EXIT.badInput, EXIT.notDeterministic])).toBe(EXIT.notDeterministic);
    // No code is forgotten.
    for (const code of Object.values(EXIT).filter((c) => c !== EXIT.bisectSkip))
      expect(worst([code])).toBe(code);
  });
});

describe('commands', () => {
  it('say the same in the registry and in their own file', async () => {
    for (const { usage, describe: what, load } of COMMANDS) {
      const command = await load();
      expect([command.usage, command.describe, command.name]).toEqual([usage, what, usage.split(' ')[0]]);
    }
  });
});
