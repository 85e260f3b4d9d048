import { afterEach, describe, expect, it, vi } from 'vitest';
import { onStop, type Stop } from './stop.ts';

const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Name = (typeof NAMES)[number];

/** Our handlers only: the runner of the tests has its own. */
function stopper(said: () => void): { stop: Stop; send: (name: Name) => void; left: () => number } {
  const before = new Set<unknown>(NAMES.flatMap((name) => process.listeners(name)));
  const ours = (name: Name): NodeJS.SignalsListener[] =>
    process.listeners(name).filter((listener) => !before.has(listener));
  const stop = onStop(said);
  return {
    stop,
    send: (name) => {
      for (const listener of ours(name)) listener(name);
    },
    left: () => NAMES.flatMap(ours).length,
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s asks to stop, once; another one ends the process with %i', (name, code) => {
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
    const said: boolean[] = [];
    const { stop, send } = stopper(() => said.push(stop.signal.aborted));
    expect([stop.code, stop.signal.aborted]).toEqual([undefined, false]);
    send(name);
    expect([stop.code, stop.signal.aborted]).toEqual([code, true]);
    expect(said).toEqual([false]); // it is said before work stops
    expect(exit).not.toHaveBeenCalled();
    send(name);
    expect(exit.mock.calls).toEqual([[code]]);
    stop.off();
  });

  it('does what it does by itself when the work is over', () => {
    const { stop, left } = stopper(() => {});
    expect(left()).toBe(NAMES.length);
    stop.off();
    expect(left()).toBe(0);
  });
});
