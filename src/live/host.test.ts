import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import {
  ANON,
  gup,
  load,
  MISSING,
  onAnon,
  read,
  short,
  skipWithout,
  unpin,
  write,
} from '../testing/executor.ts';
import { compileExecutor } from './compile.ts';
import { openHost } from './host.ts';
import { LIVE_CALLERS } from './probe.ts';
import type { Kernel, LiveCaller, LivePage, LiveProgram, LiveResult, LiveStep } from './protocol.ts';
import { FILE_TOKEN } from './protocol.ts';

const ROOT = process.getuid?.() === 0;

const SHARED: LivePage = { kind: 'shared-file', prot: 'rw', file: 0 };
const PRIVATE: LivePage = { kind: 'private-file', prot: 'rw', file: 0 };

const fork = (mm: number, child: number): LiveStep => ({ op: 'fork', mm, child });
const store = (ref: number, token: number): LiveStep => ({ op: 'dma_write', ref, token });

const anon = (...steps: LiveStep[]): LiveProgram => onAnon(1, ...steps);
const onFile = (page: LivePage, ...steps: LiveStep[]): LiveProgram => {
  return { pages: [page], files: [page.kind === 'shmem' ? 'shmem' : 'dir'], steps };
};

describe.skipIf(MISSING !== '')(`programs on this machine${MISSING && `: ${MISSING}`}`, () => {
  let dir = '';
  let host: Kernel;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-host-'));
    host = await openHost({ dir, alarm: 20_000 });
  }, 60_000);
  afterAll(async () => {
    await host?.close();
    const left = readdirSync(dir);
    rmSync(dir, { recursive: true, force: true });
    expect(left).toEqual([]); // the executor removes its files
  });

  /** Runs the steps in one program, and compares what was seen in each, and how the program ended. */
  const tried = async (
    program: (...steps: LiveStep[]) => LiveProgram,
    ...rows: readonly (readonly [step: LiveStep, seen: unknown])[]
  ): Promise<void> => {
    const [result] = await host.run([program(...rows.map(([step]) => step))]);
    expect(short(result!)).toEqual([...rows.map(([, seen]) => seen), 'ok']);
  };
  const needs = (test: TestContext, ...names: string[]): void =>
    skipWithout(test, host.capabilities, ...names);

  it('says what it offers', () => {
    expect(host.name).toMatch(/^host \d+\.\d+$/);
    expect(Object.keys(host.capabilities.callers)).toEqual([...LIVE_CALLERS]);
    expect(Object.keys(host.capabilities.features)).toEqual(
      expect.arrayContaining(['kmsg', 'pageout', 'drop_caches', 'disk']),
    );
  });

  it('what a process stores is its own after fork, and goes with it', async () => {
    await tried(
      anon,
      [read(0), 0],
      [write(0, 2), 'done'],
      [fork(0, 1), 'done'],
      [write(1, 4), 'done'],
      [read(0), 2],
      [read(1), 4],
      [fork(1, 2), 'done'],
      [{ op: 'exit', mm: 1 }, 'done'],
      [read(2), 4],
    );
  });

  it('munmap, mprotect, madvise', async () => {
    await tried(
      (...steps) => ({ pages: [ANON, ANON], files: [], steps }),
      [write(0, 1), 'done'],
      [write(0, 2, 1), 'done'],
      [{ op: 'madvise', mm: 0, page: 0, advice: 'dontneed' }, 'done'],
      [read(0), 0],
      [{ op: 'mprotect', mm: 0, page: 1, prot: 'r' }, 'done'],
      [{ op: 'mprotect', mm: 0, page: 1, prot: 'rw' }, 'done'],
      [write(0, 7, 1), 'done'],
      [{ op: 'munmap', mm: 0, page: 0 }, 'done'],
      [read(0, 1), 7],
    );
  });

  it('fork + fixed buffer: the parent and its device see the same page', async (test) => {
    needs(test, 'fixed_buffer');
    await tried(
      anon,
      [write(0, 1), 'done'],
      [gup(0, 0, 'fixed_buffer'), 'done'],
      [fork(0, 1), 'done'],
      [write(0, 4), 'done'],
      [load(0), 4],
      [read(1), 1],
      [store(0, 7), 'done'],
      [read(0), 7],
      [read(1), 1],
      [unpin(0), 'done'],
    );
  });

  it('vmsplice by a child: it does not get to see what the parent stores later', async (test) => {
    needs(test, 'vmsplice');
    await tried(
      anon,
      [write(0, 1), 'done'],
      [fork(0, 1), 'done'],
      [gup(1, 0, 'vmsplice'), 'done'],
      [{ op: 'munmap', mm: 1, page: 0 }, 'done'],
      [write(0, 5), 'done'],
      [load(0), 1],
      [load(0), 1],
      [unpin(0), 'done'],
      [load(0), 'unsupported the reference is released'],
    );
  });

  it('a process_vm call holds its page until its one transfer', async (test) => {
    needs(test, 'process_vm_readv', 'process_vm_writev');
    await tried(
      anon,
      [write(0, 1), 'done'],
      [gup(0, 0, 'process_vm_readv'), 'done'],
      [write(0, 3), 'done'],
      [load(0), 3],
      [load(0), 'unsupported one transfer per call'],
      [unpin(0), 'done'],
      [gup(0, 1, 'process_vm_writev'), 'done'],
      [store(1, 8), 'done'],
      [read(0), 8],
      [unpin(1), 'done'],
      [gup(0, 2, 'process_vm_writev'), 'done'],
      [unpin(2), 'done'],
      [read(0), 8],
    );
  });

  it('a GUP that the mapping does not allow is refused', async (test) => {
    needs(test, 'process_vm_writev', 'fixed_buffer');
    await tried(
      (...steps) => ({ pages: [{ kind: 'anon', prot: 'r', file: -1 }], files: [], steps }),
      [gup(0, 0, 'process_vm_writev'), 'refused EFAULT'],
      [gup(0, 1, 'fixed_buffer'), 'refused EFAULT'],
      [load(0), 'unsupported no such reference'],
      [read(0), 0],
    );
  });

  it('O_DIRECT in and out of a page', async (test) => {
    needs(test, 'o_direct_read', 'o_direct_write');
    await tried(
      anon,
      [write(0, 1), 'done'],
      [{ op: 'dio', mm: 0, page: 0, write: true, token: 2 }, 1],
      [{ op: 'dio', mm: 0, page: 0, write: false, token: 3 }, 'done'],
      [read(0), 3],
    );
  });

  it('a file: mapped, read, written, on disk, and as new for the next program', async (test) => {
    needs(test, 'disk');
    const program = onFile(
      SHARED,
      read(0),
      write(0, 2),
      { op: 'buffered_read', file: 0 },
      { op: 'fsync', file: 0 },
      { op: 'buffered_write', file: 0, token: 5 },
      read(0),
      { op: 'wb_start', file: 0, mode: 'NONE' },
      { op: 'wb_end', file: 0 },
      { op: 'wb_start', file: 0, mode: 'ALL' },
      { op: 'reclaim', file: 0 },
      { op: 'drop_caches', file: 0 },
      { op: 'fsync', file: 0 },
    );
    const expected = [FILE_TOKEN, 'done', 2, 2, 'done', 5, 'done', 'done', 'done', 'done', 'done', 5, 'ok'];
    const results = await host.run([program, program, program]);
    expect(results.map(short)).toEqual([expected, expected, expected]);
  });

  it('private file pages and shmem', async () => {
    await tried(
      (...steps) => onFile(PRIVATE, ...steps),
      [read(0), FILE_TOKEN],
      [write(0, 2), 'done'],
      [read(0), 2],
      [{ op: 'buffered_read', file: 0 }, FILE_TOKEN],
    );
    await tried(
      (...steps) => onFile({ kind: 'shmem', prot: 'rw', file: 0 }, ...steps),
      [read(0), 0],
      [fork(0, 1), 'done'],
      [write(1, 3), 'done'],
      [read(0), 3],
    );
  });

  it('a store or load that is forbidden is an outcome, and the program goes on', async () => {
    const forbidden = anon(
      write(0, 1),
      { op: 'mprotect', mm: 0, page: 0, prot: 'r' },
      write(0, 3),
      read(0),
      { op: 'munmap', mm: 0, page: 0 },
      write(0, 6),
      read(0),
    );
    const results = await host.run([forbidden, anon(read(0))]);
    expect(results.map(short)).toEqual([
      ['done', 'done', 'refused SIGSEGV', 1, 'done', 'refused SIGSEGV', 'refused SIGSEGV', 'ok'],
      [0, 'ok'],
    ]);
  });

  it('a program that takes longer than its alarm is given up', async () => {
    const hasty = await openHost({ dir, alarm: 0 });
    const results = await hasty.run([anon(read(0), fork(0, 1), read(1)), anon(read(0))]);
    await hasty.close();
    expect(results.map(({ end }) => end)).toEqual(['timeout', 'timeout']);
  });

  it('what makes no sense is failed or unsupported, and nothing else breaks', async () => {
    const results = await host.run([
      anon(read(3), unpin(9)),
      anon({ op: 'fsync', file: 2 }),
      { pages: new Array(40).fill(ANON), files: [], steps: [read(0)] },
      anon(read(0)),
    ]);
    expect(results.map(short)).toEqual([
      ['unsupported no such process', 'unsupported no such reference', 'ok'],
      ['failed'],
      ['failed'],
      [0, 'ok'],
    ]);
  });

  it('an executor that dies or hangs costs one program', async () => {
    // Stands in for the executor: passes programs on, but dies at one with 11 pages and sleeps at one with 12.
    const real = await compileExecutor();
    const fake = join(dir, 'fake.sh');
    writeFileSync(
      fake,
      `#!/bin/sh
[ "$1" = --probe ] && exec ${real} "$@"
while read -r word id rest; do
  [ "$word" = program ] || continue
  case "$rest" in
    "pages 11 "*) exit 3 ;;
    "pages 12 "*) exec sleep 1000 ;;
  esac
  printf 'result %s\\n0 done 5\\nend %s ok\\n' "$id" "$id"
done
`,
      { mode: 0o755 },
    );
    const kernel = await openHost({ dir, executor: fake, alarm: 1, patience: 3000 });
    const of = (pages: number): LiveProgram => ({
      pages: new Array(pages).fill(ANON),
      files: [],
      steps: [read(0)],
    });
    const results = await kernel.run([of(1), of(11), of(1), of(12), of(1), of(11)]);
    await kernel.close();
    rmSync(fake);
    expect(results.map(short)).toEqual([
      [5, 'ok'],
      ['failed'],
      [5, 'ok'],
      ['timeout'],
      [5, 'ok'],
      ['failed'],
    ]);
    expect(results[1]!.why).toBe('the executor ended: exit 3');
  }, 30_000);

  it('a process that is killed ends its program alone, and says of which signal', async () => {
    const text = (path: string): string => (existsSync(path) ? readFileSync(path, 'latin1') : '');
    const children = (pid: number): number[] =>
      text(`/proc/${pid}/task/${pid}/children`)
        .split(' ')
        .filter((w) => w !== '')
        .map(Number);
    const before = children(process.pid);
    const kernel = await openHost({ dir, alarm: 20_000 });
    await kernel.run([anon(read(0))]);
    const executor = children(process.pid).find(
      (pid) => !before.includes(pid) && text(`/proc/${pid}/cmdline`).includes('--cpu'),
    )!;
    // Long enough to be met in its midst: a store and an fsync, again and again.
    const sync = (at: number): LiveStep[] => [write(0, at), { op: 'fsync', file: 0 }];
    const long = onFile(SHARED, fork(0, 1), ...Array.from({ length: 100 }, (_, i) => sync(2 * i + 2)).flat());
    let met: LiveResult | undefined;
    for (let tries = 0; met === undefined && tries < 20; tries++) {
      const running = kernel.run([long, anon(write(0, 7), read(0))]);
      let killed = false;
      const timer = setInterval(() => {
        if (killed) return;
        for (const pid of children(executor).slice(0, 1)) {
          killed = true;
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It had just ended.
          }
        }
      }, 2);
      const [first, next] = await running;
      clearInterval(timer);
      if (first!.end !== 'ok') met = first;
      expect(short(next!)).toEqual(next!.end === 'ok' ? ['done', 7, 'ok'] : expect.anything());
    }
    await kernel.close();
    expect(met).toMatchObject({ end: 'killed', why: 'SIGKILL' });
    expect(met!.steps.length).toBeLessThan(long.steps.length);
  }, 60_000);

  it('3,000 programs leave nothing behind', async (test) => {
    needs(test, 'vmsplice', 'fixed_buffer', 'process_vm_readv', 'process_vm_writev');
    const parent = process.pid;
    const children = (of: number): number[] => {
      const out = execFileSync('ps', ['-o', 'pid=', '--ppid', String(of)], { encoding: 'utf8' });
      return out
        .split('\n')
        .map(Number)
        .filter((pid) => pid > 0);
    };
    const ours = new Set(children(parent));
    const kernel = await openHost({ dir, alarm: 20_000 });
    const callers: readonly LiveCaller[] = [
      'vmsplice',
      'fixed_buffer',
      'process_vm_readv',
      'process_vm_writev',
    ];
    // References are left for the end of the program to release, but for one kind.
    const programs = Array.from({ length: 3000 }, (_, i): LiveProgram => {
      const caller = callers[i % callers.length]!;
      const steps = [write(0, 1), gup(0, 0, caller), fork(0, 1), write(1, 4), gup(1, 1, 'vmsplice'), read(1)];
      if (i % 3 === 0) steps.push(unpin(0));
      if (i % 50 === 0) steps.push({ op: 'munmap', mm: 0, page: 0 }, read(0));
      return i % 10 === 0 ? onFile(SHARED, ...steps) : anon(...steps);
    });
    const looks: { fds: number; threads: string; memory: number; children: number }[] = [];
    let executor = 0;
    const look = (): void => {
      const mine = children(parent).filter((pid) => !ours.has(pid) && existsSync(`/proc/${pid}/cmdline`));
      executor = mine.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('--cpu'))!;
      const status = readFileSync(`/proc/${executor}/status`, 'latin1');
      looks.push({
        fds: readdirSync(`/proc/${executor}/fd`).length,
        threads: /Threads:\s*(\d+)/.exec(status)![1]!,
        memory: Number(/VmSize:\s*(\d+)/.exec(status)![1]),
        children: readFileSync(`/proc/${executor}/task/${executor}/children`, 'latin1')
          .split(' ')
          .filter((w) => w).length,
      });
    };
    const results: LiveResult[] = [];
    for (let from = 0; from < programs.length; from += 1000) {
      results.push(...(await kernel.run(programs.slice(from, from + 1000))));
      look();
    }
    await kernel.close();
    expect(new Set(results.map(({ end }) => end))).toEqual(new Set(['ok']));
    const forbidden = (r: LiveResult): boolean => r.steps.some(({ why }) => why === 'SIGSEGV');
    expect(results.filter(forbidden)).toHaveLength(60);
    expect(looks[1]).toEqual(looks[0]);
    expect(looks[2]).toEqual(looks[0]);
    expect(looks[0]!.children).toBe(0);
    expect(existsSync(`/proc/${executor}`)).toBe(false);
  }, 120_000);

  it.skipIf(!ROOT)(
    'several executors share the programs',
    async () => {
      const kernel = await openHost({ dir, executors: 3, alarm: 20_000 });
      const results = await kernel.run(Array.from({ length: 300 }, (_, i) => anon(write(0, i + 1), read(0))));
      await kernel.close();
      expect(results.map(({ steps }) => steps[1]?.value)).toEqual(results.map((_, i) => i + 1));
    },
    60_000,
  );
});
