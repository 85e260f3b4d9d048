/**
 * What a counterexample is: the types, and one zod definition that gives the loader and the published JSON Schema. The
 * types are written out beside it (declarations need them) and the compiler holds both together.
 */
import { z } from 'zod';
import { DIRECT_FILESYSTEMS, FILESYSTEMS } from '../domain/filesystems.ts';
import { CALLERS, PAGE_KINDS, REF_KINDS } from '../domain/kinds.ts';
import { own } from '../domain/own.ts';
import { kindsWith, type PageKind } from '../domain/page-kinds.ts';
import {
  FILES_MAX,
  MMS_MAX,
  PAGES_MAX,
  PARTS_MAX,
  REFS_MAX,
  type Setup,
  TASKS_MAX,
} from '../domain/setup.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { COST_NAMES, type Costs } from '../machine/machine.ts';
import type { Arg, TaskKind } from '../ops/args.ts';
import { OPS } from '../ops/index.ts';
import type { Op } from '../ops/op.ts';
import { DAMAGES, type FindingClass, OBSERVED_BY, STORED_BY } from '../property/property.ts';
import { UNPRINTABLE } from './file-error.ts';
import { FIRST_MM, type Step } from './scenario.ts';

export const FILE_FORMAT = 'gupfuzz-counterexample';
/** Versions of the format. Only files in which operations are interleaved (Setup.tasks) or pages have parts (Setup.parts) are of version 2. */
export const FILE_VERSIONS = [1, 2] as const;
export type FileVersion = (typeof FILE_VERSIONS)[number];
export const versionFor = ({ tasks, parts }: Pick<Setup, 'tasks' | 'parts'>): FileVersion =>
  tasks === undefined && parts === undefined ? 1 : 2;
export const STEPS_MAX = 200;
/** Characters of `title`, `minimality.reason` and `explanation`. */
export const TITLE_MAX = 120;
export const REASON_MAX = 300;
export const EXPLANATION_MAX = 1200;

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

