/**
 * The decision points and their facts for docs/model.md. What they mean is said where they are declared, in the comments
 * of machine/decisions.ts and machine/facts.ts, which an editor shows too: read from the sources, in the working directory.
 */
import { readFileSync } from 'node:fs';
import { DECISION_NAMES, DECISIONS } from '../machine/decisions.ts';
import { wrapText } from './columns.ts';

const WIDTH = 100;

/**
 * Text of each doc comment that stands before `name: ...` with this indentation, by name; `block`: in what begins so and
 * ends with a line that is no more indented.
 */
function comments(path: string, indent: number, block = ''): Map<string, string> {
  const source = readFileSync(path, 'utf8');
  const from = source.indexOf(block);
  const text = block === '' ? source : source.slice(from, source.indexOf('\n  },', from));
  const found = text.matchAll(
    new RegExp(`^ {${indent}}/\\*\\*((?:(?!\\*/)[^])*)\\*/\n {${indent}}(\\w+): `, 'gm'),
  );
  return new Map(
    [...found].map(([, text, name]) => [
      name!,
      text!
        .replace(/^\s*\*/gm, '')
        .replace(/\s+/g, ' ')
        .trim(),
    ]),
  );
}

const wrapped = (text: string): string => wrapText(text, WIDTH, '  ').join('\n');
const code = (text: string): string => `\`${text}\``;

/** A list item per decision point. Throws Error where one has no comment. */
export function decisionsText(): string {
  const said = comments('src/machine/decisions.ts', 2);
  return DECISION_NAMES.map((name) => {
    const { kernel, facts, answers, meanings, usual } = DECISIONS[name];
    const what = said.get(name);
    if (what === undefined) throw new Error(`decision point ${name} has no comment`);
    const list = facts.length === 0 ? 'none' : facts.map(([fact]) => code(fact)).join(', ');
    const means = answers.map((answer, i) => `${code(answer)} (${meanings[i]})`).join(', ');
    const always = (usual ?? []).map((r) =>
      r.when === undefined ? code(r.answer) : `${code(r.answer)} if "${r.name}"`,
    );
    return wrapped(
      `- ${code(name)}: ${code(kernel)}. ${what} Facts: ${list}. Answers: ${means}.` +
        (always.length === 0 ? '' : ` Usual: ${always.join(', else ')}.`),
    );
  }).join('\n');
}

/** A row per fact: name, values and comment. Throws Error where one has no comment. */
export function factRows(): string[][] {
  const shared = comments('src/machine/facts.ts', 2);
  const rows = new Map<string, string[]>();
  for (const name of DECISION_NAMES) {
    const own = comments('src/machine/decisions.ts', 6, `\n  ${name}: {`);
    for (const [fact, domain] of DECISIONS[name].facts) {
      const what = own.get(fact) ?? shared.get(fact);
      if (what === undefined) throw new Error(`fact ${fact} of ${name} has no comment`);
      const values = typeof domain[0] === 'boolean' ? 'yes or no' : valuesText(domain);
      rows.set(`${fact} ${values}`, [code(fact), values, what]);
    }
  }
  return [...rows.values()];
}

const valuesText = (domain: readonly unknown[]): string =>
  typeof domain[0] === 'number' ? `${domain[0]} to ${domain.at(-1)}, or more` : domain.join(', ');
