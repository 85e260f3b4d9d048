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
  unread: 'searches of interleavings tell states by their bytes (check/fine-key.ts)',
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
  allowed: {
    of: 'task',
    is: { flags: { allowed: WAS_ALLOWED, forbidden: WAS_FORBIDDEN } } as Value,
    only: 'fine' as const,
    key: WHOLE as NotInKey,
    source: 'what the mappings say of it',
  },
} as const;
