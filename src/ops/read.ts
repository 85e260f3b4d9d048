import { callFault } from '../machine/faults.ts';
import { EV_LOAD, P_PRESENT } from '../machine/machine.ts';
import { END_DONE, procedure } from '../machine/procedures.ts';
import { aOf, BY_PART, bOf, OP_KINDS, type Op, onPage } from './op.ts';
import { PART, type Part, partOf } from './parts.ts';
import { orSegv } from './segv.ts';

/** A CPU load; faults the page in if it has to. */
const steps: { readonly [K in 'R1']: number } = procedure('read', {
  R1: (m, t) => {
    const pte = m.task.mm[t]! * m.shape.pages + m.task.page[t]!;
    if ((m.pte[pte]! & P_PRESENT) === 0) return callFault(m, t, 0, steps.R1);
    m.emit(EV_LOAD, m.task.mm[t]!, m.task.page[t]!, m.content[m.pfn[pte]!]!, 0);
    return END_DONE;
  },
});

/** What its steps say (args.ts). */
export const READ = {
  kind: 'read',
  task: 'mm',
  args: {
    page: { is: 'page' },
    part: PART as Part,
    until: {
      pause: ['R1', 'enter', 'none', 'mkwrite', 'W1', 'W2', 'W3', 'W5', 'unshare'],
      noun: 'pause',
      title: 'It is left in flight before this step',
    },
  },
  sends: ['mm', 'page'],
} as const;

export const read: Op<typeof READ> = {
  ...READ,
  weight: 4,
  words: (s) => `${s.task} loads from ${partOf(s.part)}${s.page}`,
  title: 'a load by the CPU',
  kernel: 'mm/memory.c: do_anonymous_page(), do_read_fault()',
  live: {
    how: 'a load',
    executor: {
      inProcess: `
	return access_page((void *)page_address(step->page), NULL, &box->value);
`,
      byCoordinator: `
	enum end end = ask(step, 0);
	if (end == GOES_ON && S->now.outcome == DONE)
		saw(SH->box[step->mm].value);
	return end;
`,
    },
    c: (s, t) =>
      t.isError() ? t.fails(t.on(s, 'load_or_segv', 0)) : `\tgot = ${t.on(s, 'load', 0)};\n${t.check()}`,
    helpers: [
      {
        name: 'load',
        needs: [],
        code: `
static long load(long page, long unused)
{
	(void)unused;
	return *(volatile long *)page_at[page];
}
`,
      },
      orSegv('load', 'unused'),
    ],
  },
  shows: ['load'],
  ...onPage(OP_KINDS.indexOf('read'), BY_PART, (ref, mm, page) => ref.isMapped(mm, page)),
  allowed: (ref, step) => ref.isMapped(aOf(step), bOf(step)) && ref.isThere(bOf(step)),
  fine: true,
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    m.task.page[t] = bOf(step);
    m.task.flags[t] = 0;
    return steps.R1;
  },
  apply: () => {},
};
