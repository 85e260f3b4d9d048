/**
 * The counterexample file `*.gup.json`, format version 1: loader, writer, content id and JSON Schema.
 *
 * One zod definition gives the loader and the published schema; the types are written out beside it (declarations
 * need them) and the compiler holds both together. Reading goes through four layers, and an error names its layer:
 * `text` (size, JSON, doubled fields), `schema` (what the JSON Schema says too), `meaning` (what a schema cannot
 * say: names, ends, ranges), `id` (the content id). Every error is one line; a hostile file costs no more than that.
 */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CALLERS, PAGE_KINDS, REF_KINDS } from '../domain/kinds.ts';
import { FILES_MAX, MMS_MAX, PAGES_MAX, REFS_MAX, type Setup, shapeOf } from '../domain/setup.ts';
import { FILESYSTEMS } from '../machine/filesystems.ts';
import { COST_NAMES, type Costs } from '../machine/machine.ts';
import { ADVICE } from '../ops/madvise.ts';
import { WB_MODES } from '../ops/writeback.ts';
import { classId, DAMAGES, type FindingClass, OBSERVED_BY, STORED_BY } from '../property/property.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import { FileError, type Path, pathText, shorten, shown, UNPRINTABLE } from './file-error.ts';
import { readJson } from './json.ts';
import { FIRST_MM, type Step } from './scenario.ts';

export const FILE_FORMAT = 'gupfuzz-counterexample';
export const FILE_VERSION = 1;
/** Bytes of UTF-8. */
export const FILE_BYTES_MAX: number = 256 * 1024;
export const STEPS_MAX = 200;
/** Characters of `minimality.reason`. */
export const REASON_MAX = 300;

/** What one policy is expected to make of the scenario. */
export interface Expectation {
  readonly verdict: 'violated' | 'documented' | 'not violated' | 'unsupported';
  /** Ids of the classes violated, sorted; empty unless `violated`. */
  readonly classes: readonly string[];
  /** Ids of the classes met that are documented as not guaranteed, sorted. */
  readonly documented?: readonly string[];
  /** Only the costs that the entry wants pinned. */
  readonly costs?: Partial<Readonly<Costs>>;
}

export interface Seen {
  /** Index of the step (from 0) at which it was seen. */
  readonly step: number;
  readonly observed: string;
  readonly expected: string;
}

export interface Minimality {
  readonly kind: 'shortest' | '1-minimal' | 'none';
  /** `2 mms, 1 anon page, 1 ref, 14 operations`. */
  readonly scope: string;
  /** Steps: how deep the scope was searched. */
  readonly depth: number;
  /**
   * Ids of the policies that must all show the finding, for what is said here to hold: several, or the one that shows
   * what is documented. Absent: the policy of the file.
   */
  readonly policies?: readonly string[];
  /** Why it is not proved to be shortest; never with `shortest`. */
  readonly reason?: string;
}

export interface ProvenanceOfFile {
  readonly tool: string;
  readonly seed: number | null;
  readonly run: number | null;
  readonly found: 'campaign' | 'check' | 'minimize' | 'by hand';
}

export interface Counterexample {
  readonly format: typeof FILE_FORMAT;
  readonly version: typeof FILE_VERSION;
  /** Content id: see counterexampleId. */
  readonly id: string;
  /** In words, at most 120 characters. */
  readonly title: string;
  readonly setup: Setup;
  readonly steps: readonly Step[];
  /** The policy it was found on; null (like `class`) where nothing is violated. */
  readonly policy: string | null;
  readonly class: FindingClass | null;
  readonly seen: Seen | null;
  /** By policy id. */
  readonly expect: Readonly<Record<string, Expectation>>;
  readonly minimality: Minimality;
  readonly provenance: ProvenanceOfFile;
  /** Kernel bug ids (`B01`), CVEs, commits, selftests. */
  readonly references: readonly string[];
  /** Two or three sentences. */
  readonly explanation: string;
}

export { type FileCheck, FileError } from './file-error.ts';

/** What the content id is computed from. */
export type CounterexampleContent = Pick<Counterexample, 'setup' | 'steps' | 'policy' | 'class'>;

