import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { STEPS_MAX } from '../scenario/definition.ts';
import { parseSteps } from '../scenario/parse.ts';
import { type Scenario, stepText } from '../scenario/scenario.ts';
import { FULL } from './full.ts';
import { type Capabilities, encodeProgram, FILE_TOKEN } from './protocol.ts';
import { isUnsupported, type Translated, tokenText, toLive } from './translate.ts';

const of = (kinds: readonly PageKind[], text: string, filesystem = 'ext4-v5.18'): Scenario => ({
  setup: { ...pagesOf(kinds, filesystem), mms: 3, refs: 3, pinBias: 1024 },
  steps: parseSteps(text),
});
const live = (scenario: Scenario, capabilities: Capabilities = FULL): Translated => {
  const t = toLive(scenario, capabilities);
  if (isUnsupported(t)) throw new Error(t.unsupported);
  return t;
};
const why = (scenario: Scenario, capabilities: Capabilities = FULL): string => {
  const t = toLive(scenario, capabilities);
  return isUnsupported(t) ? t.unsupported : '';
};
const lines = (t: Translated): string[] =>
  encodeProgram(1, t.program, 9)
    .split('\n')
    .filter((l) => l.startsWith('step'));

describe('toLive', () => {
  it('numbers mms and references in order of creation, and stores the number of the step', () => {
    const t = live(
      of(
        ['anon', 'shared-file'],
        `P: write A
         C = P: fork
         h1 = C: gup A vmsplice R
         device: unpin h1
         D = C: fork
         h2 = D: gup A fixed_buffer W LONGTERM
         device: dma_write h2
         other: buffered_write f`,
      ),
    );
    expect(lines(t)).toEqual([
      'step write 0 0 1',
      'step fork 0 1',
      'step gup 1 0 0 vmsplice',
      'step unpin 0',
      'step fork 1 2',
      'step gup 2 0 1 fixed_buffer',
      'step dma_write 1 7',
      'step buffered_write 0 8',
    ]);
    expect(t.from).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(t.substitutions).toEqual([]);
    expect(t.program.files).toEqual(['dir']);
    expect(t.program.pages[1]).toEqual({ kind: 'shared-file', prot: 'rw', file: 0 });
  });

  it('lets system calls stand for plain references, and says so', () => {
    const t = live(
      of(
        ['anon'],
        `h1 = P: gup A get R
         h2 = P: gup A pin W LONGTERM
         h3 = P: gup A pin R
         device: unpin h3`,
      ),
    );
    expect(t.scenario.steps.map(stepText)).toEqual([
      'h1 = P: gup A vmsplice R',
      'h2 = P: gup A fixed_buffer W LONGTERM',
      'h3 = P: gup A process_vm_readv R',
      'device: unpin h3',
    ]);
    expect(t.substitutions).toEqual([
      'vmsplice for get R',
      'fixed_buffer for pin W LONGTERM',
      'process_vm_readv for pin R',
    ]);
  });

  it('makes one step of an O_DIRECT call', () => {
    const t = live(
      of(
        ['anon'],
        `P: write A
         h1 = P: gup A o_direct_write R
         device: dio_end h1
         h2 = P: gup A o_direct_read W
         device: dio_end h2
         P: read A`,
      ),
    );
    expect(lines(t)).toEqual([
      'step write 0 0 1',
      'step dio 0 0 write 3',
      'step dio 0 0 read 5',
      'step read 0 0',
    ]);
    expect(t.from).toEqual([0, 2, 4, 5]);
    expect(tokenText(t.scenario, 5)).toBe('h2@5');
  });

  it('names contents: zero, what a file has at the start, and what a step stored', () => {
    const { scenario } = live(of(['shared-file', 'shmem'], 'P: write F\n P: read S'));
    const [f, g] = scenario.setup.files.map(({ name }) => `${name}@0`);
    expect(f).not.toBe(g);
    expect([0, FILE_TOKEN, FILE_TOKEN + 1, 1].map((token) => tokenText(scenario, token))).toEqual([
      '0',
      f,
      g,
      'P@1',
    ]);
    for (const token of [3, FILE_TOKEN - 1, FILE_TOKEN + 2])
      expect(tokenText(scenario, token)).toBe(`no token of this program (${token})`);
  });

  it('tells the contents of the longest program from those of its files', () => {
    const writes = Array.from({ length: STEPS_MAX }, () => 'P: write F').join('\n');
    const t = live(of(['shared-file'], writes));
    const last = t.program.steps.at(-1)!;
    expect(last).toMatchObject({ op: 'write', token: STEPS_MAX });
    // Ends of process_vm calls are put in: up to one for each step.
    expect(2 * STEPS_MAX).toBeLessThan(FILE_TOKEN);
  });

  it('ends a process_vm call with its transfer', () => {
    const t = live(of(['anon'], 'h1 = P: gup A pin W\n device: dma_write h1\n P: read A'));
    expect(t.scenario.steps.map(stepText)).toEqual([
      'h1 = P: gup A process_vm_writev W',
      'device: dma_write h1',
      'device: unpin h1 dirty',
      'P: read A',
    ]);
    expect(lines(t)).toEqual(['step gup 0 0 0 process_vm_writev', 'step dma_write 0 2', 'step read 0 0']);
    expect(t.from).toEqual([0, 1, 3]);
    expect(t.substitutions.at(-1)).toMatch(/unpin h1 dirty put in/);
  });

  it.each([
    ['a held W GET', 'h1 = P: gup A get W', /no system call holds a W GET/],
    ['a long-term R pin', 'h1 = P: gup A pin R LONGTERM', /no system call takes a long-term R pin/],
    [
      'O_DIRECT across a step',
      'h1 = P: gup A o_direct_read W\n P: read A\n device: dio_end h1',
      /cannot be held/,
    ],
    ['O_DIRECT without end', 'h1 = P: gup A o_direct_read W', /cannot be held/],
    [
      'a fixed buffer that dirties',
      'h1 = P: gup A pin W LONGTERM\n device: unpin h1 dirty',
      /does not dirty/,
    ],
    ['a writev that does not', 'h1 = P: gup A pin W\n device: unpin h1', /always dirties/],
    [
      'a second transfer',
      'h1 = P: gup A pin R\n device: dma_read h1\n device: dma_read h1',
      /moves data once/,
    ],
    [
      'a pin held after its transfer',
      'h1 = P: gup A pin R\n device: dma_read h1\n P: read A\n device: unpin h1',
      /ended with its transfer/,
    ],
    ['a load through a writev', 'h1 = P: gup A pin W\n device: dma_read h1', /does not read/],
  ])('gives up on %s', (_, text, reason) => {
    expect(why(of(['anon'], text))).toMatch(reason);
  });

  it('gives up on what the executor has none of, also where no step asks for it', () => {
    const { setup, steps } = of(['shared-file'], 'P: read F');
    const files = setup.files.map((file) => ({ ...file, index: 0 }));
    expect(why({ setup: { ...setup, files }, steps })).toMatch(/files have several pages/);
    expect(why({ setup: { ...setup, swap: 'zram' }, steps })).toMatch(/sets up no swap/);
    expect(why({ setup: { ...setup, parts: 2 }, steps })).toMatch(/fills pages/);
    expect(why({ setup: { ...setup, tasks: 2 }, steps })).toMatch(/interleaved/);
  });

  it('gives up on what this kernel lacks', () => {
    const none = { ...FULL, callers: { ...FULL.callers, vmsplice: 'EPERM' } };
    expect(why(of(['anon'], 'h1 = P: gup A get R'), none)).toMatch(/no vmsplice: EPERM/);
    for (const filesystem of ['tmpfs', 'overlay'])
      for (const [kind, page] of [['shared-file', 'F'] as const, ['private-file', 'M'] as const])
        expect(why(of([kind], `P: read ${page}`), { ...FULL, filesystem })).toContain(`on ${filesystem}`);
    expect(why(of(['shared-file'], 'kernel: wb_end f'), { ...FULL, features: { wb_start: 'no' } })).toMatch(
      /wb_end f: no/,
    );
    expect(why(of(['shared-file'], 'kernel: reclaim f'), { ...FULL, features: { pageout: 'no' } })).toMatch(
      /reclaim f: no/,
    );
    expect(why(of(['shared-file'], 'P: read F', 'ext4-v5.18-stable'))).toMatch(/stable pages/);
    const small = of(['anon'], 'P: read A');
    expect(why({ ...small, setup: { ...small.setup, pinBias: 2 } })).toMatch(/pin bias is 2/);
  });

  it('takes the profile of the kernel', () => {
    const t = live(of(['shared-file'], 'P: read F', 'ext4-v5.17'));
    expect(t.scenario.setup.files[0]!.filesystem).toBe('ext4-v5.18');
    expect(t.substitutions).toEqual(['ext4-v5.18 for ext4-v5.17']);
  });
});
