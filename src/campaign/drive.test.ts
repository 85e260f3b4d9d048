import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PairSearch, toldIn } from '../check/distinguish.ts';
import { PolicyModel, type PolicySpec } from '../check/model.ts';
import type { PairSpec } from '../check/pair.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { Exploration } from '../check/search.ts';
import type { Spec } from '../check/spec.ts';
import { StateTable } from '../check/table.ts';
import type { PageKind } from '../domain/kinds.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { compiled } from '../testing/compiled.ts';
import type { Driven, DriveOptions, Progress } from './drive.ts';

const { drive } = await compiled<typeof import('./drive.ts')>('campaign/drive');
const { Threads } = await compiled<typeof import('./parallel.ts')>('campaign/parallel');

const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

const spec = (policy: string, kinds: readonly PageKind[], mms: number, refs: number): PolicySpec => {
  const setup = { ...pagesOf(kinds, 'ext4-v5.18'), mms, refs, pinBias: 1024 };
  return {
    setup,
    policy: expandPolicy(policyByName(policy)),
    alphabet: alphabetFor(setup, PLAIN_GUPS),
    symmetry: 'all',
    grain: 'class',
  };
};
const pairOf = (a: string, b: string): PairSpec => {
  const { setup, alphabet } = spec(a, ['private-file'], 2, 1);
  return { setup, alphabet, a: expandPolicy(policyByName(a)), b: expandPolicy(policyByName(b)) };
};
const OPTIONS: DriveOptions = {
  depthMax: Number.POSITIVE_INFINITY,
  statesMax: 1e9,
  memoryMax: 1e9,
  threads: 1,
  threadsFrom: 500,
};
const run = (of: Spec, options: Partial<DriveOptions>): Promise<Driven> =>
  drive(of, { ...OPTIONS, ...options });

const digest = (words: Int32Array, count: number): string =>
  createHash('sha256').update(words.slice(0, count)).digest('hex');

/** All that a search says, down to the number of each state. */
const whole = ({ exploration: x, stopped }: Driven): unknown => ({
  stopped,
  depth: x.depth,
  states: x.states,
  transitions: x.transitions,
  complete: x.complete,
  found: [...x.found],
  parents: digest(x.table.parents, x.states),
  steps: digest(x.table.steps, x.states),
  layer: digest(x.layer.words, x.layer.count * x.size),
});

const WIDE = spec('v5.7-mapcount', ['anon'], 2, 1);

describe('threads', () => {
  it.each([2, 3])('%i threads find what one finds, in the same order', async (threads) => {
    const one = await run(WIDE, { depthMax: 7 });
    expect(one.exploration.layer.count).toBeGreaterThan(2_000);
    expect(whole(await run(WIDE, { depthMax: 7, threads }))).toEqual(whole(one));
  });

  it('also where the search gives up', async () => {
    const one = await run(WIDE, { statesMax: 5_000 });
    expect(one.stopped).toBe('states');
    expect(whole(await run(WIDE, { statesMax: 5_000, threads: 2 }))).toEqual(whole(one));
  });

  it('compare two policies as well, with the same result for any number of them', async () => {
    const pair = pairOf('v6.2-anon-exclusive', 'v6.5-longterm-ban');
    const one = await run(pair, { depthMax: 5 });
    expect(one.exploration.states).toBeGreaterThan(2000);
    expect(toldIn(one.exploration).length).toBeGreaterThan(1);
    for (const threads of [2, 3]) {
      const many = await run(pair, { depthMax: 5, threads });
      expect(whole(many)).toEqual(whole(one));
      expect(toldIn(many.exploration)).toEqual(toldIn(one.exploration));
    }
    const search = new PairSearch(pair, 1e9);
    search.runTo(5);
    expect(search.told).toEqual(toldIn(one.exploration));
  });

  // Steps that a thread could not take must not look like steps that lead to nothing new.
  it.each<readonly [string, object]>([
    ['at its start', { setup: {} }],
    ['at work', { alphabet: { gups: PLAIN_GUPS } }],
  ])(
    'a thread that fails %s ends the search with its error',
    async (_, wrong) => {
      const pool = new Threads(
        new Exploration(new PolicyModel(WIDE), 1e9, 8, true),
        { ...WIDE, ...wrong } as Spec,
        2,
      );
      try {
        await expect(pool.advance()).rejects.toThrow(/Cannot read properties of undefined/);
      } finally {
        await pool.close();
      }
    },
    20_000,
  );
});

