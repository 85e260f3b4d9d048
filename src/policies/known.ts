/**
 * What the built-in policies are known to break, so that a campaign over them can tell news from history. Generated
 * (`npm run known`), never typed: counterexamples/known.json lists `property page-kind` per policy. Nobody else's policy
 * is excused by it: that is judged beside its base (regression/beside.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { own } from '../domain/own.ts';

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

/** True if the built-in policy is known to break the property on this kind of page. */
export function isKnown(id: string, property: string, page: string): boolean {
  const known = knownBreaks();
  return own(known, id)?.includes(`${property} ${page}`) === true;
}
