import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { Search } from '../check/search.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { gupCommands, modelAndReal } from '../fuzz/commands.ts';
import { NO_PFN } from '../machine/machine.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { folio, pte, type Ran, run, V57, V62, V65, V511 } from '../testing/op.ts';

const TWO: Setup = { ...pagesOf(['anon', 'anon'], ''), mms: 3, refs: 3, pinBias: 1024 };
const FILES: Setup = {
  ...pagesOf(['private-file', 'private-file', 'shared-file', 'shared-file'], 'ext4-v5.18'),
  mms: 2,
  refs: 2,
  pinBias: 1024,
};

/** PTE and folio of page n of an mm, and its VMA flags. */
const at = ({ world: { machine: m, shape } }: Ran, mm: number, page: number): readonly number[] => {
  const i = mm * shape.pages + page;
  return [m.pte[i]!, m.pfn[i]!, m.vma[i]!];
};
const outcomes = (setup: Setup, text: string): readonly string[] => {
  const { world, result } = run(setup, V65, text);
  expect([world.ended, result.violations]).toEqual([false, []]);
  return result.outcomes.map((o, i) => [o, result.errnos.get(i) ?? ''].join(' ').trim());
};

it('mremap: what it does to PTEs and counts', () => {
  const before = 'P: write A\nP: write B\nh1 = P: gup A pin W\nP: madvise A dontfork\nP: mprotect A r\n';
  const still = run(TWO, V62, before);
  const moved = run(TWO, V62, `${before}P: mremap A B`);
  // The PTE, the VMA and the folio are what they were; what was at the new place is gone, and so is the old place.
  expect(at(moved, 0, 1)).toEqual(at(still, 0, 0));
  expect(at(moved, 0, 0)).toEqual([0, NO_PFN, 0]);
  expect(folio(moved, at(moved, 0, 1)[1]!)).toBe('1025/1/1 anon exclusive');
  expect([...moved.world.machine.refcount].filter((n) => n !== 0)).toEqual([1, 1025]); // the zero page
  // The zero page goes along, and what nobody touched is nothing at the new place either.
  const zero = run(TWO, V62, 'P: write A\nP: madvise A dontneed\nP: read A\nP: mremap A B');
  expect(at(zero, 0, 1)[0]).toBe(at(run(TWO, V62, 'P: read A'), 0, 0)[0]);
  expect(pte(run(TWO, V62, 'P: write B\nP: mremap A B\nP: read B'))).toBe('none');
});

describe('what a program sees of mremap', () => {
  it('the content moves, what was there is gone, and nothing is where it was', () => {
    expect(
      outcomes(TWO, 'P: write A\nP: write B\nP: mremap A B\nP: read B\nP: read A\nP: mremap B A\nP: read A'),
    ).toEqual(['done', 'done', 'done', 'done', 'refused SIGSEGV', 'done', 'done']);
  });
  it('EINVAL to itself, EFAULT of nothing, and then nothing has changed', () => {
    expect(
      outcomes(TWO, 'P: write A\nP: mremap A A\nP: munmap B\nP: mremap B A\nP: read A\nP: mremap B B'),
    ).toEqual(['done', 'refused EINVAL', 'done', 'refused EFAULT', 'done', 'refused EINVAL']);
  });
  it('protection and MADV_DONTFORK move along', () => {
    expect(
      outcomes(
        TWO,
        'P: write A\nP: mprotect A r\nP: madvise A dontfork\nP: mremap A B\nP: write B\nC = P: fork\nC: read B',
      ),
    ).toEqual(['done', 'done', 'done', 'done', 'refused SIGSEGV', 'done', 'refused SIGSEGV']);
  });
  it('a page of another kind or file is no place for it: said in words', () => {
    const steps = parseSteps('P: read M\nP: mremap M F');
    expect(runScenario({ setup: FILES, steps }, BUILT_IN[0]!).notApplicable).toBe(1);
    expect(
      outcomes(FILES, 'P: write M\nP: mremap M M2\nP: read M2\nP: write F\nP: mremap F F2\nP: read F2'),
    ).toEqual(Array.from({ length: 6 }, () => 'done'));
  });
});