// ---- The definition --------------------------------------------------------------------------------------------

const PROPERTY = '(?:[a-z][a-z0-9-]{0,39}|claim: [a-z][A-Za-z0-9 _=>-]{0,59})';
const CLASS_ID = new RegExp(
  `^${PROPERTY}/(?:${DAMAGES.join('|')})/(?:${PAGE_KINDS.join('|')})` +
    `/(?:-|(?:${REF_KINDS.join('|')})-[RW](?:-LT)?)/(?:${STORED_BY.join('|')})->(?:${OBSERVED_BY.join('|')})$`,
);

// Each part carries as its error what is allowed there; `explain` puts it behind path and value.
const oneOf = <const T extends readonly [string, ...string[]]>(values: T, title: string) =>
  z.enum(values, { error: `one of ${values.map((v) => JSON.stringify(v)).join(', ')}` }).meta({ title });
const only = <const T extends string | number>(value: T, title: string) =>
  z.literal(value, { error: JSON.stringify(value) }).meta({ title });
const pattern = (regex: RegExp, allowed: string, title: string) =>
  z.string({ error: allowed }).regex(regex, { error: allowed }).meta({ title });
const text = (min: number, max: number, title: string) =>
  // The pattern counts characters as JSON Schema does, not UTF-16 units.
  pattern(
    new RegExp(`^[^${UNPRINTABLE}]{${min},${max}}$`, 'u'),
    `text of ${min} to ${max} characters without line breaks or control characters`,
    title,
  ).meta({ title, minLength: min, maxLength: max });
// The tasks that every scenario has are no names.
const name = (what: string) =>
  pattern(
    /^(?!(?:device|kernel|other)$)[A-Za-z][A-Za-z0-9_]{0,15}$/,
    'a name: a letter, then up to 15 letters, digits or _ (not device, kernel, other)',
    what,
  );
