/**
 * Checks the checker: after how many random scenarios is a kernel told from the canary, and from mutants of the policy
 * that fits it? A checker that does not tell them proves nothing by agreeing.
 *
 * Usage: node dist/bench/live-checker.js [POLICY] [RUNS]   on the running kernel, by default v6.5-longterm-ban, 5000
 */
import { fuzzLive } from '../src/live/fuzz.ts';
import { openHost } from '../src/live/host.ts';
import type { Kernel } from '../src/live/protocol.ts';
import { harm } from '../src/live/report.ts';
import { type AnyPolicy, expandPolicy, withConditions } from '../src/machine/tables.ts';
import { mutantsOf, mutationId } from '../src/mutate/mutants.ts';
import { policyByName } from '../src/policies/index.ts';

const SEEDS = [1, 2, 3];

/** Mutants that contents show; of other tables some are seen only by what a warning or the disk says. */
const WANTED: readonly string[] = [
  'wpFault/exclusive: dropped',
  'forkPte/exclusive and maybe pinned: dropped',
  'gupSlow/R/O pin of an anon page, not exclusive: dropped',
];

/** Scenarios up to the first disagreement, per seed; -1: none within `runs`. */
async function firstDisagreements(kernel: Kernel, policy: AnyPolicy, runs: number): Promise<number[]> {
  const found: number[] = [];
  for (const seed of SEEDS) {
    const options = {
      kernel,
      policy,
      seed,
      runs,
      findingsMax: 0,
      stopAtFirst: true,
      batch: 32,
      refuse: harm,
    };
    const { firstAt } = await fuzzLive(options);
    found.push(firstAt < 0 ? -1 : firstAt + 1);
  }
  return found;
}

const [name = 'v6.5-longterm-ban', runs = '5000'] = process.argv.slice(2);
const own = policyByName(name);
const mutants = mutantsOf(withConditions(expandPolicy(own), own)).filter(
  (m) => m.policy !== undefined && m.changed.length > 0 && WANTED.includes(mutationId(m.mutation)),
);
const kernel = await openHost();
try {
  const rows: readonly (readonly [string, AnyPolicy])[] = [
    [`${own.id} itself`, own],
    ['canary', policyByName('canary')],
    ...mutants.map((m) => [mutationId(m.mutation), m.policy!] as const),
  ];
  console.log(
    `${kernel.name}: scenarios up to the first disagreement, seeds ${SEEDS.join(', ')}; at most ${runs}`,
  );
  for (const [label, policy] of rows) {
    const found = await firstDisagreements(kernel, policy, Number(runs));
    console.log(`  ${label}: ${found.map((n) => (n < 0 ? 'none' : n)).join(', ')}`);
    const itself = policy === own;
    if (found.some((n) => n < 0 !== itself)) process.exitCode = 1;
  }
} finally {
  await kernel.close();
}
