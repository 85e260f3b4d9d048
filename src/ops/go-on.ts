import { END_NO_EFFECT } from '../machine/procedures.ts';
import { aOf, type Op } from './op.ts';

/** What its steps say (args.ts). */
export const GO_ON = {
  kind: 'go_on',
  task: 'mm',
  args: {
    what: {
      oneOf: ['fork', 'gup', 'read', 'write'],
      noun: 'operation',
      title: 'Which operation of the mm goes on',
    },
    later: { flag: 'later', title: 'Of two of them in flight the one that began later' },
    until: {
      pause: [
        'K2',
        'K4',
        'K5',
        'F1',
        'F2',
        'F5',
        'F8',
        'S1',
        'S2',
        'R1',
        'enter',
        'none',
        'mkwrite',
        'W1',
        'W2',
        'W3',
        'W5',
        'unshare',
      ],
      noun: 'pause',
      title: 'It is left in flight before this step; absent: it runs to its end',
    },
  },
} as const;

/** Operations that can be left in flight, by kind. */
export const INTERLEAVED: typeof GO_ON.args.what.oneOf = GO_ON.args.what.oneOf;

/**
 * An operation of the mm that is in flight goes on, the one that began first; no effect where there is none. The world
 * does it (executor/simulated.ts): nothing is started here.
 */
export const goOn: Op<typeof GO_ON> = {
  ...GO_ON,
  weight: 4,
  words: (s) => `the ${s.later ? 'later ' : ''}${s.what} of ${s.task} goes on`,
  title: 'an operation in flight goes on',
  kernel: 'none: the task runs again',
  live: { how: 'no program can stop a kernel between two of its steps' },
  shows: [],
  means: ({ tasks }) => tasks !== undefined,
  whyNot: (ref) => (ref.shape.tasks < 2 ? 'operations are not interleaved: setup.tasks is not said' : ''),
  enabled: (ref, step) => ref.shape.tasks > 1 && ref.alive[aOf(step)] === 1,
  offered: () => false,
  enumerate: (_ref, _alphabet, _out, n) => n,
  draw: () => -1,
  start: () => END_NO_EFFECT,
  apply: () => {},
};