const whole = (min: number, max: number, title: string, orNull = '') => {
  const error = `a whole number from ${min} to ${max}${orNull}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).meta({ title });
};
const flag = (title: string) => z.boolean({ error: 'true or false' }).meta({ title });
const object = <T extends z.core.$ZodLooseShape>(shape: T, orNull = '') => {
  const fields = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? fields : `an object with ${fields}${orNull}`),
  });
};
const list = <T extends z.ZodType>(item: T, min: number, max: number, what: string) => {
  const error = `a list of ${min} to ${max} ${what}`;
  return z.array(item, { error }).min(min, { error }).max(max, { error });
};

const policyId = pattern(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  'a policy id (a letter or digit, then up to 63 letters, digits or . _ -), or null',
  'Policy id',
);
const classIds = (title: string, min: number) =>
  list(
    pattern(CLASS_ID, 'a class id such as isolation/leak/anon/GET-R/cpu->device', 'Class id'),
    min,
    100,
    'class ids',
  ).meta({ title });

const mmTask = name('The mm whose task executes the step');
const pageArgument = name('Name of a page of the setup');
const fileArgument = name('Name of a file page of the setup');
const refArgument = name('Name that an earlier gup gave to its reference');
const device = only('device', 'The device that holds the reference');
const kernel = only('kernel', 'The kernel by itself');
const other = only('other', 'Another process that has the file open');

const STEP = z
  .discriminatedUnion(
    'op',
    [
      object({ task: mmTask, op: only('fork', 'fork(2)'), result: name('Name of the child') }),
      object({ task: mmTask, op: only('exit', 'The process exits') }),
      object({
        task: mmTask,
        op: oneOf(['munmap', 'read', 'write'], 'munmap(2); a load; a store of fresh content'),
        page: pageArgument,
      }),
      object({
        task: mmTask,
        op: only('mprotect', 'mprotect(2)'),
        page: pageArgument,
        prot: oneOf(['r', 'rw'], 'PROT_READ, or PROT_READ|PROT_WRITE'),
      }),
      object({
        task: mmTask,
        op: only('madvise', 'madvise(2)'),
        page: pageArgument,
        advice: oneOf(ADVICE, 'MADV_DONTNEED, MADV_DONTFORK or MADV_DOFORK'),
      }),
      object({
        task: mmTask,
        op: only('gup', 'A caller takes a reference'),
        page: pageArgument,
        caller: oneOf(CALLERS, 'Who asks; the promise follows it'),
        write: flag('FOLL_WRITE'),
        longterm: flag('FOLL_LONGTERM'),
        fast: flag('GUP-fast is tried first'),
        result: name('Name of the reference'),
      }),
      object({
        task: device,
        op: only('unpin', 'The reference is released'),
        ref: refArgument,
        dirty: flag('The driver marks the page dirty'),
      }),
      object({
        task: device,
        op: oneOf(
          ['dio_end', 'dma_read', 'dma_write'],
          'O_DIRECT completes; the device loads; the device stores',
        ),
        ref: refArgument,
      }),
      object({
        task: kernel,
        op: only('wb_start', 'Writeback starts'),
        file: fileArgument,
        mode: oneOf(WB_MODES, 'WB_SYNC_NONE or WB_SYNC_ALL'),
      }),
      object({
        task: kernel,
        op: oneOf(['wb_end', 'reclaim', 'drop_caches'], 'Writeback ends; memory pressure; drop_caches'),
        file: fileArgument,
      }),
      object({
        task: other,
        op: oneOf(['fsync', 'buffered_read', 'buffered_write'], 'fsync(2), read(2) or write(2) of the file'),
        file: fileArgument,
      }),
    ],
    {
      error: (issue) =>
        issue.code === 'invalid_union'
          ? `one of ${(issue.options as string[]).join(', ')}`
          : 'an object: a step',
    },
  )
  .meta({ id: 'Step', title: 'One step', description: 'A task does one operation, to its end.' });

const prot = oneOf(['r', 'rw'], 'PROT_READ, or PROT_READ|PROT_WRITE');
const PAGE = z
  .discriminatedUnion(
    'kind',
    [
      object({ name: name('Name of the page'), kind: only('anon', 'Anonymous memory, private'), prot }),
      object({
        name: name('Name of the page'),
        kind: oneOf(
          ['private-file', 'shared-file', 'shmem'],
          'MAP_PRIVATE or MAP_SHARED of a file; shared memory',
        ),
        prot,
        file: name('Which file page is mapped'),
      }),
    ],
    {
      error: (issue) =>
        issue.code === 'invalid_union' ? `one of ${PAGE_KINDS.join(', ')}` : 'an object: a page of the setup',
    },
  )
  .meta({ id: 'Page', title: 'One page of the address space of the first mm; forks inherit it' });

const FILE = object({
  name: name('Name of the file page'),
  filesystem: oneOf(
    FILESYSTEMS.map((f) => f.id) as [string, ...string[]],
    'Filesystem profile: what it does with a page dirtied without notice',
  ),
}).meta({ id: 'File', title: 'One page of a file' });

const CLASS = object(
  {
    property: pattern(
      new RegExp(`^${PROPERTY}$`),
      'the id of a property, or "claim: ..."',
      'The broken promise',
    ),
    damage: oneOf(DAMAGES, 'What is broken'),
    page: oneOf(PAGE_KINDS, 'Kind of the page'),
    ref: oneOf([...REF_KINDS, '-'], 'The reference through which was observed or stored'),
    access: oneOf(['R', 'W', '-'], 'Access of that reference'),
    longterm: flag('FOLL_LONGTERM'),
    storedBy: oneOf(STORED_BY, 'Who stored what leaked or was missed'),
    observedBy: oneOf(OBSERVED_BY, 'Who observed it'),
  },
  ', or null',
).meta({ id: 'Class', title: 'Class of the finding' });

const EXPECTATION = object({
  verdict: oneOf(
    ['violated', 'documented', 'not violated', 'unsupported'],
    'Verdict of the scenario on the policy',
  ),
  classes: classIds('Ids of the classes violated, sorted', 0),
  documented: classIds(
    'Ids of the classes met that are documented as not guaranteed, sorted',
    1,
  ).exactOptional(),
  costs: object(
    Object.fromEntries(COST_NAMES.map((c) => [c, whole(0, 1_000_000, `Cost: ${c}`).exactOptional()])) as {
      [K in keyof Costs]: z.ZodExactOptional<ReturnType<typeof whole>>;
    },
  )
    .meta({ title: 'Costs that are pinned; the others are free' })
    .exactOptional(),
}).meta({ id: 'Expectation', title: 'What one policy is expected to make of the scenario' });

const COUNTEREXAMPLE = object({
  format: only(FILE_FORMAT, 'What this file is'),
  version: only(FILE_VERSION, 'Version of the format'),
  id: pattern(/^[0-9a-f]{16}$/, '16 hexadecimal digits', 'Content id').meta({
    description:
      'First 16 hexadecimal digits of the SHA-256 of setup, steps, policy and class as canonical JSON.',
  }),
  title: text(1, 120, 'Title in words'),
  setup: object({
    pages: list(PAGE, 1, PAGES_MAX, 'pages'),
    files: list(FILE, 0, FILES_MAX, 'files'),
    mms: whole(1, MMS_MAX, 'Bound: mms alive at a time'),
    refs: whole(0, REFS_MAX, 'Bound: references held at a time'),
    pinBias: whole(2, 1024, 'GUP_PIN_COUNTING_BIAS: 1024 in the kernel, small in exhaustive search'),
  }).meta({
    title: 'Where the scenario starts',
    description: `One mm, ${FIRST_MM}; nothing faulted in, nothing cached.`,
  }),
  steps: list(STEP, 1, STEPS_MAX, 'steps').meta({ title: 'The program, in order' }),
  policy: policyId.nullable().meta({
    title: 'The policy it was found on',
    description: 'null, like class, where nothing is violated.',
  }),
  class: CLASS.nullable().meta({ title: 'Class of the finding' }),
  seen: object(
    {
      step: whole(0, STEPS_MAX - 1, 'Index of the step, from 0'),
      observed: text(1, 300, 'What was seen'),
      expected: text(1, 300, 'What should have been seen'),
    },
    ', or null',
  )
    .nullable()
    .meta({ title: 'What was seen, and what should have been' }),
  expect: z
    .record(policyId, EXPECTATION, {
      error: (issue) =>
        issue.code === 'invalid_key'
          ? 'policy ids: a letter, then up to 63 letters, digits or . _ -'
          : 'an object: policy id -> expectation',
    })
    .meta({ title: 'Expectation per policy' }),
  minimality: object({
    kind: oneOf(
      ['shortest', '1-minimal', 'none'],
      'Shortest in the scope; no step can be left out; not minimized',
    ),
    scope: text(1, 200, 'The scope, for people'),
    depth: whole(0, 1_000_000, 'How deep the scope was searched, steps'),
    policies: list(policyId, 1, 20, 'policy ids')
      .meta({ title: 'Policies that must all show the finding; absent: the policy of the file' })
      .exactOptional(),
    reason: text(1, REASON_MAX, 'Why it is not proved to be shortest; never with "shortest"').exactOptional(),
  }).meta({ title: 'How small it is known to be' }),
  provenance: object({
    tool: text(1, 80, 'Tool and version'),
    seed: whole(
      Number.MIN_SAFE_INTEGER,
      Number.MAX_SAFE_INTEGER,
      'Seed of the campaign',
      ', or null',
    ).nullable(),
    run: whole(0, Number.MAX_SAFE_INTEGER, 'Run index of the campaign', ', or null').nullable(),
    found: oneOf(['campaign', 'check', 'minimize', 'by hand'], 'How it was found'),
  }).meta({ title: 'Where it comes from' }),
  references: list(text(1, 200, 'Bug id, CVE, commit or selftest'), 0, 50, 'references').meta({
    title: 'Kernel references',
  }),
  explanation: text(1, 1200, 'Why it happens, in two or three sentences'),
}).meta({
  title: `gupfuzz counterexample, format version ${FILE_VERSION}`,
  description:
    'A scenario with what each policy is expected to make of it. The loader also checks what a schema cannot say: ' +
    'size, doubled fields, names introduced and not ended, ranges, agreement of class and expectations, content id.',
});

type Loaded = z.infer<typeof COUNTEREXAMPLE>;
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** JSON Schema, draft 2020-12. */
export function jsonSchema(): object {
  return z.toJSONSchema(COUNTEREXAMPLE, { target: 'draft-2020-12', io: 'input' });
}

/** Text of counterexamples/schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

// ---- Content id ------------------------------------------------------------------------------------------------

/** First 16 hexadecimal digits of the SHA-256 of setup, steps, policy and class as canonical JSON. */
export function counterexampleId(c: CounterexampleContent): string {
  const content = { setup: c.setup, steps: c.steps, policy: c.policy, class: c.class };
  return createHash('sha256').update(canonical(content)).digest('hex').slice(0, 16);
}

/** JSON without spaces, the fields of each object in code unit order. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`;
}

