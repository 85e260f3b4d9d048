import { V_MAPPED } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, MMAP_WRITE, procedure } from '../machine/procedures.ts';
import { aOf, bOf, OP_KINDS, type Op, onPage } from './op.ts';

/**
 * mm/memory.c: zap_pte_range(): drops the mapping and its reference, never looks at pins. munmap(2): it is not an
 * error if nothing is mapped there.
 */
const steps: { readonly [K in 'Z1']: number } = procedure(
  'munmap',
  {
    Z1: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      if ((m.vma[pte]! & V_MAPPED) === 0) return END_NO_EFFECT;
      m.zap(t, pte);
      m.vma[pte] = 0;
      return END_DONE;
    },
  },
  { Z1: { takes: MMAP_WRITE } },
);

/** What its steps say (args.ts). */
export const MUNMAP = {
  kind: 'munmap',
  task: 'mm',
  args: { page: { is: 'page' } },
  sends: ['mm', 'page'],
} as const;

export const munmap: Op<typeof MUNMAP> = {
  ...MUNMAP,
  weight: 2,
  words: (s) => `${s.task} unmaps ${s.page}`,
  title: 'munmap(2) of the page',
  kernel: 'mm/mmap.c: do_munmap(); mm/memory.c: zap_pte_range()',
  live: {
    how: 'munmap(2)',
    executor: {
      inProcess: `
	return CALL(SYS_munmap, page_address(step->page), PAGE);
`,
    },
    c: (s, t) => t.call('munmap', t.on(s, 'unmap', 0)),
    helpers: [
      {
        name: 'unmap',
        needs: [],
        code: `
static long unmap(long page, long unused)
{
	(void)unused;
	return munmap(page_at[page], PAGE) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: [],
  mapping: true,
  ...onPage(OP_KINDS.indexOf('munmap'), 1, (ref, mm, page) => ref.isMapped(mm, page)),
  replaces: true,
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    return steps.Z1;
  },
  apply: (ref, step) => ref.munmap(aOf(step), bOf(step)),
};
