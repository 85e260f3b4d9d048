/** A trace for people: after each step the state, what changed marked, what was observed, which rules decided. */

import { decodeClass } from '../executor/simulated.ts';
import type { Trace, TraceDecision, TraceObservation, TraceState, TraceStep } from '../executor/trace.ts';
import { DECISIONS } from '../machine/decisions.ts';
import { classId } from '../property/property.ts';
import { wrapText } from './columns.ts';
import { type Paint, PLAIN } from './paint.ts';
import { factText } from './rules.ts';

export interface TraceOptions {
  readonly paint?: Paint;
  /** Most characters per line. */
  readonly width?: number;
}

/** One thing that has state, and its fields in words. */
interface Row {
  readonly name: string;
  readonly fields: readonly string[];
}

const INDENT = '      ';

/** Ends in a newline. */
export function renderTrace(trace: Trace, options: TraceOptions = {}): string {
  const paint = options.paint ?? PLAIN;
  const width = Math.max(60, options.width ?? 100);
  const lines = [
    ...wrapText(
      `Contents by origin: 0 is zeroes, f@0 what file f held at the start, P@3 what P stored in step 3, h1@4 what the device stored through h1 in step 4. Rows marked * changed; in brackets what they were.`,
      width,
    ),
    ...(trace.part === undefined ? [] : [`Of each page the ${trace.part} half is shown.`]),
    '',
    paint.bold('At the start'),
    ...rowsOf(trace.start).map((row) => rowText(row, undefined, width, paint)),
  ];
  let before = trace.start;
  for (const step of trace.steps) {
    lines.push('', ...stepLines(step, before, width, paint));
    before = step.state;
  }
  const { notApplicable, whyNot } = trace.result;
  if (notApplicable >= 0)
    lines.push('', `${notApplicable + 1}  ${paint.red(`does not apply, the run ends here: ${whyNot}`)}`);
  return `${lines.join('\n')}\n`;
}

function stepLines(step: TraceStep, before: TraceState, width: number, paint: Paint): string[] {
  const errno = step.errno === '' ? '' : ` (${step.errno})`;
  const outcome = step.outcome === 'done' ? 'done' : paint.yellow(`${step.outcome}${errno}`);
  const lines = [`${paint.bold(`${step.step + 1}  ${step.text}`)}  ${paint.dim(`[${outcome}]`)}`];
  for (const decision of step.decisions) lines.push(...noted('asked', decisionText(decision), width));
  for (const o of step.observations) lines.push(...noted('seen', observationText(o), width));
  for (const v of step.violations) {
    const id = classId(decodeClass(v.code));
    lines.push(
      ...noted(v.documented ? 'documented' : 'BROKEN', v.documented ? `${id}: ${v.excuse}` : id, width).map(
        (line) => (v.documented ? paint.yellow(line) : paint.red(line)),
      ),
    );
  }
  const old = new Map(rowsOf(before).map((row) => [row.name, row]));
  const now = rowsOf(step.state);
  for (const row of now) {
    lines.push(rowText(row, old.get(row.name) ?? { name: row.name, fields: [] }, width, paint));
    old.delete(row.name);
  }
  for (const { name, fields } of old.values())
    lines.push(marked(`${name}: gone (was ${fields.join(', ')})`, true, width, paint));
  return lines;
}

function noted(label: string, text: string, width: number): string[] {
  const lead = `${INDENT}${`${label}: `.padEnd(8)}`;
  return wrapText(text, width - lead.length).map(
    (line, i) => (i === 0 ? lead : ' '.repeat(lead.length)) + line,
  );
}

/** `wpFault -> reuse by "only mapping" (mapcount 1)`. */
export function decisionText({ decision, rule, answer, facts }: TraceDecision): string {
  const domains: readonly (readonly [string, readonly (boolean | number | string)[]])[] =
    DECISIONS[decision].facts;
  const known = domains.flatMap(([fact, domain]) =>
    fact in facts ? [factText(fact, domain, [domain.indexOf(facts[fact])])] : [],
  );
  for (const [fact, value] of Object.entries(facts))
    if (!domains.some(([name]) => name === fact)) known.push(`${fact} ${value}`);
  return `${decision} -> ${answer} by ${JSON.stringify(rule)}${known.length === 0 ? '' : ` (${known.join(', ')})`}`;
}

