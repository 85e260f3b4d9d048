import { filesystem } from '../domain/filesystems.ts';
import { writebackSteps } from '../machine/writeback.ts';
import { aOf, OP_KINDS, type Op, onFile } from './op.ts';

/** What its steps say (args.ts). */
export const WB_IO = {
  kind: 'wb_io',
  task: 'kernel',
  args: { file: { is: 'file' } },
} as const;

/**
 * The disk reads the data that is written back. What is stored to the page between this and wb_end, by a device or through
 * a PTE that was left writable, is not on the disk at the end.
 */
export const wbIo: Op<typeof WB_IO> = {
  ...WB_IO,
  weight: 2,
  words: (s) => `the disk reads what is written back of ${s.file}`,
  title: 'the disk reads the data of a writeback, which has not ended',
  kernel: 'none: DMA of the disk, between submit_bio() and bio_endio()',
  live: {
    how: 'cannot be placed: a program neither sees nor holds the DMA of its disk',
    number: (_step, n) => n.cannot('the time at which a disk reads cannot be chosen'),
  },
  shows: [],
  means: ({ files }) => files.some(({ filesystem: id }) => filesystem(id).readsApart),
  whyNot: (_ref, s) => `the disk of ${s.file} reads at the end of writeback (its filesystem says when)`,
  ...onFile(
    OP_KINDS.indexOf('wb_io'),
    1,
    (ref, file) => ref.shape.readsApart[file] === 1,
    (ref, file) => ref.shape.readsApart[file] === 1 && ref.wbStarted[file] === 1,
  ),
  start: (m, t, step) => {
    m.task.other[t] = aOf(step);
    return writebackSteps.B5;
  },
  apply: () => {},
};
