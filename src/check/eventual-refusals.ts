/** What is asked for in a scope: by state, where it is granted and where it is refused. */
import { asked, askedText } from './eventual-asked.ts';
import { isRefusal, type StateGraph } from './eventual-graph.ts';

/** Something that is refused, blocked or without end in some state. */
export interface Asking {
  /** In words: `gup A pin W`. */
  readonly subject: string;
  /** What comes back where it is refused: errnos, `blocked`, or what the policy did. Sorted. */
  readonly answers: readonly string[];
  /** By node, 1 where it is. Where one mm gets it and another does not, it is granted and not refused. */
  readonly granted: Uint8Array;
  readonly refused: Uint8Array;
  /** By node, ascending: the packed step of a refusal there. */
  readonly refusals: ReadonlyMap<number, number>;
  readonly everGranted: boolean;
}

/** In ascending order of the packed step, less who asks. */
export function askingsOf(s: StateGraph): Asking[] {
  const { graph } = s;
  const places = new Map<number, Places>();
  for (const what of [...s.answers.keys()].sort((x, y) => x - y))
    places.set(what, {
      granted: new Uint8Array(graph.nodes),
      refused: new Uint8Array(graph.nodes),
      refusals: new Map(),
    });
  const refuse = (node: number, step: number): void => {
    const { refused, refusals } = places.get(asked(step))!;
    refused[node] = 1;
    if (!refusals.has(node)) refusals.set(node, step);
  };
  // Endings are in order of their states as edges are; the refusal that is shown is the first of each state.
  for (const { node, step, policyError } of s.endings) if (policyError !== '') refuse(node, step);
  for (let edge = 0; edge < graph.edges; edge++) {
    const step = s.steps[edge]!;
    const node = graph.source(edge);
    if (isRefusal(s.outcomes[edge]!)) refuse(node, step);
    else {
      const granted = places.get(asked(step))?.granted;
      if (granted !== undefined) granted[node] = 1;
    }
  }
  return [...places].map(([what, { granted, refused, refusals }]) => ({
    subject: askedText(s.options.setup, what),
    answers: [...s.answers.get(what)!].sort(),
    granted,
    // Some mm got it there: the state is no refusal.
    refused: refused.map((mark, node) => (granted[node] === 1 ? 0 : mark)),
    refusals: new Map([...refusals].sort(([x], [y]) => x - y)),
    everGranted: granted.includes(1),
  }));
}

interface Places {
  readonly granted: Uint8Array;
  readonly refused: Uint8Array;
  readonly refusals: Map<number, number>;
}

/** What is granted in some state, also what is refused in none, in words. Sorted. */
export function grantsOf(s: StateGraph): string[] {
  const granted = new Set<number>();
  for (let edge = 0; edge < s.graph.edges; edge++)
    if (!isRefusal(s.outcomes[edge]!)) granted.add(asked(s.steps[edge]!));
  return [...granted].map((what) => askedText(s.options.setup, what)).sort();
}
