/** Policies of users, as modules. */
import type { Folder } from './folder.ts';

/**
 * Writes a module that derives a policy; `tables` are the decisions it changes, as source. Returns the path as a
 * command run in the folder takes it.
 */
export function writePolicy(
  folder: Folder,
  id: string,
  tables: string,
  { base = 'longterm-ban', prelude = '' }: { readonly base?: string; readonly prelude?: string } = {},
): string {
  const source = `import { before, derive, otherwise, policyByName, rule, table, without } from 'gupfuzz';
${prelude}
export default derive(policyByName('${base}'), { id: '${id}', title: 'a test', sources: [] }, { ${tables} });
`;
  return `./${folder.write(`${id}.ts`, source)}`;
}

/** One that forgets pins: fork never copies. */
export const writeForgetful = (folder: Folder): string =>
  writePolicy(folder, 'forgetful', `forkPte: [table(otherwise('share'))]`);
