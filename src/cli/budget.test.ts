import { describe, expect, it } from 'vitest';
import { budgetOf, SHORTEST_STATES, statesThatFit } from './budget.ts';
import { Args } from './command.ts';

describe('the budget of --shortest', () => {
  it('is what is asked for, else 20 million or what memory holds', () => {
    expect(budgetOf(new Args({}))).toBeUndefined();
    expect(budgetOf(new Args({ shortest: true, states: '5k' }))).toBe(5000);
    expect(budgetOf(new Args({ shortest: true }))).toBe(Math.min(SHORTEST_STATES, statesThatFit()));
  });

  it('is refused where it makes no sense or does not fit, in one line', () => {
    expect(() => budgetOf(new Args({ states: '5k' }))).toThrow(
      /^--states makes no sense without --shortest$/,
    );
    expect(() => budgetOf(new Args({ shortest: true, states: '0' }))).toThrow(
      /^--states is "0"; allowed: a whole number from 1 to \d+$/,
    );
    expect(() => budgetOf(new Args({ shortest: true, states: '2000M' }))).toThrow(
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