/** Completes a counterexample with format, version and content id (anew if `parts` has one already). */
export function newCounterexample(parts: Omit<Counterexample, 'format' | 'version' | 'id'>): Counterexample {
  return { ...parts, format: FILE_FORMAT, version: FILE_VERSION, id: counterexampleId(parts) };
}

// ---- Reading ---------------------------------------------------------------------------------------------------

/** Throws FileError. `name`: the file's name for messages. */
export function parseCounterexample(text: string, name: string): Counterexample {
  const bytes = Buffer.byteLength(text);
  if (bytes > FILE_BYTES_MAX)
    throw new FileError(name, 'text', '', `the file has ${bytes} bytes; allowed: at most ${FILE_BYTES_MAX}`);
  return validate(readJson(text, name), name);
}

function validate(value: unknown, name: string): Counterexample {
  const loaded = COUNTEREXAMPLE.safeParse(value);
  if (!loaded.success) throw explain(loaded.error.issues, value, name);
  const c: Counterexample = loaded.data;
  checkSetup(c, name);
  checkSteps(c, name);
  checkFinding(c, name);
  const id = counterexampleId(c);
  if (c.id !== id)
    throw new FileError(
      name,
      'id',
      'id',
      `is ${shown(c.id)}; allowed: the content id of setup, steps, policy and class, ${shown(id)}`,
    );
  return c;
}

