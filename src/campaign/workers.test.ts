/** Workers that die: the work is done again, and who keeps dying ends the campaign with a reason. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gupfuzzIn } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);

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
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(folder.at(''));
  });
});