describe('limits', () => {
  it('closes', async () => {
    const { stopped, exploration } = await run(spec('v6.5-longterm-ban', ['anon'], 1, 1), {});
    expect(stopped).toBe('closed');
    expect(exploration.complete.states).toBe(exploration.states);
  });
  it('stops at a depth', async () => {
    const { stopped, exploration } = await run(WIDE, { depthMax: 4 });
    expect([stopped, exploration.depth]).toEqual(['depth', 4]);
  });
  it('is done at the depth, though there is no room for a state more', async () => {
    const { exploration: x } = await run(WIDE, { depthMax: 4 });
    const { stopped, exploration } = await run(WIDE, { depthMax: 4, statesMax: x.states });
    expect([stopped, exploration.depth, exploration.states]).toEqual(['depth', 4, x.states]);
    const less = await run(WIDE, { depthMax: 5, statesMax: x.states });
    expect([less.stopped, less.exploration.depth]).toEqual(['states', 4]);
  });
  it('stops after a layer in which it found enough, and not in the midst of one', async () => {
    const asked: number[] = [];
    const { stopped, exploration } = await run(WIDE, {
      enough: (x) => {
        asked.push(x.depth);
        return x.found.size > 0;
      },
    });
    expect([stopped, exploration.at]).toEqual(['enough', 0]);
    expect(asked).toEqual([1, 2, 3].slice(0, exploration.depth));
    const lengths = [...exploration.found.values()].map(({ length }) => length);
    expect(Math.min(...lengths)).toBe(exploration.depth);
  });
  it('stays below its memory', async () => {
    const memoryMax = 64e6;
    let most = 0;
    const { stopped, exploration } = await run(WIDE, {
      memoryMax,
      onProgress: (p) => {
        most = Math.max(most, p.bytes);
      },
    });
    expect(stopped).toBe('memory');
    expect(most).toBeGreaterThan(memoryMax / 8);
    expect(exploration.bytes).toBeLessThanOrEqual(memoryMax);
    expect(exploration.depth).toBeGreaterThan(3);
  });
  it('holds at most 64 bytes for a visited state, once there are many', async () => {
    const { exploration } = await run(WIDE, { depthMax: 9 });
    expect(exploration.states).toBeGreaterThan(20_000);
    expect(exploration.table.bytes / exploration.states).toBeLessThanOrEqual(64);
    expect(exploration.table.bytes).toBe(StateTable.bytesFor(exploration.states));
  });
  it('reports each layer', async () => {
    const seen: Progress[] = [];
    await run(WIDE, { depthMax: 5, onProgress: (p) => seen.push(p) });
    expect(seen.filter((p) => p.layerDone === 0).map((p) => p.depth)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('checkpoints', () => {
  const path = join(temp, 'state');
  const everyMs = 1e9;
  /** Stops after so many progress reports at layer ends. */
  async function interrupted(layers: number, threads = 1): Promise<Driven> {
    const stop = new AbortController();
    return run(WIDE, {
      threads,
      checkpoint: { path, everyMs },
      signal: stop.signal,
      onProgress: (p) => {
        if (p.depth >= layers) stop.abort();
      },
    });
  }

  it.each([
    [1, 1],
    [1, 2],
    [2, 1],
  ])('stopped with %i threads, resumed with %i: as if never stopped', async (before, after) => {
    const first = await interrupted(6, before);
    expect(first.stopped).toBe('interrupted');
    const once = await run(WIDE, { depthMax: 7 });
    const resumed = await run(WIDE, { depthMax: 7, threads: after, resume: path });
    expect(whole(resumed)).toEqual(whole(once));
  });

  it('goes on in the middle of a layer', async () => {
    const six = (await run(WIDE, { depthMax: 6 })).exploration;
    expect(six.layer.count).toBeGreaterThan(six.batch);
    const first = await run(WIDE, { statesMax: six.states + 1, checkpoint: { path, everyMs } });
    expect(first.stopped).toBe('states');
    expect(first.exploration.at).toBeGreaterThan(0);
    const once = await run(WIDE, { depthMax: 7 });
    expect(whole(await run(WIDE, { depthMax: 7, resume: path }))).toEqual(whole(once));
  });

  it('a search that closed writes none, and one that goes on writes over the old one', async () => {
    const other = join(temp, 'closed');
    await run(spec('v6.5-longterm-ban', ['anon'], 1, 1), { checkpoint: { path: other, everyMs } });
    expect(() => statSync(other)).toThrow();
    await interrupted(4);
    const before = readFileSync(path);
    await run(WIDE, { depthMax: 5, resume: path, checkpoint: { path, everyMs } });
    expect(readFileSync(path).equals(before)).toBe(false);
  });

  it('refuses what is not a checkpoint of this search, with one line that names the file', async () => {
    await interrupted(5);
    const good = readFileSync(path);
    const head = good.indexOf(10);
    const bad = join(temp, 'bad');
    const refuses = async (bytes: Buffer | string, what: RegExp, of = WIDE): Promise<void> => {
      writeFileSync(bad, bytes);
      const error = await run(of, { depthMax: 6, resume: bad }).then(
        () => undefined,
        (e: Error) => e,
      );
      expect(error?.name).toBe('CheckpointError');
      expect(error?.message).toMatch(what);
      expect(error?.message.startsWith(`${bad}: `)).toBe(true);
      expect(error?.message).not.toContain('\n');
    };
    const line = good.subarray(0, head).toString();
    const rest = good.subarray(head);
    await refuses(good, /of another search/, spec('v5.8-cow-break', ['anon'], 2, 2));
    await refuses('', /not a checkpoint/);
    await refuses('{"magic":"gup"}\n', /not a checkpoint/);
    await refuses(good.subarray(0, good.length - 40), /length/);
    await refuses(
      Buffer.concat([Buffer.from(line.replace(/"version":\d+/, '"version":9')), rest]),
      /says that it is of version 9; this program reads \d+$/,
    );
    await refuses(
      Buffer.concat([Buffer.from(line.replace(/"states":\d+/, '"states":-5')), rest]),
      /states is -5/,
    );
    const flipped = Buffer.from(good);
    flipped[good.length - 100]! ^= 1;
    await refuses(flipped, /checksum/);
    const gone = await run(WIDE, { resume: join(temp, 'none') }).catch((e: Error) => e.message);
    expect(gone).toMatch(/none: cannot be read/);
  });

  it('is of one pair of policies alone, and goes on with it', async () => {
    const [ab, ba] = [pairOf('pae', 'longterm-ban'), pairOf('longterm-ban', 'pae')];
    const direct = await run(ab, { depthMax: 4 });
    await run(ab, { depthMax: 3, checkpoint: { path, everyMs } });
    expect(whole(await run(ab, { depthMax: 4, resume: path }))).toEqual(whole(direct));
    await expect(run(ba, { depthMax: 4, resume: path })).rejects.toThrow(/of another search/);
  });

  it('is of one search alone: not of another grain, symmetry or alphabet, nor of rules that were edited', async () => {
    await run(WIDE, { depthMax: 3, checkpoint: { path, everyMs } });
    const { policy, alphabet } = WIDE;
    const tables = policy.tables.map((table, i) =>
      i === 0 ? { ...table, answer: [...table.answer].reverse() } : table,
    );
    expect(tables[0]!.answer).not.toEqual(policy.tables[0]!.answer);
    const others: readonly Spec[] = [
      { ...WIDE, grain: 'property' },
      { ...WIDE, symmetry: 'none' },
      { ...WIDE, alphabet: { ...alphabet, gups: alphabet.gups.slice(1) } },
      { ...WIDE, alphabet: { ...alphabet, ops: alphabet.ops.map((on, op) => on && op > 0) } },
      { ...WIDE, policy: { ...policy, tables } },
      { ...WIDE, policy: { ...policy, claims: [0] } },
      { ...WIDE, setup: { ...WIDE.setup, pinBias: 2 } },
    ];
    for (const other of others)
      await expect(run(other, { depthMax: 4, resume: path })).rejects.toThrow(/of another search/);
  });

  // A depth that was not searched would be a proof that was not made.
  it.each<readonly [string, unknown]>([
    ['depth', 4],
    ['depth', 'x'],
    ['state', 'closed'],
    ['at', 5],
    ['at', 1_000_000],
    ['first', 0],
    ['transitions', 1],
    ['complete', null],
    ['found', []],
    ['found', 7],
  ])('refuses a first line that was changed: %s %j', async (field, value) => {
    await run(WIDE, { depthMax: 3, checkpoint: { path, everyMs } });
    const good = readFileSync(path);
    const end = good.indexOf(10);
    const header = JSON.parse(good.subarray(0, end).toString()) as Record<string, unknown>;
    expect(header[field]).not.toEqual(value);
    const bad = join(temp, 'first-line');
    const line = JSON.stringify({ ...header, [field]: value });
    writeFileSync(bad, Buffer.concat([Buffer.from(line), good.subarray(end)]));
    const refused = run(WIDE, { depthMax: 4, resume: bad });
    await expect(refused).rejects.toThrow(/first-line: a damaged checkpoint: .*(checksum|first|at is)/);
  });

  it('refuses states that are not those of the model, and a first line that does not fit the rest', async () => {
    const { exploration: x } = await run(WIDE, { depthMax: 3, checkpoint: { path, everyMs } });
    const good = readFileSync(path);
    const end = good.indexOf(10);
    const bad = join(temp, 'forged');
    const forge = async (header: object, rest: Buffer, what: RegExp): Promise<void> => {
      const sum = createHash('sha256').update(JSON.stringify(header)).update(rest).digest('hex');
      writeFileSync(bad, Buffer.concat([Buffer.from(`${JSON.stringify({ ...header, sum })}\n`), rest]));
      await expect(run(WIDE, { depthMax: 4, resume: bad })).rejects.toThrow(what);
    };
    const { sum: _, ...header } = JSON.parse(good.subarray(0, end).toString()) as {
      states: number;
      layer: number;
      slots: number;
      sum: string;
    };
    const rest = good.subarray(end + 1);
    // The last state was reached by another step, as if the model had changed since.
    const step = 4 * (header.slots + 2 * x.states - 1);
    const other = Buffer.from(rest);
    other.writeInt32LE(x.table.steps[1]!, step);
    expect(other.equals(rest)).toBe(false);
    await forge(header, other, /its states are not those of this model/);
    const { states, layer } = header;
    await forge({ ...header, states: states + x.size / 2, layer: layer - 1 }, rest, /fewer states/);
    await forge({ ...header, states: states - x.size / 2, layer: layer + 1 }, rest, /more states/);
  });

  it('is written now and then, beside the one before: that is whole until the new one is', async () => {
    rmSync(path, { force: true });
    await run(WIDE, { depthMax: 3, checkpoint: { path, everyMs } });
    const before = readFileSync(path);
    const kept = join(temp, 'kept');
    linkSync(path, kept);
    const seen: boolean[] = [];
    await run(WIDE, {
      depthMax: 5,
      resume: path,
      checkpoint: { path, everyMs: 0 },
      onProgress: (p) => seen.push(p.depth === 5 && !readFileSync(path).equals(before)),
    });
    expect(seen).toContain(true); // before the search stopped, that is
    expect(readFileSync(kept).equals(before)).toBe(true);
    expect(existsSync(`${path}.${process.pid}.partial`)).toBe(false);
  });

  it('leaves nothing behind where it cannot be put, and says no more of it once it can', async () => {
    const folder = join(temp, 'folder');
    mkdirSync(folder);
    const { notWritten } = await run(WIDE, { depthMax: 2, checkpoint: { path: folder, everyMs } });
    expect(notWritten).toMatch(/folder: cannot be written/);
    expect(existsSync(`${folder}.${process.pid}.partial`)).toBe(false);
    const taken = join(temp, 'taken');
    mkdirSync(`${taken}.${process.pid}.partial`);
    const ended = await run(WIDE, { depthMax: 2, checkpoint: { path: taken, everyMs } });
    expect([ended.stopped, ended.notWritten]).toEqual(['depth', expect.stringMatching(/taken: cannot be/)]);
    const later = join(temp, 'later', 'state');
    const mended = await run(WIDE, {
      depthMax: 4,
      checkpoint: { path: later, everyMs: 0 },
      onProgress: (p) => {
        if (p.depth === 3) mkdirSync(join(temp, 'later'));
      },
    });
    expect(mended.notWritten).toBe('');
  });

  it('goes on when it cannot be written, and says so', async () => {
    const nowhere = join(temp, 'no', 'such', 'folder');
    const { stopped, notWritten, exploration } = await run(WIDE, {
      depthMax: 4,
      checkpoint: { path: nowhere, everyMs: 0 },
    });
    expect([stopped, exploration.depth]).toEqual(['depth', 4]);
    expect(notWritten).toMatch(/folder: cannot be written/);
    const written = await run(WIDE, { depthMax: 4, checkpoint: { path, everyMs: 0 } });
    expect(written.notWritten).toBe('');
  });
});
