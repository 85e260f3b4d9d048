import { expect, it } from 'vitest';
import { NO_PFN } from '../machine/machine.ts';
import { cached, FILE, pte, run, V62, V65 } from '../testing/op.ts';

it('dio_end: what it does to PTEs and counts', () => {
  const start = 'h1 = P: gup F o_direct_read W\nother: fsync f\n';
  for (const [policy, count] of [
    [V62, '4/1/0'],
    [V65, '1027/1/1'],
  ] as const) {
    expect(cached(run(FILE, policy, start))).toBe(`${count} buffers`);
    const ended = run(FILE, policy, `${start}device: dio_end h1`);
    const { machine } = ended.world;
    expect([cached(ended), machine.refPfn[0]]).toEqual(['3/1/0 dirty buffers', NO_PFN]);
    expect(machine.content[machine.cache[0]!]).not.toBe(machine.disk[0]);
  }
  // A write has only read its buffer.
  const source = run(FILE, V62, 'P: read F\nh1 = P: gup F o_direct_write R\ndevice: dio_end h1');
  expect([pte(source), source.world.machine.content[1]]).toEqual([
    'r -> 2/1/0',
    source.world.machine.disk[0],
  ]);
});
