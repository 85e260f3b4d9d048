/** The registry of commands. Each is loaded when it is called, or when its flags are asked for. */
import type { Command } from './command.ts';

export interface Entry {
  /** As in the command itself; a test holds both together. */
  readonly usage: string;
  readonly describe: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: readonly Entry[] = [
  {
    usage: 'fuzz',
    describe: 'Run random programs on policies, shrink and keep what breaks a promise',
    load: async () => (await import('./fuzz.ts')).fuzz,
  },
  {
    usage: 'check',
    describe: 'Run every program of a small scope on a policy: what breaks, what holds',
    load: async () => (await import('./check.ts')).check,
  },
  {
    usage: 'eventual',
    describe: 'Does a page get clean again, is what was refused ever granted: traps and livelocks',
    load: async () => (await import('./eventual.ts')).eventual,
  },
  {
    usage: 'replay <files..>',
    describe: 'Run counterexamples again and compare with what they expect',
    load: async () => (await import('./replay.ts')).replay,
  },
  {
    usage: 'minimize <files..>',
    describe: 'Make counterexamples as short as they get',
    load: async () => (await import('./minimize.ts')).minimize,
  },
  {
    usage: 'save <files..>',
    describe: 'Make catalogue files: id, class, expectation per policy, in JSON',
    load: async () => (await import('./save.ts')).save,
  },
  {
    usage: 'compare [files..]',
    describe: 'Policies against counterexamples and campaigns; what is new in a candidate',
    load: async () => (await import('./compare.ts')).compare,
  },
  {
    usage: 'distinguish <a> <b>',
    describe: 'The smallest program that tells two policies apart, or that there is none',
    load: async () => (await import('./distinguish.ts')).distinguish,
  },
  {
    usage: 'mutate <name>',
    describe: 'Why is this rule here? Change each rule of a policy and show what breaks',
    load: async () => (await import('./mutate.ts')).mutate,
  },
  {
    usage: 'kernels [what]',
    describe: "Fetch Debian's kernels for `live vm` into a cache, or list those there are",
    load: async () => (await import('./kernels.ts')).kernels,
  },
  {
    usage: 'live <what> [files..]',
    describe: 'Run scenarios on real kernels, this one or in a VM, and compare with policies',
    load: async () => (await import('./live.ts')).live,
  },
  {
    usage: 'show <file>',
    describe: 'Show a counterexample as columns, mail text, steps or JSON',
    load: async () => (await import('./show.ts')).show,
  },
  {
    usage: 'export <file>',
    describe: 'Write a counterexample as a C program in the style of the kernel selftests',
    load: async () => (await import('./export.ts')).exportCommand,
  },
  {
    usage: 'validate <files..>',
    describe: 'Check counterexample files, one line each',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    usage: 'policies [name]',
    describe: 'List the policies, or print the rules of one and what it changes in its base',
    load: async () => (await import('./policies.ts')).policies,
  },
  {
    usage: 'decisions [name]',
    describe: 'List the decisions that a policy answers: facts, their values, answers',
    load: async () => (await import('./decisions.ts')).decisions,
  },
  {
    usage: 'properties [name]',
    describe: 'List the properties that are judged',
    load: async () => (await import('./properties.ts')).properties,
  },
  {
    usage: 'ops [name]',
    describe: 'List the operations that programs are made of',
    load: async () => (await import('./ops.ts')).ops,
  },
  {
    usage: 'init <what> <name>',
    describe: 'Write a policy of your own to start from, with its test',
    load: async () => (await import('./init.ts')).init,
  },
];