/** A file of format gupfuzz-counterexample (counterexamples/schema.json): a scenario, and what is claimed of it. */
export interface Counterexample {
  readonly format: typeof FILE_FORMAT;
  readonly version: FileVersion;
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

/** What the file expects of a policy. */
export const expectationFor = (
  { expect }: Pick<Counterexample, 'expect'>,
  policy: string,
): Expectation | undefined => own(expect, policy);

/** Does the file claim nothing of any policy? So it is with what people write. */
export const saysNothing = ({ policy, expect }: Pick<Counterexample, 'policy' | 'expect'>): boolean =>
  policy === null && Object.keys(expect).length === 0;

const PROPERTY = '(?:[a-z][a-z0-9-]{0,39}|claim: [a-z][A-Za-z0-9 _=>-]{0,59})';
const CLASS_ID = new RegExp(
  `^${PROPERTY}/(?:${DAMAGES.join('|')})/(?:${PAGE_KINDS.join('|')})` +
    `/(?:-|(?:${REF_KINDS.join('|')})-[RW](?:-LT)?)/(?:${STORED_BY.join('|')})->(?:${OBSERVED_BY.join('|')})$`,
);

// Each part carries as its error what is allowed there; `explain` puts it behind path and value.
const oneOf = <const T extends readonly [string, ...string[]]>(values: T, title: string) =>
  z.enum(values, { error: `one of ${values.map((v) => JSON.stringify(v)).join(', ')}` }).meta({ title });
const only = <const T extends string | number>(value: T | readonly [T, ...T[]], title: string) =>
  z
    .literal(value as T, {
      error: [value]
        .flat()
        .map((v) => JSON.stringify(v))
        .join(' or '),
    })
    .meta({ title });
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
  const error = `${min === max ? min : `a whole number from ${min} to ${max}`}${orNull}`;
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

/** What an argument of a step may be. */
function argument(arg: Arg): z.ZodType {
  const title = arg.title ?? TITLES[arg.noun ?? ('is' in arg ? arg.is : '')] ?? '';
  if ('oneOf' in arg) return oneOf(arg.oneOf as [string, ...string[]], title);
  if ('pause' in arg) return oneOf(arg.pause as [string, ...string[]], title).exactOptional();
  if ('maybe' in arg) return oneOf(arg.maybe as [string, ...string[]], title).exactOptional();
  if (!('is' in arg)) return flag(title);
  if (arg.is === 'caller') return oneOf(CALLERS, title);
  return arg.after === undefined ? name(title) : name(title).exactOptional();
}
const TITLES: { readonly [noun: string]: string } = {
  page: 'Name of a page of the setup',
  file: 'Name of a file page of the setup',
  reference: 'Name that an earlier gup gave to its reference',
};
const TASKS: { readonly [K in TaskKind]: z.ZodType } = {
  mm: name('The mm whose task executes the step'),
  device: only('device', 'The device that holds the reference'),
  kernel: only('kernel', 'The kernel by itself'),
  other: only('other', 'Another process that has the file open'),
};

const stepOf = ({ kind, task, args, makes, title }: Op) =>
  object({
    task: TASKS[task],
    op: only(kind, title),
    ...Object.fromEntries(Object.entries(args).map(([field, arg]) => [field, argument(arg)])),
    ...(makes === undefined
      ? {}
      : { result: name(makes === 'mm' ? 'Name of the child' : 'Name of the reference') }),
  });

const STEP: z.ZodType<Step> = z
  .discriminatedUnion('op', OPS.map(stepOf) as unknown as [z.core.$ZodTypeDiscriminable], {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? `one of ${(issue.options as string[]).join(', ')}`
        : 'an object: a step',
  })
  .meta({
    id: 'Step',
    title: 'One step',
    description: 'A task does one operation, to its end.',
  }) as unknown as z.ZodType<Step>;

const kindsOf = (onFile: boolean) =>
  kindsWith((_, { file }) => (file !== '') === onFile) as [PageKind, ...PageKind[]];
const prot = oneOf(['r', 'rw'], 'PROT_READ, or PROT_READ|PROT_WRITE');
const PAGE = z
  .discriminatedUnion(
    'kind',
    [
      object({
        name: name('Name of the page'),
        kind: only(kindsOf(false), 'Anonymous memory, private'),
        prot,
      }),
      object({
        name: name('Name of the page'),
        kind: oneOf(kindsOf(true), 'MAP_PRIVATE or MAP_SHARED of a file; shared memory'),
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
  index: whole(
    0,
    FILES_MAX - 1,
    'Its place in a file that may be truncated, behind the page before it; absent: the one page of a file that is not',
  ).exactOptional(),
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
  version: only(
    FILE_VERSIONS,
    'Version of the format: 2 where operations are interleaved or pages have parts',
  ),
  id: pattern(/^[0-9a-f]{16}$/, '16 hexadecimal digits, or none', 'Content id')
    .meta({
      description:
        'First 16 hexadecimal digits of the SHA-256 of setup, steps, policy and class as canonical JSON. Computed by ' +
        'the tool; must fit where minimality claims a proof.',
    })
    .exactOptional(),
  title: text(1, TITLE_MAX, 'Title in words'),
  setup: object({
    pages: list(PAGE, 1, PAGES_MAX, 'pages'),
    files: list(FILE, 0, FILES_MAX, 'files'),
    aside: oneOf(
      DIRECT_FILESYSTEMS as [string, ...string[]],
      'Profile of the file that O_DIRECT writes go to where they name none; absent: one without stable pages',
    ).exactOptional(),
    swap: oneOf(
      SWAP_DEVICES,
      'Device that anonymous pages are swapped out to; absent: there is none',
    ).exactOptional(),
    mms: whole(1, MMS_MAX, 'Bound: mms alive at a time'),
    refs: whole(0, REFS_MAX, 'Bound: references held at a time'),
    tasks: whole(
      2,
      TASKS_MAX,
      'Operations in flight at a time; absent: each runs to its end',
    ).exactOptional(),
    parts: whole(
      PARTS_MAX,
      PARTS_MAX,
      'Parts of a page that may be stored to alone; absent: each store fills the page',
    ).exactOptional(),
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
  explanation: text(1, EXPLANATION_MAX, 'Why it happens, in two or three sentences'),
}).meta({
  title: `gupfuzz counterexample, format versions ${FILE_VERSIONS.join(' and ')}`,
  description:
    'A scenario with what each policy is expected to make of it. The loader also checks what a schema cannot say: ' +
    'size, doubled fields, names introduced and not ended, ranges, agreement of class and expectations, content id.',
});

type Loaded = z.infer<typeof COUNTEREXAMPLE>;
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** A value as the definition has it, in its order of fields; or what is wrong with it. */
export function defined(
  value: unknown,
):
  | { readonly data: Omit<Counterexample, 'id'> & { readonly id?: string } }
  | { readonly issues: readonly z.core.$ZodIssue[] } {
  const loaded = COUNTEREXAMPLE.safeParse(value);
  return loaded.success ? { data: loaded.data } : { issues: loaded.error.issues };
}

/** The same value: the compiler sees to it that the definition takes every class. Steps are derived, as their type is. */
export const definable = (c: Counterexample): object => ({
  ...c,
  class: c.class satisfies Frozen<Loaded['class']>,
});

/** JSON Schema, draft 2020-12. */
export function jsonSchema(): object {
  return z.toJSONSchema(COUNTEREXAMPLE, { target: 'draft-2020-12', io: 'input' });
}

/** Text of counterexamples/schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}
