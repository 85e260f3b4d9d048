/** Programs on the kernel of this machine, for tests; what is missing for them is said, and they are skipped. */
import type { TestContext } from 'vitest';
import { PLAIN_KIND } from '../domain/page-kinds.ts';
import { CompileError, compileExecutor } from '../live/compile.ts';
import type {
  Capabilities,
  LiveCaller,
  LivePage,
  LiveProgram,
  LiveResult,
  LiveStep,
} from '../live/protocol.ts';

/** '' or why there is no executor here: the title of what is skipped says it. */
export const MISSING: string = await compileExecutor()
  .then(() => '')
  .catch((error: Error) => {
    if (error instanceof CompileError) return error.message;
    throw error;
  });

export const ANON: LivePage = { kind: PLAIN_KIND, prot: 'rw', file: -1 };

export const read = (mm: number, page = 0): LiveStep => ({ op: 'read', mm, page });
export const write = (mm: number, token: number, page = 0): LiveStep => ({ op: 'write', mm, page, token });
export const gup = (mm: number, ref: number, caller: LiveCaller, page = 0): LiveStep => {
  return { op: 'gup', mm, page, ref, caller };
};
export const load = (ref: number): LiveStep => ({ op: 'dma_read', ref });
export const unpin = (ref: number): LiveStep => ({ op: 'unpin', ref });

/** A program on so many anonymous pages. */
export const onAnon = (pages: number, ...steps: LiveStep[]): LiveProgram => {
  return { pages: new Array(pages).fill(ANON), files: [], steps };
};

/** Steps in short, the value seen or what else came of it, and how the program ended. */
export const short = ({ steps, end }: LiveResult): unknown[] => [
  ...steps.map(({ outcome, value, why }) => (outcome === 'done' ? (value ?? 'done') : `${outcome} ${why}`)),
  end,
];

/** Skips a test, with the kernel's reason, where this kernel or this user cannot do what it takes. */
export function skipWithout(
  test: TestContext,
  { callers, features }: Capabilities,
  ...needed: readonly string[]
): void {
  const offered: Readonly<Record<string, string | undefined>> = { ...features, ...callers };
  for (const name of needed) {
    const why = offered[name];
    if (why === undefined) throw new Error(`no caller or feature is called ${name}`);
    if (why !== '') test.skip(`${name}: ${why}`);
  }
}
