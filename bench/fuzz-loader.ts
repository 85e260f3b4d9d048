/**
 * Hostile counterexample files: `node dist/bench/fuzz-loader.js [count] [seed] [json|text]`. Each file is a valid one with random
 * damage. The loader must take it or refuse it with one FileError of one line; anything else is a breach (exit code 1).
 * Same count and seed, same files.
 */

import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { Counterexample } from '../src/scenario/definition.ts';
import {
  type CounterexampleContent,
  counterexampleId,
  FILE_BYTES_MAX,
  type FileCheck,
  FileError,
  formatCounterexample,
  newCounterexample,
  parseCounterexample,
} from '../src/scenario/file.ts';
import { formatText, parseText, rewriteText, type ScenarioText } from '../src/scenario/text.ts';

export interface LoaderFuzz {
  readonly files: number;
  readonly accepted: number;
  /** Refused files, by the layer that refused them. */
  readonly refused: Readonly<Record<FileCheck, number>>;
  /** Of any one file, ms. */
  readonly slowestMs: number;
  /** What went wrong, one line each, with the file's number. */
  readonly breaches: readonly string[];
}

/** The form that a file has before the damage. */
export const LOADER_FORMS = ['json', 'text'] as const;
export type LoaderForm = (typeof LOADER_FORMS)[number];

const FILE_NAME = 'mutated.gup.json';
const TEXT_NAME = 'mutated.gup';
const LINE_MAX = 400;
const SLOW_MS = 1000;

