import { describe, expect, it } from 'vitest';
import { PLAIN_GUPS, pagesOf, SCOPES, setupOf } from '../check/scope.ts';
import { Columns } from '../state/arena.ts';
import { Rng } from '../domain/rng.ts';
import { shapeOf } from '../domain/setup.ts';
import { cOf, OP_KINDS, type OpKind, opOf } from '../ops/op.ts';
import { Reference } from '../reference/reference.ts';
import { advance, Generator, type Packed, PROFILES, STEPS_MAX, STEPS_MIN, setupsOf } from './generate.ts';
import { applies } from './program.ts';

interface Drawn {
  readonly setup: number;
  readonly steps: readonly number[];
  readonly drawn: number;
}

/** `count` programs, each from the words of its number. */
function draw(generator: Generator, count: number): Drawn[] {
  const rng = new Rng();
  return Array.from({ length: count }, (_, i) => {
    rng.seed(i * 2_654_435_761, i ^ 0x5bd1e995, i * 97 + 3, 12_345 - i);
    const { setup, steps, length, drawn }: Packed = generator.draw(rng);
    return { setup, steps: Array.from(steps.subarray(0, length)), drawn };
  });
}
const kindOf = (step: number): OpKind => OP_KINDS[opOf(step)]!;

describe('setupsOf', () => {
  it.each(PROFILES)('profile %s: every setup is within the bounds, and each is another', (profile) => {
    const setups = setupsOf('default', profile);
    for (const setup of setups) expect(() => shapeOf(setup)).not.toThrow();
    expect(new Set(setups.map((s) => JSON.stringify(s))).size).toBe(setups.length);
  });

  it('puts anon pages in profile anon only, files in profile file, and both with all filesystems in all', () => {
    const kinds = (profile: 'anon' | 'file' | 'all'): string[] => [
      ...new Set(setupsOf('default', profile).flatMap((s) => s.pages.map((p) => p.kind))),
    ];
    expect(kinds('anon')).toEqual(['anon']);
    expect(kinds('file').sort()).toEqual(['private-file', 'shared-file', 'shmem']);
    expect(kinds('all').sort()).toEqual(['anon', 'private-file', 'shared-file', 'shmem']);
    const filesystems = new Set(setupsOf('default', 'all').flatMap((s) => s.files.map((f) => f.filesystem)));
    expect([...filesystems].sort()).toEqual([
      'ext4-v5.17',
      'ext4-v5.17-stable',
      'ext4-v5.18',
      'ext4-v5.18-stable',
      'shmem',
    ]);
    expect(setupsOf('base', 'anon')).toEqual([setupOf('base')]);
  });

  it('refuses a scope that does not exist', () => {
    expect(() => setupsOf('huge', 'all')).toThrow(
      `scope "huge" is not one of: ${Object.keys(SCOPES).join(', ')}`,
    );
  });
});

describe('a change of the scope', () => {
  const change = {
    pages: ['anon', 'shared-file'],
    mms: 2,
    pinBias: 2,
    filesystem: 'ext4-v5.17',
    ops: ['write', 'gup', 'dma_write', 'fsync'],
    gups: PLAIN_GUPS,
    flags: '',
  } as const;

  it('makes one setup of its pages, within its bounds', () => {
    const setups = setupsOf('default', 'all', change);
    expect(setups).toEqual([
      { ...pagesOf(change.pages, 'ext4-v5.17'), mms: 2, refs: SCOPES.default!.refs, pinBias: 2 },
    ]);
  });

  it('draws its operations and gups alone, the sweep included', () => {
    const drawn = draw(new Generator(setupsOf('default', 'all', change), change), 400);
    const steps = drawn.flatMap((program) => program.steps);
    expect([...new Set(steps.map(kindOf))].sort()).toEqual([...change.ops].sort());
    const gups = steps.filter((step) => kindOf(step) === 'gup').map(cOf);
    expect([...new Set(gups)].sort()).toEqual([...PLAIN_GUPS].sort());
  });

  it('of one operation still draws programs', () => {
    const one = { ops: ['read'], flags: '' } as const;
    const drawn = draw(new Generator(setupsOf('default', 'all', one), one), 50);
    for (const { steps } of drawn) expect(steps.length).toBeGreaterThanOrEqual(STEPS_MIN);
  });

  it('that no setup can have is refused', () => {
    expect(() => setupsOf('default', 'all', { mms: 5, flags: '' })).toThrow('setup.mms: 5');
  });
});

