import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CHUNK_RUNS } from '../fuzz/chunk.ts';
import { derive, otherwise, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { campaignData } from '../report/campaign.ts';
import { parseCounterexample } from '../scenario/file.ts';
import { compiled } from '../testing/compiled.ts';
import type { CampaignOptions, CampaignResult, Finding } from './types.ts';

const { runCampaign } = await compiled<typeof import('./campaign.ts')>('campaign/campaign');

const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

const ALL = BUILT_IN.map(expandPolicy);
const THREE = ['mapcount', 'pae', 'canary'].map((id) => expandPolicy(policyByName(id)));
const SMALL = [expandPolicy(policyByName('mapcount')), expandPolicy(policyByName('canary'))];

const campaign = (options: Partial<CampaignOptions>): Promise<CampaignResult> =>
  runCampaign({
    seed: 11,
    scope: 'default',
    profile: 'all',
    policies: ALL,
    runs: 3 * CHUNK_RUNS,
    workers: 0,
    shrink: 'passes',
    documented: false,
    ...options,
  });

/** Files below a folder with their content. */
function contents(dir: string): Map<string, string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile());
  return new Map(files.sort().map((path) => [relative(dir, path), readFileSync(path, 'utf8')]));
}

/** The files are those of the findings, and say of each what the finding says. */
function agree(files: ReadonlyMap<string, string>, findings: readonly Finding[], out: string): void {
  const names = findings.map((f) => relative(out, f.file!));
  expect([...files.keys()].filter((name) => name !== 'campaign.json').sort()).toEqual(names.toSorted());
  for (const [at, { scenario, minimality }] of findings.entries()) {
    const name = names[at]!;
    const file = parseCounterexample(files.get(name)!, name);
    expect({ steps: file.steps, minimality: file.minimality }).toEqual({ steps: scenario.steps, minimality });
  }
}

