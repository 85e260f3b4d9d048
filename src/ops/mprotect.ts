import { P_PRESENT, P_WRITE, V_MAPPED, V_WRITE } from '../machine/machine.ts';
import { END_DONE, END_NO_EFFECT, MMAP_WRITE, procedure, refuse } from '../machine/procedures.ts';
import type { Reference } from '../reference/reference.ts';
import { aOf, bOf, cOf, drawPage, enumeratePages, namesPage, OP_KINDS, type Op } from './op.ts';

const AT = OP_KINDS.indexOf('mprotect');

/** Variant: 0 makes the page PROT_READ, 1 PROT_READ|PROT_WRITE. */
export const PROTECT_RO = 0;
export const PROTECT_RW = 1;

/**
 * mm/mprotect.c: change_pte_range(). Taking write away clears the PTE's write bit; giving it back may need a fault.
 * do_mprotect_pkey() fails with ENOMEM where nothing is mapped (mprotect(2)); mprotect_fixup() returns at once if the
 * VMA's flags are what they were.
 */
const steps: { readonly [K in 'M1']: number } = procedure(
  'mprotect',
  {
    M1: (m, t) => {
      const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
      const vma = m.vma[pte]!;
      if ((vma & V_MAPPED) === 0) return refuse(m, 'ENOMEM');
      if (((vma & V_WRITE) !== 0) === (m.task.kind[t] === PROTECT_RW)) return END_NO_EFFECT;
      if (m.task.kind[t] === PROTECT_RO) {
        m.vma[pte]! &= ~V_WRITE;
        if ((m.pte[pte]! & P_WRITE) !== 0 && m.ask.protectDowngrade(t, pte, m.pfn[pte]!) === 'wrprotect')
          m.pte[pte]! &= ~P_WRITE;
        return END_DONE;
      }
      m.vma[pte]! |= V_WRITE;
      const bits = m.pte[pte]!;
      if ((bits & P_PRESENT) === 0) return END_DONE;
      if (m.ask.protectUpgrade(t, pte, m.pfn[pte]!) === 'upgrade') m.pte[pte]! |= P_WRITE;
      return END_DONE;
    },
  },
  { M1: { takes: MMAP_WRITE } },
);

const offered = (ref: Reference, step: number): boolean =>
  ref.isMapped(aOf(step), bOf(step)) && ref.isWritable(aOf(step), bOf(step)) === (cOf(step) === PROTECT_RO);

/** What its steps say (args.ts). */
export const MPROTECT = {
  kind: 'mprotect',
  task: 'mm',
  args: {
    page: { is: 'page' },
    prot: { oneOf: ['r', 'rw'], noun: 'protection', title: 'PROT_READ, or PROT_READ|PROT_WRITE' },
  },
  sends: ['mm', 'page', 'prot'],
} as const;

export const mprotect: Op<typeof MPROTECT> = {
  ...MPROTECT,
  weight: 3,
  words: (s) => `${s.task} makes ${s.page} ${s.prot === 'r' ? 'read-only' : 'writable'}`,
  title: 'mprotect(2) of the page to r or rw',
  kernel: 'mm/mprotect.c: change_pte_range(), can_change_pte_writable()',
  live: {
    how: 'mprotect(2)',
    executor: {
      values: { prot: { r: 'PROT_READ', rw: 'PROT_READ | PROT_WRITE' } },
      inProcess: `
	return CALL(SYS_mprotect, page_address(step->page), PAGE, step->word);
`,
    },
    c: (s, t) =>
      t.call('mprotect', t.on(s, 'protect', s.prot === 'r' ? 'PROT_READ' : 'PROT_READ | PROT_WRITE')),
    helpers: [
      {
        name: 'protect',
        needs: [],
        code: `
static long protect(long page, long prot)
{
	return mprotect(page_at[page], PAGE, prot) ? -errno : 0;
}
`,
      },
    ],
  },
  shows: [],
  mapping: true,
  enabled: namesPage,
  offered,
  allowed: (ref, step) => ref.isMapped(aOf(step), bOf(step)),
  enumerate: (ref, _alphabet, out, n) => enumeratePages(AT, ref, 2, offered, out, n),
  draw: (ref, _alphabet, rng) => drawPage(AT, ref, 2, rng),
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.kind[t] = cOf(step);
    return steps.M1;
  },
  apply: (ref, step) => ref.mprotect(aOf(step), bOf(step), cOf(step) === PROTECT_RW),
};
