import type { FileSetup, Setup } from '../../domain/setup.ts';
import { bounds } from '../../scenario/bounds.ts';
import { goesAside, type Step } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

const isOn = (step: Step, file: string): boolean =>
  ('file' in step && step.file === file) || (step.op === 'gup' && step.target === file);

/** Without this file page; those behind it in its file move up. */
function without(files: readonly FileSetup[], name: string): readonly FileSetup[] {
  const at = files.findIndex((f) => f.name === name);
  const end = files.findIndex(({ index = 0 }, i) => i > at && index === 0);
  return files.flatMap((file, i) => {
    if (i === at) return [];
    const moves = i > at && (end < 0 || i < end);
    return moves ? { ...file, index: file.index! - 1 } : file;
  });
}

/** Drops unused pages and files, and tightens the bounds. */
export const trimSetup: Pass = {
  name: 'trim-setup',
  run(scenario, stillFails) {
    let best = scenario;
    const attempt = (setup: Setup): void => {
      const candidate = { setup, steps: best.steps };
      if (JSON.stringify(setup) !== JSON.stringify(best.setup) && stillFails(candidate)) best = candidate;
    };
    const { tasks: _, parts: _all, ...plain } = best.setup; // said by `bounds` where the steps need them
    attempt({ ...plain, ...bounds(best) });
    for (const page of [...best.setup.pages].reverse())
      if (!best.steps.some((s) => 'page' in s && s.page === page.name) && best.setup.pages.length > 1)
        attempt({ ...best.setup, pages: best.setup.pages.filter((p) => p !== page) });
    for (const file of [...best.setup.files].reverse())
      if (!best.setup.pages.some((p) => p.file === file.name) && !best.steps.some((s) => isOn(s, file.name)))
        attempt({ ...best.setup, files: without(best.setup.files, file.name) });
    if (!best.steps.some(({ op }) => op === 'truncate')) {
      const files = best.setup.files.map(({ index: _, ...file }) => file);
      attempt({ ...best.setup, files });
    }
    const { aside, ...rest } = best.setup;
    if (aside !== undefined && !best.steps.some(goesAside)) attempt(rest);
    const { swap, ...unswapped } = best.setup;
    if (swap !== undefined && !best.steps.some((s) => s.op === 'swapout')) attempt(unswapped);
    return best;
  },
};
