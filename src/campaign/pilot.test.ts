import { describe, expect, it } from 'vitest';
import { PolicyModel, type PolicySpec } from '../check/model.ts';
import { alphabetFor, PLAIN_GUPS, pagesOf } from '../check/scope.ts';
import { Exploration } from '../check/search.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { pilot } from './pilot.ts';

const setup = { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 };
const SPEC: PolicySpec = {
  setup,
  policy: expandPolicy(policyByName('v6.5-longterm-ban')),
  alphabet: alphabetFor(setup, PLAIN_GUPS),
  symmetry: 'all',
  grain: 'class',
};

describe('a pilot', () => {
  it('goes as deep as asked and no deeper, and tells the new states of each layer', async () => {
    const { exploration, layers, next } = await pilot(SPEC, 4);
    expect([exploration.depth, exploration.state, next]).toEqual([4, 'open', 0]);
    const x = new Exploration(new PolicyModel(SPEC), 1e9);
    const sizes = [1];
    for (let depth = 0; depth < 4; sizes.push(x.layer.count), depth++) while (x.depth === depth) x.advance();
    expect(layers).toEqual(sizes);
  });

  it('that stops within a layer tells what it knows of the next one', async () => {
    const { exploration: x, layers, next } = await pilot(SPEC, 99, 12_000);
    expect(x.state).toBe('states');
    expect(x.at).toBeGreaterThan(0);
    expect(next).toBeGreaterThan(0);
    expect(layers.reduce((sum, n) => sum + n, 0) + next).toBe(x.states);
    expect(layers).toHaveLength(x.depth + 1);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();
    const { exploration, layers } = await pilot(SPEC, 99, undefined, stop.signal);
    expect([exploration.states, exploration.state, layers]).toEqual([1, 'open', [1]]);
  });

  it('names goals that were met, and no others', async () => {
    expect(await pilot(SPEC, 1)).toMatchObject({ goals: new Set() });
    expect((await pilot(SPEC, 3)).goals).toContain('cpu-view');
  });
});
