/** What a search may take of memory. */
import { freemem } from 'node:os';

/** Of what is free: the rest is for threads, for Node and for whatever else runs. */
const MEMORY_SHARE = 0.6;

/** Bytes for the states of a search, unless it is told otherwise. */
export const memoryForStates = (): number => Math.floor(freeBytes() * MEMORY_SHARE);

/** Bytes that nothing else uses now, in this control group if it has a limit. */
function freeBytes(): number {
  const { availableMemory } = process as { readonly availableMemory?: () => number };
  const available = availableMemory?.call(process) ?? 0;
  return available > 0 ? Math.min(available, freemem()) : freemem();
}
