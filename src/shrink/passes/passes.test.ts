// @slow: every pass over programs of many campaigns
import { describe, expect, it } from 'vitest';
import { pagesOf } from '../../check/scope.ts';
import type { PageKind } from '../../domain/kinds.ts';
import type { Setup } from '../../domain/setup.ts';
import { runScenario } from '../../executor/run.ts';
import { ChunkRunner } from '../../fuzz/chunk.ts';
import { repair } from '../../fuzz/program.ts';
import { type ExpandedPolicy, expandPolicy } from '../../machine/tables.ts';
import { BUILT_IN } from '../../policies/index.ts';
import { bounds } from '../../scenario/bounds.ts';
import { parseSteps } from '../../scenario/parse.ts';
import { type Scenario, stepText } from '../../scenario/scenario.ts';
import { compareSimplicity, type Pass, type StillFails, simplicity } from '../order.ts';
import { cutAfter, failsAs } from '../shrink.ts';
import { dropGroups } from './drop-groups.ts';
import { dropPairs } from './drop-pairs.ts';
import { dropSteps } from './drop-steps.ts';
import { PASSES } from './index.ts';
import { mergeMms } from './merge-mms.ts';
import { rename } from './rename.ts';
import { simplifyArguments } from './simplify-arguments.ts';
import { sortSteps } from './sort-steps.ts';
import { plainerFilesystem } from './plainer-filesystem.ts';
import { trimSetup } from './trim-setup.ts';

const setup = (kinds: readonly PageKind[], more: Partial<Setup> = {}, filesystem = 'ext4-v5.18'): Setup => ({
  ...pagesOf(kinds, filesystem),
  mms: 3,
  refs: 3,
  pinBias: 1024,
  ...more,
});
const ANON = setup(['anon']);
const of = (on: Setup, text: string): Scenario => ({ setup: on, steps: parseSteps(text) });
const lines = (scenario: Scenario): string[] => scenario.steps.map(stepText);
const literal = (text: string): string[] => parseSteps(text).map(stepText);

/** Fails as long as these steps are there, in this order. */
const has = (text: string): StillFails => {
  const wanted = literal(text);
  return (scenario) => {
    let at = 0;
    for (const line of lines(scenario)) if (line === wanted[at]) at++;
    return at === wanted.length;
  };
};
const counted = (fails: StillFails): { fails: StillFails; readonly calls: () => number } => {
  let calls = 0;
  return {
    fails: (scenario) => {
      calls++;
      return fails(scenario);
    },
    calls: () => calls,
  };
};

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const policyOf = (id: string): ExpandedPolicy => POLICIES.find((p) => p.id === id)!;

/** Fails as long as the policy shows the class. The scenario must. */
function shows(scenario: Scenario, policy: string, classId: string): StillFails {
  const seen = runScenario(scenario, policyOf(policy)).violations.find((v) => v.classId === classId);
  expect(seen, classId).toBeDefined();
  return failsAs(policyOf(policy), seen!);
}

/** No other pass makes anything of it; rename, which has the last word, leaves it as it is. */
function onlyFor(pass: Pass, scenario: Scenario, fails: StillFails): void {
  for (const other of PASSES)
    if (other !== pass) expect(other.run(scenario, fails), other.name).toEqual(scenario);
}

describe('drop-groups', () => {
  const scenario = of(
    ANON,
    `P: write A
     C = P: fork
     C: write A
     h1 = C: gup A pin R
     h2 = P: gup A get R
     device: dma_read h1
     C: read A
     device: dma_read h2`,
  );

  it('drops an mm or a reference with all that uses it', () => {
    expect(lines(dropGroups.run(scenario, has('P: write A\n device: dma_read h2')))).toEqual(
      literal('P: write A\n h2 = P: gup A get R\n device: dma_read h2'),
    );
    expect(lines(dropGroups.run(scenario, has('C: read A')))).toEqual(
      literal('P: write A\n C = P: fork\n C: write A\n C: read A'),
    );
  });

  it('asks at most once per name', () => {
    const { fails, calls } = counted(() => false);
    expect(dropGroups.run(scenario, fails)).toBe(scenario);
    expect(calls()).toBeLessThanOrEqual(5); // P, C, A, h1, h2; without A nothing would be left
  });
});

describe('drop-steps', () => {
  const scenario = of(
    ANON,
    `P: write A
     P: read A
     P: write A
     h1 = P: gup A get R
     P: munmap A
     device: dma_read h1`,
  );

  it('drops single steps, the last ones first', () => {
    expect(lines(dropSteps.run(scenario, has('P: write A\n device: dma_read h1')))).toEqual(
      literal('P: write A\n h1 = P: gup A get R\n device: dma_read h1'),
    );
  });

  it('asks once per step', () => {
    const { fails, calls } = counted(() => false);
    expect(dropSteps.run(scenario, fails)).toBe(scenario);
    expect(calls()).toBe(6);
  });

  it('drops with a step what cannot be done without it', () => {
    const pair = of(ANON, 'C = P: fork\n P: mprotect A r\n C: exit\n P: mprotect A rw\n P: write A');
    expect(lines(dropSteps.run(pair, has('P: write A')))).toEqual(['P: write A']);
  });
});

