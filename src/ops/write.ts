import { NO_FILE } from '../domain/setup.ts';
import { callFault } from '../machine/faults.ts';
import { EV_DIRTIED, F_BUFFERS, F_COVERED, NO_REF, P_DIRTY, P_WRITE } from '../machine/machine.ts';
import { END_DONE, procedure, T_FAULT_WRITE } from '../machine/procedures.ts';
import { aOf, BY_PART, bOf, drawPage, OP_KINDS, type Op, onPage } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';
import { orSegv } from './segv.ts';

const AT = OP_KINDS.indexOf('write');

/** Of so many stores drawn to a mapping that forbids them one is kept: it ends in SIGSEGV and changes nothing. */
const FORBIDDEN_DRAWN = 4;

/** A CPU store of fresh content; takes a write fault unless the PTE is writable. */
const steps: { readonly [K in 'S1']: number } = procedure('write', {
  S1: (m, t) => {
    const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
    if ((m.pte[pte]! & P_WRITE) === 0) return callFault(m, t, T_FAULT_WRITE, steps.S1);
    m.pte[pte]! |= P_DIRTY;
    const pfn = m.pfn[pte]!;
    m.store(pfn, m.task.token[t]!);
    // A store that page_mkwrite did not precede (a PTE made writable too boldly) is the filesystem's to complain of.
    // What was truncated is no filesystem's any more.
    if (
      m.shape.tracked[m.task.page[t]!] === 1 &&
      (m.flags[pfn]! & F_COVERED) === 0 &&
      m.mapping[pfn] !== NO_FILE
    )
      m.emit(EV_DIRTIED, m.mapping[pfn]!, NO_REF, 0, (m.flags[pfn]! & F_BUFFERS) !== 0 ? 2 : 0);
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const WRITE = {
  kind: 'write',
  task: 'mm',
  args: {
    page: { is: 'page' },
    part: PART as Part,
    until: {
      pause: ['S1', 'enter', 'none', 'mkwrite', 'W1', 'W2', 'W3', 'W5', 'unshare'],
      noun: 'pause',
      title: 'It is left in flight before this step',
    },
  },
  sends: ['mm', 'page', 'token'],
} as const;

export const write: Op<typeof WRITE> = {
  ...WRITE,
  weight: 8,
  always: true,
  words: (s) => `${s.task} stores to ${partOf(s.part)}${s.page}`,
  title: 'a store by the CPU',
  kernel: 'mm/memory.c: do_wp_page(), do_anonymous_page(), do_cow_fault(), do_shared_fault()',
  live: {
    how: 'a store',
    executor: {
      inProcess: `
	return access_page((void *)page_address(step->page), &step->token, NULL);
`,
    },
    c: (s, t) =>
      t.isError() ? t.fails(t.on(s, 'store_or_segv', s.token)) : `\t${t.on(s, 'store', s.token)};`,
    helpers: [
      {
        name: 'store',
        needs: [],
        code: `
/* Fills the page, so that a reader of any part of it sees who stored last. */
static long store(long page, long content)
{
	volatile long *word = (volatile long *)page_at[page];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		word[i] = content;
	return 0;
}
`,
      },
      orSegv('store', 'content'),
    ],
  },
  shows: ['dirtied', 'access'],
  copies: (s) => `${s.task}'s store`,
  stores: true,
  ...onPage(AT, BY_PART, (ref, mm, page) => ref.isMapped(mm, page)),
  draw: (ref, _alphabet, rng) => {
    const step = drawPage(AT, ref, BY_PART, rng);
    const keep = ref.isWritable(aOf(step), bOf(step)) || rng.below(FORBIDDEN_DRAWN) === 0;
    return keep ? step : drawPage(AT, ref, BY_PART, rng);
  },
  allowed: (ref, step) => ref.isWritable(aOf(step), bOf(step)) && ref.isThere(bOf(step)),
  fine: true,
  start: (m, t, step, token) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.token[t] = token;
    m.task.flags[t] = 0;
    return steps.S1;
  },
  apply: (ref, step, token) => ref.store(aOf(step), bOf(step), token),
};
