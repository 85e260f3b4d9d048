/**
 * What the built-in policies are known to break, so that a campaign over them can tell news from history. Generated
 * (`npm run known`), never typed: counterexamples/known.json lists `property page-kind` per policy. Nobody else's policy
 * is excused by it: that is judged beside its base (regression/beside.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { own } from '../domain/own.ts';
import { packageFile } from '../installed.ts';

export type KnownBreaks = { readonly [policy: string]: readonly string[] };

let cached: KnownBreaks | undefined;

/** Read from the package; empty if it was taken away. */
export function knownBreaks(): KnownBreaks {
  if (cached !== undefined) return cached;
  const file = packageFile('counterexamples/known.json');
  cached = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as KnownBreaks) : {};
  return cached;
}

/** True if the built-in policy is known to break the property on this kind of page. */
export function isKnown(id: string, property: string, page: string): boolean {
  const known = knownBreaks();
  return own(known, id)?.includes(`${property} ${page}`) === true;
}
