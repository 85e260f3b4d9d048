/** Where the package is, and what is in it: the same from src (tests), from dist/src, and from a bundled chunk. */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const own = fileURLToPath(import.meta.url);
const isSource = own.endsWith('.ts');
/** No folder below dist has that name. */
const dist = join('/', 'dist', '/');

/** The folder with package.json. */
export const PACKAGE: string = isSource ? dirname(dirname(own)) : own.slice(0, own.lastIndexOf(dist));

/** Path of a file of the package; `path` from PACKAGE on. */
export const packageFile = (path: string): string => join(PACKAGE, path);

/** A file that is started or loaded by itself (bench/bundle.ts): its name in src, without the extension. */
export const entryFile = (name: string): URL =>
  pathToFileURL(packageFile(isSource ? `src/${name}.ts` : `dist/src/${name}.js`));
