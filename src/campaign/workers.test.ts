/** Workers that die: the work is done again, and who keeps dying ends the campaign with a reason. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { gupfuzzIn } from '../testing/cli.ts';
import { compiled } from '../testing/compiled.ts';
import { freshFolder } from '../testing/folder.ts';

const { openPool } = await compiled<typeof import('./pool.ts')>('campaign/pool');
const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

/** Processes with this text in their arguments or environment. */
const alive = (text: string): string[] =>
  execFileSync('ps', ['axeww', '-o', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text));

/** Process ids of its campaign workers. */
const workersOf = (parent: number): number[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /campaign\/worker\.js/.test(line))
    .map((line) => Number.parseInt(line, 10));

describe('workers that die', () => {
  it('at once and always: a reason, a summary, campaign.json and exit code 71', () => {
    // Every worker stops as soon as it starts; the main process is no worker.
    folder.write('stop.cjs', "if (/worker\\.js$/.test(process.argv[1] ?? '')) process.exit(9);\n");
    const { code, out, err } = gupfuzz(['fuzz', '-n', '2048', '--workers', '2', '--out', 'found'], {
      env: { NODE_OPTIONS: `--require ${JSON.stringify(folder.at('stop.cjs'))}` },
    });
    expect(err).toMatch(/worker processes keep dying .*: chunk \d+ was tried 3 times/);
    expect(code).toBe(71);
    expect(out).toMatch(/^FAILED after 0 runs on 6 policies/);
    const data = JSON.parse(readFileSync(folder.at('found/campaign.json'), 'utf8')) as object;
    expect(data).toMatchObject({ ended: 'failed', failure: { kind: 'system' } });
    expect(alive(folder.at('stop.cjs'))).toEqual([]);
  });

  it('while they have nothing to do: the next jobs are done by others', async () => {
    const space = { seed: 1, scope: 'base', profile: 'anon' } as const;
    const pool = openPool(space, [expandPolicy(policyByName('v5.7-mapcount'))], [undefined], 4, () => {});
    try {
      const jobs = () =>
        Promise.all([0, 1, 2, 3].map((chunk) => pool.chunk({ chunk, runs: 64, known: [[]] })));
      const first = await jobs();
      for (let times = 0; times < 2; times++) {
        const idle = workersOf(process.pid);
        expect(idle.length).toBe(4);
        for (const pid of idle) process.kill(pid, 'SIGKILL');
        // Until this process has heard of it.
        await vi.waitFor(() => expect(workersOf(process.pid)).toEqual([]));
        await new Promise((next) => setTimeout(next, 50));
        // One job alone may come to all of them.
        expect(await pool.chunk({ chunk: 0, runs: 64, known: [[]] })).toEqual(first[0]);
        expect(await jobs()).toEqual(first);
      }
    } finally {
      await pool.close();
    }
  });
});
