/**
 * The part of the executor that follows from the operations: operations.h and operations.c, which executor.c includes.
 * `enum op`, the form of each step and its words, and the two functions that carry one out.
 */
import { type Arg, wordsOf } from '../ops/args.ts';
import { CALLS, type Call } from '../ops/index.ts';
import { lettersOf } from '../ops/live.ts';

const nameOf = ({ grammar }: Call): string => `OP_${grammar.kind.toUpperCase()}`;
const executorOf = ({ op }: Call): NonNullable<Call['op']['live']['executor']> => op.live.executor ?? {};

/** `enum op`. */
export function operationsHeader(): string {
  return `enum op { ${[...CALLS.map(nameOf), 'OPS'].join(', ')} };\n`;
}

/** FORMS, WORDS, in_process() and in_coordinator(). Throws RangeError if two fields of a call are words. */
export function operationsCode(): string {
  return [
    `static const struct form FORMS[OPS] = {\n${CALLS.map(formOf).join('')}};\n`,
    `static const struct word WORDS[] = {\n${CALLS.flatMap(wordsIn).join('')}};\n`,
    ...CALLS.map(bodiesOf),
    dispatch(
      'static long in_process(const struct step *step, struct mailbox *box)',
      'inProcess',
      (call) => `return ${call.grammar.kind}_in_process(step, box);`,
      'return -ENOSYS;',
    ),
    dispatch(
      'static enum end in_coordinator(const struct step *step)',
      'byCoordinator',
      (call) => `return ${call.grammar.kind}_by_coordinator(step);`,
      'return ask(step, 0);',
    ),
  ].join('\n');
}

function formOf(call: Call): string {
  const { grammar } = call;
  const flags = [
    ...(grammar.makes === 'mm' ? ['.makes_mm = 1'] : []),
    ...(grammar.ends === 'mm' ? ['.ends_mm = 1'] : []),
  ];
  const values = [`"${grammar.kind}"`, `"${lettersOf(grammar).join('')}"`];
  return `\t[${nameOf(call)}] = { ${['.name = ', '.form = ']
    .map((field, i) => field + values[i])
    .concat(flags)
    .join(', ')} },\n`;
}

function wordsIn(call: Call): string[] {
  const { grammar } = call;
  const worded = lettersOf(grammar).flatMap((letter, i) => (letter === 'w' ? [grammar.sends![i]!] : []));
  if (worded.length > 1) throw new RangeError(`${grammar.kind}: a call has room for one word`);
  return worded.flatMap((field) => {
    const said = executorOf(call).values?.[field] ?? indexed(grammar.args[field]!);
    return Object.entries(said).map(([word, value]) => `\t{ ${nameOf(call)}, "${word}", ${value} },\n`);
  });
}

/** Each word with its index. */
function indexed(arg: Arg): { readonly [word: string]: string } {
  const words = 'oneOf' in arg ? arg.oneOf : [false, true].map((value) => wordsOf(arg, value).join(''));
  return Object.fromEntries(words.map((word, i) => [word, String(i)]));
}

function bodiesOf(call: Call): string {
  const { inProcess, byCoordinator } = executorOf(call);
  const { kind } = call.grammar;
  return [
    ...(inProcess === undefined
      ? []
      : [
          `static long ${kind}_in_process(const struct step *step, struct mailbox *box)\n{\n\t(void)step;\n\t(void)box;${inProcess}}\n`,
        ]),
    ...(byCoordinator === undefined
      ? []
      : [`static enum end ${kind}_by_coordinator(const struct step *step)\n{${byCoordinator}}\n`]),
  ].join('\n');
}

/** A function that leaves each operation which has such a body to it. */
function dispatch(
  head: string,
  body: 'inProcess' | 'byCoordinator',
  leave: (call: Call) => string,
  otherwise: string,
): string {
  const cases = CALLS.filter((call) => executorOf(call)[body] !== undefined).map(
    (call) => `\tcase ${nameOf(call)}:\n\t\t${leave(call)}\n`,
  );
  return `${head}\n{\n\tswitch (step->op) {\n${cases.join('')}\tdefault:\n\t\t${otherwise}\n\t}\n}\n`;
}