describe('Generator', () => {
  const generator = new Generator(setupsOf('default', 'all'));
  const programs = draw(generator, 1500);

  it('draws steps that apply, one after the other', () => {
    for (const { setup, steps } of programs) {
      const columns = new Columns();
      const reference = new Reference(shapeOf(generator.setups[setup]!), columns);
      columns.bytes.fill(0);
      reference.reset();
      for (const step of steps) {
        expect(applies(reference, step), kindOf(step)).toBe(true);
        advance(reference, step);
      }
    }
  });

  it('depends on the words of its seed alone', () => {
    expect(draw(new Generator(setupsOf('default', 'all')), 50)).toEqual(programs.slice(0, 50));
    expect(draw(generator, 50)).toEqual(programs.slice(0, 50));
  });

  it('keeps to the lengths, and ends with a look at everything', () => {
    for (const { setup, steps, drawn } of programs) {
      expect(drawn).toBeLessThanOrEqual(STEPS_MAX);
      const sweep = steps.slice(drawn).map(kindOf);
      for (const kind of sweep)
        expect(['dma_read', 'dio_end', 'read', 'buffered_read', 'fsync']).toContain(kind);
      const tracked = generator.setups[setup]!.files.filter((f) => f.filesystem !== 'shmem').length;
      expect(sweep.filter((k) => k === 'buffered_read').length).toBe(generator.setups[setup]!.files.length);
      expect(sweep.filter((k) => k === 'fsync').length).toBe(tracked);
    }
    const short = programs.filter((p) => p.drawn < STEPS_MIN).length;
    expect(short / programs.length).toBeLessThan(0.02); // only those in which nothing was left to do
    const average = programs.reduce((sum, p) => sum + p.drawn, 0) / programs.length;
    expect(average).toBeGreaterThan(15);
    expect(average).toBeLessThan(25);
  });

  it('uses every setup and every operation', () => {
    expect(new Set(programs.map((p) => p.setup)).size).toBe(generator.setups.length);
    const kinds = new Set(programs.flatMap((p) => p.steps.slice(0, p.drawn).map(kindOf)));
    const without: readonly string[] = ['go_on', 'wb_io', 'truncate', 'swapout'];
    expect([...kinds].sort()).toEqual(OP_KINDS.filter((kind) => !without.includes(kind)).sort());
  });

  it('is a swarm: operations are switched off for whole programs, and the rest is weighted anew', () => {
    const long = programs.filter((p) => p.drawn >= 20);
    const sets = new Set(
      long.map((p) => [...new Set(p.steps.slice(0, p.drawn).map(kindOf))].sort().join(' ')),
    );
    expect(sets.size / long.length).toBeGreaterThan(0.9);
    // `read` is drawn often; without a swarm hardly a long program would lack it.
    const without = (kind: OpKind): number =>
      long.filter((p) => !p.steps.slice(0, p.drawn).some((s) => kindOf(s) === kind)).length / long.length;
    expect(without('read')).toBeGreaterThan(0.2);
    expect(without('read')).toBeLessThan(0.5);
    expect(without('write')).toBeLessThan(0.15);
    const share = long.map(
      (p) => p.steps.slice(0, p.drawn).filter((s) => kindOf(s) === 'fork').length / p.drawn,
    );
    expect(Math.max(...share)).toBeGreaterThan(0.1);
    expect(share.filter((s) => s === 0).length).toBeGreaterThan(0);
  });

  it('takes references in a handful of ways per program', () => {
    const ways = programs.map(
      (p) =>
        new Set(
          p.steps
            .slice(0, p.drawn)
            .filter((s) => kindOf(s) === 'gup')
            .map(cOf),
        ).size,
    );
    expect(Math.max(...ways)).toBeLessThanOrEqual(4);
    expect(
      new Set(programs.flatMap((p) => p.steps.filter((s) => kindOf(s) === 'gup').map(cOf))).size,
    ).toBeGreaterThan(20);
  });
});
