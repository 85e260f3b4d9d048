/**
 * A scenario for people, as in a litmus test: the initial state, then one column per task and one row per step.
 * Plain text that survives mail: at most 72 columns wide unless asked otherwise.
 */
import { type Scenario, type Step, stepText } from '../scenario/scenario.ts';

/** Mail. */
export const WIDTH_DEFAULT = 72;
/** With more tasks than this the columns get too narrow to read: one step per line instead. */
const TASKS_MAX = 4;
const SEPARATOR = ' | ';

export interface ColumnsOptions {
  /** Most characters per line; at least 40. */
  readonly width?: number;
  /** By step index: what to say about it, to the right if all of them fit there, else below the step. */
  readonly notes?: readonly (string | undefined)[];
  /** Indices of steps to mark with `>`. */
  readonly marks?: ReadonlySet<number>;
  /** Put before everything else. */
  readonly header?: string;
}

/** Ends in a newline; no line ends in a space. */
export function renderColumns(c: Scenario, options: ColumnsOptions = {}): string {
  const width = Math.max(40, options.width ?? WIDTH_DEFAULT);
  const lines: string[] = [];
  if (options.header !== undefined) lines.push(...wrapText(options.header, width), '');
  lines.push(...initialState(c, width), '');
  const tasks = tasksOf(c.steps);
  const rows = c.steps.map((step, i) => ({
    lead: lead(i, c.steps.length, options.marks?.has(i) === true),
    task: tasks.indexOf(step.task),
    text: stepText(step).replace(`${step.task}: `, ''),
    line: stepText(step),
    note: (options.notes?.[i] ?? '').trim().replace(/\s+/g, ' '),
  }));
  const leadWidth = lead(0, c.steps.length, false).length;
  const widths = tasks.length > TASKS_MAX ? undefined : columnWidths(tasks, rows, width - leadWidth);

  const body: string[][] = rows.map((row) => {
    if (widths === undefined) return hang(row.lead, wrapText(row.line, width - leadWidth, '  '));
    return hang(
      row.lead,
      wrapText(row.text, widths[row.task]!, '  ').map((part) =>
        widths.map((w, i) => (i === row.task ? part : '').padEnd(w)).join(SEPARATOR),
      ),
    );
  });
  const bodyWidth = Math.max(0, ...body.flat().map((line) => line.length));
  const right = rows.every(({ note }) => note === '' || bodyWidth + 4 + note.length <= width);
  if (widths !== undefined) {
    lines.push(' '.repeat(leadWidth) + tasks.map((task, i) => task.padEnd(widths[i]!)).join(SEPARATOR));
    lines.push(' '.repeat(leadWidth) + widths.map((w) => '-'.repeat(w)).join('-+-'));
  }
  rows.forEach(({ note }, i) => {
    const [first, ...more] = body[i]!;
    if (note === '') lines.push(first!, ...more);
    else if (right) lines.push(`${first!.padEnd(bodyWidth)}  ; ${note}`, ...more);
    else
      lines.push(
        first!,
        ...more,
        ...hang(' '.repeat(leadWidth), wrapText(`; ${note}`, width - leadWidth, '  ')),
      );
  });
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** `  1  `, or `> 1  ` if marked. */
function lead(step: number, steps: number, marked: boolean): string {
  return `${marked ? '>' : ' '} ${String(step + 1).padStart(String(steps).length)}  `;
}

/** Puts `first` before the first line and as much space before the others. */
function hang(first: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => (i === 0 ? first : ' '.repeat(first.length)) + line);
}

/** Tasks that execute a step: mms in order of creation, then device, kernel, other. */
function tasksOf(steps: readonly Step[]): string[] {
  const last = ['device', 'kernel', 'other'];
  const acting = new Set(steps.map((s) => s.task as string));
  const created = steps.flatMap((s) => (s.op === 'fork' ? [s.result] : []));
  // An mm that no fork made was there at the start.
  const first = [...acting].filter((task) => !created.includes(task) && !last.includes(task));
  return [...first, ...created, ...last].filter((task) => acting.has(task));
}

