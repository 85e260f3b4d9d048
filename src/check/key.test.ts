// @slow: walks under every policy
import { describe, expect, it } from 'vitest';
import type { PageKind } from '../domain/kinds.ts';
import { INVALID, World } from '../executor/simulated.ts';
import { type Changes, derive, otherwise, type Policy, rule, table } from '../machine/policy.ts';
import { expandPolicy } from '../machine/tables.ts';
import { GUP_VARIANTS, gupVariant } from '../ops/gup.ts';
import { OP_KINDS, type OpKind, pack } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { SWAP_DEVICES } from '../domain/swap.ts';
import { WRONG, WRONG_SWAP } from '../testing/wrong-policies.ts';
import { behaviour, keyText, law } from '../testing/key-law.ts';
import { GRAINS, type Grain, KeyEncoder } from './key.ts';
import { alphabetFor, CHECK_SCOPES, PLAIN_GUPS, pagesOf } from './scope.ts';

const KINDS: readonly (readonly PageKind[])[] = [
  ['anon'],
  ['private-file'],
  ['shared-file'],
  ['shmem'],
  ['private-file', 'shared-file'],
  ['anon', 'anon'],
  ['private-shmem'],
  ['shmem', 'private-shmem'],
];

/** On files that may be truncated. */
const TRUNCATED: readonly (readonly PageKind[])[] = [
  ['shared-file'],
  ['private-file'],
  ['private-shmem'],
  ['private-file', 'shared-file'],
  ['shared-file', 'shared-file'],
];

const EXCUSING: readonly number[] = [
  gupVariant('get', true, false, false),
  gupVariant('o_direct_read', true, false, false),
  gupVariant('get', false, false, false),
  gupVariant('pin', true, false, false),
];
/** Profiles of a file that O_DIRECT writes go to by name, and of the one aside. */
const TARGETS = [
  ['ext4-v5.18', 'ext4-v5.18-stable'],
  ['ext4-v5.18-stable', 'ext4-v5.18'],
] as const;
const DIRECT: readonly number[] = [0, 1].map((to) => gupVariant('o_direct_write', false, false, false, to));
const DIRECT_OPS: readonly OpKind[] = ['fork', 'exit', 'write', 'gup', 'dio_end', 'buffered_write'];
const EXCUSING_OPS: readonly OpKind[] = [
  'fork',
  'exit',
  'munmap',
  'madvise',
  'read',
  'write',
  'gup',
  'unpin',
  'dio_end',
  'dma_read',
  'dma_write',
];

/** Answers that no built-in policy gives. */
const LAST = policyByName('v6.5-longterm-ban');
const proposal = (id: string, changes: Changes): Policy =>
  derive(LAST, { id, title: id, sources: ['a test'] }, changes);
const PROPOSALS: readonly Policy[] = [
  proposal('keep-dirty', {
    wbBegin: [
      table(
        rule('pinned', (f) => f.maybeDmaPinned, 'keep dirty'),
        otherwise('write'),
      ),
    ],
  }),
  proposal('bounce', {
    wbBegin: [
      table(
        rule('pinned', (f) => f.maybeDmaPinned, 'bounce'),
        otherwise('write'),
      ),
    ],
  }),
  proposal('mkwrite', { unpinDirty: [table(otherwise('mkwrite then dirty'))] }),
];

/** Policies that let somebody store to the zero page, which then is what pages are faulted in from. */
const ZERO_STORED: readonly Policy[] = [
  proposal('mprotect-upgrades', { protectUpgrade: [table(otherwise('upgrade'))] }),
  proposal('gup-returns-all', {
    gupSlow: [
      table(
        rule('none', (f) => f.frame === 'none', 'read fault'),
        otherwise('return'),
      ),
    ],
  }),
];

