/**
 * A scenario as a C program that stands alone, in the style of tools/testing/selftests/mm: KTAP, real processes, and
 * one check per step that observes. A check asks what the reference promises, not what some policy does: `ok` means
 * that the kernel keeps its promise, `not ok` that it breaks it.
 */

import { runScenario } from '../executor/run.ts';
import { World } from '../executor/simulated.ts';
import type { Policy } from '../machine/decisions.ts';
import { expandPolicy } from '../machine/tables.ts';
import { aOf, bOf } from '../ops/op.ts';
import { BUILT_IN, policyByName } from '../policies/index.ts';
import { MATCH } from '../reference/reference.ts';
import { renderColumns, wrapText } from '../report/columns.ts';
import type { Counterexample } from '../scenario/file.ts';
import { mmName, type Scenario, type Step, stepText } from '../scenario/scenario.ts';
import { HELPERS } from './export/helpers.ts';
import { type Capabilities, FILE_TOKEN, type LiveCaller, type LiveStep } from './protocol.ts';
import { isUnsupported, tokenOf, toLive } from './translate.ts';

/** What a program says on a kernel: every promise kept, one broken, or that it cannot be tried there. */
export type Predicted = 'ok' | 'not ok' | 'skip';

export interface ExportedC {
  readonly text: string;
  /** How many `ok` or `not ok` lines it prints. */
  readonly checks: number;
  /** By policy id, the canary left out. */
  readonly predicted: Readonly<Record<string, Predicted>>;
}

/** Eras in words; docs/model.md, section 5. */
const ERAS: Readonly<Record<string, string>> = {
  'v5.7-mapcount': 'up to v5.7',
  'v5.8-cow-break': 'v5.8',
  'v5.11-page-count': 'v5.11 to v5.17',
  'v6.2-anon-exclusive': 'v6.2 and v6.3',
  'v6.5-longterm-ban': 'v6.5 and later',
};

/** Everything is there: what the kernel at hand lacks, the program finds out by itself. */
const EVERYTHING: Capabilities = {
  release: '',
  filesystem: 'ext4',
  callers: {
    vmsplice: '',
    fixed_buffer: '',
    process_vm_readv: '',
    process_vm_writev: '',
    o_direct_read: '',
    o_direct_write: '',
  },
  features: {},
};

/** What each device stands for, in words. */
const DEVICES: Readonly<Record<LiveCaller, string>> = {
  vmsplice: 'vmsplice() to a pipe: FOLL_GET for reading, held until the pipe is read',
  fixed_buffer: 'an io_uring registered buffer: FOLL_PIN | FOLL_LONGTERM for writing',
  process_vm_readv: 'process_vm_readv() that waits on a userfaultfd page: FOLL_PIN for reading',
  process_vm_writev: 'process_vm_writev() that waits on a userfaultfd page: FOLL_PIN for writing',
  o_direct_read: 'an O_DIRECT read',
  o_direct_write: 'an O_DIRECT write',
};

/** Operations and page kinds that the generated programs cannot do yet, though the live executor can. */
const NOT_WRITTEN: readonly LiveStep['op'][] = ['reclaim'];

/** The program, or in one line why there is none. `source`: what the header names as its origin. */
export function exportC(c: Counterexample, source: string): ExportedC | { readonly unsupported: string } {
  const live = toLive(c, EVERYTHING);
  if (isUnsupported(live)) return live;
  const { program, from, scenario } = live;
  const missing = program.steps.findIndex((s) => NOT_WRITTEN.includes(s.op));
  if (missing >= 0)
    return {
      unsupported: `${stepText(scenario.steps[from[missing]!]!)}: export does not write this operation`,
    };
  const run = observe(scenario, policyByName('v6.5-longterm-ban'));
  if (run.stopped >= 0)
    return {
      unsupported: `step ${run.stopped + 1} of ${scenario.steps.length} does not apply under v6.5-longterm-ban`,
    };
  const bad = program.steps.findIndex(
    (s, i) =>
      (s.op !== 'gup' && ['refused', 'blocked'].includes(run.outcomes[from[i]!]!)) ||
      (s.op === 'dio' && run.outcomes[from[i]! - 1] === 'refused'),
  );
  if (bad >= 0)
    return {
      unsupported: `${stepText(scenario.steps[from[bad]!]!)}: is refused, and a C program would end there`,
    };
  if (![...run.allowed.keys()].some((at) => from.includes(at)))
    return { unsupported: 'no step of it observes anything that a program can see' };
  return new Writer(c, scenario, program, from, run, live.substitutions, source).write();
}

