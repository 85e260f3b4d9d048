/** What one program or executor leaves must not reach the next, and a device must look at the page it was given. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
import {
  FILE_TOKEN,
  type Kernel,
  type LiveCaller,
  type LivePage,
  type LiveProgram,
  type LiveStep,
} from './protocol.ts';

const fork: LiveStep = { op: 'fork', mm: 0, child: 1 };
const anon = (...steps: LiveStep[]): LiveProgram => onAnon(2, ...steps);
/** Until it is so; the test's own time limit ends a wait in vain. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}
/** Processes that run this program. */
const running = (binary: string): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readlinkSync(`/proc/${pid}/exe`) === binary;
      } catch {
        return false;
      }
    });

describe.skipIf(MISSING !== '')(`executors on this machine${MISSING && `: ${MISSING}`}`, () => {
  let dir = '';
  let host: Kernel;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'gupfuzz-host-'));
    host = await openHost({ dir, alarm: 20_000 });
  }, 60_000);
  afterAll(async () => {
    await host?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const needs = (test: TestContext, ...names: string[]): void =>
    skipWithout(test, host.capabilities, ...names);
  const run = async (...programs: LiveProgram[]): Promise<unknown[][]> =>
    (await host.run(programs)).map(short);

  /** The first process has 1 and 2 in its pages, its child 4 and 5. */
  const PAGES = [write(0, 1), write(0, 2, 1), fork, write(1, 4), write(1, 5, 1)];
  const SET = PAGES.map(() => 'done');
  it.for([
    'vmsplice',
    'fixed_buffer',
    'process_vm_readv',
  ] as const)('%s is of the page and the process it was asked for', async (caller, test) => {
    needs(test, caller);
    const steps = (mm: number, page: number): LiveStep[] => [gup(mm, 0, caller, page), load(0), unpin(0)];
    expect(
      await run(
        anon(...PAGES, ...steps(1, 1)),
        anon(...PAGES, ...steps(0, 1)),
        anon(...PAGES, ...steps(1, 0)),
      ),
    ).toEqual([5, 2, 4].map((seen) => [...SET, 'done', seen, 'done', 'ok']));
  });

  it('what devices store is in the page and the process they were asked for', async (test) => {
    needs(test, 'fixed_buffer', 'process_vm_writev', 'o_direct_read', 'o_direct_write');
    const all = [read(0), read(0, 1), read(1), read(1, 1)];
    const dio = (isWrite: boolean, token: number): LiveStep => {
      return { op: 'dio', mm: 1, page: 1, write: isWrite, token };
    };
    const stores = (caller: LiveCaller): LiveProgram =>
      anon(...PAGES, gup(1, 0, caller, 1), { op: 'dma_write', ref: 0, token: 9 }, unpin(0), ...all);
    const stored = [...SET, 'done', 'done', 'done', 1, 2, 4, 9, 'ok'];
    expect(
      await run(
        stores('fixed_buffer'),
        stores('process_vm_writev'),
        anon(...PAGES, dio(true, 7), dio(false, 9), ...all),
      ),
    ).toEqual([stored, stored, [...SET, 5, 'done', 1, 2, 4, 9, 'ok']]);
  });

  it('munmap, madvise and mprotect are of the page they name', async (test) => {
    needs(test, 'process_vm_writev', 'process_vm_readv');
    const child = (...steps: LiveStep[]): LiveProgram => anon(write(0, 1), write(0, 2, 1), ...steps);
    const madvise = (advice: 'dontneed' | 'dontfork' | 'dofork'): LiveStep => {
      return { op: 'madvise', mm: 0, page: 1, advice };
    };
    expect(
      await run(
        child({ op: 'munmap', mm: 0, page: 1 }, read(0), read(0, 1)),
        child(madvise('dontneed'), read(0), read(0, 1)),
        child({ op: 'mprotect', mm: 0, page: 1, prot: 'r' }, gup(0, 0, 'process_vm_writev', 1), write(0, 6)),
        child(madvise('dontfork'), fork, read(1), gup(1, 0, 'process_vm_readv', 1), read(0, 1)),
        child(madvise('dontfork'), madvise('dofork'), fork, read(1, 1)),
      ),
    ).toEqual([
      ['done', 'done', 'done', 1, 'refused SIGSEGV', 'ok'],
      ['done', 'done', 'done', 1, 0, 'ok'],
      ['done', 'done', 'done', 'refused EFAULT', 'done', 'ok'],
      ['done', 'done', 'done', 'done', 1, 'refused EFAULT', 2, 'ok'],
      ['done', 'done', 'done', 'done', 'done', 2, 'ok'],
    ]);
  });

  it('two files are two', async () => {
    const pages = [0, 1].map((file): LivePage => ({ kind: 'shared-file', prot: 'rw', file }));
    const of = (file: number): LiveStep[] => [{ op: 'buffered_read', file }, read(0, file)];
    const steps: LiveStep[] = [
      ...of(0),
      ...of(1),
      { op: 'buffered_write', file: 1, token: 5 },
      ...of(0),
      ...of(1),
    ];
    const [first, second] = [FILE_TOKEN, FILE_TOKEN + 1];
    expect(await run({ pages, files: ['dir', 'dir'], steps })).toEqual([
      [first, first, second, second, 'done', first, first, 5, 5, 'ok'],
    ]);
  });

  it('a reference that a program leaves is not there for the next', async (test) => {
    needs(test, 'vmsplice', 'fixed_buffer', 'process_vm_readv');
    const callers = ['vmsplice', 'fixed_buffer', 'process_vm_readv'] as const;
    // Each holds all three, and looks at them last; every other one looks at none, or lets none go.
    const programs = Array.from({ length: 40 }, (_, n) =>
      anon(
        load(0),
        write(0, n + 1),
        ...callers.map((caller, ref) => gup(0, ref, caller)),
        ...(n % 2 === 0 ? callers.map((_c, ref) => load(ref)) : []),
        ...(n % 3 === 0 ? callers.map((_c, ref) => unpin(ref)) : []),
      ),
    );
    expect(await run(...programs)).toEqual(
      programs.map((_, n) => [
        'unsupported no such reference',
        ...['done', 'done', 'done', 'done'],
        ...(n % 2 === 0 ? [n + 1, n + 1, n + 1] : []),
        ...(n % 3 === 0 ? ['done', 'done', 'done'] : []),
        'ok',
      ]),
    );
  });

  it('an executor that is killed leaves no process and no folder, and costs one program', async () => {
    const binary = join(dir, 'executor-to-be-killed');
    copyFileSync(await compileExecutor(), binary);
    const kernel = await openHost({ dir, executor: binary, alarm: 20_000 });
    const ran = kernel.run(Array.from({ length: 4000 }, () => anon(write(0, 1), fork, read(1))));
    // It is killed while processes of a program are there.
    const withChildren = (): number =>
      running(binary).find((pid) => {
        const file = `/proc/${pid}/task/${pid}/children`;
        return existsSync(file) && readFileSync(file, 'latin1').trim() !== '' && pid !== process.pid;
      }) ?? 0;
    await until(() => withChildren() > 0);
    const victim = withChildren();
    const children = (): number[] => running(binary).filter((pid) => pid !== victim);
    if (victim > 0) process.kill(victim, 'SIGKILL');
    const results = await ran;
    expect(results.filter(({ end }) => end !== 'ok').length).toBeLessThanOrEqual(1);
    await kernel.close();
    await until(() => children().length === 0);
    expect(existsSync(join(dir, `gupfuzz-${victim}`))).toBe(false);
    rmSync(binary);
  }, 60_000);

  it('an executor that hangs is ended; one that answers slowly is not', async () => {
    // Stands in for the executor: says where it is, then sleeps for good at a program with 12 pages.
    const real = await compileExecutor();
    const fake = join(dir, 'fake-slow.sh');
    const pids = join(dir, 'pids');
    writeFileSync(
      fake,
      `#!/bin/sh
[ "$1" = --probe ] && exec ${real} "$@"
echo $$ >> ${pids}
mkdir "$2/gupfuzz-$$"
while read -r word id rest; do
  [ "$word" = program ] || continue
  case "$rest" in "pages 12 "*) exec sleep 1000 ;; esac
  sleep 0.4
  printf 'result %s\\n0 done 5\\nend %s ok\\n' "$id" "$id"
done
rmdir "$2/gupfuzz-$$"
`,
      { mode: 0o755 },
    );
    const kernel = await openHost({ dir, executor: fake, alarm: 1, patience: 4000 });
    const of = (pages: number): LiveProgram => {
      return { pages: new Array(pages).fill(ANON), files: [], steps: [read(0)] };
    };
    // Together they take longer than the patience.
    const results = await kernel.run([...new Array(15).fill(of(1)), of(12), of(1)]);
    expect(results.map(({ end }) => end)).toEqual([...new Array(15).fill('ok'), 'timeout', 'ok']);
    const [hung] = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
    await until(() => !existsSync(`/proc/${hung}`) && !existsSync(join(dir, `gupfuzz-${hung}`)));
    await kernel.close();
    expect(readdirSync(dir).filter((name) => /^gupfuzz-\d/.test(name))).toHaveLength(1); // the host's own
    rmSync(fake);
    rmSync(pids);
  }, 60_000);
});