describe('the law of the key: one key, one behaviour', () => {
  // Different concrete states with one key must turn up, or the test compares nothing.
  for (const grain of GRAINS) {
    for (const policy of BUILT_IN)
      it.each(KINDS)(`${grain}, ${policy.id}, %s %s`, (...kinds) => {
        expect(law({ kinds: kinds.filter(Boolean), policy, grain }, 1000, 4711)).toBeGreaterThan(20);
      });
    for (const policy of PROPOSALS)
      it(`${grain}, the proposal ${policy.id}`, () => {
        for (const filesystem of ['ext4-v5.18', 'ext4-v5.17-stable', 'ext4-v5.18-stable-apart'])
          expect(law({ kinds: ['shared-file'], policy, grain, filesystem }, 1000, 12)).toBeGreaterThan(20);
      });
    for (const policy of [BUILT_IN[0]!, BUILT_IN[2]!, LAST])
      it(`${grain}, ${policy.id}, parts of pages`, () => {
        for (const kinds of [['anon'], ['private-file', 'shared-file']] as const)
          expect(law({ kinds, policy, grain, parts: 2 }, 400, 9)).toBeGreaterThan(10);
      });
    for (const policy of [BUILT_IN[0]!, BUILT_IN[2]!, LAST])
      it.each(TRUNCATED)(`${grain}, ${policy.id}, truncated: %s %s`, (...kinds) => {
        for (const filePages of [1, 2])
          expect(law({ kinds: kinds.filter(Boolean), policy, grain, filePages }, 600, 8)).toBeGreaterThan(20);
      });
    for (const { policy, kinds, filePages } of WRONG)
      it(`${grain}, the wrong policy ${policy.id}`, () => {
        const also = kinds.includes('anon')
          ? (['anon', 'private-file'] as const)
          : (['shared-file'] as const);
        let compared = 0;
        for (const pages of [kinds, also])
          compared += law({ kinds: pages, policy, grain, filePages }, 350, 77);
        expect(compared).toBeGreaterThan(3);
      });
    for (const policy of [grain === 'class' ? BUILT_IN[0]! : LAST])
      it(`${grain}, between interleaved operations, ${policy.id}`, () => {
        const only = CHECK_SCOPES.race!.ops!;
        const gups = [gupVariant('pin', true, false, true), gupVariant('get', true, false, false)];
        for (const kind of ['anon', 'private-file'] as const)
          expect(law({ kinds: [kind], policy, grain, gups, only, tasks: 2 }, 150, 4711)).toBeGreaterThan(2);
      });
    for (const swap of SWAP_DEVICES) {
      for (const policy of [BUILT_IN[0]!, BUILT_IN[2]!, LAST])
        it(`${grain}, swap on ${swap}, ${policy.id}`, () => {
          for (const kinds of [['anon'], ['anon', 'anon'], ['private-file']] as const)
            expect(law({ kinds, policy, grain, swap }, 600, 4711)).toBeGreaterThan(20);
        });
      for (const { policy } of WRONG_SWAP)
        it(`${grain}, swap on ${swap}, the wrong policy ${policy.id}`, () => {
          let compared = 0;
          for (const kinds of [['anon'], ['private-file']] as const)
            compared += law({ kinds, policy, grain, swap }, 400, 79);
          expect(compared).toBeGreaterThan(3);
        });
    }
    // References that excuse what is stored while they are held over fork, and those that see what comes of it.
    for (const policy of [...BUILT_IN, ...ZERO_STORED])
      it(`${grain}, contents that are excused, ${policy.id}`, () => {
        let compared = 0;
        for (const kinds of [['anon'], ['private-file'], ['anon', 'anon'], ['private-shmem']] as const)
          for (const gups of [EXCUSING, EXCUSING.slice(0, 2)])
            compared += law({ kinds, policy, grain, gups, only: EXCUSING_OPS }, 600, 43);
        expect(compared).toBeGreaterThan(10);
      });
    for (const policy of ZERO_STORED)
      it.each([
        [['anon'] as const],
        [['anon', 'anon'] as const],
        [['anon', 'private-file'] as const],
        [['anon', 'private-shmem'] as const],
      ])(`${grain}, stores to the zero page: ${policy.id}, %j`, (kinds) => {
        expect(law({ kinds, policy, grain }, 1000, 31)).toBeGreaterThan(20);
      });
    it.each([
      'ext4-v5.18-stable',
      'ext4-v5.17',
      'ext4-v5.17-stable',
      'ext4-v5.18-apart',
      'ext4-v5.18-stable-apart',
    ])(`${grain}, on %s`, (filesystem) => {
      for (const kinds of [['shared-file'], ['private-file', 'shared-file']] as const)
        expect(law({ kinds, policy: LAST, grain, filesystem }, 1000, 5)).toBeGreaterThan(20);
    });
    it(`${grain}, O_DIRECT writes to a file that is named, and aside`, () => {
      let compared = 0;
      for (const [filesystem, aside] of TARGETS)
        for (const kinds of [['shared-file'], ['anon', 'shared-file']] as const)
          compared += law(
            { kinds, policy: LAST, grain, filesystem, aside, gups: DIRECT, only: DIRECT_OPS },
            800,
            6,
          );
      expect(compared).toBeGreaterThan(40);
    });
    it.each(BUILT_IN.map((p) => p.id))(`${grain}, %s, every kind of gup, a pin bias of 2`, (id) => {
      const policy = policyByName(id);
      for (const kinds of KINDS)
        expect(law({ kinds, policy, grain, gups: GUP_VARIANTS, pinBias: 2 }, 800, 31)).toBeGreaterThan(5);
    });
  }
});

