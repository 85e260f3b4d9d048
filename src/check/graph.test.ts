import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Graph } from './graph.ts';

const marks = (...list: number[]): Uint8Array => Uint8Array.from(list);
const all = (): boolean => true;
const nodesOf = (marked: Uint8Array): number[] => [...marked.keys()].filter((n) => marked[n] === 1);

/** 0 -> 1 -> 2 -> 1 (a loop), 1 -> 3 (a dead end), 4 -> 0. */
const SMALL = [[1], [2, 3], [1], [], [0]];
/** Edges by number: 0: 0->1, 1: 1->2, 2: 1->3, 3: 2->1, 4: 4->0. */
const small = (): Graph => Graph.of(SMALL);

describe('reaching', () => {
  it('is every node from which the goal can be reached, the goal itself too', () => {
    expect(nodesOf(small().reaching(marks(0, 0, 1, 0, 0)))).toEqual([0, 1, 2, 4]);
    expect(nodesOf(small().reaching(marks(0, 0, 0, 1, 0)))).toEqual([0, 1, 2, 3, 4]);
    expect(nodesOf(small().reaching(marks(0, 0, 0, 0, 1)))).toEqual([4]);
    expect(nodesOf(small().reaching(marks(0, 0, 0, 0, 0)))).toEqual([]);
  });

  it('takes allowed edges alone', () => {
    expect(nodesOf(small().reaching(marks(0, 0, 0, 1, 0), (edge) => edge !== 1))).toEqual([0, 1, 2, 3, 4]);
    expect(nodesOf(small().reaching(marks(0, 0, 0, 1, 0), (edge) => edge !== 3))).toEqual([0, 1, 3, 4]);
    expect(nodesOf(small().reaching(marks(0, 0, 0, 1, 0), (edge) => edge !== 2))).toEqual([3]);
  });
});

describe('reachableFrom', () => {
  it('is what can be reached, the start too', () => {
    expect(nodesOf(small().reachableFrom(0))).toEqual([0, 1, 2, 3]);
    expect(nodesOf(small().reachableFrom(3))).toEqual([3]);
    expect(nodesOf(small().reachableFrom(0, (edge) => edge !== 1))).toEqual([0, 1, 3]);
  });
});

describe('components', () => {
  it('are the nodes of common loops', () => {
    const c = small().components();
    expect(c[1]).toBe(c[2]);
    expect(new Set(c).size).toBe(4);
    const without = small().components((edge) => edge !== 3);
    expect(new Set(without).size).toBe(5);
  });

  it('of a long path and a long loop need no deep stack', () => {
    const length = 200_000;
    const path = Graph.of(Array.from({ length }, (_, n) => (n + 1 < length ? [n + 1] : [])));
    expect(new Set(path.components()).size).toBe(length);
    const loop = Graph.of(Array.from({ length }, (_, n) => [(n + 1) % length]));
    expect(new Set(loop.components()).size).toBe(1);
  });
});

describe('shortest', () => {
  it('is a shortest way, as edges', () => {
    expect(small().shortest(4, (n) => n === 3, all)).toEqual([4, 0, 2]);
    expect(small().shortest(3, (n) => n === 3, all)).toEqual([]);
    expect(small().shortest(3, (n) => n === 0, all)).toBeUndefined();
    expect(
      small().shortest(
        4,
        (n) => n === 3,
        (edge) => edge !== 2,
      ),
    ).toBeUndefined();
  });
});

