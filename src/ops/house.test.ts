/** What every operation must have. A new one that lacks something is told what. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CALLERS } from '../domain/kinds.ts';
import { DOCS_TABLES } from '../report/docs-tables.ts';
import type { AnyStep, Arg, Grammar } from './args.ts';
import { OPS } from './index.ts';
import { lettersOf } from './live.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const text = (name: string): string => readFileSync(path(name), 'utf8');

/** A step with a word of its own in each field. */
function sample({ kind, task, args, makes }: Grammar): AnyStep {
  const value = (field: string, arg: Arg): string | boolean => {
    if ('oneOf' in arg) return arg.oneOf[0]!;
    if (!('is' in arg)) return true;
    return arg.is === 'caller' ? CALLERS[0] : `the-${field}`;
  };
  return {
    task: task === 'mm' ? 'the-task' : task,
    op: kind,
    ...Object.fromEntries(Object.entries(args).map(([field, arg]) => [field, value(field, arg)])),
    ...(makes === undefined ? {} : { result: 'the-result' }),
  };
}

/** Each asks for one thing; '' or what to add. */
const RULES: { readonly [rule: string]: (op: (typeof OPS)[number]) => string } = {
  'a file of its name': ({ kind }) => {
    const file = `${kind.replaceAll('_', '-')}.ts`;
    return existsSync(path(file)) && text(file).includes(`kind: '${kind}'`)
      ? ''
      : `add src/ops/${file}, which declares it`;
  },
  'a test': ({ kind }) => {
    const file = `${kind.replaceAll('_', '-')}.test.ts`;
    return existsSync(path(file)) && text(file).includes(kind)
      ? ''
      : `add src/ops/${file}: what it does to PTEs and counts`;
  },
  words: (op) => {
    const step = sample(op);
    const said = op.words(step);
    const left = ['task', 'page', 'file', 'ref', 'to'].filter(
      (field) => String(step[field]).startsWith('the-') && !said.includes(String(step[field])),
    );
    return left.length === 0 && !/[.\n]$/.test(said)
      ? ''
      : `words: name ${left.join(', ')}, without full stop`;
  },
  'kernel functions': ({ kernel }) =>
    /^(?:none: |[a-z0-9_/.-]+\.c: \w+\(\))/.test(kernel)
      ? ''
      : 'kernel: name `file.c: function()`, or `none: why`',
  'a row of the docs': ({ kind }) =>
    text('../../docs/model.md').includes(`| \`${kind}\` |`) &&
    DOCS_TABLES.operations!().includes(`\`${kind}\``)
      ? ''
      : 'run `npm run docs`',
  'a call on a real kernel, or a reason': ({ sends, call, live, task }) => {
    const said = call ?? { sends, args: {}, kind: '', task };
    if (said.sends === undefined)
      return /cannot|no /.test(live.how) ? '' : 'live.how: say why no program can';
    if (live.executor?.inProcess === undefined && live.executor?.byCoordinator === undefined)
      return 'live.executor: inProcess, byCoordinator, or both';
    return '';
  },
};

describe.each(OPS.map((op) => [op.kind, op] as const))('%s has', (kind, op) => {
  it.each(Object.keys(RULES))('%s', (rule) => {
    const missing = RULES[rule]!(op);
    expect(missing === '' ? '' : `${kind}: ${missing}`).toBe('');
  });
});

describe('the folder', () => {
  it('has no file with two operations', () => {
    for (const file of readdirSync(path('.')).filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts'))) {
      const declared = text(file).match(/^export const \w+: Op</gm) ?? [];
      expect([file, declared.length < 2]).toEqual([file, true]);
    }
  });
  it('says in all.ts no more than one line of each', () => {
    const lines = text('all.ts').match(/^export .*$/gm)!;
    expect(lines.length).toBe(OPS.length);
  });
});

describe('what a call sends', () => {
  const mm = { kind: 'x', task: 'mm' } as const;
  const page = { is: 'page' } as const;
  it('has a letter per field', () => {
    expect(lettersOf({ ...mm, args: { a: page, b: page }, sends: ['mm', 'a', 'b', 'token'] }).join('')).toBe(
      'mpqt',
    );
  });
  it.each([
    ['what no step has', { ...mm, args: {}, sends: ['mm', 'page'] }, 'no step has a field page'],
    [
      'a child of an operation that makes none',
      { ...mm, args: {}, sends: ['child'] },
      'no step has a field child',
    ],
    [
      'a third page',
      { ...mm, args: { a: page, b: page, c: page }, sends: ['a', 'b', 'c'] },
      'a call has room for two pages',
    ],
  ])('%s: no', (_, grammar: Grammar, message) => {
    expect(() => lettersOf(grammar)).toThrow(message);
  });
});
