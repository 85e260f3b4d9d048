/**
 * The kernel of this machine: executors that stay, one per processor if so wished, fed with batches. An executor that
 * dies or hangs costs the program it was at; it is replaced, and what was queued behind goes to the next one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileExecutor } from './compile.ts';
import { shareOut } from './pool.ts';
import { probeHost } from './probe.ts';
import { encodeProgram, type Kernel, type LiveProgram, type LiveResult, ResultReader } from './protocol.ts';

export interface HostOptions {
  /** Executors at once; 1 by default. */
  readonly executors?: number;
  /** Where the files of programs are made, in a folder that is removed; the system's temporary folder by default. */
  readonly dir?: string;
  /** Milliseconds after which a program is given up; 2000 by default. */
  readonly alarm?: number;
  /** Milliseconds without an answer, beyond the alarm, after which an executor is given up; 10000 by default. */
  readonly patience?: number;
  /** The compiled executor; compiled if not given. */
  readonly executor?: string;
}

/** Programs sent at once: enough that the executor never waits, few enough that executors share fairly. */
const BATCH = 64;

/** Starts the executors and asks the kernel what it offers. Throws CompileError, or Error if nothing can be run. */
export async function openHost(options: HostOptions = {}): Promise<Kernel> {
  const { executors = 1, alarm = 2000, patience = 10_000 } = options;
  const dir = options.dir ?? tmpdir();
  const binary = options.executor ?? (await compileExecutor());
  const capabilities = await probeHost(binary, dir);
  const cpus = availableParallelism();
  const seats = Array.from({ length: Math.max(1, executors) }, (_, i) => {
    return new Seat({ binary, dir, alarm, patience, cpu: i % cpus });
  });
  let closed = false;
  return {
    name: `host ${release().split('.').slice(0, 2).join('.')}`,
    capabilities,
    run: async (programs) => {
      if (closed) throw new Error('the host is closed');
      return shareOut(
        programs,
        seats.map((seat) => (some, answer) => seat.run(some, answer)),
        BATCH,
      );
    },
    close: async () => {
      closed = true;
      await Promise.all(seats.map((seat) => seat.close()));
    },
  };
}

interface SeatOptions {
  readonly binary: string;
  readonly dir: string;
  readonly alarm: number;
  readonly patience: number;
  readonly cpu: number;
}

/** A batch: `at` is the first program without an answer. */
interface Work {
  readonly programs: readonly LiveProgram[];
  readonly answer: (index: number, result: LiveResult) => void;
  readonly done: () => void;
  at: number;
}

/** A place for an executor: starts one when there is work, and another one when that is gone. */
class Seat {
  readonly #options: SeatOptions;
  #child: ChildProcess | undefined;
  #work: Work | undefined;
  #timer: NodeJS.Timeout | undefined;
  #queue: Promise<void> = Promise.resolve();
  readonly #atExit = (): void => this.#discard();

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  /** One batch after the other. */
  run(programs: readonly LiveProgram[], answer: Work['answer']): Promise<void> {
    const ran = this.#queue.then(() => {
      return new Promise<void>((done) => {
        if (programs.length === 0) return done();
        this.#work = { programs, answer, done, at: 0 };
        this.#send();
      });
    });
    this.#queue = ran;
    return ran;
  }

  async close(): Promise<void> {
    await this.#queue;
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    child.stdin!.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.patience);
    await gone;
    clearTimeout(timer);
  }

  /** Sends what has no answer yet. */
  #send(): void {
    const work = this.#work!;
    this.#child ??= this.#start();
    let text = '';
    for (let i = work.at; i < work.programs.length; i++)
      text += encodeProgram(i, work.programs[i]!, this.#options.alarm);
    this.#child.stdin!.write(text);
    this.#watch();
  }

  #start(): ChildProcess {
    const { binary, dir, cpu } = this.#options;
    // In a session of its own a Ctrl-C does not reach it; it ends, and cleans up, when its input does.
    const child = spawn(binary, ['--dir', dir, '--cpu', String(cpu)], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const reader = new ResultReader();
    let rest = '';
    let said = '';
    child.stdout!.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const got = reader.push(line);
        if (got !== undefined && child === this.#child) this.#answered(got.id, got.result);
      }
    });
    child.stderr!.setEncoding('latin1').on('data', (chunk: string) => {
      said = (said + chunk).slice(-500);
    });
    // What cannot be written will be sent to the next one.
    child.stdin!.on('error', () => {});
    let over = false;
    const end = (why: string): void => {
      if (over) return;
      over = true;
      process.off('exit', this.#atExit);
      this.#remove(child);
      if (child === this.#child) this.#lost('failed', why);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => {
      end(`the executor ended: ${said.split('\n')[0] || (signal ?? `exit ${code}`)}`);
    });
    process.once('exit', this.#atExit);
    return child;
  }

  /** An executor answers in order; anything else is not an answer. */
  #answered(id: number, result: LiveResult): void {
    const work = this.#work;
    if (work === undefined || id !== work.at) return;
    work.at++;
    work.answer(id, result);
    if (work.at < work.programs.length) this.#watch();
    else this.#finish(work);
  }

  #finish(work: Work): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#work = undefined;
    work.done();
  }

  #watch(): void {
    // One timer for many programs: setting one for each would be most of what is done here.
    if (this.#timer !== undefined) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#stuck(), this.#options.alarm + this.#options.patience);
  }

  /** Not even the alarm works: a system call of the executor itself does not return. */
  #stuck(): void {
    const child = this.#child;
    if (child === undefined || this.#work === undefined) return;
    this.#lost('timeout', 'the executor hangs');
    child.kill('SIGKILL');
  }

  /** The executor is gone, or as good as gone. */
  #lost(end: 'failed' | 'timeout', why: string): void {
    this.#child = undefined;
    const work = this.#work;
    if (work === undefined) return;
    work.answer(work.at, { steps: [], end, why });
    work.at++;
    if (work.at < work.programs.length) this.#send();
    else this.#finish(work);
  }

  /** The folder of an executor that could not do so itself. */
  #remove(child: ChildProcess): void {
    if (child.pid === undefined) return;
    rmSync(join(this.#options.dir, `gupfuzz-${child.pid}`), { recursive: true, force: true });
  }

  #discard(): void {
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGKILL');
    this.#remove(child);
  }
}
