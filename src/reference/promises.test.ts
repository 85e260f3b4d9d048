import { describe, expect, it } from 'vitest';
import { Columns } from '../state/arena.ts';
import {
  CALLERS,
  type Caller,
  type RefKind,
  STORER_DEVICE_DIO,
  STORER_DEVICE_PIN,
  ZERO_TOKEN,
} from '../domain/kinds.ts';
import { type Setup, shapeOf } from '../domain/setup.ts';
import { CALLER_CONTRACTS, type CallerContract, type Mapped, PROMISES, promiseFor } from './promises.ts';
import {
  EXCUSE_FORK_DIO,
  EXCUSE_FORK_GET,
  EXCUSE_UNDIRTIED,
  LEAK,
  LOSSY,
  MATCH,
  REF_DETACHED,
  REF_EXACT,
  Reference,
  STALE,
} from './reference.ts';

const SETUP: Setup = {
  pages: [
    { name: 'A', kind: 'anon', prot: 'rw' },
    { name: 'M', kind: 'private-file', prot: 'rw', file: 'f' },
    { name: 'F', kind: 'shared-file', prot: 'rw', file: 'f' },
    { name: 'S', kind: 'shmem', prot: 'rw', file: 's' },
  ],
  files: [
    { name: 'f', filesystem: 'ext4-v5.18' },
    { name: 's', filesystem: 'shmem' },
  ],
  mms: 3,
  refs: 4,
  pinBias: 1024,
};
const [A, M, F, S] = [0, 1, 2, 3];
const [P, C, D] = [0, 1, 2];
/** Index of file `f`, and the token that is its content at the start. */
const FILE = 0;
const F0 = 1;

/** What a caller asks for: `[caller, FOLL_WRITE, FOLL_LONGTERM]`. */
type Ask = readonly [Caller, boolean, boolean];

const W_PINS: readonly Ask[] = [
  ['pin', true, false],
  ['pin', true, true],
  ['fixed_buffer', true, true],
  ['process_vm_writev', true, false],
];
const W_GETS: readonly Ask[] = [
  ['get', true, false],
  ['o_direct_read', true, false],
];
const R_GETS: readonly Ask[] = [
  ['get', false, false],
  ['vmsplice', false, false],
];
const R_PINS: readonly Ask[] = [['pin', false, false]];
const R_COPIES: readonly Ask[] = [
  ['process_vm_readv', false, false],
  ['o_direct_write', false, false],
];
const R_PIN_LT: Ask = ['pin', false, true];

/** The Reference alone, and stores that know their own fresh token. */
class Alone extends Reference {
  constructor() {
    super(shapeOf(SETUP), new Columns());
    this.reset();
  }
  write(mm: number, page: number): number {
    const token = this.freshToken();
    this.store(mm, page, token);
    return token;
  }
  writeFile(): number {
    const token = this.freshToken();
    this.fileStore(FILE, token);
    return token;
  }
  device(handle: number, storer: number = STORER_DEVICE_PIN): number {
    const token = this.freshToken();
    this.deviceStore(handle, token, storer);
    return token;
  }
  gup(mm: number, page: number, [caller, write, longterm]: Ask): number {
    const handle = this.freeHandle();
    this.take(handle, mm, page, CALLERS.indexOf(caller), write, longterm);
    return handle;
  }
  isExact(handle: number): boolean {
    return (this.handleFlags[handle]! & REF_EXACT) !== 0;
  }
}

/** A store to A by the child of a fork that the page's owner made: never to be seen by the owner. */
function foreign(ref: Alone): number {
  ref.fork(P, C);
  return ref.write(C, A);
}

