/** What the words of a scenario mean, a line or two each, for a reader who never saw the tool: only those that it uses. */
import { PROPERTIES } from '../../properties/index.ts';
import type { Caller } from '../domain/kinds.ts';
import { KIND_TRAITS, PAGE_KINDS } from '../domain/page-kinds.ts';
import { OPS } from '../ops/index.ts';
import { findPolicy } from '../policies/index.ts';
import { type Counterexample, type Expectation, expectationFor } from '../scenario/definition.ts';

const CALLERS: { readonly [C in Caller]: string } = {
  get: 'a driver: get_user_pages()',
  pin: 'a driver: pin_user_pages()',
  vmsplice: 'vmsplice(2): the pipe holds the page',
  o_direct_read: 'read(2) with O_DIRECT: the page is the buffer that is filled',
  o_direct_write: 'write(2) with O_DIRECT: the page is the buffer that is sent',
  fixed_buffer: 'IORING_REGISTER_BUFFERS',
  process_vm_readv: 'process_vm_readv(2) by another process',
  process_vm_writev: 'process_vm_writev(2) by another process',
};

const VERDICTS: { readonly [V in Expectation['verdict']]: string } = {
  violated: 'a promise is broken',
  documented: 'seen differs from promised, and documentation says that it may',
  unsupported: 'a call is refused that the others grant',
  'not violated': 'all that is seen is as promised',
};

/** Of class ids, each once: `isolation/leak/...` is of isolation. */
export const propertiesOf = (classes: readonly string[]): string[] => [
  ...new Set(classes.map((id) => id.split('/')[0]!)),
];

/** Word and meaning, in the order in which a reader meets them. `policies`: those that are told about. */
export function legendOf(
  c: Counterexample,
  policies: readonly string[],
): (readonly [word: string, meaning: string])[] {
  const told = policies.map((id) => expectationFor(c, id)!);
  const broken = propertiesOf([
    ...(c.class === null ? [] : [c.class.property]),
    ...told.flatMap((e) => [...e.classes, ...(e.documented ?? [])]),
  ]);
  const used = new Set<string>(c.steps.map((s) => s.op));
  const gups = c.steps.filter((s) => s.op === 'gup');
  const callers = Object.entries(CALLERS).filter(([caller]) => gups.some((s) => s.caller === caller));
  const children = c.steps.flatMap((s) => (s.op === 'fork' ? [s.result] : []));
  const devices = c.steps.some((s) => s.task === 'device');
  return [
    ...PAGE_KINDS.filter((kind) => c.setup.pages.some((p) => p.kind === kind)).map(
      (kind) => [kind, KIND_TRAITS[kind].title] as const,
    ),
    [
      'P',
      `the process at the start${children.length === 0 ? '' : `; ${children.join(', ')}: forked from it`}`,
    ],
    ...(devices ? [['device', 'whoever uses a page by a reference, without a page table'] as const] : []),
    ...OPS.filter((op) => used.has(op.kind)).map((op) => [op.kind, op.title] as const),
    ...callers,
    ...(gups.some((s) => s.write) ? [['W', 'FOLL_WRITE'] as const] : []),
    ...(gups.some((s) => !s.write) ? [['R', 'without FOLL_WRITE'] as const] : []),
    ...(gups.some((s) => s.longterm) ? [['LONGTERM', 'FOLL_LONGTERM'] as const] : []),
    ...(gups.some((s) => s.fast) ? [['fast', 'by the lockless path, if that takes it'] as const] : []),
    ...PROPERTIES.filter((p) => broken.includes(p.id)).map((p) => [p.id, p.claim] as const),
    ...Object.entries(VERDICTS).filter(([verdict]) => told.some((e) => e.verdict === verdict)),
    ...policies.flatMap((id) => {
      const title = findPolicy(id)?.title;
      return title === undefined ? [] : [[id, title] as const];
    }),
  ];
}
