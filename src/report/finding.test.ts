import { describe, expect, it } from 'vitest';
import { LOADER_SAMPLES } from '../../bench/fuzz-loader.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { expectationText, renderFinding } from './finding.ts';
import type { Paint } from './paint.ts';

const [LEAK, , ALLOWED] = LOADER_SAMPLES as readonly [Counterexample, Counterexample, Counterexample];

describe('renderFinding', () => {
  it('tells what happens, what was seen, why, and how to see it again', () => {
    expect(renderFinding(LEAK, 'findings/b01.gup.json', { width: 80 })).toBe(
      `
a child keeps a vmsplice reference and reads what the parent writes later

Breaks:   isolation: a device read through an R GET reference of an anon page
          data that a CPU stored in another process (leak)
Policy:   v5.7-mapcount
Class:    isolation/leak/anon/GET-R/cpu->device

Initially:
  A  anon  rw

     P        | C                          | device
     ---------+----------------------------+------------
  1  write A  |                            |
  2  C = fork |                            |
  3           | h1 = gup A vmsplice R fast |
  4           | munmap A                   |
  5  write A  |                            |
> 6           |                            | dma_read h1

Seen:     in step 6 the second store of P
Promised: what A held at step 3

The write fault of P counts mappings, not references. It reuses the folio that
h1 still holds.

npx gupfuzz replay findings/b01.gup.json
`.slice(1),
    );
  });

  it('in full: expectations, references, how small, where from', () => {
    const text = renderFinding(LEAK, 'b01.gup.json', { width: 80, full: true });
    expect(text).toContain('Expected per policy:\n  v5.7-mapcount ');
    expect(text).toContain('See:      B01, CVE-2020-29374');
    expect(text).toContain(`Id:       ${LEAK.id}`);
  });

  it('leaves out what is not there', () => {
    const text = renderFinding(ALLOWED, '');
    expect(text).not.toMatch(/Breaks|Policy:|Class:|Promised|replay|null|undefined/);
  });

  it('keeps within its width, with notes too', () => {
    const notes = LEAK.steps.map((_, i) => (i % 2 === 0 ? 'refused: EFAULT' : undefined));
    for (const width of [60, 72, 100])
      for (const c of LOADER_SAMPLES)
        for (const line of renderFinding(c, 'x.gup.json', { width, full: true, notes }).split('\n')) {
          expect(line.length).toBeLessThanOrEqual(width);
          expect(line).toBe(line.trimEnd());
        }
  });

  it('colours change nothing but colours', () => {
    const mark = (text: string): string => `\u001b[1m${text}\u001b[22m`;
    const paint: Paint = { bold: mark, dim: mark, red: mark, green: mark, yellow: mark, cyan: mark };
    for (const c of LOADER_SAMPLES) {
      const painted = renderFinding(c, 'x', { full: true, paint });
      expect(painted).not.toBe(renderFinding(c, 'x', { full: true }));
      expect(painted.replaceAll('\u001b[1m', '').replaceAll('\u001b[22m', '')).toBe(
        renderFinding(c, 'x', { full: true }),
      );
    }
  });
});

describe('pieces', () => {
  it('an expectation on one line', () => {
    expect(expectationText({ verdict: 'not violated', classes: [] })).toBe('not violated');
    expect(
      expectationText({ verdict: 'violated', classes: ['a', 'b'], documented: ['c'], costs: { copies: 1 } }),
    ).toBe('violated: a, b, documented: c, costs: copies 1');
  });
});
