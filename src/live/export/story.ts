/** The steps of a scenario as the C statements of main: for each a comment, the calls, and its check. */
import type { NameSort } from '../../ops/args.ts';
import { callOf } from '../../ops/index.ts';
import type { CTeller } from '../../ops/live.ts';
import { wrapText } from '../../report/columns.ts';
import type { Counterexample } from '../../scenario/definition.ts';
import { stepText } from '../../scenario/scenario.ts';
import type { LiveStep } from '../protocol.ts';
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

class Teller implements CTeller {
  readonly helpers = new Set<string>();
  at = 0;
  readonly #c: Counterexample;
  readonly #live: Translated;
  readonly #run: Observed;
  readonly #names: Readonly<Record<NameSort, readonly string[]>>;
  /** By reference: the step that takes it. */
  readonly #gups: readonly LiveGup[];

  constructor(c: Counterexample, live: Translated, run: Observed, names: Names) {
    this.#c = c;
    this.#live = live;
    this.#run = run;
    this.#names = { mm: names.mms, ref: names.refs, page: names.pages, file: names.files };
    this.#gups = live.program.steps.filter((s) => s.op === 'gup');
  }

  tell(step: LiveStep, at: number): string {
    this.at = at;
    const said = this.#live.scenario.steps[at]!;
    const { op } = callOf(step);
    const { seen, steps } = this.#c;
    const finding =
      seen !== null && stepText(steps[seen.step]!) === stepText(said) && this.isChecked()
        ? [`Where the promise is broken, ${seen.observed}; expected: ${seen.expected}.`]
        : [];
    const number = op.call === undefined ? at + 1 : `${at} and ${at + 1}`;
    const comment = [`${number}. ${this.#words()}`, ...finding].flatMap((l) => wrapText(l, 80));
    const head =
      comment.length === 1
        ? `\t/* ${commentSafe(comment[0]!)} */\n`
        : `\t/*\n${comment.map((l) => `\t * ${commentSafe(l)}\n`).join('')}\t */\n`;
    if (op.live.c === undefined) throw new Error(`no C for ${op.kind}`);
    return `${head}${op.live.c(step, this)}\n`;
  }

  name(sort: NameSort, number: number): string {
    return this.#names[sort][number]!;
  }
  gupOf(ref: number): LiveGup {
    return this.#gups[ref]!;
  }
  outcome(of = this.at): string | undefined {
    return this.#run.outcomes[of];
  }
  isError(of = this.at): boolean {
    return this.#run.errors.has(of);
  }
  isChecked(): boolean {
    return this.#run.allowed.has(this.at);
  }
  uses(name: string): void {
    this.helpers.add(name);
  }
  helper(name: string, ...args: readonly (string | number)[]): string {
    this.uses(name);
    return `${name}(${args.join(', ')})`;
  }
  on({ mm, page }: { readonly mm: number; readonly page: number }, deed: string, b: string | number): string {
    this.uses(deed);
    return `on(${this.name('mm', mm)}, ${deed}, ${this.name('page', page)}, ${b})`;
  }
  need(what: string, call: string): string {
    return `\tneed("step ${this.at + 1}: ${what}", ${call});`;
  }
  sees(what: string, call: string): string {
    return `\tgot = ${call};\n${this.need(what, 'got')}\n${this.check()}`;
  }
  call(what: string, call: string): string {
    return this.isError() ? this.fails(call) : this.need(what, call);
  }
  refused(what: string, call: string, of = this.at): string {
    const need = this.need(what, 'got').replace(/^/gm, '\t');
    return `\tgot = ${call};\n\tif (got != -${this.#run.errors.get(of)})\n${need}\n${this.#fails(of, 'got')}`;
  }
  fails(call: string): string {
    return this.#fails(this.at, call);
  }
  /** `of`: the step that has the error; this one gives the words. */
  #fails(of: number, call: string): string {
    const error = this.#run.errors.get(of)!;
    const expected = error === '' ? '0' : `-${error === 'SIGSEGV' ? 'EFAULT' : error}`;
    const name = `step ${this.at + 1}: ${this.#words()}: ${error === '' ? 'no effect' : error}`;
    return `\tcheck_result(${call}, "${name}", ${expected});`;
  }
  check(): string {
    const allowed = this.#run.allowed.get(this.at) ?? [];
    return `\tcheck(got, "step ${this.at + 1}: ${this.#words()}", ${[...allowed, 'END'].join(', ')});`;
  }

  #words(): string {
    return inWords(this.#live.scenario, this.at);
  }
}
