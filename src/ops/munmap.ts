import { V_MAPPED } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, procedure } from '../machine/procedures.ts';
import { aOf, bOf, OP_KINDS, type Op, onPage } from './op.ts';

/**
 * mm/memory.c: zap_pte_range(): drops the mapping and its reference, never looks at pins. munmap(2): it is not an
 * error if nothing is mapped there.
 */
const steps: { readonly [K in 'Z1']: number } = procedure('munmap', {
  Z1: (m, t) => {
    const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
    if ((m.vma[pte]! & V_MAPPED) === 0) return END_NO_EFFECT;
    m.zap(pte);
    m.vma[pte] = 0;
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const MUNMAP = { kind: 'munmap', task: 'mm', args: { page: { is: 'page' } } } as const;

export const munmap: Op<typeof MUNMAP> = {
  ...MUNMAP,
  weight: 2,
  title: 'munmap(2) of the page',
  kernel: 'mm/mmap.c: do_munmap(); mm/memory.c: zap_pte_range()',
  live: 'munmap(2)',
  ...onPage(OP_KINDS.indexOf('munmap'), 1, (ref, mm, page) => ref.isMapped(mm, page)),
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    return steps.Z1;
  },
  apply: (ref, step) => ref.munmap(aOf(step), bOf(step)),
};
