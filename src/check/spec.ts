/** What is searched, as plain data: whatever a thread or a checkpoint can build a model from. */
import { type Model, PolicyModel, type PolicySpec } from './model.ts';
import { PairModel, type PairSpec } from './pair.ts';

/** One policy in one setup, or two that run the same programs. */
export type Spec = PolicySpec | PairSpec;

export const modelOf = (spec: Spec): Model => ('b' in spec ? new PairModel(spec) : new PolicyModel(spec));