interface Observed {
  readonly outcomes: readonly string[];
  /** Index of the step that does not apply, or -1. */
  readonly stopped: number;
  /** By step that observes: contents that break no promise, as the program writes them. */
  readonly allowed: ReadonlyMap<number, readonly number[]>;
  /** True if an observer saw what is not allowed. */
  readonly broken: boolean;
}

/** Runs the scenario, and asks the reference before each observing step which contents it would accept. */
function observe(scenario: Scenario, policy: Policy): Observed {
  const world = new AskingWorld(scenario, policy);
  const result = runScenario(scenario, world.machine.policy, world);
  return {
    outcomes: result.outcomes,
    stopped:
      result.notApplicable < 0 && result.outcomes.length < scenario.steps.length
        ? result.outcomes.length
        : result.notApplicable,
    allowed: world.allowed,
    broken: world.broken,
  };
}

/** Tokens enough for the longest scenario, so that none is ever renamed. */
const TOKENS = 250;

const SEEN_BY_A_PROGRAM: readonly string[] = ['load', 'device-load', 'dio-write', 'file-read', 'disk'];

class AskingWorld extends World {
  readonly allowed = new Map<number, readonly number[]>();
  broken = false;
  readonly #scenario: Scenario;
  /** By token of the reference: content in the program. */
  readonly #contents: number[] = [0];
  #at = 0;

  constructor(scenario: Scenario, policy: Policy) {
    super(scenario.setup, { ...expandPolicy(policy) }, TOKENS);
    this.#scenario = scenario;
    scenario.setup.files.forEach((file, i) => {
      if (file.filesystem !== 'shmem') this.#contents.push(FILE_TOKEN + i);
    });
  }

  override step(packed: number): number {
    const at = this.#at++;
    const { op } = this.#scenario.steps[at]!;
    const { reference } = this;
    const a = aOf(packed);
    const b = bOf(packed);
    // What is documented as not guaranteed breaks no promise either.
    const accepts =
      op === 'read'
        ? (t: number) => reference.judgeLoad(a, b, t) === MATCH || reference.excuseLoad(a, b, t) !== 0
        : op === 'dma_read' || op === 'dio_end'
          ? (t: number) => reference.judgeDevice(a, t) === MATCH || reference.excuseDevice(a, t) !== 0
          : op === 'buffered_read'
            ? (t: number) => reference.judgeFile(a, t) === MATCH || reference.excuseFile(a, t) !== 0
            : op === 'fsync'
              ? (t: number) => reference.judgeDisk(a, t) === MATCH
              : undefined;
    const before = reference.tokens[0]!;
    const tokens = Array.from({ length: before }, (_, t) => t);
    const good = accepts === undefined ? [] : tokens.filter(accepts);
    let seen = -1;
    this.onObservation = (o) => {
      if (SEEN_BY_A_PROGRAM.includes(o.kind)) seen = o.token;
    };
    this.#contents[before] = tokenOf(at);
    const outcome = super.step(packed);
    if (accepts !== undefined && seen >= 0) {
      this.allowed.set(
        at,
        good.map((t) => this.#contents[t]!),
      );
      if (!good.includes(seen)) this.broken = true;
    }
    return outcome;
  }
}

const isDirect = (caller: string): boolean => caller === 'o_direct_read' || caller === 'o_direct_write';

/** C text of a name: as it is if that is short and plain, else with what it names in front. */
const plain = (name: string): boolean => /^(?:[A-Z]\d*|[a-hk-z]\d*)$/.test(name);

class Writer {
  readonly #c: Counterexample;
  readonly #scenario: Scenario;
  readonly #program: { readonly steps: readonly LiveStep[] };
  readonly #from: readonly number[];
  readonly #run: Observed;
  readonly #substitutions: readonly string[];
  readonly #source: string;
  readonly #used = new Set<string>();
  readonly #callers: LiveCaller[] = [];
  readonly #pageOf: number[] = [];
  readonly #mms: string[];
  readonly #pages: string[];
  readonly #refs: string[];
  readonly #files: string[];

