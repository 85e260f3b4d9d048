/** `mutate`: every rule of a policy, changed, and what becomes of it. */
import { setImmediate } from 'node:timers/promises';
import { DECISIONS } from '../machine/decisions.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { mutantsData, mutantsMarkdown, mutantsText } from '../mutate/report.ts';
import { type Explained, mutating } from '../mutate/run.ts';
import { hint } from '../policies/nearest.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { paint, print, printJson, printResult, talk, width } from './io.ts';
import type { MutateCommandOptions } from './mutate.ts';
import { progressLine } from './progress-line.ts';
import { onStop } from './stop.ts';

export async function runMutate(options: MutateCommandOptions): Promise<number> {
  const { policies, broken } = await choosePolicies([options.name], { conditions: true });
  if (broken.length > 0) throw inputError(broken[0]!.message);
  const policy = policies[0]!;
  checkRule(policy, options);
  const unasked = policy.tables.filter((t) => DECISIONS[t.decision].only !== undefined && t.usual !== true);
  if (options.table !== undefined && DECISIONS[options.table].only === 'fine')
    throw inputError(
      `--table ${options.table}: mutants are not judged where operations are interleaved, and nothing else asks it; check a policy with the change on --scope race`,
    );
  if (options.table === undefined)
    for (const { decision } of unasked)
      talk(
        DECISIONS[decision].only === 'fine'
          ? `not judged: ${decision}, which is asked only where operations are interleaved (check --scope race)`
          : `not judged: ${decision}, which is asked only where there is swap (--table ${decision})`,
      );
  const { total, mutants, ...rest } = mutating(policy, { table: options.table, rule: options.rule });
  const line = progressLine();
  const stop = onStop(() => {
    line.clear();
    talk('stopping; what was judged so far is told (again to stop at once)');
  });
  const judged: Explained[] = [];
  for (const mutant of mutants) {
    judged.push(mutant);
    line.update(() => `${judged.length} of ${total} mutants judged`);
    await setImmediate(); // for signals
    if (stop.signal.aborted) break;
  }
  stop.off();
  line.clear();
  const result = { ...rest, mutants: judged };
  if (options.format === 'json') printJson(mutantsData(result));
  else if (options.format === 'md') print(mutantsMarkdown(result));
  else
    printResult(
      mutantsText(result, { paint, width: width() }),
      stop.code !== undefined,
      '--format json in a file has all of it',
    );
  if (judged.length < total) talk(`${judged.length} of ${total} mutants were judged`);
  return stop.code ?? EXIT.ok;
}

/** Throws UserError if no table that is asked for has the rule. */
function checkRule(policy: ExpandedPolicy, { table, rule }: MutateCommandOptions): void {
  if (rule === undefined) return;
  const tables = policy.tables.filter((t) => table === undefined || t.decision === table);
  const names = [...new Set(tables.flatMap((t) => t.rules))];
  if (names.includes(rule)) return;
  const where = table === undefined ? policy.id : `${table} of ${policy.id}`;
  throw usageError(
    `${where} has no rule ${JSON.stringify(rule)}${hint(rule, names)} There is: ${names.join(', ')}`,
  );
}
