#!/usr/bin/env node
/**
 * Starts the command line (program.ts), whose many files are opened at once. Where the system allows too few, Node
 * ends in the middle of that with an error of its own: so it is tried before.
 */
import { closeSync, openSync } from 'node:fs';
import { isOutOfFiles, TOO_MANY_FILES } from '../campaign/too-many-files.ts';

/** More than loading takes; workers take two or three each. */
const FILES = 32;

function haveFiles(): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < FILES) opened.push(openSync('/dev/null', 'r'));
    return true;
  } catch (error) {
    return !isOutOfFiles(error);
  } finally {
    opened.forEach(closeSync);
  }
}

if (haveFiles()) await import('./program.ts');
else {
  const { EXIT } = await import('./exit.ts');
  process.stderr.write(`gupfuzz: ${TOO_MANY_FILES}\n`);
  // git bisect run: this version cannot be tested.
  process.exitCode = process.argv.includes('--bisect') ? EXIT.bisectSkip : EXIT.system;
}
