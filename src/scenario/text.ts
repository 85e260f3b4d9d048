/**
 * The text form of a scenario, `*.gup`: what people write. Setup lines, then steps, one a line; `#` starts a comment.
 *
 *     # A child keeps a vmsplice reference and reads what the parent stores later
 *     page A anon rw
 *     P: write A
 *     C = P: fork
 *     h1 = C: gup A vmsplice R        # the pipe holds the page
 *     C: munmap A
 *     P: write A
 *     device: dma_read h1
 *
 * `page NAME KIND PROT [FILE]`, `file NAME FILESYSTEM [INDEX]` (with an index, its file may be truncated); `aside FILESYSTEM` is what O_DIRECT writes go to that name no file
 * of the setup (`gup A o_direct_write R to f`), a plain one where it is not said; `swap DEVICE` is where anonymous pages
 * may be swapped out to, nowhere where it is not said; the bounds `mms N`, `refs N`, `tasks N` and `pinBias N` are taken from the
 * steps (and 1024) where they are not said. The comment before the first line that is none has the title on its first
 * line, and below it the explanation. What is wrong is said as `file:line: field is value; allowed: ...`.
 */

import { DIRECT_FILESYSTEMS, FILESYSTEMS } from '../domain/filesystems.ts';
import { PAGE_KINDS } from '../domain/kinds.ts';
import { FILES_MAX, PAGES_MAX, type Setup } from '../domain/setup.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { hint } from '../policies/nearest.ts';
import { bounds } from './bounds.ts';
import {
  type Counterexample,
  EXPLANATION_MAX,
  FILE_FORMAT,
  STEPS_MAX,
  TITLE_MAX,
  versionFor,
} from './definition.ts';
import { checkBytes, checkCounterexample, parseCounterexample } from './file.ts';
import { FileError, plain, shown, UNPRINTABLE } from './file-error.ts';
import { parseStep, StepError, withoutComment } from './parse.ts';
import { type Scenario, type Step, stepText } from './scenario.ts';

/** `GUP_PIN_COUNTING_BIAS` (include/linux/mm.h), where the text says nothing. */
const PIN_BIAS_DEFAULT = 1024;
/** Characters per line of a comment that we write. */
const COMMENT_WIDTH = 78;

const BOUNDS = ['mms', 'refs', 'tasks', 'parts', 'pinBias'] as const;
/** Said once at most, with one word after it. */
const SINGLE: readonly ['aside', 'swap', ...typeof BOUNDS] = ['aside', 'swap', ...BOUNDS];
/** Of those that are words, which there are. */
const SINGLE_WORDS: { readonly [word: string]: readonly string[] } = {
  aside: DIRECT_FILESYSTEMS,
  swap: SWAP_DEVICES,
};
type Word = 'page' | 'file' | (typeof SINGLE)[number];
const WORDS: readonly Word[] = ['page', 'file', ...SINGLE];

/** What a line stands for: itself in normal form, without its comment; '' for blank lines and comments. */
interface Line {
  /** As written. */
  readonly raw: string;
  readonly kind: Word | 'step' | 'none';
  readonly text: string;
}

/** A text that was read: what it says, and what it looks like. */
export interface ScenarioText {
  /** As a file without any claim: no policy, no class, no expectation. */
  readonly counterexample: Counterexample;
  /** From the comment at the top; undefined where it has none. */
  readonly title: string | undefined;
  readonly explanation: string | undefined;
  readonly lines: readonly Line[];
}

// ---- Reading -----------------------------------------------------------------------------------------------------

const PAGE_FIELDS = ['name', 'kind', 'prot', 'file'] as const;
const FILE_FIELDS = ['name', 'filesystem', 'index'] as const;
/** Whether a page has a file depends on its kind, which the checks of all files know; a file page has an index or none. */
const MAY_LACK: readonly string[] = ['file', 'index'];
const INDICES: readonly string[] = Array.from({ length: FILES_MAX }, (_, i) => String(i));
const ALLOWED: { readonly [field: string]: readonly string[] } = {
  kind: PAGE_KINDS,
  prot: ['r', 'rw'],
  filesystem: FILESYSTEMS.map((f) => f.id),
  index: INDICES,
};

