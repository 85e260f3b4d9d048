/** Steps of a scenario in words, for the comments of an exported C program and the names of its checks. */
import { type Scenario, type Step, stepText } from '../../scenario/scenario.ts';

/** Ends no C comment, and begins none within it. */
export const commentSafe = (text: string): string => text.replaceAll('*/', '* /').replaceAll('/*', '/ *');

/** The step at this index, without full stop. An O_DIRECT call is two steps: what it is stands in the first. */
export function inWords({ steps }: Scenario, at: number): string {
  const said = steps[at]!;
  const gup = steps[at - 1];
  if (said.op !== 'dio_end' || gup?.op !== 'gup') return words(said);
  const deed = gup.caller === 'o_direct_write' ? 'writes from' : 'reads into';
  return `${gup.task} ${deed} ${gup.page} with O_DIRECT`;
}

function words(step: Step): string {
  switch (step.op) {
    case 'fork':
      return `${step.task} forks ${step.result}`;
    case 'exit':
      return `${step.task} exits`;
    case 'munmap':
      return `${step.task} unmaps ${step.page}`;
    case 'read':
      return `${step.task} loads from ${step.page}`;
    case 'write':
      return `${step.task} stores to ${step.page}`;
    case 'mprotect':
      return `${step.task} makes ${step.page} ${step.prot === 'r' ? 'read-only' : 'writable'}`;
    case 'madvise':
      return `${step.task} calls madvise(MADV_${step.advice.toUpperCase()}) on ${step.page}`;
    case 'gup':
      return `${step.task} hands ${step.page} to a device, as ${step.result} (${step.caller})`;
    case 'unpin':
      return `the device lets go of ${step.ref}`;
    case 'dma_read':
      return `the device reads through ${step.ref}`;
    case 'dma_write':
      return `the device writes through ${step.ref}`;
    case 'dio_end':
      return `the device moves the data of ${step.ref}`;
    case 'buffered_read':
      return `another process read(2)s ${step.file}`;
    case 'buffered_write':
      return `another process write(2)s ${step.file}`;
    case 'fsync':
      return `fsync of ${step.file}; what the disk holds then`;
    case 'wb_start':
      return `writeback of ${step.file} starts (WB_SYNC_${step.mode})`;
    case 'wb_end':
      return `writeback of ${step.file} ends`;
    case 'drop_caches':
      return `the page of ${step.file} is dropped from the cache, if it can be`;
    case 'reclaim':
      return stepText(step);
  }
}