/** Mutated files start from these. They look like real ones; nobody replays them. */
export const LOADER_SAMPLES: readonly Counterexample[] = [
  newCounterexample({
    title: 'a child keeps a vmsplice reference and reads what the parent writes later',
    setup: { pages: [{ name: 'A', kind: 'anon', prot: 'rw' }], files: [], mms: 2, refs: 1, pinBias: 1024 },
    steps: [
      { task: 'P', op: 'write', page: 'A' },
      { task: 'P', op: 'fork', result: 'C' },
      {
        task: 'C',
        op: 'gup',
        page: 'A',
        caller: 'vmsplice',
        write: false,
        longterm: false,
        fast: true,
        result: 'h1',
      },
      { task: 'C', op: 'munmap', page: 'A' },
      { task: 'P', op: 'write', page: 'A' },
      { task: 'device', op: 'dma_read', ref: 'h1' },
    ],
    policy: 'v5.7-mapcount',
    class: {
      property: 'isolation',
      damage: 'leak',
      page: 'anon',
      ref: 'GET',
      access: 'R',
      longterm: false,
      storedBy: 'cpu',
      observedBy: 'device',
    },
    seen: { step: 5, observed: 'the second store of P', expected: 'what A held at step 3' },
    expect: {
      'v5.7-mapcount': {
        verdict: 'violated',
        classes: ['isolation/leak/anon/GET-R/cpu->device'],
        costs: { copies: 0 },
      },
      'v5.8-cow-break': { verdict: 'not violated', classes: [], costs: { copies: 1, gupFaults: 1 } },
      'v5.11-page-count': { verdict: 'not violated', classes: [] },
    },
    minimality: { kind: 'shortest', scope: '2 mms, 1 anon page, 1 ref, 14 operations', depth: 6 },
    provenance: { tool: 'gupfuzz 0.1.0', seed: -12345, run: 17, found: 'minimize' },
    references: ['B01', 'CVE-2020-29374', '17839856fd58'],
    explanation:
      'The write fault of P counts mappings, not references. It reuses the folio that h1 still holds.',
  }),
  newCounterexample({
    title: 'a page dirtied at unpin after writeback: the filesystem is not told',
    setup: {
      pages: [
        { name: 'A', kind: 'anon', prot: 'rw' },
        { name: 'S', kind: 'shared-file', prot: 'rw', file: 'F' },
        { name: 'R', kind: 'private-file', prot: 'r', file: 'F' },
        { name: 'M', kind: 'shmem', prot: 'rw', file: 'T' },
      ],
      files: [
        { name: 'F', filesystem: 'ext4-v5.17' },
        { name: 'T', filesystem: 'shmem' },
      ],
      mms: 3,
      refs: 3,
      pinBias: 3,
    },
    steps: [
      { task: 'P', op: 'madvise', page: 'A', advice: 'dontfork' },
      { task: 'P', op: 'fork', result: 'C' },
      {
        task: 'P',
        op: 'gup',
        page: 'S',
        caller: 'pin',
        write: true,
        longterm: true,
        fast: false,
        result: 'h1',
      },
      {
        task: 'C',
        op: 'gup',
        page: 'R',
        caller: 'o_direct_write',
        write: false,
        longterm: false,
        fast: true,
        result: 'h2',
      },
      { task: 'C', op: 'mprotect', page: 'S', prot: 'r' },
      { task: 'kernel', op: 'wb_start', file: 'F', mode: 'ALL' },
      { task: 'kernel', op: 'wb_end', file: 'F' },
      { task: 'kernel', op: 'reclaim', file: 'F' },
      { task: 'kernel', op: 'drop_caches', file: 'F' },
      { task: 'device', op: 'dma_write', ref: 'h1' },
      { task: 'device', op: 'dio_end', ref: 'h2' },
      { task: 'C', op: 'exit' },
      { task: 'device', op: 'unpin', ref: 'h1', dirty: true },
      { task: 'other', op: 'fsync', file: 'F' },
      { task: 'other', op: 'buffered_write', file: 'F' },
      { task: 'other', op: 'buffered_read', file: 'F' },
      { task: 'P', op: 'read', page: 'M' },
    ],
    policy: 'my.policy_2',
    class: {
      property: 'fs-notified',
      damage: 'unnotified',
      page: 'shared-file',
      ref: 'PIN',
      access: 'W',
      longterm: true,
      storedBy: '-',
      observedBy: 'filesystem',
    },
    seen: { step: 12, observed: 'the folio became dirty', expected: 'page_mkwrite before it' },
    expect: {
      'v6.5-longterm-ban': { verdict: 'unsupported', classes: [] },
      'my.policy_2': {
        verdict: 'violated',
        classes: [
          'fs-notified/unnotified/shared-file/PIN-W-LT/-->filesystem',
          'no-crash/bug/shared-file/-/-->filesystem',
        ],
        documented: ['claim: pinned anon => exclusive/stale/anon/-/initial->filesystem'],
        costs: {
          copies: 2,
          earlyCopies: 1,
          needlessCopies: 0,
          gupAllocations: 0,
          refused: 0,
          blocked: 1,
          deferred: 0,
        },
      },
    },
    minimality: {
      kind: '1-minimal',
      scope: '3 mms, 4 pages, 2 files, 3 refs',
      depth: 0,
      reason: 'not proved: 20,000,000 states reached at depth 1 of 9',
    },
    provenance: { tool: 'gupfuzz 0.1.0', seed: 4294967295, run: null, found: 'campaign' },
    references: [],
    explanation: 'Nobody calls page_mkwrite for a store by a device.',
  }),
  newCounterexample({
    title: 'a pipe may show the old value – that is allowed',
    setup: { pages: [{ name: 'A', kind: 'anon', prot: 'rw' }], files: [], mms: 1, refs: 1, pinBias: 1024 },
    steps: [
      {
        task: 'P',
        op: 'gup',
        page: 'A',
        caller: 'get',
        write: false,
        longterm: false,
        fast: false,
        result: 'h1',
      },
    ],
    policy: null,
    class: null,
    seen: null,
    expect: {},
    minimality: { kind: 'none', scope: 'as written', depth: 1 },
    provenance: { tool: 'gupfuzz 0.1.0', seed: null, run: null, found: 'by hand' },
    references: ['B21', 'tools/testing/selftests/mm/cow.c'],
    explanation: 'vmsplice(2) says so.',
  }),
];

/** Marsaglia's xorshift32; deterministic and all our own. */
export class Xorshift {
  #state: number;
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e3779b9) ^ 0x6d2b79f5) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.below(2);
  }
  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % n;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** Strings and values that have broken loaders before. */
