/**
 * A counterexample as plain text for a mailing list: at most 72 columns, but for the name of a file that is longer;
 * nothing that a mail client breaks.
 */
import { classId, type FindingClass } from '../property/property.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { byNumbers } from '../scenario/file.ts';
import { labelled, renderColumns, WIDTH_DEFAULT, wrapText } from './columns.ts';
import { replayCommand } from './shell.ts';

/** `file`: what the replay line names. Ends in a newline. */
export function renderMail(c: Counterexample, file = 'FILE'): string {
  const parts: string[][] = [];
  const title = wrapText(c.title, WIDTH_DEFAULT);
  parts.push([...title, '='.repeat(Math.max(...title.map((line) => line.length)))]);
  parts.push([
    ...label('Policy', c.policy ?? 'none in particular: nothing is violated'),
    ...(c.class === null
      ? []
      : [...label('Broken', classInWords(c.class)), ...label('Class', classId(c.class))]),
  ]);
  parts.push(
    renderColumns(c, { marks: new Set(c.seen === null ? [] : [c.seen.step]) })
      .trimEnd()
      .split('\n'),
  );
  if (c.seen !== null)
    parts.push([
      ...label('Seen', `at step ${c.seen.step + 1}: ${c.seen.observed}`),
      ...label('Expected', c.seen.expected),
    ]);
  parts.push(wrapText(c.explanation, WIDTH_DEFAULT));
  const policies = Object.keys(c.expect).sort(byNumbers);
  if (policies.length > 0)
    parts.push(['By policy:', ...policies.flatMap((policy) => expectation(c, policy, policies))]);
  parts.push([
    ...(c.references.length === 0 ? [] : label('See', c.references.join(', '))),
    ...label('Minimal', minimalityInWords(c)),
    ...replay(file),
  ]);
  return parts.map((lines) => `${lines.map((line) => line.trimEnd()).join('\n')}\n`).join('\n');
}

const label = (name: string, text: string): string[] => labelled(name, text, WIDTH_DEFAULT);

/** A command is copied: it stays in one piece, on a line of its own if that is what it takes. */
function replay(file: string): string[] {
  const command = replayCommand(file);
  const [line, ...more] = label('Replay', command);
  return more.length === 0 ? [line!] : ['Replay:', `  ${command}`];
}

/** Id and verdict on one line, the classes and costs below. */
function expectation(c: Counterexample, policy: string, policies: readonly string[]): string[] {
  const { verdict, classes, documented = [], costs = {} } = c.expect[policy]!;
  const width = Math.max(...policies.map((p) => p.length));
  const pinned = Object.entries(costs).map(([cost, n]) => `${cost} ${n}`);
  return [
    `  ${policy.padEnd(width)}  ${verdict}`,
    ...classes.map((id) => `    ${id}`),
    ...documented.map((id) => `    documented: ${id}`),
    ...(pinned.length === 0 ? [] : [`    costs: ${pinned.join(', ')}`]),
  ].flatMap((line) => wrapText(line, WIDTH_DEFAULT, '      '));
}

function minimalityInWords({ minimality: { kind, scope, depth, reason } }: Counterexample): string {
  const why = reason === undefined ? '' : `; ${reason}`;
  switch (kind) {
    case 'shortest':
      return `shortest in scope: ${scope}; searched to depth ${depth}`;
    case '1-minimal':
      return `1-minimal (no single step can be left out); scope: ${scope}${why}`;
    case 'none':
      return `not minimized; scope: ${scope}${why}`;
  }
}

const PAGES: Readonly<Record<FindingClass['page'], string>> = {
  anon: 'an anon page',
  'private-file': 'a private-file page',
  'shared-file': 'a shared-file page',
  shmem: 'a shmem page',
};

/** One sentence without a full stop: property, what was observed, damage. */
export function classInWords(c: FindingClass): string {
  return `${c.property}: ${observation(c)} (${c.damage})`;
}

function observation(c: FindingClass): string {
  const page = PAGES[c.page];
  const reference = referenceInWords(c);
  if (c.property.startsWith('claim: ')) return "the policy's own claim about its state does not hold";
  switch (c.damage) {
    case 'leak':
    case 'stale':
      return `${contentSeen(c, page, reference)} ${c.damage === 'leak' ? leaked(c) : missed(c)}`;
    case 'unnotified':
      return `${page} was dirtied at the end of ${reference} and the filesystem was not told`;
    case 'stateless':
      return `${page} was dirtied at the end of ${reference} after its buffers were gone`;
    case 'unstable':
      return c.observedBy === 'device'
        ? `${page} changed while ${reference} was writing it out`
        : `${page} changed between start and end of writeback`;
    case 'bug':
      return `writeback found ${page} without buffers and the kernel stopped`;
    case 'warning':
      return `writeback found ${page} without buffers, warned and dropped the data`;
    case 'use-after-free':
      return `${page} was freed under ${reference}`;
  }
}

/** `an R GET reference`, `a W PIN LONGTERM reference`. */
function referenceInWords({ ref, access, longterm }: FindingClass): string {
  if (ref === '-') return 'a reference';
  const kind = ref === 'DIO' ? 'O_DIRECT' : ref;
  return `${access === 'R' ? 'an R' : 'a W'} ${kind}${longterm ? ' LONGTERM' : ''} reference`;
}

function contentSeen(c: FindingClass, page: string, reference: string): string {
  switch (c.observedBy) {
    case 'cpu':
      return `a CPU read from ${page}`;
    case 'device':
      return `a device read through ${reference} of ${page}`;
    case 'file':
      return `read(2) got from ${page}`;
    case 'disk':
      return `after fsync(2) the disk had for ${page}`;
    case 'filesystem':
      return `the filesystem saw in ${page}`;
  }
}

/** The reference by which a device stored; a device that observed names its own instead. */
const byDevice = (c: FindingClass): string =>
  c.observedBy === 'device' || c.ref === '-' ? '' : ` through ${referenceInWords(c)}`;

function leaked(c: FindingClass): string {
  const other = c.page === 'anon' || c.page === 'private-file' ? 'another process' : 'another page';
  switch (c.storedBy) {
    case 'cpu':
      return `data that a CPU stored in ${other}`;
    case 'device':
      return `data that a device stored${byDevice(c)} in ${other}`;
    case 'file':
      return 'data that write(2) stored in the file';
    case 'initial':
    case '-':
      return 'content that was never its own';
  }
}

function missed(c: FindingClass): string {
  switch (c.storedBy) {
    case 'cpu':
      return 'old data instead of what a CPU had stored';
    case 'device':
      return `old data instead of what a device had stored${byDevice(c)}`;
    case 'file':
      return 'old data instead of what write(2) had stored';
    case 'initial':
    case '-':
      return 'old data instead of its initial content';
  }
}
