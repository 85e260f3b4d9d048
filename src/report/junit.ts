/** JUnit XML, as CI systems read it: the subset that all of them agree on. */

export interface JunitCase {
  readonly name: string;
  /** Groups cases; CI systems show it before the name. */
  readonly classname: string;
  /** What is wrong, one line; and more of it. */
  readonly failure?: { readonly message: string; readonly text: string };
  /** It could not be tested at all. */
  readonly error?: string;
  readonly skipped?: string;
  /** What is worth saying of a case that is fine. */
  readonly note?: string;
}

export interface JunitSuite {
  readonly name: string;
  readonly cases: readonly JunitCase[];
}

/** What could not be read, or not be run on. */
export function problemSuites(
  problems: readonly { readonly file: string; readonly message: string }[],
): JunitSuite[] {
  if (problems.length === 0) return [];
  const cases = problems.map(({ file, message }) => ({ name: file, classname: 'files', error: message }));
  return [{ name: 'files', cases }];
}

/** Ends in a newline. No times: the same input gives the same bytes. */
export function renderJunit(name: string, suites: readonly JunitSuite[]): string {
  const all = suites.flatMap((s) => s.cases);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name=${quoted(name)} ${totals(all)}>`,
    ...suites.flatMap((suite) => [
      `  <testsuite name=${quoted(suite.name)} ${totals(suite.cases)}>`,
      ...suite.cases.flatMap(caseLines),
      '  </testsuite>',
    ]),
    '</testsuites>',
  ];
  return `${lines.join('\n')}\n`;
}

function totals(cases: readonly JunitCase[]): string {
  const count = (field: 'failure' | 'error' | 'skipped'): number =>
    cases.filter((c) => c[field] !== undefined).length;
  return `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
}

function caseLines({ name, classname, failure, error, skipped, note }: JunitCase): string[] {
  const open = `    <testcase classname=${quoted(classname)} name=${quoted(name)}`;
  const inside = [
    ...(failure === undefined
      ? []
      : [`      <failure message=${quoted(failure.message)}>${escaped(failure.text)}</failure>`]),
    ...(error === undefined ? [] : [`      <error message=${quoted(error)}/>`]),
    ...(skipped === undefined ? [] : [`      <skipped message=${quoted(skipped)}/>`]),
    ...(note === undefined ? [] : [`      <system-out>${escaped(note)}</system-out>`]),
  ];
  return inside.length === 0 ? [`${open}/>`] : [`${open}>`, ...inside, '    </testcase>'];
}

const ENTITIES: { readonly [c: string]: string } = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Characters that XML 1.0 has no way to say, even escaped. */
const NOT_XML =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function escaped(text: string): string {
  return text.replace(NOT_XML, '\ufffd').replace(/[&<>"]/g, (c) => ENTITIES[c]!);
}

/** An attribute: line breaks and tabs would be read as spaces unless they are references. */
function quoted(text: string): string {
  return `"${escaped(text).replace(/[\n\r\t]/g, (c) => `&#${c.charCodeAt(0)};`)}"`;
}