const HOSTILE: readonly unknown[] = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  'device',
  'P',
  'h1',
  'A',
  '\u0000',
  '\u001b[31mred',
  'a\nb',
  '\u2028',
  '\u202egnp.exe',
  '\ud800',
  '\udc00\ud800',
  '\ufeff',
  '😀'.repeat(130),
  'x'.repeat(2000),
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  1e300,
  5e-324,
  null,
  true,
  [],
  {},
  [[]],
  { op: 'fork' },
  { task: 'P', op: 'fork', result: 'C' },
  { task: 'P', op: 'exit' },
  { length: 1 },
];

/** Names and words that fit in some places, so that files get past the schema and are wrong in meaning. */
const FITTING: readonly unknown[] = [
  'A',
  'S',
  'R',
  'F',
  'T',
  'P',
  'C',
  'D',
  'h1',
  'h2',
  'h9',
  'r',
  'rw',
  'leak',
  'cpu',
  '-',
  0,
  1,
  2,
];

/** One to three random changes of a JSON value: fields gone, renamed, moved, of other types, nested. */
export function mutateValue(rng: Xorshift, value: unknown): unknown {
  let root = structuredClone(value);
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const places = containers(root);
    if (places.length === 0) return root;
    const steps = containers((root as Container).steps);
    const at = rng.pick(steps.length > 0 && rng.below(3) === 0 ? steps : places);
    const keys = Object.keys(at);
    const key = keys.length === 0 ? '0' : rng.pick(keys);
    const from = rng.pick(places);
    const other = rng.pick(Object.keys(from).length === 0 ? ['0'] : Object.keys(from));
    switch (rng.below(12)) {
      case 0:
        if (Array.isArray(at)) at.splice(Number(key), 1);
        else delete at[key];
        break;
      case 1:
        set(
          at,
          rng.pick(['x', 'task', 'page', 'file', 'result', 'costs', 'documented', 'a b', '__proto__']),
          at[key],
        );
        if (rng.below(2) === 0) delete at[key];
        break;
      case 2:
        set(at, key, structuredClone(rng.pick(HOSTILE)));
        break;
      case 3:
        set(at, key, structuredClone(from[other]));
        break;
      case 4: {
        const held = at[key];
        set(at, key, structuredClone(from[other]));
        set(from, other, structuredClone(held));
        break;
      }
      case 5:
        if (Array.isArray(at)) at.splice(rng.below(at.length + 1), 0, structuredClone(at[Number(key)]));
        else set(at, key, String(at[key]));
        break;
      case 6: {
        let nested = at[key];
        for (let d = rng.below(24); d >= 0; d--) nested = rng.below(2) === 0 ? [nested] : { [key]: nested };
        set(at, key, nested);
        break;
      }
      case 7:
        if (Array.isArray(at))
          for (let i = rng.below(260); i > 0; i--) at.push(structuredClone(at[0] ?? null));
        else if (typeof at[key] === 'number') set(at, key, at[key] + rng.below(5) - 2);
        break;
      case 8:
        if (Array.isArray(at)) at.reverse();
        else if (rng.below(20) === 0) root = structuredClone(rng.pick(HOSTILE));
        else if (typeof at[key] === 'boolean') set(at, key, !at[key]);
        break;
      default:
        if (typeof at[key] !== 'object') set(at, key, rng.pick(FITTING));
        else if (Array.isArray(at)) at.splice(rng.below(at.length), 1);
    }
  }
  return root;
}

type Container = Record<string, unknown>;

/** Also as `__proto__`, which an assignment would not store. */
function set(at: Container, key: string, value: unknown): void {
  if (Array.isArray(at)) at[Number(key)] = value;
  else Object.defineProperty(at, key, { value, writable: true, enumerable: true, configurable: true });
}

