import { describe, expect, it } from 'vitest';
import type { SwapDevice } from '../domain/swap.ts';
import type { Setup } from '../domain/setup.ts';
import { F_DIRTY, NO_PFN } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { ANON, folio, last, pte, type Ran, run, samePfn, V511, V57, V62, V65 } from '../testing/op.ts';

const on = (swap: SwapDevice, setup: Setup = ANON): Setup => ({ ...setup, mms: 3, swap });

/** The swap entry of page 0 of an mm: `slot, exclusive; how many name it; what is in the swap cache`. */
function entry(ran: Ran, mm = 0): string {
  const { machine: m, shape } = ran.world;
  const slot = m.swapEntry[mm * shape.pages]! - 1;
  if (slot < 0) return 'none';
  const exclusive = m.swapExclusive[mm * shape.pages] === 1 ? ', exclusive' : '';
  return `${slot}${exclusive}; ${m.swapCount[slot]}; ${folio(ran, m.folioOfSlot(slot))}`;
}
/** Does the folio in the swap cache of slot 0 hold what its slot lacks? */
const isDirty = ({ world: { machine: m } }: Ran): boolean =>
  m.folioOfSlot(0) !== NO_PFN && (m.flags[m.folioOfSlot(0)]! & F_DIRTY) !== 0;

describe('swapout', () => {
  it('writes an anonymous page to its slot: on zram the folio is free at once, on a disk the second time', () => {
    const zram = run(on('zram'), V65, 'P: write A\nP: swapout A');
    expect([last(zram), pte(zram), entry(zram)]).toEqual(['done', 'none', '0, exclusive; 1; none']);
    const disk = run(on('disk'), V65, 'P: write A\nP: swapout A');
    expect(entry(disk)).toBe('0, exclusive; 1; 1/0/0 anon');
    // No PTE maps it: madvise() does not see it, reclaim does.
    const asked = run(on('disk'), V65, 'P: write A\nP: swapout A\nP: swapout A');
    expect([last(asked), entry(asked)]).toEqual(['no effect', entry(disk)]);
    expect(entry(run(on('disk'), V65, 'P: write A\nP: swapout A\nP: swapout A pressure'))).toBe(
      '0, exclusive; 1; none',
    );
  });

  it.each(['zram', 'disk'] as const)('%s: what was stored is read back, whoever swapped it out', (swap) => {
    for (const policy of [V57, V511, V62, V65])
      for (const how of ['', ' pressure'])
        for (const times of [1, 2, 3]) {
          const out = `P: swapout A${how}\n`.repeat(times);
          const ran = run(on(swap), policy, `P: write A\n${out}P: read A\nP: write A\n${out}P: read A`);
          expect(ran.result.verdict).toBe('not violated');
        }
  });

  it('MADV_PAGEOUT spares what several processes map, memory pressure does not', () => {
    const shared = 'P: write A\nC = P: fork\n';
    expect(last(run(on('zram'), V65, `${shared}P: swapout A`))).toBe('no effect');
    const taken = run(on('zram'), V65, `${shared}P: swapout A pressure`);
    // Fork has made the page nobody's own, and neither entry is exclusive.
    expect([entry(taken, 0), entry(taken, 1)]).toEqual(['0; 2; none', '0; 2; none']);
  });

  it('takes nothing but anonymous pages: ENOMEM where nothing is mapped, no effect on the zero page', () => {
    expect(last(run(on('zram'), V65, 'P: munmap A\nP: swapout A'))).toBe('refused');
    expect(last(run(on('zram'), V65, 'P: munmap A\nP: swapout A pressure'))).toBe('no effect');
    expect(last(run(on('zram'), V65, 'P: read A\nP: swapout A'))).toBe('no effect');
    expect(last(run(on('zram'), V65, 'P: swapout A'))).toBe('no effect');
  });

  it('of a page with a GET: the folio stays in the swap cache, not written (is_page_cache_freeable())', () => {
    for (const policy of [V57, V511, V65]) {
      const ran = run(on('zram'), policy, 'h1 = P: gup A get W\nP: swapout A');
      expect([pte(ran), entry(ran).replace(', exclusive', ''), isDirty(ran)]).toEqual([
        'none',
        '0; 1; 2/0/0 anon dirty',
        true,
      ]);
    }
  });

  it('of a pinned page: not put into the swap cache from v5.11 on (feb889fb40fa)', () => {
    const text = 'h1 = P: gup A pin W\nP: swapout A';
    expect(entry(run(on('zram'), V57, text))).toBe('0; 1; 1025/0/1 anon dirty');
    for (const policy of [V511, V62, V65]) {
      const ran = run(on('zram'), policy, text);
      expect([last(ran), entry(ran)]).toEqual(['no effect', 'none']);
    }
  });

  it('of a page pinned while it is in the swap cache: it stays mapped where it is exclusive (6c287605fd56)', () => {
    const text = 'P: write A\nP: swapout A\nP: read A\nh1 = P: gup A pin R\nP: swapout A';
    const mapped = (policy: ExpandedPolicy): boolean => pte(run(on('disk'), policy, text)) !== 'none';
    expect([V511, V62, V65].map(mapped)).toEqual([false, true, true]);
  });
});

