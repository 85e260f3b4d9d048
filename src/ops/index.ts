/** The registry of operations, in OP_KINDS order: a step's operation number is an index into it. */
import { bufferedRead, bufferedWrite } from './buffered.ts';
import { dioEnd } from './dio-end.ts';
import { dmaRead } from './dma-read.ts';
import { dmaWrite } from './dma-write.ts';
import { exit } from './exit.ts';
import { fork } from './fork.ts';
import { gup } from './gup.ts';
import { madvise } from './madvise.ts';
import { mprotect } from './mprotect.ts';
import { munmap } from './munmap.ts';
import { OP_KINDS, type Op, type OpKind } from './op.ts';
import { read } from './read.ts';
import { dropCaches, reclaim } from './reclaim.ts';
import { unpin } from './unpin.ts';
import { write } from './write.ts';
import { fsync, wbEnd, wbStart } from './writeback.ts';

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

export const OPS: readonly Op[] = OP_KINDS.map((kind) => BY_KIND[kind]);
