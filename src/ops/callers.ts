/** What system calls that hold a page do by themselves; what they do to it is promised (reference/promises.ts). */
import type { Caller } from '../domain/kinds.ts';
import { CALLER_CONTRACTS } from '../reference/promises.ts';
import type { AnyCall, Naming, Numbering } from './live.ts';

/** The call moves data once, and ends with that: process_vm_readv(2), process_vm_writev(2). */
export const isOneTransfer = (caller: Caller): boolean =>
  CALLER_CONTRACTS[caller].copies && CALLER_CONTRACTS[caller].release !== 'dio_end';

/** Of a caller that a program can be: it dirties the page when it lets go. */
export const dirties = (caller: Caller): boolean => CALLER_CONTRACTS[caller].release === 'unpin dirty';

/** How a load or store by the device is told live: where its caller moves data once, the call lets go as well. */
export const TRANSFER = {
  number: (s: { readonly ref: string }, n: Numbering, plain: () => AnyCall): AnyCall => {
    const call = plain();
    if (isOneTransfer(n.callerOf(s.ref))) n.end(s.ref);
    return call;
  },
  steps: (s: { readonly ref: number }, n: Naming, plain: () => object): readonly object[] => {
    const caller = n.callerOf(s.ref);
    if (!isOneTransfer(caller)) return [plain()];
    return [plain(), { task: 'device', op: 'unpin', ref: n.nameOf('ref', s.ref), dirty: dirties(caller) }];
  },
} as const;
