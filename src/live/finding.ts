/** What a search on a kernel found, as a counterexample file. */
import { runScenario } from '../executor/run.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { formatCounterexample, newCounterexample } from '../scenario/file.ts';
import { plain } from '../scenario/file-error.ts';
import type { LiveFinding } from './fuzz.ts';

/** What a kernel says is in it; a file takes neither controls nor texts of any length. */
const allowed = (text: string, max: number): string => [...plain(text)].slice(0, max).join('');

/** A counterexample without a class: it breaks no promise of the model, but model and kernel differ. */
export function findingFile(kernel: string, policy: ExpandedPolicy, seed: number, f: LiveFinding): string {
  const { setup, steps } = f.shrunk;
  const run = runScenario(f.shrunk, policy);
  const sorted = (ids: readonly string[]): string[] => [...new Set(ids)].sort();
  const [d] = f.comparison.disagreements;
  const seen =
    d === undefined
      ? 'not seen again'
      : `step ${d.step + 1}: ${policy.id} has ${d.predicted.join(' or ')}, the kernel has ${d.seen}`;
  return formatCounterexample(
    newCounterexample({
      title: allowed(`${kernel} is not as ${policy.id}: ${f.class}`, 120),
      setup,
      steps,
      policy: null,
      class: null,
      seen: null,
      expect: {
        [policy.id]: {
          verdict: run.verdict,
          classes: sorted(run.violations.map((v) => v.classId)),
          ...(run.documented.length === 0
            ? {}
            : { documented: sorted(run.documented.map((v) => v.classId)) }),
        },
      },
      minimality: {
        kind: 'none',
        scope: allowed(`${f.repeats === 0 ? 'seen' : 'shrunk'} on ${kernel}`, 200),
        depth: 0,
      },
      provenance: { tool: 'gupfuzz live', seed, run: f.run, found: 'campaign' },
      references: [],
      explanation: allowed(
        `${seen}; ${f.repeats === 0 ? 'seen once' : `${f.shrunkHits} of ${f.repeats} runs`}.`,
        1200,
      ),
    }),
  );
}
