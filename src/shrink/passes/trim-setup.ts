import type { Setup } from '../../domain/setup.ts';
import { FILESYSTEMS } from '../../machine/filesystems.ts';
import { bounds } from '../../scenario/bounds.ts';
import type { Pass } from '../order.ts';

/** Drops unused pages and files, tightens the bounds, and prefers the first filesystem profile that still fails. */
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
    for (const [i, file] of best.setup.files.entries())
      for (const { id, dirtyTracked } of FILESYSTEMS) {
        if (!dirtyTracked || file.filesystem === 'shmem') continue;
        if (id === file.filesystem) break;
        const before = best;
        attempt({
          ...best.setup,
          files: best.setup.files.map((f, k) => (k === i ? { ...f, filesystem: id } : f)),
        });
        if (best !== before) break;
      }
    return best;
  },
};
