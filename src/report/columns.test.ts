import { describe, expect, it } from 'vitest';
import { CALLERS } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import type { Scenario, Step } from '../scenario/scenario.ts';
import { renderColumns, wrapText } from './columns.ts';

const ANON: Setup = {
  pages: [{ name: 'A', kind: 'anon', prot: 'rw' }],
  files: [],
  mms: 2,
  refs: 1,
  pinBias: 1024,
};

const B01: Scenario = {
  setup: ANON,
  steps: [
    { task: 'P', op: 'write', page: 'A' },
    { task: 'P', op: 'fork', result: 'C' },
    {
      task: 'C',
      op: 'gup',
      page: 'A',
      caller: 'vmsplice',
      write: false,
      longterm: false,
      fast: false,
      result: 'h1',
    },
    { task: 'C', op: 'munmap', page: 'A' },
    { task: 'P', op: 'write', page: 'A' },
    { task: 'device', op: 'dma_read', ref: 'h1' },
  ],
};

const FILES: Scenario = {
  setup: {
    pages: [
      { name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' },
      { name: 'M', kind: 'private-file', prot: 'r', file: 'f' },
      { name: 'S', kind: 'shmem', prot: 'rw', file: 's' },
    ],
    files: [
      { name: 'f', filesystem: 'ext4-v5.17' },
      { name: 's', filesystem: 'shmem' },
      { name: 'g', filesystem: 'ext4-v5.18-stable' },
    ],
    mms: 1,
    refs: 1,
    pinBias: 3,
  },
  steps: [
    { task: 'P', op: 'gup', page: 'F', caller: 'pin', write: true, longterm: true, fast: true, result: 'h1' },
    { task: 'kernel', op: 'wb_start', file: 'f', mode: 'ALL' },
    { task: 'kernel', op: 'wb_end', file: 'f' },
    { task: 'device', op: 'dma_write', ref: 'h1' },
    { task: 'device', op: 'unpin', ref: 'h1', dirty: true },
    { task: 'other', op: 'fsync', file: 'f' },
  ],
};

/** As in a template literal, but without the line break after the first backtick. */
const drawn = (text: string): string => text.slice(1);

describe('columns', () => {
  it('one per task, one row per step, the start above', () => {
    expect(renderColumns(B01)).toBe(
      drawn(`
Initially:
  A  anon  rw

     P        | C                     | device
     ---------+-----------------------+------------
  1  write A  |                       |
  2  C = fork |                       |
  3           | h1 = gup A vmsplice R |
  4           | munmap A              |
  5  write A  |                       |
  6           |                       | dma_read h1
`),
    );
  });

  it('names what pages map; wraps a cell rather than go beyond the width', () => {
    expect(renderColumns(FILES)).toBe(
      drawn(`
Initially:
  F  shared-file   rw  of f (ext4-v5.17)
  M  private-file  r   of f (ext4-v5.17)
  S  shmem         rw  of s (shmem)
  g  file              not mapped (ext4-v5.18-stable)
  a pin counts 3 references

     P                | device         | kernel         | other
     -----------------+----------------+----------------+--------
  1  h1 = gup F pin W |                |                |
       LONGTERM fast  |                |                |
  2                   |                | wb_start f ALL |
  3                   |                | wb_end f       |
  4                   | dma_write h1   |                |
  5                   | unpin h1 dirty |                |
  6                   |                |                | fsync f
`),
    );
  });

  it('puts mms in order of creation, not of action', () => {
    const steps: readonly Step[] = [
      { task: 'P', op: 'fork', result: 'C' },
      { task: 'P', op: 'fork', result: 'D' },
      { task: 'D', op: 'write', page: 'A' },
      { task: 'C', op: 'exit' },
    ];
    expect(renderColumns({ setup: ANON, steps })).toBe(
      drawn(`
Initially:
  A  anon  rw

     P        | C    | D
     ---------+------+--------
  1  C = fork |      |
  2  D = fork |      |
  3           |      | write A
  4           | exit |
`),
    );
  });

  it('marks steps, has a header, and puts notes to the right if all of them fit', () => {
    const notes = [undefined, 'shared and write-protected', undefined, undefined, 'mapcount 1: reused'];
    expect(renderColumns(B01, { header: 'B01', notes, marks: new Set([5]), width: 100 })).toBe(
      drawn(`
B01

Initially:
  A  anon  rw

     P        | C                     | device
     ---------+-----------------------+------------
  1  write A  |                       |
  2  C = fork |                       |              ; shared and write-protected
  3           | h1 = gup A vmsplice R |
  4           | munmap A              |
  5  write A  |                       |              ; mapcount 1: reused
> 6           |                       | dma_read h1
`),
    );
  });

  it('puts notes below the step if one does not fit', () => {
    const notes = [
      'one',
      undefined,
      undefined,
      undefined,
      'the write fault finds mapcount 1 and reuses the folio that h1 still holds',
    ];
    expect(renderColumns(B01, { notes })).toContain(
      drawn(`
  1  write A  |                       |
     ; one
  2  C = fork |                       |
  3           | h1 = gup A vmsplice R |
  4           | munmap A              |
  5  write A  |                       |
     ; the write fault finds mapcount 1 and reuses the folio that h1
       still holds
  6           |                       | dma_read h1
`),
    );
  });

  it('falls back to one step per line with more than four tasks', () => {
    const steps: readonly Step[] = [
      { task: 'P', op: 'fork', result: 'C' },
      ...FILES.steps,
      { task: 'C', op: 'mprotect', page: 'F', prot: 'r' },
      { task: 'C', op: 'madvise', page: 'M', advice: 'dontneed' },
      { task: 'other', op: 'buffered_write', file: 'f' },
    ];
    const setup = {
      ...FILES.setup,
      pages: FILES.setup.pages.slice(0, 2),
      files: FILES.setup.files.slice(0, 1),
    };
    expect(renderColumns({ setup, steps }, { marks: new Set([4]), notes: ['the child'] })).toBe(
      drawn(`
Initially:
  F  shared-file   rw  of f (ext4-v5.17)
  M  private-file  r   of f (ext4-v5.17)
  a pin counts 3 references

   1  C = P: fork                        ; the child
   2  h1 = P: gup F pin W LONGTERM fast
   3  kernel: wb_start f ALL
   4  kernel: wb_end f
>  5  device: dma_write h1
   6  device: unpin h1 dirty
   7  other: fsync f
   8  C: mprotect F r
   9  C: madvise M dontneed
  10  other: buffered_write f
`),
    );
  });

  it('also where names are too long for columns', () => {
    const [a, b, c] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb', 'cccccccccccccccc'] as const;
    const steps: readonly Step[] = [
      { task: a, op: 'fork', result: b },
      { task: a, op: 'fork', result: c },
      {
        task: b,
        op: 'gup',
        page: a,
        caller: 'process_vm_writev',
        write: true,
        longterm: false,
        fast: true,
        result: a,
      },
      { task: c, op: 'exit' },
      { task: 'device', op: 'dma_read', ref: a },
    ];
    const setup: Setup = { ...ANON, pages: [{ name: a, kind: 'anon', prot: 'r' }] };
    expect(renderColumns({ setup, steps })).toBe(
      drawn(`
Initially:
  aaaaaaaaaaaaaaaa  anon  r

  1  bbbbbbbbbbbbbbbb = aaaaaaaaaaaaaaaa: fork
  2  cccccccccccccccc = aaaaaaaaaaaaaaaa: fork
  3  aaaaaaaaaaaaaaaa = bbbbbbbbbbbbbbbb: gup aaaaaaaaaaaaaaaa
       process_vm_writev W fast
  4  cccccccccccccccc: exit
  5  device: dma_read aaaaaaaaaaaaaaaa
`),
    );
  });

  it('never exceeds the width, never ends a line in a space, shows every step once', () => {
    const names = ['P', 'childprocess_1', 'C', 'verylongname_000'];
    for (let tasks = 1; tasks <= 4; tasks++)
      for (const caller of CALLERS)
        for (const width of [40, 55, 72, 100]) {
          const mms = names.slice(0, tasks);
          const steps: Step[] = [
            ...mms.slice(1).map((result) => ({ task: 'P', op: 'fork', result }) as const),
            ...mms.map(
              (task, i) =>
                ({
                  task,
                  op: 'gup',
                  page: 'A',
                  caller,
                  write: true,
                  longterm: true,
                  fast: true,
                  result: `handle_number_${i}`,
                }) as const,
            ),
            { task: 'device', op: 'unpin', ref: 'handle_number_0', dirty: true },
          ];
          const notes = steps.map((_, i) => (i % 2 === 0 ? `note ${'word '.repeat(i)}` : undefined));
          const text = renderColumns(
            { setup: ANON, steps },
            { width, notes, header: 'long header '.repeat(9) },
          );
          for (const line of text.split('\n')) {
            expect(line.length).toBeLessThanOrEqual(width);
            expect(line).toBe(line.trimEnd());
          }
          steps.forEach((_, i) => {
            expect(text.match(new RegExp(`^ {2}${i + 1} {2}`, 'gm'))).toHaveLength(1);
          });
          for (let i = 0; i < tasks; i++) expect(text).toContain(`handle_number_${i}`);
        }
  });
});

describe('wrapText', () => {
  it.each<[string, number, string, string[]]>([
    ['fits  as it is', 14, '', ['fits  as it is']],
    ['two words', 5, '', ['two', 'words']],
    ['a bb ccc dddd', 6, '  ', ['a bb', '  ccc', '  dddd']],
    ['abcdefghij', 4, '', ['abcd', 'efgh', 'ij']],
    ['abcdefghij k', 4, '> ', ['abcd', '> ef', '> gh', '> ij', '> k']],
    ['  start of a table', 10, '    ', ['  start of', '    a', '    table']],
    ['a\nb', 10, '', ['a b']],
    ['', 10, '', ['']],
  ])('%j at %i', (text, width, indent, lines) => {
    expect(wrapText(text, width, indent)).toEqual(lines);
  });
});
