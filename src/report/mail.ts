/**
 * A counterexample as plain text for a mailing list, for readers who never saw the tool: at most 72 columns, nothing
 * that a mail client breaks, and all that it takes to replay it.
 */
import { traceScenario } from '../executor/trace.ts';
import { KIND_TRAITS, pageInWords } from '../domain/page-kinds.ts';
import { DECISIONS } from '../machine/decisions.ts';
import { type ExpandedPolicy, expandPolicy, withConditions } from '../machine/tables.ts';
import { baseOf } from '../policies/base.ts';
import { differenceOf } from '../policies/difference.ts';
import { findPolicy } from '../policies/index.ts';
import type { FindingClass } from '../property/property.ts';
import { type Counterexample, expectationFor } from '../scenario/definition.ts';
import { byNumbers } from '../scenario/file.ts';
import { labelled, renderColumns, WIDTH_DEFAULT, wrapText } from './columns.ts';
import { legendOf, propertiesOf } from './legend.ts';
import { pastedLines } from './pasted.ts';
import { ruleConditions } from './rules.ts';

export interface MailOptions {
  /** The policy that breaks the promise, if it is not built in, with conditions (withConditions): for its rules. */
  readonly policy?: ExpandedPolicy;
  /** By step: what to say about it, such as that it was refused. */
  readonly notes?: readonly string[];
  /** Put at the end: what other policies make of it just now. */
  readonly more?: readonly string[];
}

/** Ends in a newline. Needs no attachment: the program is in the command that replays it. */
export function renderMail(c: Counterexample, { policy, notes = [], more = [] }: MailOptions = {}): string {
  const parts: string[][] = [];
  const title = wrapText(c.title, WIDTH_DEFAULT);
  parts.push([...title, '='.repeat(Math.max(...title.map((line) => line.length)))]);
  parts.push(
    wrapText(
      'Found by gupfuzz in a model of copy-on-write, GUP and writeback, not on a running kernel. Each policy ' +
        'stands for the rules of a range of releases.',
      WIDTH_DEFAULT,
    ),
  );
  parts.push([
    ...label('Policy', c.policy ?? 'none in particular: nothing is violated'),
    ...(c.class === null ? [] : label('Broken', classInWords(c.class))),
  ]);
  parts.push(
    renderColumns(c, { notes, marks: new Set(c.seen === null ? [] : [c.seen.step]) })
      .trimEnd()
      .split('\n'),
  );
  if (c.seen !== null) parts.push(seenAndPromised(c.seen, WIDTH_DEFAULT));
  parts.push(wrapText(c.explanation, WIDTH_DEFAULT));
  // What is wrong on purpose says nothing to a reader.
  const policies = Object.keys(c.expect)
    .filter((id) => findPolicy(id)?.canary !== true)
    .sort(byNumbers);
  if (policies.length > 0)
    parts.push(['By policy:', ...policies.flatMap((id) => expectation(c, id, policies))]);
  if (c.policy !== null) parts.push(rulesOf(c, c.policy, builtIn(c.policy) ?? policy));
  parts.push(['Words:', ...legend(c, policies)]);
  parts.push([
    ...(c.references.length === 0 ? [] : label('See', c.references.join(', '))),
    ...label('Minimal', minimalityInWords(c)),
  ]);
  if (more.length > 0) parts.push([...more]);
  parts.push(replay(c));
  return parts.map((lines) => `${lines.map((line) => line.trimEnd()).join('\n')}\n`).join('\n');
}

/** The two lines that say what happened and what should have: in every report by these words. */
export function seenAndPromised(seen: NonNullable<Counterexample['seen']>, width: number): string[] {
  return [
    ...labelled('Seen', `in step ${seen.step + 1} ${seen.observed}`, width),
    ...labelled('Promised', seen.expected, width),
  ];
}

const label = (name: string, text: string): string[] => labelled(name, text, WIDTH_DEFAULT);

