/** Kernels in virtual machines, as `Kernel`s that run programs. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { PLAIN_KIND } from '../../domain/page-kinds.ts';
import { inputError } from '../../cli/exit.ts';
import { type Runner, shareOut } from '../pool.ts';
import { PROBE_END, parseCapabilities } from '../probe.ts';
import {
  type Capabilities,
  encodeProgram,
  type Kernel,
  type LiveEnd,
  type LiveProgram,
  type LiveResult,
  ResultReader,
} from '../protocol.ts';
import { findKernel } from './cache.ts';
import { headline, isFatal } from './console.ts';
import { initramfs, makeDisk } from './image.ts';
import { Machine, needQemu } from './machine.ts';
import { loadOrder } from './modules.ts';
import { executorBinary, initBinary } from './parts.ts';

/** Modules that the disk and the port of the protocol need, and swap that is out at once. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', 'ext4', 'zram', 'lzo_rle'];

export interface VmOptions {
  /** What is in the cache by release, start of one, or `newest`; or the path of a bzImage. */
  readonly kernel: string;
  /** Folder with the kernel's modules; with a kernel of the cache, known. */
  readonly modules?: string;
  /** For people. `vm RELEASE` by default. */
  readonly name?: string;
  /** Where the VM's own files go, in a folder that is removed again: the system's folder for such, by default. */
  readonly dir?: string;
  /** Path of the executor, a static binary. By default it is compiled. */
  readonly executor?: string;
  /** Milliseconds after which the executor gives a program up. */
  readonly alarm?: number;
  /** `kvm` on request only: where it is there but not for every kernel, a kernel hangs without a word. */
  readonly accel?: 'tcg' | 'kvm';
  /** MiB of memory. */
  readonly memory?: number;
  /** Milliseconds that the VM may take to boot. */
  readonly bootWithin?: number;
}

const ALARM = 2000;
const MEMORY = 1024;
const BOOT_WITHIN = 60_000;
/** Programs sent ahead: enough to hide a round trip, few enough that little is sent again after a crash. */
const AHEAD = 64;
/** What is left of the alarm's time for the executor to end the program and say so, on a loaded machine. */
const GRACE = 8000;
const BOOTS = 2;

/** Ends a wait of ours; `text` says of what. */
class Trouble extends Error {}

/** Runs after the last one: a kernel that goes down a moment after a program did so of that program. */
const AFTER: LiveProgram = { pages: [{ kind: PLAIN_KIND, prot: 'rw', file: -1 }], files: [], steps: [] };

const nothing = (why: string): LiveResult => ({ steps: [], end: 'failed', why });

/** A result with messages of the kernel added to its last step, except for those that the executor saw itself. */
function withLog(result: LiveResult, messages: readonly string[]): LiveResult {
  const last = result.steps.at(-1);
  if (messages.length === 0) return result;
  if (last === undefined) {
    const said = headline(messages);
    if (result.why.includes(said)) return result;
    return { ...result, why: [result.why, said].filter((w) => w !== '').join(': ') };
  }
  return { ...result, steps: [...result.steps.slice(0, -1), { ...last, log: [...last.log, ...messages] }] };
}

