import { BY_PRESSURE } from '../machine/reclaim.ts';
import { swapOutSteps } from '../machine/swap.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, bOf, cOf, drawPage, enumeratePages, namesPage, OP_KINDS, type Op } from './op.ts';

const AT = OP_KINDS.indexOf('swapout');

/** Variants: madvise(2) by the process, or memory pressure. */
const PRESSURE = 1;

const enabled = (ref: Reference, step: number): boolean => ref.shape.swaps > 0 && namesPage(ref, step);

const allowed = (ref: Reference, step: number): boolean =>
  cOf(step) === PRESSURE || ref.isMapped(aOf(step), bOf(step));

const offered = (ref: Reference, step: number): boolean =>
  enabled(ref, step) && ref.shape.isPrivate[bOf(step)] === 1 && ref.isMapped(aOf(step), bOf(step));

/** What its steps say (args.ts). */
export const SWAPOUT = {
  kind: 'swapout',
  task: 'mm',
  args: {
    page: { is: 'page' },
    pressure: {
      flag: 'pressure',
      title: 'Memory pressure, and not madvise(MADV_PAGEOUT), which spares what several processes map',
      cost: 1,
    },
  },
  sends: ['mm', 'page'],
} as const;

/**
 * An anonymous page goes to the swap device, or is got rid of in the swap cache. What shows the page cache is left to
 * `reclaim`. To those who rely on the page nothing happens: it is a hint.
 */
export const swapout: Op<typeof SWAPOUT> = {
  ...SWAPOUT,
  weight: 3,
  words: (s) =>
    s.pressure
      ? `memory pressure takes ${s.page} of ${s.task}, if it can`
      : `${s.task} asks for ${s.page} to be swapped out`,
  title: 'an anonymous page is swapped out: MADV_PAGEOUT, or memory pressure',
  kernel: 'mm/madvise.c: madvise_pageout(); mm/vmscan.c: shrink_folio_list(); mm/rmap.c: try_to_unmap_one()',
  live: {
    how: 'madvise(MADV_PAGEOUT) with zram, or another device, as swap; memory pressure cannot be aimed at a page',
    feature: 'pageout',
    request: true,
    number: (s, n, plain) => (s.pressure ? n.cannot('memory pressure cannot be aimed at one page') : plain()),
    steps: (_s, _n, plain) => [{ ...plain(), pressure: false }],
    executor: {
      inProcess: `
	return page_out(page_address(step->page));
`,
    },
  },
  shows: [],
  mapping: true,
  means: ({ swap, pages }) => swap !== undefined && pages.length > 0,
  ways: () => 2,
  enabled,
  offered,
  allowed,
  whyNot: ({ shape }) => (shape.swaps === 0 ? 'the setup has no swap' : ''),
  enumerate: (ref, _alphabet, out, n) => enumeratePages(AT, ref, 2, offered, out, n),
  draw: (ref, _alphabet, rng) => drawPage(AT, ref, 2, rng),
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.kind[t] = BY_PRESSURE;
    return cOf(step) === PRESSURE ? swapOutSteps.O1 : swapOutSteps.M1;
  },
  apply: () => {},
};
