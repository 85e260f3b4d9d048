/** Folders for tests to write into. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** An empty folder for each test, so that none finds what another has left. */
export interface Folder {
  /** Of the test that runs; before any it is an error to ask. */
  readonly path: string;
  /** The path of something in it, whether it is there or not. */
  at(...parts: readonly string[]): string;
  /** Writes a file and the folders it needs. Returns the name as given, as a command run in here takes it. */
  write(name: string, content: string | Uint8Array): string;
}

/** Call it once at the top of a test file. Each folder goes when its test is over. */
export function freshFolder(): Folder {
  let path: string | undefined;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'gupfuzz-test-'));
  });
  afterEach(() => {
    if (path !== undefined) rmSync(path, { recursive: true, force: true });
    path = undefined;
  });
  const at = (...parts: readonly string[]): string => {
    if (path === undefined) throw new Error('a folder is there only while a test runs');
    return join(path, ...parts);
  };
  return {
    get path() {
      return at();
    },
    at,
    write: (name, content) => {
      mkdirSync(dirname(at(name)), { recursive: true });
      writeFileSync(at(name), content);
      return name;
    },
  };
}
