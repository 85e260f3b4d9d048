import { describe, expect, it } from 'vitest';
import { pagesOf } from '../check/scope.ts';
import { type Replay, replayOn } from '../executor/replay.ts';
import { expandPolicy } from '../machine/tables.ts';
import { policyByName } from '../policies/index.ts';
import { newCounterexample } from '../scenario/file.ts';
import { parseSteps } from '../scenario/parse.ts';
import {
  type ComparedFile,
  costChanges,
  entryName,
  markdownMatrix,
  markdownTable,
  newsOfFiles,
  renderMatrix,
} from './compare.ts';

const POLICIES = ['v5.7-mapcount', 'v6.2-anon-exclusive'];

function compared(file: string, text: string, policies = POLICIES): ComparedFile {
  const c = newCounterexample({
    title: file,
    setup: { ...pagesOf(['anon'], 'ext4-v5.18'), mms: 2, refs: 1, pinBias: 1024 },
    steps: parseSteps(text),
    policy: null,
    class: null,
    seen: null,
    expect: {},
    minimality: { kind: 'none', scope: 'a test', depth: 0 },
    provenance: { tool: 'gupfuzz', seed: null, run: null, found: 'by hand' },
    references: [],
    explanation: 'a test',
  });
  const replays: Replay[] = policies.map((p) => replayOn(c, expandPolicy(policyByName(p))));
  return { file, scenario: c, title: file, replays, unexpected: replays.map(() => []) };
}

const PINNED = compared(
  'x/pinned-page-is-lost.gup.json',
  'h1 = P: gup A pin W\nC = P: fork\nP: write A\ndevice: dma_read h1',
);
const EXCUSED = compared(
  'excused.gup.json',
  'h1 = P: gup A get W\nC = P: fork\nP: write A\ndevice: dma_read h1',
);
const QUIET = compared('quiet.gup.json', 'P: write A');
const WRONG = { ...compared('wrong.gup.json', 'P: exit'), unexpected: [[], ['verdict']] };
const FILES = [PINNED, EXCUSED, QUIET, WRONG];

const PAIR = POLICIES.map((p) => expandPolicy(policyByName(p)));

describe('compare', () => {
  it('shows a matrix', () => {
    expect(renderMatrix(FILES, POLICIES)).toBe(
      `
                     v5.7      v6.2-anon
                     mapcount  exclusive
pinned-page-is-lost  X         -
excused              doc       doc
quiet                -         -
wrong                n/a       !n/a
(X violated, doc documented, - not violated, n/a does not apply, ! not as the file expects)
`.slice(1),
    );
  });

  it('shortens names to a width', () => {
    const lines = renderMatrix(FILES, POLICIES, { width: 37 }).split('\n');
    expect(lines.find((line) => line.startsWith('pinned'))).toMatch(/^pinned-page-i\.\.\. {2}X/);
  });

  it('as a markdown table', () => {
    expect(markdownMatrix(FILES, POLICIES)).toBe(
      `
| counterexample | v5.7-mapcount | v6.2-anon-exclusive |
| --- | --- | --- |
| pinned-page-is-lost | **violated** | not violated |
| excused | documented | documented |
| quiet | not violated | not violated |
| wrong | unsupported | unsupported (unexpected) |
`.slice(1),
    );
  });

  it('escapes what markdown would read', () => {
    expect(markdownTable(['a|b'], [['<x>\n`y`\\']])).toBe('| a\\|b |\n| --- |\n| \\<x\\> \\`y\\`\\\\ |\n');
  });

  it('new is what the second policy breaks and the first does not', () => {
    expect(newsOfFiles(FILES, PAIR)).toEqual([]);
    const reversed = FILES.map((f) => ({ ...f, replays: [...f.replays].reverse() }));
    expect(newsOfFiles(reversed, [...PAIR].reverse())).toEqual([
      {
        where: 'x/pinned-page-is-lost.gup.json',
        class: 'pin-coherence/stale/anon/PIN-W/cpu->device',
        what: 'violates pin-coherence/stale/anon/PIN-W/cpu->device at step 4',
      },
    ]);
  });

  it('costs that went up', () => {
    expect(costChanges(FILES)).toEqual([
      // The early copy of fork.
      { where: 'counterexamples', cost: 'earlyCopies', base: 0, cand: 1 },
    ]);
  });

  it('names an entry by its file', () => {
    expect(entryName('a/b.c/d.gup.json')).toBe('d');
    expect(entryName('d')).toBe('d');
  });
});
