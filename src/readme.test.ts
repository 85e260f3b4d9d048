import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runScenario } from './executor/run.ts';
import { policyByName } from './policies/index.ts';
import { parseText } from './scenario/text.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(`${root}/README.md`, 'utf8');

/** The fenced block after `<!-- example: NAME -->`. */
function example(name: string): string {
  const match = new RegExp(`<!-- example: ${name} -->\n\`\`\`\\w+\n([^]*?)\n\`\`\``).exec(readme);
  if (match === null) throw new Error(`README.md has no example ${name}`);
  return match[1]!;
}
const run = (...args: string[]): string =>
  execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

describe('the examples of README.md', () => {
  it('library: runs as printed, and finds what the text says', () => {
    // In dist/, so that `gupfuzz` resolves to this package by its own name.
    const file = `${root}/dist/readme-example.mjs`;
    writeFileSync(file, example('library'));
    try {
      expect(run(file)).toContain('pin-coherence/stale/anon/PIN-R-LT/cpu->device 3\n');
    } finally {
      rmSync(file);
    }
  });

  it('show: is what the tool prints', () => {
    const shown = run(
      'dist/src/cli/main.js',
      'show',
      'counterexamples/b09-registered-buffer-lost-after-mprotect.gup.json',
    );
    expect(example('show')).toBe(shown.trimEnd());
  });

  it('text form: is read, and loses what the text says', () => {
    const { counterexample: c } = parseText(example('text form'), 'lost.gup');
    const verdicts = ['mapcount', 'pae'].map((name) => runScenario(c, policyByName(name)).verdict);
    expect(verdicts).toEqual(['violated', 'not violated']);
    expect(c.title).toBe('An RDMA region is lost after fork');
  });

  it('check: is what the tool prints, but for what it cost', () => {
    const printed = run('dist/src/cli/main.js', 'check', '--policy', 'pae', '--scope', 'pin', '--quiet');
    const withoutCost = (text: string): string => text.trimEnd().split('\n').slice(0, -1).join('\n');
    expect(withoutCost(example('check'))).toBe(withoutCost(printed));
  });

  it('policy: is found out by the catalogue', () => {
    const file = `${root}/dist/readme-policy.ts`;
    writeFileSync(file, example('policy'));
    try {
      expect(() =>
        run('dist/src/cli/main.js', 'compare', '--base', 'longterm-ban', '--cand', file),
      ).toThrow();
    } finally {
      rmSync(file);
    }
  });
});
