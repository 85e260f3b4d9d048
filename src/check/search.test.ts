// @slow: searches whole scopes
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCKED, type PageKind, REFUSED } from '../domain/kinds.ts';
import type { Setup } from '../domain/setup.ts';
import { runScenario } from '../executor/run.ts';
import { coarseClass, decodeClass, INVALID, World } from '../executor/simulated.ts';
import { ChunkRunner, classKey } from '../fuzz/chunk.ts';
import { Generator } from '../fuzz/generate.ts';
import { ProgramArbitrary } from '../fuzz/program.ts';
import { derive, otherwise, rule, table } from '../machine/policy.ts';
import { type ExpandedPolicy, expandPolicy } from '../machine/tables.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { classId } from '../property/property.ts';
import { stepText } from '../scenario/scenario.ts';
import { runPasses } from '../shrink/shrink.ts';
import { CANDIDATE, Candidates } from './expand.ts';
import { KeyEncoder } from './key.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf, setupOf } from './scope.ts';
import { Layer, Search } from './search.ts';

const POLICIES: readonly ExpandedPolicy[] = BUILT_IN.map(expandPolicy);
const policyOf = (id: string): ExpandedPolicy => POLICIES.find((p) => p.id === id)!;
const IDS = POLICIES.map((p) => p.id);

const R_GET = gupVariant('get', false, false, false);
const W_PIN = gupVariant('pin', true, false, false);
const R_PIN_LT = gupVariant('pin', false, true, false);
const DIO_READ = gupVariant('o_direct_read', true, false, false);

const scope = (kind: PageKind, mms: number, refs: number, pinBias = 1024): Setup => ({
  ...pagesOf([kind], 'ext4-v5.18'),
  mms,
  refs,
  pinBias,
});
function search(
  setup: Setup,
  policy: ExpandedPolicy,
  gups: readonly number[] = PLAIN_GUPS,
  symmetry = true,
): Search {
  return new Search({ setup, policy, alphabet: alphabetFor(setup, gups), statesMax: 2_000_000, symmetry });
}
/** Classes with the length of a shortest scenario, sorted. */
const lengths = (s: Search, depth: number): string[] =>
  [...s.found.values()]
    .filter((f) => f.length <= depth)
    .map((f) => `${classId(decodeClass(f.code))}${f.documented ? ' documented' : ''}: ${f.length}`)
    .sort();

