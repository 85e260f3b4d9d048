import { expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { leftOf } from './kin.ts';
import { parseSteps } from './parse.ts';
import type { Scenario } from './scenario.ts';

const of = (lines: readonly string[]): Scenario => ({
  setup: { ...pagesOf(['anon'], ''), mms: 1, refs: 0, pinBias: 1024 },
  steps: parseSteps(lines.join('\n')),
});
const writes = (n: number): string[] => Array<string>(n).fill('P: write A');

it('many steps that are alike are compared in no time', () => {
  const part = of([...writes(6), 'P: read A']);
  expect(leftOf(of(['P: read A', ...writes(50)]), part)).toBeUndefined();
  expect(leftOf(of(['P: read A', ...writes(50), 'P: read A']), part)).toEqual([1, 2, 3, 4, 5, 6, 51]);
}, 2000);
