/**
 * Writes counterexamples/known.json: which properties each built-in policy breaks on which kinds of page, collected
 * from breadth-first searches of small scopes and from campaigns over several seeds. `gupfuzz fuzz` calls a finding
 * unexpected if it is not of a kind listed there.
 *
 * Usage: npm run known (some minutes)
 */
import { writeFileSync } from 'node:fs';
import { runCampaign } from '../src/campaign/api.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../src/check/scope.ts';
import { Search } from '../src/check/search.ts';
import { kindsWith, type PageKind } from '../src/domain/page-kinds.ts';
import { decodeClass } from '../src/executor/simulated.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { BUILT_IN } from '../src/policies/index.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];
const RUNS = 100_000;
const STATES_MAX = 800_000;
const DEPTH_MAX = 9;
const SCOPES: readonly {
  readonly kinds: readonly PageKind[];
  readonly mms: number;
  readonly refs: number;
}[] = [
  { kinds: ['anon'], mms: 2, refs: 1 },
  { kinds: ['anon'], mms: 2, refs: 2 },
  ...kindsWith((kind, { file }) => kind.private && file !== '').map((kind) => ({
    kinds: [kind],
    mms: 2,
    refs: 1,
  })),
  { kinds: ['private-file', 'shared-file'], mms: 1, refs: 1 },
  { kinds: ['private-file', 'shared-file'], mms: 2, refs: 1 },
  { kinds: ['shared-file'], mms: 2, refs: 1 },
  { kinds: ['shmem'], mms: 2, refs: 2 },
];

const policies = BUILT_IN.filter((p) => p.canary !== true);
const kinds = new Map<string, Set<string>>(policies.map((p) => [p.id, new Set()]));
for (const policy of policies)
  for (const filesystem of ['ext4-v5.17', 'ext4-v5.18-stable'])
    for (const { kinds: pageKinds, mms, refs } of SCOPES) {
      const setup = { ...pagesOf(pageKinds, filesystem), mms, refs, pinBias: 1024 };
      const search = new Search({
        setup,
        policy: expandPolicy(policy),
        alphabet: alphabetFor(setup, PLAIN_GUPS),
        statesMax: STATES_MAX,
      });
      search.runTo(DEPTH_MAX);
      for (const { code, documented } of search.found.values()) {
        if (documented) continue;
        const { property, page } = decodeClass(code);
        kinds.get(policy.id)!.add(`${property} ${page}`);
      }
    }
for (const seed of SEEDS) {
  const { findings } = await runCampaign({ policies, seed, runs: RUNS, shrink: 'none', workers: 2 });
  for (const f of findings) kinds.get(f.policy)!.add(`${f.parts.property} ${f.parts.page}`);
}
const known = Object.fromEntries([...kinds].map(([id, set]) => [id, [...set].sort()]));
writeFileSync(process.argv[2] ?? 'counterexamples/known.json', `${JSON.stringify(known, null, 2)}\n`);