  constructor(
    c: Counterexample,
    scenario: Scenario,
    program: { readonly steps: readonly LiveStep[] },
    from: readonly number[],
    run: Observed,
    substitutions: readonly string[],
    source: string,
  ) {
    this.#c = c;
    this.#scenario = scenario;
    this.#program = program;
    this.#from = from;
    this.#run = run;
    this.#substitutions = substitutions;
    this.#source = source;
    const mms = [mmName(0), ...scenario.steps.flatMap((s) => (s.op === 'fork' ? [s.result] : []))];
    const pages = scenario.setup.pages.map((p) => p.name);
    const refs = scenario.steps.flatMap((s) => (s.op === 'gup' && !isDirect(s.caller) ? [s.result] : []));
    const files = scenario.setup.files.map((f) => f.name);
    const all = [...mms, ...pages, ...refs, ...files];
    const clear = new Set(all).size === all.length && all.every(plain);
    const named = (what: string, names: string[]): string[] =>
      clear ? names : names.map((n) => `${what}_${n}`);
    this.#mms = named('process', mms);
    this.#pages = named('page', pages);
    this.#refs = named('ref', refs);
    this.#files = named('file', files);
  }

  write(): ExportedC {
    const story = this.#program.steps.map((s, i) => this.#step(s, this.#from[i]!)).join('\n');
    const { setup } = this.#scenario;
    const checks = this.#from.filter((at) => this.#run.allowed.has(at)).length;
    const predicted = this.#predictions();
    const has = (helper: string): boolean => this.#used.has(helper);
    for (const helper of HELPERS.toReversed())
      if (has(helper.name)) for (const n of helper.needs) this.#used.add(n);
    const files = setup.files.length > 0;
    const fork = this.#mms.length > 1;
    const includes = [
      'errno.h',
      ...(has('held_call') || has('vmsplice_page') || has('direct') || files ? ['fcntl.h'] : []),
      ...(has('held_call') ? ['poll.h', 'pthread.h'] : []),
      'signal.h',
      'stdarg.h',
      'stdio.h',
      'stdlib.h',
      'string.h',
      ...(has('held_call') ? ['sys/ioctl.h'] : []),
      'sys/mman.h',
      ...(has('ring') || has('held_call') ? ['sys/syscall.h'] : []),
      'sys/types.h',
      'sys/uio.h',
      ...(has('direct') ? ['sys/vfs.h'] : []),
      'unistd.h',
    ];
    const kernel = [
      ...(has('ring') ? ['linux/io_uring.h'] : []),
      ...(has('direct') ? ['linux/magic.h'] : []),
      ...(has('held_call') ? ['linux/userfaultfd.h'] : []),
    ];
    const exits = this.#program.steps.some((s) => s.op === 'exit');
    const text = [
      this.#header(predicted),
      '#define _GNU_SOURCE\n',
      [...includes.map((i) => `#include <${i}>`), ...kernel.map((i) => `#include <${i}>`)].join('\n'),
      `\n\n#define PAGE\t4096\n${files ? `#define FILE_CONTENT\t${FILE_TOKEN}\n` : ''}\n`,
      `enum { ${[...this.#mms, 'PROCESSES'].join(', ')} };\n`,
      `enum { ${[...this.#pages, 'PAGES'].join(', ')} };\n`,
      this.#refs.length > 0 ? `enum { ${[...this.#refs, 'REFS'].join(', ')} };\n` : '',
      files ? `enum { ${[...this.#files, 'FILES'].join(', ')} };\n` : '',
      '\n/* The same in every process. */\nstatic char *page_at[PAGES];\n',
      ktap(checks),
      processes(exits),
      fork ? FORK_CHILD : '',
      files ? FILE_HELPERS : '',
      MAP_PAGE,
      ...HELPERS.filter((h) => has(h.name)).map((h) => h.code),
      '\nint main(void)\n{\n\tlong got;\n\n\tbegin();\n',
      this.#prepare(),
      story,
      '\n\treturn finish();\n}\n',
    ].join('');
    return { text: text.replace(/[ \t]+$/gm, ''), checks, predicted };
  }

