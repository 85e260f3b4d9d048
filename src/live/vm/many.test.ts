/** What becomes of programs when machines die, hang or do not come up, with machines that do so when told. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { refusal } from '../../testing/cli.ts';
import { freshFolder } from '../../testing/folder.ts';
import type { Kernel, LiveProgram } from '../protocol.ts';
import type { MachineOptions } from './machine.ts';
import { openVm, openVms, type VmOptions } from './vm.ts';

const fake = vi.hoisted(() => {
  /** What a machine does with a program of so many pages. */
  type Deed = (machine: Machine, id: number, pages: number) => void;
  const answer: Deed = (machine, id, pages) => {
    machine.say(`result ${id}`, `0 done ${pages}`, `end ${id} ok`);
  };
  const state = {
    all: [] as Machine[],
    deed: answer,
    /** By number of the machine: what is said as it boots. */
    boot: (machine: Machine): void => machine.up(),
  };
  class Machine {
    readonly number: number;
    readonly vmlinuz: string;
    readonly #probe: boolean;
    dead = false;
    endedByHost = '';
    onLine: (line: string) => void = () => {};
    onTrouble: (text: string) => void = () => {};
    readonly ended: Promise<void>;
    #end: () => void = () => {};
    #queue: Promise<void> = Promise.resolve();

    constructor({ vmlinuz, probe }: MachineOptions) {
      this.number = state.all.push(this);
      if (this.number > 20) throw new Error('machines without end');
      this.vmlinuz = vmlinuz;
      this.#probe = probe;
      this.ended = new Promise((resolve) => {
        this.#end = resolve;
      });
      this.#queue = this.#queue.then(() => state.boot(this));
    }

    say(...lines: string[]): void {
      for (const line of lines) this.onLine(line);
    }

    up(): void {
      if (this.#probe) this.say(`cap release ${this.vmlinuz}`, 'cap filesystem ext4', 'cap end ok');
      this.say('init ready');
    }

    send(text: string): void {
      for (const [, id, pages] of text.matchAll(/^program (\d+) pages (\d+)/gm))
        this.#queue = this.#queue.then(() => {
          if (!this.dead) state.deed(this, Number(id), Number(pages));
        });
    }

    console(): readonly string[] {
      return ['last words'];
    }

    die(): void {
      this.dead = true;
      this.#end();
    }

    async kill(): Promise<void> {
      this.die();
    }
  }
  return { state, answer, Machine };
});
vi.mock('./machine.ts', () => ({ Machine: fake.Machine, needQemu: () => {} }));
vi.mock('./image.ts', () => ({ makeDisk: () => {}, initramfs: () => Buffer.alloc(0) }));
vi.mock('./modules.ts', () => ({ loadOrder: () => [] }));
vi.mock('./parts.ts', () => ({ initBinary: () => '/dev/null' }));

const { state, answer } = fake;
const folder = freshFolder();
const opened: Kernel[] = [];
beforeEach(() => {
  state.all = [];
  state.deed = answer;
  state.boot = (machine) => machine.up();
});
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.splice(0).map((vm) => vm.close()));
});

const options = (kernel = '/boot/one'): VmOptions => {
  return { kernel, executor: '/dev/null', dir: folder.path, alarm: 100 };
};
const open = async (): Promise<Kernel> => {
  const vm = await openVm(options());
  opened.push(vm);
  return vm;
};
const withPages = (n: number): LiveProgram => ({
  pages: Array.from({ length: n }, () => ({ kind: 'anon', prot: 'rw', file: -1 }) as const),
  files: [],
  steps: [],
});
/** Runs programs of so many pages: values of their steps, end, and why. */
const run = async (vm: Kernel, ...pages: readonly number[]): Promise<unknown[][]> =>
  (await vm.run(pages.map(withPages))).map(({ steps, end, why }) => [steps.map((s) => s.value), end, why]);

