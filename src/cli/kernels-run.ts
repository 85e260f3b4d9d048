/** `kernels`: what `live vm` boots. */
import { kernelsFolder, listKernels } from '../live/vm/cache.ts';
import { fetchKernels, WANTED } from '../live/vm/fetch.ts';
import { EXIT, usageError } from './exit.ts';
import { printJson, printLine, talk } from './io.ts';
import type { KernelsOptions } from './kernels.ts';

export async function runKernels({ what, kernels, format }: KernelsOptions): Promise<number> {
  const known = WANTED.map(({ series }) => series);
  for (const name of kernels)
    if (!known.includes(name))
      throw usageError(`--kernel is ${JSON.stringify(name)}; allowed: ${known.join(', ')}`);
  const wanted = kernels.length === 0 ? WANTED : WANTED.filter(({ series }) => kernels.includes(series));
  const there = what === 'list' ? listKernels() : fetchKernels({ wanted, say: talk });
  if (format === 'json') printJson({ folder: kernelsFolder(), kernels: there });
  else if (there.length === 0) talk(`there are no kernels in ${kernelsFolder()}`);
  else for (const { release, series, origin } of there) printLine(`${release}  ${series}  ${origin}`);
  if (what === 'list') return EXIT.ok;
  const missing = wanted.filter(({ series }) => !there.some((k) => k.series === series));
  return missing.length === 0 ? EXIT.ok : EXIT.nothingTested;
}
