/**
 * What a world keeps of operations in flight, per task, where there are several (Shape.tasks): the machine has their
 * locals, the reference what they promise meanwhile.
 */
import type { NotInKey, Value } from '../state/columns.ts';

/** `slot`: nothing is made. */
export const NO_SLOT = 255;
/** What the mappings said of the operation at some time since it began. */
export const WAS_ALLOWED = 1;
export const WAS_FORBIDDEN = 2;

const WHOLE: NotInKey = {
  unread: 'a search tells states with operations in flight by all their bytes (check/model.ts)',
};

const STEP_MAX: number = 0x7fffffff;

export const FLIGHT_COLUMNS = {
  step: {
    of: 'task',
    is: { count: STEP_MAX as number },
    in: 'i32',
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'the call',
  },
  token: {
    of: 'task',
    is: { content: true },
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'what it stores',
  },
  slot: {
    of: 'task',
    is: { count: NO_SLOT as number },
    start: NO_SLOT as number,
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'the child or the reference that it makes',
  },
  order: {
    of: 'task',
    is: { count: 1 },
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'its operation began after that of the other task',
  },
  overlapped: {
    of: 'world',
    is: { count: 1 },
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'a second operation began since there was none in flight: searches go on with these two',
  },
  allowed: {
    of: 'task',
    is: { flags: { allowed: WAS_ALLOWED, forbidden: WAS_FORBIDDEN } } as Value,
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'what the mappings say of it',
  },
} as const;
