import { describe, expect, it } from 'vitest';
import { type Runner, shareOut } from './pool.ts';
import type { LiveProgram } from './protocol.ts';

const PROGRAMS: LiveProgram[] = Array.from({ length: 23 }, (_, n) => ({
  pages: [],
  files: [],
  steps: [{ op: 'exit', mm: n }],
}));
const nameOf = (program: LiveProgram): string => JSON.stringify(program.steps);

/** Answers after so many turns of the event loop; keeps the sizes of what it was given. */
function runner(turns: number, sizes: number[]): Runner {
  return async (programs, answer) => {
    sizes.push(programs.length);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    programs.forEach((program, i) => {
      answer(i, { steps: [], end: 'ok', why: nameOf(program) });
    });
  };
}

describe('shareOut', () => {
  it.each([
    [1, 100],
    [1, 4],
    [3, 4],
    [3, 100],
    [40, 8],
  ])('%i runners, batches of at most %i: each program once, in order', async (runners, batch) => {
    const sizes: number[] = [];
    const results = await shareOut(
      PROGRAMS,
      Array.from({ length: runners }, (_, i) => runner(7 * i, sizes)),
      batch,
    );
    expect(results.map((r) => r.why)).toEqual(PROGRAMS.map(nameOf));
    expect(sizes.reduce((a, b) => a + b)).toBe(PROGRAMS.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(batch);
  });

  it('who is slow gets less', async () => {
    const [fast, slow]: number[][] = [[], []];
    await shareOut(PROGRAMS, [runner(1, fast!), runner(1000, slow!)], 2);
    expect(slow).toEqual([2]);
    expect(fast!.length).toBe(11);
  });

  it('nothing to do', async () => {
    expect(await shareOut([], [runner(1, [])], 4)).toEqual([]);
  });
});