function explain(issues: readonly z.core.$ZodIssue[], root: unknown, file: string): FileError {
  // A misspelt field is both missing and unknown: the unknown one says more.
  const issue = issues.find((i) => i.code === 'unrecognized_keys') ?? issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  const place = pathText(path);
  const value = valueAt(root, path);
  let what = value === undefined ? 'is missing' : `is ${shown(value)}`;
  if (issue.code === 'unrecognized_keys' || issue.code === 'invalid_key')
    what = `is an unknown field (value ${shown(value)})`;
  else if (place === '') what = `the file ${what}`;
  return new FileError(file, 'schema', place, `${what}; allowed: ${issue.message}`);
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** An mm or a reference: where its name came from, and where it ended. */
interface Introduced {
  readonly name: string;
  readonly kind: 'mm' | 'ref';
  readonly from: string;
  ended: string;
}

function checkSetup(c: Counterexample, file: string): void {
  const { pages, files } = c.setup;
  const fail = (path: string, value: unknown, allowed: string): never => {
    throw new FileError(file, 'meaning', path, `is ${shown(value)}; allowed: ${allowed}`);
  };
  for (const [what, named] of Object.entries({ pages, files }))
    named.forEach(({ name }, i) => {
      const first = named.findIndex((n) => n.name === name);
      if (first < i)
        fail(`setup.${what}[${i}].name`, name, `a name not yet used (setup.${what}[${first}] has it)`);
    });
  pages.forEach((page, i) => {
    if (page.file !== undefined && !files.some((f) => f.name === page.file))
      fail(`setup.pages[${i}].file`, page.file, oneNamed('a file of setup.files', files));
  });
  try {
    shapeOf(c.setup);
  } catch (error) {
    if (error instanceof RangeError) throw new FileError(file, 'meaning', '', error.message);
    throw error;
  }
}

/** Names are introduced before they are used, never reused, and not used after their end. */
function checkSteps(c: Counterexample, file: string): void {
  const names = new Map<string, Introduced>();
  names.set(FIRST_MM, { name: FIRST_MM, kind: 'mm', from: 'the mm at the start', ended: '' });

  c.steps.forEach((step, at) => {
    const fail = (field: string, value: unknown, what: string): never => {
      throw new FileError(file, 'meaning', `steps[${at}].${field}`, `is ${shown(value)}${what}`);
    };
    const use = (field: 'task' | 'ref', kind: 'mm' | 'ref', name: string): void => {
      const known = names.get(name);
      const alive = [...names.values()].filter((n) => n.kind === kind && n.ended === '');
      const allowed = oneNamed(kind === 'mm' ? 'an mm that lives' : 'a reference that is held', alive);
      if (known === undefined) fail(field, name, `, which nothing introduced before; allowed: ${allowed}`);
      else if (known.kind !== kind) fail(field, name, `, which is ${known.from}; allowed: ${allowed}`);
      else if (known.ended !== '') fail(field, name, `, which ended at ${known.ended}; allowed: ${allowed}`);
    };
    const introduce = (kind: 'mm' | 'ref', name: string): void => {
      const known = names.get(name);
      if (known !== undefined) fail('result', name, `, which is ${known.from}; allowed: a name not yet used`);
      names.set(name, { name, kind, from: `the result of steps[${at}] (${step.op})`, ended: '' });
    };
    const end = (name: string): void => {
      names.get(name)!.ended = `steps[${at}] (${step.op})`;
    };

    if ('ref' in step) use('ref', 'ref', step.ref);
    else if (!('file' in step)) use('task', 'mm', step.task);
    if ('page' in step && !c.setup.pages.some((p) => p.name === step.page))
      fail('page', step.page, `; allowed: ${oneNamed('a page of setup.pages', c.setup.pages)}`);
    if ('file' in step && !c.setup.files.some((f) => f.name === step.file))
      fail('file', step.file, `; allowed: ${oneNamed('a file of setup.files', c.setup.files)}`);
    switch (step.op) {
      case 'fork':
        introduce('mm', step.result);
        break;
      case 'gup': {
        const contract = CALLER_CONTRACTS[step.caller];
        for (const field of ['write', 'longterm'] as const)
          if (contract[field] !== 'free' && contract[field] !== step[field])
            fail(field, step[field], `; allowed: ${contract[field]} for ${step.caller}`);
        introduce('ref', step.result);
        break;
      }
      case 'exit':
        end(step.task);
        break;
      case 'unpin':
      case 'dio_end':
        end(step.ref);
        break;
    }
  });
}

const oneNamed = (what: string, named: readonly { readonly name: string }[]): string =>
  `${what} (${named.length === 0 ? 'there is none' : shorten(named.map((n) => n.name).join(', '), 80)})`;

/** Policy, class, what was seen and the expectations agree with each other. */
function checkFinding(c: Counterexample, file: string): void {
  const fail = (path: Path, value: unknown, allowed: string): never => {
    throw new FileError(file, 'meaning', pathText(path), `is ${shown(value)}; allowed: ${allowed}`);
  };
  if (c.class === null && c.policy !== null) fail(['class'], null, 'a class, or null in policy as well');
  if (c.class !== null && c.policy === null) fail(['policy'], null, 'a policy id, or null in class as well');
  if (c.seen !== null && c.seen.step >= c.steps.length)
    fail(['seen', 'step'], c.seen.step, `the index of a step, 0 to ${c.steps.length - 1}`);
  if (c.class !== null) {
    const { ref, access, longterm, damage, storedBy } = c.class;
    if (ref === '-' && access !== '-') fail(['class', 'access'], access, '"-" where ref is "-"');
    if (ref !== '-' && access === '-') fail(['class', 'access'], access, '"R" or "W" where ref is not "-"');
    if (ref === '-' && longterm) fail(['class', 'longterm'], longterm, 'false where ref is "-"');
    const content = damage === 'leak' || damage === 'stale';
    if (content !== (storedBy !== '-'))
      fail(['class', 'storedBy'], storedBy, `${content ? 'who stored' : '"-"'} where damage is "${damage}"`);
  }
  const { kind, policies, reason } = c.minimality;
  if (kind === 'shortest' && reason !== undefined)
    fail(['minimality', 'reason'], reason, 'no reason where kind is "shortest"');
  policies?.forEach((id, i) => {
    const at = ['minimality', 'policies', i];
    if (policies.indexOf(id) < i) fail(at, id, 'each policy once');
    const e = c.expect[id];
    const shows = c.class === null ? e?.documented !== undefined : e?.classes.includes(classId(c.class));
    if (shows !== true) fail(at, id, 'a policy that shows the finding, by its expectation');
  });
  for (const [policy, e] of Object.entries(c.expect)) {
    const at = ['expect', policy];
    for (const field of ['classes', 'documented'] as const)
      e[field]?.forEach((id, i, ids) => {
        if (i > 0 && ids[i - 1]! >= id) fail([...at, field, i], id, 'ids sorted by code units, each once');
      });
    if (e.verdict === 'violated' && e.classes.length === 0)
      fail([...at, 'classes'], e.classes, 'at least one class id');
    if (e.verdict !== 'violated' && e.classes.length > 0)
      fail([...at, 'classes'], e.classes, `[] for "${e.verdict}"`);
    if (e.verdict === 'not violated' && e.documented !== undefined)
      fail([...at, 'documented'], e.documented, 'nothing for "not violated"');
    if (policy === c.policy && c.class !== null && !e.classes.includes(classId(c.class)))
      fail([...at, 'classes'], e.classes, `with ${classId(c.class)}, as found on this policy`);
  }
}

// ---- Writing ---------------------------------------------------------------------------------------------------

/**
 * The file's text: fields in the order of the definition; one page, file, step or policy per line; a newline at the
 * end. Throws FileError if the loader would refuse it: what we write can be read.
 */
export function formatCounterexample(c: Counterexample): string {
  const name = 'counterexample to be written';
  // The compiler sees to it that the definition takes every step and class. It rebuilds objects in its field order.
  const { setup, steps, expect, references, ...rest } = validate(
    {
      ...c,
      steps: c.steps satisfies Frozen<Loaded['steps']>,
      class: c.class satisfies Frozen<Loaded['class']>,
    },
    name,
  );
  const policies = Object.keys(expect).sort(byNumbers);
  const field = (key: string, value: string): string => `  ${JSON.stringify(key)}: ${value}`;
  const inlined = (key: keyof typeof rest): string => field(key, inline(rest[key]));
  const text = `{\n${[
    inlined('format'),
    inlined('version'),
    inlined('id'),
    inlined('title'),
    field(
      'setup',
      `{\n${[
        `    "pages": ${block('[]', setup.pages.map(inline), '    ')}`,
        `    "files": ${block('[]', setup.files.map(inline), '    ')}`,
        ...(['mms', 'refs', 'pinBias'] as const).map((key) => `    "${key}": ${setup[key]}`),
      ].join(',\n')}\n  }`,
    ),
    field('steps', block('[]', steps.map(inline), '  ')),
    inlined('policy'),
    inlined('class'),
    inlined('seen'),
    field(
      'expect',
      block(
        '{}',
        policies.map((id) => `${JSON.stringify(id)}: ${inline(expect[id])}`),
        '  ',
      ),
    ),
    inlined('minimality'),
    inlined('provenance'),
    field('references', inline(references)),
    inlined('explanation'),
  ].join(',\n')}\n}\n`;
  if (Buffer.byteLength(text) > FILE_BYTES_MAX)
    throw new FileError(name, 'text', '', `the file would have more than ${FILE_BYTES_MAX} bytes`);
  return text;
}

function block(brackets: '[]' | '{}', lines: readonly string[], indent: string): string {
  if (lines.length === 0) return brackets;
  return `${brackets[0]}\n${lines.map((line) => `${indent}  ${line}`).join(',\n')}\n${indent}${brackets[1]}`;
}

function inline(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)}: ${inline(field)}`);
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** Orders ids with numbers in them as people do: v5.8 before v5.11. */
export function byNumbers(a: string, b: string): number {
  const x = a.split(/(\d+)/);
  const y = b.split(/(\d+)/);
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    // Odd parts are numbers.
    const order = i % 2 === 1 ? Number(x[i]) - Number(y[i]) : 0;
    if (order !== 0) return order;
    if (x[i] !== y[i]) return x[i]! < y[i]! ? -1 : 1;
  }
  return x.length - y.length;
}
