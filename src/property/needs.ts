/** Whether the pages of a setup can put a property to the test. */
import type { Setup } from '../domain/setup.ts';
import { filesystem } from '../machine/filesystems.ts';
import type { Property } from './property.ts';

const MET: { readonly [N in Property['needs']]: (setup: Setup) => boolean } = {
  'any page': () => true,
  'tracked file': (setup) => setup.files.some((f) => filesystem(f.filesystem).dirtyTracked),
  'stable pages': (setup) => setup.files.some((f) => filesystem(f.filesystem).stablePages),
};

/** Property.needs, asked of a setup: has it the pages, and their filesystem the feature? */
export const hasWhatItNeeds = (property: Property, setup: Setup): boolean => MET[property.needs](setup);
