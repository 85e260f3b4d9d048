/** What a kernel offers, from the lines of `executor --probe`: `cap <name> ok` or `cap <name> <why not>`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Capabilities, LiveCaller } from './protocol.ts';

/** In the order in which they are shown. */
export const LIVE_CALLERS: readonly LiveCaller[] = [
  'vmsplice',
  'fixed_buffer',
  'process_vm_readv',
  'process_vm_writev',
  'o_direct_read',
  'o_direct_write',
];

/** The last line of a probe: without it the kernel did not survive being asked. */
export const PROBE_END = 'cap end ok';

/** Lines that are none of the probe are ignored. Throws if the probe is not complete. */
export function parseCapabilities(text: string): Capabilities {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, why] = /^cap (\S+) (.+)$/.exec(line.trim()) ?? [];
    if (name !== undefined && why !== undefined) found.set(name, why === 'ok' ? '' : why);
  }
  if (!found.delete('end')) throw new Error('the probe of the kernel did not come to its end');
  const release = found.get('release') ?? 'unknown';
  const filesystem = found.get('filesystem') ?? 'unknown';
  found.delete('release');
  found.delete('filesystem');
  const callers = {} as Record<LiveCaller, string>;
  for (const caller of LIVE_CALLERS) {
    callers[caller] = found.get(caller) ?? 'not probed';
    found.delete(caller);
  }
  return { release, filesystem, callers, features: Object.fromEntries(found) };
}

/** Asks the running kernel. `dir`: the folder whose filesystem it is about. */
export async function probeHost(executor: string, dir: string): Promise<Capabilities> {
  const { stdout } = await promisify(execFile)(executor, ['--probe', '--dir', dir], { timeout: 60_000 });
  return parseCapabilities(stdout);
}
