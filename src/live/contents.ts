/** Contents in a world of the model and on a kernel: the one has tokens, the other numbers of the protocol. */
import { filesystem } from '../domain/filesystems.ts';
import type { Setup } from '../domain/setup.ts';
import type { Op } from '../ops/op.ts';
import type { ObservationKind } from '../property/property.ts';
import { FILE_TOKEN } from './protocol.ts';

/** What a program can see itself, and sees a content in; the filesystem's observations it cannot. */
const SHOWING: readonly ObservationKind[] = ['load', 'device-load', 'dio-write', 'file-read', 'disk'];

export const showsContent = (kind: ObservationKind): boolean => SHOWING.includes(kind);

/** Who sees a content in a step of this operation, if anybody does. */
export const seenBy = ({ shows }: Pick<Op, 'shows'>): ObservationKind | undefined => shows.find(showsContent);

/** By token of a world that has not run yet: the content on a kernel. The first store brings the token after them. */
export const contentsAtStart = (setup: Setup): number[] => [
  0,
  ...setup.files.flatMap((file, i) => (filesystem(file.filesystem).startsZero ? [] : [FILE_TOKEN + i])),
];

/** Tokens of a world: enough for a scenario of the most steps that a file may have, so that none is renamed. */
export const TOKENS = 250;
