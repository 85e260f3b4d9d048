/**
 * A search on disk: a line of JSON, then the arrays as they are in memory (little-endian 32-bit words). Only for the
 * same program on the same kind of machine: it is to go on after an interruption, not to keep.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Exploration, FoundNote, SearchState } from '../check/search.ts';
import { modelOf, type Spec } from '../check/spec.ts';
import { whatIs, writeWhole } from './whole.ts';

/** To be raised when the key, the columns or this format change. */
const VERSION = 6;
const MAGIC = 'gupfuzz checkpoint';
const LINE_MAX = 1 << 20;
const PIECE = 1 << 26;
/** Bytes that are read at a time while only the checksum is asked for. */
const BLOCK = 1 << 20;

interface Header {
  readonly magic: typeof MAGIC;
  readonly version: typeof VERSION;
  readonly search: string;
  readonly size: number;
  readonly depth: number;
  readonly state: SearchState;
  readonly states: number;
  readonly transitions: number;
  readonly complete: { readonly states: number; readonly transitions: number };
  readonly first: number;
  readonly at: number;
  readonly layer: number;
  readonly next: number;
  readonly found: readonly FoundNote[];
  readonly slots: number;
}

/** SHA-256, in hexadecimal, of the first line without itself and of all that follows. */
interface Summed extends Header {
  readonly sum: string;
}

const summed = (header: Header): Hash => createHash('sha256').update(JSON.stringify(header));

/** A checkpoint that cannot be used. The message is one line that names the file. */
export class CheckpointError extends Error {
  constructor(path: string, what: string) {
    super(`${path}: ${what}`);
    this.name = 'CheckpointError';
  }
}

/** What is searched, as one short word. */
const searchId = (spec: Spec): string =>
  createHash('sha256')
    .update(JSON.stringify([VERSION, spec]))
    .digest('hex')
    .slice(0, 16);

const bytesOf = (words: Int32Array, from: number, count: number): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset + from * 4, count * 4);

/** The arrays of an exploration, each with the number of its words that count. */
function sections(x: Exploration): [Int32Array, number][] {
  return [
    [x.table.slots, x.table.slots.length],
    [x.table.parents, x.states],
    [x.table.steps, x.states],
    [x.layer.words, x.layer.count * x.size],
    [x.next.words, x.next.count * x.size],
  ];
}

function* pieces(list: readonly [Int32Array, number][]): Generator<Uint8Array> {
  for (const [words, count] of list)
    for (let from = 0; from < count; from += PIECE) yield bytesOf(words, from, Math.min(PIECE, count - from));
}

