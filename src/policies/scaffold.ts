/**
 * Source text of a new user policy and of its test, for `gupfuzz init policy NAME`. Both use the package only
 * through its entry, `gupfuzz`.
 */
import { nameProblem } from './shape.ts';

const BASE = 'v6.5-longterm-ban';

/** NAME.ts. Throws RangeError if the name cannot be a policy id. */
export function policyTemplate(name: string): string {
  check(name);
  return `/**
 * ${name}: the idea in one sentence.
 *
 * Source: the series or list post it stands for, and the release it is based on.
 * Right: what it gets right.
 * Price: what it costs, and what it leaves broken.
 *
 * A policy is one table of named rules per decision of the kernel. A rule sees only facts that the kernel
 * could see there; the first match counts; the last rule is total. derive() takes the tables of a
 * predecessor and changes them by rule name: replace(), before(), without(), or table() for a whole new one
 * that ends with otherwise(). Your editor lists the decisions, their facts and their answers. What this file
 * prints is not shown.
 */
import { derive, policyByName, replace, rule } from 'gupfuzz';

export default derive(
  policyByName('${BASE}'),
  {
    id: '${name}',
    title: 'as v6.5, but fork copies maybe-pinned pages whether or not the mm ever pinned',
    sources: ['based on ${BASE}'],
  },
  {
    // Question: what is MMF_HAS_PINNED good for? Without it fork believes the reference count alone, which
    // takes very many references for a pin. Expect no broken promise, only more copies.
    forkPte: [
      replace(
        'exclusive and maybe pinned',
        rule('maybe pinned', (f) => f.frame === 'anon' && f.anonExclusive && f.maybeDmaPinned, 'copy'),
      ),
    ],
  },
);
`;
}

/** NAME.test.ts, for vitest, beside it. Throws RangeError if the name cannot be a policy id. */
export function policyTestTemplate(name: string): string {
  check(name);
  return `import { expandPolicy, policyByName, runCampaign } from 'gupfuzz';
import { expect, it } from 'vitest';
import mine from './${name}.ts';

const base = policyByName('${BASE}');

it('is total, and every rule can be the first to match', () => {
  for (const table of expandPolicy(mine).tables) expect(table.dead, table.decision).toEqual([]);
});

it(\`breaks nothing that \${base.id} keeps\`, async () => {
  const { findings } = await runCampaign({ policies: [mine], base, runs: 2000, seed: 1 });
  const regressions = findings.filter((f) => f.regression !== undefined);
  expect(regressions.map((f) => f.class)).toEqual([]);
});
`;
}

function check(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) throw new RangeError(problem);
}
