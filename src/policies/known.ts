/**
 * What the built-in policies are known to break, so that a campaign over them can tell news from history. Generated
 * (`npm run known`), never typed: counterexamples/known.json lists `property page-kind` per policy.
 */
import { existsSync, readFileSync } from 'node:fs';

export type KnownBreaks = { readonly [policy: string]: readonly string[] };

let cached: KnownBreaks | undefined;

/** Read from the package; empty if it was taken away. */
export function knownBreaks(): KnownBreaks {
  if (cached !== undefined) return cached;
  // From src/policies or dist/src/policies to the package's own folder.
  const found = ['../../counterexamples/known.json', '../../../counterexamples/known.json']
    .map((path) => new URL(path, import.meta.url))
    .find((url) => existsSync(url));
  cached = found === undefined ? {} : (JSON.parse(readFileSync(found, 'utf8')) as KnownBreaks);
  return cached;
}

/**
 * True if the policy, if it is built in, or else the built-in policy that it was derived from, is known to break the
 * property on this kind of page.
 */
export function isKnown(
  { id, derivedFrom }: { readonly id: string; readonly derivedFrom: readonly string[] },
  property: string,
  page: string,
): boolean {
  const known = knownBreaks();
  const name = [id, ...[...derivedFrom].reverse()].find((n) => known[n] !== undefined);
  return name !== undefined && known[name]!.includes(`${property} ${page}`);
}