describe('drop-pairs', () => {
  // As many reads before the write as after it.
  const balanced: StillFails = (scenario) => {
    const at = lines(scenario).indexOf('P: write A');
    return at >= 0 && at * 2 === scenario.steps.length - 1;
  };

  it('drops two steps that only go together, where all other passes are stuck', () => {
    const scenario = of(setup(['anon'], { mms: 1, refs: 0 }), 'P: read A\n P: write A\n P: read A');
    onlyFor(dropPairs, scenario, balanced);
    expect(lines(dropPairs.run(scenario, balanced))).toEqual(['P: write A']);
  });

  it('finds all of several pairs', () => {
    const reads = Array.from({ length: 4 }, () => 'P: read A').join('\n');
    expect(lines(dropPairs.run(of(ANON, `${reads}\n P: write A\n ${reads}`), balanced))).toEqual([
      'P: write A',
    ]);
  });

  it('asks for each pair once', () => {
    const { fails, calls } = counted(() => false);
    dropPairs.run(of(ANON, Array.from({ length: 8 }, () => 'P: read A').join('\n')), fails);
    expect(calls()).toBe(28);
  });
});

describe('merge-mms', () => {
  it('lets the parent do what a child did, where all other passes are stuck', () => {
    const scenario = of(
      setup(['anon'], { mms: 2, refs: 1 }),
      'C = P: fork\n h1 = C: gup A pin R LONGTERM\n C: write A\n device: dma_read h1',
    );
    const fails = shows(scenario, 'v5.11-page-count', 'pin-coherence/stale/anon/PIN-R-LT/cpu->device');
    onlyFor(mergeMms, scenario, fails);
    expect(lines(mergeMms.run(scenario, fails))).toEqual(
      literal('h1 = P: gup A pin R LONGTERM\n P: write A\n device: dma_read h1'),
    );
  });

  it('lets one child do what another did', () => {
    const scenario = of(ANON, 'C = P: fork\n D = P: fork\n C: write A\n D: write A\n P: read A');
    const fails: StillFails = (s) => lines(s).filter((l) => /^[CD]: write A$/.test(l)).length === 2;
    expect(lines(mergeMms.run(scenario, fails))).toEqual(
      literal('D = P: fork\n D: write A\n D: write A\n P: read A'),
    );
  });
});

describe('simplify-arguments', () => {
  const simplified = (on: Setup, text: string, fails: StillFails): string[] =>
    lines(simplifyArguments.run(of(on, text), fails));
  const all: StillFails = () => true;
  const FILE = setup(['shared-file']);

  it('prefers the plainest reference that still fails', () => {
    expect(simplified(ANON, 'h1 = P: gup A vmsplice R fast', all)).toEqual(['h1 = P: gup A get R']);
    expect(simplified(ANON, 'h1 = P: gup A process_vm_writev W', all)).toEqual(['h1 = P: gup A get R']);
    expect(
      simplified(ANON, 'h1 = P: gup A fixed_buffer W LONGTERM fast', (s) =>
        s.steps.every((x) => x.op === 'gup' && x.longterm && x.write),
      ),
    ).toEqual(['h1 = P: gup A pin W LONGTERM']);
    expect(
      simplified(ANON, 'h1 = P: gup A fixed_buffer W LONGTERM fast', (s) =>
        s.steps.every((x) => x.op === 'gup' && x.longterm),
      ),
    ).toEqual(['h1 = P: gup A pin R LONGTERM']);
  });

  it('keeps O_DIRECT, whose promise is its own, but not the fast path', () => {
    expect(simplified(ANON, 'h1 = P: gup A o_direct_read W fast', all)).toEqual([
      'h1 = P: gup A o_direct_read W',
    ]);
  });

  it('keeps a caller that nothing else can stand in for', () => {
    expect(
      simplified(ANON, 'h1 = P: gup A vmsplice R fast', (s) =>
        s.steps.every((x) => x.op === 'gup' && x.caller === 'vmsplice'),
      ),
    ).toEqual(['h1 = P: gup A vmsplice R']);
  });

  it('prefers WB_SYNC_NONE, reclaim and a clean unpin', () => {
    expect(
      simplified(
        FILE,
        'h1 = P: gup F get W\n kernel: wb_start f ALL\n kernel: drop_caches f\n device: unpin h1 dirty',
        all,
      ),
    ).toEqual(
      literal('h1 = P: gup F get R\n kernel: wb_start f NONE\n kernel: reclaim f\n device: unpin h1'),
    );
  });

  it('leaves what must be as it is', () => {
    const scenario = of(FILE, 'kernel: wb_start f ALL\n kernel: drop_caches f');
    expect(simplifyArguments.run(scenario, () => false)).toBe(scenario);
  });
});