describe('swap-in', () => {
  it('maps read-only for a load, and keeps the swap cache', () => {
    const text = 'P: write A\nP: swapout A\nP: read A';
    expect(pte(run(on('disk'), V511, text))).toBe('r -> 2/1/0 anon');
    // The entry remembers that the page was this mm's own (1493a1913e34).
    expect(pte(run(on('disk'), V65, text))).toBe('r -> 2/1/0 anon exclusive');
    // Beside the swap cache there is one reference.
    expect(pte(run(on('zram'), V511, text))).toBe('r -> 1/1/0 anon');
    expect(pte(run(on('zram'), V65, text))).toBe('r -> 1/1/0 anon exclusive');
  });

  it('for a store is writable at once where the page is one mm’s own, and drops the swap cache if it can', () => {
    const text = 'P: write A\nP: swapout A\nP: write A';
    for (const policy of [V57, V511]) expect(pte(run(on('disk'), policy, text))).toBe('wd -> 1/1/0 anon');
    expect(pte(run(on('disk'), V65, text))).toBe('wd -> 1/1/0 anon exclusive');
  });

  it('of a page that was shared before: copied for the one that stores, in place for the last', () => {
    const text = 'P: write A\nC = P: fork\nP: swapout A pressure\nP: write A';
    for (const policy of [V57, V511, V62, V65])
      for (const swap of ['zram', 'disk'] as const) {
        const ran = run(on(swap), policy, `${text}\nC: write A\nC: read A\nP: read A`);
        expect([samePfn(ran, 0, 1), ran.result.verdict]).toEqual([false, 'not violated']);
      }
  });

  it('fork duplicates the entry, and neither is exclusive then', () => {
    const ran = run(on('zram'), V65, 'P: write A\nP: swapout A\nC = P: fork');
    expect([entry(ran, 0), entry(ran, 1)]).toEqual(['0; 2; none', '0; 2; none']);
  });

  it('munmap, exit, MADV_DONTNEED and mremap take entries along, and the slot is free after the last', () => {
    const text = 'P: write A\nP: swapout A\nC = P: fork\n';
    for (const call of ['C: munmap A', 'C: exit', 'C: madvise A dontneed'])
      expect(entry(run(on('disk'), V65, `${text}${call}`))).toBe('0; 1; 1/0/0 anon');
    const gone = run(on('disk'), V65, `${text}C: exit\nP: munmap A`);
    const { machine } = gone.world;
    expect([machine.swapCount[0], machine.folioOfSlot(0), machine.swapContent[0]]).toEqual([0, NO_PFN, 0]);
  });
});
