import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { fuzzLoader, LOADER_SAMPLES, mutateValue, withId, Xorshift } from '../../bench/fuzz-loader.ts';
import { operationsOf } from '../check/scope.ts';
import { OP_KINDS } from '../ops/op.ts';
import { type Counterexample, jsonSchema, STEPS_MAX, schemaText } from './definition.ts';
import {
  byNumbers,
  counterexampleId,
  FILE_BYTES_MAX,
  FileError,
  formatCounterexample,
  newCounterexample,
  parseCounterexample,
} from './file.ts';

const [LEAK, NOTIFY, ALLOWED] = LOADER_SAMPLES as readonly [Counterexample, Counterexample, Counterexample];

/** JSON text on one line with some fields replaced, and the content id that goes with them. */
function written(base: Counterexample, change: (value: Loose) => void): string {
  const value = JSON.parse(formatCounterexample(base)) as Loose;
  change(value);
  return JSON.stringify(withId(value));
}
/** A counterexample on which anything may be tried. */
interface Loose {
  [key: string]: unknown;
  setup: { pages: Record<string, unknown>[]; files: Record<string, unknown>[]; [key: string]: unknown };
  steps: Record<string, unknown>[];
  class: Record<string, unknown> | null;
  seen: Record<string, unknown> | null;
  expect: Record<string, Record<string, unknown>>;
  provenance: Record<string, unknown>;
}

/** The one line that the loader has for a user, without the file's name. */
function refusal(text: string): { check: string; line: string } {
  try {
    parseCounterexample(text, 'x.gup.json');
  } catch (error) {
    expect(error).toBeInstanceOf(FileError);
    const { check, message } = error as FileError;
    expect(message).toMatch(/^x\.gup\.json: [^\n]*$/);
    expect(message.length).toBeLessThanOrEqual(400);
    return { check, line: message.slice('x.gup.json: '.length) };
  }
  return { check: 'accepted', line: '' };
}

describe('writing and reading', () => {
  it('puts one step, one page, one policy on a line, fields in a fixed order', () => {
    expect(formatCounterexample(ALLOWED)).toBe(`{
  "format": "gupfuzz-counterexample",
  "version": 1,
  "id": "fb9a2a72104ef10d",
  "title": "a pipe may show the old value – that is allowed",
  "setup": {
    "pages": [
      { "name": "A", "kind": "anon", "prot": "rw" }
    ],
    "files": [],
    "mms": 1,
    "refs": 1,
    "pinBias": 1024
  },
  "steps": [
    { "task": "P", "op": "gup", "page": "A", "caller": "get", "write": false, "longterm": false, "fast": false, "result": "h1" }
  ],
  "policy": null,
  "class": null,
  "seen": null,
  "expect": {},
  "minimality": { "kind": "none", "scope": "as written", "depth": 1 },
  "provenance": { "tool": "gupfuzz 0.1.0", "seed": null, "run": null, "found": "by hand" },
  "references": ["B21", "tools/testing/selftests/mm/cow.c"],
  "explanation": "vmsplice(2) says so."
}
`);
    const lines = formatCounterexample(NOTIFY).split('\n');
    expect(lines).toContain('      { "name": "S", "kind": "shared-file", "prot": "rw", "file": "F" },');
    expect(lines).toContain('      { "name": "T", "filesystem": "shmem" }');
    expect(lines).toContain('    { "task": "device", "op": "unpin", "ref": "h1", "dirty": true },');
    expect(lines).toContain('    "v6.5-longterm-ban": { "verdict": "unsupported", "classes": [] }');
  });

  it.each(LOADER_SAMPLES.map((c) => [c.title, c] as const))('gives back what it wrote: %s', (_, c) => {
    const text = formatCounterexample(c);
    const read = parseCounterexample(text, 'x.gup.json');
    expect(read).toStrictEqual(c);
    expect(formatCounterexample(read)).toBe(text);
  });

  it('does not depend on the order of fields or on spaces in what it reads', () => {
    const reversed = (value: unknown): unknown =>
      typeof value !== 'object' || value === null
        ? value
        : Array.isArray(value)
          ? value.map(reversed)
          : Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, field]) => [key, reversed(field)]),
            );
    for (const c of LOADER_SAMPLES) {
      const text = JSON.stringify(reversed(c), null, '\t').replaceAll('\n', '\r\n');
      expect(formatCounterexample(parseCounterexample(text, 'x.gup.json'))).toBe(formatCounterexample(c));
    }
  });

  it('covers every operation with its samples', () => {
    const ops = new Set(LOADER_SAMPLES.flatMap((c) => c.steps.map((s) => s.op)));
    // Later ones have samples of their own: ops/args.test.ts draws steps of each.
    expect(operationsOf(1).filter((kind) => !ops.has(kind))).toEqual([]);
  });

  it('orders policies as people do', () => {
    const ids = ['v5.11-page-count', 'canary', 'v5.8-cow-break', 'v5.9', 'v5.8', 'v5.08'];
    expect(ids.sort(byNumbers)).toEqual([
      'canary',
      'v5.08',
      'v5.8',
      'v5.8-cow-break',
      'v5.9',
      'v5.11-page-count',
    ]);
  });

  it('refuses to write what it would not read', () => {
    expect(() => formatCounterexample({ ...LEAK, title: 'two\nlines' })).toThrow(FileError);
    expect(() => formatCounterexample({ ...LEAK, steps: LEAK.steps.slice(1) })).toThrow(
      'counterexample to be written: seen.step is 5; allowed: the index of a step, 0 to 4',
    );
  });

  it('takes 200 steps and no more', () => {
    const steps = Array.from({ length: STEPS_MAX }, () => ({ task: 'P', op: 'read', page: 'A' }) as const);
    const most = newCounterexample({ ...ALLOWED, steps });
    expect(parseCounterexample(formatCounterexample(most), 'x').steps).toHaveLength(200);
    expect(refusal(written(most, (v) => v.steps.push(v.steps[0]!)))).toEqual({
      check: 'schema',
      line: `steps is ${'[{"task":"P","op":"read","page":"A"},{"task":"P","op":"read","page":"A"}'.slice(0, 57)}...; allowed: a list of 1 to 200 steps`,
    });
  });
});

