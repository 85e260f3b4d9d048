import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { PageKind } from '../domain/kinds.ts';
import { type Trace, traceScenario } from '../executor/trace.ts';
import { expandPolicy } from '../machine/tables.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { renderTrace } from './trace.ts';

const run = (policy: string, kinds: readonly PageKind[], text: string): Trace =>
  traceScenario(
    { setup: { ...pagesOf(kinds, 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 }, steps: parseSteps(text) },
    expandPolicy(policyByName(policy)),
  );

/** Without the paragraph about names of contents. */
const body = (text: string): string => text.slice(text.indexOf('At the start'));

describe('renderTrace', () => {
  it('shows states, marks what changed, and says what was asked, seen and broken', () => {
    const trace = run(
      'mapcount',
      ['anon'],
      'h1 = P: gup A pin W\nC = P: fork\nP: write A\ndevice: dma_read h1',
    );
    expect(body(renderTrace(trace))).toBe(`At the start
      A of P: pte none, vma rw, must show 0

1  h1 = P: gup A pin W  [done]
      asked:  gupKind -> PIN by "pin_user_pages" (caller pin, vma anon)
      asked:  gupSlow -> write fault by "no page, FOLL_WRITE" (write, frame none, not pteWrite)
      asked:  gupSlow -> return by "otherwise" (write, frame anon, pteWrite)
    * A of P: pte W dirty, anon folio 1, vma rw, must show 0 (was pte none)
    * folio 1: refcount 1025, mapcount 1, pincount 1, anon, holds 0 (new)
    * h1: PIN of A of P, folio 1, exact, must show 0 (new)

2  C = P: fork  [done]
      asked:  forkPte -> share by "otherwise"
    * A of P: pte R dirty, anon folio 1, vma rw, must show 0 (was pte W dirty)
    * A of C: pte R dirty, anon folio 1, vma rw, must show 0 (new)
    * folio 1: refcount 1026, mapcount 2, pincount 1, anon, holds 0 (was refcount 1025, mapcount 1)
      h1: PIN of A of P, folio 1, exact, must show 0

3  P: write A  [done]
      asked:  wpFault -> copy by "otherwise" (mapcount 2)
    * A of P: pte W dirty, anon folio 2, vma rw, must show P@3 (was pte R dirty, anon folio 1, must
        show 0)
      A of C: pte R dirty, anon folio 1, vma rw, must show 0
    * folio 1: refcount 1025, mapcount 1, pincount 1, anon, holds 0 (was refcount 1026, mapcount 2)
    * folio 2: refcount 1, mapcount 1, pincount 0, anon, holds P@3 (new)
    * h1: PIN of A of P, folio 1, exact, must show P@3 (was must show 0)

4  device: dma_read h1  [done]
      seen:   device loads 0 through h1, promised P@3: stale
      BROKEN: pin-coherence/stale/anon/PIN-W/cpu->device
      A of P: pte W dirty, anon folio 2, vma rw, must show P@3
      A of C: pte R dirty, anon folio 1, vma rw, must show 0
      folio 1: refcount 1025, mapcount 1, pincount 1, anon, holds 0
      folio 2: refcount 1, mapcount 1, pincount 0, anon, holds P@3
      h1: PIN of A of P, folio 1, exact, must show P@3
`);
  });

  it('shows refusals with their errno, and where a run ends', () => {
    const text = renderTrace(run('longterm-ban', ['shared-file'], 'h1 = P: gup F pin W LONGTERM\nC: read F'));
    expect(text).toContain('1  h1 = P: gup F pin W LONGTERM  [refused (EFAULT)]');
    expect(text).toMatch(/\n2 {2}does not apply, the run ends here: .*\n$/);
  });

  it('shows file state, and documented mismatches with their reason', () => {
    const text = body(
      renderTrace(
        run(
          'canary',
          ['shared-file'],
          `h1 = P: gup F get W
           other: fsync f
           device: dma_write h1
           kernel: reclaim f
           device: unpin h1
           kernel: reclaim f
           P: read F`,
        ),
      ),
    );
    expect(text).toContain('file f: not in the page cache, disk holds f@0, must show f@0');
    expect(text).toContain(`
      documented: pin-coherence/stale/shared-file/GET-W/device->cpu: the driver did not dirty the
                  page it wrote: pin_user_pages.rst
`);
  });

  it('keeps within its width', () => {
    for (const width of [60, 72, 100, 140])
      for (const policy of BUILT_IN) {
        const trace = run(
          policy.id,
          ['anon', 'private-file', 'shared-file', 'shmem'],
          `P: write A
           h1 = P: gup M pin R LONGTERM
           C = P: fork
           h2 = C: gup F process_vm_writev W
           P: write M
           kernel: wb_start f ALL
           device: dma_write h2
           other: fsync f
           device: unpin h2 dirty
           C: read S`,
        );
        for (const line of renderTrace(trace, { width }).split('\n'))
          expect(line.length).toBeLessThanOrEqual(width);
      }
  });
});
