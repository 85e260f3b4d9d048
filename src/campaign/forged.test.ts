/** Checkpoints that no search wrote: they prove nothing, and end. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { alphabetFor, pagesOf } from '../check/scope.ts';
import { Exploration } from '../check/search.ts';
import { modelOf, type Spec } from '../check/spec.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';

const temp = mkdtempSync(join(tmpdir(), 'gupfuzz-forged-'));
afterAll(() => rmSync(temp, { recursive: true, force: true }));

const setup = { ...pagesOf(['anon'], ''), mms: 2, refs: 1, pinBias: 1024 };
const SPEC: Spec = {
  setup,
  policy: expandPolicy(policyByName('v6.2-anon-exclusive')),
  alphabet: alphabetFor(setup),
  symmetry: 'all',
  grain: 'property',
};

function written(): string {
  const path = join(temp, 'state');
  const x = new Exploration(modelOf(SPEC), 100_000);
  while (x.depth < 4) x.advance();
  writeCheckpoint(path, SPEC, x);
  return path;
}

/** Changes the words after the first line, and makes the checksum right again. */
function forge(
  path: string,
  change: (words: Int32Array, header: { states: number; slots: number }) => void,
): void {
  const bytes = readFileSync(path);
  const end = bytes.indexOf(10);
  const { sum: _, ...header } = JSON.parse(bytes.subarray(0, end).toString('utf8'));
  const words = new Int32Array(new Uint8Array(bytes.subarray(end + 1)).buffer);
  change(words, header);
  const rest = Buffer.from(words.buffer);
  const sum = createHash('sha256').update(JSON.stringify(header)).update(rest).digest('hex');
  writeFileSync(path, Buffer.concat([Buffer.from(`${JSON.stringify({ ...header, sum })}\n`), rest]));
}
const resume = (path: string): Exploration => {
  const x = new Exploration(modelOf(SPEC), 100_000);
  readCheckpoint(path, SPEC, x);
  return x;
};

describe('a checkpoint', () => {
  it('goes on where it was', () => {
    const x = resume(written());
    expect([x.depth, x.state]).toEqual([4, 'open']);
    expect(x.states).toBeGreaterThan(100);
  });

  it('whose paths go round in a circle is refused, also with a right checksum', () => {
    const path = written();
    forge(path, (words, { slots, states }) => {
      words[slots + 40] = states - 1;
      words[slots + states - 1] = 40;
    });
    expect(() => resume(path)).toThrow(/damaged checkpoint: state 40 is reached from state \d+/);
  });

  it('whose states are not those of its paths is refused', () => {
    const path = written();
    forge(path, (words, { slots, states }) => {
      // Every step of a state is that of the next.
      for (let s = 1; s + 1 < states; s++) words[slots + states + s] = words[slots + states + s + 1]!;
    });
    expect(() => resume(path)).toThrow(/its states are not those of this model/);
  });

  it('with a wrong checksum makes no room', () => {
    const path = written();
    const bytes = readFileSync(path);
    bytes[bytes.length - 5]! ^= 1;
    writeFileSync(path, bytes);
    const x = new Exploration(modelOf(SPEC), 100_000);
    const before = x.bytes;
    expect(() => readCheckpoint(path, SPEC, x)).toThrow(/checksum/);
    expect(x.bytes).toBe(before);
  });
});
