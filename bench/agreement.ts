/**
 * `npm run agreement`: random against exhaustive search, the large comparison (search.test.ts has a small one).
 *
 * 1. Per policy and scope that closes: 10 million random steps within the scope, steps drawn evenly from the enabled
 *    ones or as campaigns draw them. Whatever they violate must be among what the search found, and the search's
 *    shortest scenario must not be longer.
 * 2. Per policy: a campaign in the base scope, findings made short by the passes alone; each within reach of the search
 *    must be found by it at no greater length.
 * Prints a table for docs/agreement.md; exits with 1 if they disagree.
 *
 * Usage: node dist/bench/agreement.js [MILLION_STEPS] > docs/agreement.md
 */

import { alphabetFor, PLAIN_GUPS, pagesOf, setupOf } from '../src/check/scope.ts';
import { Search } from '../src/check/search.ts';
import type { PageKind } from '../src/domain/kinds.ts';
import { BLOCKED, REFUSED } from '../src/domain/kinds.ts';
import { Rng } from '../src/domain/rng.ts';
import { coarseClass, decodeClass, World } from '../src/executor/simulated.ts';
import { ChunkRunner, classKey } from '../src/fuzz/chunk.ts';
import { type ExpandedPolicy, expandPolicy } from '../src/machine/tables.ts';
import { GUP_VARIANTS } from '../src/ops/gup.ts';
import { OP_KINDS, opOf } from '../src/ops/op.ts';
import { BUILT_IN } from '../src/policies/index.ts';
import { classId } from '../src/property/property.ts';
import { runPasses } from '../src/shrink/shrink.ts';

const STEPS = Number(process.argv[2] ?? 10) * 1e6;
/** Steps of one random program. Longer than the depth at which the scopes close. */
const LENGTH = 60;
/** Depth of the search that the campaign's findings are compared with. */
const REACH = 6;

const ENDING = new Set([OP_KINDS.indexOf('exit'), OP_KINDS.indexOf('munmap')]);

const SCOPES: readonly (readonly [kinds: readonly PageKind[], mms: number, refs: number])[] = [
  [['anon'], 2, 1],
  [['private-file'], 1, 1],
  [['shared-file'], 1, 1],
  [['shmem'], 2, 1],
];

let disagreements = 0;
const complain = (line: string): void => {
  disagreements++;
  process.stderr.write(`disagreement: ${line}\n`);
};

interface Random {
  readonly steps: number;
  /** Shortest length per class key at which a run met it. */
  readonly met: ReadonlyMap<number, number>;
}

/** Random programs of LENGTH steps; refused references are dropped as the search does. */
function random(world: World, alphabet: ReturnType<typeof alphabetFor>, steps: number): Random {
  const out = new Int32Array(4096);
  const rng = new Rng();
  const met = new Map<number, number>();
  let done = 0;
  // One sequence for all programs: those of neighbouring seeds begin alike.
  rng.seed(20261121, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35);
  while (done < steps) {
    world.reset();
    for (let i = 1; i <= LENGTH && !world.ended; i++) {
      const n = world.enumerate(alphabet, out);
      if (n === 0) break;
      let step = out[rng.below(n)]!;
      // What ends most of a program comes seldom.
      if (ENDING.has(opOf(step)) && rng.below(8) > 0) step = out[rng.below(n)]!;
      const outcome = world.step(step);
      done++;
      for (const v of world.violations) {
        const key = classKey(v.code, v.documented);
        met.set(key, Math.min(met.get(key) ?? LENGTH, i));
      }
      if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
    }
  }
  return { steps: done, met };
}