/** The whole program, for a shell that has gupfuzz; from the first column, or the last line would not end it. */
function replay(c: Counterexample): string[] {
  const own = c.policy !== null && findPolicy(c.policy) === undefined;
  const policy = c.policy === null ? '' : ` -p ${own ? `./${c.policy}.ts` : c.policy}`;
  return [
    ...wrapText(
      `To replay, paste this into a shell where gupfuzz is installed${own ? `, with the rules of ${c.policy} as ${c.policy}.ts beside it` : ''}:`,
      WIDTH_DEFAULT,
    ),
    '',
    `gupfuzz replay${policy} - <<'EOF'`,
    ...pastedLines(c),
    'EOF',
  ];
}

function legend(c: Counterexample, policies: readonly string[]): string[] {
  const words = legendOf(c, policies);
  const room = Math.max(...words.map(([word]) => word.length));
  return words.flatMap(([word, meaning]) =>
    wrapText(meaning, WIDTH_DEFAULT - room - 4).map(
      (line, i) => `  ${(i === 0 ? word : '').padEnd(room)}  ${line}`,
    ),
  );
}

function builtIn(id: string): ExpandedPolicy | undefined {
  const policy = findPolicy(id);
  return policy && withConditions(expandPolicy(policy), policy);
}

/** Where the policy answers otherwise than its base, at the decision points that the program meets. */
function rulesOf(c: Counterexample, id: string, policy: ExpandedPolicy | undefined): string[] {
  if (policy === undefined)
    return wrapText(
      `Rules: ${id} is no built-in policy; its rules are in a file of the sender.`,
      WIDTH_DEFAULT,
    );
  const base = baseOf(policy);
  if (base === undefined)
    return wrapText(
      `Rules: ${id} is the oldest of the policies; there is none that it differs from.`,
      WIDTH_DEFAULT,
    );
  const asked = new Set(
    traceScenario(c, policy).steps.flatMap((step) => step.decisions.map((d) => d.decision)),
  );
  const tables = differenceOf(withConditions(expandPolicy(base), base), policy).filter(
    (t) => asked.has(t.decision) && t.changes.length > 0,
  );
  const lines = tables.flatMap((t) => [
    ...wrapText(`${t.decision} (${DECISIONS[t.decision].kernel})`, WIDTH_DEFAULT - 2).map((l) => `  ${l}`),
    ...t.changes.flatMap(({ from, to, where }) =>
      wrapText(`    ${to} instead of ${from} if ${ruleConditions(where)[0]}`, WIDTH_DEFAULT, '      '),
    ),
  ]);
  return [
    ...wrapText(
      `Rules by which ${id} answers otherwise than ${base.id}, where this program asks:`,
      WIDTH_DEFAULT,
    ),
    ...(lines.length > 0 ? lines : ['  none']),
  ];
}

/** Id, verdict, and the properties that it is about; costs below. */
function expectation(c: Counterexample, policy: string, policies: readonly string[]): string[] {
  const { verdict, classes, documented = [], costs = {} } = expectationFor(c, policy)!;
  const width = Math.max(...policies.map((p) => p.length));
  const properties = propertiesOf(verdict === 'documented' ? documented : classes);
  const pinned = Object.entries(costs).map(([cost, n]) => `${cost} ${n}`);
  const lead = `  ${policy.padEnd(width)}  `;
  const text = `${verdict}${properties.length === 0 ? '' : `: ${properties.join(', ')}`}`;
  return [
    ...wrapText(text, WIDTH_DEFAULT - lead.length).map(
      (line, i) => (i === 0 ? lead : ' '.repeat(lead.length)) + line,
    ),
    ...(pinned.length === 0 ? [] : wrapText(`    costs: ${pinned.join(', ')}`, WIDTH_DEFAULT, '      ')),
  ];
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

/** One sentence without a full stop: property, what was observed, damage. */
export function classInWords(c: FindingClass): string {
  return `${c.property}: ${observation(c)} (${c.damage})`;
}

function observation(c: FindingClass): string {
  const page = pageInWords(c.page);
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
    case 'unprotected':
      return `${c.ref === '-' ? 'a process' : reference} had access to ${page} where the mapping forbids it`;
    case 'refused':
      return `a process was refused an access to ${page} that the mapping allows`;
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
  const other = KIND_TRAITS[c.page].private ? 'another process' : 'another page';
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
