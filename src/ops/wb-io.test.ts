import { describe, expect, it } from 'vitest';
import { alphabetFor, pagesOf } from '../check/scope.ts';
import { Search } from '../check/search.ts';
import { runScenario } from '../executor/run.ts';
import { before as inFront, derive, type Policy, rule } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { decodeClass } from '../executor/simulated.ts';
import { gupVariant } from './gup.ts';
import { parseSteps } from '../scenario/parse.ts';
import { FILE, last, pte, type Ran, run, V62 } from '../testing/op.ts';

const APART = { ...FILE, ...pagesOf(['shared-file'], 'ext4-v5.18-apart') };
const HELD = 'h1 = P: gup F get W\nkernel: wb_start f NONE\n';
/** Does the disk hold what the folio holds? */
const isWritten = ({ world: { machine: m } }: Ran): boolean => m.disk[0] === m.content[m.cache[0]!];

describe('wb_io', () => {
  it('takes what the disk gets, and changes neither PTEs nor counts', () => {
    const begun = run(APART, V62, HELD);
    const read = run(APART, V62, `${HELD}kernel: wb_io f`);
    expect([last(read), pte(read)]).toEqual(['done', pte(begun)]);
    // What a device stores later is not on the disk; without it the disk reads at the end.
    const later = 'device: dma_write h1\nkernel: wb_end f';
    expect(isWritten(run(APART, V62, `${HELD}kernel: wb_io f\n${later}`))).toBe(false);
    expect(isWritten(run(APART, V62, `${HELD}${later}`))).toBe(true);
  });
  it('reads once, and nothing where no writeback is in flight', () => {
    expect(last(run(APART, V62, `${HELD}kernel: wb_io f\nkernel: wb_io f`))).toBe('no effect');
    expect(last(run(APART, V62, `${HELD}kernel: wb_io f\nkernel: wb_end f\nkernel: wb_io f`))).toBe(
      'no effect',
    );
    // The next writeback reads anew.
    const again = run(
      APART,
      V62,
      `${HELD}kernel: wb_io f\nkernel: wb_end f\nP: write F\nkernel: wb_start f NONE\nkernel: wb_end f`,
    );
    expect(isWritten(again)).toBe(true);
  });
  it('tells a rule that writeback in flight takes all there is, which a disk that reads at the end hides', () => {
    const trusting = derive(
      policyByName('v6.5-longterm-ban'),
      { id: 'trusts-writeback', title: 'what is under writeback need not be dirtied', sources: ['a test'] },
      {
        unpinDirty: [
          inFront(
            'otherwise',
            rule('under writeback', (f) => f.writeback, 'ignore'),
          ),
        ],
      },
    );
    const broken = (filesystem: string): string[] => {
      const setup = { ...pagesOf(['shared-file'], filesystem), mms: 1, refs: 1, pinBias: 1024 };
      const search = (policy: Policy): Set<string> => {
        const found = new Search({
          setup,
          policy: expandPolicy(policy),
          alphabet: alphabetFor(setup, [gupVariant('pin', true, false, false)]),
          statesMax: 200_000,
          grain: 'property',
        });
        found.runTo(7);
        return new Set(
          [...found.found.values()].map(({ code }) => {
            const { property, damage } = decodeClass(code);
            return `${property} ${damage}`;
          }),
        );
      };
      const base = search(policyByName('v6.5-longterm-ban'));
      return [...search(trusting)].filter((one) => !base.has(one));
    };
    expect(broken('ext4-v5.18')).toEqual([]);
    expect(broken('ext4-v5.18-apart')).toEqual(['durability stale']);
  });
  it('is for disks that read at a time of their own', () => {
    const { whyNot } = runScenario({ setup: FILE, steps: parseSteps(`${HELD}kernel: wb_io f`) }, V62);
    expect(whyNot).toBe('the disk of f reads at the end of writeback (its filesystem says when)');
  });
});
