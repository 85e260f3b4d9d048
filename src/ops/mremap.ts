import type { Shape } from '../domain/setup.ts';
import { V_MAPPED } from '../machine/machine.ts';
import { END_DONE, MMAP_WRITE, procedure, refuse } from '../machine/procedures.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, bOf, cOf, drawMm, namesPage, OP_KINDS, type Op, pack } from './op.ts';

const AT = OP_KINDS.indexOf('mremap');

/** Of so many draws that move a page to itself, or to a place that is not for it, one is kept. */
const ELSEWHERE_DRAWN = 4;

/**
 * mremap(2) of one page with MREMAP_MAYMOVE | MREMAP_FIXED. mm/mremap.c: mremap_to() unmaps what is at the new place,
 * vma_to_resize() finds the old mapping, move_ptes() moves the PTE as it is, and the old mapping goes, with its flags at
 * the new place (copy_vma()). The folio, its counts and its PG_anon_exclusive are not looked at. EINVAL where both
 * are one place, then EFAULT where nothing is mapped; up to v5.15 the new place was unmapped before that (550a7d60bd5e),
 * which is not modelled: an error has no effect here.
 */
const steps: { readonly [K in 'R1']: number } = procedure(
  'mremap',
  {
    R1: (m, t) => {
      const from = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const to = m.task.mm[t]! * m.shape.pages + m.task.other[t]!;
      if (from === to) return refuse(m, 'EINVAL');
      if ((m.vma[from]! & V_MAPPED) === 0) return refuse(m, 'EFAULT');
      m.zap(t, to);
      m.vma[to] = m.vma[from]!;
      m.vma[from] = 0;
      m.movePte(from, to);
      return END_DONE;
    },
  },
  { R1: { takes: MMAP_WRITE } },
);

/** Kind and file belong to the place of a page in the setup. */
const areAlike = ({ kind, file }: Shape, page: number, to: number): boolean =>
  kind[page] === kind[to] && file[page] === file[to];

const allowed = (ref: Reference, step: number): boolean =>
  bOf(step) !== cOf(step) && ref.isMapped(aOf(step), bOf(step));

const enabled = (ref: Reference, step: number): boolean =>
  namesPage(ref, step) && cOf(step) < ref.shape.pages && areAlike(ref.shape, bOf(step), cOf(step));

const offered = (ref: Reference, step: number): boolean => enabled(ref, step) && allowed(ref, step);

/** What its steps say (args.ts). */
export const MREMAP = {
  kind: 'mremap',
  task: 'mm',
  args: { page: { is: 'page' }, to: { is: 'page', noun: 'place', title: 'The page whose place it takes' } },
  sends: ['mm', 'page', 'to'],
} as const;

export const mremap: Op<typeof MREMAP> = {
  ...MREMAP,
  weight: 1,
  title: 'mremap(2) of the page to the place of another of its kind and file',
  words: (s) => `${s.task} moves ${s.page} to the place of ${s.to}`,
  kernel: 'mm/mremap.c: mremap_to(), move_ptes()',
  live: {
    how: 'mremap(2) with MREMAP_MAYMOVE | MREMAP_FIXED',
    executor: {
      inProcess: `
	return CALL(SYS_mremap, page_address(step->page), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    page_address(step->to));
`,
    },
    c: (s, t) => t.call('mremap', t.on(s, 'move_page', t.name('page', s.to))),
    helpers: [
      {
        name: 'move_page',
        needs: [],
        code: `
/* What was at the place of the other page is unmapped, and nothing is where the page was. */
static long move_page(long page, long to)
{
	void *at = mremap(page_at[page], PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page_at[to]);

	return at == MAP_FAILED ? -errno : 0;
}
`,
      },
    ],
  },
  shows: [],
  moves: (s) => [s.page, s.to],
  mapping: true,
  means: ({ pages }) =>
    pages.some((p, i) => pages.some((q, k) => k > i && q.kind === p.kind && q.file === p.file)),
  enabled,
  offered,
  allowed,
  whyNot: (_ref, s) => `${s.page} and ${s.to} are not of one kind and file, as the places of a page are here`,
  enumerate: (ref, _alphabet, out, n) => {
    const { mms, pages } = ref.shape;
    for (let mm = 0; mm < mms; mm++)
      for (let page = 0; page < pages; page++)
        for (let to = 0; to < pages; to++) {
          const step = pack(AT, mm, page, to);
          if (offered(ref, step)) out[n++] = step;
        }
    return n;
  },
  draw: (ref, _alphabet, rng) => {
    const { pages } = ref.shape;
    const any = (): number => pack(AT, drawMm(ref, rng), rng.below(pages), rng.below(pages));
    const step = any();
    return offered(ref, step) || rng.below(ELSEWHERE_DRAWN) === 0 ? step : any();
  },
  replaces: true,
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.other[t] = cOf(step);
    return steps.R1;
  },
  apply: (ref, step) => ref.mremap(aOf(step), bOf(step), cOf(step)),
};