describe('the promise table', () => {
  const CASES: { readonly [row: string]: () => void } = {
    'R reference of a call that copies: process_vm_readv, O_DIRECT write': () => {
      for (const page of [A, M, F, S])
        for (const ask of R_COPIES) {
          const ref = new Alone();
          const older = ref.write(P, page);
          const then = ref.write(P, page);
          const h = ref.gup(P, page, ask);
          expect(ref.isExact(h)).toBe(false);
          const other = foreign(ref);
          const later = ref.write(P, page);
          // What was stored before the call must be seen, what is stored meanwhile may be.
          expect([then, later].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH]);
          expect([older, other].map((t) => ref.judgeDevice(h, t))).toEqual([STALE, LEAK]);
          expect([ref.excuseDevice(h, older), ref.excuseDevice(h, other)]).toEqual([0, 0]);
        }
    },
    'any reference to a shared mapping': () => {
      for (const page of [F, S])
        for (const ask of [...W_PINS, ...W_GETS, ...R_PINS, R_PIN_LT, ...R_GETS]) {
          const ref = new Alone();
          const before = ref.write(P, page);
          const h = ref.gup(P, page, ask);
          expect([ref.isExact(h), ref.judgeDevice(h, before)]).toEqual([true, MATCH]);
          // Over fork as well: the child's store must be seen, the one before must not.
          const other = foreign(ref);
          const after = ref.write(C, page);
          expect(ref.judgeDevice(h, after)).toBe(MATCH);
          expect(ref.judgeDevice(h, before)).toBe(STALE);
          expect(ref.judgeDevice(h, other)).toBe(LEAK);
          expect([ref.excuseDevice(h, before), ref.excuseLoad(C, page, before)]).toEqual([0, 0]);
          if (!ask[1]) continue;
          const stored = ref.device(h);
          for (const mm of [P, C]) {
            expect(ref.judgeLoad(mm, page, stored)).toBe(MATCH);
            expect(ref.judgeLoad(mm, page, after)).toBe(STALE);
          }
        }
    },
    'W PIN of a private mapping': () => {
      for (const page of [A, M])
        for (const ask of W_PINS) {
          const ref = new Alone();
          const h = ref.gup(P, page, ask);
          const first = ref.write(P, page);
          ref.fork(P, C);
          const other = ref.write(C, page);
          const last = ref.write(P, page);
          expect(ref.isExact(h)).toBe(true);
          expect([last, first, other].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE, LEAK]);
          const stored = ref.device(h);
          expect([stored, last, other].map((t) => ref.judgeLoad(P, page, t))).toEqual([MATCH, STALE, LEAK]);
          expect([other, stored].map((t) => ref.judgeLoad(C, page, t))).toEqual([MATCH, LEAK]);
          // The promise is kept over fork: nothing is excused.
          expect([
            ref.excuseDevice(h, first),
            ref.excuseLoad(P, page, last),
            ref.excuseLoad(C, page, stored),
          ]).toEqual([0, 0, 0]);
        }
    },
    'W GET or O_DIRECT read into a private mapping': () => {
      for (const page of [A, M])
        for (const ask of W_GETS) {
          const ref = new Alone();
          const h = ref.gup(P, page, ask);
          const first = ref.write(P, page);
          const last = ref.write(P, page);
          expect(ref.isExact(h)).toBe(true);
          expect([last, first].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE]);
          expect(ref.excuseDevice(h, first)).toBe(0); // not yet held over a fork
          ref.fork(P, C);
          const other = ref.write(C, page);
          const stored = ref.device(h, STORER_DEVICE_DIO);
          // Still exact, but what comes of it is documented, on either side, a leak too.
          expect([stored, last, other].map((t) => ref.judgeLoad(P, page, t))).toEqual([MATCH, STALE, LEAK]);
          expect([other, stored].map((t) => ref.judgeLoad(C, page, t))).toEqual([MATCH, LEAK]);
          expect([stored, last, other].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE, LEAK]);
          expect([
            ref.excuseDevice(h, last),
            ref.excuseLoad(P, page, last),
            ref.excuseLoad(C, page, stored),
          ]).toEqual(Array(3).fill(ask[0] === 'get' ? EXCUSE_FORK_GET : EXCUSE_FORK_DIO));
        }
    },
    'R PIN LONGTERM of a private mapping': () => {
      const ref = new Alone();
      const untouched = ref.gup(P, A, R_PIN_LT);
      const file = ref.gup(P, M, R_PIN_LT);
      expect([ref.isExact(untouched), ref.isExact(file)]).toEqual([true, true]);
      expect([ref.judgeDevice(untouched, ZERO_TOKEN), ref.judgeDevice(file, F0)]).toEqual([MATCH, MATCH]);
      const a = ref.write(P, A);
      const m = ref.write(P, M);
      expect([a, ZERO_TOKEN, m].map((t) => ref.judgeDevice(untouched, t))).toEqual([MATCH, STALE, LEAK]);
      expect([m, F0, a].map((t) => ref.judgeDevice(file, t))).toEqual([MATCH, STALE, LEAK]);
      const other = foreign(ref);
      const last = ref.write(P, A);
      expect([last, a, other].map((t) => ref.judgeDevice(untouched, t))).toEqual([MATCH, STALE, LEAK]);
      expect([ref.excuseDevice(untouched, a), ref.excuseDevice(untouched, other)]).toEqual([0, 0]);
    },
    'R PIN of a private page that was written': () => {
      for (const page of [A, M])
        for (const ask of R_PINS) {
          const ref = new Alone();
          const before = ref.write(P, page);
          ref.fork(P, C);
          const h = ref.gup(P, page, ask);
          const inherited = ref.gup(C, page, ask); // written by an ancestor
          expect([ref.isExact(h), ref.isExact(inherited)]).toEqual([true, true]);
          expect([ref.judgeDevice(h, before), ref.judgeDevice(inherited, before)]).toEqual([MATCH, MATCH]);
          const after = ref.write(P, page);
          const other = ref.write(C, page);
          expect([after, before, other].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE, LEAK]);
          expect([other, before, after].map((t) => ref.judgeDevice(inherited, t))).toEqual([
            MATCH,
            STALE,
            LEAK,
          ]);
          expect([ref.excuseDevice(h, before), ref.excuseDevice(inherited, after)]).toEqual([0, 0]);
        }
    },
    'R PIN of a zero page or an unwritten private file page': () => {
      for (const ask of R_PINS) {
        const ref = new Alone();
        const h = ref.gup(P, A, ask);
        const file = ref.gup(P, M, ask);
        expect([ref.isExact(h), ref.isExact(file)]).toEqual([false, false]);
        const a = ref.write(P, A);
        const m = ref.write(P, M);
        const other = foreign(ref);
        // It may stay with the zero page or the file, or go with the page.
        expect([ZERO_TOKEN, a, other, m].map((t) => ref.judgeDevice(h, t))).toEqual([
          MATCH,
          MATCH,
          LEAK,
          LEAK,
        ]);
        expect([F0, m, ZERO_TOKEN, a].map((t) => ref.judgeDevice(file, t))).toEqual([
          MATCH,
          MATCH,
          STALE,
          LEAK,
        ]);
        expect(ref.excuseDevice(h, other)).toBe(0);
      }
    },
    'R GET or vmsplice of a private mapping': () => {
      for (const ask of R_GETS) {
        const ref = new Alone();
        const older = ref.write(P, A);
        const then = ref.write(P, A);
        const h = ref.gup(P, A, ask);
        expect(ref.isExact(h)).toBe(false);
        const other = foreign(ref);
        const later = ref.write(P, A);
        expect([then, later].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH]);
        expect([older, ZERO_TOKEN, other].map((t) => ref.judgeDevice(h, t))).toEqual([STALE, STALE, LEAK]);
        expect(ref.excuseDevice(h, other)).toBe(0);
        // A page that was zero when it was referenced may go on to show zeroes.
        const untouched = new Alone();
        const z = untouched.gup(P, A, ask);
        untouched.write(P, A);
        expect(untouched.judgeDevice(z, ZERO_TOKEN)).toBe(MATCH);
      }
    },
  };

  for (const { name } of PROMISES) it(name, () => CASES[name]!());

  it('has a case for each row', () => {
    expect(Object.keys(CASES)).toEqual(PROMISES.map((row) => row.name));
  });

  it('gives each reference to each mapping the row of docs/model.md', () => {
    const own: readonly Mapped[] = ['anon, written', 'private file, own'];
    const fresh: readonly Mapped[] = ['anon, untouched', 'private file, transparent'];
    const shared: readonly Mapped[] = ['shared'];
    const row = (ref: RefKind, write: boolean, longterm: boolean, mapped: Mapped): number =>
      PROMISES.indexOf(promiseFor(ref, write, longterm, false, mapped));
    for (const m of shared)
      for (const ref of ['GET', 'PIN', 'DIO'] as const)
        for (const write of [false, true])
          for (const longterm of [false, true]) expect(row(ref, write, longterm, m)).toBe(1);
    for (const m of [...own, ...fresh]) {
      expect([row('PIN', true, false, m), row('PIN', true, true, m)]).toEqual([2, 2]);
      expect([row('GET', true, false, m), row('DIO', true, false, m)]).toEqual([3, 3]);
      expect(row('PIN', false, true, m)).toBe(4);
      expect(row('GET', false, false, m)).toBe(7);
      for (const ref of ['PIN', 'DIO'] as const)
        expect(PROMISES.indexOf(promiseFor(ref, false, false, true, m))).toBe(0);
    }
    expect(own.map((m) => row('PIN', false, false, m))).toEqual([5, 5]);
    expect(fresh.map((m) => row('PIN', false, false, m))).toEqual([6, 6]);
    expect(PROMISES.map((r) => [r.promise, r.overFork])).toEqual([
      ['since-take', 'kept'],
      ['exact', 'kept'],
      ['exact', 'kept'],
      ['exact', 'excused'],
      ['exact', 'kept'],
      ['exact', 'kept'],
      ['since-take', 'kept'],
      ['since-take', 'kept'],
    ]);
  });

  it('every caller has the contract of docs/model.md', () => {
    type Row = readonly [
      RefKind,
      boolean | 'free',
      boolean | 'free',
      boolean,
      boolean,
      boolean,
      CallerContract['release'],
    ];
    const expected: { readonly [C in Caller]: Row } = {
      get: ['GET', 'free', false, false, true, true, 'unpin'],
      pin: ['PIN', 'free', 'free', false, true, true, 'unpin'],
      vmsplice: ['GET', false, false, false, true, false, 'unpin clean'],
      o_direct_read: ['DIO', true, false, true, false, false, 'dio_end'],
      o_direct_write: ['DIO', false, false, true, false, false, 'dio_end'],
      fixed_buffer: ['PIN', true, true, false, true, true, 'unpin clean'],
      process_vm_readv: ['PIN', false, false, true, true, false, 'unpin clean'],
      process_vm_writev: ['PIN', true, false, true, true, true, 'unpin dirty'],
    };
    expect(Object.keys(CALLER_CONTRACTS)).toEqual([...CALLERS]);
    for (const caller of CALLERS) {
      const { ref, write, longterm, copies, load, store, release } = CALLER_CONTRACTS[caller];
      expect([ref, write, longterm, copies, load, store, release]).toEqual(expected[caller]);
    }
  });
});

