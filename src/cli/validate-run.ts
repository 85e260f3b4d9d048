/** `validate`: one line per file. What is wrong is the result here, so it goes to stdout like what is right. */
import { classId } from '../property/property.ts';
import { exitOf, loadFiles } from './files.ts';
import { paint, print, printJson, talk } from './io.ts';
import type { VALIDATE_FORMATS } from './validate.ts';

export interface ValidateOptions {
  readonly paths: readonly string[];
  readonly format: (typeof VALIDATE_FORMATS)[number];
}

export async function runValidate(options: ValidateOptions): Promise<number> {
  const loaded = loadFiles(options.paths);
  const { files, problems, empty } = loaded;
  if (options.format === 'json')
    printJson({
      files: files.map(({ file, counterexample: c }) => ({ file, id: c.id, title: c.title })),
      problems,
    });
  else {
    for (const { file, counterexample: c } of files) {
      const what = c.class === null ? 'nothing violated' : `${classId(c.class)} on ${c.policy}`;
      print(`${file}: ${paint.green('ok')}: ${c.steps.length} steps, ${what}`);
    }
    for (const { file, message } of problems)
      print(
        message.startsWith(`${file}: `)
          ? `${file}: ${paint.red('bad')}: ${message.slice(file.length + 2)}`
          : message,
      );
  }
  for (const folder of empty) talk(`${folder}: there is no counterexample in this folder`);
  if (files.length + problems.length > 1) talk(`${files.length} good, ${problems.length} bad`);
  return exitOf(loaded);
}
