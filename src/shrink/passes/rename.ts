import { pagesOf } from '../../check/scope.ts';
import { filesystem } from '../../domain/filesystems.ts';
import { BACKINGS, PAGE_KINDS } from '../../domain/page-kinds.ts';
import { type AnyStep, namesIn, renamed } from '../../ops/args.ts';
import { opOfStep } from '../../ops/index.ts';
import { mmName, refName } from '../../scenario/scenario.ts';
import type { Pass } from '../order.ts';

/**
 * Names everything canonically: mms P, C, D, ... and references h1, h2, ... in order of creation; pages and files by
 * kind and backing (page-kinds.ts), in order of first use. Where two files are of one backing, pages and files keep
 * their names. Always the last word: the driver takes its result also where it is no simpler.
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
      const at = scenario.steps.findIndex((s) =>
        namesIn(opOfStep(s), s as AnyStep).some(({ sort, name }) => sort === 'page' && name === page),
      );
      return at < 0 ? scenario.steps.length : at;
    };
    const backings = setup.files.map((f) => BACKINGS[filesystem(f.filesystem).backing]);
    const usual = new Set(backings).size === backings.length;
    const chosen = setup.files.find((_, i) => backings[i]!.profile === '');
    const pages = [...setup.pages].sort(
      (x, y) =>
        PAGE_KINDS.indexOf(x.kind) - PAGE_KINDS.indexOf(y.kind) || firstUse(x.name) - firstUse(y.name),
    );
    const canonical = pagesOf(
      pages.map((p) => p.kind),
      chosen?.filesystem ?? '',
    );
    const pageNames = new Map(pages.map((p, i) => [p.name, usual ? canonical.pages[i]!.name : p.name]));
    const fileNames = new Map(setup.files.map((f, i) => [f.name, usual ? backings[i]!.file : f.name]));
    // The pages of one file come one after the other.
    const isOrdered = setup.files.some(({ index = 0 }) => index > 0);
    const renamedSetup = {
      ...setup,
      pages: pages.map((p) => ({
        ...p,
        name: pageNames.get(p.name)!,
        ...(p.file === undefined ? {} : { file: fileNames.get(p.file)! }),
      })),
      files: setup.files
        .map((f) => ({ ...f, name: fileNames.get(f.name)! }))
        .sort((x, y) => (isOrdered || x.name === y.name ? 0 : x.name < y.name ? -1 : 1)),
    };
    const of = { mm: names, ref: names, page: pageNames, file: fileNames };
    const steps = scenario.steps.map((step) =>
      renamed(opOfStep(step), step, (sort, name) => of[sort].get(name) ?? name),
    );
    const candidate = { setup: renamedSetup, steps };
    return stillFails(candidate) ? candidate : scenario;
  },
};