function closedScope(policy: ExpandedPolicy, kinds: readonly PageKind[], mms: number, refs: number): string {
  const setup = { ...pagesOf(kinds, 'ext4-v5.18'), mms, refs, pinBias: 1024 };
  const alphabet = alphabetFor(setup, PLAIN_GUPS);
  const search = new Search({ setup, policy, alphabet, statesMax: 2e7 });
  search.runTo(Number.POSITIVE_INFINITY);
  const proof = new Search({ setup, policy, alphabet, statesMax: 2e7, grain: 'property' });
  proof.runTo(Number.POSITIVE_INFINITY);
  const where = `${kinds.join(' + ')}, ${mms} mm, ${refs} ref`;
  if (search.state !== 'closed' || proof.state !== 'closed')
    throw new Error(`${policy.id}, ${where}: does not close`);
  const found = new Map([...search.found.values()].map((f) => [classKey(f.code, f.documented), f.length]));
  const kindsFound = new Set([...proof.found.values()].map((f) => classKey(f.code, f.documented)));
  const { steps, met } = random(new World(setup, policy), alphabet, STEPS);
  for (const [key, length] of met) {
    const name = `${policy.id}, ${where}: class key ${key}`;
    if (!found.has(key)) complain(`${name} is met by a random run and not by the search`);
    else if (found.get(key)! > length)
      complain(`${name}: ${length} steps at random, ${found.get(key)!} by search`);
  }
  // The property-grained search is another quotient of the same states: it must find the same kinds.
  const coarse = new Set([...search.found.values()].map((f) => classKey(coarseClass(f.code), f.documented)));
  for (const key of coarse) if (!kindsFound.has(key)) complain(`${policy.id}, ${where}: kind ${key} is lost`);
  for (const key of kindsFound) if (!coarse.has(key)) complain(`${policy.id}, ${where}: kind ${key} is new`);
  return (
    `| ${policy.id} | ${where} | ${search.states.toLocaleString('en')} (depth ${search.depth}) | ` +
    `${proof.states.toLocaleString('en')} | ${found.size} | ${(steps / 1e6).toFixed(1)} M | ${met.size} |`
  );
}

function campaign(policy: ExpandedPolicy): string {
  const runner = new ChunkRunner({ seed: 3, scope: 'base', profile: 'anon' }, [policy]);
  const setup = setupOf('base');
  const alphabet = alphabetFor(setup, GUP_VARIANTS);
  const search = new Search({ setup, policy, alphabet, statesMax: 5e7 });
  const known = new Set<number>();
  let within = 0;
  let beyond = 0;
  let shorter = 0;
  for (let chunk = 0; chunk < 200; chunk++)
    for (const f of runner.run(chunk, [known]).findings) {
      known.add(classKey(f.code, f.documented));
      const { length } = runPasses(f.scenario, policy, f).steps;
      if (length > REACH) {
        beyond++;
        continue;
      }
      within++;
      const found = search.find(f.code, f.documented, REACH);
      const name = `${policy.id}: ${classId(decodeClass(f.code))}`;
      if (found === undefined)
        complain(`${name} is found by a campaign in ${length} steps and not by the search`);
      else if (found.length > length)
        complain(`${name}: ${length} steps in a campaign, ${found.length} by search`);
      else if (found.length < length) shorter++;
    }
  return `| ${policy.id} | ${within} | ${shorter} | ${beyond} | ${search.states.toLocaleString('en')} |`;
}

const policies = BUILT_IN.map(expandPolicy);
const lines: string[] = [];
const say = (line: string): void => {
  lines.push(line);
  process.stderr.write(`${line}\n`);
};
say('# Random and exhaustive search agree');
say('');
say(
  'Written by `npm run agreement`. Plain kinds of gup, all operations, `ext4-v5.18`; programs of 60 steps drawn',
);
say(
  'evenly from the enabled ones. "Classes": broken or documented, by the search and by the random runs; what random',
);
say(
  'runs met, the search has, at no greater length. The property-grained search must have the same properties, page',
);
say('kinds and observers as the class-grained one.');
say('');
say('| policy | scope | states | property grain | classes by search | random steps | classes at random |');
say('|---|---|---|---|---|---|---|');
for (const policy of policies)
  for (const [kinds, mms, refs] of SCOPES) say(closedScope(policy, kinds, mms, refs));
say('');
say(
  `Campaigns of 51,200 runs in the base scope (2 mms, 1 anon page, 2 references, every kind of gup), findings made`,
);
say(`short by the passes alone, against the search of that scope to depth ${REACH}:`);
say('');
say(
  `| policy | found by both, up to ${REACH} steps | of these shorter by search | longer than ${REACH} | states |`,
);
say('|---|---|---|---|---|');
for (const policy of policies) say(campaign(policy));
say('');
say(`Disagreements: ${disagreements}.`);
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = disagreements === 0 ? 0 : 1;
