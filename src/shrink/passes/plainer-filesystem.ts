import type { Setup } from '../../domain/setup.ts';
import { FILESYSTEMS } from '../../machine/filesystems.ts';
import type { Pass } from '../order.ts';

/** Prefers the first filesystem profile that still fails. */
export const plainerFilesystem: Pass = {
  name: 'plainer-filesystem',
  run(scenario, stillFails) {
    let best = scenario;
    const attempt = (setup: Setup): void => {
      const candidate = { setup, steps: best.steps };
      if (stillFails(candidate)) best = candidate;
    };
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
