/**
 * Policies from names: built-in ones, and TypeScript or JavaScript modules of the user's.
 *
 * A module is evaluated in a process of its own (load-worker.ts) under limits of time and memory, expanded
 * there twice, and comes back as plain tables: nothing that a module does (loop, exit, eat memory, draw
 * numbers) gets here but as a PolicyError of one line. It is no protection against a module that means harm.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { entryFile } from '../installed.ts';
import { type ExpandedPolicy, expandPolicy, PolicyError, withConditions } from '../machine/tables.ts';
import { BUILT_IN, findPolicy, policyByName } from './index.ts';
import { ANSWER_MAX, checkedAnswer } from './answer.ts';
import type { LoadAnswer, LoadJob } from './load-watch.ts';
import { hint } from './nearest.ts';
import { oneLine } from './shape.ts';

export interface LoadOptions {
  /** Keep each rule's condition in the tables (withConditions). */
  readonly conditions?: boolean;
  /** Processor time that evaluating the module and expanding it twice may take, ms; six times as long in all. */
  readonly deadlineMs?: number;
  /** What the path is relative to. */
  readonly cwd?: string;
  /** URL of the module that `gupfuzz` stands for; by default this package. */
  readonly library?: string;
}

/** 50 times what the slowest policy here needs. */
export const DEADLINE_MS = 10_000;
/** The process itself must have started, its watching thread too, within this much more. */
const START_MS = 30_000;
/** So many times as long as it may compute a module may take in all: it may wait. */
const WAIT_FACTOR = 6;
/** A day; a timer has 31 bits. */
const DEADLINE_MAX_MS = 86_400_000;
const HEAP_MAX_MIB = 512;
const RSS_MAX = 1024 * 1024 * 1024;
/** Modules loaded at a time. */
const LOADS_MAX = 2;
const MODULE = /\.(ts|mts|js|mjs)$/;

const WORKER = entryFile('policies/load-worker');
/** The library entry: what `gupfuzz` is in a user's module. */
export const LIBRARY: string = entryFile('index').href;

/** Throws PolicyError. `path` is relative to `cwd`; messages show it as given. */
export async function loadPolicy(path: string, options: LoadOptions = {}): Promise<ExpandedPolicy> {
  return (await loadModule(path, options)).policy;
}

interface LoadedModule {
  readonly policy: ExpandedPolicy;
  readonly warnings: readonly string[];
}

async function loadModule(path: string, options: LoadOptions): Promise<LoadedModule> {
  const { deadlineMs = DEADLINE_MS, cwd = process.cwd(), library = LIBRARY, conditions = false } = options;
  if (!(deadlineMs > 0 && deadlineMs <= DEADLINE_MAX_MS))
    throw new RangeError(`deadlineMs ${deadlineMs} is not above 0 and at most ${DEADLINE_MAX_MS}`);
  const file = resolve(cwd, path);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw wrong(path, { what: `there is no such file (${file})` });
  if (!stat.isFile()) throw wrong(path, { what: 'is not a file' });
  if (!MODULE.test(file))
    throw wrong(path, { what: 'is not a module: its name must end in .ts, .mts, .js or .mjs' });
  const answer = await run({
    module: path,
    file,
    library,
    deadlineMs,
    waitMs: WAIT_FACTOR * deadlineMs,
    conditions,
    rssMax: RSS_MAX,
    parent: process.pid,
  });
  if ('policy' in answer) return answer;
  throw wrong(path, answer);
}

function wrong(
  path: string,
  answer: { readonly table?: string; readonly rule?: string; readonly what: string },
): PolicyError {
  return new PolicyError(path, answer.table, answer.rule, answer.what);
}

function run(job: LoadJob): Promise<LoadAnswer> {
  // From src, Node 20 needs help with TypeScript.
  const flags = WORKER.pathname.endsWith('.ts') ? ['--import', import.meta.resolve('jiti/register')] : [];
  const child = spawn(
    process.execPath,
    [...flags, `--max-old-space-size=${HEAP_MAX_MIB}`, fileURLToPath(WORKER), JSON.stringify(job)],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  return new Promise((done) => {
    const chunks: string[] = [];
    let length = 0;
    const end = (answer: LoadAnswer): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      done(answer);
    };
    const limitMs = job.waitMs + START_MS;
    const timer = setTimeout(
      () => end({ what: `loading it did not end within ${limitMs / 1000} s` }),
      limitMs,
    );
    const channel = child.stdio[3] as Readable;
    // Whole characters, wherever chunks end.
    channel.setEncoding('utf8').on('data', (chunk: string) => {
      // What came before has no end of a line: it is not searched again.
      const line = chunk.indexOf('\n');
      chunks.push(line < 0 ? chunk : chunk.slice(0, line));
      length += chunk.length;
      if (line >= 0) end(checkedAnswer(chunks.join('')) ?? FOREIGN);
      else if (length > ANSWER_MAX) end(FOREIGN);
    });
    child.once('error', (error) => end({ what: `node cannot be started to load it: ${oneLine(error)}` }));
    child.once('close', (code, signal) => end({ what: ending(code, signal) }));
  });
}

