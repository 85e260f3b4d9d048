import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { replayOn } from '../executor/replay.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { Args } from './command.ts';
import { distinguish } from './distinguish.ts';

afterEach(() => vi.restoreAllMocks());

async function run(
  a: string,
  b: string,
  flags: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  const code = await distinguish.execute(new Args({ a, b, ...flags }));
  return { code, out, err };
}

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
    const shallow = await run('mapcount', 'cow-break', { scope: 'anon', depth: '1' });
    expect(shallow.code).toBe(0);
    expect(shallow.out).toContain('all programs of up to 1 step ');
    expect(shallow.out).toContain('Costs differ (--by cost shows how):');
  });

  it('inconclusive: exit code 6, and how far it got', async () => {
    const { code, out } = await run('v6.2-anon-exclusive', 'longterm-ban', { states: '2000' });
    expect(code).toBe(6);
    expect(out).toMatch(/inconclusive: .* gave up at 2,000 pairs of states/);
  });

  it('--depth goes on to that depth, for all observers; --out writes files that replay', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gupfuzz-'));
    try {
      const flags = { scope: 'shared-file', depth: '6', out: folder, format: 'json' };
      const { code, out } = await run('v5.7-mapcount', 'v6.5-longterm-ban', flags);
      expect(code).toBe(1);
      const data = JSON.parse(out) as { told: { observer: string; length: number; file: string }[] };
      expect(data.told.map(({ observer, length }) => [observer, length])).toEqual([
        ['errno', 1],
        ['filesystem', 4],
        ['kernel log', 5],
        ['disk', 5],
      ]);
      expect(readdirSync(folder).length).toBe(4);
      for (const { file } of data.told) {
        const c = parseCounterexample(readFileSync(file, 'utf8'), file);
        for (const id of ['v5.7-mapcount', 'v6.5-longterm-ban'])
          expect(replayOn(c, expandPolicy(policyByName(id))).contradictions).toEqual([]);
      }
    } finally {
      rmSync(folder, { recursive: true });
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
    await expect(run('all', 'canary')).rejects.toThrow(/^a is "all"; allowed: one policy/);
    await expect(run('canary', 'nobody')).rejects.toThrow(/^there is no policy "nobody"/);
  });
});