describe('cycle', () => {
  const needs =
    (...edges: number[]) =>
    (edge: number): boolean =>
      edges.includes(edge);

  it('begins at the least node and goes round once', () => {
    expect(small().cycle([needs(3)], all, all)).toEqual({ entry: 1, edges: [1, 3] });
  });

  it('is none where the edge is on no loop, or not allowed', () => {
    expect(small().cycle([needs(2)], all, all)).toBeUndefined();
    expect(small().cycle([needs(3)], all, (edge) => edge !== 1)).toBeUndefined();
    expect(small().cycle([needs(3), needs(0)], all, all)).toBeUndefined();
  });

  it('takes allowed edges alone, also where another one would do for a need', () => {
    const twice = Graph.of([[0, 0]]);
    expect(twice.cycle([all], all, (edge) => edge !== 0)).toEqual({ entry: 0, edges: [1] });
    expect(twice.cycle([needs(0)], all, (edge) => edge !== 0)).toBeUndefined();
  });

  it('begins where it has to pass', () => {
    expect(small().cycle([needs(3)], (n) => n === 2, all)).toEqual({ entry: 2, edges: [3, 1] });
    expect(small().cycle([needs(3)], (n) => n === 0, all)).toBeUndefined();
  });

  it('is of the needed edges alone if that can be, though it begins later', () => {
    // 0 <-> 1, 1 -> 1: the loop at 1 is all it takes. Edges 0: 0->1, 1: 1->0, 2: 1->1.
    const graph = Graph.of([[1], [0, 1]]);
    expect(graph.cycle([needs(2)], all, all)).toEqual({ entry: 1, edges: [2] });
    expect(graph.cycle([needs(2)], (n) => n === 0, all)).toEqual({ entry: 0, edges: [0, 2, 1] });
    expect(graph.cycle([needs(0), needs(2)], all, all)).toEqual({ entry: 0, edges: [0, 2, 1] });
  });
});

describe('a graph that grows', () => {
  it('answers for what was added since it was last asked', () => {
    const graph = small();
    expect(graph.source(4)).toBe(4);
    expect(nodesOf(graph.reaching(marks(0, 0, 0, 0, 1)))).toEqual([4]);
    graph.addNode();
    graph.addEdge(4);
    expect(graph.source(5)).toBe(5);
    expect(nodesOf(graph.reaching(marks(0, 0, 0, 0, 1, 0)))).toEqual([4, 5]);
  });
});

describe('any graph', () => {
  const graphs = fc.integer({ min: 1, max: 8 }).chain((n) =>
    fc.array(fc.array(fc.integer({ min: 0, max: n - 1 }), { maxLength: 3 }), {
      minLength: n,
      maxLength: n,
    }),
  );
  /** Reachability in one step or more, the plain way. */
  function closure(successors: readonly (readonly number[])[]): boolean[][] {
    const n = successors.length;
    const reach = successors.map((list) => Array.from({ length: n }, (_, to) => list.includes(to)));
    for (let k = 0; k < n; k++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) if (reach[i]![k]! && reach[k]![j]!) reach[i]![j] = true;
    return reach;
  }

  it('agrees with the closure', () => {
    fc.assert(
      fc.property(graphs, (successors) => {
        const graph = Graph.of(successors);
        const reach = closure(successors);
        const component = graph.components();
        successors.forEach((_, i) => {
          const from = graph.reachableFrom(i);
          const to = graph.reaching(Uint8Array.from(successors, (_s, j) => (i === j ? 1 : 0)));
          successors.forEach((_s, j) => {
            expect(from[j] === 1).toBe(i === j || reach[i]![j]);
            expect(to[j] === 1).toBe(i === j || reach[j]![i]);
            expect(component[i] === component[j]).toBe(i === j || (reach[i]![j]! && reach[j]![i]!));
          });
        });
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('a cycle is found if there is one, and is one', () => {
    fc.assert(
      fc.property(graphs, fc.nat(23), fc.nat(7), (successors, edge, node) => {
        const graph = Graph.of(successors);
        if (edge >= graph.edges || node >= graph.nodes) return;
        const reach = closure(successors);
        const source = graph.source(edge);
        const back = (from: number, to: number): boolean => from === to || reach[from]![to]!;
        const there = back(graph.targets[edge]!, node) && back(node, source);
        const found = graph.cycle([(e) => e === edge], (n) => n === node, all);
        expect(found !== undefined).toBe(there);
        if (found === undefined) return;
        expect(found.entry).toBe(node);
        expect(found.edges).toContain(edge);
        let at = node;
        for (const e of found.edges) {
          expect(graph.source(e)).toBe(at);
          at = graph.targets[e]!;
        }
        expect(at).toBe(node);
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});
