// @slow: searches for what kernels are free to do
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { Rng } from '../domain/rng.ts';
import { before, derive, type Policy, rule } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { RUNS_FOR_CHANCE } from './freedom.ts';
import { FULL } from './full.ts';
import { fuzzLive } from './fuzz.ts';
import { modelKernel } from './model-kernel.ts';
import type { Kernel, LiveProgram, LiveResult } from './protocol.ts';
import { type LiveReport, runOnKernel } from './report.ts';
import { isUnsupported, toLive } from './translate.ts';
import { byHost } from './vm/machine.ts';

const V62 = policyByName('v6.2-anon-exclusive');
const MAPCOUNT = policyByName('v5.7-mapcount');
/** As Debian's 6.1: reclaim spares pinned pages (d824ec2a1546, v6.4). */
const SPARES: Policy = derive(
  V62,
  { id: 'v6.2-with-d824ec2a1546', title: 'reclaim spares pinned pages', sources: ['d824ec2a1546'] },
  {
    stripBuffers: [
      before(
        'otherwise',
        rule('pinned', (f) => f.maybeDmaPinned, 'keep'),
      ),
    ],
  },
);

const RECLAIMED: Scenario = {
  setup: { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 1, refs: 1, pinBias: 1024 },
  steps: parseSteps(`
    h1 = P: gup F process_vm_writev W
    other: fsync f
    kernel: reclaim f
    device: dma_write h1
    device: unpin h1 dirty
    other: fsync f
    other: buffered_read f`),
};

async function reportOf(kernelPolicy: Policy, policy: Policy, runs: number, free?: Rng): Promise<LiveReport> {
  const kernel = modelKernel({ policy: kernelPolicy, ...(free === undefined ? {} : { free }) });
  const [report] = await runOnKernel(
    kernel,
    [{ name: 'x', scenario: RECLAIMED }],
    [expandPolicy(policy)],
    runs,
  );
  return report!;
}
/** Takes each freedom whenever there is one. */
class Always extends Rng {
  override below(): number {
    return 0;
  }
}
const toProgram = (scenario: Scenario): LiveProgram => {
  const translated = toLive(scenario, FULL);
  if (isUnsupported(translated)) throw new Error(translated.unsupported);
  return translated.program;
};
const rng = (): Rng => {
  const made = new Rng();
  made.seed(1, 2, 3, 4);
  return made;
};

describe('a freedom of chance', () => {
  it('that every run needs is a rule that the policy lacks', async () => {
    const { fits, runs } = await reportOf(SPARES, V62, RUNS_FOR_CHANCE);
    expect(runs).toBe(RUNS_FOR_CHANCE);
    expect(fits[0]).toMatchObject({ agrees: 0 });
    expect(fits[0]!.disagreements.length).toBeGreaterThan(0);
    expect((await reportOf(SPARES, SPARES, RUNS_FOR_CHANCE)).fits[0]).toMatchObject({
      agrees: RUNS_FOR_CHANCE,
      disagreements: [],
      freedoms: [],
    });
  });

  it('that some runs need is chance', async () => {
    const { fits } = await reportOf(V62, V62, 20, rng());
    expect(fits[0]).toMatchObject({ agrees: 20, disagreements: [] });
    expect(fits[0]!.freedoms).toContain('nothing-reclaimed');
  });

  it('is not judged by a few runs: more of them are made, if there are any by chance', async () => {
    const few = await reportOf(SPARES, V62, 1);
    expect([few.runs, few.verdict.kind]).toEqual([RUNS_FOR_CHANCE, 'not explained']);
    expect((await reportOf(SPARES, SPARES, 1)).runs).toBe(1);
  });

  it('that one run had says nothing of the others of its class', { timeout: 180_000 }, async () => {
    const search = { policy: MAPCOUNT, seed: 2, runs: 600, findingsMax: 1, repeats: 5 };
    const rule = modelKernel({ policy: MAPCOUNT, free: new Always() });
    const ruled = await fuzzLive({ ...search, kernel: rule });
    const [found] = ruled.findings;
    const id = found!.class;
    expect(ruled.classes.get(id)).toBeGreaterThan(1);
    expect(ruled.firstAt).toBe(found!.run);

    // The same, but the first one found was chance: looked at once more, it agrees.
    const text = JSON.stringify(toProgram(found!.scenario));
    const own = modelKernel({ policy: MAPCOUNT });
    let looks = 0;
    const kernel: Kernel = {
      ...rule,
      run: async (programs) => {
        const results: LiveResult[] = [];
        for (const program of programs) {
          const isChance = JSON.stringify(program) === text && ++looks > RUNS_FOR_CHANCE;
          results.push(...(await (isChance ? own : rule).run([program])));
        }
        return results;
      },
    };
    const told: number[] = [];
    const result = await fuzzLive({ ...search, kernel, onFinding: ({ run }) => told.push(run) });
    expect(looks).toBe(RUNS_FOR_CHANCE + search.repeats);
    const [next] = result.findings;
    expect(next!.class).toBe(id);
    expect(next!.run).toBeGreaterThan(found!.run);
    expect(next!.hits).toBe(search.repeats);
    expect(told).toEqual([found!.run, next!.run, next!.run]);
    expect(result.classes.get(id)).toBe(ruled.classes.get(id)! - 1);
    expect([result.agreed, result.disagreed]).toEqual([ruled.agreed + 1, ruled.disagreed - 1]);
    expect(result.firstAt).toBeGreaterThan(found!.run);
  });
});

describe('a machine that ended', () => {
  it.each([
    [0, null, '', ''],
    [null, 'SIGKILL', 'Out of memory', 'QEMU was ended by SIGKILL on the host'],
    [1, null, 'No space left on device', 'QEMU ended with exit code 1: No space left on device'],
  ] as const)('with %s %s was ended by the guest or by the host', (code, signal, said, why) => {
    expect(byHost(code, signal, said)).toBe(why);
  });
});
