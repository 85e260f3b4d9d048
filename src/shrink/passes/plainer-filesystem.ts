import { DIRECT_FILESYSTEMS, FILESYSTEMS, filesystem } from '../../domain/filesystems.ts';
import type { Setup } from '../../domain/setup.ts';
import { SWAP_DEVICES } from '../../domain/swap.ts';
import type { Pass } from '../order.ts';

/** Prefers the first filesystem profile, and swap device, that still fails. */
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
    const { swap } = best.setup;
    for (const device of SWAP_DEVICES) {
      if (swap === undefined || best.setup.swap !== swap || device === swap) break;
      attempt({ ...best.setup, swap: device });
    }
    // The pages of one file are on one filesystem.
    for (const [i, file] of best.setup.files.entries()) {
      if ((file.index ?? 0) > 0) continue;
      const next = best.setup.files.findIndex(({ index = 0 }, k) => k > i && index === 0);
      const isOf = (k: number): boolean => k >= i && (next < 0 || k < next);
      for (const { id, backing } of FILESYSTEMS) {
        if (backing !== filesystem(file.filesystem).backing) continue;
        if (id === file.filesystem) break;
        const before = best;
        attempt({
          ...best.setup,
          files: best.setup.files.map((f, k) => (isOf(k) ? { ...f, filesystem: id } : f)),
        });
        if (best !== before) break;
      }
    }
    return best;
  },
};
