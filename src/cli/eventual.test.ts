import { describe, expect, it } from 'vitest';
import { type Result, refusal, run as runCommand } from '../testing/cli.ts';
import { freshFolder } from '../testing/folder.ts';
import { writePolicy } from '../testing/policy.ts';
import { eventual } from './eventual.ts';
import { EXIT } from './exit.ts';

const folder = freshFolder();
const run = (args: Readonly<Record<string, unknown>>): Promise<Result> => runCommand(eventual, args);

/** A module that changes v6.5, by its absolute path: this process does not run in the folder. */
const module = (name: string, changes: string): string => folder.at(writePolicy(folder, name, changes));

describe('gupfuzz eventual', () => {
  it('says of each property whether it holds, and that the scope is closed', async () => {
    const { code, out } = await run({ policy: 'longterm-ban', gups: 'pin' });
    expect(code).toBe(EXIT.ok);
    expect(out).toMatch(
      /^v6\.5-longterm-ban\n {2}1 shared-file page \(ext4-v5\.18\), 1 mm, 1 reference; gups pin/,
    );
    expect(out).toMatch(/\n {2}cleanable +holds \(closed, \d+ states; dirty in \d+\)\n/);
    expect(out).toMatch(/\n {2}granted +not tested\n/);
  });

  it('shows the way into a trap, the loop of a livelock, and bans that are new', async () => {
    const path = module(
      'mine',
      `wbBegin: [before('otherwise', rule('pinned', (f) => f.maybeDmaPinned, 'keep dirty'))],
       gupSlow: [before('no page, FOLL_WRITE', rule('R', (f) => f.pin && !f.write, 'EOPNOTSUPP'))],`,
    );
    const { code, out } = await run({ policy: path, gups: 'pin' });
    expect(code).toBe(EXIT.finding);
    expect(out).toMatch(
      /cleanable-held +broken, by exhaustion\n {6}h1 = P: gup F pin W\n {6}in all \d+ states that can be reached from here, f stays dirty until/,
    );
    expect(out).toMatch(/ {4}and again and again:\n {6}other: fsync f\n {6}f is dirty all the time\n/);
    expect(out).toMatch(
      /new ban: never granted: gup F pin R \(EOPNOTSUPP\);\s+v6\.5-longterm-ban grants it\n {6}h1 = P: gup F pin R\n/,
    );
  });

  it('says what never returns', async () => {
    const path = module(
      'spins',
      `gupSlow: [before('no page, FOLL_WRITE', rule('wb', (f) => f.write && f.writeback, 'write fault'))],`,
    );
    const { code, out } = await run({ policy: path, gups: 'pin:W' });
    expect(code).toBe(EXIT.finding);
    expect(out).toMatch(/gup-returns +broken, by a lasso\n/);
    expect(out).toContain('the last step never returns: gupSlow does not converge');
  });

  it('prints JSON', async () => {
    const { code, out } = await run({ policy: ['longterm-ban', 'pae'], gups: 'pin:W:lt', format: 'json' });
    expect(code).toBe(EXIT.ok);
    const { scope, policies } = JSON.parse(out);
    expect(scope).toContain('1 shared-file page');
    expect(policies.map((p: { policy: string }) => p.policy)).toEqual([
      'v6.5-longterm-ban',
      'v6.2-anon-exclusive',
    ]);
    expect(policies[0].bans).toEqual([
      {
        subject: 'gup F pin W LONGTERM',
        answers: ['EFAULT'],
        steps: ['h1 = P: gup F pin W LONGTERM'],
        newOver: null,
      },
    ]);
    expect(policies[0].results[0]).toMatchObject({ property: 'cleanable', verdict: 'holds', traps: [] });
  });

  it('has no verdict for a scope that is not closed', async () => {
    const { code, out, err } = await run({ policy: 'longterm-ban', states: '500' });
    expect(code).toBe(EXIT.goalsMissed);
    expect(out).toBe('');
    expect(err).toMatch(/^gupfuzz: v6\.5-longterm-ban: inconclusive: the scope is not closed [^\n]*\n$/);
  });

  it('says if nothing could be tested', async () => {
    expect((await run({ policy: 'longterm-ban', pages: 'anon', refs: '0' })).code).toBe(EXIT.nothingTested);
  });

  it('refuses in one line what makes no sense', async () => {
    expect(await refusal(() => run({}))).toBe(
      '2: --policy is missing; allowed: id, alias, ./module.ts or all',
    );
    expect(await refusal(() => run({ policy: 'nobody' }))).toMatch(/^2: there is no policy "nobody"/);
    expect(await refusal(() => run({ policy: './no.ts' }))).toMatch(
      /^3: policy \.\/no\.ts: there is no such file/,
    );
    expect(await refusal(() => run({ policy: 'pae', states: 'many' }))).toMatch(
      /^2: --states is "many"; allowed: /,
    );
    expect(await refusal(() => run({ policy: 'pae', scope: 'huge' }))).toMatch(
      /^2: --scope has "huge"; allowed: /,
    );
  });
});
