/** The registry of properties. An observation may break several; each is a finding of its own. The order is that of tables. */
import type { Property } from '../src/property/property.ts';
import { cpuView } from './cpu-view.ts';
import { durability } from './durability.ts';
import { fsNotified } from './fs-notified.ts';
import { fsState } from './fs-state.ts';
import { getLifetime } from './get-lifetime.ts';
import { isolation } from './isolation.ts';
import { noCrash } from './no-crash.ts';
import { pinCoherence } from './pin-coherence.ts';
import { protection } from './protection.ts';
import { stableWriteback } from './stable-writeback.ts';

/** What must not break, in the order of tables. */
export const PROPERTIES: readonly Property[] = [
  isolation,
  pinCoherence,
  cpuView,
  getLifetime,
  noCrash,
  fsState,
  fsNotified,
  stableWriteback,
  durability,
  protection,
];
