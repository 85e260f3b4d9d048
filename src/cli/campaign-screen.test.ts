import { describe, expect, it } from 'vitest';
import type { Progress } from '../campaign/types.ts';
import { campaignScreen } from './campaign-screen.ts';

const at = (runs: number, elapsedMs: number): Progress => ({
  phase: 'fuzz',
  runs,
  runsWanted: 1000,
  steps: 10 * runs,
  elapsedMs,
  classes: [3],
  goalsReached: 2,
  goals: 10,
  shrunk: 0,
  toShrink: 0,
});

function written(isTTY: boolean, columns: number, updates: readonly Progress[]): string[] {
  const out: string[] = [];
  const screen = campaignScreen(['pae'], undefined, {
    isTTY,
    columns,
    write: (text: string) => out.push(text) > 0,
  });
  updates.forEach(screen.update);
  screen.clear();
  return out;
}

describe('campaignScreen', () => {
  it('on a terminal: one line that fits, and goes away', () => {
    expect(written(true, 40, [at(0, 0), at(500, 1000)])).toEqual([
      '\r\u001b[Kfuzz 0% 0 runs, 0 runs/s, 0 steps/s, go',
      '\r\u001b[Kfuzz 50% 500 runs, 500 runs/s, 5.0 k st',
      '\r\u001b[K',
    ]);
    expect(written(true, 100, [at(500, 1000)])[0]).toBe(
      '\r\u001b[Kfuzz [======------] 50% 500 runs, 500 runs/s, 5.0 k steps/s, goals 2/10, classes: pae 3',
    );
  });

  it('elsewhere: a line when the first runs of a phase are done, and now and then', () => {
    expect(written(false, 0, [at(0, 0), at(100, 1000), at(150, 5900), at(200, 6000)])).toEqual([
      'fuzz: 100 runs, 100 runs/s, 1.0 k steps/s, goals 2/10, classes: pae 3\n',
      'fuzz: 200 runs, 33 runs/s, 333 steps/s, goals 2/10, classes: pae 3\n',
    ]);
  });
});
