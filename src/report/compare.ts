/** Policies against counterexamples, and what a candidate breaks that its base does not. Data, then text and markdown. */
import type { Replay } from '../executor/replay.ts';
import type { ScenarioVerdict } from '../executor/run.ts';
import { decodeClass } from '../executor/simulated.ts';
import { COST_NAMES, type Costs, noCosts } from '../machine/machine.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { BaseError } from '../regression/beside.ts';
import { judgeBeside } from '../regression/scenario.ts';
import { plain } from '../scenario/file-error.ts';
import type { Scenario } from '../scenario/scenario.ts';
import { wrapText } from './columns.ts';
import { type Paint, PLAIN } from './paint.ts';

export interface ComparedFile {
  readonly file: string;
  readonly scenario: Scenario;
  readonly title: string;
  /** One per policy, in order. */
  readonly replays: readonly Replay[];
  /** Per policy: contradictions with the file. */
  readonly unexpected: readonly (readonly string[])[];
}

/** A regression of the candidate, or that it is no policy on a program. */
export interface News {
  /** A file, or `run 17 of seed 1`. */
  readonly where: string;
  /** Class id, or '' for another kind of news. */
  readonly class: string;
  readonly what: string;
}

/** A property on a kind of page, by as many classes on programs on which the other policy keeps it. */
export interface Change {
  readonly property: string;
  readonly page: string;
  readonly classes: number;
}

/** Classes (codes) by property and page kind, in the order of tables. */
export function changesOf(codes: readonly number[]): Change[] {
  const counted = new Map<string, Change>();
  for (const { property, page } of codes.map(decodeClass)) {
    const key = `${property} ${page}`;
    counted.set(key, { property, page, classes: (counted.get(key)?.classes ?? 0) + 1 });
  }
  return [...counted.values()];
}

/** `better: pin-coherence on shared-file pages (3 classes), durability on shared-file pages (1 class)`. */
export const changeText = ({ property, page, classes }: Change): string =>
  `${property} on ${page} pages (${classes} ${classes === 1 ? 'class' : 'classes'})`;

/** A cost that is higher under the candidate. Information only. */
export interface CostChange {
  readonly where: 'counterexamples' | 'campaign, per 1000 steps';
  readonly cost: keyof Costs;
  readonly base: number;
  readonly cand: number;
}

/** On which files the second of two policies regresses beside the first. */
export function newsOfFiles(
  files: readonly ComparedFile[],
  [base, candidate]: readonly ExpandedPolicy[],
): News[] {
  return files.flatMap(({ file, scenario, replays }): News[] => {
    const error = replays[1]?.result.policyError ?? '';
    if (error !== '') return [{ where: file, class: '', what: `${candidate!.id} fails: ${error}` }];
    try {
      return judgeBeside(scenario, candidate!, base!).regressions.map(({ classId, at }) => ({
        where: file,
        class: classId,
        what: `violates ${classId} at step ${at + 1}`,
      }));
    } catch (thrown) {
      if (!(thrown instanceof BaseError)) throw thrown;
      return [{ where: file, class: '', what: thrown.message }];
    }
  });
}

export function costChanges(files: readonly ComparedFile[]): CostChange[] {
  const total = (at: number): Costs => {
    const sum = noCosts();
    for (const { replays } of files)
      for (const name of COST_NAMES) sum[name] += replays[at]?.result.costs[name] ?? 0;
    return sum;
  };
  const [base, cand] = [total(0), total(1)];
  return COST_NAMES.filter((cost) => cand[cost] > base[cost]).map((cost) => ({
    where: 'counterexamples',
    cost,
    base: base[cost],
    cand: cand[cost],
  }));
}

// ---- The matrix ------------------------------------------------------------------------------------------------

const CELLS: { readonly [V in ScenarioVerdict]: string } = {
  violated: 'X',
  documented: 'doc',
  'not violated': '-',
  unsupported: 'n/a',
};
const LEGEND = 'X violated, doc documented, - not violated, n/a does not apply, ! not as the file expects';