describe('excused over fork', () => {
  it('not with MADV_DONTFORK: the child does not have the page', () => {
    for (const ask of W_GETS) {
      const ref = new Alone();
      const h = ref.gup(P, A, ask);
      ref.setDontfork(P, A, true);
      ref.fork(P, C);
      const first = ref.write(P, A);
      ref.write(P, A);
      expect([ref.isMapped(C, A), ref.isMapped(P, A)]).toEqual([false, true]);
      expect([ref.judgeDevice(h, first), ref.excuseDevice(h, first), ref.excuseLoad(P, A, first)]).toEqual([
        STALE,
        0,
        0,
      ]);
      // MADV_DOFORK takes it back: what is stored from the next fork on is excused, what was stored before is not.
      ref.setDontfork(P, A, false);
      ref.fork(P, D);
      expect([ref.isMapped(D, A), ref.excuseDevice(h, first)]).toEqual([true, 0]);
      ref.write(P, A);
      expect(ref.excuseDevice(h, first)).toBe(ask[0] === 'get' ? EXCUSE_FORK_GET : EXCUSE_FORK_DIO);
    }
  });

  it('not if taken after the fork or released before it', () => {
    const ref = new Alone();
    ref.release(ref.gup(P, A, ['get', true, false]), false);
    ref.fork(P, C);
    const h = ref.gup(P, A, ['get', true, false]);
    ref.write(P, A);
    expect([ref.excuseDevice(h, ZERO_TOKEN), ref.excuseLoad(P, A, ZERO_TOKEN)]).toEqual([0, 0]);
  });

  it('also a page that parted from it and was replaced, as long as it is held', () => {
    for (const ask of W_GETS) {
      const ref = new Alone();
      const h = ref.gup(P, A, ask);
      ref.fork(P, C);
      const inherited = ref.gup(C, A, ['get', false, false]);
      const before = ref.gup(C, A, ['get', true, false]);
      ref.munmap(C, A);
      const stored = ref.device(h);
      const back = ref.device(before);
      expect([ref.judgeDevice(inherited, stored), ref.excuseDevice(inherited, stored) !== 0]).toEqual([
        LEAK,
        true,
      ]);
      expect([ref.judgeDevice(h, back), ref.excuseDevice(h, back) !== 0]).toEqual([LEAK, true]);
      ref.release(h, false);
      const later = ref.write(P, A);
      expect([ref.judgeDevice(inherited, later), ref.excuseDevice(inherited, later)]).toEqual([LEAK, 0]);
    }
  });

  it('not what a process missed of its own stores: whoever holds what, it reads them in any kernel', () => {
    for (const ask of W_GETS) {
      const ref = new Alone();
      const h = ref.gup(P, A, ask);
      const before = ref.device(h);
      ref.fork(P, C);
      for (const mm of [P, C]) {
        ref.write(mm, A);
        expect([ref.judgeLoad(mm, A, before), ref.excuseLoad(mm, A, before)]).toEqual([STALE, 0]);
      }
      expect(ref.excuseDevice(h, before)).not.toBe(0);
      ref.device(h);
      expect([ref.judgeLoad(P, A, before), ref.excuseLoad(P, A, before) !== 0]).toEqual([STALE, true]);
    }
  });

  it('not a page that took the place of one that parted from it', () => {
    for (const ask of W_GETS) {
      const ref = new Alone();
      const h = ref.gup(P, A, ask);
      ref.fork(P, C);
      ref.gup(C, A, ['get', false, false]);
      ref.dontneed(C, A);
      const stored = ref.device(h);
      expect([ref.judgeLoad(C, A, stored), ref.excuseLoad(C, A, stored)]).toEqual([LEAK, 0]);
      const own = ref.write(C, A);
      expect([ref.judgeDevice(h, own), ref.excuseDevice(h, own)]).toEqual([LEAK, 0]);
    }
  });

  it('only stores to the page that was referenced, or to one that parted from it', () => {
    const ref = new Alone();
    ref.fork(P, C);
    ref.gup(P, A, ['get', true, false]);
    ref.fork(C, D);
    for (const mm of [P, C, D]) ref.write(mm, A);
    expect([P, C, D].map((mm) => ref.excuseLoad(mm, A, ZERO_TOKEN))).toEqual([0, 0, 0]);
    ref.exit(D);
    ref.fork(P, D);
    const before = ref.current[P * SETUP.pages.length + A]!;
    ref.write(C, A);
    ref.write(C, M);
    expect([P, C, D].map((mm) => ref.excuseLoad(mm, A, before))).toEqual([0, 0, 0]);
    const after = ref.write(P, A);
    expect([P, C, D].map((mm) => ref.excuseOf(mm * SETUP.pages.length + A, after))).toEqual([
      EXCUSE_FORK_GET,
      0,
      EXCUSE_FORK_GET,
    ]);
    const own = ref.write(D, A);
    // What D stored may show up in P, and D may miss it.
    expect([P, C, D].map((mm) => ref.excuseOf(mm * SETUP.pages.length + A, own))).toEqual([
      EXCUSE_FORK_GET,
      0,
      EXCUSE_FORK_GET,
    ]);
  });

  it('ends with the reference: what is stored later is under promise, in old copies and new', () => {
    const ref = new Alone();
    const cell = (mm: number): number => mm * SETUP.pages.length + A;
    const h = ref.gup(P, A, ['o_direct_read', true, false]);
    ref.fork(P, C);
    const during = ref.device(h, STORER_DEVICE_DIO);
    ref.release(h, true);
    const after = ref.write(P, A);
    ref.fork(C, D);
    // A child inherits which contents are excused, as it inherits the contents.
    expect([P, C, D].map((mm) => ref.excuseOf(cell(mm), during))).toEqual(Array(3).fill(EXCUSE_FORK_DIO));
    expect([P, C, D].map((mm) => ref.excuseOf(cell(mm), after))).toEqual([0, 0, 0]);
    expect([ref.judgeLoad(C, A, after), ref.excuseLoad(C, A, after)]).toEqual([LEAK, 0]);
    expect([ref.judgeLoad(P, A, during), ref.excuseLoad(P, A, during)]).toEqual([STALE, 0]);
    // Until the page is replaced.
    ref.dontneed(C, A);
    expect([P, C, D].map((mm) => ref.excuseOf(cell(mm), during))).toEqual([
      EXCUSE_FORK_DIO,
      0,
      EXCUSE_FORK_DIO,
    ]);
  });

  it('what a since-take reference may not show is excused by what its page held when it was taken', () => {
    const ref = new Alone();
    const older = ref.write(P, A);
    const h = ref.gup(P, A, ['get', true, false]);
    ref.fork(P, C);
    ref.write(P, A);
    const during = ref.gup(P, A, ['vmsplice', false, false]);
    ref.release(h, true);
    ref.write(P, A);
    const after = ref.gup(P, A, ['vmsplice', false, false]);
    expect([during, after].map((r) => ref.judgeDevice(r, older))).toEqual([STALE, STALE]);
    expect([during, after].map((r) => ref.excuseDevice(r, older))).toEqual([EXCUSE_FORK_GET, 0]);
  });

  it('not a shared mapping', () => {
    for (const page of [F, S])
      for (const ask of W_GETS) {
        const ref = new Alone();
        const h = ref.gup(P, page, ask);
        const first = ref.write(P, page);
        ref.fork(P, C);
        ref.write(C, page);
        expect([ref.judgeDevice(h, first), ref.excuseDevice(h, first)]).toEqual([STALE, 0]);
        expect([ref.judgeLoad(P, page, first), ref.excuseLoad(P, page, first)]).toEqual([STALE, 0]);
      }
  });

  it('stays with the reference when its owner replaces the page', () => {
    const ref = new Alone();
    const h = ref.gup(P, A, ['get', true, false]);
    ref.fork(P, C);
    const other = ref.write(C, A);
    ref.munmap(P, A);
    expect([ref.judgeDevice(h, other), ref.excuseDevice(h, other)]).toEqual([LEAK, EXCUSE_FORK_GET]);
  });
});