function containers(root: unknown): Container[] {
  if (typeof root !== 'object' || root === null) return [];
  return [root as Container, ...Object.values(root).flatMap(containers)];
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[\w.+-]+|[[\]{},:]|\s+/g;
const INSERTIONS: readonly string[] = [
  '\ufeff',
  '\u0000',
  '\r\n',
  '"',
  '\\',
  ',',
  '}',
  ']',
  '//',
  '"__proto__":{},',
  '"id":"0",',
  '9'.repeat(400),
  '-0',
  '1e999',
  '0x10',
  '01',
  'NaN',
  '\\ud800',
  '\ud800',
  '{"a":'.repeat(3000),
  '['.repeat(20_000),
  '{'.repeat(20_000),
  '"\\u0041"',
];

/** One to three random changes of the text itself. */
function mutateText(rng: Xorshift, from: string, samples: readonly string[]): string {
  let text = from;
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const at = rng.below(text.length + 1);
    const to = Math.min(text.length, at + 1 + rng.below(40));
    switch (rng.below(9)) {
      case 0: {
        const bytes = Buffer.from(text);
        for (let flips = 1 + rng.below(4); flips > 0 && bytes.length > 0; flips--)
          bytes[rng.below(bytes.length)]! ^= 1 << rng.below(8);
        text = bytes.toString();
        break;
      }
      case 1: {
        const tokens = text.match(TOKEN) ?? [text];
        const [a, b] = [rng.below(tokens.length), rng.below(tokens.length)];
        [tokens[a], tokens[b]] = [tokens[b]!, tokens[a]!];
        text = tokens.join('');
        break;
      }
      case 2:
        text = text.slice(0, at) + text.slice(to);
        break;
      case 3:
        text = text.slice(0, to) + text.slice(at);
        break;
      case 4:
        text = text.slice(0, at);
        break;
      case 5:
        text = text.slice(0, at) + rng.pick(INSERTIONS) + text.slice(at);
        break;
      case 6: {
        const other = rng.pick(samples);
        text = text.slice(0, at) + other.slice(rng.below(other.length));
        break;
      }
      case 7: {
        const lines = text.split('\n');
        const line = rng.below(lines.length);
        lines.splice(rng.below(lines.length), rng.below(2), lines[line]!);
        text = lines.join('\n');
        break;
      }
      case 8:
        text = text.replace(/\d+/g, (digits) =>
          rng.below(8) === 0 ? rng.pick(['1e400', '-1', `${digits}0`]) : digits,
        );
        break;
    }
    if (text.length > FILE_BYTES_MAX) break;
  }
  return text;
}

/** A damaged file; if only its values are damaged, mostly with the content id that it would need. */
export function mutatedFile(rng: Xorshift, samples: readonly string[]): string {
  const sample = rng.pick(samples);
  if (rng.below(500) === 0) return sample.padEnd(FILE_BYTES_MAX + rng.below(3) - 1);
  if (rng.below(3) === 0) return mutateText(rng, sample, samples);
  const value = mutateValue(rng, JSON.parse(sample));
  const text = JSON.stringify(rng.below(4) > 0 ? withId(value) : value, null, rng.below(3)) ?? '';
  return rng.below(6) === 0 ? mutateText(rng, text, samples) : text;
}

/** With the content id of what is there, if it has a place for one. */
export function withId(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('id' in value)) return value;
  return Object.assign(value, { id: counterexampleId(value as unknown as CounterexampleContent) });
}

/** Runs `count` mutated files through the loader. */
export function fuzzLoader(count: number, seed: number, form: LoaderForm = 'json'): LoaderFuzz {
  const samples = LOADER_SAMPLES.map((c) => (form === 'json' ? formatCounterexample(c) : formatText(c, c)));
  const rng = new Xorshift(seed);
  const refused: Record<FileCheck, number> = { text: 0, schema: 0, meaning: 0, id: 0 };
  const breaches: string[] = [];
  let accepted = 0;
  let slowestMs = 0;
  for (let n = 0; n < count; n++) {
    const text = form === 'json' ? mutatedFile(rng, samples) : mutateText(rng, rng.pick(samples), samples);
    const start = performance.now();
    const { check, breach } = form === 'json' ? tryOne(text) : tryText(text);
    const ms = performance.now() - start;
    slowestMs = Math.max(slowestMs, ms);
    if (check === 'accepted') accepted++;
    else if (check !== 'crashed') refused[check]++;
    if (breach !== '') breaches.push(`file ${n}: ${breach}`);
    if (ms > SLOW_MS) breaches.push(`file ${n}: took ${Math.round(ms)} ms`);
  }
  return { files: count, accepted, refused, slowestMs, breaches };
}