describe('symmetry', () => {
  it.each(IDS)('%s: with and without it, the same classes at the same lengths', (id) => {
    let classes = 0;
    for (const [setup, depth] of [
      [scope('anon', 2, 1), 5],
      [scope('private-file', 2, 1), 4],
      [scope('shared-file', 2, 1), 4],
      [scope('anon', 3, 1), 4],
      [scope('anon', 1, 2), 5],
      [scope('shmem', 2, 1), 4],
      [{ ...pagesOf(['anon', 'anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 }, 3],
    ] as const) {
      const folded = search(setup, policyOf(id));
      const plain = search(setup, policyOf(id), PLAIN_GUPS, false);
      folded.runTo(depth);
      plain.runTo(depth);
      expect(lengths(folded, depth)).toEqual(lengths(plain, depth));
      expect(folded.states).toBeLessThanOrEqual(plain.states);
      classes += folded.found.size;
    }
    expect(classes).toBeGreaterThan(0);
  });
});
/** The damages found, whichever reference shows them, and from where to where. */
const damages = (s: Search): string[] =>
  [
    ...new Set(
      [...s.found.values()].map((f) => {
        const { property, damage, page } = decodeClass(f.code);
        return `${property}/${damage}/${page}`;
      }),
    ),
  ].sort();

/** As `lengths`, of a search that merges only states that are the same byte for byte. */
function unmerged(setup: Setup, policy: ExpandedPolicy, gups: readonly number[], depth: number): string[] {
  const world = new World(setup, policy);
  const alphabet = alphabetFor(setup, gups);
  const steps = new Int32Array(4096);
  const found = new Map<string, number>();
  const seen = new Set<string>();
  let layer = [world.columns.snapshot()];
  for (let n = 1; n <= depth; n++) {
    const next: Uint8Array[] = [];
    for (const state of layer) {
      const back = (): void => {
        world.columns.restore(state);
        world.ended = false;
      };
      back();
      for (const step of steps.slice(0, world.enumerate(alphabet, steps))) {
        back();
        const outcome = world.step(step);
        for (const v of world.violations) {
          const id = `${classId(decodeClass(v.code))}${v.documented ? ' documented' : ''}`;
          if (!found.has(id)) found.set(id, n);
        }
        if (world.ended) continue;
        if (outcome === REFUSED || outcome === BLOCKED) world.dropVoid();
        const key = Buffer.from(world.columns.bytes).toString('latin1');
        if (seen.size === seen.add(key).size) continue;
        next.push(world.columns.snapshot());
      }
    }
    layer = next;
  }
  return [...found].map(([id, n]) => `${id}: ${n}`).sort();
}

describe('what is stored to the zero page', () => {
  const LONGTERM_BAN = policyByName('longterm-ban');
  const upgrades = derive(
    LONGTERM_BAN,
    { id: 'upgrades', title: 'mprotect always upgrades', sources: [] },
    { protectUpgrade: [table(otherwise('upgrade'))] },
  );
  const returns = derive(
    policyByName('page-count'),
    { id: 'returns', title: 'GUP returns whatever is mapped', sources: [] },
    {
      gupSlow: [
        table(
          rule('none', (f) => f.frame === 'none', 'read fault'),
          otherwise('return'),
        ),
      ],
    },
  );
  const W_GET = gupVariant('get', true, false, false);
  // Nothing may map it when somebody faults a page in and sees it.
  it.each([
    [upgrades, 0, 6, 'isolation/leak/anon/-/cpu->cpu: 6'],
    [returns, 1, 5, 'isolation/leak/anon/GET-W/device->cpu: 4'],
  ] as const)('is seen as soon as without a key: %#', (policy, refs, depth, one) => {
    const setup = scope('anon', 1, refs);
    const full = expandPolicy(policy);
    const found = search(setup, full, [W_GET]);
    found.runTo(depth);
    const all = unmerged(setup, full, [W_GET], depth);
    expect(lengths(found, depth)).toEqual(all);
    expect(all).toContain(one);
  });
});

describe('grain', () => {
  it.each(IDS)('%s: by property, the same kinds at the same lengths, in fewer states', (id) => {
    for (const [setup, depth] of [
      [scope('anon', 2, 1), 6],
      [scope('private-file', 2, 1), 5],
      [scope('shared-file', 1, 2), 5],
    ] as const) {
      const exact = search(setup, policyOf(id));
      const coarse = new Search({ ...exact.options, grain: 'property' });
      exact.runTo(depth);
      coarse.runTo(depth);
      const kinds = new Map<string, number>();
      for (const f of exact.found.values()) {
        const kind = classKey(coarseClass(f.code), f.documented);
        kinds.set(String(kind), Math.min(kinds.get(String(kind)) ?? depth, f.length));
      }
      const found = [...coarse.found.values()].map(
        (f) => [String(classKey(f.code, f.documented)), f.length] as const,
      );
      expect(new Map(found)).toEqual(kinds);
      expect(coarse.states).toBeLessThan(exact.states);
      for (const f of coarse.found.values())
        expect(decodeClass(f.code)).toMatchObject({ ref: '-', access: '-', longterm: false, storedBy: '-' });
    }
  });
});

describe('against the enumeration of all programs', () => {
  /** Every program of up to `depth` steps, with nothing merged. */
  function enumerate(
    setup: Setup,
    policy: ExpandedPolicy,
    gups: readonly number[],
    depth: number,
  ): Map<number, number> {
    const world = new World(setup, policy);
    world.checkInvariants = false;
    const alphabet = alphabetFor(setup, gups);
    const found = new Map<number, number>();
    const visit = (length: number): void => {
      const state = world.columns.snapshot();
      const out = new Int32Array(256);
      const n = world.enumerate(alphabet, out);
      for (let i = 0; i < n; i++) {
        if (i > 0) world.columns.restore(state);
        world.ended = false;
        if (world.step(out[i]!) === INVALID) throw new Error('an enumerated step cannot be done');
        for (const v of world.violations) {
          const key = classKey(v.code, v.documented);
          found.set(key, Math.min(found.get(key) ?? depth, length + 1));
        }
        if (world.ended || length + 1 === depth) continue;
        world.dropVoid();
        visit(length + 1);
      }
      world.ended = false;
    };
    visit(0);
    return found;
  }

  it.each(IDS)('%s: the same classes at the same lengths', (id) => {
    for (const [setup, gups, depth] of [
      [scope('anon', 2, 1), [W_PIN], 5],
      [scope('shared-file', 1, 1), [DIO_READ], 5],
      [scope('private-file', 1, 1), [W_PIN, R_PIN_LT], 4],
    ] as const) {
      const s = search(setup, policyOf(id), gups);
      s.runTo(depth);
      const all = [...enumerate(setup, policyOf(id), gups, depth)];
      expect(new Map([...s.found.values()].map((f) => [classKey(f.code, f.documented), f.length]))).toEqual(
        new Map(all),
      );
    }
  });
});

describe('pinned counts', () => {
  /**
   * Canonical states and transitions, until every state was visited (closed) or up to a depth (open): 1 mm, 1 anon page,
   * 1 reference; 2 mms, 1 anon page, 1 W pin, 4 steps; 1 mm, 1 shared file page, no references. Pinned on 2026-11-28. A change of the model, the key, the alphabet or a policy may change them: look at why, and
   * pin them again. They have no other meaning.
   */
  const FILE = 'closed: 248 states, 2598 transitions, depth 9';
  const PINNED: { readonly [policy: string]: readonly [anon: string, pin: string, file: string] } = {
    'v5.7-mapcount': [
      'closed: 1236 states, 10240 transitions, depth 10',
      'open: 374 states, 1489 transitions, depth 4',
      FILE,
    ],
    'v5.8-cow-break': [
      'closed: 1088 states, 9117 transitions, depth 10',
      'open: 374 states, 1489 transitions, depth 4',
      FILE,
    ],
    'v5.11-page-count': [
      'closed: 2494 states, 20678 transitions, depth 14',
      'open: 398 states, 1492 transitions, depth 4',
      FILE,
    ],
    'v6.2-anon-exclusive': [
      'closed: 1555 states, 12764 transitions, depth 11',
      'open: 392 states, 1481 transitions, depth 4',
      FILE,
    ],
    'v6.5-longterm-ban': [
      'closed: 1331 states, 11180 transitions, depth 11',
      'open: 392 states, 1481 transitions, depth 4',
      FILE,
    ],
    canary: [
      'closed: 1331 states, 11180 transitions, depth 11',
      'open: 399 states, 1481 transitions, depth 4',
      FILE,
    ],
  };

  it.each(IDS)('%s', (id) => {
    const counts = (
      [
        [scope('anon', 1, 1), PLAIN_GUPS, 99],
        [scope('anon', 2, 1), [W_PIN], 4],
        [scope('shared-file', 1, 0), [], 99],
      ] as const
    ).map(([setup, gups, depth]) => {
      const s = search(setup, policyOf(id), gups);
      s.runTo(depth);
      return `${s.state}: ${s.states} states, ${s.transitions} transitions, depth ${s.depth}`;
    });
    expect(counts).toEqual(PINNED[id]);
  });
});

describe('fingerprints', () => {
  /** The same search, the plain way: a set of whole keys, and nothing of the engine. */
  function plain(setup: Setup, policy: ExpandedPolicy, depth: number): [states: number, transitions: number] {
    const world = new World(setup, policy);
    world.checkInvariants = false;
    const key = new KeyEncoder(world);
    const text = (): string => {
      key.encode();
      return key.words.subarray(0, key.length).join(' ');
    };
    const seen = new Set([text()]);
    const alphabet = alphabetFor(setup, PLAIN_GUPS);
    const out = new Int32Array(256);
    let layer = [world.columns.snapshot()];
    let transitions = 0;
    for (let d = 0; d < depth; d++) {
      const next: Uint8Array[] = [];
      for (const state of layer) {
        world.columns.restore(state);
        world.ended = false;
        const n = world.enumerate(alphabet, out);
        for (let i = 0; i < n; i++) {
          world.columns.restore(state);
          world.ended = false;
          world.step(out[i]!);
          transitions++;
          if (world.ended) continue;
          world.dropVoid();
          const id = text();
          if (seen.has(id)) continue;
          seen.add(id);
          next.push(world.columns.snapshot());
        }
      }
      layer = next;
    }
    return [seen.size, transitions];
  }

  it.each(IDS)('%s: as many states as there are keys', (id) => {
    for (const [setup, depth] of [
      [scope('anon', 2, 1), 6],
      [scope('private-file', 2, 1), 5],
      [scope('shared-file', 1, 2), 5],
    ] as const) {
      const s = search(setup, policyOf(id));
      s.runTo(depth);
      expect([s.states, s.transitions]).toEqual(plain(setup, policyOf(id), depth));
    }
  });
});

describe('what it finds', () => {
  it.each(IDS)('%s: every trace runs again and shows its class in the last step', (id) => {
    for (const [setup, depth] of [
      [scope('anon', 2, 1), 5],
      [scope('anon', 2, 2), 4],
      [scope('private-file', 2, 1), 4],
      [scope('shared-file', 1, 2), 4],
    ] as const) {
      const s = search(setup, policyOf(id));
      s.runTo(depth);
      for (const found of s.found.values()) {
        const scenario = s.scenarioOf(found);
        expect(scenario.steps.length).toBe(found.length);
        const result = runScenario(scenario, policyOf(id));
        const seen = (found.documented ? result.documented : result.violations).find(
          (v) => v.code === found.code,
        );
        expect(seen?.at, scenario.steps.map(stepText).join('; ')).toBe(found.length - 1);
      }
    }
  });

  it.each([
    // CVE-2020-29374, from parent to child.
    [
      'v5.7-mapcount',
      'isolation/leak/anon/GET-R/cpu->device',
      scope('anon', 2, 1),
      PLAIN_GUPS,
      'P: write A; C = P: fork; h1 = P: gup A get R; P: exit; C: write A; device: dma_read h1',
    ],
    [
      'v5.7-mapcount',
      'get-lifetime/stale/anon/GET-R/cpu->device',
      scope('anon', 2, 1),
      [R_GET, W_PIN],
      'h1 = P: gup A pin W; C = P: fork; P: write A; device: dma_write h1; device: unpin h1; h2 = P: gup A get R; device: dma_read h2',
    ],
    [
      'v5.8-cow-break',
      'pin-coherence/stale/anon/PIN-W/cpu->device',
      scope('anon', 2, 1),
      PLAIN_GUPS,
      'h1 = P: gup A pin W; C = P: fork; P: write A; device: dma_read h1',
    ],
    [
      'v5.11-page-count',
      'pin-coherence/stale/anon/PIN-W/cpu->device',
      scope('anon', 1, 1),
      PLAIN_GUPS,
      'h1 = P: gup A pin W; P: mprotect A r; P: mprotect A rw; P: write A; device: dma_read h1',
    ],
    [
      'v5.11-page-count',
      'get-lifetime/stale/anon/GET-R/cpu->device',
      scope('anon', 1, 1),
      PLAIN_GUPS,
      'h1 = P: gup A o_direct_read W; P: mprotect A r; P: mprotect A rw; P: write A; device: dio_end h1; h2 = P: gup A get R; device: dma_read h2',
    ],
    [
      'v6.5-longterm-ban',
      'fs-notified/unnotified/shared-file/DIO-W/-->filesystem',
      scope('shared-file', 1, 1),
      PLAIN_GUPS,
      'h1 = P: gup F o_direct_read W; kernel: wb_start f NONE; device: dio_end h1',
    ],
    // A GET is invisible to d824ec2a1546: the buffers go, and with them what the device stored.
    [
      'v6.5-longterm-ban',
      'durability/stale/shared-file/GET-W/device->disk',
      scope('shared-file', 1, 1),
      PLAIN_GUPS,
      'h1 = P: gup F get W; other: fsync f; device: dma_write h1; kernel: reclaim f; device: unpin h1 dirty; other: fsync f',
    ],
    [
      'canary',
      'isolation/leak/anon/-/cpu->cpu',
      scope('anon', 2, 0),
      [],
      'P: write A; C = P: fork; P: write A; C: read A',
    ],
  ] as const)('%s: the shortest %s', (id, cls, setup, gups, steps) => {
    const s = search(setup, policyOf(id), gups);
    s.runTo(steps.split('; ').length);
    const found = [...s.found.values()].find((f) => !f.documented && classId(decodeClass(f.code)) === cls);
    expect(s.scenarioOf(found!).steps.map(stepText).join('; ')).toBe(steps);
  });

  it('is the same every time', () => {
    const [a, b] = [0, 1].map(() => {
      const s = search(scope('anon', 2, 2), policyOf('v5.7-mapcount'));
      s.runTo(4);
      return JSON.stringify([[...s.found], s.states, s.transitions]);
    });
    expect(a).toBe(b);
  });

  it('does not depend on how far it went at a time', () => {
    const step = search(scope('anon', 2, 1), policyOf('v5.7-mapcount'));
    const once = search(scope('anon', 2, 1), policyOf('v5.7-mapcount'));
    for (let depth = 1; depth <= 5; depth++) step.runTo(depth);
    once.runTo(5);
    expect([...step.found]).toEqual([...once.found]);
    expect([step.states, step.transitions]).toEqual([once.states, once.transitions]);
  });
});

describe('its bounds', () => {
  const code = (s: Search): number => [...s.found.values()].find((f) => !f.documented)!.code;

  it('find goes no deeper than it has to', () => {
    const s = search(scope('anon', 2, 1), policyOf('v5.7-mapcount'));
    s.runTo(4);
    const shallow = search(scope('anon', 2, 1), policyOf('v5.7-mapcount'));
    const { length } = [...s.found.values()].find((f) => f.code === code(s))!;
    expect(shallow.find(code(s), false, 9)!.length).toBe(length);
    expect(shallow.depth).toBe(length);
    expect(shallow.find(code(s), false, length - 1)).toBeUndefined();
  });

  it('finds nothing where the class is only documented, and the other way round', () => {
    const s = search(scope('anon', 2, 1), policyOf('v6.5-longterm-ban'));
    s.runTo(5);
    const documented = [...s.found.values()].find((f) => f.documented)!;
    expect(s.find(documented.code, false, 5)).toBeUndefined();
    expect(s.find(documented.code, true, 5)).toEqual(documented);
  });

  it('gives up at its limit of states, and says so', () => {
    const setup = scope('anon', 2, 1);
    const s = new Search({
      setup,
      policy: policyOf('v5.7-mapcount'),
      alphabet: alphabetFor(setup, PLAIN_GUPS),
      statesMax: 500,
    });
    s.runTo(9);
    expect(s.state).toBe('states');
    expect(s.states).toBeGreaterThanOrEqual(500);
    expect(s.states).toBeLessThan(500 + s.exploration.batch * s.exploration.expander.model.stepsMax);
    const covered = s.depth;
    s.runTo(20);
    expect(s.depth).toBe(covered);
    const exactly = new Search({ ...s.options, statesMax: s.states });
    exactly.runTo(20);
    expect([exactly.state, exactly.states]).toEqual(['states', s.states]);
  });
});

describe('what grows while states are put into it', () => {
  const filled = (words: Int32Array): boolean => words.every((word) => word === 7);

  it('a layer keeps its states, and says before how much it will take', () => {
    const layer = new Layer(3, false);
    layer.words.fill(7, 0, 30);
    layer.count = 10;
    const more = layer.growth(1000);
    layer.reserve(1000);
    expect(layer.bytes).toBe(more);
    expect(layer.bytes).toBeGreaterThanOrEqual(4 * 3000);
    expect(filled(layer.words.subarray(0, 30))).toBe(true);
    expect(layer.growth(1000)).toBe(0);
  });

  it('a list of candidates keeps its candidates', () => {
    const list = new Candidates(3, false);
    list.grow();
    const room = list.words.length / CANDIDATE;
    list.words.fill(7);
    list.states.fill(7);
    list.grow();
    expect(list.words.length).toBeGreaterThan(room * CANDIDATE);
    expect(list.states.length / 3).toBe(list.words.length / CANDIDATE);
    expect(filled(list.words.subarray(0, room * CANDIDATE))).toBe(true);
    expect(filled(list.states.subarray(0, room * 3))).toBe(true);
  });
});

describe('random and exhaustive', () => {
  const DEPTH = 5;

  it.each(IDS)('%s: no class of up to 5 steps in 20 chunks that the search of the scope lacks', (id) => {
    const policy = policyOf(id);
    const runner = new ChunkRunner({ seed: 77, scope: 'base', profile: 'anon' }, [policy]);
    const known = new Set<number>();
    const exhaustive = search(setupOf('base'), policy);
    let compared = 0;
    for (let chunk = 0; chunk < 20; chunk++)
      for (const f of runner.run(chunk, [known]).findings) {
        known.add(classKey(f.code, f.documented));
        const short = runPasses(f.scenario, policy, f);
        if (short.steps.length > DEPTH) continue;
        const found = exhaustive.find(f.code, f.documented, DEPTH);
        expect(found, classId(decodeClass(f.code))).toBeDefined();
        expect(found!.length).toBeLessThanOrEqual(short.steps.length);
        compared++;
      }
    // The eras that keep all promises have documented mismatches alone.
    expect(compared).toBeGreaterThan(3);
  });

  it.each([
    ...IDS.flatMap((id) => [[id, 'anon'] as const, [id, 'shmem'] as const]),
    ['v6.5-longterm-ban', 'private-file'] as const,
    ['v6.5-longterm-ban', 'shared-file'] as const,
  ])('%s, 1 %s page: nothing in the closed scope that the search says is not there', (id, kind) => {
    const setup = scope(kind, 1, 1);
    const policy = policyOf(id);
    const closed = search(setup, policy, GUP_VARIANTS);
    closed.runTo(99);
    expect(closed.state).toBe('closed');
    const there = new Set([...closed.found.values()].map((f) => classKey(f.code, f.documented)));
    const world = new World(setup, policy);
    const met = new Set<number>();
    let steps = 0;
    fc.assert(
      fc.property(new ProgramArbitrary(new Generator([setup])), (program) => {
        world.reset();
        for (let i = 0; i < program.length && !world.ended; i++) {
          world.step(program.packed![i]!);
          steps++;
          for (const v of world.violations) met.add(classKey(v.code, v.documented));
        }
      }),
      { seed: 5, numRuns: 2000 },
    );
    expect(steps).toBeGreaterThan(20_000);
    expect([...met].filter((key) => !there.has(key))).toEqual([]);
    // What no search finds is a proof within the scope: on private pages and shmem the last two eras keep all.
    if (kind === 'shmem' || (id.startsWith('v6') && kind !== 'shared-file')) expect(there.size).toBe(0);
    else if (kind === 'shared-file') expect(met.size).toBeGreaterThan(5);
    // What is broken by some caller is broken by a plain one, too.
    const plain = search(setup, policy);
    plain.runTo(99);
    expect(damages(plain)).toEqual(damages(closed));
  });
});