describe('an exact promise is lowered when the owner replaces the page', () => {
  const REPLACED: readonly (readonly [string, (ref: Alone) => void])[] = [
    ['munmap', (ref) => ref.munmap(P, A)],
    ['MADV_DONTNEED', (ref) => ref.dontneed(P, A)],
    ['exit', (ref) => ref.exit(P)],
  ];
  for (const [how, replace] of REPLACED)
    it(how, () => {
      const ref = new Alone();
      const first = ref.write(P, A);
      const h = ref.gup(P, A, ['pin', true, true]);
      ref.fork(P, C);
      const last = ref.write(P, A);
      const other = ref.write(C, A);
      expect([last, first, ZERO_TOKEN, other].map((t) => ref.judgeDevice(h, t))).toEqual([
        MATCH,
        STALE,
        STALE,
        LEAK,
      ]);
      replace(ref);
      expect(ref.isExact(h)).toBe(false);
      expect(ref.handleFlags[h]! & REF_DETACHED).toBe(REF_DETACHED);
      // Anything that the page ever held, or will; nothing else.
      expect([last, first, ZERO_TOKEN, other].map((t) => ref.judgeDevice(h, t))).toEqual([
        MATCH,
        MATCH,
        MATCH,
        LEAK,
      ]);
      const stored = ref.device(h);
      expect([stored, last, first].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH, MATCH]);
      expect(ref.judgeLoad(C, A, stored)).toBe(LEAK);
    });

  it('the new page and the old one are strangers', () => {
    const ref = new Alone();
    const old = ref.write(P, A);
    const h = ref.gup(P, A, ['pin', true, false]);
    ref.dontneed(P, A);
    expect([ZERO_TOKEN, old].map((t) => ref.judgeLoad(P, A, t))).toEqual([MATCH, LEAK]);
    const stored = ref.device(h);
    const fresh = ref.write(P, A);
    expect([fresh, ZERO_TOKEN, old, stored].map((t) => ref.judgeLoad(P, A, t))).toEqual([
      MATCH,
      STALE,
      LEAK,
      LEAK,
    ]);
    expect([stored, old, fresh].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH, LEAK]);
  });

  it('since-take is not lowered, and references to one old page go on sharing it', () => {
    const ref = new Alone();
    const older = ref.write(P, A);
    const then = ref.write(P, A);
    const get = ref.gup(P, A, ['get', false, false]);
    const pin = ref.gup(P, A, ['pin', true, false]);
    ref.munmap(P, A);
    expect([then, older].map((t) => ref.judgeDevice(get, t))).toEqual([MATCH, STALE]);
    expect([then, older].map((t) => ref.judgeDevice(pin, t))).toEqual([MATCH, MATCH]);
    const stored = ref.device(pin);
    expect([stored, then, older].map((t) => ref.judgeDevice(get, t))).toEqual([MATCH, MATCH, STALE]);
  });

  it('two old pages of one address are kept apart', () => {
    const ref = new Alone();
    const first = ref.write(P, A);
    const h1 = ref.gup(P, A, ['pin', true, false]);
    ref.dontneed(P, A);
    const second = ref.write(P, A);
    const h2 = ref.gup(P, A, ['pin', true, false]);
    ref.munmap(P, A);
    expect([first, second].map((t) => ref.judgeDevice(h1, t))).toEqual([MATCH, LEAK]);
    expect([first, second].map((t) => ref.judgeDevice(h2, t))).toEqual([LEAK, MATCH]);
    const stored = ref.device(h1);
    expect([ref.judgeDevice(h1, stored), ref.judgeDevice(h2, stored)]).toEqual([MATCH, LEAK]);
  });

  it('munmap of a shared mapping ends nothing', () => {
    for (const page of [F, S]) {
      const ref = new Alone();
      ref.fork(P, C);
      const h = ref.gup(P, page, ['pin', true, false]);
      const before = ref.write(P, page);
      ref.munmap(P, page);
      const after = ref.write(C, page);
      expect(ref.isExact(h)).toBe(true);
      expect([after, before].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE]);
      ref.exit(P);
      const stored = ref.device(h);
      expect([stored, after].map((t) => ref.judgeLoad(C, page, t))).toEqual([MATCH, STALE]);
    }
  });
});

