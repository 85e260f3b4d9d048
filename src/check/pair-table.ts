/** All pairs of built-in policies in a few small scopes, as docs/distinguish.md shows them. */
import type { PageKind } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import type { ExpandedPolicy } from '../machine/tables.ts';
import { GUP_VARIANTS } from '../ops/gup.ts';
import { stepText } from '../scenario/scenario.ts';
import { PairSearch, show, type Told } from './distinguish.ts';
import { type Difference, SEEN_COSTS } from './pair.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from './scope.ts';

export interface TableScope {
  /** Heading, and the flags of `gupfuzz distinguish` that give this scope. */
  readonly title: string;
  readonly flags: string;
  readonly setup: Setup;
  readonly gups: readonly number[];
}

function scope(
  title: string,
  kind: PageKind,
  mms: number,
  refs: number,
  gups: 'plain' | 'all',
  filesystem?: string,
): TableScope {
  const on = filesystem === undefined ? '' : ` --filesystem ${filesystem}`;
  return {
    title,
    flags: `--pages ${kind} --mms ${mms} --refs ${refs}${on} --gups ${gups}`,
    setup: { ...pagesOf([kind], filesystem ?? ''), mms, refs, pinBias: 1024 },
    gups: gups === 'plain' ? PLAIN_GUPS : GUP_VARIANTS,
  };
}

/** Of the operations: what docs/distinguish.md says is of these. */
const TABLE_VERSION = 1;

export const TABLE_SCOPES: readonly TableScope[] = [
  scope('Anonymous page', 'anon', 2, 1, 'plain'),
  scope('Private file page', 'private-file', 2, 1, 'plain', 'ext4-v5.18'),
  scope('Shared file page', 'shared-file', 1, 1, 'all', 'ext4-v5.18'),
  scope('Shared file page, stable pages', 'shared-file', 1, 1, 'all', 'ext4-v5.18-stable'),
  scope('shmem page', 'shmem', 1, 1, 'all'),
];

export const TABLE_STATES_MAX = 400_000;

/** Pairs in the order of the list, the earlier one first. */
export const pairsOf = <T>(list: readonly T[]): (readonly [T, T])[] =>
  list.flatMap((a, i) => list.slice(i + 1).map((b) => [a, b] as const));

/** What is refused is in the table as what an observer sees. */
const isShown = (d: Difference): boolean => d.kind === 'observable' || !SEEN_COSTS.includes(d.cost);

/**
 * The row of a pair: a, b, how they are told apart, by which program, what each sees, and the shortest differences in
 * cost. Searches until both are told, or all there is was visited.
 */
export function tableRow(a: ExpandedPolicy, b: ExpandedPolicy, { setup, gups }: TableScope): string[] {
  const spec = { setup, a, b, alphabet: alphabetFor(setup, gups, TABLE_VERSION) };
  const search = new PairSearch(spec, TABLE_STATES_MAX);
  search.runTo(Number.MAX_SAFE_INTEGER, (found) =>
    (['observable', 'cost'] as const).every((kind) => found.some((d) => d.kind === kind && isShown(d))),
  );
  const { told, complete } = search;
  const shortest = (kind: 'observable' | 'cost'): Told | undefined =>
    told.find(({ difference }) => difference.kind === kind && isShown(difference));
  const none = complete === 'closed' ? 'none, closed' : `none to depth ${complete}`;
  const seen = shortest('observable');
  const cost = shortest('cost');
  const program = (t: Told): string => {
    const { steps } = show(spec, t).scenario;
    return `${steps.length}: ${steps.map((step) => `\`${stepText(step)}\``).join('; ')}`;
  };
  const more = cost === undefined ? undefined : show(spec, cost).more;
  const costs =
    more === undefined ? [] : [...more.a.map((c) => `${c}: a more`), ...more.b.map((c) => `${c}: b more`)];
  return [
    a.id,
    b.id,
    ...(seen?.difference.kind === 'observable'
      ? [seen.difference.observer, program(seen), show(spec, seen).seen.a, show(spec, seen).seen.b]
      : [none, '', '', '']),
    ...(cost === undefined ? [none, ''] : [costs.join(', '), program(cost)]),
  ];
}

export const TABLE_HEAD: readonly string[] = [
  'a',
  'b',
  'observer',
  'program',
  'a sees',
  'b sees',
  'cost',
  'program of the cost',
];

/** A Markdown table; cells may hold Markdown. Ends without a newline. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(tableLine).join('\n');
}
export const tableLine = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** The tables of all scopes as Markdown. */
export function pairTables(policies: readonly ExpandedPolicy[]): string {
  return TABLE_SCOPES.map((table) => {
    const rows = pairsOf(policies).map(([a, b]) => tableRow(a, b, table));
    return `### ${table.title}\n\n\`${table.flags}\`\n\n${tableLines(TABLE_HEAD, rows)}\n`;
  }).join('\n');
}

export const TABLE_BEGIN = '<!-- generated: npm run distinguish -->';
export const TABLE_END = '<!-- end of what is generated -->';
