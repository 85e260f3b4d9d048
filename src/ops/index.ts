/**
 * The registry of operations, in OP_KINDS order: a step's operation number is an index into it. A new operation is a
 * file of its own, its kind in OP_KINDS, and two lines here.
 */

import { type Packing, packingOf, type StepOf } from './args.ts';
import { type BUFFERED_READ, type BUFFERED_WRITE, bufferedRead, bufferedWrite } from './buffered.ts';
import { type DIO_END, dioEnd } from './dio-end.ts';
import { type DMA_READ, dmaRead } from './dma-read.ts';
import { type DMA_WRITE, dmaWrite } from './dma-write.ts';
import { type EXIT, exit } from './exit.ts';
import { type FORK, fork } from './fork.ts';
import { type GUP, gup } from './gup.ts';
import { type MADVISE, madvise } from './madvise.ts';
import { type MPROTECT, mprotect } from './mprotect.ts';
import { type MUNMAP, munmap } from './munmap.ts';
import { OP_KINDS, type Op, type OpKind } from './op.ts';
import { type READ, read } from './read.ts';
import { type DROP_CACHES, dropCaches, type RECLAIM, reclaim } from './reclaim.ts';
import { type UNPIN, unpin } from './unpin.ts';
import { type WRITE, write } from './write.ts';
import { type FSYNC, fsync, type WB_END, type WB_START, wbEnd, wbStart } from './writeback.ts';

const BY_KIND: { readonly [K in OpKind]: Op } = {
  fork,
  exit,
  munmap,
  mprotect,
  madvise,
  read,
  write,
  gup,
  unpin,
  dio_end: dioEnd,
  dma_read: dmaRead,
  dma_write: dmaWrite,
  wb_start: wbStart,
  wb_end: wbEnd,
  fsync,
  reclaim,
  drop_caches: dropCaches,
  buffered_read: bufferedRead,
  buffered_write: bufferedWrite,
};

/** A step of a scenario: who does what, with names. */
export type Step = StepOf<
  | typeof FORK
  | typeof EXIT
  | typeof MUNMAP
  | typeof MPROTECT
  | typeof MADVISE
  | typeof READ
  | typeof WRITE
  | typeof GUP
  | typeof UNPIN
  | typeof DIO_END
  | typeof DMA_READ
  | typeof DMA_WRITE
  | typeof WB_START
  | typeof WB_END
  | typeof FSYNC
  | typeof RECLAIM
  | typeof DROP_CACHES
  | typeof BUFFERED_READ
  | typeof BUFFERED_WRITE
>;

/** An operation with what follows from its grammar. */
export interface RegisteredOp extends Op {
  readonly packing: Packing;
  /** It has a reference, which an earlier gup must have produced. */
  readonly usesRef: boolean;
  /** It ends its reference. */
  readonly releases: boolean;
}

export const OPS: readonly RegisteredOp[] = OP_KINDS.map((kind, at) => {
  const op = BY_KIND[kind];
  const usesRef = 'ref' in op.args;
  return { ...op, packing: packingOf(op, at), usesRef, releases: usesRef && op.ends === 'ref' };
});

/** The operation of a step. */
export const opOfStep = ({ op }: { readonly op: OpKind }): RegisteredOp => OPS[OP_KINDS.indexOf(op)]!;
