/** A machine and its QEMU, with a script that stands in for that. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { freshFolder } from '../../testing/folder.ts';
import { Machine, type MachineOptions, needQemu, onPath, QEMU } from './machine.ts';

const DIST = fileURLToPath(new URL('../../../dist/src/live/vm/machine.js', import.meta.url));
const OPTIONS: MachineOptions = {
  vmlinuz: 'v',
  initrd: 'i',
  disk: 'd,1',
  accel: 'tcg',
  memory: 64,
  probe: false,
};

const folder = freshFolder();
const { PATH } = process.env;
afterEach(() => {
  process.env.PATH = PATH;
});

/** Has this shell script be QEMU. Descriptor 3 is the port. */
function pretend(script: string): string {
  chmodSync(folder.at(folder.write(`bin/${QEMU}`, `#!/bin/sh\n${script}\n`)), 0o755);
  process.env.PATH = `${folder.at('bin')}:${PATH}`;
  return process.env.PATH;
}

/** Fields of /proc/PID/stat from the state on; undefined if it is gone. */
function statOf(pid: number): string[] | undefined {
  if (!existsSync(`/proc/${pid}/stat`)) return undefined;
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return fields[0] === 'Z' ? undefined : fields;
}

describe.skipIf(!existsSync('/proc/self/stat'))('a machine', () => {
  it('has the last words of a kernel when it has ended, and the complaints of QEMU', async () => {
    // What is said comes from a process that outlives the first.
    pretend(
      'echo "qemu: no such device" >&2; (sleep 0.3; echo "[ 1.0] Kernel panic - not syncing: x") & exit 1',
    );
    const machine = new Machine(OPTIONS);
    const troubles: string[] = [];
    machine.onTrouble = (text) => troubles.push(text);
    // What is not waited for does not keep a process; a test is waited for.
    const keep = setInterval(() => {}, 1000);
    await machine.ended;
    clearInterval(keep);
    expect([...machine.console()].sort()).toEqual([
      '[ 1.0] Kernel panic - not syncing: x',
      'qemu: no such device',
    ]);
    expect(troubles).toEqual(['Kernel panic - not syncing: x']);
    expect(machine.dead).toBe(true);
  });

  it('is out of reach of Ctrl-C, answers on its port, and is gone when killed', async () => {
    pretend('echo "pid $$" >&3; read -r line <&3; echo "got $line" >&3; exec sleep 1000');
    const machine = new Machine(OPTIONS);
    const said: string[] = [];
    const two = new Promise<void>((done) => {
      machine.onLine = (line) => said.push(line) === 2 && done();
    });
    machine.send('hello\n');
    const keep = setInterval(() => {}, 1000);
    await two;
    clearInterval(keep);
    const pid = Number(said[0]!.replace('pid ', ''));
    expect(said[1]).toBe('got hello');
    // Group and session are its own.
    expect(statOf(pid)!.slice(2, 4)).toEqual([String(pid), String(pid)]);
    await machine.kill();
    expect(statOf(pid)).toBeUndefined();
    machine.send('to nobody\n');
    await machine.kill();
  });

  it.skipIf(!onPath('setpriv'))('does not outlive a process that is killed', async () => {
    const path = pretend('echo "pid $$" >&3; exec sleep 1000');
    const program = `const { Machine } = await import(${JSON.stringify(DIST)});
      new Machine(${JSON.stringify(OPTIONS)}).onLine = (line) => console.log(line);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, PATH: path },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [chunk] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(/^pid (\d+)\n$/.exec(chunk.toString())![1]);
    try {
      expect(statOf(pid)).toBeDefined();
      parent.kill('SIGKILL');
      for (let i = 0; i < 200 && statOf(pid) !== undefined; i++) await sleep(20);
      expect(statOf(pid)).toBeUndefined();
    } finally {
      if (statOf(pid) !== undefined) process.kill(pid, 'SIGKILL');
    }
  });

  it('keeps nothing on its disk, ends when its kernel does, and boots the kernel it was given', async () => {
    pretend('for word; do echo "arg $word"; done');
    const machine = new Machine({ ...OPTIONS, accel: 'kvm', probe: true });
    const keep = setInterval(() => {}, 1000);
    await machine.ended;
    clearInterval(keep);
    const words = machine.console().map((line) => line.replace(/^arg /, ''));
    const after = (flag: string): string => words[words.indexOf(flag) + 1]!;
    expect(words).toContain('-no-reboot');
    expect(after('-drive').split(/(?<!,),(?!,)/)).toEqual(
      expect.arrayContaining(['file=d,,1', 'format=raw', 'snapshot=on']),
    );
    expect([after('-kernel'), after('-initrd'), after('-accel')]).toEqual(['v', 'i', 'kvm']);
    expect(after('-append').split(' ')).toEqual(
      expect.arrayContaining(['oops=panic', 'panic=-1', 'GUPFUZZ_PROBE=1']),
    );
  });

  it('without QEMU is an error of one line', () => {
    process.env.PATH = folder.path;
    expect(needQemu).toThrow(`${QEMU} is missing, which runs kernels (package qemu-system-x86)`);
  });
});
