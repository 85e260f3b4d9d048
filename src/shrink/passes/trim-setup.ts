import type { Setup } from '../../domain/setup.ts';
import { bounds } from '../../scenario/bounds.ts';
import { goesAside, type Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

const isOn = (step: Step, file: string): boolean =>
  ('file' in step && step.file === file) || (step.op === 'gup' && step.target === file);

/** Drops unused pages and files, and tightens the bounds. */
export const trimSetup: Pass = {
  name: 'trim-setup',
  run(scenario, stillFails) {
    let best = scenario;
    const attempt = (setup: Setup): void => {
      const candidate = { setup, steps: best.steps };
      if (JSON.stringify(setup) !== JSON.stringify(best.setup) && stillFails(candidate)) best = candidate;
    };
    attempt({ ...best.setup, ...bounds(best) });
    for (const page of [...best.setup.pages].reverse())
      if (!best.steps.some((s) => 'page' in s && s.page === page.name) && best.setup.pages.length > 1)
        attempt({ ...best.setup, pages: best.setup.pages.filter((p) => p !== page) });
    for (const file of [...best.setup.files].reverse())
      if (!best.setup.pages.some((p) => p.file === file.name) && !best.steps.some((s) => isOn(s, file.name)))
        attempt({ ...best.setup, files: best.setup.files.filter((f) => f !== file) });
    const { aside, ...rest } = best.setup;
    if (aside !== undefined && !best.steps.some(goesAside)) attempt(rest);
    return best;
  },
};