function cellText(file: ComparedFile, at: number): string {
  const mark = file.unexpected[at]!.length > 0 ? '!' : '';
  const { status, result } = file.replays[at]!;
  return mark + (status === 'policy error' ? 'error' : CELLS[result.verdict]);
}

/** Name of the entry, on one line: its file without folder and ending. */
export function entryName(file: string): string {
  return plain(file.replace(/.*[/\\]/s, '').replace(/\.gup(?:\.json)?$/, ''));
}

/** Policies x files for a terminal; `width` shortens names, and at last numbers the policies. Ends in a newline. */
export function renderMatrix(
  files: readonly ComparedFile[],
  policies: readonly string[],
  options: { readonly paint?: Paint; readonly width?: number } = {},
): string {
  const paint = options.paint ?? PLAIN;
  const width = options.width ?? 140;
  const cells = policies.map((_, p) => Math.max(...files.map((f) => cellText(f, p).length)));
  const roomFor = (heads: readonly (readonly string[])[]): { widths: number[]; left: number } => {
    const widths = heads.map((h, p) => Math.max(...h.map((line) => line.length), cells[p]!));
    return { widths, left: width - widths.reduce((sum, w) => sum + w + 2, 0) };
  };
  const named = policies.map(headLines);
  const numbered = policies.map((_, p) => [String(p + 1)]);
  const byName = roomFor(named).left >= NAME_MIN;
  const heads = byName ? named : numbered;
  const height = Math.max(...heads.map((h) => h.length));
  const { widths, left } = roomFor(heads);
  const room = Math.max(6, Math.min(Math.max(...files.map((f) => entryName(f.file).length)), left));
  const lines = byName ? [] : wrapText(policies.map((id, p) => `${p + 1}=${id}`).join(', '), width, '  ');
  for (let row = 0; row < height; row++)
    lines.push(
      [' '.repeat(room), ...heads.map((h, p) => (h[row - (height - h.length)] ?? '').padEnd(widths[p]!))]
        .join('  ')
        .trimEnd(),
    );
  for (const file of files) {
    const name = entryName(file.file);
    const short = name.length <= room ? name.padEnd(room) : `${name.slice(0, room - 3)}...`;
    lines.push(
      [
        short,
        ...policies.map((_, p) => {
          const text = cellText(file, p).padEnd(widths[p]!);
          const { verdict } = file.replays[p]!.result;
          return verdict === 'violated' || text.startsWith('!') ? paint.red(text) : text;
        }),
      ]
        .join('  ')
        .trimEnd(),
    );
  }
  const legend = wrapText(`(${LEGEND})`, width).map(paint.dim);
  return `${[...lines, ...legend].join('\n')}\n`;
}

/** Fewer characters do not tell one file from another. */
const NAME_MIN = 16;

/** `v6.2-anon-exclusive` on lines of at most 10 characters where dashes allow. */
function headLines(policy: string): string[] {
  const lines: string[] = [];
  for (const word of policy.split('-')) {
    const last = lines.at(-1);
    if (last !== undefined && `${last}-${word}`.length <= 10) lines[lines.length - 1] = `${last}-${word}`;
    else lines.push(word);
  }
  return lines;
}

/** The same as a GitHub table. Ends in a newline. */
export function markdownMatrix(files: readonly ComparedFile[], policies: readonly string[]): string {
  return markdownTable(
    ['counterexample', ...policies],
    files.map((f) => [
      entryName(f.file),
      ...policies.map((_, p) => {
        const { result, status } = f.replays[p]!;
        const text = status === 'policy error' ? 'policy error' : result.verdict;
        const strong = result.verdict === 'violated' ? `**${text}**` : text;
        return f.unexpected[p]!.length > 0 ? `${strong} (unexpected)` : strong;
      }),
    ]),
  );
}

/** Ends in a newline. Cells are escaped, first row and column are words. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(' | ')} |\n`;
  return [line(head), `|${head.map(() => ' --- |').join('')}\n`, ...rows.map(line)].join('');
}

function markdownCell(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[|\\`<>]/g, (c) => `\\${c}`);
}
