/** `init policy`: the scaffold of a user's policy and its test. */
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeFolder } from '../campaign/folder.ts';
import { PACKAGE } from '../installed.ts';
import { policyTemplate, policyTestTemplate } from '../policies/scaffold.ts';
import { command, shellWord } from '../report/shell.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { printLine, talkText } from './io.ts';

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
  for (const { path } of files) printLine(path);
  // A path, so that it is not taken for the name of a built-in policy.
  const module = /[/\\]/.test(files[0]!.path) ? files[0]!.path : `./${files[0]!.path}`;
  const need = [
    ...(isThere('gupfuzz', dir) ? [] : [shellWord(source())]),
    ...(isThere('vitest', dir) ? [] : ['vitest']),
  ];
  const test = `npx vitest run ${shellWord(files[1]!.path)}`;
  const lines = [
    'Next:',
    `  ${command('policies', module)}`,
    `  ${command('fuzz', '--policy', module)}`,
    `  ${command('compare', '--base', 'longterm-ban', '--cand', module, '--runs', '20000')}`,
    ...(need.length === 0
      ? [`  ${test}`]
      : [
          'The test needs packages that this folder does not have:',
          `  npm install ${need.join(' ')} && ${test}`,
        ]),
  ];
  talkText(lines.join('\n'));
  return EXIT.ok;
}

/** Where npm gets this package from: the folder of a clone, else the registry. */
function source(): string {
  return PACKAGE.split(sep).includes('node_modules') ? 'gupfuzz' : PACKAGE;
}

/** Would a module in this folder get the package by its name? */
function isThere(name: string, dir: string): boolean {
  const from = pathToFileURL(join(resolve(dir), 'x.js'));
  const require = createRequire(from);
  try {
    require.resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
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
