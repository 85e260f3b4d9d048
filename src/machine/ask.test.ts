import { expect, it } from 'vitest';
import { Rng } from '../domain/rng.ts';
import { World } from '../executor/simulated.ts';
import { Generator, setupsOf } from '../fuzz/generate.ts';
import { BUILT_IN } from '../policies/index.ts';
import { WRONG } from '../testing/wrong-policies.ts';
import { DECISION_NAMES, DECISIONS } from './decisions.ts';
import type { Machine } from './machine.ts';
import { derive, otherwise, rule, table } from './policy.ts';
import { expandPolicy } from './tables.ts';

/** Makes the machine compare each question, as code asks it, with what the table says of the same facts. Counts them. */
function compare(m: Machine, counts: number[]): void {
  let expected = -1;
  m.onAnswer = (at, entry) => {
    expect([DECISION_NAMES[at], entry]).toEqual([DECISION_NAMES[at], expected]);
    counts[at]!++;
  };
  DECISION_NAMES.forEach((name, at) => {
    const coded = m.ask[name].bind(m.ask) as (...where: [number, number, number]) => string;
    const asked = (...where: [number, number, number]): string => {
      const table = m.tables[at]!;
      expected = table.entry(m, ...where);
      const rule = table.table.ruleOf[expected]!;
      const fired = table.fired[rule]!;
      const answer = coded(...where);
      expect(answer).toBe(table.decide(expected)); // which counts as well
      expect(table.fired[rule]).toBe(fired + 2);
      return answer;
    };
    Object.assign(m.ask, { [name]: asked });
  });
}

/** Two that read as many facts of as many values, but not the same: code is shared by what is read. */
const ALIKE = (['write', 'pteWrite'] as const).map((fact) =>
  derive(
    BUILT_IN[0]!,
    { id: fact, title: fact, sources: ['a test'] },
    {
      gupFast: [
        table(
          rule(fact, (f) => f[fact], 'bail'),
          otherwise('return'),
        ),
      ],
    },
  ),
);

it('code asks as the tables are read', () => {
  const counts = DECISION_NAMES.map(() => 0);
  const truncated = { pages: ['private-file', 'shared-file'], filePages: 1, flags: '' } as const;
  const setups = [...setupsOf('default', 'all'), ...setupsOf('default', 'all', truncated)];
  const generator = new Generator(setups);
  const rng = new Rng();
  rng.seed(3, 1, 1, 1);
  for (const policy of [...BUILT_IN, ...WRONG.map((w) => w.policy), ...ALIKE]) {
    const expanded = expandPolicy(policy);
    for (let i = 0; i < 40; i++) {
      const { setup, steps, length } = generator.draw(rng);
      const world = new World(setups[setup]!, expanded);
      compare(world.machine, counts);
      for (let at = 0; at < length; at++) world.step(steps[at]!);
    }
  }
  // All but those that only interleaved runs are asked, or where there is swap.
  const asked = DECISION_NAMES.filter((name) => DECISIONS[name].only === undefined);
  expect(asked.filter((name) => counts[DECISION_NAMES.indexOf(name)]! < 20)).toEqual([]);
});
