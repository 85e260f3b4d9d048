import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from './cli/commands.ts';
import { CALLERS, PAGE_KINDS } from './domain/kinds.ts';
import { runScenario } from './executor/run.ts';
import { DECISIONS } from './machine/decisions.ts';
import { MADVISE } from './ops/madvise.ts';
import { OP_KINDS } from './ops/op.ts';
import { policyByName } from './policies/index.ts';
import { parseText } from './scenario/text.ts';
import { example, README } from './testing/readme.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

describe('the examples of README.md', () => {
  it('show: is what the tool prints', () => {
    const shown = run(
      'dist/src/cli/main.js',
      'show',
      'counterexamples/b09-registered-buffer-lost-after-mprotect.gup.json',
    );
    expect(example('show')).toBe(shown.trimEnd());
  });

  it('text form: is read, and loses what the text says', () => {
    const { counterexample: c } = parseText(example('text form'), 'lost.gup');
    const verdicts = ['mapcount', 'pae'].map((name) => runScenario(c, policyByName(name)).verdict);
    expect(verdicts).toEqual(['violated', 'not violated']);
    expect(c.title).toBe('An RDMA region is lost after fork');
  });

  it('check: is what the tool prints, but for what it cost', () => {
    const printed = run('dist/src/cli/main.js', 'check', '--policy', 'pae', '--scope', 'pin', '--quiet');
    const withoutCost = (text: string): string => text.trimEnd().split('\n').slice(0, -1).join('\n');
    expect(withoutCost(example('check'))).toBe(withoutCost(printed));
  });

  it('policy: is found out by the catalogue', () => {
    const file = `${root}/dist/readme-policy.ts`;
    writeFileSync(file, example('policy'));
    try {
      expect(() =>
        run('dist/src/cli/main.js', 'compare', '--base', 'longterm-ban', '--cand', file),
      ).toThrow();
    } finally {
      rmSync(file);
    }
  });
});

describe('the limits of README.md', () => {
  const limits = /\n## Limits, frankly\n([\s\S]*?)\n## /.exec(README)![1]!.replace(/\s+/g, ' ');

  it('what it says is absent is absent', () => {
    const [, mm, file] = / No (.*?) yet; no (.*?)\. - /.exec(limits)!;
    const absent = [mm!, file!].flatMap((list) => list.split(/, | or /));
    // How each would be called if there were an operation, a kind of page, an advice, a caller or a fact for it.
    const called: Readonly<Record<string, RegExp>> = {
      THP: /thp|huge/,
      hugetlb: /huge/,
      KSM: /ksm|merge/,
      migration: /migrat/,
      MADV_FREE: /^free|madv.*free/,
      'soft-dirty': /soft/,
      userfaultfd: /uffd|userfault/,
      FOLL_FORCE: /force/,
      truncate: /trunc/,
      'hole punch': /punch|hole|fallocate/,
      invalidation: /invalidat/,
      reflink: /reflink|clone/,
    };
    expect(absent.filter((name) => called[name] === undefined)).toEqual([]);
    const there = [
      ...OP_KINDS,
      ...PAGE_KINDS,
      ...MADVISE.args.advice.oneOf,
      ...CALLERS,
      ...Object.values(DECISIONS).flatMap(({ facts }) =>
        facts.flatMap(([name, values]) => [name, ...values.map(String)]),
      ),
    ];
    for (const name of absent)
      expect(
        there.filter((word) => called[name]!.test(word.toLowerCase())),
        name,
      ).toEqual([]);
  });

  it('does not deny a command that there is', () => {
    const commands = COMMANDS.map((c) => c.usage.split(' ')[0]!);
    expect(commands).toEqual(expect.arrayContaining(['live', 'export']));
    expect(`${limits} ${readFileSync(`${root}/docs/model.md`, 'utf8')}`).not.toMatch(
      /does not run\s+anything|No kernel takes part\./,
    );
  });
});