describe('the page is the one that it was', () => {
  it.each(
    BUILT_IN.filter((p) => p.id !== 'canary').map((p) => [p.id, expandPolicy(p)] as const),
  )('%s: a reference goes along, those of what was there stay with it', (_, policy) => {
    const { result, world } = run(
      TWO,
      policy,
      `h1 = P: gup A pin W
         h2 = P: gup B pin W
         device: dma_write h2
         P: mremap A B
         device: dma_write h1
         P: read B
         P: write B
         device: dma_read h1
         device: dma_read h2`,
    );
    expect([result.violations, world.ended]).toEqual([[], false]);
    expect(new Set(result.outcomes)).toEqual(new Set(['done']));
  });

  const LOST = `P: write A
    h1 = P: gup A pin W
    MOVE
    C = P: fork
    P: write B
    device: dma_read h1`;
  it('fork loses it or keeps it as it would at its first place', () => {
    const classes = (text: string, policy: typeof V57): readonly string[] =>
      run(TWO, policy, text).result.violations.map((v) => v.classId);
    for (const policy of [V57, V511, V62, V65]) {
      const there = classes(LOST.replace('MOVE', 'P: mremap A B'), policy);
      const here = classes(LOST.replace('    MOVE\n', '').replaceAll(' B', ' A'), policy);
      expect(there).toEqual(here);
      expect(there.length > 0).toBe(policy === V57);
    }
  });

  it('what open(2) excuses of an O_DIRECT read over fork is excused wherever a copy is moved', () => {
    // The same program, its copies moved in the child, in the parent, and in both.
    const moves = ['', 'C: mremap A B\n', 'P: mremap A B\n', 'C: mremap A B\nP: mremap A B\n'];
    const told = moves.map((move) => {
      const [p, c] = [move.includes('P:') ? 'B' : 'A', move.includes('C:') ? 'B' : 'A'];
      const text = `P: write A\nh1 = P: gup A o_direct_read W\nC = P: fork\n${move}P: write ${p}\ndevice: dio_end h1\nP: read ${p}\nC: read ${c}`;
      const { result } = run(TWO, V62, text);
      return [result.violations.map((v) => v.classId), result.documented.map((v) => v.classId)];
    });
    expect(told[0]).toEqual([
      [],
      ['pin-coherence/stale/anon/DIO-W/device->cpu', 'isolation/leak/anon/DIO-W/device->cpu'],
    ]);
    for (const one of told) expect(one).toEqual(told[0]);
  });
});

describe('with mremap among the operations', () => {
  it('version 2 has it where two pages are alike', () => {
    const on = (setup: Setup, version: number): number => alphabetFor(setup, PLAIN_GUPS, version).ops.length;
    expect([on(TWO, 1), on(TWO, 2)]).toEqual([19, 20]);
    expect(on({ ...TWO, ...pagesOf(['anon', 'private-file'], 'ext4-v5.18') }, 2)).toBe(19);
  });

  it('eras of today break no promise on two pages (fc.modelRun), and the canary does', () => {
    const breaks = (policy: (typeof BUILT_IN)[number]): boolean =>
      fc.check(
        fc.property(gupCommands(TWO), (commands) => fc.modelRun(modelAndReal(TWO, policy), commands)),
        { seed: 4, numRuns: 120 },
      ).failed;
    expect(breaks(BUILT_IN.find((p) => p.id === 'v6.5-longterm-ban')!)).toBe(false);
    expect(breaks(BUILT_IN.find((p) => p.id === 'canary')!)).toBe(true);
  });

  it('a search closes, finds nothing today, and meets moves', () => {
    const setup: Setup = { ...pagesOf(['anon', 'anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
    const gups = PLAIN_GUPS.slice(2, 4);
    const states = ([1, 2] as const).map((version) => {
      const search = new Search({
        setup,
        policy: V65,
        alphabet: alphabetFor(setup, gups, version),
        statesMax: 300_000,
      });
      while (search.depth < 5 && search.state === 'open') search.exploration.advance();
      expect([...search.exploration.found.keys()]).toEqual([]);
      return search.states;
    });
    expect(states[1]!).toBeGreaterThan(states[0]!);
  });
});
