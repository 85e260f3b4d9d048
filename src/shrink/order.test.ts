import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { Setup } from '../domain/setup.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { ProgramArbitrary } from '../fuzz/program.ts';
import { parseSteps } from '../scenario/parse.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { argumentCost, compareSimplicity, simplicity } from './order.ts';

const ONE: Setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
const TWO: Setup = { ...ONE, ...pagesOf(['anon', 'anon'], '') };
const file = (filesystem: string): Setup => ({ ...ONE, ...pagesOf(['shared-file'], filesystem) });
const of = (text: string, setup: Setup = ONE): Scenario => ({ setup, steps: parseSteps(text) });

describe('simplicity', () => {
  it('is fewer steps, then forks, references, pages, plainer arguments, less room, the first filesystem, and then the text', () => {
    // Each is simpler than the next.
    const ladder: readonly Scenario[] = [
      of('P: write A'),
      of('P: write A\n P: read A', { ...ONE, mms: 1, refs: 0 }),
      of('P: munmap A\n P: read A'),
      of('P: write A\n P: read A'),
      of('P: write A\n P: read A', { ...ONE, refs: 2 }),
      of('P: write F\n P: read F', file('ext4-v5.18')),
      of('P: write F\n P: read F', file('ext4-v5.17')),
      of('P: write A\n P: read A', TWO),
      of('P: write A\n h1 = P: gup A get R'),
      of('P: write A\n h1 = P: gup A get W'),
      of('P: write A\n h1 = P: gup A get R fast'),
      of('P: write A\n h1 = P: gup A pin R'),
      of('P: write A\n h1 = P: gup A pin W LONGTERM'),
      of('P: write A\n h1 = P: gup A vmsplice R'),
      of('P: write A\n h1 = P: gup A process_vm_writev W'),
      of('C = P: fork\n P: read A'),
      of('C = P: fork\n h1 = P: gup A get R'),
      of('P: read A\n P: read A\n P: read A'),
    ];
    ladder.forEach((x, i) => {
      ladder.forEach((y, k) => {
        expect(Math.sign(compareSimplicity(x, y)), `${i} against ${k}`).toBe(Math.sign(i - k));
      });
    });
  });

  it('is a total order: only the same text compares equal', () => {
    const arbitrary = new ProgramArbitrary(new Generator(setupsOf('default', 'all')));
    const drawn: Scenario[] = [];
    fc.assert(
      fc.property(arbitrary, (program) => {
        drawn.push(program.scenario);
      }),
      { seed: 1, numRuns: 60 },
    );
    const sorted = [...drawn].sort(compareSimplicity);
    for (const [i, x] of sorted.entries())
      for (const [k, y] of sorted.entries()) {
        const same = JSON.stringify(simplicity(x)) === JSON.stringify(simplicity(y));
        expect(Math.sign(compareSimplicity(x, y))).toBe(same ? 0 : Math.sign(i - k));
      }
  });
});

describe('argumentCost', () => {
  it('is nothing for what has no plainer form', () => {
    for (const step of parseSteps(
      'C = P: fork\nC: exit\nP: write A\nP: mprotect A r\ndevice: dma_read h1\ndevice: unpin h1\nkernel: wb_start f NONE\nkernel: reclaim f\nh1 = P: gup A get R',
    ))
      expect(argumentCost(step)).toBe(0);
  });
});