describe('a private file page', () => {
  it('may follow the file or stay behind until its mm stores to it', () => {
    const ref = new Alone();
    const anon = ref.write(P, A);
    const f1 = ref.writeFile();
    const f2 = ref.write(P, F); // a store through the shared mapping is the file's as well
    for (const token of [F0, f1, f2]) expect(ref.judgeLoad(P, M, token)).toBe(MATCH);
    expect([ZERO_TOKEN, anon].map((t) => ref.judgeLoad(P, M, t))).toEqual([STALE, LEAK]);
    expect(ref.expectedLoad(P, M)).toBe(-1);
  });

  it('is its own from the first store', () => {
    const ref = new Alone();
    const f1 = ref.writeFile();
    const own = ref.write(P, M);
    const f2 = ref.writeFile();
    expect([own, F0, f1, f2].map((t) => ref.judgeLoad(P, M, t))).toEqual([MATCH, STALE, STALE, LEAK]);
    expect([ref.judgeFile(FILE, f2), ref.judgeFile(FILE, own)]).toEqual([MATCH, LEAK]);
    expect(ref.expectedLoad(P, M)).toBe(own);
  });

  it('is its own from the first W reference, with the history of the file until its first store', () => {
    for (const ask of [...W_PINS, ...W_GETS]) {
      const ref = new Alone();
      const f1 = ref.writeFile();
      const h = ref.gup(P, M, ask);
      const f2 = ref.writeFile();
      expect([F0, f1, f2].map((t) => ref.judgeLoad(P, M, t))).toEqual([MATCH, MATCH, LEAK]);
      expect([F0, f1, f2].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH, LEAK]);
      const stored = ref.device(h);
      expect([stored, F0, f1, f2].map((t) => ref.judgeLoad(P, M, t))).toEqual([MATCH, STALE, STALE, LEAK]);
    }
  });

  it('a short R reference taken before follows the file on, and the page too', () => {
    for (const ask of [...R_GETS, ...R_PINS]) {
      const ref = new Alone();
      const h = ref.gup(P, M, ask);
      const own = ref.write(P, M);
      const f1 = ref.writeFile();
      expect([F0, own, f1].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH, MATCH]);
      const after = ref.gup(P, M, ask);
      expect([own, F0, f1].map((t) => ref.judgeDevice(after, t))).toEqual([MATCH, STALE, LEAK]);
    }
  });

  it('a LONGTERM R pin is with the page from the start', () => {
    const ref = new Alone();
    const h = ref.gup(P, M, R_PIN_LT);
    const f1 = ref.writeFile();
    expect([F0, f1].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH]); // like the page
    const own = ref.write(P, M);
    const f2 = ref.writeFile();
    expect([own, F0, f1, f2].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, STALE, STALE, LEAK]);
  });

  it('a LONGTERM R pin of a page that is replaced keeps what the page could be', () => {
    const ref = new Alone();
    const h = ref.gup(P, M, R_PIN_LT);
    ref.munmap(P, M);
    const f1 = ref.writeFile(); // never its own: it may be the file's page still
    expect([F0, f1].map((t) => ref.judgeDevice(h, t))).toEqual([MATCH, MATCH]);

    const owned = new Alone();
    const pin = owned.gup(P, M, R_PIN_LT);
    const own = owned.write(P, M);
    owned.dontneed(P, M);
    const f2 = owned.writeFile();
    expect([own, F0, f2].map((t) => owned.judgeDevice(pin, t))).toEqual([MATCH, MATCH, LEAK]);
    expect([f2, F0, own].map((t) => owned.judgeLoad(P, M, t))).toEqual([MATCH, MATCH, LEAK]); // transparent again
  });

  it('is inherited as it is: transparent or own', () => {
    const ref = new Alone();
    ref.fork(P, C);
    const own = ref.write(P, M);
    ref.fork(P, D);
    const f1 = ref.writeFile();
    expect([F0, f1, own].map((t) => ref.judgeLoad(C, M, t))).toEqual([MATCH, MATCH, LEAK]);
    expect([F0, f1, own].map((t) => ref.judgeLoad(D, M, t))).toEqual([STALE, LEAK, MATCH]);
  });
});