/** Throws FileError. `name`: the file's name for messages, and for the title where the text has none. */
export function parseText(text: string, name: string): ScenarioText {
  checkBytes(text, name);
  const lines: Line[] = [];
  const pages: object[] = [];
  const files: object[] = [];
  const given = new Map<string, number | string>();
  const steps: Step[] = [];
  /** Line, from 1, of `steps[3]`, `setup.pages[0]`, `setup.mms`, ... */
  const places = new Map<string, number>();

  for (const [i, raw] of text.split('\n').entries()) {
    const fail = (what: string): never => {
      throw new FileError(`${name}:${i + 1}`, 'schema', '', what);
    };
    const strange = STRANGE.exec(raw.replace(/\r$/, ''))?.[0];
    if (strange !== undefined)
      fail(`the line has ${plain(strange)}; allowed: letters, digits, marks, spaces and tabs`);
    const body = withoutComment(raw);
    const line = (kind: Line['kind'], normal: string): void => {
      lines.push({ raw, kind, text: normal });
    };
    const [word, ...args] = body.split(/\s+/) as [string, ...string[]];
    if (body === '') line('none', '');
    else if (isSetup(word, args)) {
      if (steps.length > 0) fail(`${word} comes after a step; allowed: before the first step`);
      if (word === 'page' || word === 'file') {
        const [list, most] = word === 'page' ? [pages, PAGES_MAX] : [files, FILES_MAX];
        if (list.length === most) fail(`this is ${word} ${most + 1}; allowed: at most ${most}`);
      }
      if (word === 'page') {
        places.set(`setup.pages[${pages.length}]`, i + 1);
        pages.push(fieldsOf(word, PAGE_FIELDS, args, fail));
      } else if (word === 'file') {
        places.set(`setup.files[${files.length}]`, i + 1);
        files.push(fieldsOf(word, FILE_FIELDS, args, fail));
      } else {
        if (given.has(word)) fail(`${word} is given twice; allowed: once`);
        const allowed = SINGLE_WORDS[word];
        if (args.length !== 1 || !(allowed?.includes(args[0]!) ?? /^\d{1,6}$/.test(args[0]!)))
          fail(
            `${word} is ${shown(args.join(' '))}; allowed: ${allowed === undefined ? 'a whole number' : `${allowed.join(', ')}${near(args[0] ?? '', allowed)}`}`,
          );
        places.set(`setup.${word}`, i + 1);
        given.set(word, allowed === undefined ? Number(args[0]) : args[0]!);
      }
      line(word, [word, ...(given.has(word) ? [given.get(word)] : args)].join(' '));
    } else {
      if (steps.length === STEPS_MAX)
        fail(`this is step ${STEPS_MAX + 1}; allowed: at most ${STEPS_MAX} steps`);
      places.set(`steps[${steps.length}]`, i + 1);
      const step = stepOf(body, fail);
      steps.push(step);
      line('step', stepText(step));
    }
  }
  const missing = (what: string): never => {
    throw new FileError(name, 'schema', '', what);
  };
  if (pages.length === 0) missing(`has no page; allowed: 1 to ${PAGES_MAX} lines such as \`page A anon rw\``);
  if (steps.length === 0) missing('has no step; allowed: lines such as `P: write A`');

  const comment = headOf(lines);
  const setup = {
    pages,
    files,
    ...bounds({ steps }),
    pinBias: PIN_BIAS_DEFAULT,
    ...Object.fromEntries(given),
  };
  const value = {
    format: FILE_FORMAT,
    version: versionFor(setup as Setup),
    title: comment.title ?? titleFrom(name),
    setup,
    steps,
    policy: null,
    class: null,
    seen: null,
    expect: {},
    minimality: { kind: 'none', scope: 'as written', depth: 0 },
    provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'by hand' },
    references: [],
    explanation: comment.explanation ?? 'Written by hand.',
  };
  try {
    return { counterexample: checkCounterexample(value, name), ...comment, lines };
  } catch (error) {
    if (error instanceof FileError)
      throw atLine(
        error,
        name,
        places,
        pages.map((p) => (p as { readonly name?: string }).name ?? ''),
      );
    throw error;
  }
}