describe('the same runs give the same bytes', () => {
  it('without workers, with one and with two', async () => {
    const results: { files: Map<string, string>; data: string }[] = [];
    for (const workers of [0, 1, 2]) {
      const out = join(temp, `workers-${workers}`);
      const result = await campaign({ workers, out, policies: THREE });
      results.push({ files: contents(out), data: JSON.stringify(campaignData(result, result.out)) });
    }
    expect(results[0]!.files.size).toBeGreaterThan(30);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('with a budget for proofs too; what is not proved says why', async () => {
    const results: { files: Map<string, string>; data: string; before: object }[] = [];
    for (const [workers, shrinkJobs] of [
      [0, 1],
      [2, 2],
      [2, 1],
    ] as const) {
      const out = join(temp, `proofs-${workers}-${shrinkJobs}`);
      let before: { files: Map<string, string>; data: string } | undefined;
      let passed: readonly Finding[] = [];
      const result = await campaign({
        workers,
        shrinkJobs,
        out,
        shrink: 'shortest',
        shrinkStates: 3000,
        policies: SMALL,
        profile: 'anon',
        runs: 400,
        onPassed: (r) => {
          before = { files: contents(out), data: JSON.stringify(campaignData(r, r.out)) };
          passed = r.findings;
        },
        onProgress: (p) => {
          expect(p.shrunk).toBeLessThanOrEqual(p.toShrink);
          if (p.phase === 'prove') expect([p.shrunk, before]).toEqual([p.toShrink, expect.anything()]);
          if (p.phase === 'done') expect([p.shrunk, p.searched]).toEqual([p.toShrink, p.toShrink]);
        },
      });
      // Told before the proofs: nothing is called shortest, and all is in the files.
      expect(passed.map((f) => f.minimality.kind)).toEqual(passed.map(() => '1-minimal'));
      agree(before!.files, passed, out);
      const files = contents(out);
      agree(files, result.findings, out);
      expect([...files.keys()]).toEqual([...before!.files.keys()]);
      const shorter = result.findings.filter(
        (f, at) => f.scenario.steps.length < passed[at]!.scenario.steps.length,
      );
      expect(shorter.length).toBeGreaterThan(0);
      const proved = result.findings.filter((f) => f.minimality.kind === 'shortest');
      expect(proved.length).toBeGreaterThan(5);
      expect(proved.length).toBeLessThan(result.findings.length);
      for (const f of result.findings)
        if (f.minimality.kind !== 'shortest')
          expect(f.minimality.reason).toMatch(/^not proved: 3,000 states reached at depth \d of \d+$/);
      results.push({ files, data: JSON.stringify(campaignData(result, result.out)), before: before! });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('for the union of shards', async () => {
    const key = (f: CampaignResult['findings'][number]): string => `${f.policy} ${f.class}`;
    const runs = 4 * CHUNK_RUNS - 100;
    const whole = await campaign({ runs, shrink: 'none' });
    const shards = await Promise.all(
      [0, 1, 2].map((index) => campaign({ runs, shrink: 'none', shard: { index, count: 3 } })),
    );
    expect(shards.reduce((n, s) => n + s.runs, 0)).toBe(runs);
    // The first run of a class over all shards is the first run of the whole.
    const first = new Map<string, number>();
    for (const f of shards.flatMap((s) => s.findings))
      first.set(key(f), Math.min(first.get(key(f)) ?? Number.POSITIVE_INFINITY, f.run));
    expect(first).toEqual(new Map(whole.findings.map((f) => [key(f), f.run])));
    const steps = (r: CampaignResult): number => r.counts.reduce((n, c) => n + c.steps, 0);
    expect(shards.reduce((n, s) => n + steps(s), 0)).toBe(steps(whole));
  });

  it('for a longer campaign: it repeats what the shorter one found', async () => {
    const short = await campaign({ runs: CHUNK_RUNS, shrink: 'none' });
    const long = await campaign({ runs: 2 * CHUNK_RUNS, shrink: 'none' });
    for (const f of short.findings) expect(long.findings).toContainEqual(f);
  });
});

describe('nothing found is lost', () => {
  it('findings are on disk before they are shrunk, and files are whole', async () => {
    const out = join(temp, 'raw');
    const abort = new AbortController();
    const result = await campaign({
      out,
      runs: 50 * CHUNK_RUNS,
      policies: SMALL,
      signal: abort.signal,
      onProgress: (p) => {
        if (p.runs >= 2 * CHUNK_RUNS) abort.abort();
      },
    });
    expect(result.ended).toBe('interrupted');
    expect(result.runs).toBeLessThan(50 * CHUNK_RUNS);
    const files = contents(out);
    expect(files.delete('campaign.json')).toBe(true);
    expect(files.size).toBe(result.findings.length);
    expect(result.findings.length).toBeGreaterThan(10);
    for (const [name, text] of files) {
      expect(name).toMatch(/\.raw\.gup\.json$/);
      expect(parseCounterexample(text, name).minimality.kind).toBe('none');
    }
  });

  it('who stops the proofs keeps all that was found, and what is proved', async () => {
    const options = {
      policies: SMALL,
      profile: 'anon',
      runs: 400,
      shrink: 'shortest',
      shrinkStates: 3000,
    } as const;
    const all = await campaign(options);
    for (const workers of [0, 2]) {
      const out = join(temp, `stopped-${workers}`);
      const abort = new AbortController();
      const result = await campaign({
        ...options,
        workers,
        out,
        signal: abort.signal,
        onProgress: (p) => {
          if (p.phase === 'prove' && p.searched > 0) abort.abort();
        },
      });
      expect([result.ended, result.proofsStopped]).toEqual(['runs', true]);
      const kinds = result.findings.map((f) => f.minimality.kind);
      expect(kinds).toContain('shortest');
      expect(kinds).toContain('1-minimal');
      agree(contents(out), result.findings, out);
      const list = readFileSync(join(out, 'campaign.json'), 'utf8');
      expect(JSON.parse(list)).toEqual(JSON.parse(JSON.stringify(campaignData(result, out))));
      expect(result.findings.length).toBe(all.findings.length);
      for (const [at, f] of result.findings.entries())
        if (f.minimality.kind === 'shortest') expect(f).toEqual({ ...all.findings[at], file: f.file });
    }
  });

  it('a folder that cannot be written is replaced, and said', async () => {
    const file = join(temp, 'not-a-folder');
    writeFileSync(file, '');
    const notices: string[] = [];
    const result = await campaign({
      out: join(file, 'x'),
      policies: SMALL,
      runs: 200,
      onNotice: (line) => notices.push(line),
    });
    expect(notices.filter((n) => n.startsWith('cannot write to'))).toHaveLength(1);
    expect(result.out).not.toBe(join(file, 'x'));
    expect(contents(result.out!).size).toBe(result.findings.length + 1); // and campaign.json
    for (const { file } of result.findings) expect(statSync(file!).isFile()).toBe(true);
    rmSync(result.out!, { recursive: true });
  });

  it('a worker that is killed is replaced and its work done again', async () => {
    const out = join(temp, 'killed');
    const notices: string[] = [];
    let killed = false;
    const result = await campaign({
      out,
      workers: 2,
      runs: 24 * CHUNK_RUNS,
      policies: SMALL,
      onNotice: (line) => notices.push(line),
      onProgress: (p) => {
        if (killed || p.phase !== 'fuzz' || p.runs < 4 * CHUNK_RUNS) return;
        killed = true;
        const children = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], {
          encoding: 'utf8',
        });
        const worker = children.split('\n').find((line) => line.includes('campaign/worker.js'));
        process.kill(Number(worker!.trim().split(/\s+/)[0]), 'SIGKILL');
      },
    });
    expect(killed).toBe(true);
    expect(notices.some((n) => n.startsWith('a worker process died'))).toBe(true);
    await campaign({ out: join(temp, 'calm'), runs: 24 * CHUNK_RUNS, policies: SMALL });
    expect(result.runs).toBe(24 * CHUNK_RUNS);
    expect(contents(out)).toEqual(contents(join(temp, 'calm')));
  });
});

describe('bad options', () => {
  it.each([
    [{ runs: 1.5 }, 'runs is 1.5; allowed: a whole number from 1 on'],
    [{ runs: 0 }, 'runs is 0; allowed: a whole number from 1 on'],
    [{ shrinkStates: 0 }, 'shrinkStates is 0; allowed: a whole number from 1 on'],
    [{ shrinkJobs: 0.5 }, 'shrinkJobs is 0.5; allowed: a whole number from 1 on'],
    [{ runs: Number.NaN }, 'runs is NaN; allowed: a whole number from 1 on'],
    [{ shard: { index: 0, count: 0 } }, 'shard.count is 0; allowed: a whole number from 1 on'],
    [{ policies: [SMALL[0]!, SMALL[0]!] }, 'two policies have the id v5.7-mapcount'],
    [{ profile: 'anno' as 'anon' }, 'profile is anno; allowed: anon, file, all'],
    [{ scope: 'bas' }, 'scope "bas" is not one of: base, default'],
    [
      { scope: 'base', profile: 'file' as const },
      'scope base has anonymous pages only; profile file needs scope default',
    ],
  ])('%j is refused with one line', async (options, line) => {
    await expect(campaign(options)).rejects.toThrow(new RangeError(line));
  });
});

describe('what a campaign says of itself', () => {
  it('names canaries that were not caught and goals that were not reached', async () => {
    const tame = { ...expandPolicy(policyByName('longterm-ban')), id: 'tame', canary: true };
    const result = await campaign({ policies: [tame], profile: 'anon', runs: 2 });
    expect(result.canariesMissed).toEqual(['tame']);
    expect(result.goalsMissed.length).toBeGreaterThan(0);
    // Goals that need a file are not held against a campaign without files.
    expect(result.goalsMissed).not.toContain('durability');
  });

  it('a canary that only does what is documented was not caught', async () => {
    const tame = { ...expandPolicy(policyByName('longterm-ban')), id: 'tame', canary: true };
    const result = await campaign({
      policies: [tame],
      profile: 'anon',
      runs: CHUNK_RUNS,
      documented: true,
      shrink: 'none',
    });
    expect(result.findings.length).toBeGreaterThan(0);
    expect(result.findings.filter((f) => !f.documented)).toEqual([]);
    expect(result.canariesMissed).toEqual(['tame']);
  });

  it('up to which run it is complete', async () => {
    const of = async (runs: number, index: number, count: number): Promise<readonly number[]> => {
      const shard = { index, count };
      const result = await campaign({ policies: SMALL, profile: 'anon', runs, shard, shrink: 'none' });
      return [result.runs, result.endRun];
    };
    const runs = 2 * CHUNK_RUNS - 100;
    expect(await of(runs, 0, 1)).toEqual([runs, runs]);
    expect(await of(runs, 1, 2)).toEqual([CHUNK_RUNS - 100, runs]);
    expect(await of(runs + CHUNK_RUNS, 0, 2)).toEqual([runs, runs + CHUNK_RUNS]);
  });

  it('that a part of it failed, and why', async () => {
    const [mapcount] = SMALL;
    // A fact that there is none of: whoever asks meets an error.
    const broken = {
      ...mapcount!,
      tables: mapcount!.tables.map((t) => ({ ...t, reads: [99], strides: [1] })),
    };
    const result = await campaign({ policies: [broken], profile: 'anon', runs: CHUNK_RUNS, shrink: 'none' });
    expect(result.failure).toMatchObject({ kind: 'bug', message: expect.stringMatching(/./) });
    expect(result.runs).toBe(0);
  });

  it('names a policy that does not converge, and goes on with the others', async () => {
    const stuck = expandPolicy(
      derive(
        policyByName('longterm-ban'),
        { id: 'stuck', title: 'never gets there', sources: [] },
        { gupSlow: [table(otherwise('read fault'))] },
      ),
    );
    const result = await campaign({ policies: [stuck, ...SMALL], runs: CHUNK_RUNS });
    expect(result.counts[0]!.errorRun).toBeGreaterThanOrEqual(0);
    expect(result.counts[0]!.error).toMatch(
      /^gupSlow does not converge: read fault again after \d+ rounds, as the fault leaves all as it was;/,
    );
    expect(result.findings.some((f) => f.policy === 'v5.7-mapcount')).toBe(true);
  });

  it('runs the canary in its first chunks only, and catches it there', async () => {
    const result = await campaign({ policies: SMALL, runs: 12 * CHUNK_RUNS, shrink: 'none' });
    expect(result.canariesMissed).toEqual([]);
    expect(Math.max(...result.findings.filter((f) => f.policy === 'canary').map((f) => f.run))).toBeLessThan(
      8 * CHUNK_RUNS,
    );
  });
});
