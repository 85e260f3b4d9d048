import { describe, expect, it } from 'vitest';
import { interrupted, type Result, refusal, run as runCommand } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { EXIT } from './exit.ts';
import { mutate } from './mutate.ts';

const folder = freshFolder();
const run = (args: Readonly<Record<string, unknown>>): Promise<Result> => runCommand(mutate, args);

describe('gupfuzz mutate', () => {
  it('prints a table per decision point and a summary; survivors are no error', async () => {
    const { code, out } = await run({ name: 'cow-break', table: 'zeroPagePin' });
    expect(code).toBe(EXIT.ok);
    expect(out).toMatch(/^zeroPagePin\n/);
    expect(out).toContain('answer skip');
    expect(out).toMatch(/\n1 mutant: 0 killed, 0 same table, .*\n$/);
  });

  it('prints JSON and markdown', async () => {
    const { mutants } = JSON.parse(
      (await run({ name: 'pae', table: 'forkPte', rule: 'exclusive and maybe pinned', format: 'json' })).out,
    );
    expect(mutants.map((m: { mutation: string }) => m.mutation)).toEqual([
      'drop',
      'negate',
      'answer',
      'answer',
    ]);
    expect((await run({ name: 'cow-break', table: 'zeroPagePin', format: 'md' })).out).toMatch(
      /^## v5\.8-cow-break\n/,
    );
  });

  it('tells at Ctrl-C what it judged by then', async () => {
    const { code, out, err } = await interrupted(
      ['mutate', 'longterm-ban', '--format', 'json'],
      { cwd: folder.path },
      /\d+ of 144 mutants judged/,
    );
    expect(code).toBe(EXIT.interrupted);
    const { mutants } = JSON.parse(out) as { mutants: unknown[] };
    expect(mutants.length).toBeGreaterThan(0);
    expect(mutants.length).toBeLessThan(144);
    expect(err).toContain(`gupfuzz: ${mutants.length} of 144 mutants were judged\n`);
  });

  it('refuses in one line what makes no sense', async () => {
    expect(await refusal(() => run({ name: 'all' }))).toMatch(/^2: name is "all"; allowed: one policy/);
    expect(await refusal(() => run({ name: 'nobody' }))).toMatch(/^2: there is no policy "nobody"/);
    expect(await refusal(() => run({ name: './no.ts' }))).toMatch(
      /^3: policy \.\/no\.ts: there is no such file/,
    );
    expect(await refusal(() => run({ name: 'pae', table: 'wpfault' }))).toMatch(
      /^2: --table is "wpfault"; allowed: /,
    );
    expect(await refusal(() => run({ name: 'pae', table: 'forkPte', rule: 'exclusiv' }))).toBe(
      '2: forkPte of v6.2-anon-exclusive has no rule "exclusiv"; did you mean exclusive and maybe pinned? ' +
        'There is: exclusive and maybe pinned, otherwise',
    );
    expect(await refusal(() => run({ name: 'pae', rule: 'x' }))).toMatch(
      /^2: v6\.2-anon-exclusive has no rule "x"/,
    );
  });
});
