/** One run of QEMU, from power on to its end. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { inputError } from '../../cli/exit.ts';
import { Lines, trouble } from './console.ts';

export const QEMU = 'qemu-system-x86_64';

/** Is there a program of this name? */
export function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Throws the one line a user needs when QEMU is missing. */
export function needQemu(): void {
  if (!onPath(QEMU)) throw inputError(`${QEMU} is missing, which runs kernels (package qemu-system-x86)`);
}

export interface MachineOptions {
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly disk: string;
  /** `tcg` is emulation, and runs anywhere; `kvm` where the processor and whoever runs this machine let it. */
  readonly accel: 'tcg' | 'kvm';
  /** MiB. */
  readonly memory: number;
  /** init is to run the executor's probe first. */
  readonly probe: boolean;
}

/**
 * What it is for: the console at a level that shows WARN; an oops ends the machine, as a kernel after one is in no
 * state to be tested; no address randomisation, so that messages compare. The rest is speed alone: emulated, the
 * workarounds for processor bugs and the self tests cost seconds, and waiting for RCU is most of what it takes to let
 * go of an io_uring.
 */
const COMMAND_LINE = [
  'console=ttyS0 quiet loglevel=5 oops=panic panic=-1 nokaslr proc_mem.force_override=always',
  'mitigations=off cryptomgr.notests tsc=reliable no_timer_check audit=0 apparmor=0 rcupdate.rcu_expedited=1',
].join(' ');

/**
 * All that QEMU has, but: emulated by QEMU 7.2, cmpxchg16b now and then leaves part of an address in the flags, and
 * kernels from 6.12 on, whose slab allocator uses it, go down as they boot (2 of 27 did). Five levels of page tables
 * only make the emulation slower.
 */
const CPU = 'max,cx16=off,la57=off';

const CONSOLE_KEPT = 200;

/** All that run, to be ended with this process. */
const running = new Set<ChildProcess>();
const endAll = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

let setpriv: boolean | undefined;
/** Has the kernel end QEMU if this process dies in a way that it cannot react to. */
function withParent(command: readonly string[]): readonly string[] {
  setpriv ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' }).status === 0;
  return setpriv ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

/**
 * What the host did, or '' if the guest ended QEMU: a panic, a reset or a triple fault ends it with 0 (-no-reboot).
 * `said`: the last that it said, such as that the disk is full.
 */
export function byHost(code: number | null, signal: NodeJS.Signals | null, said: string): string {
  if (signal !== null) return `QEMU was ended by ${signal} on the host`;
  return code === 0 ? '' : `QEMU ended with exit code ${code}${said === '' ? '' : `: ${said}`}`;
}

export class Machine {
  readonly #child: ChildProcess;
  readonly #port: Duplex;
  readonly #console: string[] = [];
  /** Fulfilled when QEMU has ended. */
  readonly ended: Promise<void>;
  /** Set when it has. */
  dead = false;
  /** What the host did to it, if that ended it: no doing of the guest's. */
  endedByHost = '';
  /** Gets every line of the port. */
  onLine: (line: string) => void = () => {};
  /** Gets every message of a kernel in trouble. */
  onTrouble: (text: string) => void = () => {};

  constructor({ vmlinuz, initrd, disk, accel, memory, probe }: MachineOptions) {
    const command = withParent([
      QEMU,
      ...[
        '-accel',
        accel === 'tcg' ? 'tcg,thread=multi' : 'kvm',
        '-cpu',
        CPU,
        '-m',
        String(memory),
        '-smp',
        '1',
      ],
      ...['-machine', 'pc', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-serial', 'stdio', '-kernel', vmlinuz, '-initrd', initrd],
      // The kernel hands an assignment that it does not know to init as environment.
      ...['-append', probe ? `${COMMAND_LINE} GUPFUZZ_PROBE=1` : COMMAND_LINE],
      ...['-drive', `file=${disk.replaceAll(',', ',,')},format=raw,if=none,id=disk,snapshot=on,cache=unsafe`],
      ...['-device', 'virtio-blk-pci,drive=disk'],
      ...['-chardev', 'socket,id=port,fd=3', '-device', 'virtio-serial-pci'],
      ...['-device', 'virtserialport,chardev=port,name=gupfuzz'],
    ]);
    const child = spawn(command[0], command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // Its own session: Ctrl-C is for this process to act on, or a run interrupted would look like a machine that died.
      detached: true,
    });
    this.#child = child;
    if (running.size === 0) process.on('exit', endAll);
    running.add(child);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        if (this.dead) return;
        this.dead = true;
        running.delete(child);
        if (running.size === 0) process.off('exit', endAll);
        resolve();
      };
      // 'close' comes after the last of its output, which says why it ended.
      child.on('close', (code, signal) => {
        this.endedByHost = byHost(code, signal, this.#console.at(-1) ?? '');
        end();
      });
      child.on('error', (error) => {
        this.#console.push(`${QEMU}: ${error.message}`);
        this.endedByHost = error.message;
        end();
      });
    });

    const console = new Lines();
    const keep = (line: string): void => {
      if (line.trim() === '') return;
      this.#console.push(line);
      if (this.#console.length > CONSOLE_KEPT) this.#console.shift();
      const text = trouble(line);
      if (text !== undefined) this.onTrouble(text);
    };
    child.stdout!.setEncoding('latin1').on('data', (chunk: string) => console.push(chunk).forEach(keep));
    const errors = new Lines();
    child.stderr!.setEncoding('latin1').on('data', (chunk: string) => errors.push(chunk).forEach(keep));
    this.#port = child.stdio[3] as Duplex;
    const port = new Lines();
    this.#port.setEncoding('latin1').on('data', (chunk: string) => {
      for (const line of port.push(chunk)) this.onLine(line);
    });
    // A machine that ends while it is written to: `ended` tells.
    this.#port.on('error', () => {});

    // A machine without work does not keep this process; whoever waits for one has a timer.
    this.#hold(false);
  }

  /** Whether this process stays for the machine. */
  #hold(hold: boolean): void {
    const child = this.#child;
    const streams = [child.stdout, child.stderr, this.#port] as unknown[] as Partial<Socket>[];
    for (const handle of [child, ...streams]) {
      if (hold) handle.ref?.();
      else handle.unref?.();
    }
  }

  send(text: string): void {
    if (!this.dead) this.#port.write(text);
  }

  /** The console's last lines. */
  console(): readonly string[] {
    return this.#console;
  }

  /** Ends it now. */
  async kill(): Promise<void> {
    if (this.dead) return;
    this.#hold(true);
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}