function tryOne(text: string): {
  readonly check: FileCheck | 'accepted' | 'crashed';
  readonly breach: string;
} {
  let loaded: Counterexample;
  try {
    loaded = parseCounterexample(text, FILE_NAME);
  } catch (error) {
    if (error instanceof FileError) return { check: error.check, breach: badMessage(error.message) };
    return { check: 'crashed', breach: `threw ${String(error).slice(0, 200)}` };
  }
  try {
    const written = formatCounterexample(loaded);
    const again = parseCounterexample(written, FILE_NAME);
    if (!isDeepStrictEqual(again, loaded))
      return { check: 'accepted', breach: 'reads back as something else' };
    if (formatCounterexample(again) !== written)
      return { check: 'accepted', breach: 'is written differently again' };
  } catch (error) {
    return { check: 'crashed', breach: `was read but not written: ${String(error).slice(0, 200)}` };
  }
  return { check: 'accepted', breach: '' };
}

/** As tryOne, of the text form. Unchanged, it must be rewritten as it is. */
function tryText(text: string): ReturnType<typeof tryOne> {
  let read: ScenarioText;
  try {
    read = parseText(text, TEXT_NAME);
  } catch (error) {
    if (error instanceof FileError)
      return { check: error.check, breach: badMessage(error.message, TEXT_NAME) };
    return { check: 'crashed', breach: `threw ${String(error).slice(0, 200)}` };
  }
  const accepted = (breach: string): ReturnType<typeof tryOne> => ({ check: 'accepted', breach });
  const { setup, steps, ...rest } = read.counterexample;
  try {
    if (rewriteText(read, { setup, steps }) !== text) return accepted('is rewritten as another text');
    const again = parseText(formatText({ setup, steps }, rest), TEXT_NAME).counterexample;
    if (!isDeepStrictEqual(again, read.counterexample)) return accepted('reads back as something else');
    formatCounterexample(read.counterexample);
  } catch (error) {
    return { check: 'crashed', breach: `was read but not written: ${String(error).slice(0, 200)}` };
  }
  return accepted('');
}

function badMessage(message: string, name: string = FILE_NAME): string {
  if (message.length > LINE_MAX) return `message of ${message.length} characters`;
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(message))
    return `message is not one printable line: ${JSON.stringify(message)}`;
  if (!message.includes(name)) return `message without the file's name: ${message}`;
  // Words of the schema library where it was not told what to say.
  return /Invalid|Unrecognized|expected .*, received/.test(message)
    ? `message says too little: ${message}`
    : '';
}

/** Prints the counts; 1 if there was a breach, 2 for arguments that are no numbers. */
function main(args: readonly string[]): number {
  const [count, seed] = [Number(args[0] ?? 100_000), Number(args[1] ?? 1)];
  const form = LOADER_FORMS.find((f) => f === (args[2] ?? 'json'));
  if (form === undefined || !Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
    console.error('usage: node dist/bench/fuzz-loader.js [count] [seed] [json|text]');
    return 2;
  }
  const result = fuzzLoader(count, seed, form);
  const refused = Object.entries(result.refused).map(([check, n]) => `${n} by ${check}`);
  console.log(
    `${result.files} files (seed ${seed}): ${result.accepted} accepted; refused: ${refused.join(', ')}`,
  );
  console.log(`slowest file: ${result.slowestMs.toFixed(1)} ms`);
  for (const breach of result.breaches.slice(0, 20)) console.log(breach);
  console.log(`${result.breaches.length} breaches`);
  return result.breaches.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
