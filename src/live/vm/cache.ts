/** Where fetched kernels are, and which there are. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputError } from '../../cli/exit.ts';
import { cacheFolder } from '../compile.ts';

/** A kernel that can be booted. */
export interface KernelFiles {
  /** `uname -r`. */
  readonly release: string;
  /** Path of the bzImage. */
  readonly vmlinuz: string;
  /** Folder below which the modules are. */
  readonly modules: string;
  /** `5.10`, `6.1`, ..., or `newest`: what `gupfuzz kernels` fetched it as. */
  readonly series: string;
  /** Package and version it is from. */
  readonly origin: string;
}

/** Name of the file that says what is in a kernel's folder; it is written last. */
export const MANIFEST = 'kernel.json';

/** Where `gupfuzz kernels` puts them. */
export const kernelsFolder = (): string => join(cacheFolder(), 'kernels');

/** Orders releases by the numbers in them. */
export const byRelease = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Kernels fetched so far, oldest first. */
export function listKernels(folder: string = kernelsFolder()): KernelFiles[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, MANIFEST)))
    .map((name): KernelFiles => {
      const at = join(folder, name);
      const files = JSON.parse(readFileSync(join(at, MANIFEST), 'utf8')) as KernelFiles;
      // Paths in the manifest are relative, so that the folder can be moved.
      return { ...files, vmlinuz: join(at, files.vmlinuz), modules: join(at, files.modules) };
    })
    .sort((a, b) => byRelease(a.release, b.release));
}

/**
 * The newest kernel that `name` means: a release, the start of one (`6.1`, `5.10`), or `newest`. Throws a UserError
 * that lists those there are.
 */
export function findKernel(name: string, kernels: readonly KernelFiles[] = listKernels()): KernelFiles {
  const fits = (release: string): boolean =>
    name === 'newest' ||
    release === name ||
    (release.startsWith(name) && /[^0-9]/.test(release[name.length]!));
  const found = kernels
    .filter(({ release }) => fits(release))
    .sort((a, b) => byRelease(a.release, b.release));
  const last = found.at(-1);
  if (last !== undefined) return last;
  const have = kernels.map(({ release }) => release).join(', ');
  throw inputError(
    `no kernel ${name} in ${kernelsFolder()} (${have === '' ? 'there are none' : `there are ${have}`}): gupfuzz kernels fetches them`,
  );
}
