/**
 * Runs a user's module and expands its rules, in a process of its own that load.ts starts: in a worker thread
 * a growing Map or string ends the whole process, not only the thread (tried on Node 20.20).
 *
 * Says exactly one line, of JSON, to file descriptor 3: the expanded policy, or what is wrong with it. A
 * second thread watches time and memory, so that the process ends even when its parent is gone, and a loop
 * can be named: the first thread leaves in `at` the table and the rule that it is in. In the module,
 * `gupfuzz` is this package, and console output goes nowhere.
 */
import { Worker } from 'node:worker_threads';
import { createJiti } from 'jiti';
import { entryFile } from '../installed.ts';
import { DECISION_NAMES } from '../machine/decisions.ts';
import { hasOwnTable, type Policy, tableAt } from '../machine/policy.ts';
import { unknownText } from '../machine/policy-error.ts';
import { type ExpandedPolicy, PolicyError, withConditions } from '../machine/tables.ts';
import { AT_RULE, AT_TABLE, type LoadJob, say, type Watch } from './load-watch.ts';
import { hint } from './nearest.ts';
import { checkedPolicy, checkPure, checkSame, expandModule, oneLine } from './shape.ts';
import { warningsOf } from './warnings.ts';

function sayWrong(error: unknown): void {
  if (error instanceof PolicyError)
    say({
      ...(error.table === undefined ? {} : { table: error.table }),
      ...(error.rule === undefined ? {} : { rule: error.rule }),
      what: whatIsWrong(error),
    });
  else say({ what: `cannot be loaded: ${oneLine(error)}` });
}

/** With the word that was meant, if one is near. */
function whatIsWrong({ unknown, what }: PolicyError): string {
  return unknown === undefined ? what : unknownText(unknown, hint(unknown.typed, unknown.known));
}

/** One fresh evaluation of the module and of all that it imports, this package excepted. */
async function evaluate(job: LoadJob): Promise<Policy> {
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    moduleCache: false,
    interopDefault: false,
    virtualModules: {
      // A promise, taken when the module imports it: jiti awaits imports.
      get gupfuzz(): Promise<unknown> {
        return import(job.library);
      },
    },
  });
  const exported = await jiti.import<{ readonly default?: unknown }>(job.file);
  return checkedPolicy(job.module, exported.default);
}

/** The policy with rules that leave a trace of which of them is running. */
function traced(policy: Policy, at: Int32Array): Policy {
  const trace = (row: unknown, table: number, number: number): unknown => {
    if (typeof row !== 'object' || row === null || !('when' in row) || typeof row.when !== 'function')
      return row;
    const when = row.when as (facts: unknown) => unknown;
    return {
      ...row,
      when: (facts: unknown): unknown => {
        at[AT_TABLE] = table;
        at[AT_RULE] = number;
        return when(facts);
      },
    };
  };
  const tables = DECISION_NAMES.flatMap((name, i) =>
    hasOwnTable(policy, name) ? [[name, tableAt(policy, name).map((row, j) => trace(row, i, j))]] : [],
  );
  return { ...policy, tables: Object.fromEntries(tables) as Policy['tables'] };
}

function expandAsAsked(job: LoadJob, policy: Policy): ExpandedPolicy {
  const expanded = expandModule(job.module, policy);
  return job.conditions ? withConditions(expanded, policy) : expanded;
}

/** Rule names of each table, for the watching thread. */
function ruleNames(policy: Policy): string[][] {
  return DECISION_NAMES.map((name) =>
    tableAt(policy, name).map((row: { name?: unknown } | null) => String(row?.name)),
  );
}

async function load(job: LoadJob): Promise<void> {
  const at = new Int32Array(new SharedArrayBuffer(8)).fill(-1);
  const watcher = new Worker(entryFile('policies/load-watch'), { workerData: { job, at } satisfies Watch });
  await new Promise((resolve, reject) => watcher.once('message', resolve).once('error', reject));
  watcher.unref();
  process.once('beforeExit', () => {
    say({ what: 'never finishes loading: it awaits something that never comes' });
    process.exit();
  });
  process.once('uncaughtException', (error) => {
    sayWrong(error);
    process.exit();
  });
  try {
    const policy = await evaluate(job);
    watcher.postMessage(ruleNames(policy));
    const once = traced(policy, at);
    const expanded = expandAsAsked(job, once);
    checkPure(job.module, once, expanded);
    at.fill(-1);
    const twice = traced(await evaluate(job), at);
    checkSame(job.module, expanded, expandAsAsked(job, twice));
    say({ policy: expanded, warnings: warningsOf(job.module, policy, expanded) });
  } catch (error) {
    sayWrong(error);
  }
  process.exit();
}

await load(JSON.parse(process.argv[2] ?? '{}') as LoadJob);
