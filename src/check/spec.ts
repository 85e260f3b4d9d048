/** What is searched, as plain data: whatever a thread or a checkpoint can build a model from. */
import { BesideModel, type BesideSpec } from './beside-model.ts';
import { type Model, PolicyModel, type PolicySpec } from './model.ts';
import { PairModel, type PairSpec } from './pair.ts';

/** One policy in one setup, two that run the same programs, or a candidate beside its base. */
export type Spec = PolicySpec | PairSpec | BesideSpec;

export const modelOf = (spec: Spec): Model =>
  'candidate' in spec ? new BesideModel(spec) : 'b' in spec ? new PairModel(spec) : new PolicyModel(spec);
