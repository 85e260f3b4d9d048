/** Literal programs on one policy, and what they leave of PTEs and folios, as text. For tests of operations. */
import { expect } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import type { Setup } from '../domain/setup.ts';
import { type RunResult, runScenario } from '../executor/run.ts';
import { World } from '../executor/simulated.ts';
import {
  F_ANON,
  F_BUFFERS,
  F_COVERED,
  F_DIRTY,
  F_EXCLUSIVE,
  F_WRITEBACK,
  NO_PFN,
  P_DIRTY,
  P_PRESENT,
  P_SPECIAL,
  P_WRITE,
} from '../machine/machine.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { parseSteps } from '../scenario/parse.ts';

export const V57: ExpandedPolicy = expandPolicy(policyByName('v5.7-mapcount'));
export const V511: ExpandedPolicy = expandPolicy(policyByName('v5.11-page-count'));
export const V62: ExpandedPolicy = expandPolicy(policyByName('v6.2-anon-exclusive'));
export const V65: ExpandedPolicy = expandPolicy(policyByName('v6.5-longterm-ban'));

export const ANON: Setup = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 };
export const FILE: Setup = { ...pagesOf(['shared-file'], 'ext4-v5.18'), mms: 2, refs: 2, pinBias: 1024 };
export const STABLE: Setup = { ...FILE, ...pagesOf(['shared-file'], 'ext4-v5.18-stable') };

export interface Ran {
  readonly world: World;
  readonly result: RunResult;
}
/** A literal program on one policy; all of its steps must apply. */
export function run(setup: Setup, policy: ExpandedPolicy, text: string): Ran {
  const world = new World(setup, policy);
  const result = runScenario({ setup, steps: parseSteps(text) }, policy, world);
  expect([result.notApplicable, result.policyError]).toEqual([-1, '']);
  return { world, result };
}
export const last = ({ result }: Ran): string => result.outcomes.at(-1)!;

const FOLIO_FLAGS: readonly (readonly [number, string])[] = [
  [F_ANON, 'anon'],
  [F_EXCLUSIVE, 'exclusive'],
  [F_DIRTY, 'dirty'],
  [F_BUFFERS, 'buffers'],
  [F_COVERED, 'covered'],
  [F_WRITEBACK, 'writeback'],
];
/** A folio as text: `refcount/mapcount/pincount flags`. */
export function folio({ world: { machine: m } }: Ran, pfn: number): string {
  if (pfn === NO_PFN) return 'none';
  const flags = FOLIO_FLAGS.filter(([bit]) => (m.flags[pfn]! & bit) !== 0).map(([, name]) => name);
  return [`${m.refcount[pfn]}/${m.mapcount[pfn]}/${m.pincount[pfn]}`, ...flags].join(' ');
}
/** What the PTE of page 0 of an mm maps, as text: `bits -> folio`. */
export function pte(ran: Ran, mm = 0): string {
  const { machine: m, shape } = ran.world;
  const at = mm * shape.pages;
  const bits = m.pte[at]!;
  if ((bits & P_PRESENT) === 0) return 'none';
  const prot = `${(bits & P_WRITE) !== 0 ? 'w' : 'r'}${(bits & P_DIRTY) !== 0 ? 'd' : ''}`;
  return (bits & P_SPECIAL) !== 0 ? `${prot} -> zero` : `${prot} -> ${folio(ran, m.pfn[at]!)}`;
}
export const cached = (ran: Ran): string => folio(ran, ran.world.machine.cache[0]!);
export const referenced = (ran: Ran, handle = 0): string => folio(ran, ran.world.machine.refPfn[handle]!);
/** True if both name the same folio. */
export const samePfn = ({ world: { machine: m, shape } }: Ran, mm: number, other: number): boolean =>
  m.pfn[mm * shape.pages] === m.pfn[other * shape.pages];
