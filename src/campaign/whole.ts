/** Files that are written whole or not at all. */
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

/**
 * Writes beside `path` and renames, so that a full disk or a kill leaves what was there. What is beside it is of this
 * process alone, and new: it follows no link that somebody put there, and two campaigns may share a folder. Throws what
 * the system says; what exists and is no file (a FIFO, a device, a folder) stays.
 */
export function writeWhole(path: string, write: (put: (bytes: Uint8Array) => void) => void): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile()) throw new Error(`${path} is ${whatIs(there)}, not a file`);
  const beside = `${path}.${process.pid}.partial`;
  rmSync(beside, { force: true }); // of a process that had this number before
  const fd = openSync(beside, 'wx');
  try {
    try {
      write((bytes) => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
      });
    } finally {
      closeSync(fd);
    }
    renameSync(beside, path);
  } catch (error) {
    try {
      rmSync(beside, { force: true });
    } catch {
      // A folder that became read-only keeps it.
    }
    throw error;
  }
}

export const writeText = (path: string, text: string): void =>
  writeWhole(path, (put) => put(Buffer.from(text, 'utf8')));

interface Kind {
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

/** `a folder`, `a FIFO`, `a socket`, `a device`: what something is that is no file. */
export function whatIs(stat: Kind): string {
  if (stat.isDirectory()) return 'a folder';
  if (stat.isFIFO()) return 'a FIFO';
  return stat.isSocket() ? 'a socket' : 'a device';
}
