import type { Setup } from '../../domain/setup.ts';
import { DIRECT_FILESYSTEMS, FILESYSTEMS, filesystem } from '../../domain/filesystems.ts';
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
    const { aside, ...plain } = best.setup;
    if (aside !== undefined) {
      attempt(plain);
      for (const id of DIRECT_FILESYSTEMS) {
        if (best.setup.aside !== aside || id === aside) break;
        attempt({ ...best.setup, aside: id });
      }
    }
    for (const [i, file] of best.setup.files.entries())
      for (const { id, backing } of FILESYSTEMS) {
        if (backing !== filesystem(file.filesystem).backing) continue;
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