describe('plainer-filesystem', () => {
  const scenario = of(setup(['shared-file'], { mms: 1, refs: 0 }, 'ext4-v5.17-stable'), 'other: fsync f');

  it('prefers the first filesystem', () => {
    const { setup: after, steps } = plainerFilesystem.run(scenario, () => true);
    expect([after.files, steps]).toEqual([[{ name: 'f', filesystem: 'ext4-v5.18' }], scenario.steps]);
  });

  it('keeps the one that the failure needs', () => {
    const needs = (s: Scenario): boolean => s.setup.files[0]?.filesystem === 'ext4-v5.17-stable';
    expect(plainerFilesystem.run(scenario, needs).setup.files).toEqual(scenario.setup.files);
  });

  it('and so for what O_DIRECT writes go to: none, else the first', () => {
    const aside = (fails: (aside: string | undefined) => boolean): string | undefined =>
      plainerFilesystem.run(scenario, ({ setup: s }) => fails(s.aside)).setup.aside;
    expect([
      aside(() => true),
      aside((a) => a !== undefined),
      aside((a) => a?.endsWith('-stable') === true),
      aside((a) => a === 'ext4-v5.17-stable'),
    ]).toEqual([undefined, 'ext4-v5.18', 'ext4-v5.18-stable', 'ext4-v5.17-stable']);
  });
});

