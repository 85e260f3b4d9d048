/**
 * Runs and time until each class of the catalogue is first found from scratch: median of several seeds, one process,
 * one policy at a time.
 *
 * Usage: node dist/bench/first-find.js [SEEDS]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScenario } from '../src/executor/run.ts';
import { CHUNK_RUNS, ChunkRunner, classKey } from '../src/fuzz/chunk.ts';
import { expandPolicy } from '../src/machine/tables.ts';
import { BUILT_IN } from '../src/policies/index.ts';
import { parseCounterexample } from '../src/scenario/file.ts';

const SEEDS = Number(process.argv[2] ?? 10);
const CHUNKS_MAX = 800;
const DIR = 'counterexamples';
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

process.stdout.write(
  'entry  policy                class                                                   runs (median)  ms (median)  missed\n',
);
for (const name of readdirSync(DIR)
  .filter((n) => n.endsWith('.gup.json'))
  .sort()) {
  const file = parseCounterexample(readFileSync(join(DIR, name), 'utf8'), name);
  // The policy the entry was minimised for, or the first that shows a documented mismatch.
  const policies = BUILT_IN.filter((p) => p.canary !== true).map(expandPolicy);
  const runs = policies.map((policy) => ({ policy, run: runScenario(file, policy) }));
  const violated = file.policy === null ? undefined : runs.find((r) => r.policy.id === file.policy);
  const shown = violated ?? runs.find((r) => r.run.documented.length > 0);
  if (shown === undefined) continue;
  const list = violated === undefined ? shown.run.documented : shown.run.violations;
  const wanted =
    file.class === null
      ? list[0]!
      : list.find(
          (f) =>
            f.class.property === file.class!.property &&
            f.class.storedBy === file.class!.storedBy &&
            f.class.ref === file.class!.ref &&
            f.class.longterm === file.class!.longterm,
        )!;
  const key = classKey(wanted.code, wanted.documented);
  const atRun: number[] = [];
  const atMs: number[] = [];
  let missed = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const runner = new ChunkRunner({ seed, scope: 'default', profile: 'all' }, [shown.policy]);
    const start = performance.now();
    let found = -1;
    for (let chunk = 0; chunk < CHUNKS_MAX && found < 0; chunk++)
      found =
        runner.run(chunk, [new Set()]).findings.find((f) => classKey(f.code, f.documented) === key)?.run ??
        -1;
    if (found < 0) {
      missed++;
      found = CHUNKS_MAX * CHUNK_RUNS;
    }
    atRun.push(found + 1);
    atMs.push(performance.now() - start);
  }
  process.stdout.write(
    `${name.slice(0, 3)}    ${shown.policy.id.padEnd(20)}  ${`${wanted.classId}${wanted.documented ? ' (documented)' : ''}`.padEnd(66)} ${String(median(atRun)).padStart(6)} ${median(atMs).toFixed(0).padStart(10)} ${String(missed).padStart(7)}\n`,
  );
}
