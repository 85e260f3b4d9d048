import { describe, expect, it } from 'vitest';
import { leftOf } from './kin.ts';
import { parseText } from './text.ts';

const of = (steps: string, setup = 'page A anon rw\npage B anon r') => {
  const { counterexample } = parseText(`${setup}\n${steps.replaceAll('; ', '\n')}`, 'x.gup');
  return { setup: counterexample.setup, steps: counterexample.steps };
};
const WHOLE = of(
  'P: write A; child = P: fork; h1 = P: gup A pin R; h2 = P: gup A pin W; device: dma_read h2; child: read A',
);

describe('what is left of a program', () => {
  it.each([
    ['P: write A; h1 = P: gup A pin W; device: dma_read h1', [0, 3, 4]],
    ['C = P: fork; C: read A', [1, 5]],
    ['P: write A', [0]],
    // Another order, another name for the same thing, another argument.
    ['C = P: fork; P: write A', undefined],
    ['h1 = P: gup A pin R; device: dma_read h1', undefined],
    ['P: write A; P: read A', undefined],
    ['h1 = P: gup A get W; device: dma_read h1', undefined],
  ])('%s', (steps, kept) => {
    expect(leftOf(WHOLE, of(steps))).toEqual(kept);
  });

  it('other pages and files are another program', () => {
    expect(leftOf(WHOLE, of('P: write A', 'page A anon rw'))).toEqual([0]);
    const aside = (profile: string) =>
      of('h1 = P: gup A o_direct_write R; P: read A', `aside ${profile}\npage A anon rw`);
    expect(leftOf(aside('ext4-v5.18'), aside('ext4-v5.18'))).toEqual([0, 1]);
    expect(leftOf(aside('ext4-v5.18-stable'), aside('ext4-v5.18'))).toBeUndefined();
    expect(leftOf(aside('ext4-v5.18-stable'), of('P: read A', 'page A anon rw'))).toEqual([1]);
    expect(leftOf(WHOLE, of('P: write A', 'file f ext4-v5.18\npage A shared-file rw f'))).toBeUndefined();
  });
});
