import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  FILE_TOKEN,
  type Kernel,
  type LiveCaller,
  type LivePage,
  type LiveProgram,
  type LiveStep,
} from '../protocol.ts';
import { listKernels } from './cache.ts';
import { onPath, QEMU } from './machine.ts';
import { staticBinary } from './parts.ts';
import { openVm, openVms } from './vm.ts';

const kernels = listKernels();
const missing = !onPath(QEMU)
  ? `${QEMU} is missing`
  : kernels.length === 0
    ? 'no kernel in the cache: gupfuzz kernels'
    : '';
const title = missing === '' ? 'a VM' : `a VM (skipped: ${missing})`;

/** Answers the protocol, and does to the kernel what the number of pages says. */
const EXECUTOR = `
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(3);
	close(fd);
}
int main(int argc, char **argv)
{
	char line[300];
	int id = 0, pages = 0, fd, value;
	if (strcmp(argv[argc - 1], "--probe") == 0) {
		if (read(open("/proc/sys/kernel/panic_on_oops", O_RDONLY), line, 1) != 1)
			return 3;
		printf("cap panic_on_oops %c\\n", line[0]);
		return puts("cap release pretended\\ncap filesystem ext4\\ncap vmsplice ok\\ncap zram no\\ncap end ok") < 0;
	}
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "program %d pages %d", &id, &pages) == 2)
			continue;
		if (strcmp(line, "end\\n") != 0)
			continue;
		if (pages == 2) to("/proc/sysrq-trigger", "c");
		if (pages == 3) for (;;) ;
		if (pages == 4) to("/dev/kmsg", "<2>BUG: pretended\\n");
		if (pages == 4) usleep(200000);
		if (pages == 5) exit(7);
		value = pages;
		if (pages == 11) { /* Was this disk ever written to? */
			value = access("/mnt/left", F_OK) == 0;
			fd = open("/mnt/left", O_CREAT | O_WRONLY, 0600);
			if (fd < 0 || fsync(fd) || close(fd))
				exit(3);
		}
		printf("result %d\\n0 done %d\\nend %d ok\\n", id, value, id);
		fflush(stdout);
	}
	return 0;
}
`;

const withPages = (n: number): LiveProgram => ({
  pages: Array.from({ length: n }, () => ({ kind: 'anon', prot: 'rw', file: -1 }) as const),
  files: [],
  steps: [{ op: 'read', mm: 0, page: 0 }],
});

