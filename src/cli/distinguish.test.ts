import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { replayOn } from '../executor/replay.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { load } from '../testing/catalogue.ts';
import { interrupted, type Result, refusal, run as runCommand } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { distinguish } from './distinguish.ts';

const folder = freshFolder();
const run = (a: string, b: string, flags: Readonly<Record<string, string>> = {}): Promise<Result> =>
  runCommand(distinguish, { a, b, ...flags });

describe('gupfuzz distinguish', () => {
  it('told apart: exit code 1, the program, what each sees, and where they part', async () => {
    const { code, out, err } = await run('page-count', 'v6.2-anon-exclusive');
    expect(code).toBe(1);
    expect(out).toContain('told apart in 5 steps');
    expect(out).toMatch(/dma_read h1 +; v5\.11-page-count: sees P@1; v6\.2-anon-exclusive: sees P@4/);
    expect(out).toContain('Parts in step 3:');
    expect(out).toContain('--pages anon --mms 2 --refs 2 --gups pin:R,pin:W');
    expect(err).toContain('1 anon page, 2 mms, 2 references');
  });

  it('equivalent: exit code 0, and for programs of which length', async () => {
    const closed = await run('mapcount', 'cow-break', { scope: 'shared-file' });
    expect(closed.code).toBe(0);
    expect(closed.out).toContain('covered: closed: programs of any length');
    expect(closed.out.replace(/\s+/g, ' ')).toContain('no program of this scope asks gupSlow, gupFast');
    const shallow = await run('mapcount', 'cow-break', { scope: 'anon', depth: '1' });
    expect(shallow.code).toBe(0);
    expect(shallow.out).toContain('all programs of up to 1 step ');
    expect(shallow.out).not.toContain('no program of');
    expect(shallow.out).toContain('Costs differ (--by cost shows how):');
  });

  it('inconclusive: exit code 6, and how far it got', async () => {
    const { code, out } = await run('v6.2-anon-exclusive', 'longterm-ban', { states: '2000' });
    expect(code).toBe(6);
    expect(out).toMatch(/inconclusive: .* gave up at 2,\d{3} pairs of states/);
  });

  it('Ctrl-C: what was compared by then', async () => {
    const { code, out, err } = await interrupted(
      ['distinguish', 'pae', 'longterm-ban', '--pages', 'anon,anon,private-file'],
      { cwd: folder.path },
      /complete to depth [1-9]/,
    );
    expect([code, err.includes('stopping;')]).toEqual([130, true]);
    expect(out).toMatch(/inconclusive: not told apart by anybody so far; interrupted at [\d,]+ pairs/);
    expect(out).toMatch(/covered: +all programs of up to \d+ steps? /);
  });

  it('--depth goes on to that depth, for all observers; --out writes files that replay', async () => {
    const flags = { scope: 'shared-file', depth: '6', out: folder.path, format: 'json' };
    const { code, out } = await run('v5.7-mapcount', 'v6.5-longterm-ban', flags);
    expect(code).toBe(1);
    const data = JSON.parse(out) as { told: { observer: string; length: number; file: string }[] };
    expect(data.told.map(({ observer, length }) => [observer, length])).toEqual([
      ['errno', 1],
      ['filesystem', 4],
      ['kernel log', 5],
      ['disk', 5],
    ]);
    expect(readdirSync(folder.path).length).toBe(4);
    for (const { file } of data.told) {
      const c = load(file);
      for (const id of ['v5.7-mapcount', 'v6.5-longterm-ban'])
        expect(replayOn(c, expandPolicy(policyByName(id))).contradictions).toEqual([]);
    }
  });

  it('--by cost, --format md', async () => {
    const { code, out } = await run('v6.2-anon-exclusive', 'longterm-ban', {
      scope: 'anon',
      by: 'cost',
      format: 'md',
    });
    expect(code).toBe(1);
    expect(out).toContain('| copies, more under v6.5-longterm-ban | 2 |');
  });

  it('refuses what is not one policy', async () => {
    expect(await refusal(() => run('all', 'canary'))).toMatch(/^2: a is "all"; allowed: one policy/);
    expect(await refusal(() => run('canary', 'nobody'))).toMatch(/^2: there is no policy "nobody"/);
  });
});
