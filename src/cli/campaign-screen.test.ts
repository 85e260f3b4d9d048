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
  searched: 0,
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

  it('says which phase it is, with the share of its own', () => {
    const search = { policy: 'pae', mms: 1, refs: 2, depth: 3, wanted: 5, states: 1200, statesMax: 150_000 };
    const rest = { ...at(1000, 2000), toShrink: 8 };
    const lines = written(true, 60, [
      { ...rest, phase: 'shrink', shrunk: 2 },
      { ...rest, phase: 'prove', shrunk: 8, searched: 4, search },
    ]);
    expect(lines.slice(0, 2)).toEqual([
      '\r\u001b[Kshrink 25% 2 of 8 findings shrunk',
      '\r\u001b[Kprove 50% 4 of 8 findings searched for shorter ones; pae, 1',
    ]);
  });

  it('elsewhere: a line when the first runs of a phase are done, and now and then', () => {
    expect(written(false, 0, [at(0, 0), at(100, 1000), at(150, 5900), at(200, 6000)])).toEqual([
      'fuzz: 100 runs, 100 runs/s, 1.0 k steps/s, goals 2/10, classes: pae 3\n',
      'fuzz: 200 runs, 33 runs/s, 333 steps/s, goals 2/10, classes: pae 3\n',
    ]);
  });
});
