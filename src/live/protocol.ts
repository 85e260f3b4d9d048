/**
 * What the executor (executor.c) is told and what it answers: lines of ASCII, the same over a pipe to a process on
 * this machine and over the serial line of a VM.
 *
 * A program is a scenario in numbers that need no model: mms and references are numbered in the order in which the
 * scenario makes them and never reused (mm 0 is the first process), pages and files as in the setup. A store writes
 * its token, which is 1 + the index of its step; file f holds `FILE_TOKEN + f` at the start, shmem and anonymous
 * pages hold 0. Every content is one 64-bit word at the start of the page, and the same word in every 512-byte sector
 * of it, so that what is seen needs no interpretation.
 *
 *     program 17 pages 2 files 1 alarm 2000
 *     file 0 dir
 *     page 0 private rw -
 *     page 1 shared rw 0
 *     step fork 0 1
 *     step gup 1 0 0 fixed_buffer
 *     ...
 *     end
 *
 * The answer has a line per step executed, and ends with how the program ended:
 *
 *     result 17
 *     0 done
 *     1 refused EOPNOTSUPP
 *     2 done 3
 *     2 log WARNING: ...
 *     end 17 ok
 */
import { type BackingTraits, KIND_TRAITS, type PageKind } from '../domain/page-kinds.ts';
import { wordsOf } from '../ops/args.ts';
import { callOf, type LiveStep } from '../ops/index.ts';
import type { AnyCall, LiveCaller } from '../ops/live.ts';

/** What file f holds at the start is FILE_TOKEN + f: more than a program has steps. */
export const FILE_TOKEN = 4096;

export type { LiveStep } from '../ops/index.ts';
export type { LiveCaller } from '../ops/live.ts';

/** `dir`: a file in the executor's folder, on whatever filesystem that is; `shmem`: a memfd. */
export type LiveFile = Exclude<BackingTraits['live'], ''>;

export interface LivePage {
  readonly kind: PageKind;
  readonly prot: 'r' | 'rw';
  /** Index of the file page mapped, or -1. */
  readonly file: number;
}

export interface LiveProgram {
  readonly pages: readonly LivePage[];
  readonly files: readonly LiveFile[];
  readonly steps: readonly LiveStep[];
}

/** What became of a step. `value`: the token seen, of steps that observe (load, device load, read(2), disk at fsync). */
export interface LiveOutcome {
  readonly outcome: 'done' | 'refused' | 'unsupported';
  /** Of a refusal: `EFAULT`; of an unsupported step: why, in words. */
  readonly why: string;
  readonly value: number | undefined;
  /** Kernel log lines that came up during the step: WARN, BUG. */
  readonly log: readonly string[];
}

export type LiveEnd = 'ok' | 'timeout' | 'killed' | 'failed';

export interface LiveResult {
  /** One per step executed. */
  readonly steps: readonly LiveOutcome[];
  /** `timeout`: no answer within the alarm; `killed`: a process died of a signal; `failed`: the executor's own trouble. */
  readonly end: LiveEnd;
  /** Signal, or what failed. */
  readonly why: string;
}

/** What a kernel offers, by `probe`. */
export interface Capabilities {
  /** `uname -r`. */
  readonly release: string;
  /** Filesystem type of the executor's folder: ext4, tmpfs, overlay, ... */
  readonly filesystem: string;
  /** By caller: '' if it works, else why not. */
  readonly callers: Readonly<Record<LiveCaller, string>>;
  /** By name of an event or observation that may be missing: '' if it works, else why not. */
  readonly features: Readonly<Record<string, string>>;
}

/** Runs programs somewhere. */
export interface Kernel {
  /** For people: `host 6.18`, `vm 6.1.0-…`. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Results in the order of the programs, one each; never throws for what a program does. */
  run(programs: readonly LiveProgram[]): Promise<LiveResult[]>;
  close(): Promise<void>;
}

/** The lines of one program. `alarm`: milliseconds after which it is given up. */
export function encodeProgram(id: number, program: LiveProgram, alarm: number): string {
  const { pages, files, steps } = program;
  const lines = [`program ${id} pages ${pages.length} files ${files.length} alarm ${alarm}`];
  files.forEach((file, i) => {
    lines.push(`file ${i} ${file}`);
  });
  pages.forEach(({ kind, prot, file }, i) => {
    lines.push(
      `page ${i} ${KIND_TRAITS[kind].private ? 'private' : 'shared'} ${prot} ${file < 0 ? '-' : file}`,
    );
  });
  for (const step of steps) lines.push(`step ${stepWords(step).join(' ')}`);
  lines.push('end');
  return `${lines.join('\n')}\n`;
}

/**
 * Its fields in the order in which its operation sends them: `mm`, `ref`: numbers of the program; `page`, `file`: index in
 * its lists; `token`: what is stored.
 */
function stepWords(step: LiveStep): (string | number)[] {
  const { grammar } = callOf(step);
  const said: AnyCall = step;
  return [
    step.op,
    ...grammar.sends!.map((field) => {
      const value = said[field]!;
      const arg = grammar.args[field];
      return typeof value === 'number' || arg === undefined ? String(value) : wordsOf(arg, value).join(' ');
    }),
  ];
}

/** Reads the answers of the executor, line by line; `push` returns a result when one is complete. */
export class ResultReader {
  #id = -1;
  #steps: { outcome: LiveOutcome['outcome']; why: string; value: number | undefined; log: string[] }[] = [];
  /** What the kernel logged in a step that has no outcome: it was the end of the program. */
  #last: string[] = [];

  /** A line that is none of the protocol is ignored: a serial line carries kernel messages too. */
  push(line: string): { readonly id: number; readonly result: LiveResult } | undefined {
    const [first, second, third, ...rest] = line.trim().split(' ');
    if (first === 'result') {
      this.#id = Number(second);
      this.#steps = [];
      this.#last = [];
      return undefined;
    }
    if (first === 'end' && Number(second) === this.#id && this.#id >= 0) {
      const why = [rest.join(' '), ...this.#last].filter((w) => w !== '').join('; ');
      const result: LiveResult = { steps: this.#steps, end: third as LiveEnd, why };
      const id = this.#id;
      this.#id = -1;
      this.#steps = [];
      return { id, result };
    }
    const at = Number(first);
    if (this.#id < 0 || first === undefined || first === '' || !Number.isInteger(at) || at < 0)
      return undefined;
    if (second === 'log') {
      (this.#steps[at]?.log ?? this.#last).push([third, ...rest].join(' '));
      return undefined;
    }
    if (at !== this.#steps.length || (second !== 'done' && second !== 'refused' && second !== 'unsupported'))
      return undefined;
    this.#steps.push({
      outcome: second,
      why: second === 'done' ? '' : [third, ...rest].filter((w) => w !== undefined).join(' '),
      value: second === 'done' && third !== undefined ? Number(third) : undefined,
      log: [],
    });
    return undefined;
  }
}