describe('content id', () => {
  it('is pinned: old files stay valid', () => {
    expect(LOADER_SAMPLES.map(counterexampleId)).toEqual([
      '69f2cb8b39b16c7a',
      '408fc2802a6fc366',
      'fb9a2a72104ef10d',
    ]);
  });

  it('covers setup, steps, policy and class, and nothing else', () => {
    const { setup, steps, policy } = LEAK;
    const same = { ...LEAK, title: 'another', references: [], expect: {}, seen: null };
    expect(counterexampleId(same)).toBe(LEAK.id);
    const others = [
      { ...LEAK, setup: { ...setup, mms: 3 } },
      { ...LEAK, steps: steps.toReversed() },
      { ...LEAK, policy: `${policy}x` },
      { ...LEAK, class: { ...LEAK.class!, longterm: true } },
    ];
    expect(new Set([LEAK, ...others].map(counterexampleId)).size).toBe(5);
  });
});

describe('what is refused as text', () => {
  const text = formatCounterexample(LEAK);
  it.each([
    ['nothing', '', 'the file is empty; allowed: a counterexample'],
    ['BOM', `\ufeff${text}`, 'is not JSON: line 1, column 1 has a byte order mark; allowed: a JSON value'],
    [
      'cut',
      text.slice(0, 52),
      'the file ends early, at line 3, column 13, in version; allowed: a whole file',
    ],
    [
      'comma at the end',
      '{"title": "x",\n}',
      'is not JSON: line 2, column 1 has "}"; allowed: another element after ","',
    ],
    [
      'comma left out',
      '{"steps": [1 2]}',
      'steps is not JSON: line 1, column 14 has "2"; allowed: "," or "]"',
    ],
    ['comment', '{ // x\n}', 'is not JSON: line 1, column 3 has "/"; allowed: a field name in double quotes'],
    ['rest', `${text}{}`, 'is not JSON: line 36, column 1 has "{"; allowed: nothing after the last }'],
    [
      'line break in a string',
      '{"title":"a\nb"}',
      'title is not JSON: line 1, column 12 has "\\n"; allowed: a string on one line that ends in a double quote',
    ],
    [
      'bad escape',
      '{"title":"\\x41"}',
      'title is not JSON: line 1, column 11 has "\\\\"; allowed: an escape of JSON (\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000)',
    ],
    ['NaN', '{"version":NaN}', 'version is not JSON: line 1, column 12 has "N"; allowed: a JSON value'],
    ['leading zero', '[01]', 'is not JSON: line 1, column 3 has "1"; allowed: "," or "]"'],
    [
      'escape sequence of a terminal',
      '\u001b[2J',
      'is not JSON: line 1, column 1 has "\\u001b"; allowed: a JSON value',
    ],
    ['huge number', '{"version":1e999}', 'version is 1e999; allowed: a number that fits a double'],
    [
      'doubled field',
      text.replace('"page": "A" }', '"page": "A", "page": "A" }'),
      'steps[0].page is given twice; allowed: each field once',
    ],
    [
      'doubled field, escaped',
      '{"seen":{"st\\u0065p":1,"step":2}}',
      'seen.step is given twice; allowed: each field once',
    ],
    [
      '__proto__',
      '{"setup":{"__proto__":{"mms":1}}}',
      'setup["__proto__"] is an unknown field; allowed: the fields of the format',
    ],
    [
      'nesting',
      `{"steps":${'['.repeat(100_000)}`,
      `steps${'[0]'.repeat(15)} is nested too deep; allowed: at most 16 levels`,
    ],
  ])('%s', (_, file, line) => {
    expect(refusal(file)).toEqual({ check: 'text', line });
  });

  it('size, in bytes of UTF-8', () => {
    expect(refusal(text.padEnd(FILE_BYTES_MAX))).toEqual({ check: 'accepted', line: '' });
    const line = 'the file has 262145 bytes; allowed: at most 262144';
    expect(refusal(text.padEnd(FILE_BYTES_MAX + 1))).toEqual({ check: 'text', line });
    expect(refusal('€'.repeat(100_000)).line).toBe('the file has 300000 bytes; allowed: at most 262144');
  });

  it('a file that is cut off anywhere is said to end early, and where', () => {
    const whole = formatCounterexample(NOTIFY).trimEnd();
    for (let end = 1; end < whole.length; end++)
      expect(refusal(whole.slice(0, end)).line).toMatch(/^the file ends early, at line \d+, column \d+/);
    expect(refusal('{"seen": {"step": 1.').line).toBe(
      'the file ends early, at line 1, column 20, in seen; allowed: a whole file',
    );
  });

  it('never breaks the line, whatever the file is called', () => {
    const message = (name: string): string => {
      try {
        parseCounterexample('', name);
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    expect(message('a\nb\u001b[2J\u202e')).toMatch(/^a\\u000ab\\u001b\[2J\\u202e: the file is empty/);
    expect(message('x'.repeat(5000))).toMatch(/^x{117}\.\.\.: the file is empty/);
  });
});

const NAME_RULE = 'a name: a letter, then up to 15 letters, digits or _ (not device, kernel, other)';
const TEXT_RULE = (max: number): string =>
  `text of 1 to ${max} characters without line breaks or control characters`;

describe('what is refused by the schema', () => {
  it.each<[string, (v: Loose) => void, string]>([
    ['field left out', (v) => delete v.title, `title is missing; allowed: ${TEXT_RULE(120)}`],
    [
      'field misspelt',
      (v) => {
        v.steps[3] = { task: 'C', op: 'munmap', pgae: 'A' };
      },
      'steps[3].pgae is an unknown field (value "A"); allowed: task, op, page',
    ],
    [
      'operation',
      (v) => Object.assign(v.steps[1]!, { op: 'clone' }),
      `steps[1].op is "clone"; allowed: one of ${OP_KINDS.join(', ')}`,
    ],
    [
      'argument of another operation',
      (v) => Object.assign(v.steps[0]!, { prot: 'r' }),
      'steps[0].prot is an unknown field (value "r"); allowed: task, op, page, part, until',
    ],
    [
      'task',
      (v) => Object.assign(v.steps[5]!, { task: 'kernel' }),
      'steps[5].task is "kernel"; allowed: "device"',
    ],
    [
      'task name',
      (v) => Object.assign(v.steps[0]!, { task: 'device' }),
      `steps[0].task is "device"; allowed: ${NAME_RULE}`,
    ],
    ['step', (v) => v.steps.push(null as never), 'steps[6] is null; allowed: an object: a step'],
    ['type', (v) => Object.assign(v.steps[3]!, { page: 5 }), `steps[3].page is 5; allowed: ${NAME_RULE}`],
    [
      'control character in a name',
      (v) => Object.assign(v.setup.pages[0]!, { name: 'A\u0007' }),
      `setup.pages[0].name is "A\\u0007"; allowed: ${NAME_RULE}`,
    ],
    [
      'file of an anon page',
      (v) => Object.assign(v.setup.pages[0]!, { file: 'F' }),
      'setup.pages[0].file is an unknown field (value "F"); allowed: name, kind, prot',
    ],
    [
      'no file of a shmem page',
      (v) => Object.assign(v.setup.pages[0]!, { kind: 'shmem' }),
      `setup.pages[0].file is missing; allowed: ${NAME_RULE}`,
    ],
    [
      'bound',
      (v) => Object.assign(v.setup, { mms: 5 }),
      'setup.mms is 5; allowed: a whole number from 1 to 4',
    ],
    [
      'fraction',
      (v) => Object.assign(v.setup, { refs: 1.5 }),
      'setup.refs is 1.5; allowed: a whole number from 0 to 6',
    ],
    [
      'big number',
      (v) => Object.assign(v.provenance, { run: 1e300 }),
      'provenance.run is 1e+300; allowed: a whole number from 0 to 9007199254740991, or null',
    ],
    [
      'long title',
      (v) => Object.assign(v, { title: 'x'.repeat(121) }),
      `title is "${'x'.repeat(56)}...; allowed: ${TEXT_RULE(120)}`,
    ],
    [
      'lone surrogate',
      (v) => Object.assign(v, { title: '\ud800' }),
      `title is "\\ud800"; allowed: ${TEXT_RULE(120)}`,
    ],
    [
      'text that runs backwards',
      (v) => Object.assign(v, { explanation: '\u202eexe.png' }),
      `explanation is "\\u202eexe.png"; allowed: ${TEXT_RULE(1200)}`,
    ],
    ['version', (v) => Object.assign(v, { version: 3 }), 'version is 3; allowed: 1 or 2'],
    [
      'policy',
      (v) => Object.assign(v, { policy: '../x' }),
      'policy is "../x"; allowed: a policy id (a letter or digit, then up to 63 letters, digits or . _ -), or null',
    ],
    [
      'policy of an expectation',
      (v) => Object.assign(v.expect, { 'a b': {} }),
      'expect["a b"] is an unknown field (value {}); allowed: policy ids: a letter, then up to 63 letters, digits or . _ -',
    ],
    [
      'verdict',
      (v) => Object.assign(v.expect['v5.7-mapcount']!, { verdict: 'holds' }),
      'expect["v5.7-mapcount"].verdict is "holds"; allowed: one of "violated", "documented", "not violated", "unsupported"',
    ],
    [
      'cost',
      (v) => Object.assign(v.expect['v5.7-mapcount']!, { costs: { copys: 1 } }),
      'expect["v5.7-mapcount"].costs.copys is an unknown field (value 1); allowed: copies, earlyCopies, needlessCopies, gupFaults, gupAllocations, refused, blocked, deferred',
    ],
    [
      'class id',
      (v) => Object.assign(v.expect['v5.7-mapcount']!, { classes: ['isolation'] }),
      'expect["v5.7-mapcount"].classes[0] is "isolation"; allowed: a class id such as isolation/leak/anon/GET-R/cpu->device',
    ],
  ])('%s', (_, change, line) => {
    expect(refusal(written(LEAK, change))).toEqual({ check: 'schema', line });
  });

  it('a file that is no object', () => {
    expect(refusal('[1]').line).toMatch(/^the file is \[1\]; allowed: an object with format, version, id, /);
  });
});

/** What the loader refuses beyond the JSON Schema: all of it, one row each. */
const BEYOND_SCHEMA: readonly [string, Counterexample, (v: Loose) => void, string][] = [
  [
    'a reason why what is shortest is not',
    LEAK,
    (v) => Object.assign(v.minimality as object, { reason: 'because' }),
    'minimality.reason is "because"; allowed: no reason where kind is "shortest"',
  ],
  [
    'a policy that shows nothing of the finding',
    LEAK,
    (v) => Object.assign(v.minimality as object, { policies: ['v5.7-mapcount', 'v5.8-cow-break'] }),
    'minimality.policies[1] is "v5.8-cow-break"; allowed: a policy that shows the finding, by its expectation',
  ],
  [
    'a policy twice',
    LEAK,
    (v) => Object.assign(v.minimality as object, { policies: ['v5.7-mapcount', 'v5.7-mapcount'] }),
    'minimality.policies[1] is "v5.7-mapcount"; allowed: each policy once',
  ],
  [
    'a policy of what is documented that no expectation has',
    ALLOWED,
    (v) => Object.assign(v.minimality as object, { policies: ['v5.7-mapcount'] }),
    'minimality.policies[0] is "v5.7-mapcount"; allowed: a policy that shows the finding, by its expectation',
  ],
  [
    'two pages of one name',
    NOTIFY,
    (v) => Object.assign(v.setup.pages[2]!, { name: 'A' }),
    'setup.pages[2].name is "A"; allowed: a name not yet used (setup.pages[0] has it)',
  ],
  [
    'two files of one name',
    NOTIFY,
    (v) => Object.assign(v.setup.files[1]!, { name: 'F' }),
    'setup.files[1].name is "F"; allowed: a name not yet used (setup.files[0] has it)',
  ],
  [
    'page of no file',
    NOTIFY,
    (v) => Object.assign(v.setup.pages[1]!, { file: 'X' }),
    'setup.pages[1].file is "X"; allowed: a file of setup.files (F, T)',
  ],
  [
    'shared-file page on shmem',
    NOTIFY,
    (v) => Object.assign(v.setup.pages[1]!, { file: 'T' }),
    'setup.pages S: a shared-file page cannot map T (filesystem shmem)',
  ],
  [
    'mm that nobody forked',
    LEAK,
    (v) => Object.assign(v.steps[3]!, { task: 'D' }),
    'steps[3].task is "D", which nothing introduced before; allowed: an mm that lives (P, C)',
  ],
  [
    'mm that is forked later',
    LEAK,
    (v) => Object.assign(v.steps[0]!, { task: 'C' }),
    'steps[0].task is "C", which nothing introduced before; allowed: an mm that lives (P)',
  ],
  [
    'mm that has exited',
    NOTIFY,
    (v) => Object.assign(v.steps[16]!, { task: 'C' }),
    'steps[16].task is "C", which ended at steps[11] (exit); allowed: an mm that lives (P)',
  ],
  [
    'reference as task',
    LEAK,
    (v) => Object.assign(v.steps[4]!, { task: 'h1' }),
    'steps[4].task is "h1", which is the result of steps[2] (gup); allowed: an mm that lives (P, C)',
  ],
  [
    'reference that nobody took',
    LEAK,
    (v) => Object.assign(v.steps[5]!, { ref: 'h2' }),
    'steps[5].ref is "h2", which nothing introduced before; allowed: a reference that is held (h1)',
  ],
  [
    'reference after dio_end',
    NOTIFY,
    (v) => Object.assign(v.steps[12]!, { ref: 'h2' }),
    'steps[12].ref is "h2", which ended at steps[10] (dio_end); allowed: a reference that is held (h1)',
  ],
  [
    'reference after unpin',
    NOTIFY,
    (v) => v.steps.push({ task: 'device', op: 'dma_read', ref: 'h1' }),
    'steps[17].ref is "h1", which ended at steps[12] (unpin); allowed: a reference that is held (there is none)',
  ],
  [
    'name used again after its end',
    NOTIFY,
    (v) => v.steps.push({ task: 'P', op: 'fork', result: 'C' }),
    'steps[17].result is "C", which is the result of steps[1] (fork); allowed: a name not yet used',
  ],
  [
    'name of the first mm used again',
    LEAK,
    (v) => Object.assign(v.steps[2]!, { result: 'P' }),
    'steps[2].result is "P", which is the mm at the start; allowed: a name not yet used',
  ],
  [
    'page that is not there',
    LEAK,
    (v) => Object.assign(v.steps[4]!, { page: 'B' }),
    'steps[4].page is "B"; allowed: a page of setup.pages (A)',
  ],
  [
    'file that is not there',
    NOTIFY,
    (v) => Object.assign(v.steps[13]!, { file: 'S' }),
    'steps[13].file is "S"; allowed: a file of setup.files (F, T)',
  ],
  [
    'flags that the caller cannot ask for',
    LEAK,
    (v) => Object.assign(v.steps[2]!, { write: true }),
    'steps[2].write is true; allowed: false for vmsplice',
  ],
  [
    'class without policy',
    LEAK,
    (v) => Object.assign(v, { policy: null }),
    'policy is null; allowed: a policy id, or null in class as well',
  ],
  [
    'policy without class',
    LEAK,
    (v) => Object.assign(v, { class: null }),
    'class is null; allowed: a class, or null in policy as well',
  ],
  [
    'step seen that is not there',
    LEAK,
    (v) => Object.assign(v.seen!, { step: 6 }),
    'seen.step is 6; allowed: the index of a step, 0 to 5',
  ],
  [
    'class with a reference but no access',
    LEAK,
    (v) => Object.assign(v.class!, { access: '-' }),
    'class.access is "-"; allowed: "R" or "W" where ref is not "-"',
  ],
  [
    'class without reference but long term',
    LEAK,
    (v) => Object.assign(v.class!, { ref: '-', access: '-', longterm: true }),
    'class.longterm is true; allowed: false where ref is "-"',
  ],
  [
    'leak of nobody',
    LEAK,
    (v) => Object.assign(v.class!, { storedBy: '-' }),
    'class.storedBy is "-"; allowed: who stored where damage is "leak"',
  ],
  [
    'classes out of order',
    NOTIFY,
    (v) => (v.expect['my.policy_2']!.classes as string[]).reverse(),
    'expect["my.policy_2"].classes[1] is "fs-notified/unnotified/shared-file/PIN-W-LT/-->filesystem"; allowed: ids sorted by code units, each once',
  ],
  [
    'violated without a class',
    LEAK,
    (v) => Object.assign(v.expect, { canary: { verdict: 'violated', classes: [] } }),
    'expect.canary.classes is []; allowed: at least one class id',
  ],
  [
    'class without violated',
    LEAK,
    (v) => Object.assign(v.expect['v5.7-mapcount']!, { verdict: 'documented' }),
    'expect["v5.7-mapcount"].classes is ["isolation/leak/anon/GET-R/cpu->device"]; allowed: [] for "documented"',
  ],
  [
    'documented without documented',
    LEAK,
    (v) =>
      Object.assign(v.expect['v5.8-cow-break']!, { documented: ['isolation/leak/anon/GET-R/cpu->device'] }),
    'expect["v5.8-cow-break"].documented is ["isolation/leak/anon/GET-R/cpu->device"]; allowed: nothing for "not violated"',
  ],
  [
    'own policy without own class',
    LEAK,
    (v) => Object.assign(v.expect['v5.7-mapcount']!, { classes: ['isolation/leak/anon/GET-R/cpu->cpu'] }),
    'expect["v5.7-mapcount"].classes is ["isolation/leak/anon/GET-R/cpu->cpu"]; allowed: with isolation/leak/anon/GET-R/cpu->device, as found on this policy',
  ],
];

describe('JSON Schema', () => {
  const schema = jsonSchema();
  const accepts = new Ajv2020({ strict: true, allErrors: false }).compile(schema);

  it('is the one in counterexamples/schema.json (npm run build && node dist/bench/write-schema.js)', () => {
    const committed = readFileSync(new URL('../../counterexamples/schema.json', import.meta.url), 'utf8');
    expect(committed).toBe(schemaText());
  });

  it('says draft 2020-12 and has a title for every field', () => {
    expect(schema).toMatchObject({ $schema: 'https://json-schema.org/draft/2020-12/schema' });
    const untitled: string[] = [];
    const look = (part: unknown, path: string): void => {
      if (typeof part !== 'object' || part === null) return;
      const { properties = {}, ...rest } = part as { properties?: Record<string, Record<string, unknown>> };
      for (const [key, field] of Object.entries(properties)) {
        const inner = JSON.stringify(field);
        if (!inner.includes('"title"') && !inner.includes('$ref')) untitled.push(`${path}/${key}`);
        look(field, `${path}/${key}`);
      }
      for (const [key, value] of Object.entries(rest)) look(value, `${path}/${key}`);
    };
    look(schema, '');
    expect(untitled).toEqual([]);
  });

  it.each(LOADER_SAMPLES.map((c) => [c.title, c] as const))('accepts what the writer writes: %s', (_, c) => {
    expect(accepts(JSON.parse(formatCounterexample(c)))).toBe(true);
  });

  it.each(BEYOND_SCHEMA)('accepts, and only the loader refuses: %s', (_, base, change, line) => {
    const text = written(base, change);
    expect(accepts(JSON.parse(text))).toBe(true);
    expect(refusal(text)).toEqual({ check: 'meaning', line });
  });

  it('accepts, and only the loader refuses: an id that is not that of what is claimed to be proved', () => {
    const text = formatCounterexample(LEAK).replace(LEAK.id, '0123456789abcdef');
    expect(accepts(JSON.parse(text))).toBe(true);
    expect(refusal(text)).toEqual({
      check: 'id',
      line: 'id is "0123456789abcdef"; allowed: the content id of setup, steps, policy and class, "69f2cb8b39b16c7a", where minimality.kind claims a proof',
    });
  });

  it('an id that does not fit is computed with a note, one that is missing without', () => {
    const read = (text: string): unknown[] => {
      const notes: string[] = [];
      const { id } = parseCounterexample(text, 'x.gup.json', (note) => notes.push(note));
      return [id, ...notes];
    };
    const text = formatCounterexample(ALLOWED);
    expect(accepts(JSON.parse(text.replace(/ {2}"id": .*\n/, '')))).toBe(true);
    expect(read(text.replace(/ {2}"id": .*\n/, ''))).toEqual([ALLOWED.id]);
    expect(read(text.replace(ALLOWED.id, '0123456789abcdef'))).toEqual([
      ALLOWED.id,
      `x.gup.json: id is "0123456789abcdef", which is of another program; its steps make it "${ALLOWED.id}"`,
    ]);
  });

  it('agrees with the loader on 4,000 damaged values', () => {
    const rng = new Xorshift(7);
    const seen = { accepted: 0, refused: 0 };
    for (let n = 0; n < 4000; n++) {
      const value = withId(mutateValue(rng, structuredClone(rng.pick(LOADER_SAMPLES))));
      const text = JSON.stringify(value) ?? 'null';
      const { check, line } = refusal(text);
      // What only the text has (nesting, __proto__) is no business of a schema.
      if (check === 'text') continue;
      const structure = check !== 'schema';
      seen[structure ? 'accepted' : 'refused']++;
      if (accepts(JSON.parse(text)) !== structure) expect.fail(`${n}: ${check}: ${line}: ${text}`);
    }
    expect(seen.accepted).toBeGreaterThan(400);
    expect(seen.refused).toBeGreaterThan(1000);
  });
});

describe('hostile files', () => {
  it('2,000 of them are taken, or refused with one line', () => {
    const { files, breaches, accepted, refused } = fuzzLoader(2000, 20);
    expect(breaches).toEqual([]);
    expect(files).toBe(accepted + refused.text + refused.schema + refused.meaning + refused.id);
    for (const count of [accepted, refused.text, refused.schema, refused.meaning])
      expect(count).toBeGreaterThan(20);
  });
});

describe('names of JavaScript', () => {
  it('a policy called like something that every object has is a policy like others', () => {
    const c = { ...LEAK, minimality: { ...LEAK.minimality, policies: ['constructor'] } };
    expect(refusal(JSON.stringify(c))).toEqual({
      check: 'meaning',
      line: 'minimality.policies[0] is "constructor"; allowed: a policy that shows the finding, by its expectation',
    });
  });
});
