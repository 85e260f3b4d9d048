/**
 * Writes counterexamples/known.json: which properties each built-in policy breaks on which kinds of page, collected
 * from campaigns over several seeds. `gupfuzz fuzz` calls a finding unexpected if it is not of a kind listed there.
 *
 * Usage: node dist/bench/known.js [FILE]
 */
import { writeFileSync } from 'node:fs';
import { runCampaign } from '../src/campaign/api.ts';
import { BUILT_IN } from '../src/policies/index.ts';

const SEEDS = [1, 2, 3, 4, 5];
const RUNS = 40_000;

const kinds = new Map<string, Set<string>>(BUILT_IN.filter((p) => p.canary !== true).map((p) => [p.id, new Set()]));
for (const seed of SEEDS) {
  const { findings } = await runCampaign({ policies: BUILT_IN, seed, runs: RUNS, shrink: 'none' });
  for (const f of findings) kinds.get(f.policy)?.add(`${f.parts.property} ${f.parts.page}`);
}
const known = Object.fromEntries([...kinds].map(([id, set]) => [id, [...set].sort()]));
writeFileSync(process.argv[2] ?? 'counterexamples/known.json', `${JSON.stringify(known, null, 2)}\n`);
