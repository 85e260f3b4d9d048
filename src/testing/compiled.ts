/**
 * A module of src as it is compiled (`npm test` builds first): its workers, threads and loaders need no translation.
 * `path`: below src, without extension. The type is that of the source: `await compiled<typeof import('../x.ts')>('x')`.
 */
export const compiled = <Module>(path: string): Promise<Module> =>
  import(new URL(`../../dist/src/${path}.js`, import.meta.url).href);
