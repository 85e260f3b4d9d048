/**
 * Pages that random programs are drawn with, together. Small sets find most. Drawing picks one by its place, so a list
 * keeps its order, and a new kind has a scope of its own instead of a place here: what was drawn stays as it was.
 */
import { backingOf, type PageKind } from './page-kinds.ts';

export type PageSet = readonly PageKind[];

/** Of campaigns (fuzz/generate.ts), which add the pages of their scope. */
export const DRAWN_SETS: readonly PageSet[] = [
  ['anon'],
  ['anon', 'anon'],
  ['private-file'],
  ['shared-file'],
  ['shmem'],
  ['private-file', 'shared-file'],
  ['anon', 'shared-file'],
];

/** Of random programs on kernels (live/fuzz.ts). */
export const LIVE_SETS: readonly PageSet[] = [...DRAWN_SETS, ['anon', 'private-file', 'shmem']];

const hasFile = (kind: PageKind): boolean => backingOf(kind).file !== '';

/** Which of a list's sets a profile is made of: those of anonymous pages alone, those of pages of files alone, or all. */
export const PROFILE_TAKES: { readonly anon: SetTest; readonly file: SetTest; readonly all: SetTest } = {
  anon: (set) => !set.some(hasFile),
  file: (set) => set.every(hasFile),
  all: () => true,
};
type SetTest = (set: PageSet) => boolean;