/** A tab is a space to us. */
const STRANGE = new RegExp(`(?!\\t)[${UNPRINTABLE}]`, 'u');

/** A step may have a task or a result with the name of a setup word: then `:` or `=` follows. */
const isSetup = (word: string, args: readonly string[]): word is Word =>
  WORDS.some((w) => w === word) && !/^[:=]/.test(args[0] ?? '');

function fieldsOf(
  word: string,
  fields: readonly string[],
  args: readonly string[],
  fail: (what: string) => never,
): object {
  const usage = `\`${word} ${fields.map((f) => f.toUpperCase()).join(' ')}\``;
  if (args.length > fields.length)
    fail(
      `the end of ${word} is ${shown(args.slice(fields.length).join(' '))}; allowed: nothing after ${usage}`,
    );
  fields.forEach((field, i) => {
    const [value, allowed] = [args[i], ALLOWED[field]];
    if (value === undefined && !MAY_LACK.includes(field))
      fail(`${field} of ${word} is missing; allowed: ${allowed?.join(', ') ?? usage}`);
    if (value !== undefined && allowed !== undefined && !allowed.includes(value))
      fail(`${field} is ${shown(value)}; allowed: ${allowed.join(', ')}${near(value, allowed)}`);
  });
  return Object.fromEntries(
    args.map((value, i) => [fields[i]!, fields[i] === 'index' ? Number(value) : value]),
  );
}

function stepOf(body: string, fail: (what: string) => never): Step {
  try {
    return parseStep(body);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const word = body.split(/\s/)[0]!;
    const setup = body.includes(':') ? '' : `, or a line of ${WORDS.join(', ')}${near(word, WORDS)}`;
    return fail(error.what + setup);
  }
}

const near = (typed: string, known: readonly string[]): string => hint(typed, known).replace(/^\.$/, '');

