import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runScenario } from './executor/run.ts';
import { BUILT_IN } from './policies/index.ts';
import { classId } from './property/property.ts';
import { parseCounterexample } from './scenario/file.ts';

const dir = fileURLToPath(new URL('../counterexamples', import.meta.url));
const files = readdirSync(dir).filter((name) => name.endsWith('.gup.json'));
const load = (name: string): ReturnType<typeof parseCounterexample> =>
  parseCounterexample(readFileSync(`${dir}/${name}`, 'utf8'), name);

describe('counterexamples/', () => {
  it('has the known bugs that these operations reach', () => {
    const labels = files.map((name) => name.slice(0, 3));
    for (const label of 'b01 b02 b06 b07 b09 b12 b17 b18 b19 b21 b40 b46 b47 b49 b50 b51'.split(' '))
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

    it('is as short as it says: without any one step the class is gone', () => {
      if (file.class === null) return;
      const policy = BUILT_IN.find((p) => p.id === file.policy)!;
      const wanted = classId(file.class);
      const shows = (steps: typeof file.steps): boolean => {
        const run = runScenario({ setup: file.setup, steps }, policy);
        return run.notApplicable < 0 && run.violations.some((f) => f.classId === wanted);
      };
      expect(file.minimality.kind).not.toBe('none');
      expect(shows(file.steps)).toBe(true);
      if (file.minimality.kind === 'shortest')
        for (const drop of file.steps.keys())
          expect(shows(file.steps.filter((_, i) => i !== drop))).toBe(false);
    });
  });
});
