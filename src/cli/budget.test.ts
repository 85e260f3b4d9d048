import { describe, expect, it } from 'vitest';
import { proofsOf, SHORTEST_STATES, statesThatFit } from './budget.ts';
import { Args } from './command.ts';

describe('the budget of proofs', () => {
  it('is what is asked for; with --shortest 20 million or what memory holds', () => {
    expect(proofsOf(new Args({}))).toEqual({ prove: false, states: undefined });
    expect(proofsOf(new Args({ states: '5k' }))).toEqual({ prove: false, states: 5000 });
    expect(proofsOf(new Args({ shortest: true, states: '5k' }))).toEqual({ prove: true, states: 5000 });
    expect(proofsOf(new Args({ shortest: true }))).toEqual({
      prove: true,
      states: Math.min(SHORTEST_STATES, statesThatFit()),
    });
  });

  it('is refused where it does not fit, in one line', () => {
    expect(() => proofsOf(new Args({ shortest: true, states: '0' }))).toThrow(
      /^--states is "0"; allowed: a whole number from 1 to \d+$/,
    );
    expect(() => proofsOf(new Args({ shortest: true, states: '2000M' }))).toThrow(
      /^--states is "2000M"; allowed/,
    );
  });

  it('grows with memory, within what can be numbered', () => {
    expect(statesThatFit(8e9)).toBe(2 * statesThatFit(4e9));
    expect(statesThatFit(8 * 2 ** 30)).toBeGreaterThan(10_000_000);
    expect(statesThatFit(1)).toBe(1);
    expect(statesThatFit(2 ** 60)).toBe(2 ** 30);
  });
});
