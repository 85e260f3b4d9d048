/** The steps of a scenario as the C statements of main: for each a comment, the calls, and its check. */
import { wrapText } from '../../report/columns.ts';
import type { Counterexample } from '../../scenario/definition.ts';
import { stepText } from '../../scenario/scenario.ts';
import type { LiveCaller, LiveStep } from '../protocol.ts';
import type { Translated } from '../translate.ts';
import type { Names } from './names.ts';
import type { Observed } from './promised.ts';
import { commentSafe, inWords } from './words.ts';

export interface Story {
  readonly text: string;
  /** Names of the helpers that it calls itself. */
  readonly helpers: ReadonlySet<string>;
}

/** `run`: how the scenario goes where its promises hold. Throws for an operation that no C is written for. */
export function storyOf(c: Counterexample, live: Translated, run: Observed, names: Names): Story {
  const teller = new Teller(c, live, run, names);
  const { steps } = live.program;
  return { text: steps.map((s, i) => teller.tell(s, live.from[i]!)).join('\n'), helpers: teller.helpers };
}

type LiveGup = Extract<LiveStep, { readonly op: 'gup' }>;
type LiveDirect = Extract<LiveStep, { readonly op: 'dio' }>;

/** `at` is everywhere the index of the step in the scenario, of an O_DIRECT call that of its dio_end. */
class Teller {
  readonly helpers = new Set<string>();
  readonly #c: Counterexample;
  readonly #live: Translated;
  readonly #run: Observed;
  readonly #names: Names;
  /** By reference: the step that takes it. */
  readonly #gups: readonly LiveGup[];

  constructor(c: Counterexample, live: Translated, run: Observed, names: Names) {
    this.#c = c;
    this.#live = live;
    this.#run = run;
    this.#names = names;
    this.#gups = live.program.steps.filter((s) => s.op === 'gup');
  }

  tell(step: LiveStep, at: number): string {
    const said = this.#live.scenario.steps[at]!;
    const { seen, steps } = this.#c;
    const finding =
      seen !== null && stepText(steps[seen.step]!) === stepText(said) && this.#run.allowed.has(at)
        ? [`Where the promise is broken, ${seen.observed}; expected: ${seen.expected}.`]
        : [];
    const number = step.op === 'dio' ? `${at} and ${at + 1}` : at + 1;
    const comment = [`${number}. ${this.#words(at)}`, ...finding].flatMap((l) => wrapText(l, 80));
    const head =
      comment.length === 1
        ? `\t/* ${commentSafe(comment[0]!)} */\n`
        : `\t/*\n${comment.map((l) => `\t * ${commentSafe(l)}\n`).join('')}\t */\n`;
    return `${head}${this.#calls(step, at)}\n`;
  }

