/** `mutate`: every rule of a policy, changed, and what becomes of it. */
import cliProgress from 'cli-progress';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { mutantsData, mutantsMarkdown, mutantsText } from '../mutate/report.ts';
import { mutate } from '../mutate/run.ts';
import { hint } from '../policies/nearest.ts';
import { choosePolicies } from './choose.ts';
import { EXIT, inputError, usageError } from './exit.ts';
import { paint, print, printJson, width } from './io.ts';
import type { MutateCommandOptions } from './mutate.ts';

export async function runMutate(options: MutateCommandOptions): Promise<number> {
  const { policies, broken } = await choosePolicies([options.name], { conditions: true });
  if (broken.length > 0) throw inputError(broken[0]!.message);
  const policy = policies[0]!;
  checkRule(policy, options);
  const bar = progressBar();
  const result = mutate(policy, { table: options.table, rule: options.rule, onProgress: bar.update });
  bar.stop();
  if (options.format === 'json') printJson(mutantsData(result));
  else if (options.format === 'md') print(mutantsMarkdown(result));
  else print(mutantsText(result, { paint, width: width() }));
  return EXIT.ok;
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

interface Bar {
  update(done: number, total: number): void;
  stop(): void;
}

/** A live line on a terminal, nothing elsewhere. */
function progressBar(): Bar {
  if (process.stderr.isTTY !== true) return { update: () => {}, stop: () => {} };
  const bar = new cliProgress.SingleBar({
    format: 'mutants [{bar}] {value} of {total}',
    barsize: 12,
    stream: process.stderr,
    hideCursor: false,
    clearOnComplete: true,
    linewrap: false,
  });
  let started = false;
  return {
    update: (done, total) => {
      if (!started) bar.start(total, done);
      started = true;
      bar.update(done);
    },
    stop: () => {
      if (started) bar.stop();
    },
  };
}