function initialState({ setup }: Scenario, width: number): string[] {
  const table = setup.pages.map((page) => {
    const file = setup.files.find((f) => f.name === page.file);
    return [
      page.name,
      page.kind,
      page.prot,
      file === undefined ? '' : `of ${file.name} (${file.filesystem})`,
    ];
  });
  for (const file of setup.files)
    if (!setup.pages.some((p) => p.file === file.name))
      table.push([file.name, 'file', '', `not mapped (${file.filesystem})`]);
  if (setup.aside !== undefined)
    table.push(['aside', 'file', '', `what O_DIRECT writes go to (${setup.aside})`]);
  if (setup.swap !== undefined) table.push(['swap', setup.swap, '', 'where anonymous pages may go']);
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd(),
  );
  const bias = setup.pinBias === 1024 ? [] : [`  a pin counts ${setup.pinBias} references`];
  return ['Initially:', ...[...lines, ...bias].flatMap((line) => wrapText(line, width, '    '))];
}

interface Cell {
  readonly task: number;
  readonly text: string;
}

/** A width that a column may have, and the lines that its cells then take. */
interface Choice {
  readonly width: number;
  readonly lines: number;
}

/** Width of each column so that the whole takes fewest lines; undefined if the words are too long for columns. */
function columnWidths(tasks: readonly string[], cells: readonly Cell[], width: number): number[] | undefined {
  const choices = tasks.map((task, i) =>
    choicesOf(
      task,
      cells.filter((c) => c.task === i).map((c) => c.text),
    ),
  );
  let best = Number.POSITIVE_INFINITY;
  let widths: number[] | undefined;
  // At most four columns with a handful of choices each.
  const choose = (chosen: readonly number[], room: number, lines: number): void => {
    if (room < 0 || lines >= best) return;
    const next = choices[chosen.length];
    if (next === undefined) {
      best = lines;
      widths = [...chosen];
    } else for (const c of next) choose([...chosen, c.width], room - c.width, lines + c.lines);
  };
  choose([], width - SEPARATOR.length * (tasks.length - 1), 0);
  return widths;
}

/** From narrow to wide; only widths that save a line over all narrower ones. No word is cut. */
function choicesOf(task: string, texts: readonly string[]): Choice[] {
  // Continued lines are indented by two.
  const words = texts.flatMap((text) => text.split(' ').map((word, at) => word.length + (at > 0 ? 2 : 0)));
  const choices: Choice[] = [];
  const natural = Math.max(task.length, ...texts.map((text) => text.length));
  for (let width = Math.min(natural, Math.max(task.length, ...words)); width <= natural; width++) {
    const lines = texts.reduce((n, text) => n + wrapText(text, width, '  ').length, 0);
    if (choices.length === 0 || lines < choices.at(-1)!.lines) choices.push({ width, lines });
  }
  return choices;
}

/**
 * Lines of at most `width` characters, broken at spaces; a word longer than a line is cut. Text that fits stays as it
 * is; else spaces at its start stay and other runs of space become one. `indent` goes before all lines but the first.
 * Colours take no room.
 */
export function wrapText(text: string, width: number, indent = ''): string[] {
  if (widthOf(text) <= width && !/[\r\n\t]/.test(text)) return [text];
  const lines: string[] = [];
  let line = /^ */.exec(text)![0];
  let words = 0;
  for (let word of text.trim().split(/\s+/)) {
    if (words > 0 && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = indent;
      words = 0;
    }
    if (words++ > 0) line += ' ';
    while (word !== '' && widthOf(line) + widthOf(word) > width) {
      const part = start(word, Math.max(1, width - widthOf(line)));
      lines.push(line + part);
      word = word.slice(part.length);
      line = indent;
    }
    line += word;
  }
  return [...lines, line];
}

const COLOUR = '(?:\\u001b\\[[\\d;]*m)';
const COLOURS = new RegExp(COLOUR, 'g');

/** Characters that are seen: all but colours. */
export const widthOf = (text: string): number =>
  text.includes('\u001b') ? text.replace(COLOURS, '').length : text.length;

/** Up to the `n`th character that is seen. */
const start = (word: string, n: number): string =>
  word.includes('\u001b') ? (new RegExp(`^(?:${COLOUR}*.){${n}}`).exec(word)?.[0] ?? word) : word.slice(0, n);

const LABEL_WIDTH = 10;

/** `Name:     text`, wrapped to `width` and set off from its label. */
export function labelled(name: string, text: string, width: number): string[] {
  return wrapText(text, width - LABEL_WIDTH).map(
    (line, i) => (i === 0 ? `${name}:` : '').padEnd(LABEL_WIDTH) + line,
  );
}