describe('trim-setup', () => {
  it('drops unused pages and files and tightens the bounds, and leaves the filesystem alone', () => {
    const wide = setup(['anon', 'anon', 'private-file', 'shared-file', 'shmem'], {}, 'ext4-v5.17-stable');
    const trimmed = trimSetup.run(
      of(wide, 'C = P: fork\n h1 = C: gup F get W\n device: unpin h1'),
      () => true,
    );
    expect(trimmed.setup).toEqual({
      pages: [{ name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' }],
      files: [{ name: 'f', filesystem: 'ext4-v5.17-stable' }],
      mms: 2,
      refs: 1,
      pinBias: 1024,
    });
    expect(lines(trimmed)).toEqual(literal('C = P: fork\n h1 = C: gup F get W\n device: unpin h1'));
  });

  it('keeps a page at least', () => {
    const scenario = of(setup(['shared-file'], { mms: 1, refs: 0 }, 'ext4-v5.17'), 'other: fsync f');
    expect(trimSetup.run(scenario, () => true)).toBe(scenario);
  });

  it('counts mms and references alive at a time', () => {
    expect(
      bounds(
        of(
          ANON,
          `C = P: fork
           h1 = P: gup A get R
           C: exit
           device: unpin h1
           D = P: fork
           h2 = P: gup A o_direct_write R
           h3 = D: gup A get R
           device: dio_end h2`,
        ),
      ),
    ).toEqual({ mms: 2, refs: 2 });
    expect(bounds(of(ANON, 'P: read A'))).toEqual({ mms: 1, refs: 0 });
  });
});

describe('sort-steps', () => {
  it('brings steps that can trade places into the order of their text, where all other passes are stuck', () => {
    const scenario = of(
      setup(['private-file'], { mms: 1, refs: 1 }),
      `h1 = P: gup M pin R LONGTERM
       P: write M
       other: buffered_write f
       P: madvise M dontneed
       device: dma_read h1`,
    );
    const fails = shows(scenario, 'v5.11-page-count', 'get-lifetime/leak/private-file/PIN-R-LT/file->device');
    onlyFor(sortSteps, scenario, fails);
    expect(lines(sortSteps.run(scenario, fails))).toEqual(
      literal(
        `h1 = P: gup M pin R LONGTERM
         P: write M
         P: madvise M dontneed
         other: buffered_write f
         device: dma_read h1`,
      ),
    );
  });

  it('never moves a step before what makes it possible', () => {
    const scenario = of(
      ANON,
      'h1 = P: gup A get R\n device: dma_read h1\n P: mprotect A r\n P: mprotect A rw',
    );
    expect(lines(sortSteps.run(scenario, () => true))).toEqual(
      literal('h1 = P: gup A get R\n P: mprotect A r\n P: mprotect A rw\n device: dma_read h1'),
    );
  });
});

describe('rename', () => {
  it('names mms and references in order of creation', () => {
    const scenario = of(
      ANON,
      `E = P: fork
       h7 = E: gup A pin R
       Q = E: fork
       h2 = Q: gup A get R
       device: dma_read h7
       Q: exit
       device: unpin h2`,
    );
    expect(lines(rename.run(scenario, () => true))).toEqual(
      literal(
        `C = P: fork
         h1 = C: gup A pin R
         D = C: fork
         h2 = D: gup A get R
         device: dma_read h1
         D: exit
         device: unpin h2`,
      ),
    );
  });

  it('names pages and files by kind and in order of first use', () => {
    const on: Setup = {
      pages: [
        { name: 'x', kind: 'shmem', prot: 'rw', file: 'tmp' },
        { name: 'y', kind: 'anon', prot: 'rw' },
        { name: 'z', kind: 'anon', prot: 'r' },
      ],
      files: [{ name: 'tmp', filesystem: 'shmem' }],
      mms: 1,
      refs: 0,
      pinBias: 1024,
    };
    const renamed = rename.run(
      of(on, 'P: read z\n P: write x\n P: write y\n other: buffered_read tmp'),
      () => true,
    );
    expect(lines(renamed)).toEqual(literal('P: read A\n P: write S\n P: write B\n other: buffered_read s'));
    expect(renamed.setup.pages).toEqual([
      { name: 'A', kind: 'anon', prot: 'r' },
      { name: 'B', kind: 'anon', prot: 'rw' },
      { name: 'S', kind: 'shmem', prot: 'rw', file: 's' },
    ]);
    expect(renamed.setup.files).toEqual([{ name: 's', filesystem: 'shmem' }]);
  });

  it('leaves pages and files their names where two files are of one backing', () => {
    const on: Setup = {
      pages: [
        { name: 'x', kind: 'shmem', prot: 'rw', file: 'tmp' },
        { name: 'y', kind: 'private-shmem', prot: 'rw', file: 'mem' },
      ],
      files: [
        { name: 'mem', filesystem: 'shmem' },
        { name: 'tmp', filesystem: 'shmem' },
      ],
      mms: 2,
      refs: 0,
      pinBias: 1024,
    };
    const renamed = rename.run(of(on, 'E = P: fork\n E: write y\n P: read x'), () => true);
    expect(lines(renamed)).toEqual(literal('C = P: fork\n C: write y\n P: read x'));
    expect(renamed.setup).toEqual(on);
  });

  it('gives up a renaming that does not fail', () => {
    const scenario = of(ANON, 'E = P: fork');
    expect(rename.run(scenario, () => false)).toBe(scenario);
  });
});

describe('every pass, on what a campaign finds', () => {
  const cases: { readonly scenario: Scenario; readonly fails: StillFails }[] = [];
  for (const [scope, profile, seed] of [
    ['base', 'anon', 1],
    ['default', 'all', 2],
    ['default', 'file', 3],
  ] as const) {
    const runner = new ChunkRunner({ seed, scope, profile }, POLICIES);
    for (const f of runner.run(
      0,
      POLICIES.map(() => new Set<number>()),
    ).findings)
      cases.push({
        scenario: cutAfter(f.scenario, policyOf(f.policy), f),
        fails: failsAs(policyOf(f.policy), f),
      });
  }

  it.each(
    PASSES.map((p) => [p.name, p] as const),
  )('%s: still fails, is no less simple, and applies', (_, pass) => {
    let progress = 0;
    for (const { scenario, fails } of cases) {
      const after = pass.run(scenario, fails);
      expect(fails(after)).toBe(true);
      expect(repair(after.setup, after.steps)).toEqual(after.steps);
      // rename has the last word: it may lose by the text alone, which is the last entry of the order.
      if (pass === rename) expect(simplicity(after).slice(0, -1)).toEqual(simplicity(scenario).slice(0, -1));
      else expect(compareSimplicity(after, scenario)).toBeLessThanOrEqual(0);
      if (lines(after).join() !== lines(scenario).join()) progress++;
    }
    // Of the steps, that is.
    if (pass !== trimSetup && pass !== plainerFilesystem) expect(progress).toBeGreaterThan(0);
    expect(cases.length).toBeGreaterThan(100);
  });

  it.each(
    PASSES.map((p) => [p.name, p] as const),
  )('%s: where it made no progress, it makes none again', (_, pass) => {
    for (const { scenario, fails } of cases.slice(0, 120)) {
      let best = scenario;
      for (let i = 0; ; i++) {
        expect(i).toBeLessThan(40);
        const next = pass.run(best, fails);
        if (JSON.stringify(next) === JSON.stringify(best)) break;
        best = next;
      }
      expect(pass.run(best, fails)).toEqual(best);
    }
  });

  it('rename is done after one call', () => {
    for (const { scenario, fails } of cases) {
      const once = rename.run(scenario, fails);
      expect(rename.run(once, fails)).toEqual(once);
    }
  });
});
