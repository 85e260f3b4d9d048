import { describe, expect, it } from 'vitest';
import { DONE } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { otherwise, table, derive, type Policy } from '../machine/policy.ts';
import { stepName } from '../machine/procedures.ts';
import { expandPolicy } from '../machine/tables.ts';
import { gupVariant } from '../ops/gup.ts';
import { OP_KINDS, type OpKind, pack } from '../ops/op.ts';
import { classId } from '../property/property.ts';
import { pageCount } from '../policies/v5.11-page-count.ts';
import { decodeClass, IN_FLIGHT, World } from './simulated.ts';

const SETUP: Setup = {
  pages: [{ name: 'A', kind: 'anon', prot: 'rw' }],
  files: [],
  mms: 2,
  refs: 1,
  tasks: 2,
  pinBias: 1024,
};
const at = (kind: OpKind, a: number, b = 0, c = 0): number => pack(OP_KINDS.indexOf(kind), a, b, c);

/** v5.9 to v5.10.0: as v5.11, and nobody reads write_protect_seq. */
const withoutSeq: Policy = derive(
  pageCount,
  { id: 'v5.9-without-seq', title: 'without write_protect_seq', sources: [] },
  { writeProtectSeq: [table(otherwise('ignore'))] },
);

/** Lets a task go on until it is about to do the step of this name, or to its end. */
function runTo(world: World, task: number, name: string): number {
  for (let n = 0; n < 100; n++) {
    if (stepName(world.machine.task.pc[task]!) === name) return IN_FLIGHT;
    const outcome = world.advance(task);
    if (outcome !== IN_FLIGHT) return outcome;
  }
  throw new Error(`never at ${name}`);
}

describe('two tasks', () => {
  /** B13: fork has found A not pinned; a thread of P pins it; fork write-protects and shares it. */
  const b13 = (policy: Policy): string[] => {
    const world = new World(SETUP, expandPolicy(policy));
    expect(world.step(at('write', 0))).toBe(DONE);
    expect(world.begin(0, at('fork', 0))).toBe(IN_FLIGHT);
    expect(runTo(world, 0, 'fork.K4')).toBe(IN_FLIGHT);
    expect(world.begin(1, at('gup', 0, 0, gupVariant('pin', true, false, true)))).toBe(IN_FLIGHT);
    let gup: number = IN_FLIGHT;
    while (gup === IN_FLIGHT && world.canAdvance(1)) gup = world.advance(1);
    expect(runTo(world, 0, '')).toBe(DONE);
    if (gup === IN_FLIGHT) expect(runTo(world, 1, '')).toBe(DONE);
    expect(world.step(at('write', 0))).toBe(DONE);
    expect(world.step(at('dma_write', 0))).toBe(DONE);
    expect(world.step(at('read', 0))).toBe(DONE);
    return world.violations.map((v) => classId(decodeClass(v.code)));
  };

  it('lose what a device stores if GUP-fast does not heed write_protect_seq (B13, before 57efa1fe5957)', () => {
    expect(b13(withoutSeq)).toEqual(['pin-coherence/stale/anon/PIN-W/device->cpu']);
  });
  it('lose nothing if it does', () => {
    expect(b13(pageCount)).toEqual([]);
  });
});
