/** One finding for a person at a terminal: what happens, what was seen, why, and how to see it again. */
import { classId } from '../property/property.ts';
import { type Counterexample, type Expectation, expectationFor } from '../scenario/definition.ts';
import { byNumbers } from '../scenario/file.ts';
import { labelled, renderColumns, wrapText } from './columns.ts';
import { classInWords, seenAndPromised } from './mail.ts';
import { type Paint, PLAIN } from './paint.ts';
import { replayPasted } from './pasted.ts';
import { type ReplayBy, replayCommand } from './shell.ts';

export interface FindingOptions {
  readonly paint?: Paint;
  /** Most characters per line. */
  readonly width?: number;
  /** By step: what to say about it, such as that it was refused. */
  readonly notes?: readonly (string | undefined)[];
  /** What the replay command must say of policies. */
  readonly by?: ReplayBy;
  /** Without a file, the replay command holds the program. */
  readonly paste?: boolean;
  /** Also the expectations per policy, the references and how small it is known to be. */
  readonly full?: boolean;
}

/** Ends in a newline. `file` is what the replay command names; '' if there is no file to replay. */
export function renderFinding(c: Counterexample, file: string, options: FindingOptions = {}): string {
  const paint = options.paint ?? PLAIN;
  const width = options.width ?? 100;
  const label = (name: string, text: string, tint: (t: string) => string = (t) => t): string[] =>
    labelled(name, text, width).map((line, i) => (i === 0 ? tint(line) : line));
  const parts: string[][] = [];
  parts.push([...wrapText(c.title, width).map(paint.bold)]);
  if (c.class !== null)
    parts.push([
      ...label('Breaks', classInWords(c.class)),
      ...label('Policy', c.policy ?? ''),
      ...label('Class', classId(c.class)),
    ]);
  parts.push(
    renderColumns(c, {
      width,
      marks: new Set(c.seen === null ? [] : [c.seen.step]),
      ...(options.notes === undefined ? {} : { notes: options.notes }),
    })
      .trimEnd()
      .split('\n')
      .map((line) => (line.startsWith('>') ? paint.red(line) : line)),
  );
  if (c.seen !== null)
    parts.push(
      seenAndPromised(c.seen, width).map((line) =>
        /^Seen/.test(line) ? paint.red(line) : /^Promised/.test(line) ? paint.green(line) : line,
      ),
    );
  parts.push(wrapText(c.explanation, width));
  if (options.full === true) {
    if (Object.keys(c.expect).length > 0)
      parts.push(['Expected per policy:', ...expectationLines(c, width, paint)]);
    const { kind, scope, depth, reason } = c.minimality;
    const why = reason === undefined ? '' : `; ${reason}`;
    parts.push([
      ...(c.references.length === 0 ? [] : label('See', c.references.join(', '))),
      ...label(
        'Minimal',
        `${MINIMAL[kind]}${kind === 'shortest' ? ` (${depth} steps)` : ''}; ${scope}${why}`,
      ),
      ...label('Found', provenanceText(c)),
      ...label('Id', c.id),
    ]);
  }
  if (file !== '') parts.push([paint.cyan(replayCommand(file, options.by))]);
  else if (options.paste === true) parts.push(replayPasted(c, options.by).trimEnd().split('\n'));
  return parts.map((lines) => `${lines.map((line) => line.trimEnd()).join('\n')}\n`).join('\n');
}

const MINIMAL = {
  shortest: 'nothing shorter exists in the scope',
  '1-minimal': 'no single step can be left out',
  none: 'not minimized',
} as const;

function provenanceText({ provenance: { tool, seed, run, found } }: Counterexample): string {
  const where = [...(seed === null ? [] : [`seed ${seed}`]), ...(run === null ? [] : [`run ${run}`])].join(
    ', ',
  );
  return `${found === 'by hand' ? 'written by hand' : `by ${tool} ${found}`}${where === '' ? '' : ` (${where})`}`;
}

/** A row per policy in the order of releases: verdict, then classes and pinned costs. */
function expectationLines(c: Counterexample, width: number, paint: Paint): string[] {
  const policies = Object.keys(c.expect).sort(byNumbers);
  const room = Math.max(...policies.map((p) => p.length));
  return policies.flatMap((policy) => {
    const e = expectationFor(c, policy)!;
    const lead = `  ${policy.padEnd(room)}  `;
    return wrapText(expectationText(e), width - lead.length).map((line, i) => {
      const text = i === 0 ? line.replace(e.verdict, TINT[e.verdict](paint)(e.verdict)) : line;
      return (i === 0 ? lead : ' '.repeat(lead.length)) + text;
    });
  });
}

const TINT: { readonly [V in Expectation['verdict']]: (paint: Paint) => (text: string) => string } = {
  violated: (paint) => paint.red,
  documented: (paint) => paint.yellow,
  unsupported: (paint) => paint.yellow,
  'not violated': (paint) => paint.green,
};

export function expectationText({ verdict, classes, documented = [], costs = {} }: Expectation): string {
  const pinned = Object.entries(costs).map(([name, n]) => `${name} ${n}`);
  const notes = [
    ...classes,
    ...documented.map((id) => (verdict === 'documented' ? id : `documented: ${id}`)),
    ...(pinned.length === 0 ? [] : [`costs: ${pinned.join(', ')}`]),
  ];
  return notes.length === 0 ? verdict : `${verdict}: ${notes.join(', ')}`;
}
