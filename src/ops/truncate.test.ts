import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { formatText } from '../scenario/text.ts';
import { runPasses } from '../shrink/shrink.ts';
import { cached, FILE, last, pte, referenced, run, V57, V62, V65 } from '../testing/op.ts';
import { WRONG } from '../testing/wrong-policies.ts';

/** Pages of one kind on the pages of one file, f and f2 (s and s2). */
const of = (kind: PageKind, filesystem = 'ext4-v5.18', pages = 1): Setup => ({
  ...pagesOf(new Array<PageKind>(pages).fill(kind), filesystem, 2),
  mms: 2,
  refs: 2,
  pinBias: 1024,
});
const F = of('shared-file');
const seen = (setup: Setup, text: string): string[] =>
  run(setup, V65, text).result.violations.map((f) => f.classId);

describe('truncate', () => {
  it('unmaps the page and takes it out of the page cache, clean and without buffers', () => {
    const ran = run(F, V62, 'P: write F\nC = P: fork\nC: read F\nother: truncate before f');
    expect([last(ran), pte(ran, 0), pte(ran, 1), cached(ran)]).toEqual(['done', 'none', 'none', 'none']);
  });
  it('cuts off the pages behind the end, and brings them back as holes', () => {
    const two = of('shared-file', 'ext4-v5.18', 2);
    const cut = 'P: write F\nP: write F2\nother: truncate before f2';
    expect(run(two, V62, `${cut}\nP: read F`).result.outcomes.at(-1)).toBe('done');
    const gone = run(two, V62, `${cut}\nP: read F2`);
    expect([last(gone), gone.world.machine.errno]).toEqual(['refused', 'SIGBUS']);
    const again = run(two, V62, `${cut}\nother: truncate behind f2\nP: read F2`);
    expect([last(again), again.world.machine.content[again.world.machine.cache[1]!]]).toEqual(['done', 0]);
    // To where it ends already; of no page, then of one.
    expect(last(run(two, V62, 'other: truncate behind f2'))).toBe('no effect');
    const none = run(two, V62, 'other: truncate before f\nother: truncate before f2\nP: read F');
    expect([last(none), [...none.world.machine.beyond]]).toEqual(['done', [0, 1]]);
  });
  it('leaves an orphan to those who have a reference; dirtying it reaches no filesystem', () => {
    const cut = 'P: write F\nh1 = P: gup F get W\nother: truncate before f';
    const ran = run(F, V62, cut);
    expect([cached(ran), referenced(ran)]).toEqual(['none', '1/0/0']);
    const dirtied = `${cut}\ndevice: dma_write h1\ndevice: dma_read h1\ndevice: unpin h1 dirty`;
    expect(seen(F, `${dirtied}\nother: truncate behind f\nother: fsync f\nother: buffered_read f`)).toEqual(
      [],
    );
  });
  it('leaves one orphan to who took the page through a shared and through a private mapping', () => {
    const setup: Setup = {
      ...pagesOf(['shared-file', 'private-file'], 'ext4-v5.18'),
      mms: 1,
      refs: 2,
      pinBias: 1024,
    };
    const files = setup.files.map((file) => ({ ...file, index: 0 }));
    const [shared, own] = setup.pages.map(({ name }) => name);
    const text = [
      `P: read ${shared}`,
      `P: read ${own}`,
      `h2 = P: gup ${own} get R`,
      `h1 = P: gup ${shared} get W`,
      `other: truncate before ${files[0]!.name}`,
      'device: dma_write h1',
      'device: dma_read h2',
    ].join('\n');
    for (const policy of [V57, V62, V65])
      expect(run({ ...setup, files }, policy, text).result.violations.map((f) => f.classId)).toEqual([]);
  });
  it('is SIGBUS for loads and stores and EFAULT for GUP beyond the end, of private mappings and their copies too', () => {
    for (const kind of ['shared-file', 'private-file', 'shmem', 'private-shmem'] as const) {
      const setup = of(kind);
      const { name } = setup.pages[0]!;
      const cut = `P: write ${name}\nother: truncate before ${setup.files[0]!.name}\n`;
      for (const step of [`P: read ${name}`, `P: write ${name}`, `h1 = P: gup ${name} get W`]) {
        const ran = run(setup, V65, cut + step);
        expect([kind, last(ran), ran.world.machine.errno]).toEqual([
          kind,
          'refused',
          step.includes('gup') ? 'EFAULT' : 'SIGBUS',
        ]);
        expect(ran.result.violations).toEqual([]);
      }
    }
  });
  it('reads nothing beyond the end; a write(2) there extends the file, over what lies between', () => {
    expect(last(run(F, V62, 'other: truncate before f\nother: buffered_read f2'))).toBe('no effect');
    const ran = run(F, V62, 'other: truncate before f\nother: buffered_write f2\nother: buffered_read f');
    expect([last(ran), [...ran.world.machine.beyond]]).toEqual(['done', [0, 0]]);
    expect(ran.result.violations).toEqual([]);
  });
  it('waits for writeback, and for nobody who has a reference', () => {
    const held = 'h1 = P: gup F pin W\nkernel: wb_start f NONE\nother: truncate before f';
    expect(last(run(F, V57, held))).toBe('blocked');
    expect(last(run(F, V57, `${held}\nkernel: wb_end f\nother: truncate before f`))).toBe('done');
  });
  it('takes from no reference what it has, and shows it nothing of the file that comes after', () => {
    for (const policy of BUILT_IN.map(expandPolicy))
      for (const kind of ['shared-file', 'private-file', 'shmem', 'private-shmem'] as const) {
        const setup = of(kind);
        const [page, file] = [setup.pages[0]!.name, setup.files[0]!.name];
        const text = `h1 = P: gup ${page} get R\nother: truncate before ${file}\nother: buffered_write ${file}\ndevice: dma_read h1\nP: read ${page}`;
        const { violations, documented } = run(setup, policy, text).result;
        expect([policy.id, kind, violations, documented]).toEqual([policy.id, kind, [], []]);
      }
  });
  it('is left where it is needed by the shrinker, with the pages that it needs', () => {
    const keeps = expandPolicy(WRONG.find(({ policy }) => policy.id === 'truncate-keeps-pinned')!.policy);
    const shrunk = (setup: Setup, text: string): string => {
      const scenario = { setup, steps: parseSteps(text) };
      const { code } = runScenario(scenario, keeps).violations.at(-1)!;
      return formatText(runPasses(scenario, keeps, { code, documented: false }));
    };
    const two = of('shared-file', 'ext4-v5.18-stable', 2);
    const lost =
      'P: read F\nP: write F2\nh1 = P: gup F2 pin R\nother: truncate before f2\nother: truncate behind f2\nP: read F2';
    expect(shrunk(two, lost)).toBe(
      [
        'file f ext4-v5.18 0',
        'page F shared-file rw f',
        '',
        'P: write F',
        'h1 = P: gup F pin R',
        'other: truncate before f',
        'other: truncate behind f',
        'P: read F',
        '',
      ].join('\n'),
    );
    // Of a finding that needs none, no file that may be truncated is left.
    const unnotified =
      'h1 = P: gup F get W\nother: truncate before f2\nother: fsync f\ndevice: unpin h1 dirty';
    expect(shrunk(of('shared-file'), unnotified)).toMatch(/^file f ext4-v5.18\n/);
  });
  it('is for files that the setup says may be truncated', () => {
    const steps = parseSteps('P: read F\nother: truncate before f');
    expect(runScenario({ setup: FILE, steps }, V62).whyNot).toBe(
      'the end of the file of f is not moved (a file page with an index may be cut off)',
    );
  });
});
