import type { Setup } from '../../domain/setup.ts';
import { bounds } from '../../scenario/bounds.ts';
import type { Pass } from '../order.ts';

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
      if (!best.setup.pages.some((p) => p.file === file.name))
        attempt({ ...best.setup, files: best.setup.files.filter((f) => f !== file) });
    return best;
  },
};