  #calls(step: LiveStep, at: number): string {
    const { mms } = this.#names;
    const file = 'file' in step ? this.#names.files[step.file]! : '';
    switch (step.op) {
      case 'fork':
        return `\tfork_child(${mms[step.mm]}, ${mms[step.child]});`;
      case 'exit':
        return `\texit_process(${mms[step.mm]});`;
      case 'munmap':
        return this.#call(at, 'munmap', this.#on(step, 'unmap', 0));
      case 'write':
        if (this.#isError(at)) return this.#fails(at, this.#on(step, 'store_or_segv', step.token));
        return `\t${this.#on(step, 'store', step.token)};`;
      case 'read':
        if (this.#isError(at)) return this.#fails(at, this.#on(step, 'load_or_segv', 0));
        return `\tgot = ${this.#on(step, 'load', 0)};\n${this.#check(at)}`;
      case 'mprotect': {
        const prot = step.prot === 'r' ? 'PROT_READ' : 'PROT_READ | PROT_WRITE';
        return this.#call(at, 'mprotect', this.#on(step, 'protect', prot));
      }
      case 'madvise':
        return this.#call(at, 'madvise', this.#on(step, 'advise', `MADV_${step.advice.toUpperCase()}`));
      case 'gup':
        return this.#gup(step, at);
      case 'unpin':
      case 'dma_read':
      case 'dma_write':
        return this.#device(step, at);
      case 'dio':
        return this.#direct(step, at);
      case 'buffered_read':
        return this.#sees(at, 'read', this.#helper('buffered_read', file));
      case 'buffered_write':
        return need(at, 'write', this.#helper('buffered_write', file, step.token));
      case 'fsync':
        // shmem has no disk.
        return this.#run.allowed.has(at)
          ? this.#sees(at, 'fsync', this.#helper('fsync_and_read_disk', file))
          : need(at, 'fsync', this.#helper('sync_file', file));
      case 'wb_start':
        return need(
          at,
          'sync_file_range',
          this.#helper('start_writeback', file, step.mode === 'ALL' ? 1 : 0),
        );
      case 'wb_end':
        return need(at, 'sync_file_range', this.#helper('wait_for_writeback', file));
      case 'drop_caches':
        return need(at, 'posix_fadvise', this.#helper('drop_caches', file));
      case 'reclaim':
        throw new Error(`no C for ${step.op}`);
    }
  }

  #gup(step: LiveGup, at: number): string {
    const { ref, caller, mm } = step;
    const name = this.#names.refs[ref]!;
    let call: string;
    if (caller === 'vmsplice') call = this.#on(step, 'vmsplice_page', name);
    else if (caller === 'fixed_buffer') call = this.#on(step, 'register_fixed_buffer', name);
    else {
      this.helpers.add('held_call');
      const writes = caller === 'process_vm_writev' ? 1 : 0;
      call = `hold_process_vm_call(${name}, process[${this.#names.mms[mm]}].pid, ${this.#names.pages[step.page]}, ${writes})`;
    }
    if (this.#isError(at)) return this.#refused(at, caller, call);
    if (this.#run.outcomes[at] !== 'refused') return need(at, caller, call);
    return `\tgot = ${call};\n\tprintf("# step ${at + 1}: ${caller}: %s\\n", got < 0 ? strerror(-got) : "accepted");\n\tif (got >= 0)\n\t\tskip("step ${at + 1}: ${caller} is refused where the promises below hold", -EEXIST);`;
  }

  /** What a device does with a reference that it has. */
  #device(step: Extract<LiveStep, { readonly op: 'unpin' | 'dma_read' | 'dma_write' }>, at: number): string {
    // The reference was refused.
    if (this.#run.outcomes[at] === 'skipped') return '\t/* There is no reference: nothing to do. */';
    const { caller, page } = this.#gups[step.ref]!;
    const ref = this.#names.refs[step.ref]!;
    const buffer = this.#names.pages[page]!;
    switch (step.op) {
      case 'unpin':
        return need(at, 'let go', this.#helper(LET_GO[caller] ?? 'cancel_process_vm_call', ref));
      case 'dma_read':
        return this.#sees(
          at,
          'device',
          caller === 'vmsplice'
            ? this.#helper('dma_read_through_pipe', ref)
            : caller === 'fixed_buffer'
              ? this.#helper('dma_read_from_fixed_buffer', ref, buffer)
              : this.#helper('finish_process_vm_call', ref, -1),
        );
      case 'dma_write':
        return need(
          at,
          'device',
          caller === 'fixed_buffer'
            ? this.#helper('dma_write_to_fixed_buffer', ref, buffer, step.token)
            : this.#helper('finish_process_vm_call', ref, step.token),
        );
    }
  }

  #direct(step: LiveDirect, at: number): string {
    if (this.#isError(at - 1))
      return this.#refused(
        at - 1,
        `O_DIRECT ${step.write ? 'write' : 'read'}`,
        this.#on(step, step.write ? 'direct_write' : 'direct_read', 0),
        at,
      );
    if (step.write) {
      const call = need(at, 'O_DIRECT write', this.#on(step, 'direct_write', 0));
      return `${call}\n${this.#sees(at, 'side file', this.#helper('side_file_content'))}`;
    }
    const fill = need(at, 'side file', this.#helper('put_into_side_file', step.token));
    return `${fill}\n${need(at, 'O_DIRECT read', this.#on(step, 'direct_read', 0))}`;
  }

  /** A helper called by main. */
  #helper(name: string, ...args: readonly (string | number)[]): string {
    this.helpers.add(name);
    return `${name}(${args.join(', ')})`;
  }

  /** A helper called by a process, on a page of its own. */
  #on(
    { mm, page }: { readonly mm: number; readonly page: number },
    deed: string,
    b: string | number,
  ): string {
    this.helpers.add(deed);
    return `on(${this.#names.mms[mm]}, ${deed}, ${this.#names.pages[page]}, ${b})`;
  }

  /** A call that may fail, and else gives a content. */
  #sees(at: number, what: string, call: string): string {
    return `\tgot = ${call};\n${need(at, what, 'got')}\n${this.#check(at)}`;
  }

  #isError(at: number): boolean {
    return this.#run.errors.has(at);
  }

  /** A call that is an error, or changes nothing, as its mapping says, or else has to succeed. */
  #call(at: number, what: string, call: string): string {
    return this.#isError(at) ? this.#fails(at, call) : need(at, what, call);
  }

  /** A device that has to be refused: what else goes wrong is that this kernel, or this user, cannot have it. */
  #refused(at: number, what: string, call: string, told: number = at): string {
    const expected = `-${this.#run.errors.get(at)}`;
    return `\tgot = ${call};\n\tif (got != ${expected})\n${need(told, what, 'got').replace(/^/gm, '\t')}\n${this.#fails(at, 'got', told)}`;
  }

  /** `told`: the step whose words and number are used. */
  #fails(at: number, call: string, told: number = at): string {
    const error = this.#run.errors.get(at)!;
    const expected = error === '' ? '0' : `-${error === 'SIGSEGV' ? 'EFAULT' : error}`;
    const name = `step ${told + 1}: ${this.#words(told)}: ${error === '' ? 'no effect' : error}`;
    return `\tcheck_result(${call}, "${name}", ${expected});`;
  }

  #check(at: number): string {
    const allowed = this.#run.allowed.get(at) ?? [];
    return `\tcheck(got, "step ${at + 1}: ${this.#words(at)}", ${[...allowed, 'END'].join(', ')});`;
  }

  #words(at: number): string {
    return inWords(this.#live.scenario, at);
  }
}

const LET_GO: { readonly [C in LiveCaller]?: string } = {
  vmsplice: 'empty_pipe',
  fixed_buffer: 'unregister_fixed_buffer',
};

/** If the call fails, the program ends. */
const need = (at: number, what: string, call: string): string =>
  `\tneed("step ${at + 1}: ${what}", ${call});`;
