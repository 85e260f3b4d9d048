/** What system calls that hold a page do by themselves. */
import type { Caller } from '../domain/kinds.ts';

/** The call moves data once, and ends with that. */
export const isOneTransfer = (caller: Caller): boolean =>
  caller === 'process_vm_readv' || caller === 'process_vm_writev';

/** Of a caller that a program can be: it dirties the page when it lets go. */
export const dirties = (caller: Caller): boolean => caller === 'process_vm_writev';