  #predictions(): Record<string, Predicted> {
    const out: Record<string, Predicted> = {};
    const gups = this.#scenario.steps.flatMap((s, i) => (s.op === 'gup' ? [i] : []));
    for (const policy of BUILT_IN) {
      if (ERAS[policy.id] === undefined) continue;
      const run = observe(this.#scenario, policy);
      const same = gups.every(
        (i) => (run.outcomes[i] === 'refused') === (this.#run.outcomes[i] === 'refused'),
      );
      out[policy.id] = run.broken ? 'not ok' : same ? 'ok' : 'skip';
    }
    return out;
  }

  #header(predicted: Readonly<Record<string, Predicted>>): string {
    const c = this.#c;
    const eras = (want: Predicted): string =>
      Object.keys(predicted)
        .filter((id) => predicted[id] === want)
        .map((id) => ERAS[id])
        .join('; ');
    const failing = eras('not ok');
    const skipping = eras('skip');
    const devices = this.#scenario.steps.flatMap((s) =>
      s.op === 'gup' ? [`${s.result} is ${DEVICES[s.caller as LiveCaller]}.`] : [],
    );
    const lines = [
      ...wrapText(c.title, 74),
      '',
      ...wrapText(c.explanation, 74),
      '',
      ...renderColumns(this.#scenario, { width: 72 }).trimEnd().split('\n'),
      '',
      ...devices.flatMap((d) => wrapText(d, 74, '  ')),
      ...(this.#substitutions.length > 0
        ? wrapText(`Stand-ins: ${this.#substitutions.join('; ')}.`, 74, '  ')
        : []),
      ...(devices.length > 0 ? [''] : []),
      ...wrapText(
        failing === '' ? 'Expected to pass on every kernel.' : `Expected to fail on: ${failing}.`,
        74,
        '  ',
      ),
      ...(failing === ''
        ? []
        : wrapText(`Expected to pass on: ${eras('ok') || 'none of the eras'}.`, 74, '  ')),
      ...(skipping === '' ? [] : wrapText(`Expected to be skipped on: ${skipping}.`, 74, '  ')),
      ...wrapText('(The model of gupfuzz says so for mainline; stable trees have backports.)', 74),
      ...(c.references.length > 0 ? wrapText(`See: ${c.references.join(', ')}`, 74, '  ') : []),
      '',
      'Build: gcc -O2 -Wall -Wextra -pthread -o test THIS_FILE',
      ...wrapText(`Generated by: gupfuzz export --to c ${this.#source} (${c.id})`, 74, '  '),
    ];
    return `// SPDX-License-Identifier: GPL-2.0 OR MIT\n/*\n${lines.map((l) => ` * ${commentSafe(l)}`.trimEnd()).join('\n')}\n */\n`;
  }

  #prepare(): string {
    const { setup } = this.#scenario;
    const lines: string[] = [];
    setup.files.forEach((file, i) => {
      lines.push(`\topen_file(${this.#files[i]}, ${file.filesystem === 'shmem' ? 1 : 0});`);
    });
    setup.pages.forEach((p, i) => {
      const file = setup.files.findIndex((f) => f.name === p.file);
      const prot = p.prot === 'rw' ? 'PROT_READ | PROT_WRITE' : 'PROT_READ';
      const share = p.kind === 'shared-file' || p.kind === 'shmem' ? 'MAP_SHARED' : 'MAP_PRIVATE';
      const flags = file < 0 ? `${share} | MAP_ANONYMOUS` : share;
      lines.push(
        `\tmap_page(${this.#pages[i]}, ${prot}, ${flags}, ${file < 0 ? '-1' : `file_fd[${this.#files[file]}]`});`,
      );
    });
    this.#callers.forEach((caller, ref) => {
      if (caller === 'vmsplice')
        lines.push(`\tif (pipe(held_in_pipe[${this.#refs[ref]}]))\n\t\tskip("pipe", -errno);`);
      if (caller === 'fixed_buffer') lines.push(`\tneed("io_uring", open_ring(${this.#refs[ref]}));`);
    });
    if (this.#used.has('side_file')) lines.push('\topen_side_file();');
    lines.push(`\tstart_process(${this.#mms[0]});`);
    return `${lines.join('\n')}\n\n`;
  }