const FOREIGN: LoadAnswer = { what: 'writes to file descriptor 3, which is not its own' };

/** What an end without an answer means. */
function ending(code: number | null, signal: NodeJS.Signals | null): string {
  // V8 aborts when the heap is full; 134 is SIGABRT as a shell reports it.
  if (signal === 'SIGABRT' || code === 134) return `loading it took more than ${HEAP_MAX_MIB} MiB of heap`;
  if (signal !== null) return `loading it was ended by ${signal}`;
  return `ends the process (exit code ${code}) instead of exporting a policy`;
}

export interface Resolved {
  /** In the order of the names, without duplicates. */
  readonly policies: ExpandedPolicy[];
  /** Modules that are no policy, and why. */
  readonly broken: { readonly name: string; readonly message: string }[];
  /** Rules of modules that can never match or make no sense, one line each. */
  readonly warnings: readonly string[];
}

/** Is this name the path of a module, as opposed to that of a built-in policy? */
export function isModulePath(name: string): boolean {
  return /[/\\]/.test(name) || MODULE.test(name);
}

/**
 * `all` for the built-in policies, their ids and aliases, and paths of modules relative to `cwd`. A broken
 * module is reported in the result, so that it does not end a campaign for the others. Throws RangeError,
 * before anything is loaded, for a name that nothing has.
 */
export async function resolvePolicies(
  names: readonly string[],
  cwd: string,
  options: Omit<LoadOptions, 'cwd'> = {},
): Promise<Resolved> {
  // What is asked for, once, in order: ids of built-in policies, and files of modules with the name as given.
  const asked = new Map<string, string | undefined>();
  for (const name of names) {
    if (name === 'all') for (const policy of BUILT_IN) asked.set(policy.id, undefined);
    else if (!isModulePath(name)) asked.set(builtInId(name), undefined);
    else if (!asked.has(resolve(cwd, name))) asked.set(resolve(cwd, name), name);
  }
  const limit = pLimit(LOADS_MAX);
  const loaded = await Promise.all(
    [...asked].map(async ([key, name]) =>
      name === undefined
        ? { name: key, loaded: { policy: builtIn(key, options), warnings: [] } }
        : { name, loaded: await limit(() => attempt(loadModule(name, { ...options, cwd }))) },
    ),
  );

  const policies = new Map<string, { readonly name: string; readonly policy: ExpandedPolicy }>();
  const broken: { name: string; message: string }[] = [];
  const warnings: string[] = [];
  for (const { name, loaded: module } of loaded) {
    if (module instanceof PolicyError) {
      broken.push({ name, message: module.message });
      continue;
    }
    const { policy } = module;
    warnings.push(...module.warnings);
    const key = policy.id.toLowerCase();
    const same = policies.get(key);
    if (same === undefined)
      policies.set(key, { name, policy: isModulePath(name) ? { ...policy, module: name } : policy });
    else
      broken.push({
        name,
        message: wrong(name, { what: `its id ${policy.id} is also that of ${same.name}` }).message,
      });
  }
  return { policies: [...policies.values()].map(({ policy }) => policy), broken, warnings };
}

function builtIn(id: string, { conditions = false }: LoadOptions): ExpandedPolicy {
  const policy = policyByName(id);
  const expanded = expandPolicy(policy);
  return conditions ? withConditions(expanded, policy) : expanded;
}

/** A PolicyError is an answer here; anything else is a bug of ours and goes on. */
async function attempt(load: Promise<LoadedModule>): Promise<LoadedModule | PolicyError> {
  try {
    return await load;
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
}

/** The id of the built-in policy with this id or alias. */
function builtInId(name: string): string {
  const policy = findPolicy(name);
  if (policy !== undefined) return policy.id;
  const names = ['all', ...BUILT_IN.flatMap((p) => (p.alias === undefined ? [p.id] : [p.alias, p.id]))];
  const list = BUILT_IN.map((p) => (p.alias === undefined ? p.id : `${p.id} (${p.alias})`)).join(', ');
  throw new RangeError(
    `there is no policy ${JSON.stringify(name)}${hint(name, names)} There is: ${list}, all, or a module path such as ./mine.ts`,
  );
}
