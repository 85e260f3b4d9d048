import { V_MAPPED } from '../machine/machine.ts';
import { END_DONE, MMAP_WRITE, procedure } from '../machine/procedures.ts';
import { aOf, drawMm, OP_KINDS, type Op, pack } from './op.ts';

const AT = OP_KINDS.indexOf('exit');

/** mm/mmap.c: exit_mmap(): every mapping is zapped; references outlive it. */
const steps: { readonly [K in 'X1']: number } = procedure(
  'exit',
  {
    X1: (m, t) => {
      const mm = m.task.mm[t]!;
      for (let v = 0; v < m.shape.pages; v++) {
        const pte = mm * m.shape.pages + v;
        if ((m.vma[pte]! & V_MAPPED) !== 0) m.zap(t, pte);
        m.vma[pte] = 0;
      }
      m.alive[mm] = 0;
      m.hasPinned[mm] = 0;
      m.beginNotes(mm);
      return END_DONE;
    },
  },
  { X1: { takes: MMAP_WRITE } },
);

const enabled: Op['enabled'] = (ref, step) => ref.alive[aOf(step)] === 1 && ref.aliveCount() > 1;

/** What its steps say (args.ts). */
export const EXIT = { kind: 'exit', task: 'mm', args: {}, ends: 'mm', sends: ['mm'] } as const;

export const exit: Op<typeof EXIT> = {
  ...EXIT,
  weight: 1,
  words: (s) => `${s.task} exits`,
  title: 'the process exits (the last one cannot)',
  kernel: 'mm/mmap.c: exit_mmap()',
  live: {
    how: '_exit(2)',
    executor: {
      inProcess: `
	CALL(SYS_exit_group, 0);
	return 0;
`,
      byCoordinator: `
	return command(step, 0);
`,
    },
    c: (s, t) => `\texit_process(${t.name('mm', s.mm)});`,
  },
  shows: [],
  whyNot: (_ref, s) => `${s.task} is the last process, and one must be left`,
  enabled,
  offered: enabled,
  enumerate: (ref, _alphabet, out, n) => {
    if (ref.aliveCount() < 2) return n;
    for (let mm = 0; mm < ref.shape.mms; mm++) if (ref.alive[mm] === 1) out[n++] = pack(AT, mm);
    return n;
  },
  draw: (ref, _alphabet, rng) => (ref.aliveCount() < 2 ? -1 : pack(AT, drawMm(ref, rng))),
  replaces: true,
  start: (m, t, step) => {
    m.task.mm[t] = aOf(step);
    return steps.X1;
  },
  apply: (ref, step) => ref.exit(aOf(step)),
};