describe('what may be on disk after fsync (F4)', () => {
  const disk = (ref: Alone, tokens: readonly number[]): number[] => tokens.map((t) => ref.judgeDisk(FILE, t));

  it('only the current content after a store of a CPU or write(2)', () => {
    const ref = new Alone();
    expect(disk(ref, [F0, ZERO_TOKEN])).toEqual([MATCH, STALE]);
    const cpu = ref.write(P, F);
    expect(disk(ref, [cpu, F0])).toEqual([MATCH, STALE]);
    const file = ref.writeFile();
    const anon = ref.write(P, A);
    expect(disk(ref, [file, cpu, F0, anon])).toEqual([MATCH, STALE, STALE, LEAK]);
  });

  it('old and new after a store of a device, until its holder dirties', () => {
    const ref = new Alone();
    const cpu = ref.write(P, F);
    const h = ref.gup(P, F, ['pin', true, false]);
    const stored = ref.device(h);
    expect(disk(ref, [stored, cpu, F0])).toEqual([MATCH, MATCH, STALE]);
    expect([ref.judgeFile(FILE, cpu), ref.excuseFile(FILE, cpu), ref.excuseFile(FILE, F0)]).toEqual([
      STALE,
      EXCUSE_UNDIRTIED,
      0,
    ]);
    ref.release(h, true);
    expect(disk(ref, [stored, cpu, F0])).toEqual([MATCH, STALE, STALE]);
    expect(ref.excuseFile(FILE, cpu)).toBe(0);
  });

  it('a holder that lets go without dirtying may have lost it for good', () => {
    const ref = new Alone();
    const h = ref.gup(P, F, ['pin', true, false]);
    const other = ref.gup(P, F, ['pin', true, false]);
    const stored = ref.device(h);
    ref.release(h, false);
    expect(ref.undirtied[FILE]).toBe(LOSSY);
    // Nobody else's dirtying brings it under contract.
    ref.release(other, true);
    expect(disk(ref, [stored, F0])).toEqual([MATCH, MATCH]);
    expect([ref.judgeFile(FILE, F0), ref.excuseFile(FILE, F0), ref.excuseLoad(P, F, F0)]).toEqual([
      STALE,
      EXCUSE_UNDIRTIED,
      EXCUSE_UNDIRTIED,
    ]);
    const reader = ref.gup(P, F, R_PIN_LT);
    expect([ref.judgeDevice(reader, F0), ref.excuseDevice(reader, F0)]).toEqual([STALE, EXCUSE_UNDIRTIED]);
    // The next store of a CPU does, also of the same page.
    const cpu = ref.write(P, F);
    expect(ref.undirtied[FILE]).toBe(0);
    expect(disk(ref, [cpu, stored, F0])).toEqual([MATCH, STALE, STALE]);
    expect(ref.excuseFile(FILE, stored)).toBe(0);
  });

  it('the next store of a device starts anew', () => {
    const ref = new Alone();
    const h = ref.gup(P, F, ['pin', true, false]);
    const other = ref.gup(P, F, ['pin', true, false]);
    const lost = ref.device(h);
    ref.release(h, false);
    const stored = ref.device(other);
    expect(disk(ref, [stored, lost, F0])).toEqual([MATCH, MATCH, MATCH]);
    ref.release(other, true);
    expect(disk(ref, [stored, lost, F0])).toEqual([MATCH, STALE, STALE]);
  });

  it('while the holder is there, another holder may dirty for it; one that stored nothing loses nothing', () => {
    const ref = new Alone();
    const h = ref.gup(P, F, ['pin', true, false]);
    const clean = ref.gup(P, F, ['pin', true, false]);
    const dirty = ref.gup(P, F, ['pin', true, false]);
    const stored = ref.device(h);
    ref.release(clean, false);
    expect(ref.undirtied[FILE]).toBe(1 + h);
    ref.release(dirty, true);
    expect(disk(ref, [stored, F0])).toEqual([MATCH, STALE]);
    // Under contract already, so that letting go without dirtying is no excuse any more.
    ref.release(h, false);
    expect([ref.undirtied[FILE], ref.excuseFile(FILE, F0)]).toEqual([0, 0]);
  });

  it('a private page and its references have no part in it', () => {
    const ref = new Alone();
    const h = ref.gup(P, M, ['pin', true, false]);
    const stored = ref.device(h);
    ref.release(h, true);
    expect(disk(ref, [F0, stored])).toEqual([MATCH, LEAK]);
    expect(ref.undirtied[FILE]).toBe(0);
  });
});
