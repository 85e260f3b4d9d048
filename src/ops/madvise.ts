import { V_DONTFORK, V_MAPPED } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, MMAP_WRITE, procedure, refuse } from '../machine/procedures.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, bOf, cOf, drawPage, enumeratePages, namesPage, OP_KINDS, type Op } from './op.ts';

const AT = OP_KINDS.indexOf('madvise');

/** Variants, by index in what `advice` may be. */
export const DONTNEED = 0;
export const DONTFORK = 1;

/**
 * mm/madvise.c: madvise_dontneed_single_vma() zaps without a look at pins; the fork advices set a VMA flag, of shared
 * mappings too, and do nothing where it is as asked. madvise(2): ENOMEM where nothing is mapped.
 */
const steps: { readonly [K in 'A1']: number } = procedure(
  'madvise',
  {
    A1: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const vma = m.vma[pte]!;
      if ((vma & V_MAPPED) === 0) return refuse(m, 'ENOMEM');
      if (m.task.kind[t] === DONTNEED) {
        m.zap(t, pte);
        return END_DONE;
      }
      const wanted = m.task.kind[t] === DONTFORK ? vma | V_DONTFORK : vma & ~V_DONTFORK;
      m.vma[pte] = wanted;
      return wanted === vma ? END_NO_EFFECT : END_DONE;
    },
  },
  { A1: { takes: MMAP_WRITE } },
);

// MADV_DONTFORK is offered for private mappings alone: of a shared one it takes a mapping from the child that would show
// what every other mapping of the file shows.
const offered = (ref: Reference, step: number): boolean => {
  const mm = aOf(step);
  const page = bOf(step);
  if (!ref.isMapped(mm, page)) return false;
  if (cOf(step) === DONTNEED) return true;
  if (ref.shape.isPrivate[page] === 0) return false;
  return ref.dontfork[mm * ref.shape.pages + page] === (cOf(step) === DONTFORK ? 0 : 1);
};

/** What its steps say (args.ts). */
export const MADVISE = {
  kind: 'madvise',
  task: 'mm',
  args: {
    page: { is: 'page' },
    advice: {
      oneOf: ['dontneed', 'dontfork', 'dofork'],
      title: 'MADV_DONTNEED, MADV_DONTFORK or MADV_DOFORK',
    },
  },
  sends: ['mm', 'page', 'advice'],
} as const;

export const madvise: Op<typeof MADVISE> = {
  ...MADVISE,
  weight: 2,
  words: (s) => `${s.task} calls madvise(MADV_${s.advice.toUpperCase()}) on ${s.page}`,
  title: 'madvise(2): dontneed, dontfork, dofork',
  kernel: 'mm/madvise.c: madvise_dontneed_single_vma(), madvise_vma_behavior()',
  live: {
    how: 'madvise(2)',
    executor: {
      values: { advice: { dontneed: 'MADV_DONTNEED', dontfork: 'MADV_DONTFORK', dofork: 'MADV_DOFORK' } },
      inProcess: `
	return CALL(SYS_madvise, page_address(step->page), PAGE, step->word);
`,
    },
    c: (s, t) => t.call('madvise', t.on(s, 'advise', `MADV_${s.advice.toUpperCase()}`)),
    helpers: [
      {
        name: 'advise',
        needs: [],
        code: `
static long advise(long page, long advice)
{
	return madvise(page_at[page], PAGE, advice) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: [],
  mapping: true,
  ways: () => 2,
  enabled: namesPage,
  offered,
  allowed: (ref, step) => ref.isMapped(aOf(step), bOf(step)),
  enumerate: (ref, _alphabet, out, n) => enumeratePages(AT, ref, 3, offered, out, n),
  draw: (ref, _alphabet, rng) => drawPage(AT, ref, 3, rng),
  replaces: true,
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.kind[t] = cOf(step);
    return steps.A1;
  },
  apply: (ref, step) => {
    if (cOf(step) === DONTNEED) ref.dontneed(aOf(step), bOf(step));
    else ref.setDontfork(aOf(step), bOf(step), cOf(step) === DONTFORK);
  },
};
