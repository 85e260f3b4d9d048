import { pagesOf } from '../../check/scope.ts';
import type { PageKind } from '../../domain/kinds.ts';
import { renamed } from '../../ops/args.ts';
import { opOfStep } from '../../ops/index.ts';
import { mmName, refName } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

const KIND_ORDER: readonly PageKind[] = ['anon', 'private-file', 'shared-file', 'shmem'];

/**
 * Names everything canonically: mms P, C, D, ... and references h1, h2, ... in order of creation; pages A, B (anon),
 * M, F, S and files f, s by kind, in order of first use. Pages that map different files of one filesystem keep their
 * names. Always the last word: the driver takes its result also where it is no simpler.
 */
export const rename: Pass = {
  name: 'rename',
  run(scenario, stillFails) {
    const { setup } = scenario;
    const names = new Map<string, string>([['P', 'P']]);
    let mms = 1;
    let refs = 0;
    for (const step of scenario.steps) {
      const { makes } = opOfStep(step);
      if ('result' in step) names.set(step.result, makes === 'mm' ? mmName(mms++) : refName(refs++));
    }
    const firstUse = (page: string): number => {
      const at = scenario.steps.findIndex((s) => 'page' in s && s.page === page);
      return at < 0 ? scenario.steps.length : at;
    };
    const tracked = setup.files.find((f) => f.filesystem !== 'shmem');
    const usual = setup.files.filter((f) => f.filesystem !== 'shmem').length <= 1 && setup.files.length <= 2;
    const pages = [...setup.pages].sort(
      (x, y) =>
        KIND_ORDER.indexOf(x.kind) - KIND_ORDER.indexOf(y.kind) || firstUse(x.name) - firstUse(y.name),
    );
    const canonical = pagesOf(
      pages.map((p) => p.kind),
      tracked?.filesystem ?? '',
    );
    const pageNames = new Map(pages.map((p, i) => [p.name, usual ? canonical.pages[i]!.name : p.name]));
    const fileNames = new Map(
      setup.files.map((f) => [f.name, usual ? (f.filesystem === 'shmem' ? 's' : 'f') : f.name]),
    );
    const renamedSetup = {
      ...setup,
      pages: pages.map((p) => ({
        ...p,
        name: pageNames.get(p.name)!,
        ...(p.file === undefined ? {} : { file: fileNames.get(p.file)! }),
      })),
      files: setup.files
        .map((f) => ({ ...f, name: fileNames.get(f.name)! }))
        .sort((x, y) => (x.name < y.name ? -1 : x.name > y.name ? 1 : 0)),
    };
    const of = { mm: names, ref: names, page: pageNames, file: fileNames };
    const steps = scenario.steps.map((step) =>
      renamed(opOfStep(step), step, (sort, name) => of[sort].get(name) ?? name),
    );
    const candidate = { setup: renamedSetup, steps };
    return stillFails(candidate) ? candidate : scenario;
  },
};
