/** All passes, in the order in which the driver runs them: cheap big cuts first. */
import type { Pass } from '../order.ts';
import { dropGroups } from './drop-groups.ts';
import { dropPairs } from './drop-pairs.ts';
import { dropSteps } from './drop-steps.ts';
import { mergeMms } from './merge-mms.ts';
import { plainerFilesystem } from './plainer-filesystem.ts';
import { rename } from './rename.ts';
import { simplifyArguments } from './simplify-arguments.ts';
import { sortSteps } from './sort-steps.ts';
import { trimSetup } from './trim-setup.ts';

export const PASSES: readonly Pass[] = [
  dropGroups,
  dropSteps,
  dropPairs,
  mergeMms,
  simplifyArguments,
  trimSetup,
  plainerFilesystem,
  sortSteps,
  rename,
];

/** Those that leave out, and change nothing of what stays: no step, no filesystem, no name. */
export const LEAVING_OUT: readonly Pass[] = [dropGroups, dropSteps, dropPairs, trimSetup];
