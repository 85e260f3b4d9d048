/**
 * An explicit directed graph and the questions that eventual properties ask of it (docs/eventual.md): from where can
 * this be reached, what can be reached from there, and which edges lie on a cycle. Knows nothing of kernels.
 *
 * Nodes and edges are numbers. Edges are added source by source, in ascending order of the source; every answer
 * depends on those numbers alone.
 */

/** May a walk take this edge? */
export type Allowed = (edge: number) => boolean;

/** A closed walk: where it begins, and its edges from there. */
export interface Cycle {
  readonly entry: number;
  readonly edges: readonly number[];
}

const NOT_VISITED = -1;

export class Graph {
  nodes = 0;
  edges = 0;
  /** By edge. */
  targets: Int32Array = new Int32Array(1024);
  /** By node: its first edge; those of node n end where those of n + 1 begin. */
  #first: Int32Array = new Int32Array(1024);
  #sources: Int32Array | undefined;
  #into: { readonly first: Int32Array; readonly edges: Int32Array } | undefined;

  /** From a list of targets per node. */
  static of(successors: readonly (readonly number[])[]): Graph {
    const graph = new Graph();
    for (const targets of successors) {
      graph.addNode();
      for (const target of targets) graph.addEdge(target);
    }
    return graph;
  }

  /** The next node; edges added from now on leave it. */
  addNode(): number {
    const node = this.nodes++;
    if (this.nodes >= this.#first.length) this.#first = grown(this.#first);
    this.#first[node] = this.edges;
    this.#first[this.nodes] = this.edges;
    return node;
  }
  /** An edge from the last node. Targets may be nodes that are added later. */
  addEdge(target: number): number {
    const edge = this.edges++;
    if (edge === this.targets.length) this.targets = grown(this.targets);
    this.targets[edge] = target;
    this.#first[this.nodes] = this.edges;
    return edge;
  }
  /** Edges of a node: from `firstEdge(node)` up to, not including, `endEdge(node)`. */
  firstEdge(node: number): number {
    return this.#first[node]!;
  }
  endEdge(node: number): number {
    return this.#first[node + 1]!;
  }
  source(edge: number): number {
    if (this.#sources === undefined || this.#sources.length !== this.edges) {
      this.#sources = new Int32Array(this.edges);
      for (let node = 0; node < this.nodes; node++)
        this.#sources.fill(node, this.firstEdge(node), this.endEdge(node));
    }
    return this.#sources[edge]!;
  }

  /** Marks (1) the nodes from which a node marked in `goal` can be reached by allowed edges, in any number of steps. */
  reaching(goal: Uint8Array, allowed: Allowed = () => true): Uint8Array {
    const { first, edges } = this.#incoming();
    const marked = goal.slice();
    const queue: number[] = [];
    for (let node = 0; node < this.nodes; node++) if (marked[node] !== 0) queue.push(node);
    for (let node = queue.pop(); node !== undefined; node = queue.pop())
      for (let i = first[node]!; i < first[node + 1]!; i++) {
        const edge = edges[i]!;
        const source = this.source(edge);
        if (marked[source] !== 0 || !allowed(edge)) continue;
        marked[source] = 1;
        queue.push(source);
      }
    return marked;
  }

  /** Marks (1) `from` and the nodes that can be reached from it by allowed edges. */
  reachableFrom(from: number, allowed: Allowed = () => true): Uint8Array {
    const marked = new Uint8Array(this.nodes);
    marked[from] = 1;
    const queue = [from];
    for (let node = queue.pop(); node !== undefined; node = queue.pop())
      for (let edge = this.firstEdge(node); edge < this.endEdge(node); edge++) {
        const target = this.targets[edge]!;
        if (marked[target] !== 0 || !allowed(edge)) continue;
        marked[target] = 1;
        queue.push(target);
      }
    return marked;
  }

  /**
   * Strongly connected components of the allowed edges (Tarjan, without recursion): the component's number by node.
   * An edge lies on a cycle of allowed edges if it is allowed and both its ends are in one component.
   */
  components(allowed: Allowed = () => true): Int32Array {
    const component = new Int32Array(this.nodes).fill(NOT_VISITED);
    const index = new Int32Array(this.nodes).fill(NOT_VISITED);
    const low = new Int32Array(this.nodes);
    const next = new Int32Array(this.nodes);
    const open: number[] = [];
    const calls: number[] = [];
    let visited = 0;
    let components = 0;
    const enter = (node: number): void => {
      index[node] = visited;
      low[node] = visited++;
      next[node] = this.firstEdge(node);
      open.push(node);
      calls.push(node);
    };
    for (let root = 0; root < this.nodes; root++) {
      if (index[root] !== NOT_VISITED) continue;
      enter(root);
      while (calls.length > 0) {
        const node = calls[calls.length - 1]!;
        const edge = next[node]!;
        if (edge < this.endEdge(node)) {
          next[node] = edge + 1;
          if (!allowed(edge)) continue;
          const target = this.targets[edge]!;
          if (index[target] === NOT_VISITED) enter(target);
          else if (component[target] === NOT_VISITED) low[node] = Math.min(low[node]!, index[target]!);
          continue;
        }
        calls.pop();
        const caller = calls[calls.length - 1];
        if (caller !== undefined) low[caller] = Math.min(low[caller]!, low[node]!);
        if (low[node] !== index[node]) continue;
        for (let member = open.pop()!; ; member = open.pop()!) {
          component[member] = components;
          if (member === node) break;
        }
        components++;
      }
    }
    return component;
  }

  /** Edges of a shortest walk of allowed edges from `from` to a node that `arrived` accepts; undefined: none. */
  shortest(from: number, arrived: (node: number) => boolean, allowed: Allowed): number[] | undefined {
    if (arrived(from)) return [];
    const by = new Int32Array(this.nodes).fill(NOT_VISITED);
    const queue = [from];
    for (let at = 0; at < queue.length; at++) {
      const node = queue[at]!;
      for (let edge = this.firstEdge(node); edge < this.endEdge(node); edge++) {
        const target = this.targets[edge]!;
        if (target === from || by[target] !== NOT_VISITED || !allowed(edge)) continue;
        by[target] = edge;
        if (!arrived(target)) {
          queue.push(target);
          continue;
        }
        const walk: number[] = [];
        for (let back = target; back !== from; back = this.source(by[back]!)) walk.push(by[back]!);
        return walk.reverse();
      }
    }
    return undefined;
  }

  /**
   * A cycle of allowed edges that, for each of `needs` (one or more), has an edge that it accepts, and passes through a
   * node that `passes` accepts; undefined: there is none. The cycle begins at such a node. Of those with one edge per
   * need and nothing else the one is taken that begins at the least numbered node; if there are none, one that begins
   * at the least numbered node of any, not always a shortest one.
   */
  cycle(needs: readonly Allowed[], passes: (node: number) => boolean, allowed: Allowed): Cycle | undefined {
    const component = this.components(allowed);
    const within: Allowed = (edge) =>
      allowed(edge) && component[this.source(edge)] === component[this.targets[edge]!];
    const met = new Map<number, number>();
    const note = (node: number, what: number): void => {
      const at = component[node]!;
      met.set(at, (met.get(at) ?? 0) | (1 << what));
    };
    for (let node = 0; node < this.nodes; node++) {
      if (passes(node)) note(node, needs.length);
      for (let edge = this.firstEdge(node); edge < this.endEdge(node); edge++)
        if (within(edge))
          needs.forEach((need, i) => {
            if (need(edge)) note(node, i);
          });
    }
    const all = 2 ** (needs.length + 1) - 1;
    const candidates: number[] = [];
    for (let node = 0; node < this.nodes; node++)
      if (passes(node) && met.get(component[node]!) === all) candidates.push(node);
    for (const entry of candidates) {
      const edges = this.#tight(entry, needs, within);
      if (edges !== undefined) return { entry, edges };
    }
    return candidates[0] === undefined ? undefined : this.#roundTrip(candidates[0], needs, within);
  }

  /** One edge per need, in their order, back to where it began. */
  #tight(entry: number, needs: readonly Allowed[], within: Allowed): number[] | undefined {
    const walk = (node: number, at: number): number[] | undefined => {
      if (at === needs.length) return node === entry ? [] : undefined;
      for (let edge = this.firstEdge(node); edge < this.endEdge(node); edge++) {
        if (!within(edge) || !needs[at]!(edge)) continue;
        const rest = walk(this.targets[edge]!, at + 1);
        if (rest !== undefined) return [edge, ...rest];
      }
      return undefined;
    };
    return walk(entry, 0);
  }