describe('pages that are exchangeable', () => {
  const keysAfter = (kinds: readonly PageKind[], programs: readonly string[], prots = 'rw rw'): string[] => {
    const { pages, ...files } = pagesOf(kinds, 'ext4-v5.18');
    const setup = {
      ...files,
      pages: pages.map((page, i) => ({ ...page, prot: prots.split(' ')[i] as 'r' | 'rw' })),
      mms: 2,
      refs: 2,
      pinBias: 1024,
    };
    return programs.map((text) => {
      const { world } = replayed(setup, text);
      const key = new KeyEncoder(world);
      key.encode();
      return keyText(key);
    });
  };
  it('have one key whichever of them it happened to', () => {
    const [a, b] = keysAfter(['anon', 'anon'], ['wA fP gB', 'wB fP gA']);
    expect(a).toBe(b);
  });
  it('are told apart by what happened to each', () => {
    const [same, other] = keysAfter(['anon', 'anon'], ['wA gA', 'wA gB']);
    expect(same).not.toBe(other);
  });
  it('must have one protection, and no file', () => {
    const [a, b] = keysAfter(['anon', 'anon'], ['gA', 'gB'], 'rw r');
    expect(a).not.toBe(b);
    const [m, n] = keysAfter(['private-file', 'private-file'], ['gA', 'gB']);
    expect(m).not.toBe(n);
  });
  /** `wA`: the first mm stores to the first page; `fP`: it forks; `gB`: it pins the second page for reading. */
  function replayed(setup: World['shape']['setup'], text: string): { world: World } {
    const world = new World(setup, expandPolicy(policyByName('v6.5-longterm-ban')));
    for (const word of text.split(' ')) {
      const page = word.charCodeAt(1) - 65;
      const step =
        word[0] === 'w'
          ? pack(OP_KINDS.indexOf('write'), 0, page)
          : word[0] === 'f'
            ? pack(OP_KINDS.indexOf('fork'), 0)
            : pack(OP_KINDS.indexOf('gup'), 0, page, gupVariant('pin', false, false, false));
      expect(world.step(step)).not.toBe(INVALID);
    }
    return { world };
  }
});

