/** Every fact is read where every decision is made, also those that no rule reads: each has a value of its domain. */
import { expect, it } from 'vitest';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { BLOCKED, type PageKind, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { Rng } from '../domain/rng.ts';
import { runScenario } from '../executor/run.ts';
import { World } from '../executor/simulated.ts';
import { GUP_VARIANTS } from '../ops/gup.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';
import { WRONG } from '../testing/wrong-policies.ts';
import { DECISION_NAMES, DECISIONS, type DecisionName, READERS } from './decisions.ts';
import { NO_PTE } from './facts.ts';
import type { Machine } from './machine.ts';
import { NOTE_SORTS } from './notes.ts';
import { NO_PFN, ZERO_PFN } from './state.ts';
import { expandPolicy } from './tables.ts';

/**
 * By fact of a point (`wpFault.refcount`) the values that it had, what is out of its domain as text; and by point, whether
 * there was an mm, and a folio that is nobody else's.
 */
function valuesMet(): { met: Map<string, Set<unknown>>; atHand: Map<string, Set<boolean>> } {
  const met = new Map<string, Set<unknown>>();
  const atHand = new Map<string, Set<boolean>>();
  const watch = (m: Machine): void => {
    for (const name of DECISION_NAMES) {
      const ask = m.ask[name].bind(m.ask) as (task: number, pte: number, pfn: number) => never;
      const asked = (task: number, pte: number, pfn: number): never => {
        DECISIONS[name].facts.forEach(([fact, domain], i) => {
          const value = Number(READERS[name][i]!(m, task, pte, pfn));
          const known = met.get(`${name}.${fact}`) ?? new Set();
          met.set(`${name}.${fact}`, known.add(domain[value] ?? `number ${value}`));
        });
        const there = (sort: string, is: boolean): void => {
          atHand.set(`${name} ${sort}`, (atHand.get(`${name} ${sort}`) ?? new Set()).add(is));
        };
        // The task that forks has an mm, whichever PTE it is at; those of writeback and of holders have none.
        there('mm', pte !== NO_PTE || name === 'forkHasPinned');
        there('folio', pfn !== NO_PFN && pfn !== ZERO_PFN);
        return ask(task, pte, pfn);
      };
      (m.ask as { [D in DecisionName]: unknown })[name] = asked;
    }
  };
  for (const policy of [...BUILT_IN, ...WRONG.map((w) => w.policy)])
    for (const [{ filePages, ...more }, ...kinds] of [
      [{}, 'anon', 'private-file'],
      [{}, 'shared-file'],
      [{}, 'shmem', 'private-file'],
      [{ filePages: 2 }, 'shared-file', 'private-file'], // what truncate asks
      [{ tasks: 2 }, 'anon'], // what GUP-fast and fork ask of each other
      [{ swap: 'zram' }, 'anon'],
      [{ swap: 'disk' }, 'private-file'],
    ] as readonly (readonly [Pick<Setup, 'tasks' | 'swap'> & { filePages?: number }, ...PageKind[]])[]) {
      const pages = pagesOf(kinds, 'ext4-v5.17-stable', filePages);
      const setup = { ...pages, mms: 3, refs: 3, pinBias: 4, ...more };
      const world = new World(setup, expandPolicy(policy));
      watch(world.machine);
      const alphabet = alphabetFor(setup, 'swap' in more ? PLAIN_GUPS : GUP_VARIANTS);
      const rng = new Rng();
      rng.seed(7, kinds.length, 1, 1);
      const out = new Int32Array(4096);
      for (let i = 0; i < 200; i++) {
        if (i % 20 === 0 || world.ended) world.reset();
        const outcome = world.step(out[rng.below(world.enumerate(alphabet, out))]!);
        if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
      }
    }
  // An exclusive entry when its mm forks is rare, and so is a writable clean PTE of a page in the swap cache.
  const setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024, swap: 'disk' } as const;
  for (const text of [
    'P: write A\nP: swapout A\nC = P: fork',
    'P: write A\nP: mprotect A r\nP: swapout A\nP: read A\nP: mprotect A rw\nh1 = P: gup A get W',
  ]) {
    const policy = expandPolicy(policyByName('v6.5-longterm-ban'));
    const world = new World(setup, policy);
    watch(world.machine);
    runScenario({ setup, steps: parseSteps(text) }, policy, world);
  }
  return { met, atHand };
}

it('values of the domain, at every decision point; notes of what is at hand', () => {
  const { met, atHand } = valuesMet();
  const asked = DECISION_NAMES.filter((name) => DECISIONS[name].only !== 'fine');
  for (const name of asked)
    for (const [fact, domain] of DECISIONS[name].facts)
      for (const value of met.get(`${name}.${fact}`) ?? ['never asked'])
        expect(domain, `${name}.${fact}`).toContain(value);
  // Notes can be read where what they are of is ever at hand, and nowhere else.
  for (const name of asked)
    for (const sort of NOTE_SORTS)
      expect([name, sort, atHand.get(`${name} ${sort}`)!.has(true)]).toEqual([
        name,
        sort,
        !DECISIONS[name].lacks.includes(sort),
      ]);
});
