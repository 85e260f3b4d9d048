/** Policies from the command line: names and modules, with errors that say which exit code they are. */
import { type LoadOptions, type Resolved, resolvePolicies } from '../policies/load.ts';
import { usageError } from './exit.ts';

/** Broken modules are in the result. Throws UserError (usage) for a name that nothing has. */
export async function choosePolicies(names: readonly string[], options: LoadOptions = {}): Promise<Resolved> {
  try {
    return await resolvePolicies(names, process.cwd(), options);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}
