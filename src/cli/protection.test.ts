/** A policy that is wrong in nothing but what a mapping forbids, through the compiled command line. */
import { beforeEach, describe, expect, it } from 'vitest';
import { gupfuzzIn } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';

const folder = freshFolder();
const gupfuzz = gupfuzzIn(folder);
const BOLD = `import { before, derive, policyByName, rule } from 'gupfuzz';
export default derive(
  policyByName('longterm-ban'),
  { id: 'bold', title: 'GUP-fast does not look at the write bit of shmem', sources: [] },
  { gupFast: [before('FOLL_WRITE on a R/O pte', rule('shmem', (f) => f.shmem, 'return'))] },
);
`;
beforeEach(() => {
  folder.write('bold.ts', BOLD);
});

describe('GUP-fast that takes a read-only PTE for writing', () => {
  it('is found by fuzz', () => {
    const { code, out } = gupfuzz([
      'fuzz',
      '--policy',
      './bold.ts',
      '-n',
      '3000',
      '--shrink',
      'passes',
      '--out',
      'found',
    ]);
    expect(code).toBe(1);
    expect(out).toMatch(/^protection\/unprotected\/shmem\/(?:GET|PIN)-W(?:-LT)?\/-->cpu$/m);
  });
  it('is found by check, in as few steps as there can be', () => {
    const { code, out } = gupfuzz([
      'check',
      '--policy',
      './bold.ts',
      '--scope',
      'shmem',
      '--gups',
      'pin:W:fast',
    ]);
    expect(code).toBe(1);
    expect(out).toMatch(/protection\/unprotected\/shmem\/PIN-W\/-->cpu {2}3 steps {2}regression/);
    expect(out).toMatch(/1 {2}mprotect S r\n.*2 {2}read S\n.*3 {2}h1 = gup S pin W fast\n/);
  });
});
