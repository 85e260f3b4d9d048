/**
 * KTAP version 1 (Documentation/dev-tools/ktap.rst), which is TAP too: suites at the first level, their cases at the
 * second. `# ERROR` of KTAP is where something could not be tested that should have been, `# SKIP` where it cannot be.
 */
import { plain } from '../scenario/file-error.ts';
import type { JunitCase, JunitSuite } from './junit.ts';

const VERSION = 'KTAP version 1';
/** One level of nesting. */
const INDENT = '  ';

/** Ends in a newline. No times: the same input gives the same bytes. */
export function renderKtap(suites: readonly JunitSuite[]): string {
  const names = unique(suites.map((s) => s.name));
  return [
    VERSION,
    planLine(suites.length),
    ...suites.flatMap(({ cases }, i) => [...level(cases), resultLine(i, names[i]!, wholeOf(cases))]),
    '',
  ].join('\n');
}

type Result = Pick<JunitCase, 'failure' | 'error' | 'skipped' | 'note'>;

function level(cases: readonly JunitCase[]): string[] {
  const names = unique(cases.map((c) => c.name));
  return [
    VERSION,
    planLine(cases.length),
    ...cases.flatMap((c, i) => [
      ...(c.failure?.text ?? '')
        .split('\n')
        .flatMap((line) => (line.trim() === '' ? [] : [`# ${plain(line)}`])),
      resultLine(i, names[i]!, c),
    ]),
  ].map((line) => INDENT + line);
}

const planLine = (tests: number): string => (tests === 0 ? '1..0 # SKIP nothing was tested' : `1..${tests}`);

/** What becomes of a test with these subtests: it fails if one does, and is skipped if all are. */
function wholeOf(cases: readonly JunitCase[]): Result {
  const failed = cases.filter((c) => c.failure !== undefined || c.error !== undefined).length;
  const skipped = cases.filter((c) => c.skipped !== undefined).length;
  if (failed > 0) return { failure: { message: `${failed} of ${cases.length} failed`, text: '' } };
  return skipped === cases.length ? { skipped: 'nothing could be tested' } : {};
}

function resultLine(at: number, name: string, { failure, error, skipped, note }: Result): string {
  const bad = failure !== undefined || error !== undefined;
  const more =
    failure !== undefined
      ? noDirective(failure.message)
      : error !== undefined
        ? `ERROR ${error}`
        : skipped !== undefined
          ? `SKIP ${skipped}`
          : noDirective(note ?? '');
  return `${bad ? 'not ok' : 'ok'} ${at + 1} ${name}${more === '' ? '' : ` # ${plain(more)}`}`;
}

/** What is only told must not be taken for a directive, which would excuse it. */
const noDirective = (text: string): string =>
  /^[#\s]*(?:skip|todo|xfail|timeout|error)/i.test(text) ? `said: ${text}` : text;

/** Names in one line, without the character that ends them, and each another. */
function unique(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const word = plain(name).replaceAll('#', '%23').trim() || 'unnamed';
    let free = word;
    for (let n = 2; taken.has(free); n++) free = `${word} (${n})`;
    taken.add(free);
    return free;
  });
}
