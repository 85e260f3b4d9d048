import fc from 'fast-check';
import { Parser } from 'tap-parser';
import { describe, expect, it } from 'vitest';
import type { JunitCase, JunitSuite } from './junit.ts';
import { renderKtap } from './ktap.ts';

interface Point {
  readonly ok: boolean;
  readonly id: number;
  readonly name: string;
  readonly skip: string | boolean;
}

/** One level, by a parser of TAP that is not ours; what is indented or a comment is none of its lines. */
function parsed(text: string): { readonly plan: number; readonly points: readonly Point[] } {
  const points: Point[] = [];
  const strangers: string[] = [];
  let plan = -1;
  const parser = new Parser({ strict: false });
  parser.on('assert', ({ ok, id, name, skip }: Point) => points.push({ ok, id, name, skip }));
  parser.on('plan', (p: { readonly end: number }) => {
    plan = p.end;
  });
  parser.on('extra', (line: string) => strangers.push(line));
  parser.end(text);
  expect(strangers.filter((line) => !/^(KTAP version 1\n| )/.test(line))).toEqual([]);
  return { plan, points };
}

/** Both levels: the tests of the first, and below each the ones that it consists of. */
function levels(text: string): {
  readonly whole: ReturnType<typeof parsed>;
  readonly parts: ReturnType<typeof parsed>[];
} {
  const parts: string[] = [];
  let part = '';
  for (const line of text.split('\n'))
    if (line.startsWith('  ')) part += `${line.slice(2)}\n`;
    else if (/^(not )?ok /.test(line)) {
      parts.push(part);
      part = '';
    }
  expect(part).toBe('');
  for (const p of parts) expect(p).toMatch(/^KTAP version 1\n1\.\.\d+/);
  return { whole: parsed(text), parts: parts.map(parsed) };
}

describe('renderKtap', () => {
  it('is as Documentation/dev-tools/ktap.rst has it', () => {
    const suite = (name: string, ...cases: Omit<JunitCase, 'classname'>[]): JunitSuite => ({
      name,
      cases: cases.map((c) => ({ ...c, classname: name })),
    });
    const text = renderKtap([
      suite('host 6.18', { name: 'a', note: 'as v6.5' }, { name: 'b#1', skipped: 'no caller' }),
      suite(
        'vm',
        { name: 'x', failure: { message: 'differs', text: 'step 1\n\n  saw 2' } },
        { name: 'y', error: 'no disk' },
      ),
      suite('poor', { name: 'x', skipped: 'no' }),
    ]);
    expect(text).toBe(`KTAP version 1
1..3
  KTAP version 1
  1..2
  ok 1 a # as v6.5
  ok 2 b%231 # SKIP no caller
ok 1 host 6.18
  KTAP version 1
  1..2
  # step 1
  #   saw 2
  not ok 1 x # differs
  not ok 2 y # ERROR no disk
not ok 2 vm # 2 of 2 failed
  KTAP version 1
  1..1
  ok 1 x # SKIP no
ok 3 poor # SKIP nothing could be tested
`);
    const { whole, parts } = levels(text);
    expect(whole.points.map((p) => [p.ok, p.name, p.skip])).toEqual([
      [true, 'host 6.18', false],
      [false, expect.stringMatching(/^vm/), false],
      [true, 'poor', 'nothing could be tested'],
    ]);
    expect(parts[0]!.points[1]).toMatchObject({ ok: true, skip: 'no caller' });
    expect(renderKtap([])).toBe('KTAP version 1\n1..0 # SKIP nothing was tested\n');
  });

  it('says the same whatever the names and reasons are', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.constantFrom(
        'a',
        '# SKIP x',
        'SKIP x',
        ' todo',
        'ok 1',
        '1..3',
        'Bail out!',
        '\n',
        '- x',
        'x\\',
        '---',
        '{',
      ),
    );
    const result = fc.oneof(
      fc.constant({}),
      fc.record({ note: text }),
      fc.record({ skipped: text }),
      fc.record({ error: text }),
      fc.record({ failure: fc.record({ message: text, text }) }),
    );
    const one = fc.tuple(text, result).map(([name, r]): JunitCase => ({ name, classname: 'c', ...r }));
    const suites = fc.array(fc.record({ name: text, cases: fc.array(one, { minLength: 1, maxLength: 4 }) }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(suites, (all) => {
        const { whole, parts } = levels(renderKtap(all));
        const bad = (c: JunitCase): boolean => c.failure !== undefined || c.error !== undefined;
        expect(whole.plan).toBe(all.length);
        expect(whole.points.map((p) => [p.id, p.ok])).toEqual(all.map((s, i) => [i + 1, !s.cases.some(bad)]));
        parts.forEach(({ plan, points }, i) => {
          const { cases } = all[i]!;
          expect(plan).toBe(cases.length);
          expect(points.map((p) => [p.id, p.ok, p.skip !== false])).toEqual(
            cases.map((c, at) => [at + 1, !bad(c), c.skipped !== undefined]),
          );
          const names = renderKtap([all[i]!])
            .split('\n')
            .flatMap((line) => /^ {2}(?:not )?ok \d+ ([^#]*?)(?: #.*)?$/.exec(line)?.slice(1) ?? []);
          expect(new Set(names).size).toBe(cases.length);
        });
      }),
      { numRuns: 150 },
    );
  });
});