/** The comment at the top: its first line, and the others as one text. */
function headOf(lines: readonly Line[]): Pick<ScenarioText, 'title' | 'explanation'> {
  const end = lines.findIndex((l) => l.kind !== 'none' || (l.raw.trim() === '' && l !== lines[0]));
  const head = lines
    .slice(0, end < 0 ? lines.length : end)
    .map((l) => l.raw.trim().replace(/^#+/, '').replaceAll('\t', ' ').trim());
  const [title, ...rest] = head.filter((line, i) => line !== '' || i > 0);
  const explanation = rest.join(' ').replace(/ +/g, ' ').trim();
  return {
    title: title === undefined || title === '' ? undefined : cut(title, TITLE_MAX),
    explanation: explanation === '' ? undefined : cut(explanation, EXPLANATION_MAX),
  };
}

/** `Step 3: the driver.`, of the comments beside steps. */
export function remarksOf({ lines }: ScenarioText): string[] {
  const steps = lines.filter((l) => l.kind === 'step');
  return steps.flatMap(({ raw }, i) => {
    const comment = raw
      .replace(/^[^#]*#?/, '')
      .replaceAll('\t', ' ')
      .trim();
    return comment === '' ? [] : [`Step ${i + 1}: ${comment}${/[.!?]$/.test(comment) ? '' : '.'}`];
  });
}

const cut = (text: string, max: number): string =>
  [...text].length <= max ? text : `${[...text].slice(0, max - 3).join('')}...`;

function titleFrom(name: string): string {
  const base = name
    .split('/')
    .at(-1)!
    .replace(/\.gup$/, '');
  return cut(plain(base === '' ? 'a scenario' : base), TITLE_MAX);
}

/** The same error, at the line of what it is about. */
function atLine(
  error: FileError,
  name: string,
  places: ReadonlyMap<string, number>,
  pages: readonly string[],
): FileError {
  const mapping = /^setup\.pages (\w+): (.*)$/.exec(error.what);
  if (error.path === '' && mapping !== null) {
    const at = places.get(`setup.pages[${pages.indexOf(mapping[1]!)}]`);
    if (at !== undefined) return new FileError(`${name}:${at}`, error.check, '', mapping[2]!);
  }
  const lineOf = (place: string): string => {
    const line = places.get(place);
    return line === undefined ? place : `line ${line}`;
  };
  const said = error.what
    .replace(/(?:steps|setup\.pages|setup\.files)\[\d+\]/g, lineOf)
    .replace(/ of setup\.(?:pages|files)/g, ' above');
  const [, place, field = ''] = /^(steps\[\d+\]|setup\.\w+(?:\[\d+\])?)(?:\.(\w+))?$/.exec(error.path) ?? [];
  const line = place === undefined ? undefined : places.get(place);
  if (line === undefined) return new FileError(name, error.check, error.path.replace(/^setup\./, ''), said);
  const access = { false: 'R', true: 'W' } as Readonly<Record<string, string>>;
  if (field === 'write')
    return new FileError(
      `${name}:${line}`,
      error.check,
      'access',
      said.replace(
        /is (false|true); allowed: (false|true)/,
        (_, is: string, can: string) => `is ${shown(access[is])}; allowed: ${access[can]}`,
      ),
    );
  if (field === 'longterm')
    return new FileError(
      `${name}:${line}`,
      error.check,
      'LONGTERM',
      said.replace(/is (?:false|true); allowed: (false|true) for /, (_, can: string) =>
        can === 'true'
          ? 'is missing; it has to stand behind R or W for '
          : 'is there; allowed: without it for ',
      ),
    );
  return new FileError(
    `${name}:${line}`,
    error.check,
    field === '' ? place!.replace(/^setup\./, '') : field,
    said,
  );
}

// ---- Writing -----------------------------------------------------------------------------------------------------

/** Setup lines in normal form: files, pages, and bounds that the steps do not say. */
export function setupLines({ setup, steps }: Scenario): string[] {
  const inferred = { ...bounds({ steps }), pinBias: PIN_BIAS_DEFAULT };
  return [
    ...setup.files.map((f) => `file ${f.name} ${f.filesystem}${f.index === undefined ? '' : ` ${f.index}`}`),
    ...(setup.aside === undefined ? [] : [`aside ${setup.aside}`]),
    ...(setup.swap === undefined ? [] : [`swap ${setup.swap}`]),
    ...setup.pages.map(
      (p) => `page ${p.name} ${p.kind} ${p.prot}${p.file === undefined ? '' : ` ${p.file}`}`,
    ),
    ...BOUNDS.filter((b) => setup[b] !== undefined && setup[b] !== inferred[b]).map(
      (b) => `${b} ${setup[b]}`,
    ),
  ];
}

/** Ends in a newline. `words`: the comment at the top; parseText gives the same back. */
export function formatText(
  scenario: Scenario,
  words: { readonly title?: string; readonly explanation?: string } = {},
): string {
  const head = [
    ...(words.title === undefined ? [] : [`# ${words.title}`]),
    ...(words.explanation === undefined
      ? []
      : ['#', ...wrapped(words.explanation, COMMENT_WIDTH - 2).map((line) => `# ${line}`)]),
  ];
  const parts = [head, setupLines(scenario), scenario.steps.map(stepText)];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/**
 * The text with another program in it: lines that say what they said stay as they were written, comments and blank
 * lines with them; the comment beside a line that went is gone. Without any change it is the same text.
 */
export function rewriteText({ lines }: ScenarioText, now: Scenario): string {
  const setup = setupLines(now);
  const sequences = {
    file: new Sequence(lines, 'file', setup),
    page: new Sequence(lines, 'page', setup),
    step: new Sequence(lines, 'step', now.steps.map(stepText)),
  };
  const lastSetup = lines.findLastIndex((l) => l.kind !== 'step' && l.kind !== 'none');
  const out: string[] = [];
  lines.forEach((line, i) => {
    if (line.kind === 'none') out.push(line.raw);
    else if (line.kind === 'file' || line.kind === 'page' || line.kind === 'step')
      out.push(...sequences[line.kind].next(line, i));
    else if (setup.includes(line.text) || impliedBound(line, now)) out.push(line.raw);
    // What has no line of its kind to follow: pages and steps are in every text, at least one.
    if (i === lastSetup)
      out.push(
        ...sequences.file.rest(),
        ...setup.filter((l) => SINGLE.some((b) => l.startsWith(`${b} `)) && !lines.some((o) => o.text === l)),
      );
  });
  return out.join('\n');
}

/** Lines of one kind, in order: those of a text, and those that are to be in it. */
class Sequence {
  readonly #wanted: readonly string[];
  /** Index of what is wanted, of each old line that stays. */
  readonly #kept: ReadonlyMap<number, number>;
  readonly #last: number;
  #old = 0;
  #written = 0;

  constructor(lines: readonly Line[], kind: Line['kind'], wanted: readonly string[]) {
    const old = lines.filter((l) => l.kind === kind).map((l) => l.text);
    this.#wanted = kind === 'step' ? wanted : wanted.filter((l) => l.startsWith(`${kind} `));
    this.#kept = longestCommon(old, this.#wanted);
    this.#last = lines.findLastIndex((l) => l.kind === kind);
  }

  /** What comes in place of the next old line, which is line `i` of the text. */
  next(line: Line, i: number): string[] {
    const at = this.#kept.get(this.#old++);
    const out: string[] = [];
    if (at !== undefined) {
      out.push(...this.#wanted.slice(this.#written, at), line.raw);
      this.#written = at + 1;
    }
    return i === this.#last ? [...out, ...this.rest()] : out;
  }

  rest(): string[] {
    const rest = this.#wanted.slice(this.#written);
    this.#written = this.#wanted.length;
    return rest;
  }
}

/** A bound that is said though the steps say it too. */
const impliedBound = ({ kind, text }: Line, { setup }: Scenario): boolean =>
  BOUNDS.some((b) => kind === b && text === `${b} ${setup[b]}`);

/** Index in `b` of each item of `a` that a longest common subsequence keeps. */
function longestCommon(a: readonly string[], b: readonly string[]): ReadonlyMap<number, number> {
  const best: number[][] = Array.from({ length: a.length + 1 }, () =>
    new Array<number>(b.length + 1).fill(0),
  );
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      best[i]![j] = a[i] === b[j] ? best[i + 1]![j + 1]! + 1 : Math.max(best[i + 1]![j]!, best[i]![j + 1]!);
  const kept = new Map<number, number>();
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) kept.set(i++, j++);
    else if (best[i + 1]![j]! >= best[i]![j + 1]!) i++;
    else j++;
  }
  return kept;
}

// ---- Either form -------------------------------------------------------------------------------------------------

/** A file of either form. */
export interface AnyFile {
  readonly counterexample: Counterexample;
  /** Absent for JSON. */
  readonly text?: ScenarioText;
  /** What was put right, one line each. */
  readonly notes: readonly string[];
}

/** JSON if the name says so or the text begins as it; else the text form. Throws FileError. */
export function parseAny(text: string, name: string): AnyFile {
  checkBytes(text, name);
  if (name.endsWith('.json') || /^\s*\{/.test(text)) {
    const notes: string[] = [];
    return { counterexample: parseCounterexample(text, name, (note) => notes.push(note)), notes };
  }
  const read = parseText(text, name);
  return { counterexample: read.counterexample, text: read, notes: [] };
}
