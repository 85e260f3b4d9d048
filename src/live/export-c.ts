/**
 * A scenario as a C program that stands alone, in the style of tools/testing/selftests/mm: KTAP, real processes, and
 * one check per step that observes. A check asks what the reference promises, not what some policy does: `ok` means
 * that the kernel keeps its promise, `not ok` that it breaks it.
 */

import { filesystem } from '../domain/filesystems.ts';
import { KIND_TRAITS } from '../domain/page-kinds.ts';
import { callOf } from '../ops/index.ts';
import { policyByName } from '../policies/index.ts';
import type { Counterexample } from '../scenario/definition.ts';
import { stepText } from '../scenario/scenario.ts';
import { type Predicted, predict } from './export/eras.ts';
import { frame } from './export/frame.ts';
import { header } from './export/header.ts';
import { HELPERS } from './export/helpers.ts';
import { type Names, namesIn } from './export/names.ts';
import { type Observed, observe } from './export/promised.ts';
import { storyOf } from './export/story.ts';
import { FULL } from './full.ts';
import { FILE_TOKEN, type LiveProgram, type LiveStep } from './protocol.ts';
import { isUnsupported, type Translated, toLive } from './translate.ts';

export interface ExportedC {
  readonly text: string;
  /** How many `ok` or `not ok` lines it prints. */
  readonly checks: number;
  /** By policy id, the canary left out. */
  readonly predicted: Readonly<Record<string, Predicted>>;
}

/** The program, or in one line why there is none. `source`: what the header names as its origin. */
export function exportC(c: Counterexample, source: string): ExportedC | { readonly unsupported: string } {
  // What the kernel at hand lacks, the program finds out by itself.
  const live = toLive(c, FULL);
  if (isUnsupported(live)) return live;
  const run = observe(live.scenario, policyByName('v6.5-longterm-ban'), live.promised);
  const unsupported = whyNot(live, run);
  return unsupported === '' ? assembled(c, live, run, source) : { unsupported };
}

/** Two steps of the scenario in one call, whose outcome is that of the first. */
const isPair = (step: LiveStep): boolean => callOf(step).op.call !== undefined;

/** '' or why there can be no program. `run`: how the scenario goes where its promises hold. */
function whyNot({ program, from, scenario }: Translated, run: Observed): string {
  const stepAt = (live: number): string => stepText(scenario.steps[from[live]!]!);
  const missing = program.steps.findIndex((s) => callOf(s).op.live.c === undefined);
  if (missing >= 0) return `${stepAt(missing)}: export does not write this operation`;
  if (run.stopped >= 0)
    return `step ${run.stopped + 1} of ${scenario.steps.length} does not apply under v6.5-longterm-ban`;
  const bad = program.steps.findIndex(
    (s, i) =>
      run.outcomes[from[i]!] === 'blocked' ||
      (isPair(s) && run.outcomes[from[i]! - 1] === 'refused' && !run.errors.has(from[i]! - 1)),
  );
  if (bad >= 0) return `${stepAt(bad)}: is not done under v6.5-longterm-ban, though its mapping allows it`;
  if (checksOf(program, from, run) === 0) return 'no step of it observes anything that a program can see';
  return '';
}

/** How many `ok` or `not ok` lines the program prints. An O_DIRECT call that is an error is that of its first step. */
const checksOf = ({ steps }: LiveProgram, from: readonly number[], run: Observed): number =>
  steps.filter((s, i) => {
    const at = from[i]!;
    return run.allowed.has(at) || run.errors.has(isPair(s) ? at - 1 : at);
  }).length;