describe('a program', () => {
  it('may be one of many that take long together; one that is silent is given up, with its steps', async () => {
    const vm = await open();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    state.deed = (machine, id, pages) => {
      vi.advanceTimersByTime(6000);
      if (pages !== 3) return answer(machine, id, pages);
      machine.say(`result ${id}`, '0 done 5');
      vi.advanceTimersByTime(60_000);
    };
    expect(await run(vm, 1, 1, 1, 3, 1, 2)).toEqual([
      [[1], 'ok', ''],
      [[1], 'ok', ''],
      [[1], 'ok', ''],
      [[5], 'timeout', 'the kernel does not answer'],
      [[1], 'ok', ''],
      [[2], 'ok', ''],
    ]);
    expect(state.all.map(({ dead }) => dead)).toEqual([true, false]);
  });

  it('that takes the kernel down has the steps it told of, and what the kernel said', async () => {
    const vm = await open();
    state.deed = (machine, id, pages) => {
      if (pages !== 2) return answer(machine, id, pages);
      machine.say(`result ${id}`, '0 done 5', '1 refused EFAULT');
      machine.onTrouble('kernel BUG at mm/memory.c:1!');
      machine.die();
    };
    const [before, killed, after] = await vm.run([1, 2, 1].map(withPages));
    expect([before, after].map((r) => [r!.end, r!.steps.flatMap(({ log }) => log)])).toEqual([
      ['ok', []],
      ['ok', []],
    ]);
    expect(killed).toMatchObject({
      end: 'killed',
      why: 'kernel BUG at mm/memory.c:1!',
      steps: [
        { outcome: 'done', value: 5, log: [] },
        { outcome: 'refused', why: 'EFAULT', log: ['kernel BUG at mm/memory.c:1!'] },
      ],
    });
    expect(state.all).toHaveLength(2);
    // Nothing is left to run: nothing boots.
    expect(await run(vm, 2)).toEqual([[[5, undefined], 'killed', 'kernel BUG at mm/memory.c:1!']]);
    expect(state.all).toHaveLength(2);
  });

  it('keeps its verdict though it takes long to be rid of the machine', async () => {
    const vm = await open();
    let hung = 0;
    state.deed = (machine, id, pages) => {
      if (pages !== 2 || hung++ > 0) return answer(machine, id, pages);
      machine.kill = async () => {
        for (let i = 0; i < 100; i++) await Promise.resolve();
        machine.die();
      };
      machine.die();
    };
    expect(await run(vm, 1, 2, 3, 4)).toEqual([
      [[1], 'ok', ''],
      [[], 'killed', 'the machine went down'],
      [[3], 'ok', ''],
      [[4], 'ok', ''],
    ]);
  });

  it('is told what took the kernel down, though that came before the answer of the one before', async () => {
    for (const [text, why] of [
      ['Kernel panic - not syncing: sysrq', 'Kernel panic - not syncing: sysrq'],
      // This one was of the program before, which went on.
      ['WARNING: CPU: 0 at mm/gup.c:1', 'the machine went down'],
    ]) {
      const vm = await open();
      state.deed = (machine, id, pages) => {
        if (pages === 1) machine.onTrouble(text!);
        if (pages === 2) machine.die();
        else answer(machine, id, pages);
      };
      expect(await run(vm, 1, 2)).toEqual([
        [[1], 'ok', ''],
        [[], 'killed', why],
      ]);
    }
  });

  it('that was the last is blamed for a kernel that goes down right after it', async () => {
    const vm = await open();
    state.deed = (machine, id, pages) => {
      if (pages !== 1) return answer(machine, id, pages);
      machine.onTrouble('BUG: unable to handle page fault');
      machine.die();
    };
    const [first, last] = await vm.run([3, 2].map(withPages));
    expect(first).toMatchObject({ end: 'ok', why: '', steps: [{ value: 3, log: [] }] });
    expect(last).toMatchObject({
      end: 'killed',
      why: 'after its end: BUG: unable to handle page fault',
      steps: [{ value: 2, log: ['BUG: unable to handle page fault'] }],
    });
    expect(await vm.run([])).toEqual([]);
  });

  it('is not blamed for a machine that was dead before it', async () => {
    const vm = await open();
    expect(await run(vm, 1)).toEqual([[[1], 'ok', '']]);
    state.all[0]!.die();
    expect(await run(vm, 2)).toEqual([[[2], 'ok', '']]);
    expect(state.all).toHaveLength(2);
  });

  it('does not get the answer to another', async () => {
    const vm = await open();
    state.deed = (machine, id, pages) => {
      answer(machine, id + 50, 9);
      answer(machine, id, pages);
    };
    expect(await run(vm, 1, 2)).toEqual([
      [[1], 'ok', ''],
      [[2], 'ok', ''],
    ]);
  });

  it('does not run beside a process that could not be killed', async () => {
    const vm = await open();
    state.deed = (machine, id, pages) => {
      if (pages !== 2) return answer(machine, id, machine.number);
      machine.say(`result ${id}`, '0 done 1', `end ${id} failed a process cannot be killed`);
    };
    expect(await run(vm, 1, 2, 1)).toEqual([
      [[1], 'ok', ''],
      [[1], 'failed', 'a process cannot be killed'],
      [[2], 'ok', ''],
    ]);
    expect(state.all[0]!.dead).toBe(true);
  });

  it('whose machine the host ended has failed: no verdict on the kernel', async () => {
    const vm = await open();
    state.deed = (machine, id, pages) => {
      if (pages !== 2) return answer(machine, id, pages);
      machine.endedByHost = 'QEMU was ended by SIGKILL on the host';
      machine.die();
    };
    expect(await run(vm, 1, 2)).toEqual([
      [[1], 'ok', ''],
      [[], 'failed', 'QEMU was ended by SIGKILL on the host'],
    ]);
  });

  it('that is closed upon has failed: its kernel did not die of it', async () => {
    const vm = await open();
    state.deed = () => void vm.close();
    expect(await run(vm, 1, 1)).toEqual([
      [[], 'failed', 'closed'],
      [[], 'failed', 'closed'],
    ]);
    await vm.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe('a machine', () => {
  it('that does not come up is tried once more', async () => {
    state.boot = (machine) => (machine.number === 1 ? machine.die() : machine.up());
    expect(await run(await open(), 1)).toEqual([[[1], 'ok', '']]);
  });

  it.each([
    [(m: { die(): void }) => m.die(), 'ended as it booted'],
    [
      (m: { say(line: string): void }) => m.say('init failed mount: No such device'),
      'does not get ready: mount: No such device',
    ],
    [(m: { say(line: string): void }) => m.say('init ready'), 'did not come to the end of the probe'],
  ])('that never comes up is an error of one line, and leaves nothing (%#)', async (boot, why) => {
    state.boot = boot;
    expect(await refusal(open)).toBe(`3: vm /boot/one ${why}; its console ends: last words`);
    expect(state.all.map(({ dead }) => dead)).toEqual([true, true]);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('that does not come up again leaves programs without a verdict, not with a good one', async () => {
    const vm = await open();
    state.boot = (machine) => machine.die();
    state.deed = (machine) => machine.die();
    const results = await run(vm, 1, 1, 1);
    const why = 'vm /boot/one ended as it booted; its console ends: last words';
    expect(results).toEqual([
      [[], 'killed', 'the machine went down'],
      [[], 'failed', why],
      [[], 'failed', why],
    ]);
    expect(state.all).toHaveLength(3);
  });

  it('finds the folders of processes that are gone removed, and those of others left alone', async () => {
    const gone = `gupfuzz-vm-${spawnSync('true').pid}-x`;
    const others = [`gupfuzz-vm-${process.ppid}-x`, 'gupfuzz-vm-notes', 'mine'];
    for (const name of [gone, ...others]) mkdirSync(folder.at(name));
    await (await open()).close();
    expect(readdirSync(folder.path).sort()).toEqual([...others].sort());
  });
});

describe('several kernels', () => {
  it('each run on their own machines', async () => {
    const vms = await openVms([options('/boot/one'), options('/boot/two')], 2);
    opened.push(...vms);
    const ran: string[] = [];
    state.deed = (machine, id, pages) => {
      ran.push(machine.vmlinuz);
      answer(machine, id, pages);
    };
    expect(vms.map((vm) => [vm.name, vm.capabilities.release])).toEqual([
      ['vm /boot/one', '/boot/one'],
      ['vm /boot/two', '/boot/two'],
    ]);
    for (const [i, name] of ['/boot/one', '/boot/two'].entries()) {
      ran.length = 0;
      expect(await run(vms[i]!, 1, 2, 3)).toHaveLength(3);
      expect([...new Set(ran)]).toEqual([name]);
    }
  });

  it('all go when one does not come up', async () => {
    state.boot = (machine) => (machine.vmlinuz === '/boot/two' ? machine.die() : machine.up());
    expect(await refusal(() => openVms([options('/boot/one'), options('/boot/two')], 2))).toMatch(
      /^3: vm \/boot\/two ended as it booted/,
    );
    expect(state.all.map(({ dead }) => dead)).toEqual(state.all.map(() => true));
    expect(readdirSync(folder.path)).toEqual([]);
  });
});
