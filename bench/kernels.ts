/**
 * Fetches Debian's kernels of several eras (5.10, 6.1, 6.12, the newest) for runs in virtual machines: downloaded from
 * the mirror that apt uses here and unpacked into the cache folder, never installed. What is there already is kept.
 *
 * Usage: npm run kernels
 */
import { UserError } from '../src/cli/exit.ts';
import { kernelsFolder } from '../src/live/vm/cache.ts';
import { fetchKernels, WANTED } from '../src/live/vm/fetch.ts';

try {
  const kernels = fetchKernels({ say: (line) => console.log(line) });
  console.log(`\nIn ${kernelsFolder()}:`);
  for (const { release, origin } of kernels) console.log(`  ${release}  ${origin}`);
  if (kernels.length < WANTED.length) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