/** Whole or not at all, so that a full disk leaves the checkpoint before. Throws CheckpointError. */
export function writeCheckpoint(path: string, spec: Spec, x: Exploration): void {
  const header: Header = {
    magic: MAGIC,
    version: VERSION,
    search: searchId(spec),
    size: x.size,
    depth: x.depth,
    state: x.state,
    states: x.states,
    transitions: x.transitions,
    complete: x.complete,
    first: x.first,
    at: x.at,
    layer: x.layer.count,
    next: x.next.count,
    found: [...x.found.values()],
    slots: x.table.slots.length,
  };
  const sum = summed(header);
  for (const piece of pieces(sections(x))) sum.update(piece);
  const line: Summed = { ...header, sum: sum.digest('hex') };
  try {
    writeWhole(path, (put) => {
      put(Buffer.from(`${JSON.stringify(line)}\n`));
      for (const piece of pieces(sections(x))) put(piece);
    });
  } catch (error) {
    throw new CheckpointError(
      path,
      `cannot be written (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

/** Fills a fresh exploration of the same search. Throws CheckpointError. */
export function readCheckpoint(path: string, spec: Spec, x: Exploration): void {
  let fd: number;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error(`it is ${whatIs(stat)}, not a file`);
    fd = openSync(path, 'r');
  } catch (error) {
    throw new CheckpointError(
      path,
      `cannot be read (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  try {
    fill(path, spec, x, fd);
  } finally {
    closeSync(fd);
  }
}

function fill(path: string, spec: Spec, x: Exploration, fd: number): void {
  const damaged = (what: string): CheckpointError =>
    new CheckpointError(path, `a damaged checkpoint: ${what}`);
  const head = Buffer.alloc(LINE_MAX);
  const got = readSync(fd, head, 0, LINE_MAX, 0);
  const end = head.subarray(0, got).indexOf(10);
  const { sum: wanted, ...header } = firstLine(path, head.subarray(0, Math.max(0, end)).toString('utf8'));
  if (header.search !== searchId(spec) || header.size !== x.size)
    throw new CheckpointError(
      path,
      'is of another search: policy, scope, grain and symmetry must be the same',
    );
  const { states, layer, next, slots } = header;
  for (const [name, n] of Object.entries({ states, layer, next, slots, at: header.at, first: header.first }))
    if (!Number.isInteger(n) || n < 0 || n > 2 ** 33) throw damaged(`${name} is ${String(n).slice(0, 20)}`);
  const words = slots + 2 * states + (layer + next) * header.size;
  if (fstatSync(fd).size !== end + 1 + words * 4) throw damaged('its length is not what its first line says');

  let at = end + 1;
  const read = (into: Uint8Array): void => {
    for (let done = 0; done < into.length; ) {
      const n = readSync(fd, into, done, Math.min(PIECE, into.length - done), at);
      if (n <= 0) throw damaged('it ends early');
      done += n;
      at += n;
    }
  };
  // Nothing is believed, and no room is made, before the checksum is right.
  const sum = summed(header);
  const block = new Uint8Array(Math.min(BLOCK, words * 4));
  for (let left = words * 4; left > 0; left -= block.length) {
    const part = block.subarray(0, Math.min(block.length, left));
    read(part);
    sum.update(part);
  }
  if (sum.digest('hex') !== wanted) throw damaged('its contents do not have the checksum of its first line');
  at = end + 1;
  // The table is filled anew: it may have other partitions here.
  x.table.clear();
  x.table.reserve(states, 0);
  x.table.reserveStates(states);
  const piece = new Int32Array(Math.min(slots, PIECE / 4));
  let filled = 0;
  for (let from = 0; from < slots; from += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, slots - from));
    read(bytesOf(part, 0, part.length));
    for (let slot = 0; slot + 3 < part.length; slot += 4) {
      if (part[slot + 3] === 0) continue;
      if (++filled > states) throw damaged('more states than its first line says');
      const free = x.table.find(part[slot]!, part[slot + 1]!, part[slot + 2]!);
      if (free >= 0) throw damaged('a state is there twice');
      x.table.put(-1 - free, part[slot]!, part[slot + 1]!, part[slot + 2]!, part[slot + 3]!);
    }
  }
  if (filled !== states) throw damaged('fewer states than its first line says');
  read(bytesOf(x.table.parents, 0, states));
  read(bytesOf(x.table.steps, 0, states));
  x.layer.count = 0;
  x.next.count = 0;
  x.layer.reserve(layer);
  x.next.reserve(next);
  read(bytesOf(x.layer.words, 0, layer * header.size));
  read(bytesOf(x.next.words, 0, next * header.size));
  // Each state was first reached from one before it, or paths would have no end.
  for (let state = 1; state < states; state++) {
    const parent = x.table.parents[state]!;
    if (parent < 0 || parent >= state) throw damaged(`state ${state} is reached from state ${parent}`);
  }
  for (const { parent } of header.found)
    if (!Number.isInteger(parent) || parent < 0 || parent >= states)
      throw damaged(`a finding is reached from state ${String(parent).slice(0, 20)}`);
  x.layer.count = layer;
  x.next.count = next;
  x.depth = header.depth;
  x.state = header.state === 'closed' ? 'closed' : 'open'; // it may have a higher limit now
  x.states = states;
  x.transitions = header.transitions;
  x.complete = header.complete;
  x.first = header.first;
  x.at = header.at;
  x.found.clear();
  for (const note of header.found) x.found.set(note.finding, note);
  check(path, spec, x);
}

/** Its types are trusted only once the checksum is right. */
function firstLine(path: string, line: string): Summed {
  const no = new CheckpointError(path, 'is not a checkpoint of gupfuzz check');
  let header: Summed;
  try {
    header = JSON.parse(line);
  } catch {
    throw no;
  }
  if (typeof header !== 'object' || header === null || header.magic !== MAGIC) throw no;
  if (header.version !== VERSION)
    throw new CheckpointError(
      path,
      `says that it is of version ${String(header.version).slice(0, 20)}; this program reads ${VERSION}`,
    );
  return header;
}

/** States that are reached again by their paths: a changed model, or a forged file, would go on from nonsense. */
const SAMPLES = 256;

/** A sample of all states, the last one among them, must be what their paths lead to. */
function check(path: string, spec: Spec, x: Exploration): void {
  const start = modelOf(spec);
  const root = new Int32Array(start.size);
  start.save(root, 0);
  const print = new Int32Array(3);
  const every = Math.max(1, Math.floor(x.states / SAMPLES));
  for (let state = x.states - 1; state >= 0; state -= every) {
    start.load(root, 0);
    for (const step of x.table.path(state)) start.step(step);
    start.fingerprint(print);
    const slot = x.table.find(print[0]!, print[1]!, print[2]!);
    if (slot < 0 || x.table.slots[slot + 3] !== state + 1)
      throw new CheckpointError(
        path,
        'cannot be gone on with: its states are not those of this model, as it is of another version or was changed',
      );
  }
}