  /** From the entry by way of one edge per need, and back, each time the nearest way. */
  #roundTrip(entry: number, needs: readonly Allowed[], within: Allowed): Cycle {
    const edges: number[] = [];
    let at = entry;
    for (const need of needs) {
      if (edges.some(need)) continue;
      const edgeOf = (node: number): number | undefined => {
        for (let edge = this.firstEdge(node); edge < this.endEdge(node); edge++)
          if (within(edge) && need(edge)) return edge;
        return undefined;
      };
      const way = this.shortest(at, (node) => edgeOf(node) !== undefined, within)!;
      edges.push(...way);
      if (way.length > 0) at = this.targets[way[way.length - 1]!]!;
      const edge = edgeOf(at)!;
      edges.push(edge);
      at = this.targets[edge]!;
    }
    edges.push(...this.shortest(at, (node) => node === entry, within)!);
    return { entry, edges };
  }

  #incoming(): { readonly first: Int32Array; readonly edges: Int32Array } {
    if (this.#into !== undefined && this.#into.edges.length === this.edges) return this.#into;
    const first = new Int32Array(this.nodes + 1);
    for (let edge = 0; edge < this.edges; edge++) first[this.targets[edge]! + 1]!++;
    for (let node = 0; node < this.nodes; node++) first[node + 1]! += first[node]!;
    const at = first.slice();
    const edges = new Int32Array(this.edges);
    for (let edge = 0; edge < this.edges; edge++) edges[at[this.targets[edge]!]!++] = edge;
    this.#into = { first, edges };
    return this.#into;
  }
}

function grown(list: Int32Array): Int32Array {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