  /** One step of the story: a comment, then the calls. */
  #step(step: LiveStep, at: number): string {
    const said = this.#scenario.steps[at]!;
    const seen = this.#c.seen;
    const finding =
      seen !== null && stepText(this.#c.steps[seen.step]!) === stepText(said) && this.#run.allowed.has(at)
        ? [`Where the promise is broken, ${seen.observed}; expected: ${seen.expected}.`]
        : [];
    const number = step.op === 'dio' ? `${at} and ${at + 1}` : at + 1;
    const comment = [`${number}. ${this.#words(at)}`, ...finding].flatMap((l) => wrapText(l, 80));
    const head =
      comment.length === 1
        ? `\t/* ${commentSafe(comment[0]!)} */\n`
        : `\t/*\n${comment.map((l) => `\t * ${commentSafe(l)}\n`).join('')}\t */\n`;
    return `${head}${this.#call(step, at)}\n`;
  }

  #call(step: LiveStep, at: number): string {
    const on = (mm: number, deed: string, a: string, b: string | number): string => {
      this.#used.add(deed);
      return `on(${this.#mms[mm]}, ${deed}, ${a}, ${b})`;
    };
    const need = (what: string, call: string): string => `\tneed("step ${at + 1}: ${what}", ${call});`;
    switch (step.op) {
      case 'fork':
        return `\tfork_child(${this.#mms[step.mm]}, ${this.#mms[step.child]});`;
      case 'exit':
        return `\texit_process(${this.#mms[step.mm]});`;
      case 'munmap':
        return need('munmap', on(step.mm, 'unmap', this.#pages[step.page]!, 0));
      case 'write':
        return `\t${on(step.mm, 'store', this.#pages[step.page]!, step.token)};`;
      case 'read':
        return `\tgot = ${on(step.mm, 'load', this.#pages[step.page]!, 0)};\n${this.#check(at)}`;
      case 'mprotect':
        return need(
          'mprotect',
          on(
            step.mm,
            'protect',
            this.#pages[step.page]!,
            step.prot === 'r' ? 'PROT_READ' : 'PROT_READ | PROT_WRITE',
          ),
        );
      case 'madvise':
        return need(
          'madvise',
          on(step.mm, 'advise', this.#pages[step.page]!, `MADV_${step.advice.toUpperCase()}`),
        );
      case 'gup':
        return this.#gup(step, at, on, need);
      case 'unpin':
        return this.#onRef(step.ref, at, (caller, ref) => {
          const [deed, helper] =
            caller === 'vmsplice'
              ? ['empty_pipe', 'empty_pipe']
              : caller === 'fixed_buffer'
                ? ['unregister_fixed_buffer', 'unregister_fixed_buffer']
                : ['cancel_process_vm_call', 'cancel_process_vm_call'];
          this.#used.add(helper!);
          return need('let go', `${deed}(${ref})`);
        });
      case 'dma_read':
        return this.#onRef(step.ref, at, (caller, ref) => {
          const page = this.#pages[this.#pageOf[step.ref]!]!;
          if (caller === 'vmsplice') this.#used.add('dma_read_through_pipe');
          else if (caller === 'fixed_buffer') this.#used.add('dma_read_from_fixed_buffer');
          const call =
            caller === 'vmsplice'
              ? `dma_read_through_pipe(${ref})`
              : caller === 'fixed_buffer'
                ? `dma_read_from_fixed_buffer(${ref}, ${page})`
                : `finish_process_vm_call(${ref}, -1)`;
          return `\tgot = ${call};\n${need('device', 'got')}\n${this.#check(at)}`;
        });
      case 'dma_write':
        return this.#onRef(step.ref, at, (caller, ref) => {
          const page = this.#pages[this.#pageOf[step.ref]!]!;
          if (caller === 'fixed_buffer') this.#used.add('dma_write_to_fixed_buffer');
          return need(
            'device',
            caller === 'fixed_buffer'
              ? `dma_write_to_fixed_buffer(${ref}, ${page}, ${step.token})`
              : `finish_process_vm_call(${ref}, ${step.token})`,
          );
        });
      case 'dio':
        return this.#direct(step, at, on, need);
      case 'buffered_read':
        this.#used.add('buffered_read');
        return `\tgot = buffered_read(${this.#files[step.file]});\n${need('read', 'got')}\n${this.#check(at)}`;
      case 'buffered_write':
        this.#used.add('buffered_write');
        return need('write', `buffered_write(${this.#files[step.file]}, ${step.token})`);
      case 'fsync':
        this.#used.add('fsync_and_read_disk');
        return `\tgot = fsync_and_read_disk(${this.#files[step.file]});\n${need('fsync', 'got')}\n${this.#check(at)}`;
      case 'wb_start':
        this.#used.add('start_writeback');
        return need(
          'sync_file_range',
          `start_writeback(${this.#files[step.file]}, ${step.mode === 'ALL' ? 1 : 0})`,
        );
      case 'wb_end':
        this.#used.add('wait_for_writeback');
        return need('sync_file_range', `wait_for_writeback(${this.#files[step.file]})`);
      case 'drop_caches':
        this.#used.add('drop_caches');
        return need('posix_fadvise', `drop_caches(${this.#files[step.file]})`);
      case 'reclaim':
        throw new Error(`no C for ${step.op}`);
    }
  }

  /** `at` is the dio_end, the step before it the gup. */
  #direct(
    step: Extract<LiveStep, { readonly op: 'dio' }>,
    at: number,
    on: (mm: number, deed: string, a: string, b: number) => string,
    need: (what: string, call: string) => string,
  ): string {
    const call = on(step.mm, step.write ? 'direct_write' : 'direct_read', this.#pages[step.page]!, 0);
    this.#used.add(step.write ? 'side_file_content' : 'put_into_side_file');
    const fill = step.write ? '' : `${need('side file', `put_into_side_file(${step.token})`)}\n`;
    if (!step.write) return `${fill}${need('O_DIRECT read', call)}`;
    return `${need('O_DIRECT write', call)}\n\tgot = side_file_content();\n${need('side file', 'got')}\n${this.#check(at)}`;
  }

  #gup(
    step: Extract<LiveStep, { readonly op: 'gup' }>,
    at: number,
    on: (mm: number, deed: string, a: string, b: string) => string,
    need: (what: string, call: string) => string,
  ): string {
    const { ref, caller, page, mm } = step;
    this.#callers[ref] = caller;
    this.#pageOf[ref] = page;
    const name = this.#refs[ref]!;
    let call: string;
    if (caller === 'vmsplice') call = on(mm, 'vmsplice_page', this.#pages[page]!, name);
    else if (caller === 'fixed_buffer') call = on(mm, 'register_fixed_buffer', this.#pages[page]!, name);
    else {
      this.#used.add('held_call');
      call = `hold_process_vm_call(${name}, process[${this.#mms[mm]}].pid, ${this.#pages[page]}, ${caller === 'process_vm_writev' ? 1 : 0})`;
    }
    if (this.#run.outcomes[at] !== 'refused') return need(caller, call);
    return `\tgot = ${call};\n\tprintf("# step ${at + 1}: ${caller}: %s\\n", got < 0 ? strerror(-got) : "accepted");\n\tif (got >= 0)\n\t\tskip("step ${at + 1}: ${caller} is refused where the promises below hold", -EEXIST);`;
  }

  /** A reference that was refused is used by no step. */
  #onRef(ref: number, at: number, write: (caller: LiveCaller, ref: string) => string): string {
    if (this.#run.outcomes[at] === 'skipped') return '\t/* There is no reference: nothing to do. */';
    return write(this.#callers[ref]!, this.#refs[ref]!);
  }

  /** An O_DIRECT call is two steps: what it is stands in the first. */
  #words(at: number): string {
    const said = this.#scenario.steps[at]!;
    const gup = this.#scenario.steps[at - 1];
    if (said.op !== 'dio_end' || gup?.op !== 'gup') return words(said);
    const deed = gup.caller === 'o_direct_write' ? 'writes from' : 'reads into';
    return `${gup.task} ${deed} ${gup.page} with O_DIRECT`;
  }

  #check(at: number): string {
    const allowed = this.#run.allowed.get(at) ?? [];
    return `\tcheck(got, "step ${at + 1}: ${this.#words(at)}", ${allowed.join(', ')}${allowed.length > 0 ? ', ' : ''}END);`;
  }
}

const commentSafe = (text: string): string => text.replaceAll('*/', '* /').replaceAll('/*', '/ *');

/** A step in words. */
function words(step: Step): string {
  switch (step.op) {
    case 'fork':
      return `${step.task} forks ${step.result}`;
    case 'exit':
      return `${step.task} exits`;
    case 'munmap':
      return `${step.task} unmaps ${step.page}`;
    case 'read':
      return `${step.task} loads from ${step.page}`;
    case 'write':
      return `${step.task} stores to ${step.page}`;
    case 'mprotect':
      return `${step.task} makes ${step.page} ${step.prot === 'r' ? 'read-only' : 'writable'}`;
    case 'madvise':
      return `${step.task} calls madvise(MADV_${step.advice.toUpperCase()}) on ${step.page}`;
    case 'gup':
      return `${step.task} hands ${step.page} to a device, as ${step.result} (${step.caller})`;
    case 'unpin':
      return `the device lets go of ${step.ref}`;
    case 'dma_read':
      return `the device reads through ${step.ref}`;
    case 'dma_write':
      return `the device writes through ${step.ref}`;
    case 'dio_end':
      return `the device moves the data of ${step.ref}`;
    case 'buffered_read':
      return `another process read(2)s ${step.file}`;
    case 'buffered_write':
      return `another process write(2)s ${step.file}`;
    case 'fsync':
      return `fsync of ${step.file}; what the disk holds then`;
    case 'wb_start':
      return `writeback of ${step.file} starts (WB_SYNC_${step.mode})`;
    case 'wb_end':
      return `writeback of ${step.file} ends`;
    case 'drop_caches':
      return `the page of ${step.file} is dropped from the cache, if it can be`;
    case 'reclaim':
      return stepText(step);
  }
}

const ktap = (checks: number): string =>
  String.raw`
/*
 * Contents: every store writes the number of its step, 0 is a page that nobody stored to.
 */
#define CHECKS	${checks}
#define END	(-1L)

static int checked, failed, skipped;

static int finish(void);

/* No more checks: what they need is not there. */
static void __attribute__((noreturn)) skip(const char *what, long error)
{
	while (checked < CHECKS) {
		printf("ok %d # SKIP %s: %s\n", ++checked, what, strerror(-error));
		skipped++;
	}
	exit(finish());
}

static void need(const char *what, long result)
{
	if (result < 0)
		skip(what, result);
}

/* Followed by the contents that break no promise, and END. */
static void check(long got, const char *name, ...)
{
	long allowed;
	int good = 0;
	va_list list;

	va_start(list, name);
	while ((allowed = va_arg(list, int)) != END)
		good |= got == allowed;
	va_end(list);
	printf("%s %d %s\n", good ? "ok" : "not ok", ++checked, name);
	if (good)
		return;
	failed++;
	printf("# content seen: %ld; promised:", got);
	va_start(list, name);
	while ((allowed = va_arg(list, int)) != END)
		printf(" %ld", allowed);
	va_end(list);
	printf("\n");
}
`.replace('#define END\t(-1L)', '#define END\t(-1)');

const processes = (exits: boolean): string => String.raw`
/*
 * main runs no step itself. It tells the processes, one at a time, what to do, and plays the device. All are forks of
 * main, so a function has the same address in each.
 */
static struct {
	pid_t pid;
	int orders[2], answers[2];
} process[PROCESSES];

struct order {
	long (*deed)(long a, long b);
	long a, b;
};

static void __attribute__((noreturn)) serve(int who)
{
	struct order order;
	long answer;
	int i;

	/* Without these, main's death ends the loop. */
	for (i = 0; i < PROCESSES; i++)
		close(process[i].orders[1]);
	while (read(process[who].orders[0], &order, sizeof(order)) == sizeof(order)) {
		answer = order.deed(order.a, order.b);
		if (write(process[who].answers[1], &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static long on(int who, long (*deed)(long a, long b), long a, long b)
{
	struct order order = { deed, a, b };
	long answer;

	if (write(process[who].orders[1], &order, sizeof(order)) != sizeof(order) ||
	    read(process[who].answers[0], &answer, sizeof(answer)) != sizeof(answer))
		return -EIO;
	return answer;
}

static long do_fork(long child, long unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		serve(child);
	return pid < 0 ? -errno : pid;
}

static void start_process(int who)
{
	long pid = do_fork(who, 0);

	need("fork", pid);
	process[who].pid = pid;
}

static void on_alarm(int signal)
{
	static const char text[] = "Bail out! a step did not end in time\n";
	int i;

	(void)signal;
	for (i = 0; i < PROCESSES; i++)
		if (process[i].pid > 0)
			kill(process[i].pid, SIGKILL);
	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

static void begin(void)
{
	int i;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("TAP version 13\n1..%d\n", CHECKS);
	/* Children are reaped by the kernel. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGALRM, on_alarm);
	alarm(20);
	for (i = 0; i < PROCESSES; i++)
		if (pipe(process[i].orders) || pipe(process[i].answers))
			skip("pipe", -errno);
}

static int finish(void)
{
	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n",
	       checked - failed - skipped, failed, skipped);
	return failed ? 1 : skipped ? 4 : 0;
}
${
  exits
    ? `
static long leave(long unused, long unused_too)
{
	(void)unused;
	(void)unused_too;
	_exit(0);
}

static void exit_process(int who)
{
	struct order order = { leave, 0, 0 };

	if (write(process[who].orders[1], &order, sizeof(order)) != sizeof(order))
		skip("exit", -EIO);
	/* It may be no child of ours, so wait() is of no use. */
	while (kill(process[who].pid, 0) == 0)
		usleep(1000);
	process[who].pid = 0;
}
`
    : ''
}`;

const FORK_CHILD = `
static void fork_child(int parent, int child)
{
	long pid = on(parent, do_fork, child, 0);

	need("fork", pid);
	process[child].pid = pid;
}
`;

const FILE_HELPERS = `
static int file_fd[FILES];

static void open_file(int file, int shmem)
{
	char name[] = "./export-test-XXXXXX";
	long data[PAGE / sizeof(long)];
	size_t i;

	for (i = 0; i < PAGE / sizeof(long); i++)
		data[i] = shmem ? 0 : FILE_CONTENT + file;
	file_fd[file] = shmem ? memfd_create("file", 0) : mkstemp(name);
	if (file_fd[file] < 0)
		skip("file", -errno);
	if (!shmem)
		unlink(name);
	if (pwrite(file_fd[file], data, PAGE, 0) != PAGE || fsync(file_fd[file]))
		skip("file", -EIO);
	posix_fadvise(file_fd[file], 0, 0, POSIX_FADV_DONTNEED);
}
`;

const MAP_PAGE = `
/*
 * Called before the first process starts, which inherits the mapping; nobody has touched it by then. Between two pages
 * without access, so that the page is a VMA of its own.
 */
static void map_page(int page, int prot, int flags, int fd)
{
	char *room = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED ||
	    mmap(room + PAGE, PAGE, prot, flags | MAP_FIXED, fd, 0) == MAP_FAILED)
		skip("mmap", -errno);
	page_at[page] = room + PAGE;
}
`;
