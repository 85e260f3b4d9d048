/** Policies from the command line: names and modules, with errors that say which exit code they are. */

import type { ExpandedPolicy } from '../machine/tables.ts';
import { type LoadOptions, type Resolved, resolvePolicies } from '../policies/load.ts';
import { inputError, usageError } from './exit.ts';
import { talk } from './io.ts';

/** A command may ask for the same policy twice. */
const said = new Set<string>();

/** Broken modules are in the result; warnings are said here, once per run and line. Throws UserError (usage) for a name that nothing has. */
export async function choosePolicies(names: readonly string[], options: LoadOptions = {}): Promise<Resolved> {
  try {
    const resolved = await resolvePolicies(names, process.cwd(), options);
    for (const line of resolved.warnings)
      if (!said.has(line)) {
        said.add(line);
        talk(`warning: ${line}`);
      }
    return resolved;
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}

/** The policy that --base names, if it is there. Throws UserError if it names several, or a module that is no policy. */
export async function chooseBase(name: string | undefined): Promise<ExpandedPolicy | undefined> {
  if (name === undefined) return undefined;
  if (name === 'all') throw usageError('--base is "all"; allowed: one policy');
  const { policies, broken } = await choosePolicies([name]);
  if (broken.length > 0) throw inputError(broken[0]!.message);
  return policies[0]!;
}
