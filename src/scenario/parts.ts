/** Programs in which pages have parts (ops/parts.ts). */
import type { Scenario } from './scenario.ts';

/**
 * The program as the other part sees it: low and high exchanged. Worlds follow the low part; what this program does to it,
 * the given one does to the high part. Undefined where pages have no parts.
 */
export function mirrored({ setup, steps }: Scenario): Scenario | undefined {
  if (setup.parts === undefined) return undefined;
  return {
    setup,
    steps: steps.map((step) =>
      'part' in step ? { ...step, part: step.part === 'low' ? 'high' : 'low' } : step,
    ),
  };
}