describe('what must not be taken for one state', () => {
  type Program = readonly (readonly [op: OpKind, a: number, b?: number, c?: number])[];
  const W_GET = gupVariant('get', true, false, false);
  const R_GET = gupVariant('get', false, false, false);
  const R_PIN_LT = gupVariant('pin', false, true, false);
  const DIO_READ = gupVariant('o_direct_read', true, false, false);
  const [P, C, H1, H2, A, F] = [0, 1, 0, 1, 0, 0];

  /** Keys and behaviours after each of the programs. */
  function reached(
    policy: string | Policy,
    kinds: readonly PageKind[],
    grain: Grain,
    programs: readonly Program[],
    filesystem = 'ext4-v5.18',
    aside?: string,
  ): (readonly [key: string, behaviour: string])[] {
    const pages = { ...pagesOf(kinds, filesystem), ...(aside === undefined ? {} : { aside }) };
    const setup = { ...pages, mms: 2, refs: 2, pinBias: 8 };
    return programs.map((program) => {
      const world = new World(
        setup,
        expandPolicy(typeof policy === 'string' ? policyByName(policy) : policy),
      );
      for (const [op, a, b, c] of program)
        expect(world.step(pack(OP_KINDS.indexOf(op), a, b, c)), op).not.toBe(INVALID);
      const key = new KeyEncoder(world, 'all', grain);
      key.encode();
      const text = keyText(key);
      return [text, behaviour(world, key, grain, alphabetFor(setup, PLAIN_GUPS))] as const;
    });
  }

  it('whose store is seen through a reference, when whoever stored it is gone', () => {
    const begin: Program = [
      ['write', P, A],
      ['fork', P],
      ['gup', P, A, R_GET],
      ['munmap', P, A],
    ];
    const [cpu, device] = reached('v5.7-mapcount', ['anon'], 'class', [
      [...begin, ['gup', C, A, W_GET], ['unpin', H2, 0, 0], ['write', C, A], ['exit', C]],
      [...begin, ['gup', C, A, W_GET], ['dma_write', H2], ['unpin', H2, 0, 0], ['exit', C]],
    ]);
    expect(cpu![1]).not.toBe(device![1]);
    expect(cpu![0]).not.toBe(device![0]);
  });

  it.each([
    [
      'which copies parted from the page of a reference that is held over fork',
      [
        [
          ['write', P, A],
          ['gup', P, A, W_GET],
          ['fork', P],
          ['write', C, A],
        ],
        [
          ['write', P, A],
          ['gup', P, A, W_GET],
          ['fork', P],
          ['madvise', C, A, 0],
          ['write', C, A],
        ],
      ],
    ],
    [
      'which orphan was a copy that parted from the page of a reference that is held over fork',
      [
        [
          ['write', P, A],
          ['gup', P, A, W_GET],
          ['fork', P],
          ['gup', C, A, R_GET],
          ['munmap', C, A],
        ],
        [
          ['write', P, A],
          ['fork', P],
          ['gup', C, A, R_GET],
          ['exit', C],
          ['gup', P, A, W_GET],
          ['fork', P],
          ['munmap', C, A],
        ],
      ],
    ],
    [
      'whether what a page shows was stored while a reference was held over fork',
      [
        [
          ['gup', P, A, W_GET],
          ['fork', P],
          ['write', P, A],
          ['unpin', H1, 0, 0],
        ],
        [
          ['gup', P, A, W_GET],
          ['fork', P],
          ['unpin', H1, 0, 0],
          ['write', P, A],
        ],
      ],
    ],
    [
      'by whose reference',
      [
        [
          ['gup', P, A, W_GET],
          ['fork', P],
          ['dma_write', H1],
          ['unpin', H1, 0, 0],
          ['gup', P, A, R_GET],
          ['write', P, A],
        ],
        [
          ['gup', P, A, DIO_READ],
          ['fork', P],
          ['dio_end', H1],
          ['gup', P, A, R_GET],
          ['write', P, A],
        ],
      ],
    ],
  ] as [string, Program[]][])('%s', (_, programs) => {
    for (const grain of GRAINS)
      for (const policy of ['v5.7-mapcount', 'v5.11-page-count', 'canary']) {
        const [one, other] = reached(policy, ['anon'], grain, programs);
        expect(one![0]).not.toBe(other![0]);
      }
  });

  it('whether what is seen through a reference to a page that is gone is documented', () => {
    const end: Program = [
      ['munmap', P, A],
      ['write', C, A],
      ['exit', C],
    ];
    for (const grain of GRAINS) {
      const [documented, broken] = reached('canary', ['anon'], grain, [
        [['write', P, A], ['gup', P, A, W_GET], ['fork', P], ...end],
        [['write', P, A], ['fork', P], ['gup', P, A, W_GET], ...end],
      ]);
      expect(documented![1]).not.toBe(broken![1]);
      expect(documented![0]).not.toBe(broken![0]);
    }
  });

  it('whether two references are to one page that is gone or to two', () => {
    for (const grain of GRAINS) {
      const [one, two] = reached('v5.7-mapcount', ['anon'], grain, [
        [
          ['write', P, A],
          ['gup', P, A, W_GET],
          ['gup', P, A, R_GET],
          ['fork', P],
          ['munmap', P, A],
          ['exit', C],
        ],
        [
          ['write', P, A],
          ['gup', P, A, W_GET],
          ['fork', P],
          ['gup', C, A, R_GET],
          ['munmap', P, A],
          ['exit', C],
        ],
      ]);
      expect(one![1]).not.toBe(two![1]);
      expect(one![0]).not.toBe(two![0]);
    }
  });

  it('whose store a file has lost', () => {
    const end: Program = [
      ['fsync', F],
      ['reclaim', F],
    ];
    const [get, dio] = reached('v5.11-page-count', ['shared-file'], 'class', [
      [['gup', P, F, W_GET], ...end, ['dma_write', H1], ['unpin', H1, 0, 1], ...end],
      [['gup', P, F, DIO_READ], ...end, ['dio_end', H1], ...end],
    ]);
    expect(get![1]).not.toBe(dio![1]);
    expect(get![0]).not.toBe(dio![0]);
  });

  it('whether a CPU or a device stored what a file has lost, also where classes are one', () => {
    const bold = derive(
      policyByName('v5.11-page-count'),
      { id: 'bold', title: 'mprotect gives write access back unasked', sources: ['a test'] },
      { protectUpgrade: [table(otherwise('upgrade'))] },
    );
    const end: Program = [
      ['fsync', F],
      ['reclaim', F],
    ];
    const [cpu, device] = reached(bold, ['shared-file'], 'property', [
      [['read', P, F], ['mprotect', P, F, 0], ['mprotect', P, F, 1], ['write', P, F], ...end],
      [['gup', P, F, W_GET], ...end, ['dma_write', H1], ['unpin', H1, 0, 1], ...end],
    ]);
    expect(cpu![1]).not.toBe(device![1]);
    expect(cpu![0]).not.toBe(device![0]);
  });

  it('whether a CPU or a device stored what a private page has lost, also where classes are one', () => {
    // A store to the zero page is lost by the next copy of it.
    const bold = derive(
      policyByName('v6.5-longterm-ban'),
      { id: 'bold', title: 'mprotect makes clean pages writable, the zero page too', sources: ['a test'] },
      {
        protectUpgrade: [
          table(
            rule('clean', (f) => !f.pteDirty, 'upgrade'),
            otherwise('keep'),
          ),
        ],
      },
    );
    const again: Program = [
      ['mprotect', P, A, 0],
      ['mprotect', P, A, 1],
    ];
    const begin: Program = [['read', P, A], ...again, ['write', P, A], ['gup', P, A, W_GET]];
    const end: Program = [['unpin', H1, 0, 0], ...again, ['gup', P, A, W_GET]];
    const [cpu, device] = reached(bold, ['anon'], 'property', [
      [...begin, ['write', P, A], ...end],
      [...begin, ['dma_write', H1], ...end],
    ]);
    expect(cpu![1]).not.toBe(device![1]);
    expect(cpu![0]).not.toBe(device![0]);
  });

  it('whether a reference shows what its page held when it was taken, when the page is gone', () => {
    const end: Program = [
      ['gup', P, A, R_GET],
      ['munmap', P, A],
    ];
    const again: Program = [
      ['mprotect', P, A, 0],
      ['mprotect', P, A, 1],
    ];
    const lost: Program = [['gup', P, A, DIO_READ], ...again, ['write', P, A], ['dio_end', H1]];
    for (const grain of GRAINS) {
      const [held, older] = reached('v5.11-page-count', ['anon'], grain, [
        [['write', P, A], ...end],
        [...lost, ...end],
      ]);
      expect(held![1]).not.toBe(older![1]);
      expect(held![0]).not.toBe(older![0]);
    }
  });

  describe('of a private page', () => {
    const M = 0;
    const again: Program = [
      ['mprotect', P, M, 0],
      ['mprotect', P, M, 1],
    ];

    it('whose store it has lost', () => {
      const [pin, longterm] = reached(
        'v5.11-page-count',
        ['anon'],
        'class',
        [gupVariant('pin', true, false, false), gupVariant('pin', true, true, false)].map((gup) => [
          ['gup', P, A, gup],
          ['mprotect', P, A, 0],
          ['mprotect', P, A, 1],
          ['write', P, A], // to a copy
          ['dma_write', H1],
          ['unpin', H1, 0, 0],
        ]),
      );
      expect(pin![1]).not.toBe(longterm![1]);
      expect(pin![0]).not.toBe(longterm![0]);
    });

    it('whether it shows the file, where another mm has stored to a copy that both map', () => {
      const shares = derive(
        policyByName('canary'),
        {
          id: 'shares',
          title: 'fork shares pinned pages, and a write fault reuses them',
          sources: ['a test'],
        },
        { forkPte: [table(otherwise('share'))] },
      );
      const copied: Program = [
        ['gup', P, M, R_PIN_LT],
        ['fork', P],
        ['unpin', H1, 0, 0],
      ];
      const end: Program = [
        ['exit', C],
        ['gup', P, M, R_PIN_LT],
        ['unpin', H1, 0, 0],
      ];
      const [file, other] = reached(shares, ['private-file'], 'property', [
        [...copied, ...end],
        [...copied, ['write', C, M], ...end],
      ]);
      expect(file![1]).not.toBe(other![1]);
      expect(file![0]).not.toBe(other![0]);
    });

    it('whether it still follows its file, where what its mm stored went to the file', () => {
      const begin: Program = [['read', P, M], ...again];
      const end: Program = [
        ['buffered_write', F],
        ['fsync', F],
        ['mprotect', P, M, 0],
        ['gup', P, M, R_PIN_LT], // a copy of what the file holds now
        ['unpin', H1, 0, 0],
      ];
      const [own, follows] = reached(ZERO_STORED[0]!, ['private-file'], 'property', [
        [...begin, ['write', P, M], ...end],
        [...begin, ...end],
      ]);
      expect(own![1]).not.toBe(follows![1]);
      expect(own![0]).not.toBe(follows![0]);
    });
  });

  describe('of a reference', () => {
    const W_PIN = gupVariant('pin', true, false, false);
    const pinsAll: Changes = { gupKind: [table(otherwise('PIN'))] };
    /** After each of the programs, the key; and what is found in one more step each. */
    const further = (
      policy: Policy,
      kinds: readonly PageKind[],
      grain: Grain,
      programs: readonly Program[],
      then: readonly Program[],
    ): void => {
      const keys = reached(policy, kinds, grain, programs).map(([key]) => key);
      expect(new Set(keys).size).toBe(programs.length);
      const later = reached(
        policy,
        kinds,
        grain,
        programs.map((program, i) => [...program, ...then[i]!]),
      );
      expect(later[0]![1]).not.toBe(later[1]![1]);
    };

    it('whether it excuses what is stored while it is held over fork, where both kinds are counted alike', () => {
      const shares = proposal('shares', { ...pinsAll, forkPte: [table(otherwise('share'))] });
      const over: Program = [
        ['fork', P],
        ['write', P, A],
      ];
      for (const grain of GRAINS)
        further(shares, ['anon'], grain, [[['gup', P, A, W_GET]], [['gup', P, A, W_PIN]]], [over, over]);
    });

    it('whether it shows what its page holds, when the page has another folio', () => {
      const begin: Program = [
        ['write', P, A],
        ['gup', P, A, W_PIN],
        ['mprotect', P, A, 0],
        ['mprotect', P, A, 1],
      ];
      for (const grain of GRAINS) {
        const [older, same] = reached('v5.11-page-count', ['anon'], grain, [
          [...begin, ['write', P, A]],
          [...begin, ['gup', P, A, W_GET], ['unpin', H2, 0, 0]],
        ]);
        expect(older![0]).not.toBe(same![0]);
        const found = [older, same].map((state) => /^dma_read .* -> \d+ (\S*)/m.exec(state![1])?.[1]);
        expect(found).toEqual([expect.stringMatching(/^\d+$/), '']);
      }
    });

    it('what it was taken for, where both kinds are counted alike', () => {
      const all = proposal('pins all', pinsAll);
      further(
        all,
        ['shared-file'],
        'class',
        [[['gup', P, F, W_GET]], [['gup', P, F, W_PIN]]],
        [[['fsync', F]], [['fsync', F]]],
      );
    });

    it('whether what the file will hold may be shown through it', () => {
      const M = 0;
      for (const grain of GRAINS)
        further(
          ZERO_STORED[1]!,
          ['private-file'],
          grain,
          [
            [
              ['read', P, M],
              ['gup', P, M, R_GET],
              ['gup', P, M, W_GET], // the page is P's own from here on
              ['unpin', H2, 0, 0],
            ],
            [
              ['read', P, M],
              ['gup', P, M, W_GET],
              ['gup', P, M, R_GET],
              ['unpin', H1, 0, 0],
            ],
          ],
          [[['buffered_write', F]], [['buffered_write', F]]],
        );
    });
  });

  it('whether a page has changed since its writeback began', () => {
    for (const grain of GRAINS) {
      const [before, since] = reached(
        'v6.5-longterm-ban',
        ['shared-file'],
        grain,
        [
          [
            ['gup', P, F, W_GET],
            ['dma_write', H1],
            ['wb_start', F, 0],
          ],
          [
            ['gup', P, F, W_GET],
            ['wb_start', F, 0],
            ['dma_write', H1],
          ],
        ],
        'ext4-v5.18-stable',
      );
      expect(before![1]).not.toBe(since![1]);
      expect(before![0]).not.toBe(since![0]);
    }
  });

  it('whether the device that an O_DIRECT write goes to needs stable pages, and whether its buffer changed', () => {
    const [aside, named] = DIRECT as [number, number];
    for (const grain of GRAINS) {
      const states = [aside, named].flatMap((gup) =>
        [[], [['write', P, A] as const]].map(
          (change): Program => [['write', P, A], ['gup', P, A, gup], ...change],
        ),
      );
      const found = reached(LAST, ['anon', 'shared-file'], grain, states, 'ext4-v5.18-stable', 'ext4-v5.18');
      expect(new Set(found.map(([key]) => key)).size).toBe(4);
      // What its end shows: of the one aside nothing.
      const shown = found.map(([, does]) =>
        does
          .split('\n')
          .filter((line) => line.startsWith('dio_end'))
          .join(),
      );
      expect(shown.map((line) => / -> 0 \d+d /.test(line))).toEqual([false, false, false, true]);
    }
  });

  it('whether the disk may still hold what it does', () => {
    const put = proposal('never-write', { wbBegin: [table(otherwise('keep dirty'))] });
    const device: Program = [
      ['gup', P, F, W_GET],
      ['dma_write', H1],
    ];
    for (const grain of GRAINS) {
      const [may, mayNot] = reached(put, ['shared-file'], grain, [device, [['write', P, F], ...device]]);
      expect(may![1]).not.toBe(mayNot![1]);
      expect(may![0]).not.toBe(mayNot![0]);
    }
  });

  it('whether a reference to a private page of a file shows the file, when its page has moved on', () => {
    const shares = derive(
      policyByName('canary'),
      { id: 'shares', title: 'fork shares pinned pages, and a write fault reuses them', sources: ['a test'] },
      { forkPte: [table(otherwise('share'))] },
    );
    const M = 0;
    const begin: Program = [
      ['write', P, 1], // to the file, by a CPU as the other one
      ['gup', P, M, R_PIN_LT],
      ['fork', P],
      ['gup', P, M, R_PIN_LT], // P gets a copy of its own; what h1 holds is left to the child
      ['unpin', H2, 0, 0],
    ];
    for (const grain of GRAINS) {
      const [file, child] = reached(shares, ['private-file', 'shared-file'], grain, [
        [...begin, ['exit', C]],
        [...begin, ['write', C, M], ['exit', C]],
      ]);
      expect(file![1]).not.toBe(child![1]);
      expect(file![0]).not.toBe(child![0]);
    }
  });
});
