/** Whether the pages of a setup can put a property to the test. */
import type { Setup } from '../domain/setup.ts';
import { filesystem } from '../domain/filesystems.ts';
import type { Property } from './property.ts';

const MET: { readonly [N in Property['needs']]: (setup: Setup) => boolean } = {
  'any page': () => true,
  'tracked file': (setup) => setup.files.some((f) => filesystem(f.filesystem).dirtyTracked),
  'stable pages': (setup) => setup.files.some((f) => filesystem(f.filesystem).stablePages),
};

/** From what is had most easily to what takes all before it. */
const NEEDS = Object.keys(MET) as Property['needs'][];

/** The first of what Property.needs comes to that the setup has not: pages of a file, then a feature of its filesystem. */
export const unmetNeed = (property: Property, setup: Setup): Property['needs'] | undefined =>
  NEEDS.slice(0, NEEDS.indexOf(property.needs) + 1).find((need) => !MET[need](setup));
