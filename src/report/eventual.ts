/** Eventual properties of one policy in one scope, for people: what holds, and the way into what does not. */
import type { Ban, EventualId, EventualReport, EventualResult, Trap } from '../check/eventual-properties.ts';
import { type Step, stepText } from '../scenario/scenario.ts';
import { wrapText } from './columns.ts';
import { type Paint, PLAIN } from './paint.ts';

export interface EventualTextOptions {
  readonly policy: string;
  /** Of the scope, one line. */
  readonly scope: string;
  /** Bans that the policy it derives from does not have, and that policy's id. */
  readonly newBans?: readonly Ban[];
  readonly base?: string;
  readonly paint?: Paint;
  readonly width?: number;
}

/** Traps of one property that are shown in full. */
const SHOWN = 2;

/** In how many states the question arises, in words. */
const PREMISE: { readonly [K in EventualId]: string } = {
  cleanable: 'dirty in',
  'cleanable-held': 'dirty with a reference held in',
  'writeback-cleans': 'dirty in',
  'fsync-cleans': 'dirty in',
  'fsync-cleans-released': 'dirty in',
  'flusher-cleans': 'dirty in',
  'flusher-cleans-released': 'dirty in',
  reclaimable: 'cached in',
  granted: 'something is refused in',
  'granted-held': 'something is refused with a reference held in',
  'gup-returns': 'gup is called in',
};

/** What stays as it is in a trap. */
function stays(id: EventualId, { subject }: Trap): string {
  switch (id) {
    case 'cleanable':
      return `${subject} stays dirty whatever anybody does`;
    case 'cleanable-held':
      return `${subject} stays dirty until a reference is released`;
    case 'writeback-cleans':
      return `${subject} stays dirty, or the kernel stops, until somebody else does something`;
    case 'reclaimable':
      return `${subject} stays in the page cache whatever anybody does`;
    case 'granted':
      return `${subject} is refused wherever it can be asked for, unless the page is given up`;
    default:
      return `${subject} is refused wherever it can be asked for, until a reference is released or the page is given up`;
  }
}

export function eventualText(report: EventualReport, options: EventualTextOptions): string {
  const { policy, scope, newBans = [], base = '', paint = PLAIN, width = 100 } = options;
  const closed = `closed: ${report.states} states, ${report.transitions} transitions, ${report.depth} steps deep`;
  const lines = [paint.bold(policy), ...indent(`${scope}; ${closed}`, 2, width)];
  for (const result of report.results) lines.push(...resultLines(result, report.states, paint, width));
  if (report.stops > 0)
    lines.push(...indent(`${report.stops} steps stop the kernel; no-crash judges those`, 2, width));
  for (const ban of report.bans) {
    const fresh = newBans.includes(ban);
    const what = `never granted: ${ban.subject} (${ban.answers.join(', ')})`;
    lines.push(
      ...indent(fresh ? `${paint.red('new ban')}: ${what}; ${base} grants it` : what, 2, width),
      ...(fresh ? stepLines(ban.steps, []) : []),
    );
  }
  return `${lines.join('\n')}\n`;
}

function resultLines(
  { property, verdict, premises, traps }: EventualResult,
  states: number,
  paint: Paint,
  width: number,
): string[] {
  const name = property.id.padEnd(25);
  if (verdict === 'not tested') return [`  ${name}${paint.dim('not tested')}`];
  if (verdict === 'holds')
    return [
      `  ${name}${paint.green('holds')} (closed, ${states} states; ${PREMISE[property.id]} ${premises})`,
    ];
  const lines = [`  ${name}${paint.red('broken')}, ${ARGUMENTS[property.argument]}`];
  for (const trap of traps.slice(0, SHOWN)) {
    lines.push(...stepLines(trap.steps, trap.refused));
    if (trap.argument === 'exhaustive') {
      const n = trap.trapStates;
      const which =
        n === 1
          ? 'here, and nothing else can be reached'
          : `in all ${n} states that can be reached from here`;
      const why = trap.answers.length === 0 ? '' : ` (${trap.answers.join(', ')})`;
      const more = `such states in the scope: ${trap.badStates} of ${premises}`;
      lines.push(...indent(`${which}, ${stays(property.id, trap)}${why}; ${more}`, 6, width));
    } else if (trap.loop.length === 0)
      lines.push(...indent(`the last step never returns: ${trap.answers.join(', ')}`, 6, width));
    else {
      const refused = trap.refused.map((i) => i - trap.steps.length);
      lines.push('    and again and again:', ...stepLines(trap.loop, refused));
      lines.push(...indent(`${trap.subject} is dirty all the time`, 6, width));
    }
  }
  const left = traps.slice(SHOWN).map((t) => t.subject);
  if (left.length > 0) lines.push(...indent(`the same for: ${left.join(', ')}`, 4, width));
  return lines;
}

const ARGUMENTS = { exhaustive: 'by exhaustion', lasso: 'by a lasso' } as const;

const stepLines = (steps: readonly Step[], refused: readonly number[]): string[] =>
  steps.map((step, i) => `      ${stepText(step)}${refused.includes(i) ? '  (refused or blocked)' : ''}`);

const indent = (text: string, by: number, width: number): string[] =>
  wrapText(text, width - by, '  ').map((line) => ' '.repeat(by) + line);