describe.skipIf(missing !== '')(title, () => {
  const folder = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
  const opened: Kernel[] = [];
  afterAll(async () => {
    await Promise.all(opened.map((vm) => vm.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives every program its result, whatever they do to the kernel', async () => {
    const source = join(folder, 'stub.c');
    writeFileSync(source, EXECUTOR);
    const executor = staticBinary('test-executor', source);
    const vm = await openVm({ kernel: kernels[0].release, executor, dir: folder, alarm: 100 });
    opened.push(vm);
    expect(vm.capabilities.release).toBe('pretended');
    expect(vm.capabilities.features).toEqual({ zram: 'no', panic_on_oops: '1' });
    expect(await vm.run([])).toEqual([]);

    // The disk is a new one after each boot.
    const kinds = [11, 11, 2, 11, 3, 4, 5, 1];
    const values = [0, 1, undefined, 0, undefined, 4, undefined, 1];
    const results = await vm.run(kinds.map(withPages));
    expect(results.map(({ end }) => end)).toEqual([
      'ok',
      'ok',
      'killed',
      'ok',
      'timeout',
      'ok',
      'failed',
      'ok',
    ]);
    expect(results[2].why).toMatch(/panic|crash|Oops|BUG/);
    expect(results[4].why).toBe('the kernel does not answer');
    expect(results[5].steps[0].log).toEqual(['BUG: pretended']);
    expect(results[6].why).toBe('the executor ended: status 7');
    expect(results.map(({ steps }) => steps[0]?.value)).toEqual(values);

    // More than are sent ahead.
    const many = await vm.run(Array.from({ length: 300 }, () => withPages(1)));
    expect(many.every(({ end }) => end === 'ok')).toBe(true);
    expect(many).toHaveLength(300);

    await vm.close();
    expect(readdirSync(folder)).toEqual(['stub.c']);
    expect((await vm.run([withPages(1)]))[0]).toMatchObject({ end: 'failed', why: 'closed' });
  });

  it('runs the real executor on an ext4 of its own', async () => {
    const [vm] = await openVms([{ kernel: kernels[0].release }]);
    opened.push(vm);
    expect(vm.capabilities).toMatchObject({ release: kernels[0].release, filesystem: 'ext4' });
    const program: LiveProgram = {
      pages: [{ kind: 'shared-file', prot: 'rw', file: 0 }],
      files: ['dir'],
      steps: [
        { op: 'write', mm: 0, page: 0, token: 1 },
        { op: 'fsync', file: 0 },
      ],
    };
    const [result] = await vm.run([program]);
    expect(result.end).toBe('ok');
    expect(result.steps.map(({ outcome, value }) => [outcome, value])).toEqual([
      ['done', undefined],
      ['done', 1],
    ]);
  });

  it('has what a program needs, and lets go of what it took', async () => {
    const [vm] = await openVms([{ kernel: kernels[0].release }]);
    opened.push(vm);
    for (const feature of ['pageout', 'drop_caches', 'wb_start', 'kmsg'])
      expect([feature, vm.capabilities.features[feature]]).toEqual([feature, '']);
    const takes = (caller: LiveCaller): LiveStep[] => [
      { op: 'gup', mm: 0, page: 0, ref: 0, caller },
      { op: 'unpin', ref: 0 },
    ];
    const callers = ['vmsplice', 'fixed_buffer', 'process_vm_readv'] as const;
    const programs = callers.map((caller): LiveProgram => {
      // More than there are pipes, rings and helpers, were they not given back; and the page, were it still pinned,
      // would be copied for the child and not for its parent.
      const steps: LiveStep[] = Array.from({ length: 20 }, () => takes(caller)).flat();
      return {
        pages: [{ kind: 'anon', prot: 'rw', file: -1 }],
        files: [],
        steps: [{ op: 'write', mm: 0, page: 0, token: 1 }, ...steps.map((s, i) => numbered(s, i >> 1))],
      };
    });
    for (const [i, result] of (await vm.run(programs)).entries()) {
      const other = result.steps.find(({ outcome }) => outcome !== 'done');
      expect([callers[i], result.end, other]).toEqual([callers[i], 'ok', undefined]);
    }
  });

  // v5.10 is the one that warns: its filesystems strip pinned pages of their buffers.
  const old = kernels.find(({ release }) => release.startsWith('5.10.'));
  it.skipIf(old === undefined)(
    `what the kernel says is of the program and the step that made it${old ? '' : ' (skipped: no 5.10 in the cache)'}`,
    async () => {
      const [vm] = await openVms([{ kernel: old!.release }]);
      opened.push(vm);
      const steps: LiveStep[] = [
        { op: 'gup', mm: 0, page: 0, ref: 0, caller: 'process_vm_writev' },
        { op: 'fsync', file: 0 },
        { op: 'munmap', mm: 0, page: 0 },
        { op: 'reclaim', file: 0 },
        { op: 'dma_write', ref: 0, token: 5 },
        { op: 'buffered_read', file: 0 },
      ];
      const page: LivePage = { kind: 'shared-file', prot: 'rw', file: 0 };
      const stripped: LiveProgram = { pages: [page], files: ['dir'], steps };
      const read: LiveStep = { op: 'read', mm: 0, page: 0 };
      const [first, innocent, second] = await vm.run([stripped, { ...stripped, steps: [read] }, stripped]);
      expect([first.end, innocent.end, second.end]).toEqual(['ok', 'ok', 'ok']);
      const logs = [first, second].map((r) => r.steps.map(({ log }) => log.join(' ')));
      // WARN_ON_ONCE where the page is dirtied, a line each where it is written: when the file is made good again.
      const where = logs.map((log) =>
        log.map((text) => [/ext4_set_page_dirty/, /not have buffers/].map((said) => said.test(text))),
      );
      const nothing = [false, false];
      const untilThen = [nothing, nothing, nothing, nothing];
      expect(where[0]).toEqual([...untilThen, [true, false], [false, true]]);
      expect(where[1]).toEqual([...untilThen, nothing, [false, true]]);
      expect(innocent.steps.map(({ log, value }) => [log, value])).toEqual([[[], FILE_TOKEN]]);
    },
  );

  it('is as many machines as it is told, and programs keep their order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
    const source = join(folder, 'stub.c');
    writeFileSync(source, EXECUTOR);
    const executor = staticBinary('test-executor', source);
    const [vm] = await openVms([{ kernel: kernels[0].release, executor, dir: folder, alarm: 100 }], 2);
    opened.push(vm);
    expect(readdirSync(folder).filter((name) => name.startsWith('gupfuzz-vm-'))).toHaveLength(2);
    const kinds = Array.from({ length: 100 }, (_, i) => (i === 40 ? 2 : 6 + (i % 5)));
    const results = await vm.run(kinds.map(withPages));
    expect(results.map((r) => r.steps[0]?.value ?? r.end)).toEqual(
      kinds.map((n) => (n === 2 ? 'killed' : n)),
    );
    await vm.close();
    expect(readdirSync(folder)).toEqual(['stub.c']);
    rmSync(folder, { recursive: true, force: true });
  });
});

const numbered = (step: LiveStep, ref: number): LiveStep => ('ref' in step ? { ...step, ref } : step);
