/** Programs shared out among several that run them: executors of this kernel, or machines with the same one. */
import type { LiveProgram, LiveResult } from './protocol.ts';

/** Runs programs; `answer` is called once for each, with its index among them. */
export type Runner = (
  programs: readonly LiveProgram[],
  answer: (index: number, result: LiveResult) => void,
) => Promise<void>;

/** Results in the order of the programs. Who is done with a batch of at most so many takes the next one. */
export async function shareOut(
  programs: readonly LiveProgram[],
  runners: readonly Runner[],
  batchMax: number,
): Promise<LiveResult[]> {
  const results: LiveResult[] = new Array(programs.length);
  const batch = Math.max(1, Math.min(batchMax, Math.ceil(programs.length / runners.length)));
  let next = 0;
  await Promise.all(
    runners.map(async (run) => {
      while (next < programs.length) {
        const from = next;
        next = Math.min(programs.length, from + batch);
        await run(programs.slice(from, next), (i, result) => {
          results[from + i] = result;
        });
      }
    }),
  );
  return results;
}
