/** `init policy`: the scaffold of a user's policy and its test. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../campaign/folder.ts';
import { policyTemplate, policyTestTemplate } from '../policies/scaffold.ts';
import { shellWord } from '../report/shell.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { print } from './io.ts';

export interface InitOptions {
  readonly name: string;
  readonly dir: string;
  readonly force: boolean;
}

export async function runInit({ name, dir, force }: InitOptions): Promise<number> {
  const texts = templates(name);
  const files = [
    { path: join(dir, `${name}.ts`), text: texts.policy },
    { path: join(dir, `${name}.test.ts`), text: texts.test },
  ];
  const there = files.filter(({ path }) => existsSync(path)).map(({ path }) => path);
  if (there.length > 0 && !force)
    throw usageError(
      `${there.join(' and ')} ${there.length > 1 ? 'are' : 'is'} there already; --force overwrites`,
    );
  for (const { path, text } of files)
    try {
      makeFolder(dir);
      writeFileSync(path, text);
    } catch (error) {
      throw inputError(
        `${path}: cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      );
    }
  for (const { path } of files) print(path);
  // A path, so that it is not taken for the name of a built-in policy.
  const module = shellWord(/[/\\]/.test(files[0]!.path) ? files[0]!.path : `./${files[0]!.path}`);
  process.stderr.write(
    `Next:
  gupfuzz policies ${module}
  gupfuzz compare --base longterm-ban --cand ${module} --runs 20000
  gupfuzz fuzz --policy ${module}
  npx vitest run ${shellWord(files[1]!.path)}
`,
  );
  return EXIT.ok;
}

function templates(name: string): { readonly policy: string; readonly test: string } {
  try {
    return { policy: policyTemplate(name), test: policyTestTemplate(name) };
  } catch (error) {
    if (error instanceof RangeError)
      throw usageError(`init policy ${JSON.stringify(name)}: ${error.message}`);
    throw error;
  }
}