function assembled(c: Counterexample, live: Translated, run: Observed, source: string): ExportedC {
  const { program, scenario, from } = live;
  const names = namesIn(scenario);
  const { text: story, helpers } = storyOf(c, live, run, names);
  const checks = checksOf(program, from, run);
  const predicted = predict(scenario, run, live.promised);
  const needed = withNeeds(helpers);
  const has = (helper: string): boolean => needed.has(helper);
  const files = names.files.length > 0;
  const text = [
    header(c, live, predicted, source),
    '#define _GNU_SOURCE\n',
    includes(has, files)
      .map((i) => `#include <${i}>`)
      .join('\n'),
    `\n\n#define PAGE\t4096\n${files ? `#define FILE_CONTENT\t${FILE_TOKEN}\n` : ''}\n`,
    `enum { ${[...names.mms, 'PROCESSES'].join(', ')} };\n`,
    `enum { ${[...names.pages, 'PAGES'].join(', ')} };\n`,
    names.refs.length > 0 ? `enum { ${[...names.refs, 'REFS'].join(', ')} };\n` : '',
    files ? `enum { ${[...names.files, 'FILES'].join(', ')} };\n` : '',
    '\n/* The same in every process. */\nstatic char *page_at[PAGES];\n',
    frame({
      checks,
      forks: names.mms.length > 1,
      exits: program.steps.some((s) => callOf(s).op.ends === 'mm'),
      files,
      contents: story.includes('\tcheck(got'),
      results: story.includes('\tcheck_result('),
    }),
    ...HELPERS.filter((h) => has(h.name)).map((h) => h.code),
    `\nint main(void)\n{\n${story.includes('\tgot = ') ? '\tlong got;\n\n' : ''}\tbegin();\n`,
    preparation(live, names, has('side_file')),
    story,
    '\n\treturn finish();\n}\n',
  ].join('');
  return { text: text.replace(/[ \t]+$/gm, ''), checks, predicted };
}

/** With the helpers that these need, which stand before them in HELPERS. */
function withNeeds(helpers: ReadonlySet<string>): ReadonlySet<string> {
  const all = new Set(helpers);
  for (const helper of HELPERS.toReversed())
    if (all.has(helper.name)) for (const name of helper.needs) all.add(name);
  return all;
}

function includes(has: (helper: string) => boolean, files: boolean): string[] {
  return [
    'errno.h',
    ...(has('held_call') || has('vmsplice_page') || has('direct') || files ? ['fcntl.h'] : []),
    ...(has('held_call') ? ['poll.h', 'pthread.h'] : []),
    ...(has('segv') ? ['setjmp.h'] : []),
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
    ...(has('ring') ? ['linux/io_uring.h'] : []),
    ...(has('direct') ? ['linux/magic.h'] : []),
    ...(has('held_call') ? ['linux/userfaultfd.h'] : []),
  ];
}

/** Statements before the first step: files, pages and devices as they are at the start, and the first process. */
function preparation({ program, scenario }: Translated, names: Names, sideFile: boolean): string {
  const { setup } = scenario;
  const lines: string[] = [];
  setup.files.forEach((file, i) => {
    lines.push(`\topen_file(${names.files[i]}, ${filesystem(file.filesystem).live === 'dir' ? 0 : 1});`);
  });
  setup.pages.forEach((p, i) => {
    const file = setup.files.findIndex((f) => f.name === p.file);
    const prot = p.prot === 'rw' ? 'PROT_READ | PROT_WRITE' : 'PROT_READ';
    const share = KIND_TRAITS[p.kind].private ? 'MAP_PRIVATE' : 'MAP_SHARED';
    const flags = file < 0 ? `${share} | MAP_ANONYMOUS` : share;
    lines.push(
      `\tmap_page(${names.pages[i]}, ${prot}, ${flags}, ${file < 0 ? '-1' : `file_fd[${names.files[file]}]`});`,
    );
  });
  for (const s of program.steps) {
    if (s.op !== 'gup') continue;
    const ref = names.refs[s.ref];
    if (s.caller === 'vmsplice') lines.push(`\tif (pipe(held_in_pipe[${ref}]))\n\t\tskip("pipe", -errno);`);
    if (s.caller === 'fixed_buffer') lines.push(`\tneed("io_uring", open_ring(${ref}));`);
  }
  if (sideFile) lines.push('\topen_side_file();');
  lines.push(`\tstart_process(${names.mms[0]});`);
  return `${lines.join('\n')}\n\n`;
}
