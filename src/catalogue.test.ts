import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { alphabetFor } from './check/scope.ts';
import { Search } from './check/search.ts';
import { runScenario } from './executor/run.ts';
import { expandPolicy } from './machine/tables.ts';
import { BUILT_IN } from './policies/index.ts';
import { classId } from './property/property.ts';
import { parseCounterexample } from './scenario/file.ts';
import { shrinkingForAll } from './shrink/several.ts';
import { drain, failsAs, gupsFor, Shrinker, type Target } from './shrink/shrink.ts';

/** Many times what any of the files needs; each takes less than a second. */
const STATES_MAX = 1_000_000;

const dir = fileURLToPath(new URL('../counterexamples', import.meta.url));
const files = readdirSync(dir).filter((name) => name.endsWith('.gup.json'));
const load = (name: string): ReturnType<typeof parseCounterexample> =>
  parseCounterexample(readFileSync(`${dir}/${name}`, 'utf8'), name);

describe('counterexamples/', () => {
  it('has the known bugs that these operations reach', () => {
    const labels = files.map((name) => name.slice(0, 3));
    for (const label of 'b01 b02 b06 b07 b09 b12 b13 b17 b18 b19 b21 b40 b46 b47 b49 b50 b51'.split(' '))
      expect(labels).toContain(label);
  });

  describe.each(files)('%s', (name) => {
    const file = load(name);
    it('says what every built-in policy does', () => {
      expect(Object.keys(file.expect).sort()).toEqual(BUILT_IN.map((p) => p.id).sort());
      for (const policy of BUILT_IN) {
        const run = runScenario(file, policy);
        const { verdict, classes, documented, costs } = file.expect[policy.id]!;
        expect(run.verdict, policy.id).toBe(verdict);
        expect([...new Set(run.violations.map((f) => f.classId))].sort(), policy.id).toEqual(classes);
        if (documented !== undefined)
          expect([...new Set(run.documented.map((f) => f.classId))].sort(), policy.id).toEqual(documented);
        expect(run.costs, policy.id).toMatchObject(costs ?? {});
      }
    });

    const {
      kind,
      scope,
      depth,
      policies = file.policy === null ? [] : [file.policy],
      reason,
    } = file.minimality;

    it('is marked as shortest, or says why not', () => {
      if (policies.length === 0) expect([kind, reason]).toEqual(['none', expect.stringContaining('nothing')]);
      else if (kind === 'shortest') expect(reason).toBeUndefined();
      else expect(reason).toMatch(/^not proved: /);
    });

    if (kind !== 'shortest') return;
    const all = policies.map((id) => expandPolicy(BUILT_IN.find((p) => p.id === id)!));
    const documented = file.class === null;
    const [code] = all.map((policy) => {
      const run = runScenario(file, policy);
      if (!documented) return run.violations.find((f) => f.classId === classId(file.class!))!.code;
      expect(run.documented).toHaveLength(1);
      return run.documented[0]!.code;
    });
    const target: Target = { code: code!, documented };
    const length = file.steps.length;

    it('shows its class on all the policies that it names, and without any one step does not', () => {
      const shows = (steps: typeof file.steps): boolean =>
        all.every((policy) => failsAs(policy, target)({ setup: file.setup, steps }));
      expect(shows(file.steps)).toBe(true);
      for (const drop of file.steps.keys())
        expect(shows(file.steps.filter((_, i) => i !== drop))).toBe(false);
    });

    it('is what shrinking it comes to', () => {
      const shrinkers = all.map((policy) => new Shrinker(policy, STATES_MAX));
      const { scenario, minimality } = drain(shrinkingForAll(shrinkers, file, target));
      expect(scenario).toEqual({ setup: file.setup, steps: file.steps });
      expect(minimality).toEqual({ kind, scope, depth });
    });

    it('has no shorter one in its scope, without the shrinker', () => {
      const { setup } = file;
      const least = all.map((policy) => {
        const alphabet = alphabetFor(setup, gupsFor(file));
        const search = new Search({ setup, policy, alphabet, statesMax: STATES_MAX });
        const found = search.find(target.code, documented, length);
        expect(search.state).not.toBe('states');
        expect(search.find(target.code, documented, found!.length - 1)).toBeUndefined();
        return found!.length;
      });
      expect(Math.max(...least)).toBe(length);
    });
  });
});