class Vm implements Kernel {
  readonly name: string;
  capabilities!: Capabilities;
  readonly #boot: (probe: boolean) => Machine;
  readonly #bootWithin: number;
  readonly #alarm: number;
  readonly #remove: () => void;
  #machine: Machine | undefined;
  #nextId = 1;
  #closed = false;
  /** Runs queue up: there is one executor. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    name: string,
    boot: (probe: boolean) => Machine,
    { bootWithin, alarm }: { readonly bootWithin: number; readonly alarm: number },
    remove: () => void,
  ) {
    this.name = name;
    this.#boot = boot;
    this.#bootWithin = bootWithin;
    this.#alarm = alarm;
    this.#remove = remove;
  }

  /** Boots, and waits until the executor is there. */
  async start(probe: boolean): Promise<Machine> {
    if (this.#closed) throw new Trouble('closed');
    const machine = this.#boot(probe);
    this.#machine = machine;
    const probed: string[] = [];
    const failed = (why: string): Trouble => {
      const tail = machine.console().slice(-5).join(' | ');
      return new Trouble(
        `${this.name} ${why}${tail === '' ? ', and says nothing' : `; its console ends: ${tail}`}`,
      );
    };
    try {
      await new Promise<void>((done, fail) => {
        const timer = setTimeout(
          () => fail(failed(`is not up after ${this.#bootWithin / 1000} s`)),
          this.#bootWithin,
        );
        const settle = (error?: Error): void => {
          clearTimeout(timer);
          if (error === undefined) done();
          else fail(error);
        };
        machine.onLine = (line) => {
          if (line === 'init ready') settle();
          else if (line.startsWith('init failed'))
            settle(failed(`does not get ready: ${line.slice('init failed '.length)}`));
          else if (!line.startsWith('init ')) probed.push(line);
        };
        machine.ended.then(() => settle(failed('ended as it booted')));
      });
      if (probe) {
        if (!probed.includes(PROBE_END)) throw failed('did not come to the end of the probe');
        this.capabilities = parseCapabilities(probed.join('\n'));
      }
    } catch (error) {
      this.#machine = undefined;
      await machine.kill();
      throw error;
    }
    return machine;
  }

  run(programs: readonly LiveProgram[]): Promise<LiveResult[]> {
    const run = this.#last.then(() => this.#runAll(programs));
    this.#last = run.catch(() => {});
    return run;
  }

  async #runAll(programs: readonly LiveProgram[]): Promise<LiveResult[]> {
    if (programs.length === 0) return [];
    const results: LiveResult[] = [];
    const messages: { readonly at: number; readonly text: string }[] = [];
    const all = [...programs, AFTER];
    let boots = 0;
    while (results.length < programs.length) {
      try {
        // One that died on its own did so of no program to come.
        if (this.#machine?.dead) this.#machine = undefined;
        const machine = this.#machine ?? (await this.start(false));
        boots = 0;
        await this.#runOn(machine, all, results, messages);
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        boots++;
        if (!this.#closed && boots < BOOTS) continue;
        while (results.length < programs.length) results.push(nothing(error.message));
      }
    }
    const after = results.splice(programs.length)[0];
    const last = programs.length - 1;
    if (after?.end === 'killed' || after?.end === 'timeout')
      results[last] = { ...results[last], end: after.end, why: `after its end: ${after.why}` };
    // The console comes another way than the results, and what the executor read from the log is on it too.
    const seen = new Set(results.flatMap(({ steps }) => steps.flatMap(({ log }) => log)));
    return results.map((result, i) => {
      const news = messages.filter(
        ({ at, text }) => Math.min(at, last) === i && ![...seen].some((line) => line.includes(text)),
      );
      return withLog(
        result,
        news.map(({ text }) => text),
      );
    });
  }

  /** Runs what has no result yet, until all have one or the machine is gone; then the running program has one too. */
  #runOn(
    machine: Machine,
    programs: readonly LiveProgram[],
    results: LiveResult[],
    messages: { at: number; text: string }[],
  ): Promise<void> {
    const reader = new ResultReader();
    const first = results.length;
    const idOf = (index: number): number => this.#nextId + index - first;
    const ids = programs.length - first;
    let sent = first;
    const refill = (): void => {
      if (sent - results.length > AHEAD / 2) return;
      const to = Math.min(results.length + AHEAD, programs.length);
      const text = programs
        .slice(sent, to)
        .map((program, i) => encodeProgram(idOf(sent + i), program, this.#alarm));
      sent = to;
      if (text.length > 0) machine.send(text.join(''));
    };
    return new Promise<void>((done) => {
      let settled = false;
      const settle = (): void => {
        settled = true;
        clearTimeout(timer);
        machine.onLine = () => {};
        machine.onTrouble = () => {};
        this.#nextId += ids;
      };
      /** The running program is the end of this machine. The steps of it that were told of count. */
      const lose = async (end: LiveEnd, why: string): Promise<void> => {
        if (settled) return;
        const at = results.length;
        settle();
        this.#machine = undefined;
        await machine.kill();
        const id = idOf(at) - ids;
        const closing = `end ${id} ${end} ${why}`;
        let result = reader.push(closing)?.result;
        if (result === undefined) {
          reader.push(`result ${id}`);
          result = reader.push(closing)?.result;
        }
        results.push(result ?? nothing(why));
        done();
      };
      const stalled = (): void => {
        const said = headline(messages.filter(({ at }) => at === results.length).map(({ text }) => text));
        void lose('timeout', `the kernel does not answer${said === '' ? '' : `: ${said}`}`);
      };
      const timer = setTimeout(stalled, this.#alarm + GRACE);
      machine.onTrouble = (text) => messages.push({ at: results.length, text });
      machine.onLine = (line) => {
        timer.refresh();
        if (line.startsWith('init ended')) {
          void lose('failed', `the executor ended: ${line.slice('init ended '.length)}`);
          return;
        }
        const answer = reader.push(line);
        // Programs run one after the other: an answer of another id is of a program that was given up.
        if (answer === undefined || answer.id !== idOf(results.length)) return;
        results.push(answer.result);
        // Trouble of the executor in the midst of a program: a process that cannot be killed. It would be in the way.
        const spoilt = answer.result.end === 'failed' && answer.result.steps.length > 0;
        if (spoilt) {
          settle();
          this.#machine = undefined;
          machine.kill().then(done);
        } else if (results.length === programs.length) {
          settle();
          done();
        } else refill();
      };
      machine.ended.then(() => {
        // The console is read apart from the port: what took the machine down may have come before the answer of the
        // program before, which it did not take down.
        const own = messages.filter(({ at }) => at === results.length);
        const before = messages.filter(({ at, text }) => at === results.length - 1 && isFatal(text));
        const said = headline((own.length > 0 ? own : before).map(({ text }) => text));
        if (this.#closed) void lose('failed', 'closed');
        else if (machine.endedByHost !== '') void lose('failed', machine.endedByHost);
        else void lose('killed', said === '' ? 'the machine went down' : said);
      });
      refill();
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#machine?.kill();
    this.#machine = undefined;
    await this.#last;
    this.#remove();
  }
}

/** Removes the folders of processes that a signal ended: QEMU went with them, their files did not. */
function removeLeft(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = /^gupfuzz-vm-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      // EPERM: it is there, and somebody else's.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') continue;
      try {
        rmSync(join(base, name), { recursive: true, force: true });
      } catch {
        // Somebody else's.
      }
    }
  }
}

/**
 * Boots a kernel in a VM of its own, with an ext4 disk as the executor's folder. A program that takes the kernel down,
 * or hangs it, has that as its result, and the rest runs on a fresh boot. Throws a UserError when something that it
 * takes is missing.
 */
export async function openVm(options: VmOptions): Promise<Kernel> {
  needQemu();
  const { alarm = ALARM, accel = 'tcg', memory = MEMORY, bootWithin = BOOT_WITHIN } = options;
  const isPath = options.kernel.includes('/');
  const cached = isPath ? undefined : findKernel(options.kernel);
  const vmlinuz = resolve(cached?.vmlinuz ?? options.kernel);
  const modules = options.modules ?? cached?.modules ?? dirname(vmlinuz);
  const base = options.dir ?? tmpdir();
  mkdirSync(base, { recursive: true });
  removeLeft(base);
  const folder = mkdtempSync(join(base, `gupfuzz-vm-${process.pid}-`));
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.on('exit', remove);
  try {
    const disk = join(folder, 'disk.img');
    const initrd = join(folder, 'initrd.gz');
    makeDisk(disk);
    const executor = readFileSync(options.executor ?? (await executorBinary()));
    const contents = loadOrder(modules, MODULES).map(({ content }) => content);
    writeFileSync(initrd, initramfs(readFileSync(initBinary()), executor, contents));
    const vm = new Vm(
      options.name ?? `vm ${cached?.release ?? options.kernel}`,
      (probe) => new Machine({ vmlinuz, initrd, disk, accel, memory, probe }),
      { bootWithin, alarm },
      remove,
    );
    // Emulation is not perfect: a boot that fails may be followed by one that does not.
    const again = (error: unknown): Promise<Machine> => {
      if (error instanceof Trouble) return vm.start(true);
      throw error;
    };
    await vm
      .start(true)
      .catch(again)
      .catch((error: unknown) => {
        throw error instanceof Trouble ? inputError(error.message) : error;
      });
    return vm;
  } catch (error) {
    remove();
    throw error;
  }
}

/** Programs that one of several machines takes at a time. */
const SHARE = 32;

/**
 * Several kernels, each in so many VMs. As many boot or run at once as there are processors: emulation takes a whole
 * one. If one does not come up, none stays.
 */
export async function openVms(list: readonly VmOptions[], machines = 1): Promise<Kernel[]> {
  const limit = pLimit(Math.max(1, availableParallelism()));
  const wanted = list.flatMap((options) => Array.from({ length: machines }, () => options));
  const opened = await Promise.allSettled(wanted.map((options) => limit(() => openVm(options))));
  const vms = opened.flatMap((o) => (o.status === 'fulfilled' ? [o.value] : []));
  const failed = opened.find((o) => o.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(vms.map((vm) => vm.close()));
    throw failed.reason;
  }
  return list.map((_, i) => {
    const own = vms.slice(i * machines, (i + 1) * machines);
    const runners = own.map((vm): Runner => {
      return async (programs, answer) => {
        const results = await limit(() => vm.run(programs));
        results.forEach((result, at) => {
          answer(at, result);
        });
      };
    });
    return {
      name: own[0].name,
      capabilities: own[0].capabilities,
      // One machine is sent everything at once, and is never without work.
      run: (programs) => shareOut(programs, runners, machines === 1 ? programs.length : SHARE),
      close: async () => {
        await Promise.all(own.map((vm) => vm.close()));
      },
    };
  });
}