function observationText(o: TraceObservation): string {
  const promised = o.expected === '' ? '' : `, promised ${o.expected}`;
  const said = o.provenance === 'match' ? '' : `: ${o.provenance}`;
  switch (o.kind) {
    case 'load':
      return `${o.observer} loads ${o.seen} from ${o.page}${promised}${said}`;
    case 'device-load':
      return `device loads ${o.seen} through ${o.observer}${promised}${said}`;
    case 'dio-write':
      return `O_DIRECT write sends ${o.seen} through ${o.observer} (held ${o.atStart} when submitted)${promised}${said}`;
    case 'file-read':
      return `read(2) of ${o.observer} gets ${o.seen}${promised}${said}`;
    case 'disk':
      return `disk holds ${o.seen} for ${o.observer}${promised}${said}`;
    case 'writeback-end':
      return `writeback of ${o.observer} wrote ${o.seen} (held ${o.atStart} when it began)`;
    case 'dirtied':
      return `${o.ref} dirties the folio of ${o.observer}`;
    case 'writeback-lost':
      return `writeback of ${o.observer} finds a dirty folio without buffers`;
    case 'freed':
      return `the folio of ${o.observer} is freed`;
    case 'access':
      return `the mapping of ${o.page} by ${o.observer} ${o.allowed ? 'allows' : 'forbids'} it`;
    case 'claim':
      return "the policy's own claim";
  }
}

function rowText(row: Row, old: Row | undefined, width: number, paint: Paint): string {
  const was = old === undefined ? [] : old.fields.filter((field) => !row.fields.includes(field));
  const changed =
    old !== undefined && (was.length > 0 || row.fields.some((field) => !old.fields.includes(field)));
  const before =
    was.length > 0 ? ` (was ${was.join(', ')})` : changed && old.fields.length === 0 ? ' (new)' : '';
  return marked(`${row.name}: ${row.fields.join(', ')}${before}`, changed, width, paint);
}

/** A line of state, with `*` if it changed. */
function marked(text: string, changed: boolean, width: number, paint: Paint): string {
  return wrapText(text, width - INDENT.length, '  ')
    .map((line, i) => `${i > 0 ? INDENT : changed ? '    * ' : INDENT}${line}`)
    .map((line) => (changed ? paint.cyan(line) : paint.dim(line)))
    .join('\n');
}

function rowsOf(state: TraceState): Row[] {
  return [
    ...state.mms.flatMap((mm) => [
      ...mm.ptes.map(
        (pte): Row => ({
          name: `${pte.page} of ${mm.mm}`,
          fields: pte.mapped
            ? [
                pte.pfn < 0 ? 'pte none' : `pte ${pte.write ? 'W' : 'R'}${pte.dirty ? ' dirty' : ''}`,
                ...(pte.pfn < 0
                  ? []
                  : [pte.frame === 'zero' ? 'zero page' : `${pte.frame} folio ${pte.pfn}`]),
                `vma ${pte.prot}${pte.dontfork ? ' dontfork' : ''}`,
                ...(pte.current === ''
                  ? []
                  : [pte.current === 'file' ? 'may show the file' : `must show ${pte.current}`]),
              ]
            : ['not mapped'],
        }),
      ),
      ...(mm.hasPinned || mm.notes.length > 0
        ? [{ name: `mm ${mm.mm}`, fields: [...(mm.hasPinned ? ['has pinned'] : []), ...mm.notes] }]
        : []),
    ]),
    ...state.folios
      // The zero page is of interest only while somebody holds it.
      .filter((f) => f.pfn !== 0 || f.refcount !== 1)
      .map(
        (f): Row => ({
          name: f.pfn === 0 ? 'zero page' : `folio ${f.pfn}`,
          fields: [
            `refcount ${f.refcount}`,
            `mapcount ${f.mapcount}`,
            `pincount ${f.pincount}`,
            ...(f.flags.some((flag) => flag !== 'zero')
              ? [f.flags.filter((flag) => flag !== 'zero').join(' ')]
              : []),
            ...f.notes,
            `holds ${f.content}`,
          ],
        }),
      ),
    ...state.files.map(
      (f): Row => ({
        name: `file ${f.file}`,
        fields: [
          f.pfn < 0 ? 'not in the page cache' : `page cache folio ${f.pfn}`,
          ...(f.disk === '' ? [] : [`disk holds ${f.disk}`]),
          `must show ${f.current}`,
        ],
      }),
    ),
    ...state.refs.map(
      (r): Row => ({
        name: r.ref,
        fields:
          r.kind === 'refused'
            ? ['refused']
            : [
                `${r.kind} of ${r.of}${r.detached ? ' (since replaced)' : ''}`,
                r.pfn === 0 ? 'zero page' : `folio ${r.pfn}`,
                r.promise === 'exact' ? 'exact' : 'since-take',
                ...(r.current === '' ? [] : [`must show ${r.current}`]),
              ],
      }),
    ),
  ];
}
